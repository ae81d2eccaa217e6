package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Kind tells what waits for a person.
type Kind string

// The kinds of what waits.
const (
	Conflict Kind = "conflict" // several values live that no policy may settle
	Proposal Kind = "proposal" // somebody proposes another value than the owner's
	Question Kind = "question" // the office has asked, and waits for the answer
	Answer   Kind = "answer"   // what became of a question, which the office has yet to see
	After    Kind = "after"    // written after its month was closed; the path is the month
	Held     Kind = "quarantine"
)

// item is what waits for a person in one record: a register, and what of it.
type item struct {
	path record.Path
	kind Kind
}

// detail is what the list of what waits is filtered by: whose values they are, and
// whether the team is asked about them.
type detail struct {
	who   string
	asked bool
}

// items gives what waits in a record as it reads.
func items(s merge.State, view *merge.View) map[item]detail {
	if len(view.Conflicts) == 0 && len(view.Proposals) == 0 && len(view.Questions) == 0 {
		return nil
	}
	list := map[item]detail{}
	of := func(p record.Path) detail {
		q := view.Questions[p]
		return detail{whoClaims(s, view, p), q != nil && q.State == merge.Asked}
	}
	for p := range view.Conflicts {
		list[item{p, Conflict}] = of(p)
	}
	for p := range view.Proposals {
		list[item{p, Proposal}] = of(p)
	}
	for p, q := range view.Questions {
		switch {
		case !q.Open():
		case q.State == merge.Asked:
			list[item{p, Question}] = of(p)
		default:
			list[item{p, Answer}] = of(p)
		}
	}
	return list
}

// whoClaims names those whose values wait under a register, each between line ends so
// that a whole name can be looked for.
func whoClaims(s merge.State, view *merge.View, p record.Path) string {
	var names []string
	for _, c := range slices.Concat(s.Claims(p), view.Conflicts[p]) {
		names = append(names, strings.ReplaceAll(c.Author, "\n", " "))
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "\n" + strings.Join(slices.Compact(names), "\n") + "\n"
}

// waiting reads what waits in the touched records.
func (b *batch) waiting() (map[string]map[item]detail, error) {
	var ids []record.ID
	for _, w := range b.touched {
		if w.stored {
			ids = append(ids, w.id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	waiting := map[string]map[item]detail{}
	err := b.t.rows(func(r *sql.Rows) error {
		id, it, d, err := scanItem(r)
		if waiting[id] == nil {
			waiting[id] = map[item]detail{}
		}
		waiting[id][it] = d
		return err
	}, `SELECT record_id, path, kind, who, asked FROM review WHERE village_id = $1 AND `+b.s.engine.Among("record_id", 2), b.village, texts(ids))
	return waiting, err
}

func scanItem(r *sql.Rows) (id string, it item, d detail, err error) {
	var asked int64
	err = r.Scan(&id, &it.path, &it.kind, &d.who, &asked)
	d.asked = asked != 0
	return id, it, d, err
}

// review brings the list of what waits in a record up to date; what waited
// before keeps its date.
func (b *batch) review(id string, w *working, view *merge.View, before map[item]detail) error {
	now := items(w.state, view)
	for _, it := range sortedItems(now) {
		if d, is := before[it]; is && d == now[it] {
			continue
		}
		if err := b.wait(id, w, it, now[it]); err != nil {
			return err
		}
	}
	for _, it := range sortedItems(before) {
		if _, still := now[it]; still || it.kind == After && !view.Erased {
			continue
		}
		if err := b.t.exec(`DELETE FROM review WHERE village_id = $1 AND record_id = $2 AND path = $3 AND kind = $4`,
			b.village, id, it.path, it.kind); err != nil {
			return err
		}
	}
	if !w.wrote || view.Erased {
		return nil
	}
	month := monthOf(b.s.forms.Form(w.typ), view)
	if closed, err := b.closed(month); err != nil || !closed {
		return err
	}
	it := item{record.Path(month), After}
	if _, waits := before[it]; waits {
		return nil
	}
	return b.wait(id, w, it, detail{who: "\n" + strings.ReplaceAll(w.author, "\n", " ") + "\n"})
}

// wait puts something on the list of what waits.
func (b *batch) wait(id string, w *working, it item, d detail) error {
	asked := 0
	if d.asked {
		asked = 1
	}
	return b.t.exec(`INSERT INTO review(village_id, record_id, path, kind, type, since_feed, since_at, who, asked) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT(village_id, record_id, path, kind) DO UPDATE SET who = excluded.who, asked = excluded.asked`,
		b.village, id, it.path, it.kind, w.typ, w.feed, b.received.Milli(), d.who, asked)
}

func sortedItems(m map[item]detail) []item {
	return slices.SortedFunc(maps.Keys(m), func(x, y item) int {
		return strings.Compare(string(x.path)+"\x00"+string(x.kind), string(y.path)+"\x00"+string(y.kind))
	})
}

// monthOf gives the month that a record is accounted for in, by the date that its title
// tells; "" where it is of none.
func monthOf(f *form.Form, view *merge.View) string {
	if f == nil {
		return ""
	}
	for _, name := range f.Titles {
		if fd := f.Field(name); fd != nil && fd.Kind == form.Date {
			if day, ok := view.Fields[name].Text(); ok && len(day) == len("2017-05-23") {
				return day[:len("2017-05")]
			}
		}
	}
	return ""
}

// closed tells whether a month of the village is closed.
func (b *batch) closed(month string) (bool, error) {
	if month == "" {
		return false, nil
	}
	if b.months == nil {
		b.months = map[string]bool{}
		if err := b.t.rows(func(r *sql.Rows) error {
			var m string
			err := r.Scan(&m)
			b.months[m] = true
			return err
		}, `SELECT month FROM closing WHERE village_id = $1`, b.village); err != nil {
			return false, err
		}
	}
	return b.months[month], nil
}

// reviewVersion moves when the list of what waits tells more than it did.
const reviewVersion = "2"

// reviewAnew makes the lines of what waits anew where an earlier release made them.
func (s *Store) reviewAnew(ctx context.Context) error {
	if was, err := s.Meta(ctx, "review"); err != nil || string(was) == reviewVersion {
		return err
	}
	heads, err := s.Heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := s.change(ctx, func(t *tx) error {
			b := &batch{s: s, t: t, village: h.Village, records: map[record.ID]*working{}}
			var ids []record.ID
			if err := t.rows(func(r *sql.Rows) error {
				var text string
				if err := r.Scan(&text); err != nil {
					return err
				}
				id, err := record.ParseID(text)
				ids = append(ids, id)
				return err
			}, `SELECT DISTINCT record_id FROM review WHERE village_id = $1`, h.Village); err != nil || len(ids) == 0 {
				return err
			}
			if err := b.load(ids); err != nil {
				return err
			}
			for _, id := range ids {
				b.touched = append(b.touched, b.records[id])
			}
			waiting, err := b.waiting()
			if err != nil {
				return err
			}
			for _, w := range b.touched {
				view := merge.Read(s.forms.Form(w.typ), w.state)
				if err := b.review(w.id.String(), w, &view, waiting[w.id.String()]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("what waits in %s: %w", h.Village, err)
		}
	}
	return s.SetMeta(ctx, "review", []byte(reviewVersion))
}

// Review is something that waits for a person.
type Review struct {
	Village record.Village
	ID      record.ID
	Type    record.Type
	Path    record.Path
	Kind    Kind
	// Since is when it came up, by feed number and time.
	SinceFeed uint64
	Since     clock.Time
}

// Reviews lists what waits for a decision in the villages (none means all), the oldest
// of each village first.
func (s *Store) Reviews(ctx context.Context, villages ...record.Village) ([]Review, error) {
	return s.reviews(ctx, []Kind{Conflict, Proposal}, villages)
}

// Questions lists what the office has asked in the villages (none means all) and waits
// for, or has yet to see the answer of.
func (s *Store) Questions(ctx context.Context, villages ...record.Village) ([]Review, error) {
	return s.reviews(ctx, []Kind{Question, Answer}, villages)
}

func (s *Store) reviews(ctx context.Context, kinds []Kind, villages []record.Village) ([]Review, error) {
	var list []Review
	err := s.look(ctx, func(t *tx) (err error) {
		if len(villages) == 0 {
			if villages, err = t.villages(); err != nil {
				return err
			}
		}
		for _, v := range villages {
			if err := t.rows(func(r *sql.Rows) error {
				w, err := scanReview(v, r)
				list = append(list, w)
				return err
			}, `SELECT `+reviewColumns+` FROM review r WHERE village_id = $1 AND kind IN ($2, $3) ORDER BY since_feed, record_id, path, kind`, v, kinds[0], kinds[1]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

const reviewColumns = `r.record_id, r.type, r.path, r.kind, r.since_feed, r.since_at`

func scanReview(v record.Village, r *sql.Rows) (Review, error) {
	w := Review{Village: v}
	var id string
	var since int64
	if err := r.Scan(&id, &w.Type, &w.Path, &w.Kind, &w.SinceFeed, &since); err != nil {
		return w, err
	}
	w.Since = milli(since)
	var err error
	w.ID, err = record.ParseID(id)
	return w, err
}

// Seen takes what was written after its month was closed off the list of what waits.
// ErrDecided where somebody has done it.
func (d *Desk) Seen(id record.ID, month string) error {
	n, err := d.b.t.affect(`DELETE FROM review WHERE village_id = $1 AND record_id = $2 AND path = $3 AND kind = $4`, d.b.village, id.String(), month, After)
	if err == nil && n == 0 {
		err = ErrDecided
	}
	d.decided = d.decided || err == nil
	return err
}

// reviews compares what waits for a person with what the records say.
func (v *verifier) reviews() error {
	want := map[string]map[item]detail{}
	for id, w := range v.batch.records {
		view := merge.Read(v.s.forms.Form(w.typ), w.state)
		if list := items(w.state, &view); len(list) > 0 {
			want[id.String()] = list
		}
	}
	v.batch.t = v.t
	var late []item
	var lateOf []string
	err := v.t.rows(func(r *sql.Rows) error {
		id, it, d, err := scanItem(r)
		if err != nil {
			return err
		}
		v.sum.Reviews++
		if it.kind == After {
			late, lateOf = append(late, it), append(lateOf, id)
			return nil
		}
		is, waits := want[id][it]
		switch {
		case !waits:
			v.fault("记录 %[2]s 的 %[1]s 列为 %[3]s，其实没有待处理的", "%s of record %s is listed as %s, and nothing waits there", it.path, id, it.kind)
		case is != d:
			v.fault("记录 %[2]s 的 %[1]s（%[3]s）列的填写人不对", "%s of record %s (%s) is listed as of others than wrote it", it.path, id, it.kind)
		}
		delete(want[id], it)
		return nil
	}, `SELECT record_id, path, kind, who, asked FROM review WHERE village_id = $1`, v.village)
	for id, list := range want {
		for _, it := range sortedItems(list) {
			v.fault("记录 %[2]s 的 %[1]s 待处理（%[3]s），却没有列出", "%s of record %s waits as %s, and is not listed", it.path, id, it.kind)
		}
	}
	for i, it := range late {
		id, _ := record.ParseID(lateOf[i])
		closed, failed := v.batch.closed(string(it.path))
		err = errors.Join(err, failed)
		if w := v.batch.records[id]; w == nil || !closed {
			v.fault("记录 %s 列为 %s 封存后的改动，这个月却没有封存", "record %s is listed as changed after %s was closed, and that is not closed", lateOf[i], it.path)
		}
	}
	return err
}
