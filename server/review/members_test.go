package review

import (
	"context"
	"errors"
	"testing"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/identity"
	"zhucun/shared/kin"
	"zhucun/shared/record"
)

// Some split off and come back: every record says so, once, on what was shown, and of two
// who do it the second is told.
func TestSetMembers(t *testing.T) {
	ctx := context.Background()
	w, r := newWorld(t)
	l := w.Laptop("王队员", identity.FirstSecretary)
	home, fresh := storetest.ID(1), storetest.ID(50)
	l.Write(storetest.New("household", home, map[record.Path]record.Value{"head_name": `"王大"`, "main_cause": `"illness"`}))
	people := []kin.Person{}
	for i, x := range [][2]string{{"王大", "head"}, {"李氏", "spouse"}, {"王小", "son"}} {
		l.Write(storetest.New("person", storetest.ID(2+i), map[record.Path]record.Value{"household": record.Text(home.String()), "full_name": record.Text(x[0]), "relation": record.Text(x[1])}))
		people = append(people, kin.Person{ID: storetest.ID(2 + i), Name: record.Text(x[0]), Relation: x[1]})
	}
	l.Write(storetest.New("person", storetest.ID(9), map[record.Path]record.Value{"household": record.Text(home.String()), "full_name": `"王老"`, "change_type": `"death"`}))
	l.Push()
	family := func() *Family {
		f, err := r.Family(ctx, storetest.Code, home)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := family()
	if len(f.People) != 3 {
		t.Fatalf("the family has %d", len(f.People))
	}
	people[2].Goes, people[2].Becomes = true, "head"
	split := Members{Village: storetest.Code, Home: home, Change: kin.Change{Do: kin.Split, People: people, To: fresh, Head: people[2].ID}, Shown: f.Mark,
		Day: `"2017-07-01"`, Why: `"split"`, Reason: "成家另过", By: admin}
	split.Founded = split.Change.Founded("三组", true, f.Home.View.Fields)
	none := split
	none.Reason = " "
	if err := r.SetMembers(ctx, none); !errors.Is(err, ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	if err := r.SetMembers(ctx, split); err != nil {
		t.Fatal(err)
	}
	if err := r.SetMembers(ctx, split); !errors.Is(err, store.ErrMoved) {
		t.Errorf("the second is told: %v", err)
	}
	says := func(id record.ID, field string) record.Value { return w.View(id).Fields[field] }
	if says(fresh, "head_name") != `"王小"` || says(fresh, "group_name") != `"三组"` || says(fresh, "main_cause") != `"illness"` || says(people[2].ID, "household") != record.Text(fresh.String()) ||
		says(people[2].ID, "relation") != `"head"` || says(people[2].ID, "change_type") != `"split"` || says(home, "head_name") != `"王大"` || says(people[0].ID, "change_type") != "" {
		t.Errorf("split it reads %+v, %+v", w.View(fresh), w.View(people[2].ID))
	}
	// All of the new household go back, and it ends.
	f, err := r.Family(ctx, storetest.Code, fresh)
	if err != nil || len(f.People) != 1 {
		t.Fatalf("the new family: %+v, %v", f, err)
	}
	people[2].Relation, people[2].Becomes = "head", "son"
	join := Members{Village: storetest.Code, Home: fresh, Change: kin.Change{Do: kin.Join, People: people[2:], To: home}, Shown: f.Mark, Day: `"2017-07-02"`, Why: `"correction"`, Reason: "分错了", By: admin}
	gone := join
	gone.To = storetest.ID(77)
	if err := r.SetMembers(ctx, gone); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("to a household that is not there: %v", err)
	}
	if err := r.SetMembers(ctx, join); err != nil {
		t.Fatal(err)
	}
	if v := w.View(fresh); !v.Void || says(people[2].ID, "household") != record.Text(home.String()) || len(family().People) != 3 {
		t.Errorf("joined it reads %+v", v)
	}
	notes, err := w.Audits(ctx, store.AuditQuery{Act: "members", Limit: 9})
	if err != nil || len(notes) != 2 {
		t.Errorf("audited %v, %v", notes, err)
	}
	w.Whole()
}
