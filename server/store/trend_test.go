package store_test

import (
	"fmt"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/figure"
)

// A trend says what the figures of its months say, before and after a change, after one
// of the months was closed, and whether or not it was read before.
func TestTrend(t *testing.T) {
	o := newOffice(t, "甲", "乙")
	var months []figure.Period
	for _, name := range []string{"2017-04", "2017-05", "2017-06"} {
		p, err := figure.MonthOf(name, "2017-06-12")
		if err != nil {
			t.Fatal(err)
		}
		months = append(months, p)
	}
	look := func(step string, patience time.Duration) store.Trend {
		t.Helper()
		q := store.FigureQuery{Periods: months, Closed: true, Patience: patience}
		trend, err := o.Trend(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		q.Patience = 0
		tables, err := o.Figures(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for m, table := range tables {
			month := trend.Months[m]
			if month.Period != months[m] || month.Behind != table.Behind || len(month.Rows) != len(table.Rows) {
				t.Fatalf("%s: %+v, and the figures are %+v", step, month, table)
			}
			for i, r := range table.Rows {
				if want := (store.TrendRow{Coverage: r.Coverage, Issues: r.Issues, Known: r.Known}); month.Rows[i] != want || trend.Fresh[i].Village != r.Village {
					t.Errorf("%s, %s in %s: %+v, want %+v", step, r.Village, month.Name, month.Rows[i], want)
				}
			}
		}
		return trend
	}
	house := o.put("甲", "household", "head_name=王一 poverty_attr=general poverty_status=new registered_date=2016-01-01")
	o.put("甲", "issue", "issue_status=open found_date=2017-04-02 due_date=2017-05-01")
	if now := look("before anything", 0); now.Months[1].Behind != 2 || now.Months[1].Rows[1].Known {
		t.Errorf("what nobody has worked out is there: %+v", now.Months[1])
	}
	now := look("at first", time.Minute)
	if got := now.Months[1].Rows[1]; got.Coverage != (figure.Ratio{Part: 0, Of: 1}) || got.Issues.Overdue != 1 || now.Months[0].Rows[1].Issues.Overdue != 0 {
		t.Fatalf("at first: %+v", now)
	}
	look("again", 0)
	o.put("甲", "visit", fmt.Sprintf("household=%s visit_date=2017-05-03 visit_mode=home visit_result=met", house))
	if now := look("without time", 0); now.Months[1].Behind != 1 || now.Months[1].Rows[1].Coverage.Part != 0 {
		t.Errorf("without time: %+v", now.Months[1])
	}
	if now := look("with time", time.Minute); now.Months[1].Rows[1].Coverage.Part != 1 || now.Months[1].Behind != 0 {
		t.Errorf("with time: %+v", now.Months[1])
	}
	if _, err := o.CloseMonth(t.Context(), "2017-05", "office"); err != nil {
		t.Fatal(err)
	}
	look("closed", 0)
	o.put("甲", "household", "head_name=王二 poverty_attr=general poverty_status=new registered_date=2016-01-01")
	now = look("after closing", time.Minute)
	if now.Months[1].Rows[1].Coverage.Of != 1 || now.Months[0].Rows[1].Coverage.Of != 2 {
		t.Errorf("after closing: %+v", now.Months)
	}
}
