package review

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"zhucun/server/store/storetest"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// queue says all that waits of some records, and with which values.
func queue(t *testing.T, w *storetest.World, ids ...record.ID) (list []string) {
	t.Helper()
	reviews, err := w.Reviews(t.Context(), storetest.Code)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reviews {
		list = append(list, fmt.Sprint(r.ID, r.Path, r.Kind))
	}
	for _, id := range ids {
		view := w.View(id)
		list = append(list, fmt.Sprint(id, " void ", view.Void))
		for of, claims := range map[string]map[record.Path][]merge.Sibling{"conflict": view.Conflicts, "proposal": view.Proposals} {
			for p, siblings := range claims {
				for _, s := range siblings {
					list = append(list, fmt.Sprint(id, of, p, s.Value))
				}
			}
		}
		for p, v := range view.Fields {
			if len(view.Proposals[record.Path(p)]) > 0 {
				continue // what is proposed where nothing stood is shown beside the nothing by now
			}
			list = append(list, fmt.Sprint(id, p, v))
		}
	}
	slices.Sort(list)
	return list
}

// Two households are joined, which decides what stood against each other in one of them.
// Once that is undone all of it waits again, as it did.
func TestJoinUndone(t *testing.T) {
	w, r := newWorld(t)
	a, b := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	one, two := storetest.ID(1), storetest.ID(2)
	d := a.Write(storetest.New("household", one, map[record.Path]record.Value{"head_name": `"王大"`, "phone": `"13900000001"`}))
	a.Write(storetest.New("household", two, map[record.Path]record.Value{"head_name": `"王大"`}))
	a.Push()
	a.Write(storetest.Set("household", one, "head_name", `"王二"`, d))
	b.Write(storetest.Set("household", one, "head_name", `"王三"`, d))
	b.Write(storetest.Set("household", one, "poverty_attr~", `"dibao"`))
	a.Push()
	b.Push()
	before := queue(t, w, one, two)
	say := func(word merge.Likeness, take map[string]record.Value) {
		t.Helper()
		kept, err := w.Find(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		other, err := w.Find(t.Context(), two)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Say(t.Context(), Saying{Village: storetest.Code, Kept: one, Other: two, Word: word, Take: take, ShownKept: kept.State.Dots(), ShownOther: other.State.Dots(), Reason: "同一户", By: admin}); err != nil {
			t.Fatal(err)
		}
	}
	say(merge.Same, map[string]record.Value{"head_name": `"王四"`, "poverty_attr": `"general"`, "group_name": `"三组"`})
	if v := w.View(one); v.Fields["head_name"] != `"王四"` || len(v.Conflicts)+len(v.Proposals) > 0 || !w.View(two).Void {
		t.Fatalf("joined: %+v", v)
	}
	say(merge.Unsaid, nil)
	if after := queue(t, w, one, two); !slices.Equal(after, before) {
		t.Errorf("after the undo\n%v\nbefore the join\n%v", after, before)
	}
	// Whoever had written a value is told with it.
	told := map[string]bool{}
	rec, err := w.Find(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	for _, back := range rec.State.Told("head_name") {
		told[back.Author] = true
	}
	if !told["王队员"] || !told["李队员"] {
		t.Errorf("told of %v", told)
	}
	w.Whole()
}

// What was asked while a form was open is not settled by what is then saved: whoever saves
// is shown the question first.
func TestEditLeavesQuestions(t *testing.T) {
	w, r := newWorld(t)
	clash(w, 1)
	ask := Asking{Village: storetest.Code, Record: storetest.ID(1), Path: "head_name", Words: "户主到底是谁？", By: admin}
	rec, err := w.Find(t.Context(), ask.Record)
	if err != nil {
		t.Fatal(err)
	}
	field := string(ask.Path)
	e := Edit{Village: ask.Village, Record: ask.Record, Fields: map[string]record.Value{field: `"王五"`}, Shown: map[string]string{field: Mark(rec.State, field)}, By: admin}
	if _, err := r.Ask(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	var moved *MovedError
	if _, err := r.Edit(t.Context(), e); !errors.As(err, &moved) || question(t, w, r) == nil {
		t.Errorf("%v; the question: %v", err, question(t, w, r))
	}
	if rec, err = w.Find(t.Context(), ask.Record); err != nil {
		t.Fatal(err)
	}
	e.Shown[field] = Mark(rec.State, field)
	if wrote, err := r.Edit(t.Context(), e); err != nil || !wrote || question(t, w, r) != nil {
		t.Errorf("%v, %v", wrote, err)
	}
}
