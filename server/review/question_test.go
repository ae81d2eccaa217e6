package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// asked is clash, and the office's question about the head.
func asked(t *testing.T, n int) (*storetest.World, *Review, Asking) {
	t.Helper()
	w, r := newWorld(t)
	clash(w, n)
	a := Asking{Village: storetest.Code, Record: storetest.ID(n), Path: "head_name", Words: "户主到底是谁？", By: admin}
	if _, err := r.Ask(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	return w, r, a
}

// question gives what the office sees of the question in its queue; nil where nothing.
func question(t *testing.T, w *storetest.World, r *Review) *merge.Question {
	t.Helper()
	items, err := r.List(context.Background(), form.Zh, store.Question, storetest.Code)
	if err != nil || len(items) > 1 {
		t.Fatalf("%+v, %v", items, err)
	}
	w.Whole()
	if len(items) == 0 {
		return nil
	}
	if items[0].Label == "" || items[0].Field != "户主" {
		t.Errorf("the item is %+v", items[0])
	}
	return items[0].Question
}

// answer is a laptop's decision for v, which it says answers what it was asked.
func answer(t *testing.T, l *storetest.Laptop, rec *store.Record, v record.Value, words string) {
	t.Helper()
	f := form.Builtin().Form("household")
	by := merge.Writer{Author: l.Device.Profiles[0], Role: l.Device.Role}
	body, err := merge.Decide(f, rec.State, by, "head_name", v)
	if err == nil {
		body, err = rec.State.Answer(f, "head_name", v, words, body)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Write(record.Change{Record: rec.ID, Type: "household", Author: by.Author, Body: body})
	l.Push()
}

func TestAsk(t *testing.T) {
	ctx := context.Background()
	w, r, a := asked(t, 1)
	q := question(t, w, r)
	if q == nil || q.State != merge.Asked || q.Words != a.Words || q.Author != "admin" {
		t.Fatalf("asked: %+v", q)
	}
	// It waits for a decision as before, and the question stands with it.
	items, err := r.List(ctx, form.Zh, store.Conflict, storetest.Code)
	i := slices.IndexFunc(items, func(it Item) bool { return it.Path == "head_name" })
	if err != nil || i < 0 || items[i].Question == nil || items[i].Question.ID != q.ID {
		t.Errorf("the conflicts are %+v, %v", items, err)
	}
	// Twice is once.
	again, err := r.Ask(ctx, a)
	if err != nil || again != q.ID {
		t.Errorf("asked twice: %v, %v; the first was %v", again, err, q.ID)
	}
	rec, err := w.Find(ctx, a.Record)
	if err != nil {
		t.Fatal(err)
	}
	answer(t, w.Laptop("赵书记", identity.FirstSecretary), rec, `"王二"`, "看过户口本")
	q = question(t, w, r)
	if q == nil || q.State != merge.Answered || len(q.Answers) != 1 || q.Answers[0].Author != "赵书记" || q.Answers[0].Value != `"王二"` || q.Answers[0].Words != "看过户口本" {
		t.Fatalf("answered: %+v", q)
	}
	if v := w.View(a.Record); v.Fields["head_name"] != `"王二"` || len(v.Conflicts["head_name"]) > 0 {
		t.Errorf("the record reads %+v", v)
	}
	// Seen, it goes from the queue; the record tells of it.
	if _, err := r.Close(ctx, a); err != nil {
		t.Fatal(err)
	}
	if q := question(t, w, r); q != nil {
		t.Errorf("seen, and still there: %+v", q)
	}
	if q := w.View(a.Record).Questions["head_name"]; q.State != merge.Answered || q.By != "admin" {
		t.Errorf("the record tells %+v", q)
	}
	if _, err := r.Close(ctx, a); !errors.Is(err, ErrNothing) {
		t.Errorf("seen twice: %v", err)
	}
	notes, err := w.Audits(ctx, store.AuditQuery{Limit: 10})
	if err != nil || len(notes) != 2 || notes[1].Act != "ask" || notes[0].Act != "unask" {
		t.Fatalf("the audit has %+v, %v", notes, err)
	}
	for _, n := range notes {
		if strings.Contains(n.Subject+n.Reason, "户主") {
			t.Errorf("the audit has words of it: %+v", n)
		}
	}
}

func TestAskRefused(t *testing.T) {
	ctx := context.Background()
	w, r, a := asked(t, 1)
	var refusal *merge.Refusal
	member := a
	member.By = merge.Writer{Author: "王队员", Role: identity.TeamMember}
	if _, err := r.Ask(ctx, member); !errors.As(err, &refusal) {
		t.Errorf("a member asks: %v", err)
	}
	for _, tt := range []struct {
		name string
		a    Asking
		want error
	}{
		{"no words", Asking{Path: "head_name", Words: " "}, merge.ErrWords},
		{"nothing waits there", Asking{Path: "phone", Words: "?"}, ErrNothing},
		{"no record", Asking{Path: "head_name", Words: "?", Record: storetest.ID(9)}, store.ErrNotFound},
		{"other values were shown", Asking{Path: "head_name", Words: "?", Shown: []record.Dot{{Seq: 1}}}, ErrDecided},
	} {
		tt.a.Village, tt.a.By = a.Village, a.By
		if tt.a.Record.IsZero() {
			tt.a.Record = a.Record
		}
		if _, err := r.Ask(ctx, tt.a); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// A laptop that asks in the office's place is set aside.
	l := w.Laptop("赵书记", identity.FirstSecretary)
	d := l.Write(storetest.Set("household", a.Record, record.Path("head_name").Asking(), `{"about":[],"words":"汇款到哪？"}`))
	l.Push()
	if q, _, err := w.QuarantinedEntry(ctx, d); err != nil || q.Reason != merge.RefusedOwner {
		t.Errorf("forged: %+v, %v", q, err)
	}
	if q := question(t, w, r); q == nil || q.Words != a.Words {
		t.Errorf("the question is %+v", q)
	}
}

// Whoever decides at the office does not wait any more; what was withdrawn can be asked
// again.
func TestAskedAndDecided(t *testing.T) {
	ctx := context.Background()
	w, r, a := asked(t, 1)
	if _, err := r.Close(ctx, a); err != nil {
		t.Fatal(err)
	}
	if q := question(t, w, r); q != nil {
		t.Errorf("withdrawn: %+v", q)
	}
	if _, err := r.Ask(ctx, a); err != nil {
		t.Fatal(err)
	}
	if q := question(t, w, r); q == nil || q.State != merge.Asked {
		t.Errorf("asked again: %+v", q)
	}
	if _, err := r.Decide(ctx, Decision{Village: a.Village, Record: a.Record, Path: a.Path, Value: `"王二"`, Reason: "查明", By: admin}); err != nil {
		t.Fatal(err)
	}
	if q := question(t, w, r); q != nil {
		t.Errorf("decided: %+v", q)
	}
	// A laptop that decides without it (an older release) leaves it to be seen.
	w, r, a = asked(t, 2)
	rec, err := w.Find(ctx, a.Record)
	if err != nil {
		t.Fatal(err)
	}
	l := w.Laptop("赵书记", identity.FirstSecretary)
	l.Write(storetest.Set("household", a.Record, "head_name", `"王五"`, rec.State.Observed("head_name")...))
	l.Push()
	if q := question(t, w, r); q == nil || q.State != merge.Settled {
		t.Errorf("decided by an older release: %+v", q)
	}
}

// What was asked and answered goes with the record that is erased.
func TestAskedAndErased(t *testing.T) {
	ctx := context.Background()
	w, r, a := asked(t, 1)
	rec, err := w.Find(ctx, a.Record)
	if err != nil {
		t.Fatal(err)
	}
	answer(t, w.Laptop("赵书记", identity.FirstSecretary), rec, `"王二"`, "他儿子说的")
	if _, err := r.Erase(ctx, "household", a.Record, "依法", admin); err != nil {
		t.Fatal(err)
	}
	if q := question(t, w, r); q != nil {
		t.Errorf("erased: %+v", q)
	}
	entries, err := w.History(ctx, a.Village, a.Record)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, write := range e.Change.Body {
			if strings.Contains(string(write.Value), "到底是谁") || strings.Contains(string(write.Value), "他儿子") {
				t.Errorf("%s still says %s", e.Dot, write.Value)
			}
		}
	}
	if _, err := r.Ask(ctx, a); !errors.Is(err, ErrNothing) {
		t.Errorf("asked about what is erased: %v", err)
	}
}
