package store

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Transfer is that a record, with all that is of it, moves from one village to another.
// It is begun in the one, entered in the other and left in the first, each in a
// transaction of its own: what was begun is finished, however often that is tried.
type Transfer struct {
	ID       string
	Record   record.ID
	From, To record.Village
	Login    string
	Reason   string
	Begun    time.Time
	// Done is when it had left; zero while that is still to come.
	Done time.Time
	// Records is how many went.
	Records int
}

// ErrMoved says that what is to move says something else by now than was shown.
var ErrMoved = errors.New("it has changed since it was shown")

const transferColumns = `village_id, transfer_id, record_id, to_id, login, reason, begun, done, records`

func scanTransfer(r interface{ Scan(...any) error }) (x Transfer, err error) {
	var id string
	var begun, done int64
	if err := r.Scan(&x.From, &x.ID, &id, &x.To, &x.Login, &x.Reason, &begun, &done, &x.Records); err != nil {
		return x, err
	}
	x.Begun = time.UnixMilli(begun)
	if done > 0 {
		x.Done = time.UnixMilli(done)
	}
	x.Record, err = record.ParseID(id)
	return x, err
}

// BeginTransfer notes that a record is to move. shown is the mark of its baggage as it was
// shown, "" for as it is. ErrMoved, ErrNotFound, also where there is nothing left to move.
func (s *Store) BeginTransfer(ctx context.Context, x Transfer, shown string, notes ...Note) (Transfer, error) {
	u, err := uuid.NewV7FromReader(s.Random)
	if err != nil {
		return x, err
	}
	x.ID, x.Begun = u.String(), s.Now()
	err = s.Desk(ctx, x.From, func(d *Desk) error {
		b, err := s.baggage(d.b.t, x.From, x.Record, false)
		switch {
		case err != nil:
			return found(err)
		case len(b.Records) == 0:
			return ErrNotFound
		case shown != "" && b.Mark() != shown:
			return ErrMoved
		}
		for _, n := range notes {
			d.Note(n)
		}
		return d.b.t.exec(`INSERT INTO transfer(village_id, transfer_id, record_id, to_id, login, reason, begun, entered, done, records) VALUES($1, $2, $3, $4, $5, $6, $7, 0, 0, 0)`,
			x.From, x.ID, x.Record.String(), x.To, x.Login, x.Reason, x.Begun.UnixMilli())
	})
	return x, err
}

// OpenTransfers lists what was begun and is not finished.
func (s *Store) OpenTransfers(ctx context.Context) (list []Transfer, err error) {
	return s.transfers(ctx, `done = 0 ORDER BY transfer_id`)
}

// TransfersFrom lists the transfers that were finished from the villages (none means all),
// the last of each first.
func (s *Store) TransfersFrom(ctx context.Context, villages ...record.Village) (list []Transfer, err error) {
	return s.transfers(ctx, `done > 0 ORDER BY transfer_id DESC`, villages...)
}

func (s *Store) transfers(ctx context.Context, which string, villages ...record.Village) (list []Transfer, err error) {
	err = s.look(ctx, func(t *tx) (err error) {
		if len(villages) == 0 {
			if villages, err = t.villages(); err != nil {
				return err
			}
		}
		for _, v := range villages {
			if err := t.rows(func(r *sql.Rows) error {
				x, err := scanTransfer(r)
				list = append(list, x)
				return err
			}, `SELECT `+transferColumns+` FROM transfer WHERE village_id = $1 AND `+which, v); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// most changes that go into one segment of what is carried.
const maxCarried = 500

// Enter writes in the desk's village what the baggage says and is not known here: under
// the same ids, with the authors and the times that it had, in a stream of the server's
// own. What it lacks here lives again. It tells how many records were written.
func (d *Desk) Enter(x Transfer, bag *Baggage) (n int, err error) {
	b := d.b
	b.moving = true
	defer func() { b.moving = false }()
	ids := make([]record.ID, len(bag.Records))
	for i := range bag.Records {
		ids[i] = bag.Records[i].ID
	}
	if err := b.load(ids); err != nil {
		return 0, err
	}
	list, err := d.carry(x, bag)
	if err != nil {
		return 0, err
	}
	wrote := map[record.ID]bool{}
	for _, c := range list {
		wrote[c.Record] = true
	}
	if err := d.issueAll(list); err != nil {
		return 0, err
	}
	for i := range bag.Records {
		c := &bag.Records[i]
		w := b.records[c.ID]
		body := w.state.Return(c.State)
		if w.state.Erased() || len(body) == 0 {
			continue
		}
		back := record.Change{Record: c.ID, Type: c.Type, Author: x.Login, Body: body}
		back.SetReason(x.Reason)
		back.SetVia(x.From)
		if _, err := d.Write(back); err != nil {
			return 0, err
		}
		wrote[c.ID] = true
	}
	return len(wrote), bag.unpack(b.t, b.village)
}

// carry gives the changes to be written, in the order of their times, of all records
// together: one stream takes them, in which times never go back.
func (d *Desk) carry(x Transfer, bag *Baggage) ([]issued, error) {
	b := d.b
	trace := &tracer{s: b.s, t: b.t}
	type of struct {
		c    *Carriage
		held merge.Held
		list []merge.Carried
	}
	var all []of
	type place struct{ i, n int }
	var order []place
	for i := range bag.Records {
		c := &bag.Records[i]
		w := b.records[c.ID]
		if w.state.Erased() {
			continue
		}
		held := merge.Held{Village: b.village}
		if w.typ != "" {
			var err error
			if held, err = trace.here(record.Key{Village: b.village, Type: w.typ, ID: c.ID}, w.state); err != nil {
				return nil, err
			}
		}
		held.Seen = c.seen
		o := of{c: c, held: held}
		o.list = merge.Carry(c.held, held, func(int) record.Dot { return record.Dot{} })
		for n := range o.list {
			order = append(order, place{len(all), n})
		}
		all = append(all, o)
	}
	slices.SortStableFunc(order, func(p, q place) int {
		a, b := all[p.i].list[p.n], all[q.i].list[q.n]
		return cmp.Or(cmp.Compare(a.At, b.At), a.From.Compare(b.From))
	})
	if len(order) == 0 {
		return nil, nil
	}
	// Once more where something came in between: within a stream times never go back.
	n := uint64(0)
	for ; b.streams[d.streamOf(d.carrying(x, n))] != nil; n++ {
	}
	inc := d.carrying(x, n)
	id := d.streamOf(inc)
	names := map[place]record.Dot{}
	for i, p := range order {
		names[p] = record.Dot{Stream: id, Seq: uint64(i + 1)}
	}
	for i := range all {
		all[i].list = merge.Carry(all[i].c.held, all[i].held, func(n int) record.Dot { return names[place{i, n}] })
	}
	list := make([]issued, len(order))
	for i, p := range order {
		c, said := all[p.i].c, all[p.i].list[p.n]
		was := c.told[said.From]
		list[i] = issued{inc: inc, Change: record.Change{Record: c.ID, Type: c.Type, Time: uint64(said.At), Author: said.Author, Form: was.Form, Extra: was.Extra, Body: said.Body}}
		list[i].SetOrigin(said.First)
		list[i].SetVia(x.From)
	}
	return list, nil
}

// Leave writes in the desk's village that what the baggage has left for another one: void
// here as far as it was carried.
func (d *Desk) Leave(x Transfer, bag *Baggage) error {
	d.b.moving = true
	defer func() { d.b.moving = false }()
	for i := range bag.Records {
		c := &bag.Records[i]
		gone := record.Change{Record: c.ID, Type: c.Type, Author: x.Login, Body: c.State.Leave(x.To, x.Reason)}
		gone.SetReason(x.Reason)
		if _, err := d.Write(gone); err != nil {
			return err
		}
	}
	return nil
}

// Same tells whether the baggage is still all that there is to go, and whether some of it
// was erased since.
func (d *Desk) Same(bag *Baggage) (same, erased bool, err error) {
	now, err := d.b.s.baggage(d.b.t, bag.Village, bag.Root, false)
	if err != nil {
		return false, false, found(err)
	}
	ids := make([]record.ID, len(bag.Records))
	for i := range bag.Records {
		ids[i] = bag.Records[i].ID
	}
	err = d.b.load(ids)
	return now.Mark() == bag.Mark(), slices.ContainsFunc(ids, d.b.erasedIn), err
}

// Entered gives the records that a transfer has written in the village where they go.
func (s *Store) Entered(ctx context.Context, x Transfer) (list []record.Key, err error) {
	err = s.look(ctx, func(t *tx) error {
		list = nil
		seen := map[record.ID]bool{}
		d := Desk{b: &batch{s: s, t: t, village: x.To}, p: &sender{Device: Device{Key: s.Key.Public().(ed25519.PublicKey)}}}
		for n := uint64(0); ; n++ {
			id := d.streamOf(d.carrying(x, n))
			var bodies [][]byte
			if err := t.rows(func(r *sql.Rows) error {
				var body []byte
				err := r.Scan(&body)
				bodies = append(bodies, body)
				return err
			}, `SELECT body FROM segment WHERE village_id = $1 AND stream_id = $2 ORDER BY last_seq`, x.To, id[:]); err != nil || len(bodies) == 0 {
				return err
			}
			for _, body := range bodies {
				seg, err := s.unpack(body)
				if err != nil {
					return err
				}
				for _, c := range seg.Changes {
					if !seen[c.Record] {
						seen[c.Record], list = true, append(list, record.Key{Village: x.To, Type: c.Type, ID: c.Record})
					}
				}
			}
		}
	})
	return list, err
}

// carrying is the incarnation of the n-th stream that takes what a transfer brings.
func (d *Desk) carrying(x Transfer, n uint64) identity.Incarnation {
	return d.incarnation("carried", binary.BigEndian.AppendUint64([]byte(x.ID), n))
}

// EndTransfer notes that a transfer is finished; n is how many records went.
func (d *Desk) EndTransfer(x Transfer, n int) error {
	return d.b.t.exec(`UPDATE transfer SET done = $3, records = $4 WHERE village_id = $1 AND transfer_id = $2 AND done = 0`, x.From, x.ID, d.b.received.Milli(), n)
}

// Elsewhere gives a record as other villages have it, those where it lives first.
func (s *Store) Elsewhere(ctx context.Context, v record.Village, id record.ID) (list []*Record, err error) {
	err = s.look(ctx, func(t *tx) error {
		list = nil
		return t.rows(func(r *sql.Rows) error {
			rec, err := s.scan(r)
			if err == nil && rec.Village != v {
				list = append(list, rec)
			}
			return err
		}, `SELECT `+recordColumns+` FROM record r WHERE r.record_id = $1 AND r.village_id IN (SELECT village_id FROM village_head) ORDER BY r.village_id`, id.String())
	})
	slices.SortStableFunc(list, func(a, b *Record) int { return b.standing() - a.standing() })
	return list, err
}

// standing tells how much of a record that several villages have each of them has.
func (r *Record) standing() int {
	switch {
	case r.View.Erased:
		return 0
	case r.View.Left != "" && len(r.View.Conflicts) == 0:
		return 1
	case r.View.Left != "":
		return 2 // it left, and something speaks for it still
	case r.View.Void:
		return 3
	}
	return 4
}

// followFile has a file that came to a village, or something of it, go where those have gone
// that show it: records travel before their files. In each village it is a transaction of
// its own, and done again it changes nothing.
func (s *Store) followFile(ctx context.Context, v record.Village, h blob.Hash) error {
	to := map[record.Village]bool{}
	bag := &Baggage{Village: v, thumbs: map[blob.Hash][]byte{}}
	err := s.look(ctx, func(t *tx) error {
		var out bool
		if err := t.row(`SELECT count(*) > 0 FROM transfer WHERE village_id = $1`, v).Scan(&out); err != nil || !out {
			return err
		}
		photos, err := t.hashes(`SELECT photo FROM original WHERE village_id = $1 AND hash = $2`, v, h[:])
		if err != nil {
			return err
		}
		for _, photo := range append(photos, h) {
			target := blob.Target(photo)
			if err := t.rows(func(r *sql.Rows) error {
				rec, err := s.scan(r)
				if err == nil && rec.View.Left != "" {
					to[rec.View.Left] = true
				}
				return err
			}, `SELECT `+recordColumns+` FROM shown w JOIN record r ON r.village_id = w.village_id AND r.record_id = w.record_id WHERE w.village_id = $1 AND w.target = $2`,
				v, target[:]); err != nil {
				return err
			}
			if len(to) > 0 {
				if err := bag.packFile(t, photo, map[blob.Hash]bool{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for there := range to {
		if err == nil && there != v {
			err = s.change(ctx, func(t *tx) error { return bag.unpack(t, there) })
		}
	}
	return err
}

// FollowFiles has files go where a transfer has gone that came while nobody could see to
// it: between the two transactions of followFile the server may have ended.
func (s *Store) FollowFiles(ctx context.Context, x Transfer) error {
	var bag *Baggage
	err := s.look(ctx, func(t *tx) (err error) {
		bag, err = s.baggage(t, x.From, x.Record, true)
		return err
	})
	if err != nil || len(bag.blobs)+len(bag.thumbs) == 0 {
		return found(err)
	}
	return s.change(ctx, func(t *tx) error { return bag.unpack(t, x.To) })
}

// issued is a change with the incarnation of the server's stream that it goes into.
type issued struct {
	record.Change
	inc identity.Incarnation
}

func (d *Desk) streamOf(inc identity.Incarnation) record.Stream {
	return record.Stream(identity.StreamOf(d.p.Key, string(d.b.village), inc))
}

// issueAll appends changes to a stream of the server's own, all or none.
func (d *Desk) issueAll(list []issued) error {
	for chunk := range slices.Chunk(list, maxCarried) {
		inc := chunk[0].inc
		id := d.streamOf(inc)
		var head journal.Head
		if st := d.b.streams[id]; st != nil {
			head = st.head
		}
		seg := &journal.Segment{Stream: id, From: head.Seq + 1, Incarnation: inc}
		for _, c := range chunk {
			seg.Changes = append(seg.Changes, c.Change)
		}
		if _, err := io.ReadFull(d.b.s.Random, seg.Seed[:]); err != nil {
			return err
		}
		hashes := seg.Hashes(head.Hash)
		seg.Seal(d.b.s.Key, hashes[len(hashes)-1])
		before := d.b.taken
		if err := d.b.take(d.p, incoming{seg: seg}); err != nil {
			return err
		}
		if d.b.taken.Entries != before.Entries+len(chunk) || d.b.taken.Quarantined != before.Quarantined {
			return ErrOtherType
		}
	}
	return nil
}
