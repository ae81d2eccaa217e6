package store_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/figure"
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
	var months []figure.Period
	for _, name := range []string{"2017-04", "2017-05"} {
		p, err := figure.MonthOf(name, "2017-06-12")
		if err != nil {
			t.Fatal(err)
		}
		months = append(months, p)
	}
	for _, patience := range []time.Duration{0, time.Minute, 0} {
		tables, err := o.Figures(t.Context(), store.FigureQuery{Periods: months, Closed: true, Patience: patience})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, "coverage, behind", tables[0].Behind)
		for i, r := range tables[0].Rows {
			fmt.Fprint(&b, r.Village)
			for _, table := range tables {
				row := table.Rows[i]
				rate := "—"
				if p, ok := row.Coverage.Percent(); ok {
					rate = fmt.Sprintf("%.1f", p)
				}
				fmt.Fprintf(&b, "; covered %v of %v, visits %d, %s", row.Coverage.Part, row.Coverage.Of, row.Met, rate)
			}
			fmt.Fprintf(&b, "; feed %d of %d\n", r.Of, r.Feed)
		}
	}
	for _, villages := range [][]record.Village{{"丙", "乙", "甲"}, {"丙"}} {
		due, err := o.Overdue(t.Context(), "2017-06-11", villages...)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "overdue on %s in %q\n", due.On, villages)
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

// An indicator whose check two people wrote apart is as open at the office as on the
// laptop (shared/figure), whichever of the two is shown until somebody decides.
func TestIndicatorsApart(t *testing.T) {
	o := newOffice(t, "甲")
	p, err := figure.MonthOf("2017-05", "2017-06-12")
	if err != nil {
		t.Fatal(err)
	}
	stands := func() figure.IndicatorMade {
		t.Helper()
		tables, err := o.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{p}, Patience: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range tables[0].Rows[0].Exit {
			if i.Code == "n6" {
				return i
			}
		}
		t.Fatal("n6 is not among the indicators")
		return figure.IndicatorMade{}
	}
	id := o.put("甲", "indicator_value", "year=2017 indicator=n6 value=yes")
	if got := stands(); got.State != figure.Met || !got.Checked {
		t.Errorf("checked by one: %+v", got)
	}
	write := func(value string, observed []record.Dot) {
		t.Helper()
		if err := o.Desk(t.Context(), "甲", func(d *store.Desk) error {
			_, err := d.Write(record.Change{Record: id, Type: "indicator_value", Author: "办公室", Body: []record.Write{{Path: "value", Value: record.Text(value), Observed: observed}}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	write("no", nil)
	if got := stands(); got.State != figure.Pending || got.Value != "" {
		t.Errorf("checked by two who contradict each other: %+v", got)
	}
	var both []record.Dot
	if err := o.Desk(t.Context(), "甲", func(d *store.Desk) error {
		rec, err := d.Record(id)
		both = rec.State.Observed("value")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	write("no", both)
	if got := stands(); got.State != figure.Unmet {
		t.Errorf("decided: %+v", got)
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
			l, err := o.Browse(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range l.Rows {
				day, _ := r.Fields["visit_date"].Text()
				days = append(days, day)
				seen[string(r.Village)+r.ID.String()] = true
			}
			if l.Next == (store.Place{}) {
				break
			}
			q.After = l.Next
		}
		want := "2017-05-04 2017-05-03 2017-05-03 2017-05-02 2017-05-02 2017-05-01 2017-05-01" + strings.Repeat(" ", 7)
		if got := strings.Join(days, " "); got != want || len(seen) != 14 {
			t.Errorf("pages of %d: %q, %d of 14 records", limit, got, len(seen))
		}
	}
}

// A session is kept until it ends, by its time or by somebody, and what was under way then
// does not bring it back.
func TestSessions(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	a := store.Session{ID: "a", Login: "office", Stamp: "1", Address: "10.0.0.1", Browser: "Edge/Windows", Ends: o.Now().Add(time.Hour)}
	old := store.Session{ID: "old", Login: "office", Ends: o.Now().Add(-time.Second)}
	half := store.Session{ID: "half", Ends: a.Ends}
	for _, n := range []store.Session{old, a, half} {
		if err := o.BeginSession(ctx, n, []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	later := a
	later.Login, later.Seen, later.Address = "other", o.Now().Add(time.Minute), "10.0.0.2"
	if err := o.PutSession(ctx, later, []byte("2")); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "2", "old": "", "none": "", "half": "1"} {
		if body, ok, err := o.Session(ctx, id); string(body) != want || ok != (want != "") || err != nil {
			t.Errorf("%s: %q %v %v", id, body, ok, err)
		}
	}
	for login, want := range map[string]int{"office": 1, "": 1, "other": 0} {
		list, err := o.Sessions(ctx, login)
		if err != nil || len(list) != want {
			t.Fatalf("of %q: %+v, %v", login, list, err)
		}
		if want == 0 {
			continue
		}
		if s := list[0]; s.ID != "a" || s.Login != "office" || s.Address != "10.0.0.2" || s.Browser != "Edge/Windows" || !s.Began.Equal(o.Now().Truncate(time.Millisecond)) || s.Seen.Sub(s.Began) != time.Minute {
			t.Errorf("%+v", s)
		}
	}
	if err := o.DropSession(ctx, "a", &store.Note{Act: "signout", Subject: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := o.PutSession(ctx, a, []byte("3")); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := o.Session(ctx, "a"); ok || err != nil {
		t.Errorf("after the end: %v %v", ok, err)
	}
	if notes, err := o.Audits(ctx, store.AuditQuery{Act: "signout", Limit: 2}); err != nil || len(notes) != 1 {
		t.Errorf("the audit has %+v, %v", notes, err)
	}
}

// Figures are those of the records as they are: whatever has changed since they were
// worked out counts, and where there is no time for that the table says so.
func TestFiguresFollow(t *testing.T) {
	o := newOffice(t, "甲", "乙")
	p, err := figure.MonthOf("2017-05", "2017-06-12")
	if err != nil {
		t.Fatal(err)
	}
	look := func(patience time.Duration) store.FigureTable {
		t.Helper()
		tables, err := o.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{p}, Closed: true, Patience: patience})
		if err != nil {
			t.Fatal(err)
		}
		return tables[0]
	}
	house := o.put("甲", "household", "head_name=王一 poverty_attr=general poverty_status=new registered_date=2016-01-01")
	if now := look(time.Minute); now.Rows[1].Coverage != (figure.Ratio{Part: 0, Of: 1}) || now.Behind != 0 {
		t.Fatalf("at first: %+v", now)
	}
	visit := o.put("甲", "visit", fmt.Sprintf("household=%s visit_date=2017-05-03 visit_mode=home visit_result=met", house))
	if now := look(0); now.Behind != 1 || now.Rows[1].Coverage.Part != 0 || !now.Rows[1].Known || now.Rows[1].Of == now.Rows[1].Feed {
		t.Errorf("without time: %+v", now)
	}
	if now := look(time.Minute); now.Behind != 0 || now.Rows[1].Coverage.Part != 1 {
		t.Errorf("with time: %+v", now.Rows[1])
	}
	if now := look(0); now.Behind != 0 || now.Rows[1].Coverage.Part != 1 {
		t.Errorf("what was worked out is not kept: %+v", now.Rows[1])
	}
	// Of a month that runs the figures are those of a day; who asks for a day before does not
	// put his in the place of later ones.
	running := func(today string, patience time.Duration) store.FigureTable {
		t.Helper()
		of, err := figure.MonthOf("2017-06", today)
		if err != nil {
			t.Fatal(err)
		}
		tables, err := o.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{of}, Patience: patience})
		if err != nil {
			t.Fatal(err)
		}
		return tables[0]
	}
	running("2017-06-10", time.Minute)
	if now := running("2017-06-12", 0); now.Behind != 2 {
		t.Errorf("figures of two days before count as today's: %+v", now)
	}
	running("2017-06-12", time.Minute)
	if before := running("2017-06-10", time.Minute); before.Rows[1].Until != "2017-06-10" {
		t.Errorf("of the day before: %+v", before.Rows[1])
	}
	if now := running("2017-06-12", 0); now.Behind != 0 || now.Rows[1].Until != "2017-06-12" {
		t.Errorf("after a look at the day before: %+v", now)
	}
	if _, err := o.CloseMonth(t.Context(), "2017-05", "主任"); err != nil {
		t.Fatal(err)
	}
	rec, err := o.Get(t.Context(), "visit", visit)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Desk(t.Context(), "甲", func(d *store.Desk) error {
		_, err := d.Write(record.Change{Record: visit, Type: "visit", Author: "办公室",
			Body: []record.Write{{Path: record.Life, Value: rec.State.Void("重复"), Observed: rec.State.Observed(record.Life)}}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if now := look(time.Minute); now.Rows[1].Coverage.Part != 1 || !now.Rows[1].After() || now.Rows[0].After() || now.Rows[1].Login != "主任" {
		t.Errorf("of the closed month: %+v", now.Rows)
	}
	tables, err := o.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{p}, Closed: false, Patience: time.Minute})
	if err != nil || tables[0].Rows[1].Coverage.Part != 0 {
		t.Errorf("as it is now: %+v, %v", tables, err)
	}
	if _, err := o.CloseMonth(t.Context(), "2017-05", "主任"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := o.CloseMonth(t.Context(), "2017-06", "主任"); !errors.Is(err, store.ErrNotOver) {
		t.Errorf("closed before it is over: %v", err)
	}
	// A village that comes later is closed with what it has then.
	if err := o.AddVillage(t.Context(), store.Village{Code: "丙", Name: "丙村"}); err != nil {
		t.Fatal(err)
	}
	o.put("丙", "household", "head_name=孙一 poverty_attr=general poverty_status=new registered_date=2016-01-01")
	if n, err := o.CloseMonth(t.Context(), "2017-05", "副主任"); n != 1 || err != nil {
		t.Errorf("one more village: %d, %v", n, err)
	}

	ahead, stop := context.WithCancel(t.Context())
	defer stop()
	go o.KeepFigures(ahead)
	now, err := figure.MonthOf("2017-06", "2017-06-12")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		tables, err := o.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{now}, Closed: false, Patience: 0})
		if err != nil {
			t.Fatal(err)
		}
		if tables[0].Behind == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody works figures out ahead")
		}
	}
}
