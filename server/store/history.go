package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Entry is one entry of the log.
type Entry struct {
	Dot record.Dot
	// At is the time that everybody reads.
	At     clock.Time
	Device identity.Device
	Change record.Change
	// Received is when it came, as its receipt says, and Backed that it is in a backup.
	Received clock.Time
	Backed   bool
	// Erased tells one whose body was erased.
	Erased bool
}

// logReader reads entries of one village's log and keeps the segments it has
// read: the changes of a record often lie together.
type logReader struct {
	s       *Store
	t       *tx
	village record.Village
	kept    map[record.Stream][]*run
}

// run is a segment of the log with its times.
type run struct {
	seg      *journal.Segment
	device   identity.Device
	ats      []clock.Time
	received clock.Time
	backed   uint64 // the last entry of the stream that is in a backup
}

func (l *logReader) entry(d record.Dot) (Entry, error) {
	for _, r := range l.kept[d.Stream] {
		if d.Seq >= r.seg.From && d.Seq <= r.seg.Last() {
			return r.entry(d), nil
		}
	}
	var device identity.Device
	var body, proof []byte
	var backed uint64
	if err := l.t.row(`SELECT s.body, s.receipt, t.device_id, t.backed FROM segment s JOIN stream t ON t.village_id = s.village_id AND t.stream_id = s.stream_id
		WHERE s.village_id = $1 AND s.stream_id = $2 AND s.last_seq >= $3 ORDER BY s.last_seq LIMIT 1`,
		l.village, d.Stream[:], d.Seq).Scan(&body, &proof, &device, &backed); err != nil {
		return Entry{}, found(err)
	}
	seg, err := l.s.unpack(body)
	if err != nil {
		return Entry{}, err
	}
	if d.Seq < seg.From || d.Seq > seg.Last() {
		return Entry{}, ErrNotFound
	}
	ats, receipt, err := times(seg, proof)
	if err != nil {
		return Entry{}, err
	}
	r := &run{seg, device, ats, receipt.Received, backed}
	if l.kept == nil {
		l.kept = map[record.Stream][]*run{}
	}
	l.kept[d.Stream] = append(l.kept[d.Stream], r)
	return r.entry(d), nil
}

func (r *run) entry(d record.Dot) Entry {
	i := d.Seq - r.seg.From
	return Entry{Dot: d, At: r.ats[i], Device: r.device, Change: r.seg.Changes[i], Received: r.received, Backed: d.Seq <= r.backed, Erased: r.seg.Erased(int(i))}
}

// times gives the times of a segment's entries by its receipt.
func times(seg *journal.Segment, proof []byte) ([]clock.Time, *journal.Receipt, error) {
	var receipt journal.Receipt
	if err := cbor.Unmarshal(proof, &receipt); err != nil {
		return nil, nil, fmt.Errorf("receipt of stream %s: %w", seg.Stream, err)
	}
	stamps := make([]uint64, len(seg.Changes))
	for i := range seg.Changes {
		stamps[i] = seg.Changes[i].Time
	}
	return receipt.Ats(stamps), &receipt, nil
}

// History gives every change that was ever applied to a record, newest first; of one by
// which a village says that it has read the record, neither the laptop nor its stream.
// ErrNotFound.
func (s *Store) History(ctx context.Context, v record.Village, id record.ID) ([]Entry, error) {
	var entries []Entry
	err := s.look(ctx, func(t *tx) (err error) {
		entries, err = s.history(t, v, id)
		return err
	})
	for i := range entries {
		e := &entries[i]
		if merge.Receipts(s.forms.Form(e.Change.Type), e.Change.Body) {
			e.Device, e.Dot, e.Change.Author = "", record.Dot{}, ""
		}
	}
	return entries, found(err)
}

func (s *Store) history(t *tx, v record.Village, id record.ID) ([]Entry, error) {
	var trail []byte
	if err := t.row(`SELECT trail FROM record WHERE village_id = $1 AND record_id = $2`, v, id.String()).Scan(&trail); err != nil {
		return nil, err
	}
	streams := map[uint64]record.Stream{}
	if err := s.streams(t, v, func(st *stream) { streams[st.number] = st.id }); err != nil {
		return nil, err
	}
	dots, err := parseTrail(trail, streams)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", id, err)
	}
	entries := make([]Entry, 0, len(dots))
	reader := logReader{s: s, t: t, village: v}
	for _, d := range dots {
		e, err := reader.entry(d)
		if err != nil {
			return nil, fmt.Errorf("change %s of record %s: %w", d, id, err)
		}
		entries = append(entries, e)
	}
	slices.Reverse(entries)
	return entries, nil
}

// Event gives the entry as commands and interfaces print it.
func (e *Entry) Event() merge.Event {
	set := make(map[record.Path]record.Value, len(e.Change.Body))
	for _, w := range e.Change.Body {
		set[w.Path] = w.Value
	}
	return merge.Event{Dot: e.Dot.String(), At: e.At, Author: e.Change.Author, Device: string(e.Device), Set: set, Erased: e.Erased}
}

// Quarantined is an entry that was taken and not applied.
type Quarantined struct {
	Village  record.Village
	Dot      record.Dot
	Device   identity.Device
	Reason   string
	Detail   string
	Record   record.ID
	Type     record.Type
	Author   string
	Received clock.Time
	// Decision is "" while nobody has decided, else Accepted or Rejected, with
	// when, by whom and why; Issued is the entry that an acceptance made.
	Decision  string
	DecidedAt clock.Time
	DecidedBy string
	Why       string
	Issued    record.Dot
}

// The decisions on a quarantined entry.
const (
	Accepted = merge.Accepted
	Rejected = merge.Rejected
)

const quarantineColumns = `village_id, stream_id, seq, device_id, reason, detail, record_id, type, author, received, decided, decided_at, decided_by,
	decided_why, issued_stream, issued_seq`

func scanQuarantined(r interface{ Scan(...any) error }) (Quarantined, error) {
	var q Quarantined
	var id string
	var stream, issued []byte
	var received, decided int64
	var seq sql.NullInt64
	if err := r.Scan(&q.Village, &stream, &q.Dot.Seq, &q.Device, &q.Reason, &q.Detail, &id, &q.Type, &q.Author, &received,
		&q.Decision, &decided, &q.DecidedBy, &q.Why, &issued, &seq); err != nil {
		return q, err
	}
	copy(q.Dot.Stream[:], stream)
	copy(q.Issued.Stream[:], issued)
	q.Issued.Seq = uint64(seq.Int64)
	q.Received, q.DecidedAt = milli(received), milli(decided)
	var err error
	q.Record, err = record.ParseID(id)
	return q, err
}

// Quarantine lists the quarantined entries that nobody has decided on, in the
// villages (none means all), oldest first in each.
func (s *Store) Quarantine(ctx context.Context, villages ...record.Village) ([]Quarantined, error) {
	var list []Quarantined
	err := s.look(ctx, func(t *tx) (err error) {
		if len(villages) == 0 {
			if villages, err = t.villages(); err != nil {
				return err
			}
		}
		for _, v := range villages {
			if err := t.rows(func(r *sql.Rows) error {
				q, err := scanQuarantined(r)
				list = append(list, q)
				return err
			}, `SELECT `+quarantineColumns+` FROM quarantine WHERE village_id = $1 AND decided = '' ORDER BY received, stream_id, seq`, v); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// QuarantinedEntry gives a quarantined entry, decided or not, and what it says.
// ErrNotFound.
func (s *Store) QuarantinedEntry(ctx context.Context, d record.Dot) (q Quarantined, e Entry, err error) {
	err = s.look(ctx, func(t *tx) error {
		q, err = scanQuarantined(t.row(`SELECT `+quarantineColumns+` FROM quarantine WHERE stream_id = $1 AND seq = $2
			AND village_id IN (SELECT village_id FROM village_head)`, d.Stream[:], d.Seq))
		if err != nil {
			return err
		}
		e, err = (&logReader{s: s, t: t, village: q.Village}).entry(d)
		return err
	})
	return q, e, found(err)
}

// QuarantinedEntries gives what the entries of a list say, in its order. Entries
// that follow each other in a stream lie together: each segment of it is read
// once.
func (s *Store) QuarantinedEntries(ctx context.Context, list []Quarantined) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := s.look(ctx, func(t *tx) error {
			var reader logReader
			var stream record.Stream
			for _, q := range list {
				if reader.t == nil || q.Village != reader.village || q.Dot.Stream != stream {
					reader, stream = logReader{s: s, t: t, village: q.Village}, q.Dot.Stream
				}
				e, err := reader.entry(q.Dot)
				if err != nil {
					return fmt.Errorf("quarantined change %s: %w", q.Dot, err)
				}
				if !yield(e, nil) {
					return errEnough
				}
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Entry{}, err)
		}
	}
}

// SetAside is a segment that could not be taken.
type SetAside struct {
	// Village is what the device said it is of.
	Village  record.Village
	Stream   record.Stream
	From     uint64
	Device   identity.Device
	Reason   string // a code of wire.Refused
	Received clock.Time
	// Bytes of it, and as many changes as can be read in it.
	Bytes, Changes int
}

// SetAsides lists the segments that were set aside, of the villages (none means
// all), the oldest of each first.
func (s *Store) SetAsides(ctx context.Context, villages ...record.Village) ([]SetAside, error) {
	var list []SetAside
	err := s.look(ctx, func(t *tx) (err error) {
		places := villages
		if len(places) == 0 {
			if places, err = t.villages(); err != nil {
				return err
			}
		}
		for _, v := range append(slices.Clone(places), "") {
			if err := t.rows(func(r *sql.Rows) error {
				a := SetAside{Village: v}
				var claimed record.Village
				var stream []byte
				var received int64
				if err := r.Scan(&stream, &a.From, &a.Device, &a.Reason, &received, &claimed, &a.Bytes, &a.Changes); err != nil {
					return err
				}
				copy(a.Stream[:], stream)
				a.Received = milli(received)
				if v == "" {
					if a.Village = claimed; len(villages) > 0 && !slices.Contains(villages, claimed) {
						return nil
					}
				}
				list = append(list, a)
				return nil
			}, `SELECT stream_id, first_seq, device_id, reason, received, claimed, size, changes FROM setaside
				WHERE village_id = $1 ORDER BY received, stream_id, first_seq`, v); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}
