package store_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// office is a store that the office writes to.
type office struct {
	t *testing.T
	*store.Store
	n uint32
}

func newOffice(t *testing.T, villages ...record.Village) *office {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2017, 6, 12, 10, 0, 0, 0, time.FixedZone("", 8*3600))
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "zhucun.db"), store.Options{Key: key, Now: func() time.Time { return now }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, v := range villages {
		if err := s.AddVillage(t.Context(), store.Village{Code: v, Name: string(v) + "村"}); err != nil {
			t.Fatal(err)
		}
	}
	return &office{t: t, Store: s}
}

// put makes a record of fields as typed: "head_name=王一 poverty_status=new".
func (o *office) put(v record.Village, typ record.Type, fields string) record.ID {
	o.t.Helper()
	o.n++
	id := record.ID{6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], o.n)
	f := form.Builtin().Form(typ)
	values := map[string]record.Value{}
	void := false
	for _, pair := range strings.Fields(fields) {
		name, typed, _ := strings.Cut(pair, "=")
		if name == "void" {
			void = true
			continue
		}
		value, err := f.Field(name).CanonText(typed)
		if err != nil {
			o.t.Fatal(err)
		}
		values[name] = value
	}
	w := merge.Writer{Author: "办公室", Role: identity.Office}
	err := o.Desk(context.Background(), v, func(d *store.Desk) error {
		body, err := merge.Compose(f, nil, nil, w, values)
		if err != nil {
			return err
		}
		body = append(body, record.Write{Path: record.Source, Value: record.Text("import")})
		record.SortBody(body)
		if _, err := d.Write(record.Change{Record: id, Type: typ, Author: w.Author, Body: body}); err != nil || !void {
			return err
		}
		rec, err := d.Record(id)
		if err != nil {
			return err
		}
		_, err = d.Write(record.Change{Record: id, Type: typ, Author: w.Author,
			Body: []record.Write{{Path: record.Life, Value: rec.State.Void("重复"), Observed: rec.State.Observed(record.Life)}}})
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

// One village of nine households, each of which a rule of the reports decides;
// a village without any; and one whose team has just come. The figures in
// testdata/report.golden are worked out by hand:
//
//	households that count  一 二 三 四 七 八 九: 7. 五 is cancelled, 六 void.
//	May                    一 (twice), 二 (in the field, a relative), 八: 3 of 7, 4 visits.
//	                       三 was telephoned, 四 was out, the visit to 七 is void.
//	April                  七 on the 30th and 九: 2 of 7.
//	overdue on 11 June     三, registered on 1 March, never visited: 102 days. 九 since 10 April: 62,
//	                       and a visit on the 12th is after the day. 七 since 30 April: 42.
//	                       二 since 10 May: 32. Not 八: 31 are not over 31. Not 一: 22. Not 四:
//	                       registered 27 days before.
func TestReportsByHand(t *testing.T) {
	o := newOffice(t, "甲", "乙", "丙")
	o.put("甲", "team_post", "person_name=李队长 team_role=leader unit=厅 start_date=2017-01-01")
	o.put("甲", "team_post", "person_name=王队员 team_role=member unit=厅 start_date=2017-06-05")
	house := map[string]record.ID{}
	for _, h := range []string{
		"一 unexited 2016-01-01", "二 exited 2016-01-01", "三 new 2017-03-01", "四 returned 2017-05-15", "五 cancelled 2016-01-01",
		"六 pre_exit 2016-01-01 void", "七 pre_exit 2016-01-01", "八 new 2016-01-01", "九 unexited 2016-01-01",
	} {
		w := strings.Fields(h)
		house[w[0]] = o.put("甲", "household", fmt.Sprintf("head_name=王%s group_name=东组 poverty_attr=general poverty_status=%s registered_date=%s %s", w[0], w[1], w[2], strings.Join(w[3:], " ")))
	}
	for _, v := range []string{
		"一 2017-05-03 home met", "一 2017-05-20 home met", "二 2017-05-10 field proxy", "三 2017-05-11 phone met", "四 2017-05-12 home absent",
		"五 2017-05-12 home met", "六 2017-05-12 home met", "七 2017-04-30 home met", "七 2017-05-25 home met void", "八 2017-05-11 home proxy",
		"九 2017-04-10 home met", "九 2017-06-12 home met",
	} {
		w := strings.Fields(v)
		o.put("甲", "visit", fmt.Sprintf("household=%s visit_date=%s visit_mode=%s visit_result=%s %s", house[w[0]], w[1], w[2], w[3], strings.Join(w[4:], " ")))
	}
	o.put("丙", "team_post", "person_name=赵队长 team_role=leader unit=厅 start_date=2017-06-01")
	o.put("丙", "household", "head_name=孙甲 group_name=西组 poverty_attr=general poverty_status=new registered_date=2016-01-01")

	var b strings.Builder
	c, err := o.Coverage(t.Context(), []string{"2017-04", "2017-05"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, "coverage", c.Months)
	for _, r := range c.Rows {
		fmt.Fprintf(&b, "%s households %d", r.Village, r.Households)
		for i := range c.Months {
			rate := "—"
			if p, ok := store.Percent(r.Covered[i], r.Households); ok {
				rate = fmt.Sprintf("%.1f", p)
			}
			fmt.Fprintf(&b, "; covered %d, visits %d, %s", r.Covered[i], r.Visits[i], rate)
		}
		fmt.Fprintf(&b, "; feed %d\n", c.Of(r.Village).Feed)
	}
	for _, village := range []record.Village{"", "丙"} {
		due, err := o.Overdue(t.Context(), "2017-06-11", village)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "overdue on %s in %q\n", due.On, village)
		for _, r := range due.Rows {
			fmt.Fprintf(&b, "%s %s %s last %q from %s days %d\n", r.Village, r.Head, r.Status, r.Last, r.From, r.Days)
		}
	}
	golden := filepath.Join("testdata", "report.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// Records without a value to order by come last, on whatever page.
func TestBrowseOrder(t *testing.T) {
	o := newOffice(t, "甲", "乙")
	for i := range 7 {
		v := []record.Village{"甲", "乙"}[i%2]
		o.put(v, "visit", fmt.Sprintf("visit_date=2017-05-%02d visit_mode=home", 1+i/2))
		o.put(v, "visit", "visit_mode=phone")
	}
	for limit := 1; limit <= 15; limit++ {
		var days []string
		seen := map[string]bool{}
		for q := (store.Browse{Type: "visit", Limit: limit}); ; {
			rows, next, err := o.Browse(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				day, _ := r.Fields["visit_date"].Text()
				days = append(days, day)
				seen[string(r.Village)+r.ID.String()] = true
			}
			if next == (store.Place{}) {
				break
			}
			q.After = next
		}
		want := "2017-05-04 2017-05-03 2017-05-03 2017-05-02 2017-05-02 2017-05-01 2017-05-01" + strings.Repeat(" ", 7)
		if got := strings.Join(days, " "); got != want || len(seen) != 14 {
			t.Errorf("pages of %d: %q, %d of 14 records", limit, got, len(seen))
		}
	}
}

func TestSessions(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	ends := o.Now().Add(time.Hour)
	if err := o.PutSession(ctx, "a", []byte("1"), ends); err != nil {
		t.Fatal(err)
	}
	if err := o.PutSession(ctx, "a", []byte("2"), ends); err != nil {
		t.Fatal(err)
	}
	if err := o.PutSession(ctx, "old", []byte("3"), o.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "2", "old": "", "none": ""} {
		if body, ok, err := o.Session(ctx, id); string(body) != want || ok != (want != "") || err != nil {
			t.Errorf("%s: %q %v %v", id, body, ok, err)
		}
	}
	if err := o.DropSession(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := o.Session(ctx, "a"); ok || err != nil {
		t.Errorf("after the end: %v %v", ok, err)
	}
}
