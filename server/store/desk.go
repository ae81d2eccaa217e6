package store

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io"
	"maps"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// OfficeDevice is what stands for the server where a device is named.
const OfficeDevice identity.Device = "office"

// Desk is where the office writes: inside the transaction that has locked a
// village, under streams that the server itself signs. What it writes takes
// the same way as a laptop's changes.
type Desk struct {
	b       *batch
	p       *sender
	decided bool
	notes   []*Note
}

// The errors of a Desk.
var (
	// ErrDecided: somebody has decided on it already.
	ErrDecided = errors.New("decided already")
	// ErrOtherType: the record is there, and of another type.
	ErrOtherType = errors.New("the record is of another type")
	// ErrServers: it says what only the server says, and no laptop.
	ErrServers = errors.New("only the server says that")
)

// Desk locks a village and lets do write there. An error of do undoes it all.
func (s *Store) Desk(ctx context.Context, v record.Village, do func(*Desk) error) error {
	wrote := false
	err := s.change(ctx, func(t *tx) error {
		b, err := s.lock(t, v, milli(s.now()))
		if err != nil {
			return err
		}
		d := &Desk{b: b, p: &sender{office: true, Device: Device{ID: OfficeDevice, Key: s.Key.Public().(ed25519.PublicKey), Role: identity.Office}}}
		if err := do(d); err != nil {
			return err
		}
		wrote = b.taken.Entries > 0 || d.decided
		if err := b.flush(); err != nil {
			return err
		}
		return t.note(s, b.received.Std(), d.notes...)
	})
	if err == nil && wrote {
		s.notice.raise()
	}
	return err
}

// Note leaves a note in the audit, with what is written here or not at all.
func (d *Desk) Note(n Note) { d.notes = append(d.notes, &n) }

// Record gives a record as it is under the lock. ErrNotFound.
func (d *Desk) Record(id record.ID) (*Record, error) {
	if err := d.b.load([]record.ID{id}); err != nil {
		return nil, err
	}
	w := d.b.records[id]
	if w.typ == "" {
		return nil, ErrNotFound
	}
	state := maps.Clone(w.state) // what is written later does not show in it
	return &Record{Key: record.Key{Village: d.b.village, Type: w.typ, ID: id}, Feed: w.feed, State: state, View: merge.Read(d.b.s.forms.Form(w.typ), state)}, nil
}

// incarnation of the server's stream for a purpose. It depends on the epoch, so
// that a server restored from a backup does not write under numbers that it
// used before.
func (d *Desk) incarnation(purpose string, of []byte) (inc identity.Incarnation) {
	h := sha256.New()
	h.Write([]byte("zhucun office stream 1\x00" + purpose + "\x00"))
	h.Write(d.b.s.epoch[:])
	h.Write(of)
	copy(inc[:], h.Sum(nil))
	return inc
}

// Write makes a change in the name of its Author, now.
func (d *Desk) Write(c record.Change) (record.Dot, error) {
	inc := d.incarnation("decisions", nil)
	id := record.Stream(identity.StreamOf(d.p.Key, string(d.b.village), inc))
	stamp := d.b.received
	if st := d.b.streams[id]; st != nil {
		stamp = max(stamp, st.at+1)
	}
	c.Time = uint64(stamp)
	return d.issue(id, inc, c, 0)
}

// issue appends a change to the server's stream, its time shifted by so many
// milliseconds.
func (d *Desk) issue(id record.Stream, inc identity.Incarnation, c record.Change, shift int64) (record.Dot, error) {
	if f := d.b.s.forms.Form(c.Type); f != nil && c.Form == 0 {
		c.Form = f.Version
	}
	var head journal.Head
	if st := d.b.streams[id]; st != nil {
		head = st.head
	}
	seg := &journal.Segment{Stream: id, From: head.Seq + 1, Incarnation: inc, Changes: []record.Change{c}}
	if _, err := io.ReadFull(d.b.s.Random, seg.Seed[:]); err != nil {
		return record.Dot{}, err
	}
	hashes := seg.Hashes(head.Hash)
	seg.Seal(d.b.s.Key, hashes[0])
	p := *d.p
	p.found = shift
	before := d.b.taken
	if err := d.b.take(&p, incoming{seg: seg}); err != nil {
		return record.Dot{}, err
	}
	if d.b.taken.Entries != before.Entries+1 || d.b.taken.Quarantined != before.Quarantined {
		// The server's own change may be refused for two reasons alone.
		if d.b.records[c.Record].state.Erased() {
			return record.Dot{}, ErrErased
		}
		return record.Dot{}, ErrOtherType
	}
	return record.Dot{Stream: id, Seq: seg.From}, nil
}

// quarantined reads a quarantined entry that is still to be decided on.
func (d *Desk) quarantined(dot record.Dot) (Quarantined, error) {
	q, err := scanQuarantined(d.b.t.row(`SELECT `+quarantineColumns+` FROM quarantine WHERE village_id = $1 AND stream_id = $2 AND seq = $3`,
		d.b.village, dot.Stream[:], dot.Seq))
	if err == nil && q.Decision != "" {
		err = ErrDecided
	}
	return q, found(err)
}

// open gives the entries of a record that are in quarantine and undecided.
func (d *Desk) open(id record.ID) (dots []record.Dot, err error) {
	return dots, d.b.t.rows(func(r *sql.Rows) error {
		q, err := scanQuarantined(r)
		dots = append(dots, q.Dot)
		return err
	}, `SELECT `+quarantineColumns+` FROM quarantine WHERE village_id = $1 AND record_id = $2 AND decided = '' ORDER BY stream_id, seq`, d.b.village, id.String())
}

// decide notes a decision. It takes a place in the village's feed, where the laptop
// learns of it.
func (d *Desk) decide(dot record.Dot, decision, by, why string, issued record.Dot) error {
	d.decided = true
	var stream, seq any
	if !issued.IsZero() {
		stream, seq = issued.Stream[:], issued.Seq
	}
	return d.b.t.exec(`UPDATE quarantine SET decided = $4, decided_at = $5, decided_by = $6, decided_why = $7, issued_stream = $8, issued_seq = $9, decided_feed = $10
		WHERE village_id = $1 AND stream_id = $2 AND seq = $3`,
		d.b.village, dot.Stream[:], dot.Seq, decision, d.b.received.Milli(), by, why, stream, seq, d.b.next())
}

// Reject decides that a quarantined entry stays out. ErrNotFound, ErrDecided.
func (d *Desk) Reject(dot record.Dot, by, why string) error {
	if _, err := d.quarantined(dot); err != nil {
		return err
	}
	return d.decide(dot, Rejected, by, why, record.Dot{})
}

// Accept issues the content of a quarantined entry anew, with author and time
// kept, and gives the new entry's dot; it is zero when all that the entry says
// was replaced by later changes of its author. Where it was first written the entry
// does not say for the server, which signs it now. ErrNotFound, ErrDecided,
// ErrOtherType, ErrErased, ErrServers.
func (d *Desk) Accept(dot record.Dot, by, why string) (record.Dot, error) {
	q, err := d.quarantined(dot)
	if err != nil {
		return record.Dot{}, err
	}
	e, err := (&logReader{s: d.b.s, t: d.b.t, village: d.b.village}).entry(dot)
	if err != nil {
		return record.Dot{}, err
	}
	if e.Erased {
		return record.Dot{}, ErrErased
	}
	c := e.Change
	if slices.ContainsFunc(c.Body, servers) {
		return record.Dot{}, ErrServers
	}
	c.Native()
	if c.Body, err = d.current(q, c.Body); err != nil {
		return record.Dot{}, err
	}
	var issued record.Dot
	if len(c.Body) > 0 {
		// A stream for each stream whose entries are accepted: times within a
		// stream never go back, and last year's entry accepted today must not
		// push those of another laptop forward, nor take their date.
		inc := d.incarnation("accepted", dot.Stream[:])
		id := record.Stream(identity.StreamOf(d.p.Key, string(d.b.village), inc))
		if issued, err = d.issue(id, inc, c, e.At.Milli()-clock.Time(c.Time).Milli()); err != nil {
			return record.Dot{}, err
		}
	}
	return issued, d.decide(dot, Accepted, by, why, issued)
}

// current gives what of a quarantined entry's writes still counts: not what the
// same person's later changes have replaced already. What the entry itself
// replaced may have been accepted under a new name, which it then replaces too.
func (d *Desk) current(q Quarantined, body []record.Write) ([]record.Write, error) {
	history, err := d.b.s.history(d.b.t, d.b.village, q.Record)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	replaced := map[record.Path]bool{}
	for _, e := range history {
		for _, w := range e.Change.Body {
			replaced[w.Path] = replaced[w.Path] || slices.Contains(w.Observed, q.Dot)
		}
	}
	issued := map[record.Dot]record.Dot{}
	if err := d.b.t.rows(func(r *sql.Rows) error {
		a, err := scanQuarantined(r)
		issued[a.Dot] = a.Issued
		return err
	}, `SELECT `+quarantineColumns+` FROM quarantine WHERE village_id = $1 AND record_id = $2 AND issued_seq > 0`, d.b.village, q.Record.String()); err != nil {
		return nil, err
	}
	var left []record.Write
	for _, w := range body {
		if replaced[w.Path] {
			continue
		}
		w.Observed = slices.Clone(w.Observed)
		for _, o := range w.Observed {
			if again, ok := issued[o]; ok {
				w.Observed = append(w.Observed, again)
			}
		}
		w.Observed = record.SortDots(w.Observed)
		left = append(left, w)
	}
	return left, nil
}

// Before gives a record as it stood before one of its changes. ErrNotFound.
func (d *Desk) Before(id record.ID, of record.Dot) (merge.State, error) {
	history, err := d.b.s.history(d.b.t, d.b.village, id)
	if err != nil {
		return nil, found(err)
	}
	state, seen := merge.State{}, merge.Frontier{}
	for _, e := range slices.Backward(history) {
		if e.Dot == of {
			return state, nil
		}
		if !e.Erased {
			state.ApplyInPlace(seen, merge.Applied{Dot: e.Dot, At: e.At, Author: e.Change.Author}, e.Change.Body)
		}
		seen[e.Dot.Stream] = e.Dot.Seq
	}
	return nil, ErrNotFound
}

// Belonging gives the records that are of a record, in no order.
func (d *Desk) Belonging(rec *Record) ([]record.ID, error) {
	return d.b.s.belonging(d.b.t, rec)
}

// Belonging gives the records that are of a record, in no order.
func (s *Store) Belonging(ctx context.Context, rec *Record) (ids []record.ID, err error) {
	err = s.look(ctx, func(t *tx) error {
		ids, err = s.belonging(t, rec)
		return err
	})
	return ids, err
}
