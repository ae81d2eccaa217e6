package web

import (
	"math"
	"strconv"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// totals adds up the sums of a list.
type totals struct {
	form *form.Form
	sums []sum
	of   []map[string]hundredths // by code, "" for all
}

// hundredths is an amount, exact to two decimals.
type hundredths int64

func newTotals(f *form.Form, sums []sum) *totals {
	t := &totals{form: f, sums: sums}
	for range sums {
		t.of = append(t.of, map[string]hundredths{})
	}
	return t
}

// take counts a record in, unless it is void.
func (t *totals) take(r *store.Record) {
	if r.View.Void {
		return
	}
	for i, s := range t.sums {
		n := hundredths(100)
		if s.field != "" {
			var ok bool
			if n, ok = amountOf(r.View.Fields[s.field]); !ok {
				continue
			}
		}
		codes := []string{""}
		if s.by != "" {
			codes = r.View.Fields[s.by].Texts()
		}
		for _, code := range codes {
			t.of[i][code] += n
		}
	}
}

func amountOf(v record.Value) (hundredths, bool) {
	text, ok := v.Number()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return hundredths(math.Round(n * 100)), err == nil
}

// lines gives the sums in words, of codes in their order.
func (t *totals) lines(p *page) (out []sumLine) {
	for i, s := range t.sums {
		if n, there := t.of[i][""]; s.by == "" && there {
			out = append(out, sumLine{t.form.Field(s.field).Label.In(p.lang), n.String()})
		}
		if s.by == "" {
			continue
		}
		for _, c := range t.form.Field(s.by).Choices {
			if n, there := t.of[i][c.Name]; there {
				out = append(out, sumLine{c.Label.In(p.lang), n.String()})
			}
		}
	}
	return out
}

// String gives an amount as people read it: with no more decimals than it has.
func (n hundredths) String() string {
	text := strconv.FormatFloat(float64(n)/100, 'f', 2, 64)
	return thousands(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}
