package web

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/xuri/excelize/v2"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// tableOf makes a workbook of rows; nil is an empty row.
func tableOf(t testing.TB, rows ...[]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	for i, r := range rows {
		for j, v := range r {
			at, err := excelize.CoordinatesToCellName(j+1, i+1)
			if err == nil && v != nil {
				err = f.SetCellValue("Sheet1", at, v)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bring sends a file as the page of imports does.
func (f *fixture) bring(name string, raw []byte) answer {
	f.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	m.WriteField("_token", f.site.doors.token())
	w, err := m.CreateFormFile("file", name)
	if err != nil {
		f.t.Fatal(err)
	}
	w.Write(raw)
	m.Close()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.at+importPath, &body)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Origin", f.base)
	return f.do(r)
}

// heldID is that of the table which the page is about.
func (f *fixture) heldID() string {
	f.site.held.mu.Lock()
	defer f.site.held.mu.Unlock()
	return f.site.held.id
}

func (f *fixture) recordsOf(t record.Type) (n int) {
	f.t.Helper()
	if err := f.laptop.Each("", t, func(store.Record) bool { n++; return true }); err != nil {
		f.t.Fatal(err)
	}
	return n
}

var houseTable = [][]any{
	{"红尖溪村2025年台账"}, {"序号", "户主姓名", "组别", "联系电话", "爱好", "识别时间"},
	{1, "欧阳大山", "坳背组", "13800000001", "钓鱼", "2017年5月"}, {2, "=HYPERLINK(1)", "坳背组", "13800000002", "下棋", "2017.5.3"}, {3, "司马二", "坳背组", "13800000003", nil, "前年"}, {"合计", nil, nil, nil, 2},
}

// A table is looked at, its columns are chosen, and it is taken; nothing is before that.
func TestImportPage(t *testing.T) {
	f := newFixture(t, true).enter()
	before := f.recordsOf("household")
	a := f.bring(`C:\台账\农户.xlsx`, tableOf(t, houseTable...))
	if a.status != 200 || a.path != "/import" {
		t.Fatalf("%d %s", a.status, a.path)
	}
	for _, want := range []string{"农户.xlsx", "表头在第 2 行", "有 1 栏还不知道", "钓鱼", `name="c.4"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(a.body, `value="take"`) {
		t.Error("a table with an open column can be taken")
	}
	// To take it all the same changes nothing.
	id := f.heldID()
	choice := url.Values{"id": {id}, "type": {"household"}, "c.4": {""}, "do": {"take"}}
	if f.post("/import", choice); f.recordsOf("household") != before {
		t.Fatal("it was taken")
	}
	choice.Set("c.4", "-")
	a = f.post("/import", choice)
	if !strings.Contains(a.body, "您改了上面的选择") || f.recordsOf("household") != before {
		t.Errorf("what was not shown was taken: %d", a.status)
	}
	for _, want := range []string{"<b>2</b> 条新增", "<b>1</b> 行收不了", "<b>1</b> 行不是记录", "第 5 行", "前年", "按 2017-05-01 收", "户主 欧阳大山，电话 13800000001", "收下这 2 条"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	a = f.post("/import", choice)
	if got := f.recordsOf("household"); got != before+2 || !strings.HasPrefix(a.path, "/import?done=") || !strings.Contains(a.body, "新增 2，修改 0，没有变化 0，未收 1") {
		t.Fatalf("%d households after %d, %s", got, before, a.path)
	}
	if f.sync.asked == 0 {
		t.Error("no sync was asked for")
	}
	report := f.get("/import/report/" + strings.TrimPrefix(a.path, "/import?done="))
	if cd := report.header.Get("Content-Disposition"); !strings.Contains(cd, url.PathEscape("农户-导入结果.xlsx")) {
		t.Errorf("the report is called %s", cd)
	}
	b, err := sheet.Open(strings.NewReader(report.body), int64(len(report.body)))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	if err := b.Sheets[0].Rows(t.Context(), nil, func(*sheet.Row) error { rows++; return nil }); err != nil || rows != 5 {
		t.Errorf("the report has %d rows, %v", rows, err)
	}
	// Once it was taken it is no longer held; to press again takes nothing.
	if f.heldID() != "" {
		t.Error("a table that was taken is still in memory")
	}
	if a = f.post("/import", choice); a.status != http.StatusUnprocessableEntity || f.recordsOf("household") != before+2 {
		t.Errorf("%d", a.status)
	}
	// The next one with these headings needs no choice.
	next := append([][]any{}, houseTable[:2]...)
	a = f.bring("农户2.xlsx", tableOf(t, append(next, []any{1, "慕容三", "坳背组", "13800000009", "唱歌", "2018.1.1"})...))
	if !strings.Contains(a.body, "收下这 1 条") || !strings.Contains(a.body, "上次选的") {
		t.Error("what was chosen is not remembered")
	}
	if a = f.post("/import", url.Values{"id": {f.heldID()}, "do": {"drop"}}); f.heldID() != "" || a.path != "/import" {
		t.Errorf("it is still held: %s", a.path)
	}
}

// What cannot be read is said in a sentence, and the page stays usable.
func TestImportRefuses(t *testing.T) {
	f := newFixture(t, true).enter()
	two := excelize.NewFile()
	for i, name := range []string{"Sheet1", "二组"} {
		if i > 0 {
			two.NewSheet(name)
		}
		two.SetSheetRow(name, "A1", &[]any{"户主", "组别", "联系电话"})
		two.SetSheetRow(name, "A2", &[]any{"慕容" + name, "坳背组", "13800000001"})
	}
	twoSheets, err := two.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file string
		raw        []byte
		status     int
		want       []string
	}{
		{"an old workbook", "a.xls", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), 200, []string{"另存为"}},
		{"another kind", "a.docx", []byte("PK"), 422, []string{"这里只收"}},
		{"no file", "", nil, 422, []string{"没有选择文件"}},
		{"an empty file", "a.xlsx", nil, 200, []string{"文件是空的"}},
		{"two sheets", "a.xlsx", twoSheets.Bytes(), 200, []string{"有 2 张表", `<option value="二组">`}},
		{"of which kind", "a.csv", []byte("姓名,电话\n王二,13800000001\n"), 200, []string{"这是什么表"}},
	} {
		a := f.bring(tt.file, tt.raw)
		for _, want := range tt.want {
			if a.status != tt.status || !strings.Contains(a.body, want) {
				t.Errorf("%s: %d, without %q", tt.name, a.status, want)
			}
		}
		if strings.Contains(a.body, `value="take"`) {
			t.Errorf("%s can be taken", tt.name)
		}
	}
	f.bring("a.xlsx", twoSheets.Bytes())
	a := f.post("/import", url.Values{"id": {f.heldID()}, "sheet": {"二组"}, "do": {"look"}})
	if !strings.Contains(a.body, "收下这 1 条") || !strings.Contains(a.body, "慕容二组") {
		t.Error("a sheet cannot be chosen")
	}
	// Somebody else's page, and a page of before.
	if a := f.post("/import", url.Values{"id": {"x"}, "do": {"take"}}); a.status != 422 || !strings.Contains(a.body, "请再选一次") {
		t.Errorf("%d", a.status)
	}
	lines := f.bring("走访.jsonl", []byte(`{"type":"visit","findings":"导入的一条走访"}`+"\n{\n"))
	if !strings.Contains(lines.body, "收下这 1 条") || !strings.Contains(lines.body, "第 2 行") {
		t.Error("JSON lines are not looked at")
	}
	n := f.recordsOf("visit")
	if f.post("/import", url.Values{"id": {f.heldID()}, "do": {"take"}}); f.recordsOf("visit") != n+1 {
		t.Error("JSON lines are not taken")
	}
}

// A table in memory is let go of after an hour, whoever forgot it.
func TestHeldIsLetGo(t *testing.T) {
	var h held
	h.put("a.xlsx", "", []byte("x"))
	h.drop.Reset(time.Millisecond)
	for range 200 {
		h.mu.Lock()
		gone := h.raw == nil && h.id == ""
		h.mu.Unlock()
		if gone {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("it is still there")
}

// What was dropped and could not be told waits on the page, and goes to the others once
// it was taken.
func TestImportWaiting(t *testing.T) {
	f := newFixture(t, true).enter()
	failed, done := filepath.Join(f.dir, inbox.Name, inbox.Failed), filepath.Join(f.dir, inbox.Name, inbox.Done)
	for _, dir := range []string{failed, done} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	good := append([][]any{}, houseTable[:2]...)
	good = append(good, []any{1, "慕容三", "坳背组", "13800000009", "唱歌", "2018.1.1"})
	for name, raw := range map[string][]byte{"农户.xlsx": tableOf(t, good...), "农户.xlsx.txt": []byte("x"), "别人的.xlsx": []byte("y")} {
		if err := os.WriteFile(filepath.Join(failed, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := f.get("/import")
	if !strings.Contains(a.body, "农户.xlsx") || strings.Contains(a.body, "别人的") {
		t.Error("what waits is not told")
	}
	if a := f.post("/import/open", url.Values{"name": {"../../records.db"}}); a.status != 422 {
		t.Errorf("any file can be opened: %d", a.status)
	}
	f.post("/import/open", url.Values{"name": {"农户.xlsx"}})
	choice := url.Values{"id": {f.heldID()}, "type": {"household"}, "c.4": {"-"}, "do": {"look"}}
	f.post("/import", choice)
	choice.Set("do", "take")
	f.post("/import", choice)
	if _, err := os.Stat(filepath.Join(done, "农户.xlsx")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(failed); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}

// The whole way in a browser, in both languages and widths.
func TestImportInBrowser(t *testing.T) {
	f := newFixture(t, true)
	ctx := browser(t)
	enterBy(t, ctx, f)
	dir := t.TempDir()
	members := [][]any{{"家庭成员花名册"}, {"户主", "组", "姓名", "身份证号码", "与户主关系", "民族", "健康状况", "务工月数", "备注"}}
	for i := range 8 {
		h := f.house(i)
		members = append(members, []any{h.name, h.group, fmt.Sprintf("成员 %d", i), "36999919620305001" + fmt.Sprint(i), "之子", "汉族", "健康", i, "同住"})
	}
	members[5][3], members[6][4] = "369999196203050000", "三叔"
	files := map[string][][]any{"unknown": houseTable, "members": append(members, []any{"合计", nil, nil, nil, nil, nil, nil, 28})}
	for name, rows := range files {
		if err := os.WriteFile(filepath.Join(dir, name+".xlsx"), tableOf(t, rows...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shoot := func(name string) {
		t.Helper()
		if over := js[string](t, ctx, `(function () { var w = document.documentElement.clientWidth, out = []; document.querySelectorAll("main *, header *").forEach(function (e) { var r = e.getBoundingClientRect(); if (r.width && r.right > w + 1 && !e.closest(".hear, .skip")) out.push(e.tagName + "." + e.className + " " + Math.round(r.right)); }); return out.slice(0, 5).join("\n"); })()`); over != "" {
			t.Errorf("%s is wider than the window:\n%s", name, over)
		}
		if bad := js[string](t, ctx, unlabelled); bad != "" {
			t.Errorf("%s: without a name:\n%s", name, bad)
		}
		if pictures != "" {
			picture(t, ctx, "import-"+name, false)
		}
	}
	for _, lang := range []string{"zh", "en"} {
		if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Language = lang }); err != nil {
			t.Fatal(err)
		}
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"wide", 1366, 768}, {"narrow", 360, 740}} {
			at := lang + "-" + size.name
			do(t, ctx, chromedp.EmulateViewport(size.width, size.height), chromedp.Navigate(f.at+"/import"))
			shoot("choose-" + at)
			for _, name := range []string{"unknown", "members"} {
				do(t, ctx, chromedp.Navigate(f.at+"/import"))
				do(t, ctx, chromedp.SetUploadFiles(chromedp.ID("file"), []string{filepath.Join(dir, name+".xlsx")}), chromedp.Click(chromedp.CSS("main form .button")))
				until(t, ctx, "!!document.querySelector('.columns-of') && location.pathname.slice(25) === '/import'")
				shoot(name + "-" + at)
				do(t, ctx, chromedp.Click(chromedp.CSS("button[value=drop]")))
				until(t, ctx, "!!document.getElementById('file')")
			}
		}
	}
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Language = "zh" }); err != nil {
		t.Fatal(err)
	}
	// The unknown column is chosen, looked at and taken, by the keyboard alone.
	do(t, ctx, chromedp.EmulateViewport(1366, 768), chromedp.Navigate(f.at+"/import"), chromedp.SetUploadFiles(chromedp.ID("file"), []string{filepath.Join(dir, "unknown.xlsx")}), chromedp.Click(chromedp.CSS("main form .button")))
	until(t, ctx, "!!document.querySelector('.columns-of .doubtful select')")
	tabTo(t, ctx, "e.matches('.doubtful select')")
	keys(t, ctx, kb.ArrowDown)
	if got := js[string](t, ctx, "document.activeElement.value"); got != "-" {
		t.Errorf("the keyboard chooses %q", got)
	}
	tabTo(t, ctx, "e.value === 'look'")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "!!document.querySelector('button[value=take]')")
	shoot("ready")
	before := f.recordsOf("household")
	tabTo(t, ctx, "e.value === 'take'")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "location.search.startsWith('?done=') && document.querySelector('.banner').textContent.includes('新增 2')")
	shoot("done")
	if got := f.recordsOf("household"); got != before+2 {
		t.Errorf("%d households after %d", got, before)
	}
}
