package table

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// Skip is why a row is passed over; empty for one that is read.
type Skip string

const (
	Sum     Skip = "sum"     // it adds up others
	Note    Skip = "note"    // it says something about the table
	Section Skip = "section" // it stands over the rows below it
	Again   Skip = "again"   // the headings once more
	Unseen  Skip = "hidden"
	Bare    Skip = "bare"   // nothing in it goes anywhere, such as a number alone
	Part    Skip = "part"   // all of it is merged with the row above
	Figures Skip = "figure" // the columns' numbers
)

// Skips says each in words.
var Skips = map[Skip]form.Label{
	Sum:     {Zh: "合计行", En: "a sum"},
	Note:    {Zh: "表外的说明", En: "a note beside the table"},
	Section: {Zh: "分段标题", En: "a heading of the rows below"},
	Again:   {Zh: "重复的表头", En: "the headings again"},
	Unseen:  {Zh: "隐藏的行", En: "a hidden row"},
	Bare:    {Zh: "没有可收的内容", En: "nothing in it to take"},
	Part:    {Zh: "与上一行合并", En: "merged with the row above"},
	Figures: {Zh: "栏号", En: "the columns' numbers"},
}

// Problem is what is wrong with a cell, or odd about how it was read.
type Problem struct {
	Column string // its letter
	Name   string // what it is called
	Label  form.Label
}

// In gives it as a sentence.
func (p *Problem) In(lang form.Lang) string {
	if p.Name == "" {
		return p.Label.In(lang)
	}
	return form.Label{Zh: p.Column + " 列“" + p.Name + "”：", En: p.Column + " (" + p.Name + "): "}.In(lang) + p.Label.In(lang)
}

// Item is one row as it was read.
type Item struct {
	Row     int
	Skip    Skip
	Text    string // of a row that is passed over, its beginning
	Fields  map[string]record.Value
	Refs    map[string]map[string]string // reference -> what tells the record (Tells) -> text; "" for itself
	Village string
	// Wrong keeps the row from being taken, Odd is to be looked at.
	Wrong, Odd []Problem
	// Shown are the cells of the columns that go somewhere, as they may be shown.
	Shown []string
}

var (
	sumWords  = regexp.MustCompile(`^(合计|小计|总计|共计|累计|平均|本页合计|本页小计|全村合计|全乡合计|合计数|总和)([(（:：].*)?$`)
	sumEnd    = regexp.MustCompile(`^.{1,8}(合计|小计|总计)[:：]?$`)
	noteStart = regexp.MustCompile(`^(注|备注|说明|填表说明|填写说明|填表人|填表单位|填报人|填报单位|填报日期|填表日期|制表|制表人|制表单位|审核|审核人|复核|单位负责人|负责人|村负责人|分管领导|主要领导|驻村工作队|签字|签名|盖章|联系人|联系电话|报送|统计人|日期)(\d*[:：、.(（].*)?$`)
	figure    = regexp.MustCompile(`^[(（]?(\d{1,3}|[甲乙丙丁戊己庚辛壬癸])[)）]?$`)
	ditto     = words("同上 〃 ″ \" 同前 ditto")
)

// walk calls yield with every row below the headings, and with why it is passed over.
func (l *Layout) walk(ctx context.Context, yield func(r *sheet.Row, skip Skip) error) error {
	leaf := map[int]string{}
	for _, c := range l.Columns {
		if len(c.parts) > 0 {
			leaf[c.Col] = Norm(c.parts[len(c.parts)-1])
		}
	}
	goes := map[int]bool{}
	for _, c := range l.Columns {
		// Of a column that nobody has decided of it is taken that it goes somewhere.
		goes[c.Col] = c.Target != LeaveOut
	}
	wide := map[int]int{} // row -> how many columns its widest range has
	for _, m := range l.merges {
		if m.Top > l.Last {
			wide[m.Top] = max(wide[m.Top], m.Right-m.Left+1)
		}
	}
	begun := false
	return l.sheet.Rows(ctx, l.merges, func(r *sheet.Row) error {
		if r.N <= l.Last {
			return nil
		}
		if r.Hidden && !l.opt.Hidden {
			return yield(r, Unseen)
		}
		if r.Err != nil {
			return yield(r, "")
		}
		own := r.Cells[:0:0]
		for _, c := range r.Cells {
			if !covered(l.hidden, c.Col) {
				own = append(own, c)
			}
		}
		r.Cells = own
		if len(own) == 0 {
			return nil
		}
		skip := l.skip(r, leaf, goes, wide[r.N], begun)
		if skip == "" && !begun {
			begun = true
		}
		if skip == "" || skip == Again {
			if again, other := l.headings(r, leaf); again {
				skip = Again
			} else if other {
				return twoTables(l.First, r.N)
			}
		}
		return yield(r, skip)
	})
}

// headings tells a row that has the table's headings again, or those of another one.
func (l *Layout) headings(r *sheet.Row, leaf map[int]string) (again, other bool) {
	same, names, texts := 0, 0, 0
	for _, c := range r.Cells {
		if c.Spread {
			continue
		}
		texts++
		w := Norm(c.Text)
		if c.Kind == sheet.Text && w != "" && leaf[c.Col] == w {
			same++
		}
		h := headingOf(c.Text)
		if c.Kind == sheet.Text && (l.known[w] || l.known[h.base]) {
			names++
		}
	}
	if texts == 0 {
		return false, false
	}
	return same >= 2 && same*2 > texts || texts == 1 && same == 1, names >= 3 && names*5 >= texts*3
}

// skip tells why a row is passed over.
func (l *Layout) skip(r *sheet.Row, leaf map[int]string, goes map[int]bool, wide int, begun bool) Skip {
	if !begun && figures(r) {
		return Figures
	}
	seen, spread, lands := 0, 0, 0
	for _, c := range r.Cells {
		if c.Spread {
			spread++
		} else if seen++; seen <= 3 && c.Kind == sheet.Text {
			t := squeeze(c.Text)
			if sumWords.MatchString(t) || sumEnd.MatchString(t) {
				return Sum
			}
		}
		if g, headed := goes[c.Col]; g && headed {
			lands++
		}
	}
	first := ""
	for _, c := range r.Cells {
		if !c.Spread {
			first = squeeze(c.Text)
			break
		}
	}
	switch {
	case seen == 0:
		return Part
	case noteStart.MatchString(first) && seen <= 4:
		return Note
	case seen == 1 && spread == 0 && wide >= 3:
		if begun && utf8.RuneCountInString(first) > 15 {
			return Note
		}
		return Section
	case seen == 1 && spread == 0 && len(l.Columns) > 2 && utf8.RuneCountInString(first) > 40:
		return Note
	case lands == 0:
		return Bare
	}
	for _, c := range r.Cells {
		if !c.Spread && goes[c.Col] {
			return ""
		}
	}
	return Part // what is its own goes nowhere
}

// figures tells a row of the columns' numbers, such as (1) (2) (3).
func figures(r *sheet.Row) bool {
	if len(r.Cells) < 3 {
		return false
	}
	last := 0
	for _, c := range r.Cells {
		m := figure.FindStringSubmatch(squeeze(c.Text))
		if m == nil || c.Look.Date {
			return false
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		if n != last+1 {
			return false
		}
		last = n
	}
	return true
}

// Rows calls yield with every row below the headings, as it reads. What yield returns
// ends it.
func (l *Layout) Rows(ctx context.Context, yield func(*Item) error) error {
	byCol := map[int]*Column{}
	at := map[int]int{} // column -> place in Shown
	for i := range l.Columns {
		c := &l.Columns[i]
		byCol[c.Col] = c
		if c.taken() {
			at[c.Col] = len(at)
		}
	}
	before := map[int]sheet.Cell{} // what ditto marks repeat
	return l.walk(ctx, func(r *sheet.Row, skip Skip) error {
		it := &Item{Row: r.N, Skip: skip}
		if skip != "" {
			if skip != Unseen {
				it.Text = clip(longDigits.ReplaceAllStringFunc(strings.TrimSpace(textOf(r)), form.Mask), 40)
			}
			return yield(it)
		}
		it.Fields, it.Refs = map[string]record.Value{}, map[string]map[string]string{}
		it.Shown = make([]string, len(at))
		if r.Err != nil {
			p := Problem{}
			if e, ok := r.Err.(*sheet.Error); ok {
				p.Label = e.Label
			}
			it.Wrong = append(it.Wrong, p)
			return yield(it)
		}
		own, last := 0, (*Column)(nil)
		for _, cell := range r.Cells {
			c := byCol[cell.Col]
			if c == nil || !c.taken() {
				continue
			}
			if own++; last == nil {
				last = c
			}
			if ditto[Norm(cell.Text)] || ditto[squeeze(cell.Text)] {
				old, ok := before[cell.Col]
				if !ok {
					it.wrong(c, "“%s”上面没有内容", "nothing stands above %q", cell.Text)
					continue
				}
				cell = old
			}
			before[cell.Col] = cell
			l.cell(it, c, cell)
			it.Shown[at[cell.Col]] = c.shown(cell)
		}
		if own == 1 && len(at) >= 4 {
			it.wrong(last, "这一行只有一格有内容，看不出是一条记录", "this is the only cell in its row with anything in it; a record cannot be told from it")
		}
		return yield(it)
	})
}

// Shown gives the headings of what Item.Shown has.
func (l *Layout) Shown() []string {
	var out []string
	for i := range l.Columns {
		if l.Columns[i].taken() {
			out = append(out, l.Columns[i].Heading)
		}
	}
	return out
}

// taken tells a column whose cells go somewhere.
func (c *Column) taken() bool {
	return c.Target != "" && c.Target != LeaveOut && !c.Open() && c.How != NoHeading
}

var longDigits = regexp.MustCompile(`\d{12,}[0-9Xx]?`)

// sample gives a cell as it may stand on a screen where nobody has said yet what the
// column is: a day as one, and of long numbers, which may be a person's, the end.
func (c *Column) sample(since1904 bool, cell sheet.Cell) string {
	s := c.shown(cell)
	if cell.Kind == sheet.Number {
		if s = digits(s); cell.Look.Date {
			if day, ok := dayOf(s, since1904); ok {
				return day
			}
		}
		s = padded(cell, s)
	}
	return longDigits.ReplaceAllStringFunc(s, form.Mask)
}

// shown gives a cell as it may stand on a screen.
func (c *Column) shown(cell sheet.Cell) string {
	s := strings.TrimSpace(cell.Text)
	if c.field != nil && (c.field.Masked || c.field.IDNumber()) {
		return form.Mask(s)
	}
	return s
}

func (it *Item) wrong(c *Column, zh, en string, args ...any) {
	it.Wrong = append(it.Wrong, Problem{c.Letter, c.Heading, wrong(zh, en, args...).Label})
}

func (it *Item) odd(c *Column, zh, en string, args ...any) {
	it.Odd = append(it.Odd, Problem{c.Letter, c.Heading, wrong(zh, en, args...).Label})
}

// clip gives at most the first n characters of s.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}
