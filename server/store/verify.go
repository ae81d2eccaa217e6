package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Verified is what Verify looked at.
type Verified struct {
	Villages    int `json:"villages"`
	Streams     int `json:"streams"`
	Segments    int `json:"segments"`
	Entries     int `json:"entries"`
	Quarantined int `json:"quarantined"`
	Records     int `json:"records"`
	Reviews     int `json:"reviews"`
	Faults      int `json:"faults"`
	// Audit is what looking through the audit found; its faults count above too.
	Audit AuditChain `json:"audit"`
}

// Fault is a difference between what is stored and what the log gives. Without a
// village it is one of the audit.
type Fault struct {
	Village record.Village
	What    form.Label
}

// MarshalJSON gives what programs read: in English, whoever asks.
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Village record.Village `json:"village"`
		What    string         `json:"what"`
	}{f.Village, f.What.En})
}

// Verify replays the log of every village: it checks each chain, signature and
// receipt, and compares every record, row and review item with what the log
// gives; then it looks through the audit. It holds one village's records in memory at a time, sees each village
// as of one moment, and hinders nobody.
func (s *Store) Verify(ctx context.Context, report func(Fault)) (Verified, error) {
	var sum Verified
	heads, err := s.Heads(ctx)
	if err != nil {
		return sum, err
	}
	for _, h := range heads {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		err := s.look(ctx, func(t *tx) error {
			v := &verifier{s: s, t: t, village: h.Village, sum: &sum, report: report, streams: map[record.Stream]*stream{},
				batch: batch{s: s, village: h.Village, frontier: merge.Frontier{}, records: map[record.ID]*working{}}}
			return v.run()
		})
		if err != nil {
			return sum, fmt.Errorf("village %s: %w", h.Village, err)
		}
		sum.Villages++
	}
	sum.Audit, err = s.CheckAudit(ctx, func(what form.Label) { report(Fault{What: what}) })
	sum.Faults += sum.Audit.Faults
	return sum, err
}

// verifier replays one village. Its batch is never written.
type verifier struct {
	s       *Store
	t       *tx
	village record.Village
	sum     *Verified
	report  func(Fault)
	batch   batch
	streams map[record.Stream]*stream // as they are stored
	noted   map[record.Dot][2]string  // the quarantined: reason and detail
	feed    uint64
}

func (v *verifier) fault(zh, en string, args ...any) {
	v.sum.Faults++
	v.report(Fault{v.village, said(zh, en, args...)})
}

func said(zh, en string, args ...any) form.Label {
	return form.Label{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}
}

func (v *verifier) run() error {
	var log uint64
	if err := v.t.row(`SELECT feed, log FROM village_head WHERE village_id = $1`, v.village).Scan(&v.feed, &log); err != nil {
		return err
	}
	if err := v.s.streams(v.t, v.village, func(st *stream) { v.streams[st.id] = st }); err != nil {
		return err
	}
	if err := v.quarantine(); err != nil {
		return err
	}
	replayed := map[record.Stream]*stream{}
	for id, st := range v.streams {
		if identity.StreamOf(st.key, string(v.village), st.incarnation) != id {
			v.fault("流 %s 与它的密钥对不上", "stream %s is not that of its key", id)
		}
		replayed[id] = &stream{id: id, device: st.device, key: st.key, number: st.number, incarnation: st.incarnation}
	}
	at := uint64(0)
	err := v.t.rows(func(r *sql.Rows) error {
		var id, before, last, proof, body []byte
		var place uint64
		if err := r.Scan(&id, &place, &before, &last, &proof, &body); err != nil {
			return err
		}
		if at++; place != at {
			v.fault("日志缺第 %d 段", "segment %d of the log is missing", at)
			at = place
		}
		v.sum.Segments++
		st := replayed[record.Stream(id)]
		if len(id) != len(record.Stream{}) || st == nil {
			v.fault("日志第 %d 段不属于任何已知的流", "segment %d of the log is of no known stream", place)
			return nil
		}
		return v.segment(st, place, before, last, proof, body)
	}, `SELECT stream_id, log, before_hash, last_hash, receipt, body FROM segment WHERE village_id = $1 ORDER BY log`, v.village)
	if err != nil {
		return err
	}
	if at != log {
		v.fault("日志到第 %d 段为止，应到第 %d 段", "the log ends with segment %d instead of %d", at, log)
	}
	for id, st := range v.streams {
		v.sum.Streams++
		got := replayed[id]
		if got.head != st.head || got.at != st.at {
			v.fault("流 %s 在日志里到第 %d 条，登记的却是 %d", "stream %s ends with entry %d of the log, and is noted with %d", id, got.head.Seq, st.head.Seq)
		}
		if st.feed > v.feed {
			v.fault("流 %s 登记在序号 %d，超过了本村的 %d", "stream %s moved at feed number %d, beyond the village's %d", id, st.feed, v.feed)
		}
	}
	for d := range v.noted {
		v.fault("改动 %s 登记为已隔离，回执却没有这样写", "change %s is noted as quarantined, and no receipt says so", d)
	}
	rows, err := v.rows()
	if err != nil {
		return err
	}
	if err := v.records(rows); err != nil {
		return err
	}
	if err := v.shown(); err != nil {
		return err
	}
	return v.reviews()
}

// segment replays one segment.
func (v *verifier) segment(st *stream, place uint64, before, last, proof, body []byte) error {
	seg, err := v.s.unpack(body)
	if err != nil {
		v.fault("日志第 %d 段读不出来：%s", "segment %d of the log cannot be read: %s", place, err)
		return nil
	}
	if !bytes.Equal(before, st.head.Hash[:]) {
		v.fault("日志第 %[1]d 段接不上流 %[3]s 的第 %[2]d 条", "segment %d of the log does not follow entry %d of stream %s", place, st.head.Seq, st.id)
	}
	hashes, err := seg.Open(st.key, v.village, st.head)
	if err != nil {
		v.fault("日志第 %d 段：%s", "segment %d of the log: %s", place, err)
		return nil
	}
	end := hashes[len(hashes)-1]
	if !bytes.Equal(last, end[:]) {
		v.fault("日志第 %d 段与登记的哈希值不一致", "segment %d of the log is noted with another hash than it has", place)
	}
	ats, receipt, err := times(seg, proof)
	if err != nil || receipt.Stream != st.id || receipt.From != seg.From || receipt.Seq != seg.Last() || receipt.Floor != st.at ||
		!receipt.Proves(v.s.Key.Public().(ed25519.PublicKey), end) {
		v.fault("日志第 %d 段：回执不是本服务器签的", "segment %d of the log: its receipt is not the server's", place)
		return nil
	}
	quarantined := map[uint64]journal.Quarantined{}
	for _, q := range receipt.Quarantined {
		quarantined[q.Seq] = q
	}
	for i := range seg.Changes {
		c, d := &seg.Changes[i], record.Dot{Stream: st.id, Seq: seg.From + uint64(i)}
		v.sum.Entries++
		if q, yes := quarantined[d.Seq]; yes {
			v.sum.Quarantined++
			if v.noted[d] != [2]string{q.Reason, q.Detail} {
				v.fault("改动 %s 的回执写着已隔离，登记里却没有", "change %s is quarantined by its receipt, and not so noted", d)
			}
			delete(v.noted, d)
			if w := v.batch.records[c.Record]; w != nil {
				w.state.SkipInPlace(d)
			}
		} else if !seg.Erased(i) {
			w := v.batch.records[c.Record]
			if w == nil {
				w = &working{id: c.Record}
				v.batch.records[c.Record] = w
			}
			v.batch.apply(st, w, merge.Applied{Dot: d, At: ats[i], Author: c.Author}, c)
		}
		v.batch.frontier[st.id] = d.Seq
	}
	st.head, st.at = journal.Head{Seq: seg.Last(), Hash: end}, ats[len(ats)-1]
	return nil
}

// quarantine reads which entries are noted as quarantined, and why.
func (v *verifier) quarantine() error {
	v.noted = map[record.Dot][2]string{}
	return v.t.rows(func(r *sql.Rows) error {
		var d record.Dot
		var id []byte
		var why [2]string
		if err := r.Scan(&id, &d.Seq, &why[0], &why[1]); err != nil {
			return err
		}
		copy(d.Stream[:], id)
		v.noted[d] = why
		return nil
	}, `SELECT stream_id, seq, reason, detail FROM quarantine WHERE village_id = $1`, v.village)
}

// rows reads the forms' tables, by the record's id as text.
func (v *verifier) rows() (map[record.Type]map[string][]any, error) {
	tables := map[record.Type]map[string][]any{}
	for typ, p := range v.s.tables() {
		rows := map[string][]any{}
		err := v.t.rows(func(r *sql.Rows) error {
			values := make([]any, len(ownColumns)-1+len(p.fields))
			into := make([]any, len(values))
			for i := range values {
				into[i] = &values[i]
			}
			if err := r.Scan(into...); err != nil {
				return err
			}
			rows[fmt.Sprint(values[0])] = values
			return nil
		}, p.read, v.village)
		if err != nil {
			return nil, err
		}
		tables[typ] = rows
	}
	return tables, nil
}

// records compares the stored records, and their rows in the forms' tables,
// with the replayed.
func (v *verifier) records(tables map[record.Type]map[string][]any) error {
	var lastFeed uint64
	left := maps.Clone(v.batch.records)
	err := v.t.rows(func(r *sql.Rows) error {
		var text string
		var typ record.Type
		var feed, other uint64
		var last record.Dot
		var stream, trail, state []byte
		if err := r.Scan(&text, &typ, &feed, &stream, &last.Seq, &other, &trail, &state); err != nil {
			return err
		}
		v.sum.Records++
		copy(last.Stream[:], stream)
		id, err := record.ParseID(text)
		w := left[id]
		if err != nil || w == nil {
			v.fault("记录 %s 在日志的改动里都没有", "record %s is in no change of the log", text)
			return nil
		}
		delete(left, id)
		switch {
		case typ != w.typ:
			v.fault("记录 %s 是 %s，却存成了 %s", "record %s is a %s, and stored as %s", text, w.typ, typ)
		case !bytes.Equal(state, w.state.Encode()):
			v.fault("记录 %s 与它的各次改动得出的不一致", "record %s is not what its changes make of it", text)
		case !bytes.Equal(trail, w.trail) || last != w.last:
			v.fault("记录 %s 的改动清单与日志不一致", "record %s: its list of changes is not that of the log", text)
		case feed <= lastFeed || feed > v.feed || other > feed:
			v.fault("记录 %s 的序号 %d 排在 %d 之后", "record %s has the feed number %d after %d", text, feed, lastFeed)
		}
		lastFeed = feed
		p := v.s.tables()[w.typ]
		if p == nil {
			return nil
		}
		view := merge.Read(p.form, w.state)
		if got := tables[w.typ][text]; !sameRow(got, p.row(v.village, text, &view)) {
			v.fault("记录 %s 在 %s 表里的一行与它的内容不一致", "record %s: its row in %s is not what it says", text, p.name)
		}
		delete(tables[w.typ], text)
		return nil
	}, `SELECT record_id, type, feed, feed_stream, feed_seq, feed_other, trail, state FROM record WHERE village_id = $1 ORDER BY feed`, v.village)
	if err != nil {
		return err
	}
	for id := range left {
		v.fault("记录 %s 在日志里有，却没有存下", "record %s is in the log and not stored", id)
	}
	for typ, rows := range tables {
		for id := range rows {
			v.fault("%s 表里有 %s 的一行，却没有这条记录", "%s has a row for %s, which is no such record", v.s.tables()[typ].name, id)
		}
	}
	return nil
}

// sameRow compares a stored row, which lacks the village, with a computed one.
func sameRow(stored, computed []any) bool {
	if len(stored) != len(computed)-1 {
		return false
	}
	for i, x := range computed[1:] {
		y := stored[i]
		if b, ok := y.([]byte); ok {
			y = string(b)
		}
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}
