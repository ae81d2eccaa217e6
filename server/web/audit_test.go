package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"zhucun/server/store"
)

var numbered = regexp.MustCompile(`<tr><td>(\d+)</td>`)

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
	walk := func(path string) (numbers []string) {
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
	all := walk("/audit")
	if len(all) != last || all[0] != fmt.Sprint(last) || all[last-1] != "1" {
		t.Errorf("%d numbers from %s to %s, want %d", len(all), all[0], all[len(all)-1], last)
	}
	if got := walk("/audit?act=view&who=who1"); len(got) != auditRows {
		t.Errorf("%d of one person", len(got))
	}
	if got := walk("/audit?act=view"); len(got) != 2*auditRows {
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
