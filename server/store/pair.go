package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"zhucun/shared/alike"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Pairs of records that may be the same are found behind the deliveries, as figures are
// worked out: what a village changed since is looked at under its feed numbers, each
// record against those that share a key with it. Keys are hashes: they hold no second
// copy of anybody's number.

// The kinds of pairs in the queue.
const (
	Twin  Kind = "twin"  // two households, or two persons, that are probably one
	Joint Kind = "joint" // a visit that was probably entered twice
	Clash Kind = "clash" // somebody said that they are one, somebody else that they are not
)

const (
	// maxBlock is how many records that share a key are compared with each other; a key
	// that more share tells nothing.
	maxBlock = 12
	// pairTurn is how many changed records one transaction looks at.
	pairTurn = 100
)

// Pair is two records of a village that may be the same. The one that is kept where
// they are comes first.
type Pair struct{ Record, Other record.ID }

// keepPairs looks at what changed since pairs were looked for, of one village or all, for
// so long, and gives how many villages are behind still.
func (s *Store) keepPairs(ctx context.Context, only record.Village, patience time.Duration) (behind int, err error) {
	began := time.Now()
	var list []record.Village
	where, args := "", []any(nil)
	if only != "" {
		where, args = " AND h.village_id = $1", []any{only}
	}
	if err := s.look(ctx, func(t *tx) error {
		list = nil
		return t.rows(func(r *sql.Rows) error {
			var v record.Village
			err := r.Scan(&v)
			list = append(list, v)
			return err
		}, `SELECT h.village_id FROM village_head h LEFT JOIN alike_head a ON a.village_id = h.village_id WHERE (a.feed IS NULL OR a.feed < h.feed)`+where+` ORDER BY h.village_id`, args...)
	}); err != nil {
		return 0, err
	}
	for len(list) > 0 && time.Since(began) < patience {
		if err := ctx.Err(); err != nil {
			return len(list), err
		}
		more := false
		if err := s.change(ctx, func(t *tx) (err error) {
			more, err = s.pairsOf(t, list[0])
			return err
		}); err != nil {
			return len(list), fmt.Errorf("pairs of %s: %w", list[0], err)
		}
		if !more {
			list = list[1:]
		}
	}
	return len(list), nil
}

// FindPairs finds the pairs of a village, "" for all, as of now.
func (s *Store) FindPairs(ctx context.Context, v record.Village) error {
	for {
		if behind, err := s.keepPairs(ctx, v, time.Minute); err != nil || behind == 0 {
			return err
		}
	}
}

// KeepPairs finds pairs ahead of whoever asks for them, until ctx ends.
func (s *Store) KeepPairs(ctx context.Context) {
	s.keep(ctx, keeper{failed: "pairs were not looked for", turn: func(ctx context.Context) (int, error) { return s.keepPairs(ctx, "", figuresGo) }})
}

// pairer looks for pairs in one village within a transaction.
type pairer struct {
	s       *Store
	t       *tx
	village record.Village
	kept    map[record.ID]*Record
	feed    uint64
}

// pairsOf looks at the next records of a village that changed, and tells whether there
// are more.
func (s *Store) pairsOf(t *tx, v record.Village) (more bool, err error) {
	p := &pairer{s: s, t: t, village: v, kept: map[record.ID]*Record{}}
	var upTo uint64
	// The same for all who write here: one waits for the other.
	if err := t.row(`INSERT INTO alike_head(village_id, feed) VALUES($1, 0) ON CONFLICT(village_id) DO UPDATE SET feed = alike_head.feed RETURNING feed`, v).Scan(&p.feed); err != nil {
		return false, err
	}
	if err := t.row(`SELECT feed FROM village_head WHERE village_id = $1`, v).Scan(&upTo); err != nil {
		return false, err
	}
	var changed []*Record
	last, n := p.feed, 0
	if err := t.rows(func(r *sql.Rows) error {
		rec, err := s.scan(r)
		if err != nil {
			return err
		}
		n++
		last = rec.Feed
		if slices.Contains(alike.Types, rec.Type) {
			changed = append(changed, rec)
			p.kept[rec.ID] = rec
		}
		return nil
	}, fmt.Sprintf(`SELECT %s FROM record r WHERE r.village_id = $1 AND r.feed > $2 ORDER BY r.feed LIMIT %d`, recordColumns, pairTurn), v, p.feed); err != nil {
		return false, err
	}
	for _, rec := range changed {
		if err := p.look(rec); err != nil {
			return false, err
		}
	}
	if n < pairTurn {
		last = upTo
	}
	return n == pairTurn, t.exec(`UPDATE alike_head SET feed = $2 WHERE village_id = $1`, v, int64(last))
}

// hash is a key as it is kept.
func (s *Store) hash(typ record.Type, key string) []byte {
	mac := hmac.New(sha256.New, s.Key.Seed())
	fmt.Fprintf(mac, "zhucun alike 1\x00%s\x00%s", typ, key)
	return mac.Sum(nil)[:12]
}

func saidKey(id record.ID) string { return "said\x00" + id.String() }

// look brings the keys and pairs of a record up to date.
func (p *pairer) look(rec *Record) error {
	id := rec.ID.String()
	had := map[string]bool{}
	if err := p.t.rows(func(r *sql.Rows) error {
		var key []byte
		err := r.Scan(&key)
		had[string(key)] = true
		return err
	}, `SELECT key FROM alike WHERE village_id = $1 AND record_id = $2`, p.village, id); err != nil {
		return err
	}
	var keys []alike.Key
	if !rec.View.Void {
		keys = alike.Keys(rec.Type, rec.View.Fields)
	}
	// Of which records it says something, for when one of them comes.
	others := map[record.ID]bool{}
	for _, other := range rec.State.Others() {
		others[other] = true
		keys = append(keys, alike.Key{Text: saidKey(other)})
	}
	has := map[string]bool{}
	for _, k := range keys {
		hash := p.s.hash(rec.Type, k.Text)
		if has[string(hash)] = true; had[string(hash)] {
			continue
		}
		wide := 0
		if k.Wide {
			wide = 1
		}
		if err := p.t.exec(`INSERT INTO alike(village_id, key, record_id, wide) VALUES($1, $2, $3, $4)`, p.village, hash, id, wide); err != nil {
			return err
		}
	}
	sayers, err := p.block(p.s.hash(rec.Type, saidKey(rec.ID)))
	if err != nil {
		return err
	}
	for _, sayer := range sayers {
		others[sayer] = true
	}
	for key := range had {
		if has[key] {
			continue
		}
		if err := p.t.exec(`DELETE FROM alike WHERE village_id = $1 AND key = $2 AND record_id = $3`, p.village, []byte(key), id); err != nil {
			return err
		}
		// A key that too many shared may be one that tells something again.
		block, err := p.block([]byte(key))
		if err != nil {
			return err
		}
		if len(block) == maxBlock {
			if err := p.all(block); err != nil {
				return err
			}
		}
	}
	for key := range has {
		block, err := p.block([]byte(key))
		if err != nil {
			return err
		}
		if len(block) <= maxBlock {
			for _, other := range block {
				others[other] = true
			}
		}
	}
	// Those with which it was a pair before.
	if err := p.t.rows(func(r *sql.Rows) error {
		var a, b string
		if err := r.Scan(&a, &b); err != nil {
			return err
		}
		for _, text := range []string{a, b} {
			other, err := record.ParseID(text)
			if err != nil {
				return err
			}
			others[other] = true
		}
		return nil
	}, `SELECT record_id, other_id FROM pair WHERE village_id = $1 AND (record_id = $2 OR other_id = $2)`, p.village, id); err != nil {
		return err
	}
	delete(others, rec.ID)
	for other := range others {
		if err := p.judge(rec.ID, other); err != nil {
			return err
		}
	}
	return nil
}

// block gives the records that share a key, one more than are compared at most.
func (p *pairer) block(key []byte) (ids []record.ID, err error) {
	return ids, p.t.rows(func(r *sql.Rows) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		id, err := record.ParseID(text)
		ids = append(ids, id)
		return err
	}, fmt.Sprintf(`SELECT record_id FROM alike WHERE village_id = $1 AND key = $2 ORDER BY record_id LIMIT %d`, maxBlock+1), p.village, key)
}

func (p *pairer) all(block []record.ID) error {
	for i, a := range block {
		for _, b := range block[:i] {
			if err := p.judge(a, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pairer) get(id record.ID) (*Record, error) {
	if rec, known := p.kept[id]; known {
		return rec, nil
	}
	rec, err := p.s.scan(p.t.row(`SELECT `+recordColumns+` FROM record r WHERE r.village_id = $1 AND r.record_id = $2`, p.village, id.String()))
	if found(err) == ErrNotFound {
		rec, err = nil, nil
	}
	p.kept[id] = rec
	return rec, err
}

// judge lists two records as a pair, or takes them off the list.
func (p *pairer) judge(x, y record.ID) error {
	if !merge.Keeps(x, y) {
		x, y = y, x
	}
	a, err := p.get(x)
	if err != nil {
		return err
	}
	b, err := p.get(y)
	if err != nil {
		return err
	}
	kind, score := pairKind(a, b)
	if kind == "" {
		return p.t.exec(`DELETE FROM pair WHERE village_id = $1 AND record_id = $2 AND other_id = $3`, p.village, x.String(), y.String())
	}
	names := slices.Concat(a.View.Authors, b.View.Authors)
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], "\n", " ")
	}
	slices.Sort(names)
	return p.t.exec(`INSERT INTO pair(village_id, record_id, other_id, type, kind, score, who, since_feed, since_at) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT(village_id, record_id, other_id) DO UPDATE SET kind = excluded.kind, score = excluded.score, who = excluded.who`,
		p.village, x.String(), y.String(), a.Type, kind, score, "\n"+strings.Join(slices.Compact(names), "\n")+"\n", int64(max(a.Feed, b.Feed)), p.s.now())
}

// pairKind tells what somebody has to say of two records, "" where nothing.
func pairKind(a, b *Record) (kind Kind, score int) {
	if a == nil || b == nil || a.Type != b.Type || a.View.Void || b.View.Void {
		return "", 0
	}
	score, _ = alike.Compare(a.Type, a.View.Fields, b.View.Fields)
	said := merge.LikenessOf(a.State, a.ID, b.State, b.ID)
	switch {
	case merge.Contradicts(a.State, a.ID, b.State, b.ID):
		return Clash, score
	case said == merge.Apart, said == merge.Unsaid && score < alike.Probable:
		return "", 0
	case a.Type == "visit":
		return Joint, score
	}
	return Twin, score
}

// scoreBase is what a place adds to a score, which may be below zero: of what somebody has
// called the same though little speaks for it.
const scoreBase = 1 << 20

// queuedPairs reads the pairs of a village, the likeliest first.
func (t *tx) queuedPairs(v record.Village, q QueueQuery, limit int) (list []Waits, err error) {
	where, args := `village_id = $1`, []any{v}
	test := func(text string, value any) {
		args = append(args, value)
		where += " AND " + fmt.Sprintf(text, len(args))
	}
	if q.Kind != "" {
		test(`kind = $%d`, q.Kind)
	}
	if q.Type != "" {
		test(`type = $%d`, q.Type)
	}
	if q.Who != "" {
		test(`who LIKE $%d ESCAPE '\'`, whoPattern(q.Who))
	}
	if a := q.After; a.Village == v && a.Part == partPairs {
		args = append(args, scoreBase-int64(a.Since), a.ID, string(a.Path))
		n := len(args)
		where += fmt.Sprintf(` AND (-score, record_id, other_id) > ($%d, $%d, $%d)`, n-2, n-1, n)
	}
	return list, t.rows(func(r *sql.Rows) error {
		w := Review{Village: v}
		var id, other string
		var score, since int64
		if err := r.Scan(&id, &other, &w.Type, &w.Kind, &score, &w.SinceFeed, &since); err != nil {
			return err
		}
		x := Waits{Pair: &Pair{}}
		for text, into := range map[string]*record.ID{id: &x.Pair.Record, other: &x.Pair.Other} {
			var err error
			if *into, err = record.ParseID(text); err != nil {
				return err
			}
		}
		w.ID, w.Since, w.Path = x.Pair.Record, milli(since), record.Same.Element(other)
		x.Review, x.Place = w, QueuePlace{Village: v, Part: partPairs, Since: uint64(max(scoreBase+score, 0)), ID: id, Path: record.Path(other), Kind: w.Kind}
		list = append(list, x)
		return nil
	}, fmt.Sprintf(`SELECT record_id, other_id, type, kind, score, since_feed, since_at FROM pair WHERE %s ORDER BY -score, record_id, other_id LIMIT %d`, where, limit), args...)
}

// erasePairs takes away what says that a record may be another.
func (t *tx) erasePairs(v record.Village, id record.ID) error {
	if err := t.exec(`DELETE FROM alike WHERE village_id = $1 AND record_id = $2`, v, id.String()); err != nil {
		return err
	}
	return t.exec(`DELETE FROM pair WHERE village_id = $1 AND (record_id = $2 OR other_id = $2)`, v, id.String())
}

// Across is two records of two villages that bear one number.
type Across struct{ A, B record.Key }

// acrossMost is from how many pairs on a page of Across ends, behind those of one number.
const acrossMost = 100

// Across gives records of different villages that bear one ID or register number and of
// which nobody has said that they are apart, or withdrawn one; behind the place where the
// page before ended, nil at first, and next, nil where there are no more. It is a look at
// all villages, and for whoever sees them all.
func (s *Store) Across(ctx context.Context, after []byte) (list []Across, next []byte, err error) {
	err = s.look(ctx, func(t *tx) error {
		list, next = nil, append([]byte{}, after...)
		for {
			keys, blocks, err := t.wideKeys(next)
			if err != nil {
				return err
			}
			for i, key := range keys {
				if list, err = s.acrossOf(t, blocks[i], list); err != nil {
					return err
				}
				if next = key; len(list) >= acrossMost {
					return nil
				}
			}
			if len(keys) < acrossMost {
				next = nil
				return nil
			}
		}
	})
	return list, next, err
}

// bearer is a record that bears a number.
type bearer struct {
	village record.Village
	id      string
}

// wideKeys gives the next keys that records of several villages share, and who shares each.
func (t *tx) wideKeys(after []byte) (keys [][]byte, blocks [][]bearer, err error) {
	return keys, blocks, t.rows(func(r *sql.Rows) error {
		var key []byte
		var one bearer
		err := r.Scan(&key, &one.village, &one.id)
		if n := len(keys); n == 0 || !bytes.Equal(keys[n-1], key) {
			keys, blocks = append(keys, key), append(blocks, nil)
		}
		n := len(blocks) - 1
		blocks[n] = append(blocks[n], one)
		return err
	}, fmt.Sprintf(`SELECT a.key, a.village_id, a.record_id FROM alike a JOIN
		(SELECT key FROM alike WHERE wide = 1 AND key > $1 GROUP BY key HAVING count(DISTINCT village_id) > 1 ORDER BY key LIMIT %d) b ON b.key = a.key WHERE a.wide = 1 ORDER BY a.key, a.village_id, a.record_id`, acrossMost), after)
}

// acrossOf adds the pairs of those that share a number. Where they are many, each is beside
// the first one of another village alone.
func (s *Store) acrossOf(t *tx, block []bearer, list []Across) ([]Across, error) {
	get := func(x bearer) (*Record, error) {
		return (&pairer{s: s, t: t, village: x.village, kept: map[record.ID]*Record{}}).byText(x.id)
	}
	for i, one := range block {
		beside := block[:i]
		if len(block) > maxBlock && i > 0 {
			at := slices.IndexFunc(block, func(x bearer) bool { return x.village != one.village && x.id != one.id })
			beside = block[max(at, 0) : max(at, 0)+1]
		}
		for _, two := range beside {
			if one.village == two.village || one.id == two.id {
				continue
			}
			a, err := get(two)
			if err != nil {
				return nil, err
			}
			b, err := get(one)
			if err != nil {
				return nil, err
			}
			if kind, _ := pairKind(a, b); kind == "" {
				continue
			}
			list = append(list, Across{a.Key, b.Key})
		}
	}
	return list, nil
}

func (p *pairer) byText(text string) (*Record, error) {
	id, err := record.ParseID(text)
	if err != nil {
		return nil, err
	}
	return p.get(id)
}
