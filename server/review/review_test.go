package review

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/store/storetest"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

var admin = merge.Writer{Author: "admin", Role: identity.Office}

func newWorld(t *testing.T) (*storetest.World, *Review) {
	w := storetest.NewWorld(t, func(tb testing.TB, o store.Options) *store.Store {
		s, err := sqlite.Open(context.Background(), filepath.Join(tb.TempDir(), "zhucun.db"), o)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	})
	return w, New(w.Store)
}

// clash makes household n, of which two laptops changed the head, one proposed
// another poverty_attr and one found it void while the other changed the phone.
// It gives the dots of the two heads.
func clash(w *storetest.World, n int) (x, y record.Dot) {
	a, b := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	id := storetest.ID(n)
	d := a.Write(storetest.New("household", id, map[record.Path]record.Value{"head_name": `"王大"`, "phone": `"1"`}))
	a.Push()
	rec, err := w.Find(context.Background(), id)
	if err != nil {
		w.Fatal(err)
	}
	x = a.Write(storetest.Set("household", id, "head_name", `"王二"`, d))
	y = b.Write(storetest.Set("household", id, "head_name", `"王三"`, d))
	b.Write(storetest.Set("household", id, "poverty_attr~", `"dibao"`))
	a.Write(storetest.Set("household", id, record.Life, rec.State.Void("重复")))
	b.Write(storetest.Set("household", id, "phone", `"2"`, d))
	a.Push()
	b.Push()
	return x, y
}

// Each row is a decision on what clash left, and what the record then says.
func TestDecide(t *testing.T) {
	tests := []struct {
		name string
		d    func(x, y record.Dot, s *store.Record) Decision
		want error
		// fields and void are as the record then reads; left is what still waits.
		head record.Value
		attr record.Value
		void bool
		left []record.Path
		// late comes in between the page and the decision.
		late func(w *storetest.World, shown *store.Record)
	}{
		{"take one", func(x, _ record.Dot, _ *store.Record) Decision { return Decision{Path: "head_name", Take: x} },
			nil, `"王二"`, `"dibao"`, false, []record.Path{record.Life, "poverty_attr"}, nil},
		{"a third value", func(_, _ record.Dot, _ *store.Record) Decision { return Decision{Path: "head_name", Value: `"王四"`} },
			nil, `"王四"`, `"dibao"`, false, []record.Path{record.Life, "poverty_attr"}, nil},
		{"clear", func(_, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "head_name", Value: record.Null}
		},
			nil, "", `"dibao"`, false, []record.Path{record.Life, "poverty_attr"}, nil},
		{"the proposal", func(_, _ record.Dot, s *store.Record) Decision {
			return Decision{Path: "poverty_attr", Take: s.View.Proposals["poverty_attr"][0].Dot}
		}, nil, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name"}, nil},
		{"not the proposal", func(_, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "poverty_attr~", Value: `"general"`}
		}, nil, `"王三"`, `"general"`, false, []record.Path{record.Life, "head_name"}, nil},
		{"void", func(_, _ record.Dot, s *store.Record) Decision {
			claims := s.View.Conflicts[record.Life]
			i := slices.IndexFunc(claims, func(c merge.Sibling) bool { return c.Value != merge.Alive })
			return Decision{Path: record.Life, Take: claims[i].Dot}
		}, nil, `"王三"`, `"dibao"`, true, []record.Path{"head_name", "poverty_attr"}, nil},
		{"alive", func(_, _ record.Dot, s *store.Record) Decision {
			claims := s.View.Conflicts[record.Life]
			i := slices.IndexFunc(claims, func(c merge.Sibling) bool { return c.Value == merge.Alive })
			return Decision{Path: record.Life, Take: claims[i].Dot}
		}, nil, `"王三"`, `"dibao"`, false, []record.Path{"head_name", "poverty_attr"}, nil},
		// What nobody had been shown is not void: the record waits for a decision again.
		{"void, shown before an edit", func(_, _ record.Dot, s *store.Record) Decision {
			return Decision{Path: record.Life, Value: `"void"`, Shown: s.State.Dots()}
		}, nil, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, func(w *storetest.World, shown *store.Record) {
			l := w.Laptop("赵队员", identity.TeamMember)
			l.Write(storetest.Set("household", shown.ID, "arable_mu", `3`))
			l.Push()
		}},
		// Nor is anything else than the edit that spoke for it taken back.
		{"void, shown an edit that was edited", func(_, _ record.Dot, s *store.Record) Decision {
			return Decision{Path: record.Life, Value: `"void"`, Shown: s.State.Dots()}
		}, nil, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, func(w *storetest.World, shown *store.Record) {
			l := w.Laptop("赵队员", identity.TeamMember)
			l.Write(storetest.Set("household", shown.ID, "phone", `"3"`, shown.State.Observed("phone")...))
			l.Push()
		}},
		{"void, shown all", func(_, _ record.Dot, s *store.Record) Decision {
			return Decision{Path: record.Life, Value: `"void"`, Shown: s.State.Dots()}
		}, nil, `"王三"`, `"dibao"`, true, []record.Path{"head_name", "poverty_attr"}, nil},
		// Shown one of the two only: the other one came later, and stays.
		{"shown one", func(x, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "head_name", Value: `"王四"`, Shown: []record.Dot{x}}
		}, nil, `"王四"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
		{"shown what is gone", func(x, y record.Dot, _ *store.Record) Decision {
			return Decision{Path: "head_name", Value: `"王四"`, Shown: []record.Dot{x, y, {Stream: x.Stream, Seq: 1}}}
		}, ErrDecided, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
		{"take what is gone", func(x, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "head_name", Take: record.Dot{Stream: x.Stream, Seq: 1}}
		}, ErrDecided, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
		{"nothing there", func(_, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "bank_account", Value: `"1"`}
		},
			ErrNothing, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
		{"nothing waits there", func(_, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "phone", Value: `"1"`}
		},
			ErrDecided, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
		{"no record", func(_, _ record.Dot, _ *store.Record) Decision {
			return Decision{Record: storetest.ID(99), Path: "phone"}
		},
			store.ErrNotFound, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
		{"no right", func(x, _ record.Dot, _ *store.Record) Decision {
			return Decision{Path: "poverty_attr", Value: `"general"`, By: merge.Writer{Author: "leader", Role: identity.TeamMember}}
		}, errRefusal, `"王三"`, `"dibao"`, false, []record.Path{record.Life, "head_name", "poverty_attr"}, nil},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r := newWorld(t)
			x, y := clash(w, i)
			id := storetest.ID(i)
			rec, err := w.Find(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			d := tt.d(x, y, rec)
			if d.Village = storetest.Code; d.Record.IsZero() {
				d.Record = id
			}
			if d.Reason = "核实过"; d.By.Author == "" {
				d.By = admin
			}
			if tt.late != nil {
				tt.late(w, rec)
			}
			dot, err := r.Decide(context.Background(), d)
			var refusal *merge.Refusal
			if tt.want == errRefusal && errors.As(err, &refusal) {
				err = errRefusal
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			v := w.View(id)
			if v.Fields["head_name"] != tt.head || v.Fields["poverty_attr"] != tt.attr || v.Void != tt.void {
				t.Errorf("the record reads %+v", v)
			}
			items, err := r.List(context.Background(), form.Zh, "", storetest.Code)
			var left []record.Path
			for _, it := range items {
				left = append(left, it.Path)
				if len(it.Waiting().Values) == 0 || it.Label == "" || it.Field == "" {
					t.Errorf("item %+v", it)
				}
			}
			slices.Sort(left)
			if err != nil || !slices.Equal(left, tt.left) {
				t.Errorf("%v waits, want %v; %v", left, tt.left, err)
			}
			if tt.want == nil {
				entries, err := w.History(context.Background(), storetest.Code, id)
				if err != nil || entries[0].Dot != dot || entries[0].Change.Reason() != "核实过" || entries[0].Change.Author != "admin" {
					t.Errorf("the last entry is %+v, %v", entries[0], err)
				}
				// The second to decide is told so.
				if _, again := r.Decide(context.Background(), d); !errors.Is(again, ErrDecided) && len(d.Shown) == 0 {
					t.Errorf("decided again: %v", again)
				}
			}
			w.Whole()
		})
	}
}

var errRefusal = errors.New("refused")

func TestQuarantine(t *testing.T) {
	w, r := newWorld(t)
	ctx := context.Background()
	l, lost := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	l.Device.Profiles = nil
	a := l.Write(storetest.New("household", storetest.ID(1), nil))
	b := l.Write(storetest.New("household", storetest.ID(2), nil))
	l.Push()
	lost.Device.Villages, lost.Device.Profiles = []record.Village{"nowhere"}, nil
	c := lost.In("nowhere").Write(storetest.New("household", storetest.ID(3), nil))
	lost.Push()
	list, err := w.Quarantine(ctx)
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	if why := r.Why(&list[0], form.Zh); why != "“王队员”没有在这台电脑上登记" {
		t.Errorf("why: %s", why)
	}
	if _, err := r.Accept(ctx, a, "", admin); err != nil || w.View(storetest.ID(1)) == nil {
		t.Errorf("accepted: %v", err)
	}
	long := strings.Repeat("长", store.MaxReason+1)
	if err := r.Reject(ctx, b, long, admin); !errors.Is(err, ErrLong) {
		t.Errorf("a reason that the laptop would get cut: %v", err)
	}
	if _, err := r.Accept(ctx, b, long, admin); !errors.Is(err, ErrLong) {
		t.Errorf("accepted for one: %v", err)
	}
	if err := r.Reject(ctx, b, "不实", admin); err != nil || w.View(storetest.ID(2)) != nil {
		t.Errorf("rejected: %v", err)
	}
	for _, d := range []record.Dot{a, b} {
		if _, err := r.Accept(ctx, d, "", admin); !errors.Is(err, ErrDecided) {
			t.Errorf("decided on twice: %v", err)
		}
	}
	if _, err := r.Accept(ctx, c, "", admin); !errors.Is(err, ErrVillage) {
		t.Errorf("for a village that nobody entered: %v", err)
	}
	if _, err := r.Accept(ctx, record.Dot{Seq: 1}, "", admin); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("not there: %v", err)
	}
	w.Whole()
}

// Values are read as people type them.
func TestParse(t *testing.T) {
	_, r := newWorld(t)
	for _, tt := range []struct {
		p    record.Path
		text string
		want record.Value
	}{
		{"head_name", "王大", `"王大"`},
		{"arable_mu~", "1.50", "1.5"},
		{"poverty_attr", "低保贫困户", `"dibao"`},
		{"fuel/wood", "true", record.True},
		{record.Life, "alive", merge.Alive},
		{record.Life, "void", `"void"`},
		{"phone", "", record.Null},
	} {
		if got, err := r.Parse("household", tt.p, tt.text); err != nil || got != tt.want {
			t.Errorf("%s=%s is %s, %v; want %s", tt.p, tt.text, got, err, tt.want)
		}
	}
	var bad *form.ValueError
	if _, err := r.Parse("household", "arable_mu", "much"); !errors.As(err, &bad) {
		t.Errorf("much land: %v", err)
	}
	if _, err := r.Parse("household", "none", "x"); !errors.Is(err, ErrNothing) {
		t.Errorf("no such field: %v", err)
	}
}
