package inbox

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zhucun/shared/form"
	"zhucun/shared/sheet"
)

// Told writes what came of every row of a table into a workbook.
type Told struct {
	to   io.Writer
	w    *sheet.Writer
	lang form.Lang
	err  error
}

// results are what came of a row, in words.
var results = map[string]form.Label{
	IsNew:     {Zh: "新增", En: "new"},
	IsChanged: {Zh: "修改", En: "changed"},
	IsSame:    {Zh: "没有变化", En: "unchanged"},
	IsSince:   {Zh: "后来改过，没有再收", En: "changed since, not taken again"},
	IsBad:     {Zh: "未收", En: "not taken"},
	IsPassed:  {Zh: "不是记录", En: "no record"},
}

// ResultWords says what came of a row.
func ResultWords(is string, lang form.Lang) string { return results[is].In(lang) }

// NewTold begins a report.
func NewTold(to io.Writer, lang form.Lang) *Told { return &Told{to: to, lang: lang} }

// Head names the columns of what Row is given; it comes first.
func (t *Told) Head(shown []string) {
	widths := []int{8, 12, 60}
	head := []string{
		form.Label{Zh: "行号", En: "Row"}.In(t.lang), form.Label{Zh: "结果", En: "Result"}.In(t.lang), form.Label{Zh: "说明", En: "Why"}.In(t.lang),
	}
	for _, h := range shown {
		widths, head = append(widths, 16), append(head, h)
	}
	t.w, t.err = sheet.NewWriter(t.to, form.Label{Zh: "导入结果", En: "Import"}.In(t.lang), widths, head)
}

// Row tells of one row. What goes wrong with the report is told by Close: it is no
// reason not to take a row.
func (t *Told) Row(o Outcome) {
	if t.err != nil || t.w == nil {
		return
	}
	t.err = t.w.Row(append([]string{strconv.Itoa(o.Row), results[o.Is].In(t.lang), o.Text}, o.Cells...)...)
}

// Close ends the report; there says that it has any rows at all.
func (t *Told) Close() (there bool, err error) {
	if t.w == nil {
		return false, t.err
	}
	if t.err == nil {
		t.err = t.w.Close()
	}
	return true, t.err
}

// ToldFile is a report in a file of a name of its own, which nobody sees before Keep
// gives it its name.
type ToldFile struct {
	*Told
	f *os.File
}

// NewToldFile begins a report in a folder.
func NewToldFile(dir string, lang form.Lang) (*ToldFile, error) {
	f, err := os.CreateTemp(dir, ".report-*.xlsx")
	if err != nil {
		return nil, err
	}
	return &ToldFile{NewTold(f, lang), f}, nil
}

// Keep ends the report and puts it beside the file that it is about, under a name that
// is free. Without rows there is none, and the name is empty.
func (t *ToldFile) Keep(beside string) (name string, err error) {
	defer t.Drop()
	there, err := t.Close()
	if cerr := t.f.Close(); err == nil {
		err = cerr
	}
	if err != nil || !there {
		return "", err
	}
	dir, base := filepath.Split(beside)
	end := ReportEnd(t.lang)
	name, err = free(filepath.Clean(dir+"."), cut(strings.TrimSuffix(base, filepath.Ext(base)), maxName-len(end)-len(".txt")-4)+end)
	if err != nil {
		return "", err
	}
	return name, os.Rename(t.f.Name(), name)
}

// Drop throws the report away.
func (t *ToldFile) Drop() {
	t.f.Close()
	os.Remove(t.f.Name())
}

// ReportEnd is what a report's name has behind that of the file that it is about.
func ReportEnd(lang form.Lang) string {
	return form.Label{Zh: "-导入结果.xlsx", En: "-import.xlsx"}.In(lang)
}
