package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// What a list shows a file has, no more and no less; numbers in full only with a reason,
// which is in the audit; what is out of range is refused and leaves no note.
func TestExportList(t *testing.T) {
	f := filled(t)
	v := small[0].Code
	house := f.first(v, "household", 0)
	l := f.laptop("宋芬娥", identity.FirstSecretary, v)
	const bank = "6222020000000000018"
	l.send(v, l.change(house.Key, house.State, map[string]string{"head_name": "单小曾", "bank_account": bank, "group_name": "=1+1", "arable_mu": "7.5"}))
	as := f.as("office")
	rows := func(query string) int {
		a := as.get("/export/household?format=csv&" + query)
		if a.status != 200 {
			t.Errorf("%s: %d", query, a.status)
		}
		return strings.Count(a.body, "\r\n") - 1
	}
	for query, want := range map[string]int{"": 36, "q=sxz": 1, "q=sxz&village=" + string(small[1].Code): 0, "from.arable_mu=7.5&to.arable_mu=7.5&q=dan": 1, "life=void": 0} {
		if got := rows(query); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	masked := as.get("/export/household?format=csv&q=sxz").body
	if strings.Contains(masked, bank) || !strings.Contains(masked, "****0018") || !strings.Contains(masked, "'=1+1") {
		t.Errorf("%q", masked)
	}
	notes := func(act string) []store.Audit {
		list, err := f.store.Audits(t.Context(), store.AuditQuery{Act: act, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	full := func(format, query, reason string) answer {
		return as.post("/export/household/full", as.get("/me"), url.Values{"format": {format}, "query": {query}, "reason": {reason}})
	}
	for _, tt := range [][3]string{{"csv", "q=sxz", " "}, {"csv", "q=sxz", strings.Repeat("长", 501)}, {"exe", "", "r"}, {"csv", "life=dead", "r"}, {"csv", "w.arable_mu=x", "r"}, {"csv", "%zz", "r"}} {
		if a := full(tt[0], tt[1], tt[2]); a.status != http.StatusBadRequest {
			t.Errorf("%q: %d", tt, a.status)
		}
	}
	if n := len(notes("export")); n > 0 {
		t.Errorf("%d notes of what was refused", n)
	}
	if a := full("csv", "q=sxz", "发放补助"); a.status != 200 || !strings.Contains(a.body, bank) || strings.Count(a.body, "\r\n") != 2 {
		t.Errorf("in full: %d, %q", a.status, a.body)
	}
	if n := notes("export"); len(n) != 1 || n[0].Reason != "发放补助" || n[0].Who != "office" || strings.Contains(n[0].Subject, "sxz") {
		t.Errorf("%+v", n)
	}
	for format, kind := range map[string]string{"xlsx": "application/vnd.openxmlformats", "geojson": "application/geo+json", "geojson-gcj02": "application/geo+json", "jsonl": "application/jsonl"} {
		a := as.get("/export/household?q=sxz&format=" + format)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), kind) || strings.Contains(a.body, bank) || len(a.body) == 0 {
			t.Errorf("%s: %d, %s", format, a.status, a.header.Get("Content-Type"))
		}
	}
}
