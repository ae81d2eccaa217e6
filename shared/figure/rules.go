package figure

import (
	"bytes"
	"embed"
	"encoding/csv"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"zhucun/shared/form"
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

// The files of the rules.
const (
	linesFile      = "exit_lines.csv"
	indicatorsFile = "indicators.csv"
)

//go:embed data/*.csv
var data embed.FS

// Tables are the files that rules are read from, by their names.
type Tables map[string][]byte

var builtinTables = sync.OnceValue(func() Tables {
	t := Tables{}
	for _, name := range []string{linesFile, indicatorsFile} {
		raw, err := data.ReadFile("data/" + name)
		if err != nil {
			panic(err)
		}
		t[name] = raw
	}
	return t
})

var builtin = sync.OnceValue(func() *Rules {
	r, err := Load(builtinTables())
	if err != nil {
		panic(err)
	}
	return r
})

// Builtin gives the rules that the program was built with. A mistake in them panics;
// a test loads them.
func Builtin() *Rules { return builtin() }

// BuiltinTables gives what they are read from.
func BuiltinTables() Tables { return maps.Clone(builtinTables()) }

// Load reads rules. The error is a *form.Mistake.
func Load(t Tables) (*Rules, error) {
	r := &Rules{}
	err := rows(t, linesFile, []string{"year", "yuan"}, func(row int, c []string) error {
		yuan, err := strconv.ParseFloat(c[1], 64)
		if err != nil || !(yuan > 0 && yuan < 1e6) {
			return form.Mistaken(linesFile, row, "%q 不是元数", "%q is no amount in yuan", c[1])
		}
		if len(c[0]) != 4 || strings.Trim(c[0], "0123456789") != "" || len(r.Lines) > 0 && r.Lines[len(r.Lines)-1].Year >= c[0] {
			return form.Mistaken(linesFile, row, "年份 %q 应为四位数，从早到晚各一行", "year %q: four digits, each once, the earliest first", c[0])
		}
		r.Lines = append(r.Lines, Line{c[0], yuan})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, rows(t, indicatorsFile, []string{"indicator", "figure", "op", "threshold"}, func(row int, c []string) error {
		threshold, err := strconv.ParseFloat(c[3], 64)
		if err != nil || math.IsNaN(threshold) || math.IsInf(threshold, 0) {
			return form.Mistaken(indicatorsFile, row, "标准 %q 不是数", "threshold %q is not a number", c[3])
		}
		if measures[c[1]] == nil {
			return form.Mistaken(indicatorsFile, row, "没有指标数 %q", "no figure %q", c[1])
		}
		if c[2] != "<=" && c[2] != ">=" {
			return form.Mistaken(indicatorsFile, row, "%q 应为 <= 或 >=", "%q is neither <= nor >=", c[2])
		}
		if c[0] == "" || slices.ContainsFunc(r.Indicators, func(i Indicator) bool { return i.Code == c[0] }) {
			return form.Mistaken(indicatorsFile, row, "指标 %q 应只有一行", "indicator %q: each has one row", c[0])
		}
		r.Indicators = append(r.Indicators, Indicator{c[0], c[1], c[2] == ">=", threshold})
		return nil
	})
}

// rows reads a table behind its header.
func rows(t Tables, name string, header []string, f func(row int, cells []string) error) error {
	raw, ok := t[name]
	if !ok {
		return form.Mistaken(name, 0, "缺这个文件", "it is missing")
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.FieldsPerRecord = len(header)
	table, err := r.ReadAll()
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return form.Mistaken(name, bad.StartLine, "%v", "%v", bad.Err)
	} else if err != nil {
		return form.Mistaken(name, 0, "%v", "%v", err)
	}
	if len(table) == 0 || !slices.Equal(table[0], header) {
		return form.Mistaken(name, 1, "列应为 %s", "the columns are %s", strings.Join(header, ", "))
	}
	for i, cells := range table[1:] {
		if err := f(i+2, cells); err != nil {
			return err
		}
	}
	return nil
}
