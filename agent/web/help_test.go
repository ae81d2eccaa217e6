package web

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/agent/help"
)

// Every link of the help leads to a page that there is, and to a part of it that there is;
// every page's "?" leads to a topic that there is.
func TestHelp(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.opt.Backups = &fakeBackups{}
	var ids []string
	for _, lang := range []string{"zh", "en"} {
		f.language(lang)
		page := f.get("/help")
		f.wants("help", page, http.StatusOK)
		for _, topic := range help.Topics(language(lang)) {
			ids = append(ids, topic.ID)
			if !strings.Contains(page.body, `id="`+topic.ID+`"`) || !strings.Contains(page.body, ">"+html.EscapeString(topic.Title)+"</h2>") {
				t.Errorf("%s: %s is not on the page", lang, topic.ID)
			}
			for _, b := range topic.Blocks {
				for _, line := range b.Lines {
					for _, s := range line {
						if !strings.HasPrefix(s.To, "/") {
							continue
						}
						path, part, _ := strings.Cut(s.To, "#")
						if a := f.get(path); a.status != http.StatusOK || a.path != path || part != "" && !strings.Contains(a.body, `id="`+part+`"`) {
							t.Errorf("%s: %s leads to %s, %d", lang, topic.ID, s.To, a.status)
						}
					}
				}
			}
		}
	}
	asks := regexp.MustCompile(`class="ask" href="[^"]*/help#([a-z]+)"`)
	for path, want := range map[string]string{
		"/": "visit", "/find": "visit", "/sync": "delivered", "/conflicts": "conflict", "/bundles": "usb", "/import": "import", "/settings": "laptop", "/me": "passphrase", "/diagnosis": "ask", "/record/visit/new": "visit",
	} {
		m := asks.FindStringSubmatch(f.get(path).body)
		if m == nil || m[1] != want || !slices.Contains(ids, want) {
			t.Errorf("%s: the ? leads to %q, want %s", path, m, want)
		}
	}
	for _, x := range topics {
		if !slices.Contains(ids, x.topic) {
			t.Errorf("%s leads to %s, which is no topic", x.path, x.topic)
		}
	}
}

// A check of the data ends when its time is over, and both page and file say that it did.
func TestDiagnosisCutOff(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.checks = time.Nanosecond
	f.wants("with no time at all", f.get("/diagnosis?check=1"), http.StatusOK, "&#34;cut_off&#34;: true", "&#34;failed&#34;: false", "0 秒内没有检查完")
	if body := f.get("/diagnosis").body; strings.Contains(body, "没有检查完") || strings.Contains(body, "cut_off") {
		t.Error("it says so where nobody asked for a check")
	}
}

// The diagnosis file is saved as it was shown, and has nothing about anybody.
func TestDiagnosisPage(t *testing.T) {
	f := newFixture(t, true).enter()
	if a := f.get("/diagnosis/file"); a.path != "/diagnosis" {
		t.Errorf("what was not shown leads to %s", a.path)
	}
	a := f.get("/diagnosis?check=1")
	f.wants("shown", a, http.StatusOK, "&#34;skew_ms&#34;", "&#34;broken_files&#34;: 0", "&#34;cut_off&#34;: false", texts["diag.sound"].zh)
	f.wall.Add(3600_000)
	file := f.get("/diagnosis/file")
	if !strings.HasPrefix(file.header.Get("Content-Disposition"), `attachment; filename="zhucun-diagnosis-20250109-0930.json"`) {
		t.Errorf("%v", file.header)
	}
	if shown := strings.ReplaceAll(a.body, "&#34;", `"`); !strings.Contains(shown, file.body) || len(file.body) < 500 {
		t.Errorf("saved:\n%s", file.body)
	}
	for _, secret := range []string{f.house(0).name, "杜旺火", "曹彤倩", f.house(0).phone, f.dir, "token", string(firstVillage.Code), firstVillage.Name} {
		if secret != "" && strings.Contains(file.body, secret) {
			t.Errorf("%s is in it", secret)
		}
	}
}
