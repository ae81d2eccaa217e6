package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

const issueType = record.Type("issue")

// Baggage is what goes along when a record moves to another village, as of one moment:
// the record itself, those that are of it, and the files that they name.
type Baggage struct {
	Village record.Village
	Root    record.ID
	Records []Carriage

	blobs  []Blob
	thumbs map[blob.Hash][]byte
	of     []original
}

// Carriage is one record of it.
type Carriage struct {
	Record
	held merge.Held
	// told are the changes whose values are live, by their names here.
	told map[record.Dot]record.Change
	// seen is what the village where it goes has had replaced before it came there.
	seen map[record.Origin]bool
}

type original struct{ photo, hash blob.Hash }

// Mark is short for all that the baggage says: it changes with every value that comes or
// goes, and with every record.
func (b *Baggage) Mark() string {
	h := sha256.New()
	for i := range b.Records {
		h.Write(b.Records[i].ID[:])
		for _, d := range b.Records[i].State.Dots() {
			h.Write([]byte(d.String()))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Files is how many files go along.
func (b *Baggage) Files() int { return len(b.blobs) }

// Waits is how much of it waits for a decision.
func (b *Baggage) Waits() (n int) {
	for i := range b.Records {
		n += len(b.Records[i].View.Conflicts) + len(b.Records[i].View.Proposals)
	}
	return n
}

// Baggage gives what would go along with a record of a village to another one. It is empty
// where all of it has left. ErrNotFound.
func (s *Store) Baggage(ctx context.Context, v, to record.Village, root record.ID) (b *Baggage, err error) {
	err = s.look(ctx, func(t *tx) error {
		if b, err = s.baggage(t, v, root, false); err != nil || to == "" {
			return err
		}
		trace := &tracer{s: s, t: t}
		for i := range b.Records {
			c := &b.Records[i]
			there, err := trace.held(record.Key{Village: to, Type: c.Type, ID: c.ID}, nil)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			c.seen = there.Seen
		}
		return nil
	})
	return b, found(err)
}

// baggage with gone has also what has left.
func (s *Store) baggage(t *tx, v record.Village, root record.ID, gone bool) (*Baggage, error) {
	b := &Baggage{Village: v, Root: root, thumbs: map[blob.Hash][]byte{}}
	trace := &tracer{s: s, t: t}
	todo, seen := []record.ID{root}, map[record.ID]bool{root: true}
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		rec, err := s.scan(t.row(`SELECT `+recordColumns+` FROM record r WHERE r.village_id = $1 AND r.record_id = $2`, v, id.String()))
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", id, err)
		}
		more, err := s.belonging(t, rec)
		if err != nil {
			return nil, err
		}
		for _, id := range more {
			if !seen[id] {
				seen[id], todo = true, append(todo, id)
			}
		}
		if rec.View.Erased || !gone && rec.View.Left != "" && len(rec.View.Conflicts) == 0 {
			continue
		}
		c := Carriage{Record: *rec, told: map[record.Dot]record.Change{}}
		if c.held, err = trace.held(c.Key, c.State); err != nil {
			return nil, err
		}
		for _, d := range c.State.Dots() {
			e, err := trace.roads[v].log.entry(d)
			if err != nil {
				return nil, fmt.Errorf("change %s of record %s: %w", d, c.ID, err)
			}
			c.told[d] = e.Change
		}
		b.Records = append(b.Records, c)
	}
	slices.SortFunc(b.Records, func(x, y Carriage) int { return bytes.Compare(x.ID[:], y.ID[:]) })
	return b, b.pack(t)
}

// tracer reads how a record came to be what it is, in one village after the other.
type tracer struct {
	s     *Store
	t     *tx
	roads map[record.Village]*road
}

// road is the log of a village with its streams; offices tells the server's own.
type road struct {
	log     *logReader
	streams map[uint64]record.Stream
	offices map[record.Stream]bool
}

func (c *tracer) road(v record.Village) (*road, error) {
	if r := c.roads[v]; r != nil {
		return r, nil
	}
	r := &road{&logReader{s: c.s, t: c.t, village: v}, map[uint64]record.Stream{}, map[record.Stream]bool{}}
	if c.roads == nil {
		c.roads = map[record.Village]*road{}
	}
	c.roads[v] = r
	return r, c.s.streams(c.t, v, func(st *stream) {
		r.streams[st.number], r.offices[st.id] = st.id, st.device == OfficeDevice
	})
}

// steps gives the changes of a record in a village in the order in which they were
// applied, with what those of the server's own say: nobody else says that something was
// written elsewhere first.
func (c *tracer) steps(k record.Key) (dots []record.Dot, said map[record.Dot]record.Change, err error) {
	r, err := c.road(k.Village)
	if err != nil {
		return nil, nil, err
	}
	var trail []byte
	if err := c.t.row(`SELECT trail FROM record WHERE village_id = $1 AND record_id = $2`, k.Village, k.ID.String()).Scan(&trail); err != nil {
		return nil, nil, found(err)
	}
	if dots, err = parseTrail(trail, r.streams); err != nil {
		return nil, nil, fmt.Errorf("record %s: %w", k.ID, err)
	}
	said = map[record.Dot]record.Change{}
	for _, d := range dots {
		if !r.offices[d.Stream] {
			continue
		}
		e, err := r.log.entry(d)
		if err != nil {
			return nil, nil, fmt.Errorf("change %s of record %s: %w", d, k.ID, err)
		}
		said[d] = e.Change
	}
	return dots, said, nil
}

// here is held with nothing of other villages: it reads none of their tables.
func (c *tracer) here(k record.Key, state merge.State) (merge.Held, error) {
	dots, said, err := c.steps(k)
	if err != nil {
		return merge.Held{}, err
	}
	held := merge.NewHeld(k.Village, state, dots)
	for d, e := range said {
		if o, ok := e.Origin(); ok {
			held.First[d] = o
		}
	}
	return held, nil
}

// held gives a record as a village has it, by the names under which its changes were first
// written.
func (c *tracer) held(k record.Key, state merge.State) (merge.Held, error) {
	held, err := c.here(k, state)
	if err != nil {
		return held, err
	}
	held.Seen = map[record.Origin]bool{}
	_, said, err := c.steps(k)
	done := map[record.Village]bool{k.Village: true}
	for _, e := range said {
		if err == nil {
			err = c.seen(record.Key{Village: e.Via(), Type: k.Type, ID: k.ID}, k.Village, held.Seen, done)
		}
	}
	return held, err
}

// seen adds what a village had had of a record when it last left for another one, there or
// in the villages where it was before. What it has had since the other has yet to hear of.
func (c *tracer) seen(k record.Key, to record.Village, into map[record.Origin]bool, done map[record.Village]bool) error {
	if k.Village == "" || done[k.Village] {
		return nil
	}
	done[k.Village] = true
	dots, said, err := c.steps(k)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	left, saw := 0, map[record.Dot]bool{}
	for i, d := range dots {
		e := said[d]
		if !slices.ContainsFunc(e.Body, func(w record.Write) bool { return w.Path == record.Left && w.Value == record.Text(string(to)) }) {
			continue
		}
		for _, w := range e.Body {
			if w.Path == record.Life {
				left, saw = i, merge.Saw(w.Value)
			}
		}
	}
	rec, err := c.s.scan(c.t.row(`SELECT `+recordColumns+` FROM record r WHERE r.village_id = $1 AND r.record_id = $2`, k.Village, k.ID.String()))
	if err != nil {
		return err
	}
	live := map[record.Dot]bool{}
	for _, d := range rec.State.Dots() {
		live[d] = true
	}
	for _, d := range dots[:left] {
		e := said[d]
		if !live[d] || saw[d] {
			o, ok := e.Origin()
			if !ok {
				o = record.Origin{Village: k.Village, Dot: d}
			}
			into[o] = true
		}
		if err := c.seen(record.Key{Village: e.Via(), Type: k.Type, ID: k.ID}, k.Village, into, done); err != nil {
			return err
		}
	}
	return nil
}

// owner is the field by which records of a form are of another one: the first that names
// one record. What names others beside that, or several, only mentions them.
func owner(f *form.Form) *form.Field {
	for _, fd := range f.Fields {
		if fd.Kind == form.RefOne {
			return fd
		}
	}
	return nil
}

// belonging gives the records of a village that go where a record goes: those whose owner
// it is, the issues that it gave rise to, and those that are said to be the same.
func (s *Store) belonging(t *tx, rec *Record) (ids []record.ID, err error) {
	add := func(r *sql.Rows) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		id, err := record.ParseID(text)
		ids = append(ids, id)
		return err
	}
	for _, f := range s.forms.Forms() {
		if fd := owner(f); fd != nil && fd.Refers == rec.Type {
			if err := t.rows(add, `SELECT record_id FROM `+quote(s.tables()[f.Type].name)+` WHERE village_id = $1 AND `+quote(fd.Name)+` = $2`,
				rec.Village, rec.ID.String()); err != nil {
				return nil, err
			}
		}
	}
	among := `SELECT record_id FROM record WHERE village_id = $1 AND type = $2 AND ` + s.engine.Among("record_id", 3)
	if joined := rec.State.Joined(); len(joined) > 0 {
		if err := t.rows(add, among, rec.Village, rec.Type, texts(joined)); err != nil {
			return nil, err
		}
	}
	births := issuesOf(s.forms.Form(rec.Type))
	for n := 1; len(births) > 0; n++ {
		names := map[record.ID]record.Path{}
		var may []record.ID
		for _, p := range births {
			nth := p
			if n > 1 {
				nth += record.Path("#" + strconv.Itoa(n))
			}
			id := record.DerivedID(rec.ID, nth)
			names[id], may = p, append(may, id)
		}
		before := len(ids)
		if err := t.rows(add, among, rec.Village, issueType, texts(may)); err != nil {
			return nil, err
		}
		births = nil
		for _, id := range ids[before:] {
			births = append(births, names[id])
		}
	}
	return ids, nil
}

// issuesOf gives the registers of a form that may give rise to issues.
func issuesOf(f *form.Form) (paths []record.Path) {
	if f == nil {
		return nil
	}
	for _, fd := range f.Fields {
		switch {
		case fd.Issue == nil:
		case !fd.Many():
			paths = append(paths, record.Path(fd.Name))
		default:
			for _, c := range fd.Choices {
				paths = append(paths, record.Path(fd.Name).Element(c.Name))
			}
		}
	}
	return paths
}

// files gives the files that a state names, in values that are live.
func files(s merge.State) (list []blob.Hash) {
	add := func(name string) {
		if h, _, ok := blob.ParseName(name); ok {
			list = append(list, h)
		}
	}
	for p, r := range s {
		if p.System() || len(r.Siblings) == 0 {
			continue
		}
		if _, element := p.Field(); element != "" {
			add(element)
		}
		for _, sib := range r.Siblings {
			for _, text := range sib.Value.Texts() {
				add(text)
			}
		}
	}
	return list
}

// pack adds the files that the records name, with their small pictures and originals.
func (b *Baggage) pack(t *tx) error {
	done := map[blob.Hash]bool{}
	for i := range b.Records {
		for _, h := range files(b.Records[i].State) {
			if err := b.packFile(t, h, done); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Baggage) packFile(t *tx, h blob.Hash, done map[blob.Hash]bool) error {
	if done[h] {
		return nil
	}
	done[h] = true
	err := t.rows(func(r *sql.Rows) error {
		x, err := scanBlob(r)
		b.blobs = append(b.blobs, x)
		return err
	}, `SELECT `+blobColumns+` FROM blob WHERE village_id = $1 AND hash = $2`, b.Village, h[:])
	if err != nil {
		return err
	}
	if err := t.rows(func(r *sql.Rows) error {
		var body []byte
		err := r.Scan(&body)
		b.thumbs[h] = body
		return err
	}, `SELECT body FROM thumbnail WHERE village_id = $1 AND hash = $2`, b.Village, h[:]); err != nil {
		return err
	}
	originals, err := t.hashes(`SELECT hash FROM original WHERE village_id = $1 AND photo = $2`, b.Village, h[:])
	if err != nil {
		return err
	}
	for _, o := range originals {
		b.of = append(b.of, original{h, o})
		if err := b.packFile(t, o, done); err != nil {
			return err
		}
	}
	return nil
}

// unpack notes the files in another village. What is there already stands.
func (b *Baggage) unpack(t *tx, to record.Village) error {
	for _, x := range b.blobs {
		off := 0
		if x.WrittenOff {
			off = 1
		}
		if err := t.exec(`INSERT INTO blob(`+blobColumns+`) VALUES($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT(village_id, hash) DO NOTHING`,
			to, x.Hash[:], x.Kind, x.Size, x.Device, x.Receipt.Received.Milli(), x.Receipt.Sig, off); err != nil {
			return err
		}
	}
	for h, body := range b.thumbs {
		if err := t.exec(`INSERT INTO thumbnail(village_id, hash, body) VALUES($1, $2, $3) ON CONFLICT(village_id, hash) DO NOTHING`, to, h[:], body); err != nil {
			return err
		}
	}
	for _, o := range b.of {
		if err := t.tie(to, o.hash, []blob.Hash{o.photo}); err != nil {
			return err
		}
	}
	return nil
}
