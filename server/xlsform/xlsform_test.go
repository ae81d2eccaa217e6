package xlsform

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"zhucun/shared/edition"
	"zhucun/shared/form"
)

// book makes a workbook of sheets, each a name and its rows.
func book(t *testing.T, pages ...page) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, pages); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

func read(t *testing.T, now *edition.Edition, pages ...page) (*Draft, error) {
	t.Helper()
	r := book(t, pages...)
	return Read(t.Context(), r, r.Size(), now, []*edition.Edition{now})
}

var none = &edition.Edition{}

// Every form, and the rules, written and read again, are as they were.
func TestWrittenAndRead(t *testing.T) {
	for _, f := range form.Builtin().Forms() {
		var b bytes.Buffer
		if ok, err := WriteForm(&b, none, f.Type); err != nil || !ok {
			t.Fatal(f.Type, ok, err)
		}
		d, err := Read(t.Context(), bytes.NewReader(b.Bytes()), int64(b.Len()), none, nil)
		if err != nil || !d.Empty() || d.Type != f.Type {
			t.Errorf("%s: %+v, %v", f.Type, d, err)
		}
	}
	var b bytes.Buffer
	if err := WriteRules(&b, none); err != nil {
		t.Fatal(err)
	}
	if d, err := Read(t.Context(), bytes.NewReader(b.Bytes()), int64(b.Len()), none, nil); err != nil || !d.Empty() {
		t.Errorf("rules: %+v, %v", d, err)
	}
}

// pagesOf are the sheets of a form as they would be downloaded.
func pagesOf(t *testing.T, e *edition.Edition, typ string) []page {
	t.Helper()
	tables, err := form.BuiltinTables().With(e.Forms)
	if err != nil {
		t.Fatal(err)
	}
	return []page{{survey, rows(tables[typ+".csv"], nil)}, {settings, rows(tables[settings+".csv"], func(r []string) bool { return r[0] == typ })}}
}

// set puts a cell, and row adds one.
func (p page) set(name, column, value string) {
	at := -1
	for i, c := range p.rows[0] {
		if c == column {
			at = i
		}
	}
	for _, r := range p.rows[1:] {
		for _, c := range r {
			if c == name {
				r[at] = value
				return
			}
		}
	}
	panic("no row " + name)
}

func (p *page) row(cells map[string]string) {
	r := make([]string, len(p.rows[0]))
	for i, c := range p.rows[0] {
		r[i] = cells[c]
	}
	p.rows = append(p.rows, r)
}

// An office adds a question with a code list of its own, changes a label and a rule: the
// draft says so, the version is counted up, and published it holds.
func TestDraft(t *testing.T) {
	pages := pagesOf(t, none, "visit")
	pages[0].set("promised", "label"+zh, "承诺事项")
	pages[0].set("promised", "constraint", "string-length(.) <= 300")
	pages[0].row(map[string]string{"type": "select_one crop", "name": "crop", "label" + zh: "主要作物"})
	pages = append(pages, page{choices, [][]string{{"list_name", "name", "label"}, {"crop", "rice", "水稻"}, {"crop", "tea", "茶叶"}}})
	d, err := read(t, none, pages...)
	if err != nil || d.Refused() {
		t.Fatal(d, err)
	}
	var got []string
	for _, x := range d.Differences {
		got = append(got, string(x.Type)+"."+x.Field+x.List+"."+x.Code+x.Column+": "+x.Before+" > "+x.After)
	}
	want := []string{"visit.promised.label::中文 (zh): 答应办的事 > 承诺事项", "visit.promised.constraint: string-length(.) <= 200 > string-length(.) <= 300",
		"visit.crop.:  > 主要作物", ".crop.rice:  > 水稻", ".crop.tea:  > 茶叶"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("differences:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	set, _, err := d.Edition.Load()
	if err != nil {
		t.Fatal(err)
	}
	crop := set.Form("visit").Field("crop")
	if d.Edition.Number != 1 || set.Form("visit").Version != form.Builtin().Form("visit").Version+1 || set.Form("household").Version != form.Builtin().Form("household").Version ||
		crop.Policy != form.Latest || crop.Label.En != "主要作物" || set.Form("visit").Field("promised").Label.En != "Promised" {
		t.Errorf("%+v, version %d", crop, set.Form("visit").Version)
	}

	// The next edition is over it, and a list that two forms use counts both up.
	d2, err := read(t, d.Edition, page{choices, [][]string{{"list_name", "name", "label"}, {"crop", "rice", "水稻"}, {"crop", "tea", "茶叶"}, {"crop", "maize", "玉米"}}})
	if err != nil || len(d2.Differences) != 1 || d2.Edition.Number != 2 {
		t.Fatalf("%+v, %v", d2, err)
	}
	set, _, err = d2.Edition.Load()
	if err != nil || set.Form("visit").Version != form.Builtin().Form("visit").Version+2 || set.Form("visit").Field("crop") == nil {
		t.Errorf("%v, version %d", err, set.Form("visit").Version)
	}

	// A field that the office added may go, and not come back as another kind.
	pages = pagesOf(t, none, "visit")
	d3, err := read(t, d2.Edition, pages...)
	if err != nil || d3.Refused() {
		t.Fatalf("%+v, %v", d3, err)
	}
	pages[0].row(map[string]string{"type": "integer", "name": "crop", "label": "几种作物", "label" + zh: "几种作物"})
	r := book(t, pages...)
	d4, err := Read(t.Context(), r, r.Size(), d3.Edition, []*edition.Edition{d.Edition, d2.Edition, d3.Edition})
	if err != nil || !d4.Refused() {
		t.Errorf("a number under the name of a choice: %+v, %v", d4, err)
	}
}

// A form that there was not.
func TestNewForm(t *testing.T) {
	d, err := read(t, none, page{survey, [][]string{{"type", "name", "label", "required"},
		{"begin_group", "", "基本情况", ""}, {"date", "day", "日期", "true"}, {"select_one_from_file household.csv", "household", "户", ""}, {"end_group", "", "", ""},
		{"begin_group", "", "其他", ""}, {"text", "note", "说明", ""}, {"end_group", "", "", ""}}},
		page{settings, [][]string{{"form_id", "form_title"}, {"flood", "汛情巡查"}}})
	if err != nil || d.Refused() || d.Type != "flood" {
		t.Fatal(d, err)
	}
	set, _, err := d.Edition.Load()
	if err != nil {
		t.Fatal(err)
	}
	f := set.Form("flood")
	if f.Title.Zh != "汛情巡查" || len(f.Fields) != 3 || !f.Field("day").Required || f.Field("day").Section.Zh != "基本情况" || f.Field("household").Section.Zh != "" ||
		f.Field("note").Section.Zh != "其他" || f.Titles[0] != "day" || !f.MayWrite("team_member") || f.Version != 1 {
		t.Errorf("%+v", f)
	}
}

// What cannot be is said, with the reason.
func TestRefused(t *testing.T) {
	for _, tt := range []struct{ name, field, column, value, why string }{
		{"kind", "findings", "type", "integer", "cannot become another kind"},
		{"renamed", "findings", "name", "finding", "it stays"},
		{"policy", "visitors", "merge", "latest", "cannot be changed"},
	} {
		pages := pagesOf(t, none, "visit")
		pages[0].set(tt.field, tt.column, tt.value)
		if tt.name == "kind" {
			pages[0].set(tt.field, "constraint", "")
			pages[0].set(tt.field, "merge", "latest")
		}
		d, err := read(t, none, pages...)
		if err != nil || !d.Refused() {
			t.Errorf("%s: %+v, %v", tt.name, d, err)
			continue
		}
		said := false
		for _, x := range d.Differences {
			said = said || strings.Contains(x.Refused.En, tt.why)
		}
		if !said {
			t.Errorf("%s: %+v", tt.name, d.Differences)
		}
	}
	person := pagesOf(t, none, "person")
	for i, r := range person[0].rows {
		if i > 0 && r[1] == "id_number" {
			person[0].set("id_number", "hidden", "team_member")
		}
	}
	if d, err := read(t, none, person...); err != nil || d.Empty() {
		t.Errorf("hidden from more: %+v, %v", d, err)
	}
	if d, err := read(t, none, page{choices, [][]string{{"list_name", "name", "label"}, {"yes_no", "yes", "是"}}}); err != nil || !d.Refused() {
		t.Errorf("a code that reports read: %+v, %v", d, err)
	}
	if d, err := read(t, none, page{choices, [][]string{{"list_name", "name", "label"}, {"role", "king", "王"}}}); err == nil && !d.Refused() {
		t.Errorf("a role: %+v, %v", d, err)
	}
}

// Each mistake is told by sheet and row, in both languages.
func TestMistakes(t *testing.T) {
	ok := page{settings, [][]string{{"form_id", "form_title"}, {"flood", "汛情"}}}
	for _, tt := range []struct {
		name  string
		pages []page
		want  string
	}{
		{"no sheet", []page{{"Tabelle1", [][]string{{"a"}}}}, "Tabelle1: this sheet is not known"},
		{"no settings", []page{{survey, [][]string{{"type", "name", "label"}}}}, "survey: a form needs both"},
		{"unknown type", []page{{survey, [][]string{{"type", "name", "label"}, {"text", "a", "甲"}, {}, {"barcode", "b", "乙"}}}, ok}, `survey row 4: unknown type "barcode"`},
		{"repeat", []page{{survey, [][]string{{"type", "name", "label"}, {"begin_repeat", "a", "甲"}}}, ok}, `survey row 2: unknown type "begin_repeat"`},
		{"column", []page{{survey, [][]string{{"type", "name", "label", "appearance"}, {"text", "a", "甲", "multiline"}}}, ok}, `survey row 2: column "appearance" is not supported`},
		{"expression", []page{{survey, [][]string{{"type", "name", "label", "relevant"}, {"text", "a", "甲", "${b} = 1"}}}, ok}, `survey row 2: relevant: unknown field ${b}`},
		{"function", []page{{survey, [][]string{{"type", "name", "label", "relevant"}, {"text", "a", "甲", "indexed-repeat(1)"}}}, ok}, `survey row 2: relevant: function "indexed-repeat" is not in the subset`},
		{"group in group", []page{{survey, [][]string{{"type", "name", "label"}, {"begin_group", "a", "甲"}, {"begin_group", "b", "乙"}}}, ok}, `survey row 3: a group cannot stand`},
		{"open group", []page{{survey, [][]string{{"type", "name", "label"}, {"begin_group", "a", "甲"}, {"text", "b", "乙"}}}, ok}, `survey row 2: this group has no end_group`},
		{"or_other", []page{{survey, [][]string{{"type", "name", "label"}, {"select_one yes_no or_other", "a", "甲"}}}, ok}, `survey row 2: or_other is not supported`},
		{"no list", []page{{survey, [][]string{{"type", "name", "label"}, {"select_one crop", "a", "甲"}}}, ok}, `survey row 2: no list "crop"`},
		{"no label", []page{{survey, [][]string{{"type", "name", "label"}, {"text", "a", ""}}}, ok}, `survey row 2: label: both languages`},
		{"code", []page{{choices, [][]string{{"list_name", "name", "label"}, {"crop", "rice", "稻"}, {}, {"crop", "rice", "茶"}}}}, `choices row 4: code "rice" twice in list "crop"`},
		{"settings", []page{{survey, [][]string{{"type", "name", "label"}, {"text", "a", "甲"}}}, {settings, [][]string{{"form_id", "form_title"}, {}, {"Flood", "汛情"}}}}, `settings row 3: form_id "Flood" cannot name`},
		{"two settings", []page{{survey, [][]string{{"type", "name", "label"}}}, {settings, [][]string{{"form_id"}, {"a"}, {"b"}}}}, `settings: there is one row`},
		{"line", []page{{exitLines, [][]string{{"year", "yuan"}, {"2016", "3146"}, {"2015", "3000"}}}}, `exit_lines row 3: year "2015"`},
		{"threshold", []page{{indicators, [][]string{{"indicator", "figure", "op", "threshold"}, {"n1", "headcount", "<", "2"}}}}, `indicators row 2: "<" is neither`},
		{"figure", []page{{indicators, [][]string{{"indicator", "figure", "op", "threshold"}, {"n1", "happiness", "<=", "2"}}}}, `indicators row 2: no figure "happiness"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := read(t, none, tt.pages...)
			var m *form.Mistake
			if !errors.As(err, &m) || !strings.HasPrefix(m.Error(), tt.want) || m.What.Zh == "" {
				t.Errorf("%+v, %v; want %s", d, err, tt.want)
			}
		})
	}
	// What a spreadsheet program writes, with merged cells.
	f := excelize.NewFile()
	defer f.Close()
	if err := errors.Join(f.SetSheetName("Sheet1", survey), f.MergeCell(survey, "A2", "B3")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := errors.Join(f.SetCellStr(survey, "A1", "type"), f.SetCellStr(survey, "A2", "text")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.NewSheet(settings); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.SetCellStr(settings, "A1", "form_id"), f.SetCellStr(settings, "A2", "flood"), f.Write(&b)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), bytes.NewReader(b.Bytes()), int64(b.Len()), none, nil); err == nil || !strings.Contains(err.Error(), "merged") {
		t.Errorf("merged cells: %v", err)
	}
}

// Whatever comes, it is a draft or one sentence.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if _, err := WriteForm(&b, none, "visit"); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("type,name,label\ntext,a,甲\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Read(t.Context(), bytes.NewReader(raw), int64(len(raw)), none, nil)
		if err == nil {
			if _, _, err := d.Edition.Load(); err != nil {
				t.Error(err)
			}
		}
	})
}

// What is masked or hidden is opened by no edition: not by another cell, not by a field that
// copies it, not by one that goes and would come back, nor by a form that is left out. What
// the program itself works out of an ID number may be.
func TestNothingOpened(t *testing.T) {
	refused := func(name string, d *Draft, err error, want bool) {
		t.Helper()
		if err != nil || d.Refused() != want {
			t.Errorf("%s: refused %v, want %v; %v", name, !want, want, err)
		}
	}
	for _, tt := range []struct {
		name    string
		field   map[string]string
		refused bool
	}{
		{"copy", map[string]string{"type": "text", "calculation": "${id_number}"}, true},
		{"copy with blanks", map[string]string{"type": "text", "calculation": "coalesce( ${ id_number } , '')"}, true},
		{"number", map[string]string{"type": "calculate", "calculation": "number(${id_number})"}, true},
		{"illness", map[string]string{"type": "calculate", "calculation": "if(selected(${health}, 'disabled'), 1, 0)"}, true},
		{"masked, not hidden", map[string]string{"type": "text", "calculation": "${id_number}", "mask": "yes"}, true},
		{"masked and hidden", map[string]string{"type": "text", "calculation": "${id_number}", "mask": "yes", "hidden": "inspector sponsor_unit"}, false},
		{"illness, hidden", map[string]string{"type": "calculate", "calculation": "if(selected(${health}, 'disabled'), 1, 0)", "hidden": "inspector"}, false},
		{"age", map[string]string{"type": "calculate", "calculation": "age(id_birth_date(${id_number}))"}, false},
	} {
		person := pagesOf(t, none, "person")
		tt.field["name"], tt.field["label"+zh], tt.field["label"+en] = "copy", "抄", "Copy"
		person[0].row(tt.field)
		d, err := read(t, none, person...)
		refused(tt.name, d, err, tt.refused)
	}

	pages := pagesOf(t, none, "person")
	pages[0].row(map[string]string{"type": "text", "name": "secret", "label" + zh: "密", "mask": "yes", "hidden": "team_member"})
	one, err := read(t, none, pages...)
	refused("a masked field", one, err, false)
	check := func(name, from, to string) {
		t.Helper()
		next, err := one.Edition.Next(form.Tables{"person.csv": bytes.Replace(one.Edition.Forms["person.csv"], []byte(from), []byte(to), 1)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Check(next, one.Edition, []*edition.Edition{one.Edition})
		refused(name, d, err, true)
	}
	check("unmasked", ",yes,team_member", ",,team_member")
	check("unhidden", ",yes,team_member", ",yes,")
	d, err := read(t, one.Edition, pagesOf(t, none, "person")...)
	refused("gone", d, err, true)

	flood, err := read(t, none, page{survey, [][]string{{"type", "name", "label"}, {"text", "note", "说明"}}}, page{settings, [][]string{{"form_id", "form_title"}, {"flood", "汛情巡查"}}})
	refused("a form", flood, err, false)
	d, err = Check(&edition.Edition{Number: 2, Rules: map[string][]byte{"exit_lines.csv": []byte("year,yuan\n2016,1\n")}}, flood.Edition, []*edition.Edition{flood.Edition})
	refused("a form that is left out", d, err, true)
}
