package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
)

var numbered = regexp.MustCompile(`<tr><td>(\d+)</td>`)

// walk gives the numbers of the notes of a page of the audit, and of all older ones that it
// leads to.
func (v *visitor) walk(path string) (numbers []string) {
	t := v.f.t
	t.Helper()
	for path != "" {
		a := v.get(path)
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d", path, a.status)
		}
		page := numbered.FindAllStringSubmatch(a.body, -1)
		if len(page) > auditRows || strings.Contains(a.body, "<复核>") {
			t.Errorf("%s: %d rows", path, len(page))
		}
		for _, m := range page {
			numbers = append(numbers, m[1])
		}
		path = ""
		if m := regexp.MustCompile(`href="([^"]*)">更早的`).FindStringSubmatch(a.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	return numbers
}

// Notes are found by the days, all of these, and the way on to older ones keeps to them.
func TestAuditDays(t *testing.T) {
	f := newFixture(t, small...)
	note := func(who string, n int) {
		t.Helper()
		for range n {
			if err := f.store.AddAudit(store.By(t.Context(), who), store.Note{Act: "view", Subject: "visit"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	note("who1", auditRows+2)
	f.wall.Store(time.Date(2025, 1, 9, 23, 59, 59, 0, beijing).UnixMilli())
	note("who0", 1)
	f.pass(time.Second)
	note("who0", auditRows+1)
	v := f.as("office")
	for days, want := range map[string]int{"from=2025-01-10": auditRows + 1, "from=2025-01-09&until=2025-01-09": auditRows + 3, "until=2025-01-09": auditRows + 3,
		"from=2025-01-09&until=2025-01-10": 2*auditRows + 4, "from=2025-01-11": 0, "from=2025-01-10&who=who1": 0} {
		if got := v.walk("/audit?act=view&" + days); len(got) != want {
			t.Errorf("%d of %s, want %d", len(got), days, want)
		}
	}
	if a := v.get("/audit?from=yesterday"); a.status != http.StatusBadRequest {
		t.Errorf("no day: %d", a.status)
	}
}

// The audit can be paged through to its first note, asked for one act or one
// person, and says how its chain stands.
func TestAuditPage(t *testing.T) {
	f := newFixture(t, small...)
	for n := range 2 * auditRows {
		if err := f.store.AddAudit(store.By(t.Context(), fmt.Sprint("who", n%2)), store.Note{Act: "view", Subject: "visit", Reason: "<复核>"}); err != nil {
			t.Fatal(err)
		}
	}
	v := f.as("office")
	list, err := f.store.Audits(t.Context(), store.AuditQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	last := int(list[0].Number)
	all := v.walk("/audit")
	if len(all) != last || all[0] != fmt.Sprint(last) || all[last-1] != "1" {
		t.Errorf("%d numbers from %s to %s, want %d", len(all), all[0], all[len(all)-1], last)
	}
	if got := v.walk("/audit?act=view&who=who1"); len(got) != auditRows {
		t.Errorf("%d of one person", len(got))
	}
	if got := v.walk("/audit?act=view"); len(got) != 2*auditRows {
		t.Errorf("%d of one act", len(got))
	}
	if a := v.get("/audit?before=x"); a.status != http.StatusBadRequest {
		t.Errorf("before nothing: %d", a.status)
	}
	if a := v.get("/audit?who=nobody"); !strings.Contains(a.body, "没有这样的记录。") {
		t.Error("an empty list does not say so")
	}
	whole := fmt.Sprintf("共 %d 条，首尾相连，没有发现改动。 已签名到第 %d 条", last, last)
	if a := v.get("/audit"); !strings.Contains(a.body, whole) {
		t.Errorf("it does not say %q", whole)
	}
	if err := f.store.SignAudit(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	v.post("/language", v.get("/audit"), url.Values{"language": {"en"}, "back": {"/audit"}})
	if a := v.get("/audit"); !strings.Contains(a.body, fmt.Sprintf("%d notes, the chain holds: nothing was changed. Signed up to note %d", last, last)) {
		t.Error("it does not say it in English")
	}
	if err := f.store.SetMeta(t.Context(), "audit", make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	if a := v.get("/audit"); !strings.Contains(a.body, "The audit was tampered with: 1 differences.") {
		t.Error("it does not say that the chain is broken")
	}
}
