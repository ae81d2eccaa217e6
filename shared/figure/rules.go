package figure

import (
	"embed"
	"encoding/csv"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Rules are what is set from above and changes with the years.
type Rules struct {
	// Lines are the exit lines: yuan of net income a head and year, by year.
	Lines []Line
	// Indicators are the exit indicators in their order.
	Indicators []Indicator
}

// Line is the exit line of a year.
type Line struct {
	Year string
	Yuan float64
}

// Indicator says when a village meets an exit indicator: its figure, as measured by
// the records or as somebody checked it, is at most or at least the threshold.
type Indicator struct {
	Code      string // n1
	Figure    string // of measures
	AtLeast   bool   // otherwise at most
	Threshold float64
}

// met tells whether a value of the indicator's figure does.
func (i Indicator) met(value float64) bool {
	if i.AtLeast {
		return value >= i.Threshold
	}
	return value <= i.Threshold
}

// line gives the exit line of a year, which is the last known one for years after
// that; false before there were any.
func (r *Rules) line(year string) (yuan float64, ok bool) {
	for _, l := range r.Lines {
		if l.Year <= year {
			yuan, ok = l.Yuan, true
		}
	}
	return yuan, ok
}

//go:embed data/*.csv
var data embed.FS

var builtin = sync.OnceValue(func() *Rules {
	r, err := load(data)
	if err != nil {
		panic(err)
	}
	return r
})

// Builtin gives the rules that the program was built with. A mistake in them panics;
// a test loads them.
func Builtin() *Rules { return builtin() }

func load(files fs.FS) (*Rules, error) {
	r := &Rules{}
	err := rows(files, "data/exit_lines.csv", func(c []string) error {
		yuan, err := strconv.ParseFloat(c[1], 64)
		r.Lines = append(r.Lines, Line{c[0], yuan})
		return err
	})
	if err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(r.Lines, func(a, b Line) int { return strings.Compare(a.Year, b.Year) }) {
		return nil, fmt.Errorf("data/exit_lines.csv: the years are not in their order")
	}
	return r, rows(files, "data/indicators.csv", func(c []string) error {
		threshold, err := strconv.ParseFloat(c[3], 64)
		if err != nil {
			return err
		}
		if measures[c[1]] == nil {
			return fmt.Errorf("no figure %q", c[1])
		}
		if c[2] != "<=" && c[2] != ">=" {
			return fmt.Errorf("%q is neither <= nor >=", c[2])
		}
		r.Indicators = append(r.Indicators, Indicator{c[0], c[1], c[2] == ">=", threshold})
		return nil
	})
}

// rows reads a table behind its header.
func rows(files fs.FS, name string, f func(cells []string) error) error {
	file, err := files.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for i, cells := range table[1:] {
		if err := f(cells); err != nil {
			return fmt.Errorf("%s row %d: %w", name, i+2, err)
		}
	}
	return nil
}
