package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// printed is what came out of the printer: the text of each sheet as it stands there, that
// of the page that the browser had, and the file.
type printed struct {
	pages []string
	dom   string
	file  string
}

// solid is a text without spaces.
func solid(s string) string { return strings.Join(strings.Fields(s), "") }

// paperOf prints a page of the site on A4, and reads it.
func paperOf(t *testing.T, ctx context.Context, f *fixture, path string) *printed {
	t.Helper()
	do(t, ctx, chromedp.Navigate(f.at+path))
	until(t, ctx, "document.readyState === 'complete' && !!document.querySelector('.paper')")
	raw, err := chromedp.Run(ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPreferCSSPageSize()))
	if err != nil {
		t.Fatal(err)
	}
	o := &printed{file: filepath.Join(t.TempDir(), "paper.pdf")}
	if err := os.WriteFile(o.file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), "pdftotext", "-layout", o.file, "-").Output()
	if err != nil {
		t.Fatalf("pdftotext, of poppler-utils: %v", err)
	}
	o.pages = strings.Split(strings.TrimSuffix(string(text), "\f"), "\f")
	o.dom = js[string](t, ctx, "document.querySelector('main').textContent")
	o.fits(t, path)
	o.whole(t, path)
	if pictures != "" {
		name := filepath.Join(pictures, strings.Map(func(r rune) rune {
			if strings.ContainsRune("/?=&", r) {
				return '_'
			}
			return r
		}, strings.SplitN(regexp.MustCompile(`[0-9a-f-]{36}`).ReplaceAllString(path, ""), "&", 2)[0])+"-"+js[string](t, ctx, "document.documentElement.lang"))
		if out, err := exec.CommandContext(t.Context(), "pdftoppm", "-r", "60", "-png", o.file, name).CombinedOutput(); err != nil {
			t.Fatalf("pdftoppm: %v %s", err, out)
		}
	}
	return o
}

var (
	pageBox = regexp.MustCompile(`<page width="([0-9.]+)" height="([0-9.]+)">`)
	wordBox = regexp.MustCompile(`<word xMin="([0-9.-]+)" yMin="([0-9.-]+)" xMax="([0-9.-]+)" yMax="([0-9.-]+)">([^<]*)</word>`)
)

// fits looks that every sheet is A4 and that no word is cut by its edge, or so near that
// a printer would.
func (o *printed) fits(t *testing.T, path string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pdftotext", "-bbox", o.file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 { n, _ := strconv.ParseFloat(s, 64); return n }
	const margin = 17 // points, 6 mm
	var width, height float64
	for line := range strings.Lines(string(out)) {
		if m := pageBox.FindStringSubmatch(line); m != nil {
			width, height = number(m[1]), number(m[2])
			if short, long := min(width, height), max(width, height); short < 594 || short > 597 || long < 840 || long > 843 {
				t.Errorf("%s: a sheet of %.0f × %.0f points", path, width, height)
			}
		}
		if m := wordBox.FindStringSubmatch(line); m != nil && (number(m[1]) < margin || number(m[3]) > width-margin || number(m[2]) < margin || number(m[4]) > height-margin) {
			t.Errorf("%s: %q is cut at the edge: %s", path, m[5], line)
		}
	}
}

// says looks for words on the paper. Where a line ends says nothing, and columns are read
// in any order: what stands in the page is on the paper, says whole.
func (o *printed) says(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !slices.ContainsFunc([]string{strings.Join(o.pages, ""), o.dom}, func(text string) bool { return strings.Contains(solid(text), solid(w)) }) {
			t.Errorf("the paper lacks %q:\n%s", w, strings.Join(o.pages, "\n---\n"))
		}
	}
}

// whole looks that all that stands in the page is on the paper, sign by sign.
func (o *printed) whole(t *testing.T, path string) {
	t.Helper()
	left := map[rune]int{}
	for _, r := range solid(strings.Join(o.pages, "")) {
		left[r]++
	}
	lacking := ""
	for _, r := range solid(o.dom) {
		if left[r]--; left[r] < 0 {
			lacking += string(r)
		}
	}
	if lacking != "" {
		t.Errorf("%s: not on the paper: %s", path, lacking)
	}
}

// hides looks that words are neither on the paper nor in what it was made of.
func (o *printed) hides(t *testing.T, words ...string) {
	t.Helper()
	all := solid(strings.Join(o.pages, "") + o.dom)
	for _, w := range words {
		if strings.Contains(all, solid(w)) {
			t.Errorf("the paper says %q:\n%s", w, strings.Join(o.pages, "\n---\n"))
		}
	}
}

// sheet is one of the sheets.
func (o *printed) sheet(n int) *printed { return &printed{pages: o.pages[n : n+1]} }

// canaries are what no card may say, written into every field that takes them.
var canaries = []string{"369999199001011234", "6222021234567890123", "6222 0212 3456 7890", "肺癌", "尿毒症", "股骨头坏死", "精神残疾"}

// secrets writes canaries wherever a household's records take words.
func (f *fixture) secrets(h *house) {
	f.t.Helper()
	all := strings.Join(canaries, "，")
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"bank_account": canaries[1], "other_causes": "illness"})
	f.set(f.office, "宋芬娥", measureType, record.ID{}, map[string]string{
		"household": h.id.String(), "year": "2024", "measure_type": "health", "detail": all, "result": all, "amount": "5200", "status": "done", "confirmed_date": "2024-12-03",
	})
	f.set(f.office, "宋芬娥", visitType, record.ID{}, map[string]string{
		"household": h.id.String(), "visit_date": "2024-12-20", "visit_mode": "home", "visit_result": "met", "findings": all, "needs": all, "promised": all,
		"policies_told": "education dibao", "visit_purpose": "routine",
	})
	f.pull()
}

// A household's card is two sheets, says what cards say, and nothing that would tell a
// passer-by an illness or a number.
func TestCard(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.livedIn(h)
	f.secrets(h)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"poverty_status": "unexited", "main_cause": "labour"})
	f.pull()
	ctx := browser(t)
	enterBy(t, ctx, f)
	o := paperOf(t, ctx, f, "/print/card?household="+h.id.String())
	o.hides(t, canaries...)
	o.hides(t, "****")
	if len(o.pages) != 2 {
		t.Fatalf("%d sheets", len(o.pages))
	}
	for i, copy := range []string{"户存", "村存"} {
		o.sheet(i).says(t, "帮扶明白卡", copy, "福窝镇红尖溪村", "截至2025年1月9日", "户主"+h.name, "组"+h.group, "3 人", "未脱贫", "缺劳力",
			"2024 危房改造 14,000 完成 2024-11-02", "2023 产业 1800 进行", "2024 健康扶贫 5200 完成 2024-12-03",
			"教育资助、低保", "第一书记 宋芬娥 12068638556 帮扶责任人 曹彤倩 12425059258", "队员 杜旺火 12615924525", "户主签字", "都已送达办公室")
	}
}

// A visit that was recorded is printed to be signed; a blank one has what is known of the
// household filled in, and boxes and lines for the rest.
func TestVisitPaper(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	v := f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{
		"household": h.id.String(), "visit_date": "2025-01-08", "visit_mode": "home", "visit_result": "met", "visit_purpose": "routine verify", "findings": "灶间已改好，账号6222021234567890123已核对",
		"promised": "下周带农技员来看秧田", "follow_up": "2025-01-15", "satisfaction": "very", "knows_team": "yes",
	})
	ctx := browser(t)
	enterBy(t, ctx, f)
	o := paperOf(t, ctx, f, "/print/form/visit?id="+v.String())
	if len(o.pages) != 1 {
		t.Errorf("%d sheets", len(o.pages))
	}
	o.hides(t, canaries...)
	o.says(t, "走访记录单", "福窝镇红尖溪村", h.name, "2025-01-08", "经常走访、信息核实", "账号****0123已核对", "下周带农技员来看秧田", "很满意", "户主签字", "走访人签字", "其中 1 条记录还没有送达办公室", "电话 "+h.phone)

	blank := paperOf(t, ctx, f, "/print/form/visit?household="+h.id.String())
	if len(blank.pages) != 1 {
		t.Errorf("%d sheets", len(blank.pages))
	}
	blank.says(t, h.name, "上次走访 2025-01-08", "上次（2025-01-08）答应 下周带农技员来看秧田", "入户 田间工地", "杜旺火", "很满意", "户主签字")
	blank.hides(t, "灶间已改好")
	if n := js[int](t, ctx, "document.querySelectorAll('.tick').length"); n < 40 {
		t.Errorf("%d boxes to tick", n)
	}
}

// A household's file has all that is known of it, and of numbers their last four signs.
func TestFilePaper(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.livedIn(h)
	f.secrets(h)
	var who record.ID
	f.laptop.Referring(h.id, personType, func(r store.Record) bool { who = r.Key.ID; return false })
	f.set(f.office, "宋芬娥", personType, who, map[string]string{"id_number": canaries[0]})
	f.pull()
	f.entered("/record/visit/new?household="+h.id.String(), "f.visit_date", "2025-01-08", "f.visit_mode", "home", "f.visit_result", "met", "f.findings", "灶间已改好", "f.needs", "想要秧苗", "f.promised", "带农技员来", "f.follow_up", "2025-01-15")
	ctx := browser(t)
	enterBy(t, ctx, f)
	o := paperOf(t, ctx, f, "/print/file?household="+h.id.String())
	o.hides(t, canaries[0], canaries[1], canaries[2])
	o.says(t, "户档案", "内部存档", "****1234", "****0123", "脱贫属性", "家庭成员", "2022 2023 2024", "人均纯收入 8477.7 11024.2", "C级危房改造，换瓦、加固山墙", "带农技员来", "待办", "想要秧苗", "待整改", "灶间已改好",
		"其中 2 条记录还没有送达办公室")
	for i := range o.pages {
		o.sheet(i).says(t, "户档案", h.name)
	}
	// A household has had many visits by now, and none is left out.
	visits := 0
	f.laptop.Referring(h.id, visitType, func(r store.Record) bool {
		visits++
		return true
	})
	if n := js[int](t, ctx, "document.querySelectorAll('.visit').length"); n != visits {
		t.Errorf("%d of %d visits", n, visits)
	}
}

// A month's log has a sheet for each person, and that of somebody alone by a number: no
// name stands in an address.
func TestLogPaper(t *testing.T) {
	f := newFixture(t, true).enter()
	f.monthOfWork()
	ctx := browser(t)
	enterBy(t, ctx, f)
	all := paperOf(t, ctx, f, "/print/log?month=2024-12")
	all.says(t, "驻村工作日志", "福窝镇红尖溪村", "2024年12月", "杜旺火", "周文", "2024-12-02 星期一", "推动精准扶贫", "产业、走访", "到坳背组看水渠", "请县水利局来看", "本人签字", "第一书记签字")
	all.hides(t, "不是这个月的")
	page := f.get("/print").body
	number := regexp.MustCompile(`<option value="([A-Z0-9]+)">周文</option>`).FindStringSubmatch(page)
	if number == nil {
		t.Fatal("the page offers no log of 周文")
	}
	one := paperOf(t, ctx, f, "/print/log?month=2024-12&s="+number[1])
	one.says(t, "周文")
	one.hides(t, "杜旺火走访")
	if n := js[int](t, ctx, "document.querySelectorAll('.paper').length"); n != 1 {
		t.Errorf("%d logs for one person", n)
	}
	if a := f.get("/print/log?month=2024-12&s=OFANEARLIERRUN"); a.status != 400 {
		t.Errorf("a number of an earlier run: %d", a.status)
	}
	empty := paperOf(t, ctx, f, "/print/log?month=2024-10")
	empty.says(t, "2024年10月", "工作内容")
}

// monthOfWork gives the village December of 2024: logs and attendance of two people.
func (f *fixture) monthOfWork() {
	f.t.Helper()
	posts := map[string]string{}
	f.laptop.Each(firstVillage.Code, teamType, func(r store.Record) bool {
		name, _ := r.View.Fields["person_name"].Text()
		posts[name] = r.Key.ID.String()
		return true
	})
	m := month("2024-12")
	for d := 1; d <= m.days(); d++ {
		day, _ := time.Parse(time.DateOnly, m.date(d))
		for who, off := range map[string]time.Weekday{"杜旺火": time.Sunday, "周文": time.Saturday} {
			for i, half := range halves {
				attend := map[string]string{"person": posts[who], "work_date": m.date(d), "half_day": half, "attend": "present"}
				switch {
				case day.Weekday() == off:
					attend["attend"] = "rest"
				case d == 10 && who == "周文":
					attend["attend"], attend["leave_type"], attend["approver"] = "leave", "sick", "镇扶贫办李明"
				case d%9 == 0 && i == 1:
					attend["attend"] = "duty"
				}
				f.set(f.office, who, attendanceType, record.ID{}, attend)
			}
			if day.Weekday() != off && d%2 == 0 {
				f.set(f.office, who, logType, record.ID{}, map[string]string{
					"log_date": m.date(d), "aspects": "targeted service", "activities": "visit industry", "content": "到坳背组看水渠，和三户商量春季育秧的地块与用水先后", "help_needed": map[bool]string{true: "请县水利局来看一次塌方的渠口"}[d%6 == 0],
				})
			}
		}
	}
	f.set(f.office, "杜旺火", logType, record.ID{}, map[string]string{"log_date": "2024-11-30", "content": "不是这个月的，写在别处"})
	f.pull()
}

// The attendance sheet lies across, has a sign for each half day that its legend explains,
// and counts by the rule.
func TestAttendancePaper(t *testing.T) {
	f := newFixture(t, true).enter()
	f.monthOfWork()
	ctx := browser(t)
	enterBy(t, ctx, f)
	o := paperOf(t, ctx, f, "/print/attendance?month=2024-12")
	if len(o.pages) != 1 {
		t.Errorf("%d sheets", len(o.pages))
	}
	o.says(t, "考勤表", "福窝镇红尖溪村", "2024年12月", "宋芬娥", "第一书记", "周文", "√ 驻村", "○ 公出", "△ 请假", "◇ 休息", "× 缺勤", "应驻 = 20 × 在岗天数 ÷ 当月天数", "2024-12-10，病假，批准人 镇扶贫办李明", "乡镇审核")
	row := func(who string) string {
		return js[string](t, ctx, "Array.from(document.querySelectorAll('.attendance tbody')).filter(function (b) { return b.innerText.includes('"+who+"'); })[0].innerText.replace(/\\s+/g, ' ')")
	}
	// 31 days, 5 Sundays off, 3 half days on duty: 24.5 days, of 20 that are required.
	if got := row("杜旺火"); !strings.Contains(got, "24.5 1.5 0 5 0 20 100.0%") {
		t.Errorf("杜旺火: %s", got)
	}
	if got := row("宋芬娥"); !strings.Contains(got, "下 20") && !strings.HasSuffix(strings.TrimSpace(got), "20 下") {
		t.Errorf("宋芬娥, of whom nothing is noted: %s", got)
	}
	paperOf(t, ctx, f, "/print/attendance?month=2025-03").says(t, "2025年3月", "杜旺火")
}

// The ledger has open issues, or all, of some days, and a sign beside what is overdue.
func TestLedgerPaper(t *testing.T) {
	f := newFixture(t, true).enter()
	f.livedIn(f.house(0))
	for _, x := range [][]string{{"灌渠塌方没有修", "2024-11-02", "2024-12-31", "doing"}, {"路灯不亮", "2024-10-05", "2024-11-05", "closed"}, {"水表没有装", "2025-01-02", "2025-02-01", "open"}} {
		f.set(f.office, "宋芬娥", issueType, record.ID{}, map[string]string{
			"description": x[0], "issue_source": "self", "topics": "water road", "severity": "2", "owner": "宋芬娥", "found_date": x[1], "due_date": x[2], "issue_status": x[3], "action": "联系县水利局，排在下月",
		})
	}
	f.pull()
	ctx := browser(t)
	enterBy(t, ctx, f)
	open := paperOf(t, ctx, f, "/print/issues")
	open.says(t, "问题台账", "未销号的问题：共 3 件，未销号 3 件，其中已超期 2 件（标 ▲）", "灌渠塌方没有修", "▲超期9天", "▲超期3天", "水表没有装", "较重", "联系县水利局")
	open.hides(t, "路灯不亮", "▲超期-")
	if n := js[int](t, ctx, "document.querySelectorAll('.over').length"); n != 2 {
		t.Errorf("%d are marked overdue", n)
	}
	all := paperOf(t, ctx, f, "/print/issues?show=all&from=2024.10.1&to=2024-12-31")
	all.says(t, "全部问题，2024-10-01起发现，2024-12-31前发现", "路灯不亮", "灌渠塌方没有修")
	all.hides(t, "水表没有装")
}

// Every form is printed blank and filled in, whatever it asks: all of its labels, choices
// and answers are on the paper, and none is cut.
func TestEveryFormPrints(t *testing.T) {
	f := newFixture(t, true).enter()
	ctx := browser(t)
	enterBy(t, ctx, f)
	for _, ft := range f.site.forms.Forms() {
		blank := paperOf(t, ctx, f, "/print/form/"+string(ft.Type))
		var labels []string
		for _, fd := range ft.Fields {
			if fd.Kind != form.Image && fd.Kind != form.Geopoint {
				labels = append(labels, fd.Label.Zh)
			}
			if fd.Kind == form.SelectOne && len(fd.Choices) <= maxBoxes {
				labels = append(labels, fd.Choices[len(fd.Choices)-1].Label.Zh)
			}
		}
		blank.says(t, append(labels, "空白表")...)
	}
	f.speak("en")
	for _, ft := range f.site.forms.Forms() {
		if ft.Type == noticeType {
			continue // it is written at the office
		}
		answers, said := f.everyAnswer(ft)
		id := f.set(f.office, "宋芬娥", ft.Type, record.ID{}, answers)
		f.pull()
		o := paperOf(t, ctx, f, "/print/form/"+string(ft.Type)+"?id="+id.String())
		o.says(t, said...)
		if strings.Contains(o.dom, "⟦") {
			t.Errorf("%s: a text is missing", ft.Type)
		}
	}
}

func (f *fixture) speak(lang string) {
	f.t.Helper()
	if _, err := f.laptop.SetDevice(f.t.Context(), func(d *store.Device) { d.Language = lang }); err != nil {
		f.t.Fatal(err)
	}
}

// everyAnswer answers every question of a form, at length, and gives what its paper is to
// say.
func (f *fixture) everyAnswer(ft *form.Form) (answers map[string]string, said []string) {
	f.t.Helper()
	answers = map[string]string{}
	for _, fd := range ft.Fields {
		said = append(said, fd.Label.En)
		answer, words := "", ""
		switch fd.Kind {
		case form.Calculate, form.Image:
			said = said[:len(said)-1]
			continue
		case form.Integer:
			answer, words = "2024", "2024"
		case form.Decimal:
			answer, words = "1234567.89", "1,234,567.89"
		case form.Date:
			answer, words = "2024-12-03", "2024-12-03"
		case form.Geopoint:
			answer, words = "114.743585, 27.938452", "114.743585"
		case form.SelectOne:
			c := fd.Choices[len(fd.Choices)-1]
			answer, words = c.Name, c.Label.En
		case form.SelectMultiple:
			var all []string
			for _, c := range fd.Choices {
				all = append(all, c.Name)
			}
			answer, words = strings.Join(all, " "), fd.Choices[0].Label.En
		case form.RefOne, form.RefMultiple:
			err := f.laptop.Each(firstVillage.Code, fd.Refers, func(r store.Record) bool {
				answer = r.Key.ID.String()
				return false
			})
			if err != nil {
				f.t.Fatal(err)
			}
		case form.Text:
			answer = fd.Label.Zh + strings.Repeat("长得很的一段话，没有空格也要换行，", 6) + "Donaudampfschifffahrtsgesellschaft"
			words = "长得很的一段话，没有空格也要换行"
			if fd.Masked || fd.Constraint != nil && fd.Shape() != prose {
				answer, words = "13800138000", "8000"
			}
		}
		if answer == "" {
			said = said[:len(said)-1]
			continue
		}
		answers[fd.Name] = answer
		said = append(said, words)
	}
	return answers, said
}

// The cards of a village, or of one of its groups, are one job: two sheets for each of its
// registered poor households, and for nobody else.
func TestCardsOfVillage(t *testing.T) {
	f := newFixture(t, true).enter()
	f.set(f.office, "宋芬娥", householdType, f.house(2).id, map[string]string{"poverty_attr": "non_poor", "poverty_status": "cancelled"})
	f.pull()
	ctx := browser(t)
	enterBy(t, ctx, f)
	houses := within(f.snapshot().houses, func(h *house) bool { return h.active })
	o := paperOf(t, ctx, f, "/print/card?of="+string(firstVillage.Code))
	if len(o.pages) != 2*len(houses) || len(houses) != 17 {
		t.Errorf("%d sheets for %d households", len(o.pages), len(houses))
	}
	for i, h := range houses {
		o.sheet(2*i).says(t, h.name, "户存")
		o.sheet(2*i+1).says(t, h.name, "村存")
	}
	group := within(houses, func(h *house) bool { return h.group == houses[0].group })
	o = paperOf(t, ctx, f, "/print/card?of="+houses[0].id.String())
	if len(o.pages) != 2*len(group) {
		t.Errorf("%d sheets for the %d households of %s", len(o.pages), len(group), houses[0].group)
	}
}

// Nobody gets papers without a session, of a household that is not here, or for an address
// that means nothing; nothing personal stands in the addresses of the page that offers
// them, nor in the titles that a browser keeps.
func TestPrintAddresses(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(0)
	paths := []string{"/print", "/print/card?household=" + h.id.String(), "/print/file?of=" + string(firstVillage.Code), "/print/form/visit?of=due", "/print/form/income?household=" + h.id.String(), "/print/log", "/print/attendance", "/print/issues"}
	for _, path := range paths {
		if a := f.get(path); a.status != 403 || strings.Contains(a.body, h.name) {
			t.Errorf("%s without a session: %d", path, a.status)
		}
	}
	f.enter()
	for _, path := range paths {
		a := f.get(path)
		if a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
		title := regexp.MustCompile(`<title>[^<]*</title>`).FindString(a.body)
		links := strings.Join(regexp.MustCompile(`(?:href|action|formaction|value)="[^"]*"`).FindAllString(a.body, -1), " ")
		for _, h := range f.snapshot().houses {
			if strings.Contains(title+links, h.name) || strings.Contains(title+links, h.group) {
				t.Errorf("%s: %s stands in a title or an address: %s", path, h.title(), title)
			}
		}
		if strings.Contains(title+links, "曹彤倩") {
			t.Errorf("%s: somebody's name stands in a title or an address", path)
		}
	}
	for _, path := range []string{"/print/card", "/print/card?of=nowhere", "/print/card?of=" + nobody, "/print/card?household=" + nobody, "/print/card?household=x", "/print/form/nothing", "/print/form/visit?id=" + nobody, "/print/issues?village=369999000009"} {
		if a := f.get(path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/print/attendance?month=dezember", "/print/issues?from=gestern"} {
		if a := f.get(path); a.status != 400 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// Papers of many are written one after the other, so that those of a village take no more
// memory than one; where one cannot be made, the page says on paper too that it is not all.
func TestPapersOneByOne(t *testing.T) {
	f := newFixture(t, true)
	p, err := f.site.page(httptest.NewRequest(http.MethodGet, "/print/card", nil))
	if err != nil {
		t.Fatal(err)
	}
	const many = 300
	head, made := strings.Repeat("李", 2000), 0 // twice on each of the two copies
	j := &job[*card]{}
	each(j, make([]struct{}, many), func(struct{}) (*card, error) {
		made++
		return &card{head: head}, nil
	})
	out := &counted{each: func(n int) {
		if written := n / (2 * 2 * len(head)); made > written+2 {
			t.Fatalf("%d cards were made when %d were written", made, written)
		}
	}}
	if err := cardsPage(p, j).Render(t.Context(), out); err != nil || made != many {
		t.Errorf("%d cards were made: %v", made, err)
	}

	each(j, make([]struct{}, 5), func(struct{}) (*card, error) {
		if made++; made == many+3 {
			return nil, store.ErrDamaged
		}
		return &card{head: "李大山"}, nil
	})
	var page strings.Builder
	if err := cardsPage(p, j).Render(t.Context(), &page); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "户存"); n < 2 || made != many+3 || !strings.Contains(bare(page.String()), "没有印全") {
		t.Errorf("after a failure at the third of five: %d cards, and %s", made, bare(page.String())[:200])
	}
}

// counted tells how much was written.
type counted struct {
	n    int
	each func(n int)
}

func (c *counted) Write(b []byte) (int, error) {
	c.n += len(b)
	c.each(c.n)
	return len(b), nil
}

// On the screen papers and the page that offers them fit the widths that people have: what
// is wider scrolls within its own paper.
func TestPapersOnScreen(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(0)
	f.livedIn(h)
	f.monthOfWork()
	ctx := browser(t)
	enterBy(t, ctx, f)
	for _, lang := range []string{"zh", "en"} {
		f.speak(lang)
		for _, size := range []struct{ width, height int64 }{{1366, 768}, {360, 740}} {
			for name, path := range map[string]string{"card": "/print/card?household=" + h.id.String(), "file": "/print/file?household=" + h.id.String(), "visit": "/print/form/visit?household=" + h.id.String(), "log": "/print/log?month=2024-12", "attendance": "/print/attendance?month=2024-12", "issues": "/print/issues", "print": "/print"} {
				do(t, ctx, chromedp.EmulateViewport(size.width, size.height), chromedp.Navigate(f.at+path))
				if js[bool](t, ctx, "document.documentElement.scrollWidth > document.documentElement.clientWidth") {
					t.Errorf("%s %s %d scrolls sideways", name, lang, size.width)
				}
				if bad := js[string](t, ctx, unlabelled); bad != "" {
					t.Errorf("%s %s: without a name:\n%s", name, lang, bad)
				}
				if pictures != "" {
					picture(t, ctx, strings.Join([]string{"screen", name, lang, strconv.FormatInt(size.width, 10)}, "-"), false)
				}
				if lang == "zh" {
					if bad := accessible(t, ctx); bad != "" {
						t.Errorf("%s %s %d:\n%s", name, lang, size.width, bad)
					}
				}
			}
		}
	}
}

// A paper says what it rests on: records that are not delivered, answers that contradict
// each other, a laptop whose date cannot be right, a household that is void.
func TestPaperIsHonest(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	card := func() string { return bare(f.get("/print/card?household=" + h.id.String()).body) }
	if got := card(); !strings.Contains(got, "所用的记录都已送达办公室") || strings.Contains(got, "＊") {
		t.Errorf("of a household that is delivered: %s", got)
	}
	f.quarrel(h)
	got := card()
	if !strings.Contains(got, "坳背村民小组＊") || !strings.Contains(got, "缺技术＊") || !strings.Contains(got, "＊ 说法不一或尚待确认") || !strings.Contains(got, "其中 1 条记录还没有送达办公室") {
		t.Errorf("of a household about which people contradict each other: %s", got)
	}
	if got := card(); !strings.Contains(got, "截至2025年1月9日") || !strings.Contains(got, "2025年1月9日 09:3") {
		t.Errorf("its day: %s", got)
	}
	issue := f.set(f.office, "宋芬娥", issueType, record.ID{}, map[string]string{"description": "灌渠塌方没有修", "found_date": "2024-11-02", "due_date": "2024-12-31", "issue_status": "open"})
	f.pull()
	// A dead battery: nothing is dated by it and nothing is overdue.
	f.wall.Store(morning.AddDate(-10, 0, 0).UnixMilli())
	if got := card(); strings.Count(got, "2015年") != 1 || !strings.Contains(got, "好像不对：现在是2015年") || !strings.Contains(got, "截至 年 月 日") || !strings.Contains(got, "打印日期： 年 月 日") || !strings.Contains(got, "宋芬娥") {
		t.Errorf("on a day that cannot be right: %s", got)
	}
	if got := bare(f.get("/print/issues").body); !strings.Contains(got, "灌渠塌方没有修") || strings.Contains(got, "▲超期") {
		t.Errorf("the ledger of %s on a day that cannot be right: %s", issue, got)
	}
	f.wall.Store(morning.Add(time.Hour).UnixMilli())
	if _, err := f.laptop.Save(t.Context(), store.Edit{Type: householdType, ID: h.id, Author: "杜旺火", Void: "记重了"}); err != nil {
		t.Fatal(err)
	}
	if got := card(); !strings.Contains(got, "已作废") {
		t.Errorf("of a void household: %s", got)
	}
}

// Long numbers in somebody's words show their last four signs; other numbers stay.
func TestVeil(t *testing.T) {
	for words, want := range map[string]string{
		"身份证369999199001011234已核对":     "身份证****1234已核对",
		"证号36999919900101123X":         "证号****123X",
		"３６９９９９１９９００１０１１２３４":           "****１２３４",
		"369999 19900101 1234":         "****1234",
		"卡号6222021234567890123，开户行农商行": "卡号****0123，开户行农商行",
		"卡号 6222 0212 3456 7890 123":   "卡号 **** 123",
		"残疾证36999919900101123441":      "残疾证****3441",
		"打了13800138000，没有人接":           "打了13800138000，没有人接",
		"2024-11-02 13800138000 李医生":   "2024-11-02 13800138000 李医生",
		"借了120000元，2024年还30000元":       "借了120000元，2024年还30000元",
		"村代码369999000001":              "村代码369999000001",
	} {
		if got := veil(words); got != want {
			t.Errorf("%q reads %q, want %q", words, got, want)
		}
	}
}

// A ledger of several sheets has its head on each, and no line is divided between two.
func TestLongLedger(t *testing.T) {
	f := newFixture(t, true).enter()
	const many = 45
	for i := range many {
		f.set(f.office, "宋芬娥", issueType, record.ID{}, map[string]string{
			"description": fmt.Sprintf("始%02d%s终%02d", i, strings.Repeat("渠口塌方，秧田进不了水", 3+i%9), i), "found_date": "2024-12-01", "due_date": "2025-02-01", "issue_status": "open",
		})
	}
	f.pull()
	ctx := browser(t)
	enterBy(t, ctx, f)
	o := paperOf(t, ctx, f, "/print/issues")
	if len(o.pages) < 3 {
		t.Fatalf("%d sheets", len(o.pages))
	}
	lines := 0
	for i, text := range o.pages {
		if i < len(o.pages)-1 || strings.Contains(text, "始") {
			o.sheet(i).says(t, "发现日期", "整改措施", fmt.Sprintf("%d / %d", i+1, len(o.pages)))
		}
		from, to := strings.Count(text, "始"), strings.Count(text, "终")
		if lines += from; from != to {
			t.Errorf("on sheet %d begin %d lines and end %d", i+1, from, to)
		}
	}
	if lines != many {
		t.Errorf("%d lines", lines)
	}
}

// What a device of some role never gets is not asked on its papers either.
func TestPapersOfInspector(t *testing.T) {
	f := newFixture(t, true).enter()
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.Inspector }); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/print/form/person", "/print/form/household", "/print/file?household=" + f.house(0).id.String()} {
		_, main, _ := strings.Cut(f.get(path).body, "<main>")
		for _, words := range []string{"证件号", "健康状况", "银行账号"} {
			if strings.Contains(main, words) {
				t.Errorf("%s asks an inspector for %s", path, words)
			}
		}
	}
}

// Papers are found where one would look for them.
func TestWaysToPapers(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	visit := f.lastVisitOf(h).String()
	for from, to := range map[string][]string{
		"/records":                    {"/print"},
		"/find":                       {"/print#houses"},
		"/records/issue":              {"/print#issues"},
		"/records/attendance":         {"/print#month"},
		"/records/work_log":           {"/print#month"},
		"/records/visit":              {"/print#houses"},
		"/records/fund":               {"/print#blank"},
		"/record/visit/" + visit:      {"/print/form/visit?id=" + visit},
		"/household/" + h.id.String(): {"/print/card?household=" + h.id.String(), "/print/form/visit?household=" + h.id.String(), "/print/file?household=" + h.id.String()},
		"/household/" + h.id.String() + "?saved=visit/" + visit: {"/print/form/visit?id=" + visit},
	} {
		body := f.get(from).body
		for _, path := range to {
			if !strings.Contains(body, `href="`+f.site.root+path+`"`) {
				t.Errorf("%s leads nowhere near %s", from, path)
			}
			if a := f.get(strings.Split(path, "#")[0]); a.status != 200 {
				t.Errorf("%s: %d", path, a.status)
			}
		}
	}
	page := f.get("/print").body
	for _, id := range []string{"houses", "month", "issues", "blank"} {
		if !strings.Contains(page, `<section id="`+id+`"`) {
			t.Errorf("the page of papers has no section %s", id)
		}
	}
}
