package web

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"zhucun/server/xlsform"
)

// edited is the form of visits as somebody would upload it who has changed cells: what
// stands in one, or in two beside each other with | between, and what is to stand there.
func edited(t *testing.T, f *fixture, changes map[string]string) []byte {
	t.Helper()
	e, err := f.store.Edition(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := xlsform.WriteForm(&b, e, "visit"); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows("survey")
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for from, to := range changes {
		was, is := strings.Split(from, "|"), strings.Split(to, "|")
		for n, r := range rows {
			for i := range r {
				if len(r) < i+len(was) || !slices.Equal(r[i:i+len(was)], was) {
					continue
				}
				for k, text := range is {
					at, err := excelize.CoordinatesToCellName(i+k+1, n+1)
					if err != nil {
						t.Fatal(err)
					}
					if err := book.SetCellStr("survey", at, text); err != nil {
						t.Fatal(err)
					}
				}
				done++
			}
		}
	}
	if done < len(changes) {
		t.Fatalf("%d of %d cells are there", done, len(changes))
	}
	var out bytes.Buffer
	if err := book.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var editionField = regexp.MustCompile(`name="edition" value="([^"]+)"`)

// The office downloads a form, edits it, sees what would change and publishes it; of two
// who do so the second is told. What cannot be, or is no form, publishes nothing.
func TestPublish(t *testing.T) {
	f := newFixture(t, small...)
	v := f.as("office")
	look := func(file []byte) answer { return v.uploadTo(formsPath+"/look", v.get(formsPath).token(), file) }
	numbered := func(want uint64) {
		t.Helper()
		if e, err := f.store.Edition(t.Context()); err != nil || e.Number != want {
			t.Fatalf("edition %d, %v; want %d", e.Number, err, want)
		}
	}
	got := v.get("/forms/visit/workbook")
	if book, err := excelize.OpenReader(strings.NewReader(got.body)); err != nil || got.header.Get("Content-Disposition") != `attachment; filename="visit.xlsx"` {
		t.Fatalf("the download: %v %v", err, got.header)
	} else if book.Close(); !slices.Equal(book.GetSheetList(), []string{"survey", "choices", "settings"}) {
		t.Errorf("sheets %v", book.GetSheetList())
	}
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "请先选一个 .xlsx 文件"},
		{"no workbook", []byte("%PDF-1.4"), "这不是 .xlsx 或 .csv 表格"},
		{"as it is", []byte(got.body), "和现在的一样"},
		{"unknown type", edited(t, f, map[string]string{"date|follow_up": "barcode|follow_up"}), `survey 表第 11 行：没有类型 &#34;barcode&#34;`},
	} {
		if a := look(tt.file); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: %d, without %s:\n%s", tt.name, a.status, tt.want, a.body)
		}
	}
	bad := look(edited(t, f, map[string]string{"date|follow_up": "text|follow_up"}))
	if bad.status != http.StatusOK || !strings.Contains(bad.body, "已有的字段不能换类型") || editionField.MatchString(bad.body) {
		t.Errorf("another kind of answer: %d\n%s", bad.status, bad.body)
	}
	good := look(edited(t, f, map[string]string{"答应办的事": "承诺事项"}))
	m := editionField.FindStringSubmatch(good.body)
	if m == nil || !strings.Contains(good.body, "承诺事项") || !strings.Contains(good.body, "答应办的事") {
		t.Fatalf("%d\n%s", good.status, good.body)
	}
	numbered(0)
	for _, edition := range []string{"", "AAAA", m[1] + "AA", "%%"} {
		if a := v.post("/forms/publish", good, url.Values{"edition": {edition}}); a.status < 400 || a.status >= 500 {
			t.Errorf("an edition %.20q: %d", edition, a.status)
		}
	}
	numbered(0)
	a := v.post("/forms/publish", good, url.Values{"edition": {m[1]}, "note": {"改名"}})
	if a.path != formsPath || !strings.Contains(a.body, "改名") || !strings.Contains(a.body, "第 1 次") {
		t.Errorf("published: %s\n%s", a.path, a.body)
	}
	numbered(1)
	if late := v.post("/forms/publish", good, url.Values{"edition": {m[1]}}); late.status != http.StatusConflict || !strings.Contains(late.body, "您的没有发布") {
		t.Errorf("the second: %d\n%s", late.status, late.body)
	}
	numbered(1)
	if page := v.get("/forms/visit").body; !strings.Contains(page, "承诺事项") {
		t.Errorf("the form:\n%s", page)
	}
	if page := v.get("/records/visit").body; !strings.Contains(page, "入户走访") {
		t.Errorf("the list:\n%s", page)
	}
}
