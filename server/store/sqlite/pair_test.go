package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/alike"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// listed gives the pairs that the queue of a village has, as texts.
func listed(t interface{ Fatal(...any) }, w *storetest.World, v record.Village) (list []string) {
	if err := w.FindPairs(w.Context(), v); err != nil {
		t.Fatal(err)
	}
	for q := (store.QueueQuery{Village: v, Limit: 7}); ; {
		page, _, err := w.Queue(w.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			if x.Pair != nil {
				list = append(list, fmt.Sprint(x.Kind, x.Pair.Record, x.Pair.Other))
			}
		}
		if len(page) < q.Limit {
			slices.Sort(list)
			return list
		}
		q.After = page[len(page)-1].Place
	}
}

// Whatever is written, voided, said and looked at in whatever order: the queue lists the
// pairs that comparing all with all gives.
func TestPairsIncrementally(t *testing.T) {
	w := storetest.NewWorld(t, open)
	villages := 0
	rapid.Check(t, func(rt *rapid.T) {
		villages++
		v := record.Village(fmt.Sprintf("369999%06d", 100+villages))
		if err := w.AddVillage(t.Context(), store.Village{Code: v}); err != nil {
			rt.Fatal(err)
		}
		l := w.Laptop("王队员", identity.Office).In(v)
		l.Device.Villages = []record.Village{v}
		names := rapid.SampledFrom([]string{"张伟", "章伟", "李娜"})
		born := rapid.SampledFrom([]string{"1960-01-01", "1995-02-03", ""})
		n := rapid.IntRange(3, 8).Draw(rt, "people")
		for range rapid.IntRange(3, 25).Draw(rt, "steps") {
			id := storetest.ID(rapid.IntRange(0, n-1).Draw(rt, "who"))
			var state merge.State
			if rec, err := w.Record(t.Context(), v, id); err == nil {
				state = rec.State
			}
			set := func(p record.Path, v record.Value) {
				l.Write(storetest.Set("person", id, p, v, state.Observed(p)...))
			}
			switch rapid.IntRange(0, 5).Draw(rt, "does") {
			case 0, 1:
				l.Write(record.Change{Record: id, Type: "person", Form: 1, Body: []record.Write{
					{Path: "birth_date", Value: record.Text(born.Draw(rt, "born")), Observed: state.Observed("birth_date")},
					{Path: "full_name", Value: record.Text(names.Draw(rt, "name")), Observed: state.Observed("full_name")},
				}})
			case 2:
				set("id_number", rapid.SampledFrom([]record.Value{`"369999196001010018"`, `"369999199502030025"`, record.Null}).Draw(rt, "number"))
			case 3:
				other := storetest.ID(rapid.IntRange(0, n-1).Draw(rt, "other"))
				set(record.Same.Element(other.String()), rapid.SampledFrom([]record.Value{record.True, record.False, record.Null}).Draw(rt, "said"))
			case 4:
				if state != nil {
					set(record.Life, state.Void("重复"))
				}
			case 5:
				listed(rt, w, v) // somebody looks
			}
			l.Push()
		}
		var want []string
		for i := range n {
			for j := range i {
				a, errA := w.Record(t.Context(), v, storetest.ID(j))
				b, errB := w.Record(t.Context(), v, storetest.ID(i))
				if errA != nil || errB != nil || a.View.Void || b.View.Void {
					continue
				}
				if !merge.Keeps(a.ID, b.ID) {
					a, b = b, a
				}
				score, _ := alike.Compare("person", a.View.Fields, b.View.Fields)
				said := merge.LikenessOf(a.State, a.ID, b.State, b.ID)
				switch {
				case merge.Contradicts(a.State, a.ID, b.State, b.ID):
					want = append(want, fmt.Sprint(store.Clash, a.ID, b.ID))
				case said == merge.Same, said == merge.Unsaid && score >= alike.Probable:
					want = append(want, fmt.Sprint(store.Twin, a.ID, b.ID))
				}
			}
		}
		slices.Sort(want)
		if got := listed(rt, w, v); !slices.Equal(got, want) {
			rt.Fatalf("listed %v, want %v", got, want)
		}
	})
}

// Records that somebody calls the same though nothing speaks for it are listed once, on
// whatever page.
func TestPairUnlike(t *testing.T) {
	w := storetest.NewWorld(t, open)
	l := w.Laptop("王队员", identity.Office)
	for i := range 8 {
		l.Write(storetest.New("person", storetest.ID(i), map[record.Path]record.Value{"full_name": record.Text(fmt.Sprint("人", i)), "birth_date": record.Text(fmt.Sprintf("19%d0-01-01", i+1)),
			record.Same.Element(storetest.ID((i + 1) % 8).String()): record.True}))
	}
	l.Push()
	if list := listed(t, w, storetest.Code); len(list) != 8 || len(slices.Compact(list)) != 8 {
		t.Errorf("%q", list)
	}
}

// A key that very many share makes no pairs of all with all; once few share it, it does.
func TestPairsBounded(t *testing.T) {
	w := storetest.NewWorld(t, open)
	l := w.Laptop("王队员", identity.Office)
	const many = 40
	for i := range many {
		l.Write(storetest.New("household", storetest.ID(i), map[record.Path]record.Value{"head_name": `"李大山"`, "group_name": `"三组"`}))
	}
	l.Push()
	if n := len(listed(t, w, storetest.Code)); n > 12*11/2 {
		t.Errorf("%d pairs of %d that are all alike", n, many)
	}
	for i := 5; i < many; i++ {
		rec, err := w.Record(t.Context(), storetest.Code, storetest.ID(i))
		if err != nil {
			t.Fatal(err)
		}
		l.Write(storetest.Set("household", storetest.ID(i), "head_name", record.Text(fmt.Sprintf("另一户%d", i)), rec.State.Observed("head_name")...))
	}
	l.Push()
	if n := len(listed(t, w, storetest.Code)); n != 5*4/2 {
		t.Errorf("%d pairs of 5", n)
	}
}

// Numbers that records of two villages share are all given, page by page and each once,
// also one that many share.
func TestAcrossPages(t *testing.T) {
	w := opened(t)
	const shared, many = 430, 15
	for i, v := range []record.Village{storetest.Code, storetest.Other} {
		if err := w.Desk(t.Context(), v, func(d *store.Desk) error {
			put := func(n int, no string) error {
				_, err := d.Write(record.Change{Record: storetest.ID(n), Type: "household", Author: "admin", Body: []record.Write{
					{Path: "head_name", Value: record.Text(fmt.Sprint("户", n))}, {Path: "household_no", Value: record.Text(no)}}})
				return err
			}
			for n := range shared {
				if err := put(1000*(i+1)+n, fmt.Sprintf("3699990000%06d", n)); err != nil {
					return err
				}
			}
			for n := range many {
				if err := put(5000+1000*i+n, "3699990000999999"); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := w.FindPairs(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	seen, pages := map[store.Across]bool{}, 0
	var left []record.ID
	for after := []byte(nil); pages == 0 || after != nil; pages++ {
		list, next, err := w.Across(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 2*acrossPage {
			t.Errorf("%d on one page", len(list))
		}
		for _, x := range list {
			if seen[x] || x.A.Village == x.B.Village {
				t.Errorf("%v again, or of one village", x)
			}
			seen[x] = true
			left = append(left, x.A.ID, x.B.ID)
		}
		after = next
	}
	slices.SortFunc(left, func(a, b record.ID) int { return slices.Compare(a[:], b[:]) })
	if n := len(slices.Compact(left)); n != 2*shared+2*many || pages < 4 {
		t.Errorf("%d records on %d pages, want %d", n, pages, 2*shared+2*many)
	}
}

// acrossPage is about how many pairs a page has.
const acrossPage = 100

func opened(t *testing.T) *storetest.World {
	return storetest.NewWorld(t, func(tb testing.TB, o store.Options) *store.Store {
		s, err := Open(tb.Context(), filepath.Join(tb.TempDir(), "zhucun.db"), o)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	})
}
