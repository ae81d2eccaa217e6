package inbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// TableOptions say how a table is to be taken.
type TableOptions struct {
	table.Options
	Village record.Village // of rows that do not say; empty where the laptop has one
	Author  string
	Lang    form.Lang
	// Preview tells what would come of it, and changes nothing.
	Preview bool
	// Each is given every row in its order, once it is known what came of it; nil for
	// nobody.
	Each func(Outcome) error
	// Told is where that is written; nil for nowhere.
	Told *Told
	// Progress is told how many rows are done; nil for nobody.
	Progress func(rows int)
}

// What came of a row.
const (
	IsNew     = "new"
	IsChanged = "changed"
	IsSame    = "same"
	IsSince   = "since" // taken before, and the record was changed since
	IsBad     = "not_taken"
	IsPassed  = "passed"
)

// Outcome is what came of one row.
type Outcome struct {
	Row   int
	Is    string
	Text  string   // what is wrong with it or odd, or why it was passed over
	Cells []string // of the columns that go somewhere, as they may be shown
}

// TableReport is what came of a table.
type TableReport struct {
	Report
	Preview bool          `json:"preview,omitempty"`
	Type    record.Type   `json:"type"`
	Sheet   string        `json:"sheet,omitempty"`
	Head    [2]int        `json:"heading_rows"` // the first and the last
	Unit    string        `json:"unit,omitempty"`
	Columns []TableColumn `json:"columns"`
	Open    int           `json:"open_columns"` // of which nobody has said where they go
	Passed  []Bad         `json:"passed"`       // rows that are none of records, and why; the first 1,000
	Noted   []Bad         `json:"noted"`        // rows that are to be looked at, though nothing hinders their being taken; the first 1,000
	// Reads are, of a preview, the first few rows that would be new, as they read, and
	// Changes what would be changed, in the first 200 rows that change anything.
	Reads   []Bad    `json:"reads,omitempty"`
	Changes []Bad    `json:"changes,omitempty"`
	Others  []string `json:"other_sheets,omitempty"`
	File    string   `json:"report,omitempty"` // where every row is told

	NotedAll, PassedAll, HiddenRows int `json:"-"`
	// Shown are the headings of Outcome.Cells.
	Shown  []string      `json:"-"`
	Form   *form.Form    `json:"-"`
	Layout *table.Layout `json:"-"`
}

// TableColumn is where one column goes.
type TableColumn struct {
	Column  string    `json:"column"`
	Heading string    `json:"heading"`
	Field   string    `json:"field,omitempty"` // "-" for nowhere
	Label   string    `json:"label,omitempty"`
	How     table.How `json:"how"`
	Filled  bool      `json:"filled"`
	Times   string    `json:"times,omitempty"`
	Samples []string  `json:"samples,omitempty"` // the first few texts, long numbers masked
}

// ErrColumns says that nobody has said where some columns go.
var ErrColumns = errors.New("columns without a field")

// Table takes the rows of a workbook or a .csv. What is said of rows, of good ones and
// of bad, is as in JSONL; besides, a table is taken only when it is known of each of its
// columns where it goes: the error is ErrColumns, and the report has them. Errors of
// packages sheet and table say why there is no table. It is remembered what was decided
// (o.Map) when rows are taken.
func Table(ctx context.Context, s *store.Store, forms *form.Set, r io.ReaderAt, size int64, o TableOptions) (TableReport, error) {
	rep := TableReport{Report: Report{Bad: []Bad{}}, Preview: o.Preview, Columns: []TableColumn{}, Passed: []Bad{}, Noted: []Bad{}}
	d, err := s.Device()
	if err != nil {
		return rep, err
	}
	if !d.Enrolled() {
		return rep, store.ErrNotEnrolled
	}
	if o.Author, err = d.Author(o.Author); err != nil {
		return rep, err
	}
	if o.Village != "" {
		if _, err := d.Village(o.Village); err != nil {
			return rep, err
		}
	}
	book, err := sheet.Open(r, size)
	if err != nil {
		return rep, err
	}
	if o.Recall == nil {
		o.Recall = func(headings []string) (record.Type, map[string]string) {
			c, err := s.Columns(headings)
			if err != nil {
				return "", nil
			}
			return c.Type, c.Targets
		}
	}
	l, err := table.Find(ctx, book, forms, o.Options)
	if err != nil {
		return rep, err
	}
	if err := chosen(l, forms, o.Map); err != nil {
		return rep, err
	}
	rep.tell(l, forms, o.Lang)
	if rep.Open > 0 && !o.Preview {
		return rep, ErrColumns
	}
	if o.Told != nil {
		o.Told.Head(rep.Shown)
	}
	t := taking{ctx: ctx, today: time.UnixMilli(s.Now()).In(beijing).Format(time.DateOnly), s: s, forms: forms, o: o, d: d, l: l, rep: &rep, finders: map[record.Type]*finder{}, first: map[uint64]first{}, times: map[[16]byte]int{}, seed: maphash.MakeSeed()}
	if err := t.run(); err != nil {
		return rep, err
	}
	if len(o.Map) > 0 && !o.Preview {
		return rep, s.SetColumns(ctx, l.Headings, store.Columns{Type: l.Form.Type, Targets: l.Decided()})
	}
	return rep, nil
}

// chosen refuses what was chosen for columns that are not there, and fields that no form
// has: it would be passed over in silence.
func chosen(l *table.Layout, forms *form.Set, choice map[string]string) error {
	for heading, target := range choice {
		if !slices.Contains(l.Headings, heading) {
			return wrong("表里没有列“%s”，有的是：%s", "the table has no column %s; it has %s", heading, strings.Join(l.Headings, "、"))
		}
		if target == "" || table.Target(forms, l.Form.Type, target) {
			continue
		}
		if _, err := Field(l.Form, target); err != nil {
			return err
		}
		return wrong("列“%s”不能放进 %s", "column %s cannot go to %s", heading, target)
	}
	return nil
}

// tell puts into the report where the columns go.
func (rep *TableReport) tell(l *table.Layout, forms *form.Set, lang form.Lang) {
	rep.Layout, rep.Form, rep.Type, rep.Sheet, rep.Unit, rep.Others = l, l.Form, l.Form.Type, l.Sheet, l.Unit, l.Others
	rep.Head = [2]int{l.First, l.Last}
	rep.Open, rep.Shown = len(l.Open()), l.Shown()
	for _, c := range l.Columns {
		rep.Columns = append(rep.Columns, TableColumn{
			Column: c.Letter, Heading: c.Heading, Field: c.Target, Label: TargetLabel(forms, l.Form, c.Target, lang), How: c.How, Filled: c.Filled, Times: c.Times, Samples: c.Samples,
		})
	}
}

// TargetLabel is what a target of package table is called.
func TargetLabel(forms *form.Set, f *form.Form, target string, lang form.Lang) string {
	name, other, ref := strings.Cut(target, ".")
	fd := f.Field(name)
	switch {
	case target == table.Village:
		return form.Label{Zh: "村", En: "Village"}.In(lang)
	case target == table.LeaveOut:
		return form.Label{Zh: "不收", En: "not taken"}.In(lang)
	case fd == nil:
		return ""
	case ref:
		if o := forms.Form(fd.Refers).Field(other); o != nil {
			return fmt.Sprintf(form.Label{Zh: "%s的%s", En: "%s: %s"}.In(lang), fd.Label.In(lang), o.Label.In(lang))
		}
	}
	return fd.Label.In(lang)
}

var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// taking is a table that is being taken.
type taking struct {
	ctx     context.Context
	today   string // 2017-05-23, in Beijing
	s       *store.Store
	forms   *form.Set
	o       TableOptions
	d       store.Device
	l       *table.Layout
	rep     *TableReport
	finders map[record.Type]*finder
	first   map[uint64]first // by the hash of a key, the row that had it first
	times   map[[16]byte]int // of rows without a key, how many have said the same
	seed    maphash.Seed

	rows []store.Row // to be saved
	outs []Outcome   // in the order of the rows
	of   []int       // rows -> outs
	// refs are, of a preview, what the rows say of the records that they refer to.
	refs []map[string]map[string]string
}

type first struct {
	row  int
	hash [16]byte
}

func (t *taking) run() error {
	err := t.l.Rows(t.ctx, func(it *table.Item) error {
		if it.Skip != "" {
			t.pass(it)
		} else {
			t.rep.Rows++
			if err := t.take(it); err != nil {
				return err
			}
		}
		if len(t.rows) >= batch || len(t.outs) >= 4*batch {
			return t.flush()
		}
		return nil
	})
	if err == nil {
		err = t.flush()
	}
	slices.SortFunc(t.rep.Bad, func(a, b Bad) int { return cmp.Compare(a.Line, b.Line) })
	return err
}

func (rep *TableReport) note(row int, text string) {
	if rep.NotedAll++; len(rep.Noted) < maxBad {
		rep.Noted = append(rep.Noted, Bad{row, text})
	}
}

func (t *taking) pass(it *table.Item) {
	if it.Skip == table.Unseen {
		t.rep.HiddenRows++
	}
	text := table.Skips[it.Skip].In(t.o.Lang)
	if it.Text != "" {
		text += form.Label{Zh: "：", En: ": "}.In(t.o.Lang) + it.Text
	}
	if t.rep.PassedAll++; len(t.rep.Passed) < maxBad {
		t.rep.Passed = append(t.rep.Passed, Bad{it.Row, text})
	}
	t.outs = append(t.outs, Outcome{Row: it.Row, Is: IsPassed, Text: text})
}

// take makes a row's edit, or says what is wrong with it.
func (t *taking) take(it *table.Item) error {
	out := Outcome{Row: it.Row, Cells: slices.Clone(it.Shown)}
	words := func(ps []table.Problem) string {
		var texts []string
		for i := range ps {
			texts = append(texts, ps[i].In(t.o.Lang))
		}
		return strings.Join(texts, form.Label{Zh: "；", En: "; "}.In(t.o.Lang))
	}
	bad := func(text string) {
		out.Is, out.Text = IsBad, text
		t.rep.bad(it.Row, text)
		t.outs = append(t.outs, out)
	}
	if len(it.Wrong) > 0 {
		bad(words(it.Wrong))
		return nil
	}
	edit, key, err := t.edit(it)
	var own *RowError
	switch {
	case errors.As(err, &own), errors.Is(err, store.ErrVillage):
		bad(Say(err, t.o.Lang))
		return nil
	case err != nil:
		return err
	}
	h, nth := rowHash(t.d.Numbers, &edit, 1), 1
	if key == "" {
		// Nothing tells these rows apart but that they are several.
		t.times[h]++
		if nth = t.times[h]; nth > 1 {
			h = rowHash(t.d.Numbers, &edit, nth)
		}
	} else {
		k := maphash.String(t.seed, key)
		if f, again := t.first[k]; again && f.hash != h {
			bad(form.Label{
				Zh: fmt.Sprintf("与第 %d 行是同一条记录，内容却不同。请留下对的一行", f.row),
				En: fmt.Sprintf("it is about the same record as row %d and says something else; keep the one that is right", f.row),
			}.In(t.o.Lang))
			return nil
		} else if !again {
			t.first[k] = first{it.Row, h}
		}
	}
	for _, m := range t.l.Form.Check(edit.Fields, t.today) {
		// What is missing may be on another table; what breaks a rule is in this one.
		if name, _ := m.Path.Field(); m.Code == form.MarkConstraint && edit.Fields[name] != "" {
			it.Odd = append(it.Odd, table.Problem{Label: m.Text})
		}
	}
	if out.Text = words(it.Odd); out.Text != "" {
		t.rep.note(it.Row, out.Text)
	}
	if t.o.Preview {
		t.refs = append(t.refs, it.Refs)
	}
	t.rows = append(t.rows, store.Row{Edit: edit, Hash: h, Made: made(&t.d, t.forms, &edit, "", nth)})
	t.of = append(t.of, len(t.outs))
	t.outs = append(t.outs, out)
	return nil
}

// edit makes the save that a row asks for.
func (t *taking) edit(it *table.Item) (e store.Edit, key string, err error) {
	f := t.l.Form
	e = store.Edit{Village: t.o.Village, Type: f.Type, Author: t.o.Author, Source: store.Import, Fields: it.Fields}
	if it.Village != "" {
		if e.Village, err = t.village(it.Village); err != nil {
			return e, "", err
		}
	}
	v, err := t.d.Village(e.Village)
	if err != nil {
		return e, "", err
	}
	e.Village = v.Code
	for _, fd := range f.Fields {
		hints := it.Refs[fd.Name]
		if hints == nil {
			continue
		}
		x, err := t.finder(fd.Refers)
		if err != nil {
			return e, "", err
		}
		parts := []map[string]string{hints}
		if fd.Kind == form.RefMultiple {
			parts = nil
			for _, w := range strings.FieldsFunc(hints[""], func(r rune) bool { return strings.ContainsRune(",，、;；|/\n", r) }) {
				if w = strings.TrimSpace(w); w != "" {
					parts = append(parts, map[string]string{"": w})
				}
			}
		}
		var ids []string
		for _, p := range parts {
			id, err := x.refer(v.Code, p)
			if err != nil {
				return e, "", err
			}
			ids = append(ids, id.String())
		}
		switch {
		case len(ids) == 0:
		case fd.Kind == form.RefMultiple:
			e.Fields[fd.Name] = record.Set(ids)
		default:
			e.Fields[fd.Name] = record.Text(ids[0])
		}
	}
	if len(e.Fields) == 0 {
		return e, "", wrong("这一行没有可收的内容", "there is nothing in this row to take")
	}
	x, err := t.finder(f.Type)
	if err != nil {
		return e, "", err
	}
	e.ID, key, err = x.own(v.Code, t.o.Author, e.Fields)
	return e, key, err
}

func (t *taking) finder(of record.Type) (*finder, error) {
	if x := t.finders[of]; x != nil {
		return x, nil
	}
	x, err := newFinder(t.s, t.forms.Form(of))
	if err == nil {
		t.finders[of] = x
	}
	return x, err
}

// village finds an assigned village by what a row calls it.
func (t *taking) village(text string) (record.Village, error) {
	text = same(text)
	bare := func(s string) string {
		for _, end := range []string{"民委员会", "委会", "村"} {
			s = strings.TrimSuffix(s, end)
		}
		return s
	}
	var names []string
	for _, v := range t.d.Assigned.Villages {
		if string(v.Code) == text || same(v.Name) == text || bare(same(v.Name)) == bare(text) {
			return v.Code, nil
		}
		names = append(names, v.Name)
	}
	return "", wrong("这台电脑没有“%s”的权限，有的是：%s", "this laptop is not for %s; it is for %s", text, strings.Join(names, "、"))
}

// sinceWords says what becomes of a row whose record was changed since it was taken.
var sinceWords = form.Label{
	Zh: "这一行以前收过，那条记录后来改过，现在和这一行不一样；没有再收，记录不动，要改请打开那条记录",
	En: "this row was taken before and its record was changed since, so that the two differ; it was not taken again and the record stays; open the record to change it",
}

// flush saves the rows that are gathered, or tries to, and tells what came of them.
func (t *taking) flush() error {
	save := t.s.SaveRows
	if t.o.Preview {
		save = t.s.TryRows
	}
	saved, errs, err := save(t.ctx, t.rows)
	if err != nil {
		return err
	}
	for i, sv := range saved {
		out := &t.outs[t.of[i]]
		switch {
		case errs[i] != nil:
			out.Is, out.Text = IsBad, Say(errs[i], t.o.Lang)
			t.rep.bad(out.Row, out.Text)
		case sv.Created:
			out.Is = IsNew
			t.rep.New++
		case sv.Changed:
			out.Is = IsChanged
			t.rep.Changed++
		case sv.Since && !sv.Void:
			out.Is, out.Text = IsSince, sinceWords.In(t.o.Lang)
			t.rep.Since++
			t.rep.note(out.Row, out.Text)
		default:
			out.Is = IsSame
			t.rep.Same++
			if sv.Void {
				out.Text = form.Label{Zh: "这一行以前收过，收成的记录已作废，没有再收；还要它，请打开那条记录恢复", En: "this row was taken before, and its record is void; it was not taken again; revive the record if it is wanted"}.In(t.o.Lang)
				t.rep.note(out.Row, out.Text)
			}
		}
		if t.o.Preview && errs[i] == nil && sv.Changed {
			if err := t.show(out.Row, i, sv); err != nil {
				return err
			}
		}
	}
	for _, o := range t.outs {
		if t.o.Told != nil {
			t.o.Told.Row(o)
		}
		if t.o.Each == nil {
			continue
		}
		if err := t.o.Each(o); err != nil {
			return err
		}
	}
	if t.o.Progress != nil {
		t.o.Progress(t.rep.Rows)
	}
	clear(t.rows)
	clear(t.outs)
	t.rows, t.outs, t.of, t.refs = t.rows[:0], t.outs[:0], t.of[:0], t.refs[:0]
	return nil
}

// How many rows of a preview are shown as they would read, and of how many it is told
// what they change.
const (
	maxReads   = 5
	maxChanges = 200
)

// show tells of a preview how a row reads, or what it changes.
func (t *taking) show(row, i int, sv store.Saved) error {
	if sv.Created && len(t.rep.Reads) == maxReads || !sv.Created && len(t.rep.Changes) == maxChanges {
		return nil
	}
	e := &t.rows[i].Edit
	was := map[string]record.Value{}
	if !sv.Created {
		r, err := t.s.Get(sv.Key.Type, sv.Key.ID)
		if err != nil {
			return err
		}
		was = r.View.Fields
	}
	var parts []string
	for _, fd := range t.l.Form.Fields {
		v, there := e.Fields[fd.Name]
		if !there || !sv.Created && was[fd.Name] == v {
			continue
		}
		label := fd.Label.In(t.o.Lang) + " "
		switch hints := t.refs[i][fd.Name]; {
		case hints != nil:
			var words []string
			for _, name := range slices.Sorted(maps.Keys(hints)) {
				words = append(words, hints[name])
			}
			parts = append(parts, label+strings.Join(words, " "))
		case was[fd.Name] != "":
			parts = append(parts, label+fd.Show(was[fd.Name], t.o.Lang)+" → "+fd.Show(v, t.o.Lang))
		default:
			parts = append(parts, label+fd.Show(v, t.o.Lang))
		}
	}
	b := Bad{row, cut(strings.Join(parts, form.Label{Zh: "，", En: ", "}.In(t.o.Lang)), maxBadText)}
	if sv.Created {
		t.rep.Reads = append(t.rep.Reads, b)
	} else {
		t.rep.Changes = append(t.rep.Changes, b)
	}
	return nil
}

// rowHash is what a row of a table is known by: what it says of which village's record,
// however the columns stood and the cells were written.
func rowHash(key []byte, e *store.Edit, nth int) [16]byte {
	line, err := json.Marshal(struct {
		Village record.Village
		Fields  map[string]record.Value
		Before  int `json:",omitempty"` // how many rows of the table said the same before
	}{e.Village, e.Fields, nth - 1})
	if err != nil {
		return [16]byte{} // never: they are texts
	}
	return hash(key, e.Type, line)
}

// Words gives the report as a person reads it.
func (r *TableReport) Words(lang form.Lang) string {
	var b strings.Builder
	say := func(zh, en string, args ...any) {
		fmt.Fprintf(&b, form.Label{Zh: zh, En: en}.In(lang), args...)
	}
	say("“%s”，", "%s, ", r.Form.Title.In(lang))
	if r.Sheet != "" {
		say("工作表“%s”，", "sheet %s, ", r.Sheet)
	}
	if r.Head[0] == r.Head[1] {
		say("表头在第 %d 行。\n", "headings in row %d.\n", r.Head[0])
	} else {
		say("表头在第 %d 到 %d 行。\n", "headings in rows %d to %d.\n", r.Head[0], r.Head[1])
	}
	if r.Preview || r.Open > 0 {
		for _, c := range r.Columns {
			r.column(say, &c, lang)
		}
	}
	if r.Open > 0 {
		say("有 %d 列还不知道对应哪一项，没有收。请用 --map \"列名=字段\" 指定；不要的写 --map \"列名=-\"。也可以在网页的“导入表格”里选，选过一次就记住。\n",
			"Of %d columns it is not known where they go, and nothing was taken. Name their fields with --map \"HEADING=FIELD\", or --map \"HEADING=-\" to leave one out; or choose on the page under Import. What was chosen is remembered.\n", r.Open)
		if !r.Preview {
			return b.String()
		}
	}
	if r.Preview {
		say("预览，还没有收：", "A preview; nothing was taken. ")
	}
	b.WriteString(r.Report.Words(lang))
	if len(r.Reads) > 0 {
		say("会新增的头几条：\n", "The first that would be new:\n")
		list(say, r.Reads)
	}
	if len(r.Changes) > 0 {
		say("会修改的：\n", "What would be changed:\n")
		list(say, r.Changes)
	}
	if len(r.Passed) > 0 {
		say("另有 %d 行不是记录，没有收（合计、说明、隐藏行等）：\n", "%d more rows are no records and were passed over (sums, notes, hidden ones):\n", r.PassedAll)
		list(say, r.Passed)
	}
	if len(r.Noted) > 0 {
		say("请核对的 %d 行：\n", "%d rows that should be looked at:\n", r.NotedAll)
		list(say, r.Noted)
	}
	if len(r.Others) > 0 {
		say("没有看的工作表：%s。\n", "Sheets that were not looked at: %s.\n", strings.Join(r.Others, "、"))
	}
	return b.String()
}

// maxTold is how many rows of a kind are told one by one where they are only passed
// over or noted.
const maxTold = 20

func list(say func(zh, en string, args ...any), rows []Bad) {
	for _, r := range rows[:min(len(rows), maxTold)] {
		say("第 %d 行：%s\n", "line %d: %s\n", r.Line, r.Text)
	}
	if n := len(rows) - maxTold; n > 0 {
		say("……还有 %d 行。\n", "… and %d more.\n", n)
	}
}

// hows say how a column's target is known.
var hows = map[table.How]form.Label{
	table.ByHeading: {Zh: "按列名", En: "by its heading"},
	table.Recalled:  {Zh: "上次选的", En: "as chosen before"},
	table.Given:     {Zh: "刚才选的", En: "as chosen now"},
	table.Guessed:   {Zh: "猜的，请核对", En: "a guess; check it"},
	table.Unknown:   {Zh: "不知道是哪一项", En: "not known"},
	table.NoHeading: {Zh: "没有列名，不收", En: "without a heading, not taken"},
	table.Doubled:   {Zh: "两列是同一项，请选一列", En: "two columns are the same field; choose one"},
	table.WrongUnit: {Zh: "单位和这一项的不同", En: "its unit is not the field's"},
}

// HowWords says how a column's target is known.
func HowWords(h table.How, lang form.Lang) string { return hows[h].In(lang) }

func (r *TableReport) column(say func(zh, en string, args ...any), c *TableColumn, lang form.Lang) {
	if !c.Filled && c.Field == "" {
		return
	}
	target := c.Label
	if c.Field != "" && c.Field != table.LeaveOut && c.Field != table.Village {
		target += " (" + c.Field + ")"
	}
	if target == "" {
		target = "？"
	}
	say("  %s 列“%s” → %s，%s", "  %s (%s) → %s, %s", c.Column, c.Heading, target, HowWords(c.How, lang))
	if c.Times != "" {
		say("，数字乘以 %s", ", numbers times %s", c.Times)
	}
	say("\n", "\n")
}
