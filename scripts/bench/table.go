package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// result is one figure. Target is its upper limit, or its lower one where More
// is better; 0 is none.
type result struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target,omitempty"`
	More   bool    `json:"more_is_better,omitempty"`
	Beside string  `json:"beside,omitempty"` // what the baseline gives, or what the figure is made of
}

func (r result) verdict() string {
	switch {
	case r.Target == 0:
		return ""
	case r.More && r.Value >= r.Target || !r.More && r.Value <= r.Target:
		return "ok"
	}
	if r.More {
		return "short"
	}
	return "over"
}

func (b *bench) add(r result) { b.results = append(b.results, r) }

// number writes three digits that matter, or a whole number.
func number(x float64) string {
	switch {
	case x >= 100 || x == float64(int64(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func table(w io.Writer, results []result) {
	rows := [][]string{{"what", "measured", "target", "", "beside"}}
	for _, r := range results {
		target := ""
		if r.Target != 0 {
			sign := "≤ "
			if r.More {
				sign = "≥ "
			}
			target = sign + number(r.Target)
		}
		rows = append(rows, []string{r.What, strings.TrimSpace(number(r.Value) + " " + r.Unit), target, r.verdict(), r.Beside})
	}
	var widths [5]int
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

const (
	kb = 1 << 10
	mb = 1 << 20
)
