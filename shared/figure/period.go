package figure

import (
	"fmt"
	"time"
)

// Period is the days that figures are of, first and last among them: 2017-05-01 to
// 2017-05-31, by the name 2017-05. What is as of a day is as of the last.
type Period struct {
	Name string `json:"name"` // of the month or year; "" of another period
	From string `json:"from"`
	To   string `json:"to"`
}

// MonthOf gives the month (2017-05) as far as it goes by a day: of a month that is
// over all of it.
func MonthOf(month, today string) (Period, error) {
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return Period{}, fmt.Errorf("month %q: want one such as 2017-05", month)
	}
	return Period{month, month + "-01", min(today, day(first.AddDate(0, 1, -1)))}.begun()
}

// YearOf gives the year (2017) as far as it goes by a day.
func YearOf(year, today string) (Period, error) {
	if _, err := time.Parse("2006", year); err != nil {
		return Period{}, fmt.Errorf("year %q: want one such as 2017", year)
	}
	return Period{year, year + "-01-01", min(today, year+"-12-31")}.begun()
}

func (p Period) begun() (Period, error) {
	if p.To < p.From {
		return Period{}, fmt.Errorf("%s is still to come", p.Name)
	}
	return p, nil
}

// Year gives the year that the period ends in.
func (p Period) Year() string { return p.To[:4] }

func (p Period) has(date string) bool { return p.From <= date && date <= p.To }

// days gives how many days from one to another, both among them; 0 where the second
// comes first or either is no date.
func days(from, to string) int {
	a, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return 0
	}
	b, err := time.Parse(time.DateOnly, to)
	if err != nil {
		return 0
	}
	return max(0, int(b.Sub(a)/(24*time.Hour))+1)
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

// months calls f with the part of the period that lies in each month, and how many
// days the month has.
func (p Period) months(f func(part Period, days int)) {
	for from := p.From; from <= p.To; {
		first, err := time.Parse("2006-01", from[:7])
		if err != nil {
			return
		}
		next := first.AddDate(0, 1, 0)
		f(Period{"", from, min(p.To, day(next.AddDate(0, 0, -1)))}, next.AddDate(0, 0, -1).Day())
		from = day(next)
	}
}

// Whole tells whether the period is all of the month or year that it is named by.
func (p Period) Whole() bool {
	switch len(p.Name) {
	case len("2017"):
		return p.To == p.Name+"-12-31"
	case len("2017-05"):
		first, err := time.Parse("2006-01", p.Name)
		return err == nil && p.To == day(first.AddDate(0, 1, -1))
	}
	return false
}
