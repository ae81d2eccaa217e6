package table

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// Options say what somebody has decided; the zero value decides nothing.
type Options struct {
	Type  record.Type       // of the rows; empty to tell it from the headings
	Sheet string            // its name; empty for the only one that has a table
	Map   map[string]string // heading (Column.Heading) -> target, which goes before everything else
	// Hidden takes hidden rows and columns as well.
	Hidden bool
	// File is what the file is called, which may say what is in it.
	File string
	// Recall gives what was decided of a table with these headings (Layout.Headings),
	// and of which type it was; nil for nothing.
	Recall func(headings []string) (record.Type, map[string]string)
}

// How a column's target is known.
type How string

const (
	ByHeading How = "heading"    // the form's own words
	Recalled  How = "remembered" // decided for a table with these headings before
	Given     How = "given"      // decided now
	Guessed   How = "guess"      // not taken until somebody says so
	Unknown   How = "unknown"
	NoHeading How = "no_heading" // cells without one; not taken
	Doubled   How = "twice"      // another column has the same target
	WrongUnit How = "unit"       // its unit is none of the field's
)

// Column is one column of a table.
type Column struct {
	Col     int
	Letter  string
	Heading string // the texts over it, with / between
	Target  string // empty while it is not known
	How     How
	// Filled tells that some row has something in it.
	Filled bool
	// Times says what its numbers are multiplied by, where that is not one.
	Times string
	// Samples are the first few texts in it, as they may be shown.
	Samples []string

	unit  *unit
	field *form.Field // of the form, or of the one that it refers to
	parts []string
}

// Open tells a column of which nobody has said where it goes.
func (c *Column) Open() bool {
	return c.Filled && (c.How == Guessed || c.How == Unknown || c.How == Doubled || c.How == WrongUnit)
}

// Layout is a table that was found.
type Layout struct {
	Form        *form.Form
	Sheet       string
	First, Last int // rows of headings
	Columns     []Column
	// Headings are those of the columns, sorted: what the table is known by again.
	Headings []string
	// Unit is what stands above the table of the unit of its amounts.
	Unit string
	// Others are the sheets beside it that have something in them and were not asked for.
	Others []string

	sheet  *sheet.Sheet
	merges []sheet.Merge
	hidden []sheet.Span
	opt    Options
	known  known
}

// Open gives the columns of which nobody has said where they go.
func (l *Layout) Open() []Column {
	var open []Column
	for _, c := range l.Columns {
		if c.Open() {
			open = append(open, c)
		}
	}
	return open
}

// Decided is what is to be remembered of the table: each heading's target.
func (l *Layout) Decided() map[string]string {
	m := map[string]string{}
	for _, c := range l.Columns {
		if c.Target != "" && c.Heading != "" && c.How != Guessed {
			m[c.Heading] = c.Target
		}
	}
	return m
}

// Error says why there is no table that can be read, for people.
type Error struct {
	Label form.Label
	// Sheets are those to choose from, where several have a table; Types tells that the
	// type is to be said.
	Sheets []string
	Types  bool
}

func (e *Error) Error() string { return e.Label.En }

func wrong(zh, en string, args ...any) *Error {
	return &Error{Label: form.Label{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}}
}

const (
	// lookFor is in how many rows from the top the headings are looked for.
	lookFor = 40
	// maxHeading is how many characters of a cell there are looked at: a row may have
	// megabytes, of which all rows that are looked at would be held at once.
	maxHeading = 500
	// maxHigh is how many rows headings take at most.
	maxHigh = 3
)

// Find finds the table of a file. The error is an *Error, or one of package sheet.
func Find(ctx context.Context, b *sheet.Book, forms *form.Set, opt Options) (*Layout, error) {
	var found []*Layout
	var last error
	var names, filled []string
	for _, s := range b.Sheets {
		if s.Hidden && s.Name != opt.Sheet {
			continue
		}
		if names = append(names, s.Name); opt.Sheet != "" && s.Name != opt.Sheet {
			continue
		}
		l, err := findIn(ctx, s, forms, opt)
		switch {
		case err != nil:
			if e, ok := err.(*Error); !ok || e != errEmptySheet {
				last = err
			}
			if _, ok := err.(*Error); !ok {
				return nil, err
			}
		default:
			found = append(found, l)
			filled = append(filled, s.Name)
		}
	}
	switch {
	case len(names) == 0:
		return nil, wrong("工作簿里的工作表都是隐藏的。请取消隐藏再导入", "All sheets of the workbook are hidden; show the one to import")
	case opt.Sheet != "" && !slices.Contains(names, opt.Sheet):
		e := wrong("没有名为“%s”的工作表，有的是：%s", "There is no sheet called %s; there are %s", opt.Sheet, strings.Join(names, "、"))
		e.Sheets = names
		return nil, e
	case len(found) > 1:
		e := wrong("这个工作簿里有 %d 张表（%s）。请指明要导入哪一张，一次一张", "This workbook has %d tables (%s). Say which to import, one at a time", len(found), strings.Join(filled, "、"))
		e.Sheets = filled
		return nil, e
	case len(found) == 1:
		for _, n := range names {
			if n != found[0].Sheet {
				found[0].Others = append(found[0].Others, n)
			}
		}
		return found[0], nil
	case last != nil:
		return nil, last
	}
	return nil, errEmptySheet
}

var errEmptySheet = wrong("表里没有内容，请换一个文件", "There is nothing in the table; choose another file")

// findIn finds the table of a sheet.
func findIn(ctx context.Context, s *sheet.Sheet, forms *form.Set, opt Options) (*Layout, error) {
	merges, hidden, err := s.Shape(ctx)
	if err != nil {
		return nil, err
	}
	if opt.Hidden {
		hidden = nil
	}
	top, err := look(ctx, s, opt, hidden)
	if err != nil {
		return nil, err
	}
	if len(top) == 0 {
		return nil, errEmptySheet
	}
	base := Layout{Sheet: s.Name, sheet: s, merges: merges, hidden: hidden, opt: opt, known: newKnown(forms)}
	types := forms.Forms()
	if opt.Type != "" {
		f := forms.Form(opt.Type)
		if f == nil {
			return nil, wrong("没有 %q 这种记录", "there is no record type %q", opt.Type)
		}
		types = []*form.Form{f}
	}
	if l := base.recalled(forms, top, types); l != nil {
		return l.finish(ctx)
	}
	var best []*Layout
	for _, f := range types {
		if l := base.header(newIndex(forms, f), top); l != nil {
			l.resolve(newIndex(forms, f), forms, nil)
			best = append(best, l)
		}
	}
	title := Norm(opt.File + " " + s.Name)
	for _, r := range top[:min(len(top), 5)] {
		if len(best) > 0 && r.N < best[0].First {
			title += textOf(&r)
		}
	}
	points := func(l *Layout) int {
		n := l.sure()
		for _, w := range typeWords(l.Form) {
			if w = Norm(w); w != "" && strings.Contains(title, w) {
				n += 15
				break
			}
		}
		return n
	}
	slices.SortStableFunc(best, func(a, b *Layout) int { return cmp.Compare(points(b), points(a)) })
	switch {
	case len(best) == 0 && opt.Type != "":
		return nil, &Error{Label: form.Label{
			Zh: "没有找到表头。第一行（或标题下面）应有各栏的名称，如 " + sample(types[0], form.Zh),
			En: "No headings were found. There should be a row with the columns' names, such as " + sample(types[0], form.En),
		}}
	case len(best) == 0:
		return nil, wrong("没有找到表头，看不出是什么表。请核对各栏的名称，或指明记录种类", "No headings were found, and what kind of table it is cannot be told. Check the columns' names, or say the type of the records")
	case len(best) > 1 && points(best[0]) < points(best[1])+10 && best[0].Last < best[1].First:
		return nil, twoTables(best[0].First, best[1].First)
	case len(best) > 1 && points(best[0]) < points(best[1])+10 && best[1].Last < best[0].First:
		return nil, twoTables(best[1].First, best[0].First)
	case len(best) > 1 && points(best[0]) < points(best[1])+10:
		a, b := best[0].Form, best[1].Form
		return nil, &Error{Types: true, Label: form.Label{
			Zh: fmt.Sprintf("看不出这是“%s”（%s）还是“%s”（%s），请指明记录种类", a.Title.Zh, a.Type, b.Title.Zh, b.Type),
			En: fmt.Sprintf("This may be %s (%s) or %s (%s); say the type of the records", a.Title.En, a.Type, b.Title.En, b.Type),
		}}
	}
	return best[0].finish(ctx)
}

// look gives the rows in which headings are looked for, of each cell as much as a heading
// has.
func look(ctx context.Context, s *sheet.Sheet, opt Options, hidden []sheet.Span) (top []sheet.Row, err error) {
	err = s.Rows(ctx, nil, func(r *sheet.Row) error {
		if r.Hidden && !opt.Hidden || r.Err != nil {
			return nil
		}
		c := *r
		c.Cells = slices.DeleteFunc(slices.Clone(r.Cells), func(c sheet.Cell) bool { return covered(hidden, c.Col) })
		for i := range c.Cells {
			c.Cells[i].Text = clip(c.Cells[i].Text, maxHeading)
		}
		if len(c.Cells) > 0 {
			top = append(top, c)
		}
		if len(top) == lookFor {
			return sheet.ErrStop
		}
		return nil
	})
	return top, err
}

func twoTables(a, b int) error {
	return wrong("这张工作表里有两张表：第 %d 行和第 %d 行都是表头。请分成两张工作表，再导入", "This sheet has two tables: rows %d and %d are both headings. Put them in two sheets and import again", a, b)
}

// sample names some of a form's columns.
func sample(f *form.Form, lang form.Lang) string {
	var names []string
	for _, fd := range f.Fields[:min(4, len(f.Fields))] {
		names = append(names, fd.Label.In(lang))
	}
	return strings.Join(names, form.Label{Zh: "、", En: ", "}.In(lang))
}

func textOf(r *sheet.Row) string {
	var b strings.Builder
	for _, c := range r.Cells {
		b.WriteString(squeeze(c.Text))
		b.WriteByte(' ')
	}
	return b.String()
}

func covered(spans []sheet.Span, col int) bool {
	return slices.ContainsFunc(spans, func(s sheet.Span) bool { return s.From <= col && col <= s.To })
}

// recalled finds headings that somebody has decided of before.
func (l Layout) recalled(forms *form.Set, top []sheet.Row, types []*form.Form) *Layout {
	if l.opt.Recall == nil {
		return nil
	}
	for i := range top {
		for high := 1; high <= maxHigh && i+high <= len(top); high++ {
			try := l
			if !try.put(top[i : i+high]) {
				break
			}
			t, decided := l.opt.Recall(try.Headings)
			if decided == nil {
				continue
			}
			at := slices.IndexFunc(types, func(f *form.Form) bool { return f.Type == t })
			if at < 0 {
				continue
			}
			try.Form = types[at]
			try.above(top[:i])
			try.resolve(newIndex(forms, types[at]), forms, decided)
			return &try
		}
	}
	return nil
}

// header finds the rows of headings that have most of a form's fields; nil where there
// are none. One field alone is enough for a table of one column.
func (l Layout) header(x *index, top []sheet.Row) *Layout {
	var best *Layout
	most := 0
	// Of as many fields the lower headings: what stands above them may be a title.
	for high := 1; high <= maxHigh; high++ {
		for i := range len(top) - high + 1 {
			try := l
			if !try.put(top[i : i+high]) {
				continue
			}
			try.Form = x.form
			seen := map[string]bool{}
			for _, c := range try.Columns {
				if t, _, sure := x.target(c.parts); sure && t != LeaveOut {
					seen[t] = true
				}
			}
			n := len(seen)
			if n == most && best != nil && best.First == try.First+1 && best.Last == try.Last && counts(&top[i]) {
				n++ // but for the units that stand there
			}
			if n > most && (n > 1 || len(try.Columns) == 1) {
				most = len(seen)
				try.above(top[:i])
				best = &try
			}
		}
	}
	return best
}

// counts tells a row of several texts of which one has a unit.
func counts(r *sheet.Row) bool {
	return len(r.Cells) > 1 && slices.ContainsFunc(r.Cells, func(c sheet.Cell) bool { return headingOf(c.Text).unit != nil })
}

// put makes columns of rows as rows of headings; false where they do not stand one
// under another.
func (l *Layout) put(rows []sheet.Row) bool {
	l.First, l.Last = rows[0].N, rows[len(rows)-1].N
	if l.Last-l.First != len(rows)-1 {
		return false
	}
	width := 0
	for _, r := range rows {
		for _, c := range r.Cells {
			width = max(width, c.Col)
		}
	}
	grid := make([][]string, len(rows))
	for i, r := range rows {
		grid[i] = make([]string, width+1)
		for _, c := range r.Cells {
			grid[i][c.Col] = strings.TrimSpace(c.Text)
		}
	}
	wide := len(l.merges) > 0
	for _, m := range l.merges {
		if m.Top > l.Last {
			break
		}
		// What is merged stands over all its columns, and in all its rows.
		if m.Top < l.First {
			continue
		}
		for r := m.Top; r <= min(m.Bottom, l.Last); r++ {
			for c := m.Left; c <= min(m.Right, width); c++ {
				grid[r-l.First][c] = grid[m.Top-l.First][min(m.Left, width)]
			}
		}
	}
	if !wide && len(rows) > 1 {
		// A .csv has lost what was merged: the text stands over the first column alone.
		for r := range len(rows) - 1 {
			for c := 2; c <= width; c++ {
				if grid[r][c] == "" && grid[r+1][c] != "" && grid[r][c-1] != "" && grid[r+1][c-1] != "" {
					grid[r][c] = grid[r][c-1]
				}
			}
		}
	}
	l.Columns, l.Headings = nil, nil
	seen := map[string]int{}
	for c := 1; c <= width; c++ {
		if covered(l.hidden, c) {
			continue
		}
		col := Column{Col: c, Letter: sheet.Letter(c)}
		for r := range rows {
			if t := grid[r][c]; t != "" && (len(col.parts) == 0 || col.parts[len(col.parts)-1] != t) {
				col.parts = append(col.parts, t)
			}
		}
		if len(col.parts) == 0 {
			continue
		}
		col.Heading = strings.Join(strings.Fields(strings.Join(col.parts, "/")), " ")
		if seen[col.Heading]++; seen[col.Heading] > 1 {
			col.Heading = fmt.Sprintf("%s (%d)", col.Heading, seen[col.Heading])
		}
		l.Columns = append(l.Columns, col)
		l.Headings = append(l.Headings, col.Heading)
	}
	slices.Sort(l.Headings)
	return len(l.Columns) > 0
}

// above reads the unit that stands over a table.
func (l *Layout) above(rows []sheet.Row) {
	for _, r := range rows {
		for _, c := range r.Cells {
			if u, ok := unitAbove(c.Text); ok {
				l.Unit = u.text
			}
		}
	}
}

// sure weighs the columns whose fields are known for sure: ten each, and five where
// they only tell which record another one is of. What the form does not ask takes five.
func (l *Layout) sure() int {
	n := 0
	for _, c := range l.Columns {
		switch {
		case c.How == Unknown || c.How == Guessed:
			n -= 5
		case c.How != ByHeading, c.Target == LeaveOut, c.Target == Village:
		case strings.Contains(c.Target, "."):
			n += 5
		default:
			n += 10
		}
	}
	return n
}

// resolve says of each column where it goes.
func (l *Layout) resolve(x *index, forms *form.Set, recalled map[string]string) {
	owner := map[string]*Column{}
	for i := range l.Columns {
		c := &l.Columns[i]
		t, u, sure := x.target(c.parts)
		c.Target, c.unit, c.How = t, u, Guessed
		switch {
		case t == "":
			c.How = Unknown
		case sure:
			c.How = ByHeading
		}
		if t, ok := recalled[c.Heading]; ok && Target(forms, x.form.Type, t) {
			c.Target, c.How = t, Recalled
		}
		if t, ok := l.opt.Map[c.Heading]; ok {
			c.Target, c.How = t, Given
			if t == "" {
				c.How = Unknown
			}
		}
		name, other, ref := strings.Cut(c.Target, ".")
		if c.field = x.form.Field(name); ref && c.field != nil {
			c.field = forms.Form(c.field.Refers).Field(other)
		}
		c.weigh(l.Unit)
		if c.Target == "" || c.Target == LeaveOut || c.How == Guessed {
			continue
		}
		if o := owner[c.Target]; o != nil {
			o.How, c.How = Doubled, Doubled
			continue
		}
		owner[c.Target] = c
	}
	for i := range l.Columns {
		if c := &l.Columns[i]; c.How == Guessed && owner[c.Target] != nil {
			c.Target, c.How = "", Unknown
		}
	}
}

// weigh settles what a column's numbers are multiplied by; above is the unit that
// stands over the table.
func (c *Column) weigh(above string) {
	fd := c.field
	if fd == nil {
		return
	}
	if c.unit == nil && above != "" && unitOfField(fd) == "元" && (fd.Kind == form.Decimal || fd.Kind == form.Integer) {
		if u, ok := unitOf(above); ok {
			c.unit = &u
		}
	}
	if c.unit == nil {
		return
	}
	if !c.unit.fits(fd) {
		if c.How != Given || c.Target != LeaveOut {
			c.How = WrongUnit
		}
		return
	}
	if c.unit.times.Cmp(one) != 0 && (fd.Kind == form.Decimal || fd.Kind == form.Integer) {
		c.Times = decimal(c.unit.times)
	}
}

// finish looks through all rows: for what is in the columns, and for a second table.
func (l *Layout) finish(ctx context.Context) (*Layout, error) {
	if err := l.beside(); err != nil {
		return nil, err
	}
	filled := map[int][]string{}
	byCol := map[int]*Column{}
	for i := range l.Columns {
		byCol[l.Columns[i].Col] = &l.Columns[i]
	}
	err := l.walk(ctx, func(r *sheet.Row, skip Skip) error {
		if skip != "" {
			return nil
		}
		for _, c := range r.Cells {
			col := byCol[c.Col]
			if col == nil {
				col = &Column{}
			}
			if had := filled[c.Col]; len(had) < maxSamples && !c.Spread {
				if text := clip(col.sample(l.sheet.Since1904, c), 20); !slices.Contains(had, text) {
					filled[c.Col] = append(had, text)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range l.Columns {
		l.Columns[i].Samples, l.Columns[i].Filled = filled[l.Columns[i].Col], len(filled[l.Columns[i].Col]) > 0
		delete(filled, l.Columns[i].Col)
	}
	for col, samples := range filled {
		if !covered(l.hidden, col) {
			l.Columns = append(l.Columns, Column{Col: col, Letter: sheet.Letter(col), How: NoHeading, Filled: true, Samples: samples})
		}
	}
	slices.SortFunc(l.Columns, func(a, b Column) int { return cmp.Compare(a.Col, b.Col) })
	return l, nil
}

// maxSamples is how many different texts are kept of a column.
const maxSamples = 3

// beside refuses a second table to the right: its headings come again.
func (l *Layout) beside() error {
	twice := 0
	first := map[string]int{}
	at := 0
	for _, c := range l.Columns {
		leaf := Norm(strings.Join(c.parts, "/"))
		if old, ok := first[leaf]; ok && l.known[Norm(c.parts[len(c.parts)-1])] {
			if twice++; at == 0 || c.Col < at {
				at = c.Col
			}
			_ = old
			continue
		}
		first[leaf] = c.Col
	}
	if twice < 2 {
		return nil
	}
	return wrong("这张工作表里左右并排有两张表（第二张从 %s 列开始）。请把它移到下面接着排，或分成两张工作表，再导入", "Two tables stand side by side in this sheet, the second from column %s on. Put it below the first, or in a sheet of its own, and import again", sheet.Letter(at))
}
