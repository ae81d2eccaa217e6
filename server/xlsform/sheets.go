package xlsform

import (
	"context"
	"slices"
	"strings"

	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// line is a row of a sheet: what stands in it by column.
type line struct {
	row   int
	cells map[string]string
}

// languages are the ways in which a column names its language; "" is Chinese.
var languages = map[string]string{"": zh, "中文 (zh)": zh, "中文": zh, "Chinese (zh)": zh, "Chinese": zh, "zh": zh, "English (en)": en, "English": en, "en": en}

// maxLines bounds the rows of one sheet.
const maxLines = 5000

// column gives the name by which we have a column; "" for none.
func column(name string, plain, said []string) string {
	name = strings.TrimSpace(name)
	if slices.Contains(plain, name) {
		return name
	}
	base, lang, _ := strings.Cut(name, "::")
	if suffix := languages[strings.TrimSpace(lang)]; suffix != "" && slices.Contains(said, base) {
		return base + suffix
	}
	return ""
}

// lines reads a sheet. What stands under a column that is none of ours is refused.
func lines(ctx context.Context, s *sheet.Sheet, plain, said []string) ([]line, error) {
	columns, unknown := map[int]string{}, map[int]string{}
	var out []line
	merges, _, err := s.Shape(ctx)
	if err != nil {
		return nil, err
	}
	if len(merges) > 0 {
		return nil, mistake(s.Name, merges[0].Top, "这里有合并的单元格，请取消合并", "cells are merged here; split them")
	}
	err = s.Rows(ctx, nil, func(r *sheet.Row) error {
		if r.Err != nil {
			return r.Err
		}
		if len(columns) == 0 {
			for _, c := range r.Cells {
				name := column(c.Text, plain, said)
				for _, other := range columns {
					if other == name && name != "" {
						return mistake(s.Name, r.N, "列 %q 有两列", "column %q is there twice", c.Text)
					}
				}
				if name == "" {
					unknown[c.Col] = c.Text
				} else {
					columns[c.Col] = name
				}
			}
			if len(columns) == 0 {
				return mistake(s.Name, r.N, "第一行应是列名，如 %s", "the first row has the names of columns, such as %s", plain[0])
			}
			return nil
		}
		l := line{r.N, map[string]string{}}
		for _, c := range r.Cells {
			text := strings.TrimSpace(strings.Join(strings.Fields(c.Text), " "))
			if text == "" {
				continue
			}
			switch name := columns[c.Col]; {
			case c.Kind == sheet.Fault || c.Kind == sheet.Void || c.Kind == sheet.Broken:
				return mistake(s.Name, r.N, "有一格读不出来：%s", "a cell cannot be read: %s", c.Text)
			case name != "":
				l.cells[name] = text
			default:
				head := unknown[c.Col]
				if head == "" {
					return mistake(s.Name, r.N, "%q 上面没有列名", "there is no column name above %q", c.Text)
				}
				return mistake(s.Name, r.N, "列 %q 不支持，请删去这一列", "column %q is not supported; remove it", head)
			}
		}
		if len(l.cells) > 0 {
			out = append(out, l)
		}
		if len(out) > maxLines {
			return mistake(s.Name, r.N, "超过 %d 行", "there are more than %d rows", maxLines)
		}
		return nil
	})
	return out, err
}

// read reads the sheets.
func (w *workbook) read(ctx context.Context, book *sheet.Book) error {
	sheets := map[string]*sheet.Sheet{}
	for _, s := range book.Sheets {
		switch s.Name {
		case survey, choices, settings, exitLines, indicators:
			sheets[s.Name] = s
		default:
			empty := true
			if err := s.Rows(ctx, nil, func(*sheet.Row) error { empty = false; return sheet.ErrStop }); err != nil {
				return err
			}
			if !empty {
				return mistake(s.Name, 0, "不认得这张工作表；可以有 survey、choices、settings、exit_lines、indicators", "this sheet is not known; there may be survey, choices, settings, exit_lines and indicators")
			}
		}
	}
	if len(sheets) == 0 {
		return mistake(book.Sheets[0].Name, 0, "工作簿里没有 survey、choices、settings、exit_lines 或 indicators 工作表", "the workbook has no sheet survey, choices, settings, exit_lines or indicators")
	}
	if (sheets[survey] == nil) != (sheets[settings] == nil) {
		return mistake(survey, 0, "一张表要有 survey 和 settings 两张工作表", "a form needs both sheets, survey and settings")
	}
	if sheets[settings] != nil {
		if err := w.settings(ctx, sheets[settings]); err != nil {
			return err
		}
	}
	if s := sheets[choices]; s != nil {
		if err := w.choices(ctx, s); err != nil {
			return err
		}
	}
	if s := sheets[survey]; s != nil {
		if err := w.survey(ctx, s); err != nil {
			return err
		}
	}
	for name, columns := range map[string][]string{exitLines: {"year", "yuan"}, indicators: {"indicator", "figure", "op", "threshold"}} {
		if s := sheets[name]; s != nil {
			list, err := lines(ctx, s, columns, nil)
			if err != nil {
				return err
			}
			w.rules[name+".csv"] = w.keep(name, columns, list)
		}
	}
	return nil
}

// keep gives the rows as a file, and notes where they stand.
func (w *workbook) keep(name string, columns []string, list []line) []byte {
	rows := [][]string{columns}
	for _, l := range list {
		r := make([]string, len(columns))
		for i, c := range columns {
			r[i] = l.cells[c]
		}
		rows = append(rows, r)
		w.rows[name] = append(w.rows[name], l.row)
	}
	return csvOf(rows)
}

// both gives a text the language that it lacks: that of what it had before, else the other.
func (l *line) both(name string, before form.Label) {
	a, b := l.cells[name+zh], l.cells[name+en]
	switch {
	case a == "" && b == "":
		return
	case a == "":
		a = b
	case b == "":
		if b = a; before.Zh == a && before.En != "" {
			b = before.En
		}
	}
	l.cells[name+zh], l.cells[name+en] = a, b
}

// rest takes what is not said from what was before, column by column.
func (l *line) rest(before map[string]string, columns ...string) {
	for _, c := range columns {
		if l.cells[c] == "" && before[c] != "" {
			l.cells[c] = before[c]
		}
	}
}

// stood gives the rows of a file as it holds now, by the text of a column.
func stood(raw []byte, key ...string) map[string]map[string]string {
	out := map[string]map[string]string{}
	head := headOf(raw)
	for _, r := range table(raw) {
		row := map[string]string{}
		for i, c := range r {
			row[head[i]] = c
		}
		var k []string
		for _, c := range key {
			k = append(k, row[c])
		}
		out[strings.Join(k, " ")] = row
	}
	return out
}

func labelOf(row map[string]string, name string) form.Label {
	return form.Label{Zh: row[name+zh], En: row[name+en]}
}

var settingsColumns = []string{"form_id", "version", "title" + zh, "title" + en, "group", "key", "alike", "titles", "writers", "owners"}

func (w *workbook) settings(ctx context.Context, s *sheet.Sheet) error {
	plain := []string{"form_id", "form_title", "version", "default_language", "group", "key", "alike", "titles", "writers", "owners"}
	list, err := lines(ctx, s, plain, []string{"title"})
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return mistake(settings, 0, "应有且只有一行：form_id 和表的名称", "there is one row: form_id and the form's title")
	}
	l := list[0]
	w.typ = record.Type(l.cells["form_id"])
	before := stood(w.under[settings+".csv"], "form_id")[string(w.typ)]
	if l.cells["title"+zh] == "" {
		l.cells["title"+zh] = l.cells["form_title"]
	}
	l.rest(before, "title"+zh, "group", "key", "alike", "titles", "writers", "owners")
	l.both("title", labelOf(before, "title"))
	l.cells["version"] = "1" // counted up when all is read
	if before == nil {
		l.rest(map[string]string{"group": "daily", "writers": "team_member first_secretary office"}, "group", "writers")
	}
	w.forms[settings+".csv"] = w.keep(settings, settingsColumns, []line{l})
	return nil
}

var choicesColumns = []string{"list_name", "name", "label" + zh, "label" + en, "also", "merge"}

func (w *workbook) choices(ctx context.Context, s *sheet.Sheet) error {
	list, err := lines(ctx, s, []string{"list_name", "name", "also", "merge"}, []string{"label"})
	if err != nil {
		return err
	}
	before := stood(w.under[choices+".csv"], "list_name", "name")
	for i := range list {
		l := &list[i]
		was := before[l.cells["list_name"]+" "+l.cells["name"]]
		l.rest(was, "also", "merge", "label"+zh)
		l.both("label", labelOf(was, "label"))
	}
	w.forms[choices+".csv"] = w.keep(choices, choicesColumns, list)
	return nil
}

var surveyColumns = []string{"type", "name", "label" + zh, "label" + en, "hint" + zh, "hint" + en, "required", "relevant", "constraint",
	"constraint_message" + zh, "constraint_message" + en, "calculation", "merge", "issue", "mask", "hidden", "parameters", "section" + zh, "section" + en}

// aliases are other names of XLSForm's types.
var aliases = map[string]string{"int": "integer", "string": "text", "photo": "image", "select one": "select_one", "select multiple": "select_multiple", "begin group": "begin_group", "end group": "end_group"}

// truths are what XLSForm has for a field that is required, or not.
var truths = map[string]string{"yes": "yes", "true": "yes", "true()": "yes", "TRUE": "yes", "是": "yes", "no": "", "false": "", "false()": "", "FALSE": "", "否": ""}

func (w *workbook) survey(ctx context.Context, s *sheet.Sheet) error {
	plain := []string{"type", "name", "required", "relevant", "constraint", "calculation", "merge", "issue", "mask", "hidden", "parameters"}
	list, err := lines(ctx, s, plain, []string{"label", "hint", "constraint_message", "section"})
	if err != nil {
		return err
	}
	file := string(w.typ) + ".csv"
	before := stood(w.under[file], "name")
	var fields []line
	var group *line
	for _, l := range list {
		typ := l.cells["type"]
		for alias, is := range aliases {
			if rest, ok := strings.CutPrefix(typ, alias); ok && (rest == "" || rest[0] == ' ') {
				typ = is + rest
			}
		}
		if rest, ok := strings.CutSuffix(typ, " or_other"); ok {
			return mistake(survey, l.row, "不支持 or_other，请在清单里加一个“其他”：%q", "or_other is not supported; add a choice for it: %q", rest)
		}
		l.cells["type"] = typ
		switch typ {
		case "begin_group":
			if group != nil {
				return mistake(survey, l.row, "组里面不能再分组", "a group cannot stand in another")
			}
			if l.cells["relevant"] != "" {
				return mistake(survey, l.row, "组不能写 relevant，请写在各个字段上", "a group cannot have relevant; write it at its fields")
			}
			l.both("label", form.Label{})
			group = &l
			continue
		case "end_group":
			if group == nil {
				return mistake(survey, l.row, "没有开始的组", "no group has begun")
			}
			group = nil
			continue
		}
		was := before[l.cells["name"]]
		if is, ok := truths[l.cells["required"]]; ok {
			l.cells["required"] = is
		}
		if group != nil && l.cells["section"+zh] == "" && (len(fields) == 0 || fields[len(fields)-1].row < group.row) {
			l.cells["section"+zh], l.cells["section"+en] = group.cells["label"+zh], group.cells["label"+en]
		}
		for _, name := range []string{"label", "hint", "constraint_message", "section"} {
			l.both(name, labelOf(was, name))
		}
		if was != nil {
			l.rest(was, "merge", "mask", "hidden")
		}
		kind, _, _ := strings.Cut(typ, " ")
		switch {
		case kind == "calculate":
			delete(l.cells, "merge")
		case l.cells["merge"] != "":
		case kind == "select_multiple" || kind == "select_multiple_from_file" || kind == "image":
			l.cells["merge"] = "union"
		default:
			l.cells["merge"] = "latest"
		}
		fields = append(fields, l)
	}
	if group != nil {
		return mistake(survey, group.row, "这个组没有 end_group", "this group has no end_group")
	}
	w.forms[file] = w.keep(survey, surveyColumns, fields)
	if w.old.Form(w.typ) == nil {
		return w.title(fields)
	}
	return nil
}

// title gives a new form that names no titles its first field of text or date, or its first.
func (w *workbook) title(fields []line) error {
	rows := stood(w.forms[settings+".csv"], "form_id")
	row := rows[string(w.typ)]
	if row["titles"] != "" {
		return nil
	}
	for _, l := range fields {
		if t := l.cells["type"]; t == "text" || t == "date" {
			row["titles"] = l.cells["name"]
			break
		}
	}
	if row["titles"] == "" && len(fields) > 0 {
		row["titles"] = fields[0].cells["name"]
	}
	out := make([]string, len(settingsColumns))
	for i, c := range settingsColumns {
		out[i] = row[c]
	}
	w.forms[settings+".csv"] = csvOf([][]string{settingsColumns, out})
	return nil
}
