package export

import (
	"errors"
	"io"
	"math"

	"github.com/xuri/excelize/v2"

	"zhucun/shared/figure"
)

// Leaders is the table that leaders are shown, as a workbook of one A4 page across: a
// title, the headings, a line a village and the line of all. Counts and rates are
// numbers, rates in percent with one decimal; a rate of nothing is a dash.
type Leaders struct {
	Title   string
	Columns []string // the headings of the 19 columns
	Rows    []LeadersRow
	Sum     string // what the last line is called
	Of      figure.Figures
	Note    string // below the table: of when it is
}

// LeadersRow is a village.
type LeadersRow struct {
	figure.Figures
	Village string
	Last    string // when the last delivery came, "" where none did
}

// Write writes the workbook.
func (l *Leaders) Write(w io.Writer) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	const sheet = "Sheet1"
	styles, err := leadersStyles(f)
	if err != nil {
		return err
	}
	columns := len(l.Columns)
	last, err := excelize.ColumnNumberToName(columns)
	if err != nil {
		return err
	}
	landscape, paper, width, height := "landscape", 9, 1, 0 // A4
	steps := []func() error{
		func() error { return f.MergeCell(sheet, "A1", last+"1") },
		func() error { return f.SetColWidth(sheet, "A", "B", 14) },
		func() error { return f.SetColWidth(sheet, "C", last, 8.5) },
		func() error { return f.SetColWidth(sheet, last, last, 16) },
		func() error { return f.SetRowHeight(sheet, 1, 28) },
		func() error { return f.SetRowHeight(sheet, 2, 32) },
		func() error {
			return f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Orientation: &landscape, Size: &paper, FitToWidth: &width, FitToHeight: &height})
		},
		func() error {
			fit := true
			return f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit})
		},
		func() error {
			return f.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: sheet + "!$1:$2", Scope: sheet})
		},
		func() error {
			return f.SetPanes(sheet, &excelize.Panes{Freeze: true, XSplit: 1, YSplit: 2, TopLeftCell: "B3", ActivePane: "bottomRight"})
		},
		func() error { return f.SetCellStr(sheet, "A1", l.Title) },
		func() error { return f.SetCellStyle(sheet, "A1", "A1", styles.title) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	line := func(row int, cells []any, style int) error {
		at, err := excelize.CoordinatesToCellName(1, row)
		if err != nil {
			return err
		}
		if err := f.SetSheetRow(sheet, at, &cells); err != nil {
			return err
		}
		end, err := excelize.CoordinatesToCellName(columns, row)
		if err != nil {
			return err
		}
		if err := f.SetCellStyle(sheet, at, end, style); err != nil {
			return err
		}
		for _, c := range leadersRates {
			if c >= len(cells) {
				continue
			}
			at, err := excelize.CoordinatesToCellName(c+1, row)
			if err != nil {
				return err
			}
			if _, ok := cells[c].(float64); !ok {
				continue
			}
			rate := styles.rate
			if style == styles.sum {
				rate = styles.sumRate
			}
			if err := f.SetCellStyle(sheet, at, at, rate); err != nil {
				return err
			}
		}
		return nil
	}
	head := make([]any, columns)
	for i, c := range l.Columns {
		head[i] = c
	}
	if err := line(2, head, styles.head); err != nil {
		return err
	}
	for i := range l.Rows {
		r := &l.Rows[i]
		if err := line(i+3, leadersCells(r.Village, r.Sponsor, &r.Figures, r.Target, r.Last), styles.cell); err != nil {
			return err
		}
	}
	if err := line(len(l.Rows)+3, leadersCells(l.Sum, "", &l.Of, "", ""), styles.sum); err != nil {
		return err
	}
	at, err := excelize.CoordinatesToCellName(1, len(l.Rows)+4)
	if err != nil {
		return err
	}
	if err := f.SetCellStr(sheet, at, l.Note); err != nil {
		return err
	}
	return f.Write(w)
}

// leadersRates are the places of the columns that are rates.
var leadersRates = []int{6, 7, 9, 11, 12, 16}

func leadersCells(name, sponsor string, f *figure.Figures, target, last string) []any {
	indicators := any("")
	if len(f.Exit) > 0 {
		n := 0
		for _, i := range f.Exit {
			if i.State == figure.Met {
				n++
			}
		}
		indicators = n
	}
	overall := any("—")
	if mean, ok := f.Overall(); ok {
		overall = math.Round(mean*10) / 1000
	}
	return []any{name, sponsor, f.Register.Households, f.Register.Persons, f.Register.Exited, f.Register.Remaining, rate(f.Register.Headcount), rate(f.Coverage),
		f.Overdue, rate(f.Posts.Rate), f.Projects.Number, rate(f.Projects.Completion), rate(f.Projects.Payment), f.Issues.Open, f.Issues.Overdue,
		indicators, overall, target, last}
}

// rate gives a rate as a spreadsheet has it, 1 for all: what is not all is not rounded
// up to it.
func rate(r figure.Ratio) any {
	percent, ok := r.Percent()
	if !ok {
		return "—"
	}
	percent = math.Round(percent*10) / 10
	if r.Part < r.Of {
		percent = min(percent, 99.9)
	}
	return percent / 100
}

type leadersStyle struct{ title, head, cell, rate, sum, sumRate int }

func leadersStyles(f *excelize.File) (s leadersStyle, err error) {
	song := func(size float64, bold bool) *excelize.Font {
		return &excelize.Font{Family: "宋体", Size: size, Bold: bold}
	}
	var box []excelize.Border
	for _, side := range []string{"left", "right", "top", "bottom"} {
		box = append(box, excelize.Border{Type: side, Style: 1, Color: "000000"})
	}
	middle := &excelize.Alignment{Horizontal: "center", Vertical: "center", WrapText: true}
	percent := "0.0%"
	for _, st := range []struct {
		to    *int
		style excelize.Style
	}{
		{&s.title, excelize.Style{Font: song(16, true), Alignment: middle}},
		{&s.head, excelize.Style{Font: song(10, true), Alignment: middle, Border: box}},
		{&s.cell, excelize.Style{Font: song(10, false), Alignment: middle, Border: box}},
		{&s.rate, excelize.Style{Font: song(10, false), Alignment: middle, Border: box, CustomNumFmt: &percent}},
		{&s.sum, excelize.Style{Font: song(10, true), Alignment: middle, Border: box}},
		{&s.sumRate, excelize.Style{Font: song(10, true), Alignment: middle, Border: box, CustomNumFmt: &percent}},
	} {
		if *st.to, err = f.NewStyle(&st.style); err != nil {
			return s, err
		}
	}
	return s, nil
}
