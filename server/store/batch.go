package store

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// batch is the work of one transaction on one village, between the lock of its
// head and the commit.
type batch struct {
	s        *Store
	t        *tx
	village  record.Village
	received clock.Time
	// delivered is received where a laptop delivers; zero where the office writes.
	delivered clock.Time
	// feed is the last feed number that was given, begun what it was under the lock.
	feed     uint64
	begun    uint64
	log      uint64
	streams  map[record.Stream]*stream
	frontier merge.Frontier
	records  map[record.ID]*working
	// touched are the records that were changed, in the order of the first change.
	touched []*working
	taken   Taken
	// moving is set while records enter or leave: nobody has said anything of them then.
	moving bool
	// months are those of the village that are closed, once somebody has asked.
	months map[string]bool
	// What is set aside of the sender's, once it has been counted.
	asides, asideBytes int
}

// working is a record as the transaction has it.
type working struct {
	id  record.ID
	typ record.Type // "" while it does not exist
	// state is the batch's own: changes are applied to it in place.
	state  merge.State
	trail  []byte
	stored bool
	// The dot of the last change, the feed number it got, and that of the last
	// change by another stream.
	last    record.Dot
	feed    uint64
	other   uint64
	touched bool
	// crossed says that several streams changed it in this transaction, or that it goes
	// to all devices again.
	crossed bool
	// wrote says that something was said of it in this transaction, author who did last.
	wrote  bool
	author string
}

// lock locks the village's head and reads its streams.
func (s *Store) lock(t *tx, v record.Village, received clock.Time) (*batch, error) {
	b := &batch{s: s, t: t, village: v, received: received, streams: map[record.Stream]*stream{}, frontier: merge.Frontier{}, records: map[record.ID]*working{}}
	err := t.row(`UPDATE village_head SET feed = feed WHERE village_id = $1 RETURNING feed, log`, v).Scan(&b.feed, &b.log)
	if errors.Is(err, sql.ErrNoRows) {
		// The device was assigned to it before the data began anew from a backup.
		err = t.exec(`INSERT INTO village_head(village_id) VALUES($1)`, v)
	}
	if err = errors.Join(err, s.holds(t)); err != nil {
		return nil, err
	}
	b.begun = b.feed
	return b, s.streams(t, v, func(st *stream) {
		b.streams[st.id], b.frontier[st.id] = st, st.head.Seq
	})
}

// streams reads the streams of a village.
func (s *Store) streams(t *tx, v record.Village, each func(*stream)) error {
	return t.rows(func(r *sql.Rows) error {
		var st stream
		var id, incarnation, hash []byte
		if err := r.Scan(&id, &st.device, &st.key, &st.number, &incarnation, &st.head.Seq, &hash, &st.at, &st.feed, &st.rewound); err != nil {
			return err
		}
		copy(st.id[:], id)
		copy(st.incarnation[:], incarnation)
		copy(st.head.Hash[:], hash)
		each(&st)
		return nil
	}, `SELECT stream_id, device_id, pubkey, number, incarnation, head_seq, head_hash, at, feed, rewound FROM stream WHERE village_id = $1`, v)
}

// load reads those of the records that the batch does not have yet.
func (b *batch) load(ids []record.ID) error {
	var missing []record.ID
	for _, id := range ids {
		if b.records[id] == nil {
			b.records[id] = &working{id: id}
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return b.t.rows(func(r *sql.Rows) error {
		var text string
		var stream, state []byte
		var w working
		if err := r.Scan(&text, &w.typ, &w.feed, &stream, &w.last.Seq, &w.other, &w.trail, &state); err != nil {
			return err
		}
		id, err := record.ParseID(text)
		if err != nil {
			return err
		}
		if w.state, err = merge.Decode(state); err != nil {
			return err
		}
		w.id, w.stored = id, true
		copy(w.last.Stream[:], stream)
		*b.records[id] = w
		return nil
	}, `SELECT record_id, type, feed, feed_stream, feed_seq, feed_other, trail, state FROM record
		WHERE village_id = $1 AND `+b.s.engine.Among("record_id", 2), b.village, texts(missing))
}

// texts is a list of ids as a statement takes it.
func texts(ids []record.ID) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // a list of texts
	}
	return string(b)
}

// apply makes a change to a record.
func (b *batch) apply(st *stream, w *working, a merge.Applied, c *record.Change) {
	w.typ = c.Type
	if w.state == nil {
		w.state = merge.State{}
	}
	w.state.ApplyInPlace(b.frontier, a, c.Body)
	if !b.moving && slices.ContainsFunc(c.Body, says) {
		w.wrote, w.author = true, c.Author
	}
	w.trail = binary.AppendUvarint(binary.AppendUvarint(w.trail, st.number), a.Dot.Seq)
	if !w.last.IsZero() && w.last.Stream != a.Dot.Stream {
		if w.touched {
			w.crossed = true
		} else {
			w.other = w.feed
		}
	}
	w.last = a.Dot
	if !w.touched {
		w.touched = true
		b.touched = append(b.touched, w)
	}
}

// says tells a write that says something of its record: a question does not, nor what
// is said of whether it is the same as another.
func says(w record.Write) bool {
	_, asks := w.Path.Asked()
	return !asks && !w.Path.Links()
}

// tellAgain gives a record a new place in the feed as it stands, for everybody.
func (b *batch) tellAgain(w *working) {
	if w.typ == "" {
		return
	}
	if !w.touched {
		w.touched = true
		b.touched = append(b.touched, w)
	}
	w.crossed = true
}

// next gives the next number of the village's feed.
func (b *batch) next() uint64 {
	b.feed++
	return b.feed
}

// flush writes what the batch changed.
func (b *batch) flush() error {
	if err := b.flushRecords(); err != nil {
		return err
	}
	moved := slices.SortedFunc(maps.Values(b.streams), func(x, y *stream) int { return slices.Compare(x.id[:], y.id[:]) })
	moved = slices.DeleteFunc(moved, func(st *stream) bool { return !st.moved })
	if len(moved) > 0 && len(b.touched) == 0 {
		// Entries that touch no record move the frontier all the same, and
		// readers must come to know.
		b.next()
	}
	if b.feed == b.begun {
		return nil
	}
	for _, st := range moved {
		rewound := 0
		if st.rewound {
			rewound = 1
		}
		if err := b.t.exec(`INSERT INTO stream(village_id, stream_id, device_id, pubkey, number, incarnation, head_seq, head_hash, at, feed, rewound)
			VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT(village_id, stream_id) DO UPDATE
			SET head_seq = excluded.head_seq, head_hash = excluded.head_hash, at = excluded.at, feed = excluded.feed, rewound = excluded.rewound`,
			b.village, st.id[:], st.device, st.key, st.number, st.incarnation[:], st.head.Seq, st.head.Hash[:], int64(st.at), b.feed, rewound); err != nil {
			return err
		}
	}
	return b.t.exec(`UPDATE village_head SET feed = $2, log = $3, delivered = CASE WHEN delivered < $4 THEN $4 ELSE delivered END WHERE village_id = $1`,
		b.village, b.feed, b.log, b.delivered.Milli())
}

func (b *batch) flushRecords() error {
	waiting, err := b.waiting()
	if err != nil {
		return err
	}
	for _, w := range b.touched {
		w.feed = b.next()
		if w.crossed {
			w.other = w.feed
		}
		id := w.id.String()
		if err := b.t.exec(`INSERT INTO record(village_id, record_id, type, feed, feed_stream, feed_seq, feed_other, trail, state)
			VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT(village_id, record_id) DO UPDATE
			SET feed = excluded.feed, feed_stream = excluded.feed_stream, feed_seq = excluded.feed_seq, feed_other = excluded.feed_other,
			trail = excluded.trail, state = excluded.state`,
			string(b.village), id, string(w.typ), int64(w.feed), w.last.Stream[:], int64(w.last.Seq), int64(w.other), w.trail, w.state.Encode()); err != nil {
			return err
		}
		if err := b.derive(b.s.tables()[w.typ], w, waiting[id]); err != nil {
			return err
		}
	}
	return nil
}

// derive writes what is derived from a record by its form: its row, which files it shows,
// and what waits in it. p is nil where no form is known.
func (b *batch) derive(p *table, w *working, waiting map[item]detail) error {
	id := w.id.String()
	if p == nil {
		view := merge.Read(nil, w.state)
		return b.review(id, w, &view, waiting)
	}
	view := merge.Read(p.form, w.state)
	if err := b.t.exec(p.upsert, p.row(b.village, id, &view)...); err != nil {
		return err
	}
	if err := b.show(p.form, id, w, &view); err != nil {
		return err
	}
	return b.review(id, w, &view, waiting)
}

// parseTrail gives the changes that were applied to a record, in their order.
func parseTrail(trail []byte, streams map[uint64]record.Stream) ([]record.Dot, error) {
	var dots []record.Dot
	for len(trail) > 0 {
		number, n := binary.Uvarint(trail)
		if n <= 0 {
			return nil, errTrail
		}
		seq, m := binary.Uvarint(trail[n:])
		stream, known := streams[number]
		if m <= 0 || !known {
			return nil, errTrail
		}
		dots = append(dots, record.Dot{Stream: stream, Seq: seq})
		trail = trail[n+m:]
	}
	return dots, nil
}

var errTrail = errors.New("the record's list of changes is damaged")
