package web

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/shared/record"
)

// printed is what came out of the printer: the text of each sheet as it stands there, the
// same cell by cell, what the browser had, and the file.
type printed struct {
	pages, cells []string
	dom          string
	file         string
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
	sheets := func(how string) []string {
		text, err := exec.CommandContext(t.Context(), "pdftotext", how, o.file, "-").Output()
		if err != nil {
			t.Fatalf("pdftotext, of poppler-utils: %v", err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\f"), "\f")
	}
	o.pages, o.cells = sheets("-layout"), sheets("-nopgbrk")
	o.dom = js[string](t, ctx, "document.querySelector('main').textContent")
	o.fits(t, path)
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

// says looks for words on the paper. Where a line ends says nothing.
func (o *printed) says(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(solid(strings.Join(o.pages, "")), solid(w)) && !strings.Contains(solid(strings.Join(o.cells, "")), solid(w)) {
			t.Errorf("the paper lacks %q:\n%s", w, strings.Join(o.pages, "\n---\n"))
		}
	}
}

// hides looks that words are neither on the paper nor in what it was made of.
func (o *printed) hides(t *testing.T, words ...string) {
	t.Helper()
	all := solid(strings.Join(o.pages, "") + strings.Join(o.cells, "") + o.dom)
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
			"2024 危房改造 14,000 完成 2024年11月2日", "2023 产业 1800 进行", "2024 健康扶贫 5200 完成 2024年12月3日",
			"教育资助、低保", "第一书记 宋芬娥 12068638556 帮扶责任人 曹彤倩 12425059258", "队员 杜旺火 12615924525", "户主签字", "都已送达办公室")
	}
}
