package review

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

var toOther = Transfer{From: storetest.Code, To: storetest.Other, Record: storetest.ID(1), Reason: "易地搬迁", By: admin}

// Each row is a transfer that is refused, before anything is written.
func TestTransferRefused(t *testing.T) {
	w, r := newWorld(t)
	storetest.Family(w, w.Laptop("王队员", identity.FirstSecretary), 1, blob.Hash{1})
	for name, tt := range map[string]struct {
		change func(*Transfer)
		want   error
	}{
		"no reason":        {func(t *Transfer) { t.Reason = " " }, ErrReason},
		"a long reason":    {func(t *Transfer) { t.Reason = string(make([]rune, 300)) }, ErrLong},
		"where it is":      {func(t *Transfer) { t.To = t.From }, ErrSameVillage},
		"no such village":  {func(t *Transfer) { t.To = "369999000009" }, ErrVillage},
		"no such record":   {func(t *Transfer) { t.Record = storetest.ID(77) }, store.ErrNotFound},
		"not as was shown": {func(t *Transfer) { t.Shown = "1" }, store.ErrMoved},
	} {
		x := toOther
		tt.change(&x)
		if _, err := r.Transfer(context.Background(), x); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, not %v", name, err, tt.want)
		}
	}
	if open, err := w.OpenTransfers(context.Background()); err != nil || len(open) != 0 {
		t.Errorf("begun are %v, %v", open, err)
	}
}

// Whatever step a transfer was cut off behind: whoever starts next finishes it, once.
func TestTransferCutOff(t *testing.T) {
	for steps := 1; steps <= 3; steps++ {
		for _, between := range []bool{false, true} {
			t.Run(fmt.Sprintf("after %d, written between %t", steps, between), func(t *testing.T) {
				ctx := context.Background()
				w, r := newWorld(t)
				a := w.Laptop("王队员", identity.FirstSecretary)
				d := storetest.Family(w, a, 1, blob.Hash{1})
				x, err := r.beginTransfer(ctx, toOther)
				if err != nil {
					t.Fatal(err)
				}
				if steps > 1 {
					w.Resume(x, steps)
				}
				if between {
					a.Write(storetest.Set("household", storetest.ID(1), "head_name", `"王二"`, d))
					a.Write(storetest.New("income", storetest.ID(20), map[record.Path]record.Value{"household": record.Text(storetest.ID(1).String())}))
					a.Push()
					if steps == 2 { // and read there before it had left
						b := w.Laptop("李队员", identity.FirstSecretary).In(storetest.Other)
						b.Device.Villages = []record.Village{storetest.Other}
						rec, err := w.Record(ctx, storetest.Other, storetest.ID(1))
						if err != nil {
							t.Fatal(err)
						}
						b.Write(storetest.Set("household", storetest.ID(1), "phone", `"9"`, rec.State.Observed("phone")...))
						b.Push()
					}
				}
				for range 2 {
					if err := New(w.Store).FinishTransfers(ctx, func(_ store.Transfer, err error) { t.Error(err) }); err != nil {
						t.Fatal(err)
					}
				}
				there, err := w.Record(ctx, storetest.Other, storetest.ID(1))
				if err != nil {
					t.Fatal(err)
				}
				here, err := w.Record(ctx, storetest.Code, storetest.ID(1))
				if err != nil {
					t.Fatal(err)
				}
				head, late := record.Value(`"王大"`), between && steps == 3
				if between && !late {
					head = `"王二"`
				}
				if there.View.Void || there.View.Fields["head_name"] != head || len(there.View.Conflicts)+len(there.View.Others) > 0 {
					t.Errorf("there it reads %+v", there.View)
				}
				if !here.View.Void || len(here.View.Conflicts) > 0 != late || here.View.Left != storetest.Other {
					t.Errorf("here it reads %+v", here.View)
				}
				if between && steps == 2 && there.View.Fields["phone"] != `"9"` {
					t.Errorf("what was written there meanwhile reads %s", there.View.Fields["phone"])
				}
				if _, err := w.Record(ctx, storetest.Other, storetest.ID(20)); between && !late && err != nil {
					t.Errorf("what came in between: %v", err)
				}
				if open, err := w.OpenTransfers(ctx); err != nil || len(open) != 0 {
					t.Errorf("open are %v, %v", open, err)
				}
				w.Whole()
			})
		}
	}
}

// Each row is what is decided on a late edit of a record that has left, and what becomes
// of it.
func TestTransferLate(t *testing.T) {
	ctx := context.Background()
	w, r := newWorld(t)
	a := w.Laptop("王队员", identity.FirstSecretary)
	d := storetest.Family(w, a, 1, blob.Hash{1})
	if _, err := r.Transfer(ctx, toOther); err != nil {
		t.Fatal(err)
	}
	a.Write(storetest.Set("household", storetest.ID(1), "head_name", `"王二"`, d))
	a.Push()
	list, err := w.Reviews(ctx, storetest.Code)
	if err != nil || len(list) != 1 || list[0].Path != record.Life {
		t.Fatalf("there waits %v, %v", list, err)
	}
	alive := Decision{Village: storetest.Code, Record: storetest.ID(1), Path: record.Life, Value: merge.Alive, By: admin}
	if _, err := r.Decide(ctx, alive); !errors.Is(err, ErrLeft) {
		t.Errorf("alive in two villages: %v", err)
	}
	done, err := r.Transfer(ctx, toOther)
	if err != nil || done.Records != 1 || done.Types["household"] != 1 {
		t.Fatalf("it was carried as %+v, %v", done, err)
	}
	rec, err := w.Record(ctx, storetest.Code, storetest.ID(1))
	if err != nil || !rec.View.Void || len(rec.View.Conflicts) > 0 {
		t.Errorf("here it reads %+v, %v", rec.View, err)
	}
	if err := r.SetLife(ctx, Life{Village: storetest.Code, Record: storetest.ID(1), Feed: rec.Feed, Reason: "误报", By: admin}); !errors.Is(err, ErrLeft) {
		t.Errorf("made valid again: %v", err)
	}
	if rec, err = w.Record(ctx, storetest.Other, storetest.ID(1)); err != nil || rec.View.Fields["head_name"] != `"王二"` || len(rec.View.Conflicts) > 0 {
		t.Errorf("there it reads %+v, %v", rec.View, err)
	}
	w.Whole()
}

// A question that is open goes along, and its answer is the answer there.
func TestTransferQuestion(t *testing.T) {
	ctx := context.Background()
	w, r := newWorld(t)
	clash(w, 1)
	if _, err := r.Ask(ctx, Asking{Village: storetest.Code, Record: storetest.ID(1), Path: "head_name", Words: "哪个对？", By: admin}); err != nil {
		t.Fatal(err)
	}
	before, err := w.Record(ctx, storetest.Code, storetest.ID(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Transfer(ctx, toOther); err != nil {
		t.Fatal(err)
	}
	after, err := w.Record(ctx, storetest.Other, storetest.ID(1))
	if err != nil {
		t.Fatal(err)
	}
	q, was := after.View.Questions["head_name"], before.View.Questions["head_name"]
	if q == nil || q.State != merge.Asked || q.Moved || q.Words != was.Words || len(after.View.Conflicts) != len(before.View.Conflicts) || len(after.View.Conflicts[record.Life]) != 2 {
		t.Errorf("there it reads %+v, asked %+v", after.View, q)
	}
	w.Whole()
}

// What is erased by law is erased in both villages, also while it is on its way.
func TestTransferErased(t *testing.T) {
	for steps := range 4 {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			ctx := context.Background()
			w, r := newWorld(t)
			storetest.Family(w, w.Laptop("王队员", identity.FirstSecretary), 1, blob.Hash{1})
			person := record.ID(storetest.ID(2))
			erase := func() {
				if _, err := r.Erase(ctx, "person", person, "依法", admin); err != nil {
					t.Fatal(err)
				}
			}
			var x store.Transfer
			var err error
			if steps > 0 {
				if x, err = r.beginTransfer(ctx, toOther); err != nil {
					t.Fatal(err)
				}
			}
			switch steps {
			case 0:
				if _, err := r.Transfer(ctx, toOther); err != nil {
					t.Fatal(err)
				}
				erase()
			case 1:
				erase()
			case 2:
				bag, err := w.Baggage(ctx, x.From, x.To, x.Record)
				if err != nil {
					t.Fatal(err)
				}
				erase() // in the one village that has it
				if err := r.enter(ctx, x, bag); err != nil {
					t.Fatal(err)
				}
			case 3:
				w.Resume(x, 2)
				erase()
			}
			if err := r.FinishTransfers(ctx, func(_ store.Transfer, err error) { t.Error(err) }); err != nil {
				t.Fatal(err)
			}
			for _, v := range []record.Village{storetest.Code, storetest.Other} {
				rec, err := w.Record(ctx, v, person)
				if errors.Is(err, store.ErrNotFound) && steps == 1 && v == storetest.Other {
					continue
				}
				if err != nil || !rec.View.Erased || len(rec.View.Fields) > 0 {
					t.Errorf("in %s the person reads %+v, %v", v, rec, err)
				}
				if rec, err := w.Record(ctx, v, storetest.ID(1)); err != nil || rec.View.Void != (v == storetest.Code) {
					t.Errorf("in %s the household reads %+v, %v", v, rec, err)
				}
			}
			w.Whole()
		})
	}
}

// Months that were closed stay as they were, and that a household moves is nothing that
// was written after.
func TestTransferClosed(t *testing.T) {
	ctx := context.Background()
	w, r := newWorld(t)
	storetest.Family(w, w.Laptop("王队员", identity.FirstSecretary), 1, blob.Hash{1})
	w.Clock += 60 * 24 * 3600_000
	if _, err := w.CloseMonth(ctx, "2017-07", "admin"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Transfer(ctx, toOther); err != nil {
		t.Fatal(err)
	}
	for _, v := range []record.Village{storetest.Code, storetest.Other} {
		late, _, err := w.Queue(ctx, store.QueueQuery{Village: v, Kind: store.After, Limit: 9})
		if err != nil || len(late) > 0 {
			t.Errorf("in %s was written late %v, %v", v, late, err)
		}
	}
	w.Whole()
}

// Whoever writes what in which village, while the household goes to and fro and is cut off
// on its way: every value that was taken is live in one of the villages, or was replaced by
// a change that its author was shown it for.
func TestTransferLosesNothing(t *testing.T) {
	ctx := context.Background()
	w, r := newWorld(t)
	villages := []record.Village{storetest.Code, storetest.Other}
	laptops := make([]*storetest.Laptop, 4)
	for i := range laptops {
		laptops[i] = w.Laptop(fmt.Sprint("队员", i), identity.FirstSecretary)
		if v := villages[i%2]; v != storetest.Code {
			laptops[i].In(v)
			laptops[i].Device.Villages = []record.Village{v}
		}
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		shown := make([]merge.State, 4)
		n += 10 // another household
		storetest.Family(w, laptops[0], n, blob.Hash{1})
		id, open := storetest.ID(n), false
		for range rapid.IntRange(1, 14).Draw(rt, "steps") {
			w.Clock += 1000
			i := rapid.IntRange(0, 3).Draw(rt, "laptop")
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0: // a laptop looks
				if rec, err := w.Record(ctx, villages[i%2], id); err == nil {
					shown[i] = rec.State
				}
			case 1, 2, 3: // and writes, on what it saw then
				p := rapid.SampledFrom([]record.Path{"phone", "head_name", "group_name"}).Draw(rt, "field")
				laptops[i].Write(storetest.Set("household", id, p, record.Text(fmt.Sprint("值", w.Clock)), shown[i].Observed(p)...))
				laptops[i].Push()
			case 4, 5:
				from := rapid.IntRange(0, 1).Draw(rt, "from")
				x, err := r.beginTransfer(ctx, Transfer{From: villages[from], To: villages[1-from], Record: id, Reason: "迁", By: admin})
				if errors.Is(err, store.ErrNotFound) {
					continue // it has nothing to leave with
				} else if err != nil {
					rt.Fatal(err)
				}
				switch steps := rapid.IntRange(1, 4).Draw(rt, "cut off"); steps {
				case 1:
				case 2, 3:
					w.Resume(x, steps)
				case 4:
					if _, err := r.finish(ctx, x); err != nil {
						rt.Fatal(err)
					}
				}
				if open = rapid.Bool().Draw(rt, "open"); !open {
					if err := r.FinishTransfers(ctx, func(_ store.Transfer, err error) { rt.Error(err) }); err != nil {
						rt.Fatal(err)
					}
				}
			}
		}
		type place struct {
			p record.Path
			o record.Origin
		}
		taken, kept := map[place]record.Value{}, map[place]bool{}
		first := func(v record.Village, history []store.Entry) map[record.Dot]record.Origin {
			m := map[record.Dot]record.Origin{}
			for _, e := range history {
				m[e.Dot] = record.Origin{Village: v, Dot: e.Dot}
				if o, ok := e.Change.Origin(); ok {
					m[e.Dot] = o
				}
			}
			return m
		}
		for _, v := range villages {
			rec, err := w.Record(ctx, v, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				rt.Fatal(err)
			}
			history, err := w.History(ctx, v, id)
			if err != nil {
				rt.Fatal(err)
			}
			names := first(v, history)
			for _, e := range history {
				_, carried := e.Change.Origin()
				for _, x := range e.Change.Body {
					if !x.Path.System() && !carried {
						taken[place{x.Path, names[e.Dot]}] = x.Value
					}
					for _, d := range x.Observed {
						if !carried {
							kept[place{x.Path, names[d]}] = true
						}
					}
				}
			}
			for p, reg := range rec.State {
				for _, sib := range reg.Siblings {
					kept[place{p, names[sib.Dot]}] = true
				}
			}
		}
		for x, value := range taken {
			if !kept[x] {
				rt.Errorf("%s under %s is nowhere", value, x.p)
			}
		}
	})
	w.Whole()
}
