package form

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"zhucun/shared/record"
)

// The files beside one file per form.
const (
	settingsFile = "settings.csv"
	choicesFile  = "choices.csv"
	headingsFile = "headings.csv"
)

// Load reads the tables of a set: settings.csv with a row for each form,
// choices.csv with the code lists, for each form TYPE.csv with a row for each
// field, and, where there is one, headings.csv. The first mistake ends it, named
// by file and row.
func Load(tables Tables) (*Set, error) {
	s := &content{byType: map[record.Type]*Form{}, lists: map[string]*list{}}
	if err := s.load(tables); err != nil {
		return nil, err
	}
	set := new(Set)
	set.now.Store(s)
	return set, nil
}

func (s *content) load(tables Tables) error {
	if err := s.loadChoices(tables); err != nil {
		return err
	}
	settings, err := readTable(tables, settingsFile, columnsOf[settingsFile])
	if err != nil {
		return err
	}
	// Every type is known before any field refers to one.
	for _, r := range settings.rows {
		f, err := s.newForm(r)
		if err != nil {
			return r.mistake(err)
		}
		s.forms = append(s.forms, f)
		s.byType[f.Type] = f
	}
	for i, f := range s.forms {
		if err := s.loadFields(tables, f); err != nil {
			return err
		}
		if err := f.checkNames(); err != nil {
			return settings.rows[i].mistake(err)
		}
	}
	if err := s.loadHeadings(tables); err != nil {
		return err
	}
	return strays(tables, s)
}

// loadHeadings reads under which headings tables have the fields. One that two fields
// of a form share would say nothing.
func (s *content) loadHeadings(tables Tables) error {
	if _, ok := tables[headingsFile]; !ok {
		return nil
	}
	t, err := readTable(tables, headingsFile, columnsOf[headingsFile])
	if err != nil {
		return err
	}
	taken := map[[2]string]bool{}
	for _, r := range t.rows {
		f := s.byType[record.Type(r.get("form_id"))]
		if f == nil || f.byName[r.get("field")] == nil {
			return r.mistake(wrong("表 %[2]q 没有字段 %[1]q", "no field %[1]q in form %[2]q", r.get("field"), r.get("form_id")))
		}
		fd := f.byName[r.get("field")]
		for _, w := range r.words("also") {
			k := [2]string{string(f.Type), w}
			if taken[k] || slices.ContainsFunc(f.Fields, func(o *Field) bool { return o.Label.Zh == w || o.Label.En == w || o.Name == w }) {
				return r.mistake(wrong("列名 %q 是另一个字段的，或写了两次", "heading %q is that of another field, or there twice", w))
			}
			taken[k] = true
			fd.Also = append(fd.Also, w)
		}
	}
	return nil
}

// strays refuses a file that no setting names: its form would be missing
// without anybody noticing.
func strays(tables Tables, s *content) error {
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if path.Ext(name) != ".csv" || columnsOf[name] != nil {
			continue
		}
		if s.byType[record.Type(strings.TrimSuffix(name, ".csv"))] == nil {
			return mistaken(name, 0, wrong("%s 里没有这张表的一行", "no row in %s names it", settingsFile))
		}
	}
	return nil
}

func (s *content) loadChoices(tables Tables) error {
	t, err := readTable(tables, choicesFile, columnsOf[choicesFile])
	if err != nil {
		return err
	}
	for _, r := range t.rows {
		listName, name := r.get("list_name"), r.get("name")
		if !isName(listName) || !isCode(name) {
			return r.mistake(wrong("list_name %q，name %q：只能用小写字母、数字和 _", "list_name %q, name %q: letters, digits and _ only", listName, name))
		}
		label, err := r.label("label")
		if err != nil {
			return r.mistake(err)
		}
		if m := r.get("merge"); m != "" && m != "review" {
			return r.mistake(wrong("merge：%q 应为空或 review", "merge: %q is neither empty nor review", m))
		}
		l := s.lists[listName]
		if l == nil {
			l = &list{byName: map[string]int{}, byWord: map[string]int{}}
			s.lists[listName] = l
		}
		if _, twice := l.byName[name]; twice {
			return r.mistake(wrong("代码 %q 在清单 %q 里有两次", "code %q twice in list %q", name, listName))
		}
		i := len(l.choices)
		l.byName[name] = i
		l.choices = append(l.choices, Choice{name, label, r.get("merge") == "review"})
		for _, w := range append(strings.Fields(r.get("also")), name, label.Zh, label.En) {
			w = fold(w)
			if j, taken := l.byWord[w]; taken && j != i {
				l.byWord[w] = -1
			} else {
				l.byWord[w] = i
			}
		}
	}
	return nil
}

func (s *content) newForm(r *row) (*Form, error) {
	id := r.get("form_id")
	if !isName(id) || columnsOf[id+".csv"] != nil {
		return nil, wrong("form_id %q 不能作表名：小写字母开头，只用小写字母、数字和 _", "form_id %q cannot name a form", id)
	}
	if s.byType[record.Type(id)] != nil {
		return nil, wrong("表 %q 有两行", "form %q twice", id)
	}
	version, err := strconv.ParseUint(r.get("version"), 10, 64)
	if err != nil || version == 0 {
		return nil, wrong("version：%q 不是从 1 起的数", "version: %q is not a number from 1", r.get("version"))
	}
	title, err := r.label("title")
	if err != nil {
		return nil, err
	}
	groups := s.lists["form_group"]
	if groups == nil {
		return nil, wrong("group：没有清单 form_group", "group: no list form_group")
	}
	group, ok := groups.byName[r.get("group")]
	if !ok {
		return nil, wrong("group：没有代码 %q", "group: unknown code %q", r.get("group"))
	}
	f := &Form{
		Type: record.Type(id), Version: version, Title: title, Group: groups.choices[group],
		Key: r.words("key"), Titles: r.words("titles"), Writers: r.words("writers"), Owners: r.words("owners"),
		byName: map[string]*Field{},
	}
	if i := slices.Index(f.Key, "_author"); i >= 0 {
		f.Authored, f.Key = true, slices.Delete(f.Key, i, i+1)
	}
	for set := range strings.SplitSeq(r.get("alike"), "|") {
		if names := strings.Fields(set); len(names) > 0 {
			f.Alike = append(f.Alike, names)
		}
	}
	if len(f.Titles) == 0 || len(f.Writers) == 0 {
		return nil, wrong("titles 和 writers 不能为空", "titles and writers must not be empty")
	}
	for _, o := range f.Owners {
		if !slices.Contains(f.Writers, o) {
			return nil, wrong("owners：%q 不在 writers 之中", "owners: %q is not among the writers", o)
		}
	}
	return f, s.checkRoles("writers", f.Writers)
}

// checkRoles finds roles in the list of that name.
func (s *content) checkRoles(column string, names []string) error {
	roles := s.lists[roleList]
	for _, name := range names {
		if roles == nil {
			return wrong("%s：没有清单 role", "%s: no list role", column)
		}
		if _, ok := roles.byName[name]; !ok {
			return wrong("%s：没有角色 %q", "%s: unknown role %q", column, name)
		}
	}
	return nil
}

// checkNames finds the fields that the settings name.
func (f *Form) checkNames() error {
	for _, names := range append([][]string{f.Key, f.Titles}, f.Alike...) {
		for _, name := range names {
			if f.byName[name] == nil {
				return wrong("没有字段 %q", "unknown field %q", name)
			}
		}
	}
	return nil
}

// columnsOf are the columns of the files beside the forms' own.
var columnsOf = map[string][]string{
	settingsFile: {"form_id", "version", "title::中文 (zh)", "title::English (en)", "group", "key", "alike", "titles", "writers", "owners"},
	choicesFile:  {"list_name", "name", "label::中文 (zh)", "label::English (en)", "also", "merge"},
	headingsFile: {"form_id", "field", "also"},
}

var fieldColumns = []string{"type", "name", "label::中文 (zh)", "label::English (en)", "hint::中文 (zh)", "hint::English (en)", "required",
	"relevant", "constraint", "constraint_message::中文 (zh)", "constraint_message::English (en)", "calculation", "merge", "issue", "mask", "hidden",
	"parameters", "section::中文 (zh)", "section::English (en)"}

func (s *content) loadFields(tables Tables, f *Form) error {
	t, err := readTable(tables, string(f.Type)+".csv", fieldColumns)
	if err != nil {
		return err
	}
	for _, r := range t.rows {
		fd, err := s.newField(r)
		switch {
		case err != nil:
		case f.byName[fd.Name] != nil:
			err = wrong("字段 %q 有两行", "field %q twice", fd.Name)
		case fd.Policy == Owner && len(f.Owners) == 0:
			err = wrong("merge：是 owner，但 %s 没有写这张表的 owners", "merge: owner, but %s names no owners of the form", settingsFile)
		}
		if err != nil {
			return r.mistake(err)
		}
		f.byName[fd.Name] = fd
		f.Fields = append(f.Fields, fd)
	}
	if len(f.Fields) == 0 {
		return mistaken(t.file, 0, wrong("没有字段", "no field"))
	}
	for i, r := range t.rows {
		if err := f.compile(f.Fields[i], i, r); err != nil {
			return r.mistake(err)
		}
		f.Fields[i].prepare()
	}
	return nil
}

func (s *content) newField(r *row) (*Field, error) {
	fd := &Field{Name: r.get("name"), Row: r.line, Masked: r.get("mask") == "yes", Hidden: r.words("hidden")}
	if !isName(fd.Name) {
		return nil, wrong("name %q：小写字母开头，只用小写字母、数字和 _", "name %q: a small letter, then small letters, digits and _", fd.Name)
	}
	word, rest, _ := strings.Cut(r.get("type"), " ")
	k := slices.Index(kinds[:], word)
	if k < 0 {
		return nil, wrong("没有类型 %q", "unknown type %q", word)
	}
	switch fd.Kind = Kind(k); fd.Kind {
	case SelectOne, SelectMultiple:
		fd.List = rest
		if fd.list = s.lists[rest]; fd.list == nil {
			return nil, wrong("%[2]s 里没有清单 %[1]q", "no list %[1]q in %[2]s", rest, choicesFile)
		}
		fd.Choices = fd.list.choices
	case RefOne, RefMultiple:
		name, ok := strings.CutSuffix(rest, ".csv")
		fd.Refers = record.Type(name)
		if !ok || s.byType[fd.Refers] == nil {
			return nil, wrong("%q 不是一张表的文件", "%q does not name a form's file", rest)
		}
	default:
		if rest != "" {
			return nil, wrong("类型 %q 后面跟着 %q", "type %q followed by %q", word, rest)
		}
	}
	var err error
	if fd.Label, err = r.label("label"); err != nil {
		return nil, err
	}
	if r.get("hint::中文 (zh)")+r.get("hint::English (en)") != "" {
		if fd.Hint, err = r.label("hint"); err != nil {
			return nil, err
		}
	}
	if r.get("section::中文 (zh)")+r.get("section::English (en)") != "" {
		if fd.Section, err = r.label("section"); err != nil {
			return nil, err
		}
	}
	if r.get("constraint") != "" {
		if fd.Message, err = r.label("constraint_message"); err != nil {
			return nil, err
		}
	}
	if m := r.get("mask"); m != "" && m != "yes" {
		return nil, wrong("mask：%q 应为空或 yes", "mask: %q is neither empty nor yes", m)
	}
	switch m := r.get("parameters"); {
	case m == "":
	case m == "location=yes" && fd.Kind == Image:
		fd.Placed = true
	case m == "offline=yes" && fd.Kind == Image:
		fd.Offline = true
	case m == "receipt=yes" && fd.Kind == Text && r.get("merge") == "union":
		fd.Receipt = true
	default:
		return nil, wrong("parameters：%q；照片可以写 location=yes 或 offline=yes，union 的文字可以写 receipt=yes，其他都不写", "parameters: %q; an image may have location=yes or offline=yes, a text under union receipt=yes", m)
	}
	if err := s.checkRoles("hidden", fd.Hidden); err != nil {
		return nil, err
	}
	if fd.Kind == Calculate {
		if r.get("merge") != "" || r.get("required") != "" || r.get("calculation") == "" {
			return nil, wrong("calculate 字段要有 calculation，不写 merge，也不能必填", "a calculate field has a calculation, no merge, and is never required")
		}
		return fd, nil
	}
	if fd.Policy, err = ParsePolicy(r.get("merge")); err != nil {
		return nil, err
	}
	if fd.Policy == Union && !fd.Many() {
		return nil, wrong("merge：union 不能用于 %s", "merge: union does not go with %s", fd.Kind)
	}
	if fd.Policy == Max && fd.Kind != Integer && fd.Kind != Decimal && fd.Kind != SelectOne {
		return nil, wrong("merge：max 不能用于 %s", "merge: max does not go with %s", fd.Kind)
	}
	return fd, nil
}

// compile parses the expressions of field i.
func (f *Form) compile(fd *Field, i int, r *row) error {
	known := func(name string) bool { return f.byName[name] != nil }
	// A calculated value exists for those below it only.
	earlier := func(name string) bool {
		return known(name) && (f.byName[name].Kind != Calculate || slices.Index(f.Fields, f.byName[name]) < i)
	}
	for _, c := range []struct {
		column string
		into   **Expr
		known  func(string) bool
	}{
		{"relevant", &fd.Relevant, known},
		{"constraint", &fd.Constraint, known},
		{"calculation", &fd.Calculation, earlier},
		{"issue", &fd.Issue, known},
		{"required", &fd.RequiredWhen, known},
	} {
		source := r.get(c.column)
		if c.column == "required" && (source == "yes" || source == "") {
			fd.Required = source == "yes"
			continue
		}
		if source == "" {
			continue
		}
		e, err := parse(source, c.known)
		if err != nil {
			return in(c.column, err)
		}
		*c.into = e
	}
	fd.Required = fd.Required || fd.RequiredWhen != nil
	return nil
}

// prepare makes what Check would otherwise make for every record.
func (fd *Field) prepare() {
	fd.numbered = strings.Contains(fd.Constraint.String(), "id_number(.)")
	fd.missing = Label{fd.Label.Zh + "：必填，还没有填", fd.Label.En + ": required, not answered yet"}
	fd.off = Label{fd.Label.Zh + "：按其他答案不应填写", fd.Label.En + ": answered, though other answers rule it out"}
	fd.broken = Label{fd.Label.Zh + "：" + fd.Message.In(Zh), fd.Label.En + ": " + fd.Message.In(En)}
	fd.unreadable = Label{fd.Label.Zh + "：内容读不出来，请重新填写", fd.Label.En + ": the value cannot be read; enter it again"}
}

// table is a CSV file with a header.
type table struct {
	file string
	rows []*row
}

type row struct {
	file  string
	line  int
	cells map[string]string
}

// readTable reads a CSV file whose columns may come in any order and be
// missing, but not be others than columns.
func readTable(tables Tables, file string, columns []string) (*table, error) {
	raw, ok := tables[file]
	if !ok {
		return nil, mistaken(file, 0, wrong("缺这个文件", "it is missing"))
	}
	if !utf8.Valid(raw) {
		return nil, mistaken(file, 0, wrong("不是 UTF-8 编码", "not UTF-8"))
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	header, err := r.Read()
	if err != nil {
		return nil, mistaken(file, 1, err)
	}
	for i, h := range header {
		if !slices.Contains(columns, h) || slices.Index(header, h) != i {
			return nil, mistaken(file, 1, wrong("列 %q 不认得，或有两列", "column %q is unknown or there twice", clip(h)))
		}
	}
	t := &table{file: file}
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return t, nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, mistaken(file, bad.StartLine, bad.Err)
		}
		if err != nil {
			return nil, mistaken(file, 0, err)
		}
		line, _ := r.FieldPos(0)
		x := &row{file, line, make(map[string]string, len(cells))}
		for i, c := range cells {
			x.cells[header[i]] = strings.TrimSpace(c)
		}
		t.rows = append(t.rows, x)
	}
}

func (r *row) get(column string) string     { return r.cells[column] }
func (r *row) words(column string) []string { return strings.Fields(r.cells[column]) }
func (r *row) mistake(err error) error      { return mistaken(r.file, r.line, err) }

// label reads a text in both languages; neither may be missing.
func (r *row) label(column string) (Label, error) {
	l := Label{r.get(column + "::中文 (zh)"), r.get(column + "::English (en)")}
	if l.Zh == "" || l.En == "" {
		return l, wrong("%s：中文和英文都要写", "%s: both languages are needed", column)
	}
	return l, nil
}

// isName tells what may name a field, form or list: it goes into paths and
// file names.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (i == 0 || !isDigit(c) && c != '_') {
			return false
		}
	}
	return s != "" && len(s) <= 60
}

// isCode tells what may be a code: a name, or one that begins with a digit.
func isCode(s string) bool { return isName("x"+s) && s != "" }
