package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Limits of one page.
const (
	maxRows     = 5000
	maxReceipts = 4096
	maxStanding = 1000
	maxVerdicts = 1000
	// maxOwn bounds the streams that the statement of a page names; a laptop has
	// one a village, and one more for each time it was restored. Records last
	// changed by further ones are sent back, which is harmless.
	maxOwn = 8
)

// Request asks for a page of a village's feed.
type Request struct {
	Village record.Village
	// Epoch and Cursor say up to where the device holds the feed; After up to
	// where it has set pages aside, 0 for none.
	Epoch         wire.Epoch
	Cursor, After uint64
	// Own are the device's streams, with what it holds of them, and Agreed how far
	// it has just shown that it holds the same as the log (Taken.Agreed). Of streams
	// that are not the device's it gets no receipts.
	Device identity.Device
	Own    []wire.Own
	Agreed map[record.Stream]uint64
	// Budget is how many bytes of states the page has at most, one record at
	// least.
	Budget int
	// Role is the device's: fields that are hidden from it are left out.
	Role identity.Role
	// Denied asks for receipts alone.
	Denied bool
	// Backed asks how far the device's streams are in a backup.
	Backed bool
}

// Page gives what a device lacks of a village, all of it as of one moment; ok
// is false where that is nothing. The frontier comes with the last page: the
// heads of all streams that moved since Cursor.
func (s *Store) Page(ctx context.Context, q Request) (pull wire.Pull, ok bool, err error) {
	pull = wire.Pull{Village: q.Village, Epoch: s.epoch, Denied: q.Denied}
	err = s.look(ctx, func(t *tx) error {
		if q.Backed {
			if pull.Backed, err = t.ownStreams(`backed`, q); err != nil {
				return err
			}
		}
		if q.Epoch != s.epoch {
			// What the device has receipts for beyond that was lost.
			if pull.Heads, err = t.ownStreams(`head_seq`, q); err != nil {
				return err
			}
		}
		if ok, err = s.receipts(t, &pull, q); err != nil || q.Denied {
			ok = ok || q.Denied
			return err
		}
		ok = ok || len(pull.Backed) > 0
		var feed uint64
		if err := t.row(`SELECT coalesce(max(feed), 0) FROM village_head WHERE village_id = $1`, q.Village).Scan(&feed); err != nil {
			return err
		}
		if q.Epoch != s.epoch || max(q.Cursor, q.After) > feed {
			// The cursor is of another life of the data, or of none.
			q.Cursor, q.After, ok = 0, 0, true
		}
		pull.From = max(q.Cursor, q.After)
		pull.Cursor = pull.From
		if q.Cursor < feed {
			ok = true
			verdicts, upTo, err := s.verdicts(t, q, pull.From, feed)
			if err != nil {
				return err
			}
			if err := s.feed(t, &pull, q, upTo, feed); err != nil {
				return err
			}
			pull.Verdicts = slices.DeleteFunc(verdicts, func(v journal.Verdict) bool { return pull.More && v.Feed > pull.Cursor })
			if err := s.sign(t, q.Village, pull.Verdicts); err != nil {
				return err
			}
		}
		if err := s.standing(t, &pull, q); err != nil {
			return err
		}
		if len(pull.Records) > 0 {
			if pull.Own, err = t.ownStreams(`head_seq`, q); err != nil {
				return err
			}
		}
		pull.Into = pull.From - q.Cursor
		if pull.More {
			pull.Feed = feed
		}
		if q.Cursor == feed || pull.More {
			return nil
		}
		pull.Cursor, pull.Heads = feed, nil
		return t.rows(func(r *sql.Rows) error {
			var id []byte
			var h wire.StreamHead
			if err := r.Scan(&id, &h.Seq); err != nil {
				return err
			}
			copy(h.Stream[:], id)
			pull.Heads = append(pull.Heads, h)
			return nil
		}, `SELECT stream_id, head_seq FROM stream WHERE village_id = $1 AND feed > $2 ORDER BY stream_id`, q.Village, q.Cursor)
	})
	return pull, ok, err
}

// ownStreams gives a number of each of the device's own streams, where it is not
// zero.
func (t *tx) ownStreams(column string, q Request) (list []wire.StreamHead, err error) {
	err = t.rows(func(r *sql.Rows) error {
		var id []byte
		var h wire.StreamHead
		if err := r.Scan(&id, &h.Seq); err != nil {
			return err
		}
		copy(h.Stream[:], id)
		list = append(list, h)
		return nil
	}, `SELECT stream_id, `+column+` FROM stream WHERE village_id = $1 AND device_id = $2 AND `+column+` > 0 ORDER BY stream_id`, q.Village, q.Device)
	return list, err
}

// verdictSize is about what a verdict takes beside its words, in bytes.
const verdictSize = 160

// verdicts reads what was decided on entries of the device's behind from; upTo is how
// far the page can go with so many.
func (s *Store) verdicts(t *tx, q Request, from, feed uint64) (list []journal.Verdict, upTo uint64, err error) {
	upTo = feed
	size := 0
	err = t.rows(func(r *sql.Rows) error {
		var v journal.Verdict
		var decision string
		var stream, issued []byte
		var at int64
		var seq sql.NullInt64
		if err := r.Scan(&stream, &v.Seq, &decision, &at, &v.By, &v.Why, &issued, &seq, &v.Feed); err != nil {
			return err
		}
		v.By, v.Why = clip(v.By), clip(v.Why)
		if size += verdictSize + len(v.By) + len(v.Why); len(list) == maxVerdicts || len(list) > 0 && size > q.Budget {
			upTo = list[len(list)-1].Feed
			return errEnough
		}
		copy(v.Stream[:], stream)
		copy(v.Issued.Stream[:], issued)
		v.Accepted, v.At, v.Issued.Seq = decision == Accepted, milli(at), uint64(seq.Int64)
		list = append(list, v)
		return nil
	}, fmt.Sprintf(`SELECT stream_id, seq, decided, decided_at, decided_by, decided_why, issued_stream, issued_seq, decided_feed FROM quarantine
		WHERE village_id = $1 AND device_id = $2 AND decided_feed > 0 AND decided_feed > $3 ORDER BY decided_feed LIMIT %d`, maxVerdicts+1), q.Village, q.Device, from)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, upTo, err
}

// sign signs verdicts, and gives them in the order of their entries: a segment of the
// log is read once.
func (s *Store) sign(t *tx, village record.Village, list []journal.Verdict) error {
	slices.SortFunc(list, func(a, b journal.Verdict) int {
		return cmp.Or(bytes.Compare(a.Stream[:], b.Stream[:]), cmp.Compare(a.Seq, b.Seq))
	})
	var stream record.Stream
	var first uint64
	var hashes []journal.Hash
	for i := range list {
		v := &list[i]
		if v.Stream != stream || v.Seq < first || v.Seq-first >= uint64(len(hashes)) {
			var err error
			if first, hashes, err = s.segmentHashes(t, village, v.Stream, v.Seq); err != nil {
				return err
			}
			stream = v.Stream
		}
		v.Seal(s.Key, hashes[v.Seq-first])
	}
	return nil
}

// behind is the rest of a statement about the records that the device lacks, behind
// pull.From and as far as upTo, and its arguments. What is left out it notes in pull.
func (s *Store) behind(pull *wire.Pull, q Request, upTo uint64) (text string, args []any) {
	text = ` FROM record WHERE village_id = $1 AND feed > $3 AND feed <= $4`
	args = []any{q.Village, q.Cursor, pull.From, upTo}
	for _, o := range q.Own[:min(len(q.Own), maxOwn)] {
		// Left out is what the device lacks nothing of: all changes after its
		// cursor are its own, and it has a receipt for them or has just sent them.
		// That it holds as many more does not mean that they are these: they may be
		// of two lives of the laptop.
		n, upTo := len(args), max(o.Acked, q.Agreed[o.Stream])
		if q.Epoch != s.epoch {
			// It may have receipts for what was lost since.
			i := slices.IndexFunc(pull.Heads, func(h wire.StreamHead) bool { return h.Stream == o.Stream })
			if i < 0 {
				continue
			}
			upTo = min(upTo, pull.Heads[i].Seq)
		}
		text += fmt.Sprintf(` AND NOT (feed_stream = $%d AND feed_seq <= $%d AND feed_other <= $2)`, n+1, n+2)
		args = append(args, o.Stream[:], upTo)
		if upTo > 0 {
			pull.Without = append(pull.Without, wire.StreamHead{Stream: o.Stream, Seq: upTo})
		}
	}
	return text, args
}

// feed reads the page's records, as far as upTo, and counts those of further pages,
// as far as end.
func (s *Store) feed(t *tx, pull *wire.Pull, q Request, upTo, end uint64) error {
	lacks, args := s.behind(pull, q, upTo)
	text := `SELECT record_id, type, feed, state` + lacks
	text += fmt.Sprintf(` ORDER BY feed LIMIT %d`, maxRows+1)
	size := 0
	err := t.rows(func(r *sql.Rows) error {
		var id string
		var at uint64
		var st wire.State
		if err := r.Scan(&id, &st.Type, &at, &st.State); err != nil {
			return err
		}
		var err error
		if st.ID, err = record.ParseID(id); err != nil {
			return err
		}
		if st.State, err = s.hide(q.Role, st.Type, st.State); err != nil {
			return fmt.Errorf("record %s: %w", id, err)
		}
		if len(pull.Records) > 0 && size+len(st.State) > q.Budget || len(pull.Records) == maxRows {
			pull.More = true
			return errEnough
		}
		size += len(st.State)
		pull.Records, pull.Cursor = append(pull.Records, st), at
		return nil
	}, text, args...)
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if !pull.More && upTo < end {
		pull.More, pull.Cursor = true, upTo
	}
	if !pull.More {
		return nil
	}
	pull.Rest = new(wire.Rest)
	args[2], args[3] = pull.Cursor, end
	return t.row(`SELECT count(*), coalesce(sum(length(state)), 0)`+lacks, args...).Scan(&pull.Rest.Records, &pull.Rest.Bytes)
}

// standing adds the records as they stand without the changes that the receipts
// of this answer say are quarantined. The laptop shows those changes made, and
// the feed says nothing of them: they touched no record, and what the laptop
// itself changed beside them is left out. One that they alone would have made comes
// empty. Where it would come to too many the receipts that are over wait for the next
// answer, and their records with them.
func (s *Store) standing(t *tx, pull *wire.Pull, q Request) error {
	sent := map[record.ID]bool{}
	for i := range pull.Records {
		sent[pull.Records[i].ID] = true
	}
	added := 0
	for i, r := range pull.Receipts {
		if i > 0 && added+len(r.Quarantined) > maxStanding {
			pull.Receipts = pull.Receipts[:i]
			break
		}
		for _, e := range r.Quarantined {
			var id string
			var st wire.State
			err := t.row(`SELECT q.record_id, coalesce(r.type, q.type), r.state FROM quarantine q LEFT JOIN record r ON r.village_id = q.village_id AND r.record_id = q.record_id
				WHERE q.village_id = $1 AND q.stream_id = $2 AND q.seq = $3`, q.Village, r.Stream[:], e.Seq).Scan(&id, &st.Type, &st.State)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return err
			}
			if st.ID, err = record.ParseID(id); err != nil {
				return err
			}
			if st.State == nil { // nothing else was ever taken of it
				st.State = merge.State{}.Encode()
			}
			if sent[st.ID] {
				continue
			}
			sent[st.ID] = true
			if st.State, err = s.hide(q.Role, st.Type, st.State); err != nil {
				return err
			}
			pull.Records = append(pull.Records, st)
			added++
		}
	}
	return nil
}

var errEnough = errors.New("enough rows")

// hide leaves out the registers of fields that role must not see.
func (s *Store) hide(role identity.Role, typ record.Type, state []byte) ([]byte, error) {
	f := s.forms.Form(typ)
	if f == nil || !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.HiddenFrom(string(role)) }) {
		return state, nil
	}
	st, err := merge.Decode(state)
	if err != nil {
		return nil, err
	}
	for p := range st {
		name, _ := p.Field()
		if about, asked := p.Asked(); asked {
			name, _ = about.Field() // the words may say what is hidden
		}
		if fd := f.Field(name); fd != nil && fd.HiddenFrom(string(role)) {
			delete(st, p)
		}
	}
	return st.Encode(), nil
}

// receipts adds the receipts that the device does not have yet, the oldest
// first.
func (s *Store) receipts(t *tx, pull *wire.Pull, q Request) (some bool, err error) {
	for _, o := range q.Own {
		if len(pull.Receipts) >= maxReceipts {
			break
		}
		err := t.rows(func(r *sql.Rows) error {
			var proof []byte
			if err := r.Scan(&proof); err != nil {
				return err
			}
			var receipt journal.Receipt
			if err := cbor.Unmarshal(proof, &receipt); err != nil {
				return fmt.Errorf("receipt of stream %s: %w", o.Stream, err)
			}
			if receipt.Seq > o.Head {
				if o.Head <= o.Acked || receipt.From > o.Head {
					return nil
				}
				// The device was set back to an older image: it gets a receipt for as
				// much as it has, and would not know the hash of more.
				hash, err := s.hashAt(t, q.Village, o.Stream, o.Head)
				if err != nil {
					return err
				}
				receipt.Cut(o.Head)
				receipt.Seal(s.Key, hash)
			}
			pull.Receipts = append(pull.Receipts, receipt)
			return nil
		}, `SELECT receipt FROM segment WHERE village_id = $1 AND stream_id = $2 AND last_seq > $3 AND EXISTS
			(SELECT 1 FROM stream WHERE village_id = $1 AND stream_id = $2 AND device_id = $4) ORDER BY last_seq LIMIT $5`,
			q.Village, o.Stream[:], o.Acked, q.Device, maxReceipts-len(pull.Receipts))
		if err != nil {
			return false, err
		}
	}
	return len(pull.Receipts) > 0, nil
}
