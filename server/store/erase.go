package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// ReasonErased quarantines what is written to a record whose content the office
// has erased. The body is not kept: it may say again what was erased.
const ReasonErased = "erased"

// ErrErased says that the record's content was erased before.
var ErrErased = errors.New("the record was erased")

// Erasure is what erasing a record took away.
type Erasure struct {
	// Changes lost their bodies, in Segments of the log.
	Changes, Segments int
	// SetAside counts the segments that had been set aside with changes of it, in
	// which it is erased too, Unread those that are damaged: what is in them nobody can
	// tell.
	SetAside, Unread int
	// Files that the record alone had shown, with when they had come: for DropFiles.
	Files map[blob.Hash]clock.Time
	// Views that people had saved looked for it by what it said, and are dropped.
	Views int
	// Dot is the change that says so to everybody.
	Dot record.Dot
}

// Erase takes away what a record says, wherever the village's log or anything made
// of it holds it, and writes in author's name the change by which every replica
// learns of it. Hashes, signatures and receipts stay good. ErrNotFound, ErrErased.
func (d *Desk) Erase(id record.ID, author, reason string) (Erasure, error) {
	var e Erasure
	b := d.b
	if err := b.load([]record.ID{id}); err != nil {
		return e, err
	}
	w := b.records[id]
	dots, typ, err := d.holds(w)
	switch {
	case err != nil:
		return e, err
	case typ == "":
		return e, ErrNotFound
	case w.state.Erased():
		return e, ErrErased
	}
	done, files := map[record.Dot]bool{}, map[blob.Hash]bool{}
	for _, dot := range dots {
		if done[dot] {
			continue
		}
		erased, err := d.eraseSegment(dot, id, files)
		if err != nil {
			return e, fmt.Errorf("change %s: %w", dot, err)
		}
		e.Segments++
		e.Changes += len(erased)
		for _, x := range erased {
			done[x] = true
		}
	}
	if err := b.t.eraseKeys(b.village, id); err != nil {
		return e, err
	}
	if err := b.t.erasePairs(b.village, id); err != nil {
		return e, err
	}
	if e.Views, err = b.t.eraseViews(b.s, typ, w.state); err != nil {
		return e, err
	}
	// Nobody can decide any more on what waited.
	if err := b.t.exec(`UPDATE quarantine SET detail = '' WHERE village_id = $1 AND record_id = $2`, b.village, id.String()); err != nil {
		return e, err
	}
	if e.Files, err = b.eraseFiles(id, files); err != nil {
		return e, err
	}
	open, err := d.open(id)
	if err != nil {
		return e, err
	}
	for _, dot := range open {
		if err := d.decide(dot, Rejected, author, reason, record.Dot{}); err != nil {
			return e, err
		}
	}
	for _, place := range []record.Village{b.village, ""} {
		if err := d.eraseAside(place, id, &e); err != nil {
			return e, err
		}
	}
	if err := b.t.setMeta(metaForget, []byte{1}); err != nil {
		return e, err
	}
	// What is left is what replaying the log gives: nothing.
	w.typ, w.state, w.trail = typ, nil, nil
	e.Dot, err = d.Write(record.Change{Record: id, Type: typ, Author: author, Body: []record.Write{{Path: record.Life, Value: merge.Erasure(reason)}}})
	d.decided = true
	return e, err
}

// holds gives the changes of a record that are in the log, applied or not, and its
// type, "" where nothing is known of it.
func (d *Desk) holds(w *working) ([]record.Dot, record.Type, error) {
	b, typ := d.b, w.typ
	streams := map[uint64]record.Stream{}
	for _, st := range b.streams {
		streams[st.number] = st.id
	}
	dots, err := parseTrail(w.trail, streams)
	if err != nil {
		return nil, "", fmt.Errorf("record %s: %w", w.id, err)
	}
	return dots, typ, b.t.rows(func(r *sql.Rows) error {
		q, err := scanQuarantined(r)
		dots = append(dots, q.Dot)
		if typ == "" {
			typ = q.Type
		}
		return err
	}, `SELECT `+quarantineColumns+` FROM quarantine WHERE village_id = $1 AND record_id = $2`, b.village, w.id.String())
}

// eraseSegment erases all changes of a record in the segment that has one of them,
// and gives their dots; files has what they named then. The receipt is made anew without the details of why they
// were quarantined; the one that was given stays good.
func (d *Desk) eraseSegment(dot record.Dot, id record.ID, files map[blob.Hash]bool) ([]record.Dot, error) {
	b := d.b
	var body, proof, last []byte
	if err := b.t.row(`SELECT body, receipt, last_hash FROM segment WHERE village_id = $1 AND stream_id = $2 AND last_seq >= $3 ORDER BY last_seq LIMIT 1`,
		b.village, dot.Stream[:], dot.Seq).Scan(&body, &proof, &last); err != nil {
		return nil, err
	}
	seg, err := b.s.unpack(body)
	if err != nil {
		return nil, err
	}
	_, receipt, err := times(seg, proof)
	if err != nil {
		return nil, err
	}
	var erased []record.Dot
	here := map[uint64]bool{}
	for i := range seg.Changes {
		if seq := seg.From + uint64(i); seg.Changes[i].Record == id {
			erased, here[seq] = append(erased, record.Dot{Stream: dot.Stream, Seq: seq}), true
			for _, w := range seg.Changes[i].Body {
				_, element := w.Path.Field()
				if h, _, ok := blob.ParseName(element); ok {
					files[h] = true
				}
			}
		}
	}
	for i, q := range receipt.Quarantined {
		if here[q.Seq] {
			receipt.Quarantined[i].Detail = ""
		}
	}
	receipt.Seal(b.s.Key, journal.Hash(last))
	if proof, err = cbor.Marshal(receipt); err != nil {
		return nil, err
	}
	seg = eraseRecord(seg, func(c record.ID) bool { return c == id })
	return erased, b.t.exec(`UPDATE segment SET body = $4, receipt = $5 WHERE village_id = $1 AND stream_id = $2 AND last_seq = $3`,
		b.village, dot.Stream[:], seg.Last(), b.s.pack(seg.Encode()), proof)
}

// eraseRecord gives a segment without the bodies of the changes of some records.
func eraseRecord(seg *journal.Segment, of func(record.ID) bool) *journal.Segment {
	return seg.Erase(func(i int) bool { return of(seg.Changes[i].Record) })
}

// eraseAside takes the record's bodies out of what was set aside in a place. It was
// never part of the village, and may be all that is left of a laptop that is lost:
// what it says of others stays.
func (d *Desk) eraseAside(place record.Village, id record.ID, e *Erasure) error {
	type row struct {
		stream, hash []byte
		from         uint64
		body         []byte
	}
	var drop []row
	err := d.b.t.rows(func(r *sql.Rows) error {
		var x row
		var body []byte
		if err := r.Scan(&x.stream, &x.from, &x.hash, &body); err != nil {
			return err
		}
		seg, err := d.b.s.unpack(body)
		if err != nil {
			e.Unread++
			return nil
		}
		for i := range seg.Changes {
			if seg.Changes[i].Record == id && !seg.Erased(i) {
				x.body = d.b.s.pack(eraseRecord(seg, func(r record.ID) bool { return r == id }).Encode())
				drop = append(drop, x)
				break
			}
		}
		return nil
	}, `SELECT stream_id, first_seq, hash, body FROM setaside WHERE village_id = $1 AND claimed = $2`, place, d.b.village)
	for _, x := range drop {
		if err == nil {
			err = d.b.t.exec(`UPDATE setaside SET body = $5 WHERE village_id = $1 AND stream_id = $2 AND first_seq = $3 AND hash = $4`, place, x.stream, x.from, x.hash, x.body)
			e.SetAside++
		}
	}
	return err
}

// erasedIn tells whether a record, which must be loaded, was erased.
func (b *batch) erasedIn(id record.ID) bool {
	return b.records[id] != nil && b.records[id].state.Erased()
}

// metaForget is there while the database's files may still hold what was erased.
const metaForget = "forget"

// Forget sees to it that what was erased is gone from the files of the database
// too, where that is still to be done. false: somebody is reading and keeps it from
// that; a running server tries again by itself.
func (s *Store) Forget(ctx context.Context) (bool, error) {
	owed, err := s.Meta(ctx, metaForget)
	if err != nil || owed == nil {
		return err == nil, err
	}
	if done, err := s.forgetFiles(ctx); err != nil || !done {
		return false, err
	}
	if done, err := s.engine.Forget(ctx); err != nil || !done {
		return false, err
	}
	return true, s.change(ctx, func(t *tx) error { return t.exec(`DELETE FROM meta WHERE key = $1`, metaForget) })
}

// Holders gives the villages in whose log a record is, applied or not: a record
// that has moved is in several.
func (s *Store) Holders(ctx context.Context, typ record.Type, id record.ID) ([]record.Village, error) {
	var list []record.Village
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var v record.Village
			err := r.Scan(&v)
			list = append(list, v)
			return err
		}, `SELECT village_id FROM record WHERE village_id IN (SELECT village_id FROM village_head) AND record_id = $1 AND type = $2
			UNION SELECT village_id FROM quarantine WHERE village_id IN (SELECT village_id FROM village_head) AND record_id = $1 AND type = $2
			ORDER BY 1`, id.String(), typ)
	})
	return list, err
}
