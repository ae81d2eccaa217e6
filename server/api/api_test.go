package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
)

// Each row is an address and the roles whose token is answered there: written down apart
// from the table that the API asks.
var promises = map[string]string{
	"/api/openapi.json":                       "office leader inspector sponsor_unit admin",
	"/api/v1/villages":                        "office leader inspector sponsor_unit",
	"/api/v1/figures":                         "office leader inspector sponsor_unit",
	"/api/v1/household":                       "office inspector sponsor_unit",
	"/api/v1/household/" + id(0):              "office inspector sponsor_unit",
	"/api/v1/household/" + id(0) + "/history": "office inspector sponsor_unit",
	"/odata/":                                 "office leader inspector sponsor_unit",
	"/odata/$metadata":                        "office leader inspector sponsor_unit",
	"/odata/villages":                         "office leader inspector sponsor_unit",
	"/odata/villages/$count":                  "office leader inspector sponsor_unit",
	"/odata/household":                        "office inspector sponsor_unit",
	"/odata/household/$count":                 "office inspector sponsor_unit",
	"/odata/household(village='" + string(first) + "',id=" + id(0) + ")": "office inspector sponsor_unit",
}

func TestRoles(t *testing.T) {
	o := filled(t)
	o.roles()
	for path, who := range promises {
		for _, role := range access.TokenRoles {
			a := o.get(o.tokens[string(role)], path)
			want := http.StatusForbidden
			if slices.Contains(strings.Fields(who), string(role)) {
				want = http.StatusOK
			}
			if a.status != want {
				t.Errorf("%s at %s: %d, want %d: %s", role, path, a.status, want, a.body)
			}
			if want != http.StatusOK && strings.Contains(a.body, "李大山") {
				t.Errorf("%s at %s sees a person", role, path)
			}
		}
		for _, token := range []string{"", "zct_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x", strings.Repeat("x", 4000)} {
			if a := o.get(token, path); a.status != http.StatusUnauthorized || a.head.Get("WWW-Authenticate") == "" {
				t.Errorf("%.10q at %s: %d", token, path, a.status)
			}
		}
	}
	for _, r := range slices.Concat(o.api.routes(), o.api.odataRoutes()) {
		path := strings.NewReplacer("{type}", "household", "{id}", id(0), "{set}", "household", "{$}", "").Replace(r.pattern)
		known := path == RESTPath || path == ODataPath
		for p := range promises {
			known = known || p == path
		}
		if !known {
			t.Errorf("%s: nobody said who may", r.pattern)
		}
	}
}

// What a role sees through its token is what its pages show: numbers by their last four,
// no health for inspectors, one village for a sponsor unit.
func TestSight(t *testing.T) {
	o := filled(t)
	o.roles()
	o.token(access.NewToken{Name: "full", Role: identity.Office, Unmask: true})
	all := []string{"/api/v1/person", "/api/v1/household", "/api/v1/person/" + id(16), "/api/v1/person/" + id(16) + "/history", "/api/v1/household/" + id(0), "/api/v1/household/" + id(0) + "/history",
		"/odata/person", "/odata/household", "/api/v1/villages", "/odata/villages", "/api/v1/figures"}
	said := func(who string, query string) string {
		var b strings.Builder
		for _, path := range all {
			if strings.Contains(path, "villages") || strings.Contains(path, "figures") {
				b.WriteString(o.get(o.tokens[who], path).body)
				continue
			}
			a := o.get(o.tokens[who], path+query)
			if a.status != http.StatusOK {
				t.Errorf("%s at %s: %d %s", who, path, a.status, a.body)
			}
			b.WriteString(a.body)
		}
		return b.String()
	}
	has := func(who, said string, want bool, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if strings.Contains(said, text) != want {
				t.Errorf("%s: %q is there: %v", who, text, !want)
			}
		}
	}
	last := "****" + number[len(number)-4:]
	office := said("office", "")
	has("office", office, true, last, "****0018", "****4444", "disabled", "李大山", "钱二", "清源村", "竹山村", "illness", "skill")
	has("office", office, false, number, account)
	full := said("full", "?unmask="+url.QueryEscape("年度核对"))
	has("full", full, true, number, account)
	has("full", said("full", ""), false, number, account)
	inspector := said("inspector", "")
	has("inspector", inspector, true, "李大山", "钱二")
	has("inspector", inspector, false, number, last, "****0018", "****4444", "disabled", "chronic", `"health"`, `"id_number"`, `"bank_account"`)
	sponsor := said("sponsor_unit", "")
	has("sponsor_unit", sponsor, true, "李大山", last, "disabled", "清源村")
	has("sponsor_unit", sponsor, false, "钱二", "竹山村", string(second), number)
	for _, path := range []string{"/api/v1/person/" + id(17), "/api/v1/person?village=" + string(second), "/odata/person?$filter=village eq '" + string(second) + "'", "/api/v1/figures?village=" + string(second)} {
		if a := o.get(o.tokens["sponsor_unit"], strings.ReplaceAll(path, " ", "%20")); strings.Contains(a.body, "钱二") || strings.Contains(a.body, "chronic") {
			t.Errorf("a sponsor unit sees another village: %s", a.body)
		}
	}
	// Nothing can be asked by what is masked or hidden: the answer would tell it.
	for who, queries := range map[string][]string{
		"office":    {"/api/v1/person?where=id_number%3D" + number, "/odata/person?$filter=id_number%20eq%20'" + number + "'", "/odata/person?$orderby=id_number", "/odata/person?$filter=startswith(id_number,'1')"},
		"inspector": {"/api/v1/person?where=health%3Ddisabled", "/odata/person?$filter=contains(health,'dis')", "/odata/person?$orderby=health", "/odata/person?$select=health", "/api/v1/person?where=id_number%3D" + number},
	} {
		for _, q := range queries {
			if a := o.get(o.tokens[who], q); a.status != http.StatusBadRequest || strings.Contains(a.body, "李大山") {
				t.Errorf("%s at %s: %d %s", who, q, a.status, a.body)
			}
		}
	}
	// In full: only for a reason, which is in the audit; and never without the right.
	if a := o.get(o.tokens["office"], "/api/v1/person?unmask=x"); a.status != http.StatusForbidden {
		t.Errorf("unmask without the right: %d", a.status)
	}
	for _, q := range []string{"/api/v1/person?unmask=", "/odata/person?unmask=%20"} {
		if a := o.get(o.tokens["full"], q); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", q, a.status)
		}
	}
	notes, err := o.store.Audits(t.Context(), store.AuditQuery{Limit: 100, Act: "export", Who: "token:full"})
	o.ok(err)
	if len(notes) != 8 || notes[0].Reason != "年度核对" {
		t.Errorf("%d notes of numbers in full: %+v", len(notes), notes)
	}
	notes, err = o.store.Audits(t.Context(), store.AuditQuery{Limit: 100, Act: "read", Who: "token:office"})
	o.ok(err)
	if len(notes) != 5 { // person and household either way, figures
		for _, n := range notes {
			t.Logf("%s %s", n.Act, n.Subject)
		}
		t.Errorf("%d notes of reading", len(notes))
	}
}

// A token is taken as Bearer or as Basic under its name, until it is revoked or too old,
// and what the server keeps of it opens nothing.
func TestTokens(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Name: "报表", Role: identity.Office, Days: 10})
	status := func(authorization string) int {
		return o.get("", "/api/v1/villages", "Authorization", authorization).status
	}
	basic := func(user, pass string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
	}
	for authorization, want := range map[string]int{
		"Bearer " + token: 200, "bearer " + token: 200, basic("报表", token): 200,
		basic("别的", token): 401, basic("", token): 401, basic(token, ""): 401, "Bearer": 401, "Basic x": 401, "Digest " + token: 401, "Bearer " + token[:len(token)-1] + "!": 401,
	} {
		if got := status(authorization); got != want {
			t.Errorf("%s: %d, want %d", authorization, got, want)
		}
	}
	kept, err := o.store.Tokens(t.Context())
	o.ok(err)
	if len(kept) != 1 || kept[0].Used != "2026-06-01" || strings.Contains(string(kept[0].Hash), token[4:]) {
		t.Errorf("kept: %+v", kept)
	}
	if _, _, err := o.access.AddToken(t.Context(), access.NewToken{Name: "报表", Role: identity.Leader, Days: 1}); !errors.Is(err, store.ErrTaken) {
		t.Errorf("a second of the name: %v", err)
	}
	now := o.wall
	o.wall = now.AddDate(0, 0, 11)
	if got := status("Bearer " + token); got != 401 {
		t.Errorf("too old: %d", got)
	}
	o.wall = now
	_, err = o.access.RevokeToken(t.Context(), "报表")
	o.ok(err)
	if got := status("Bearer " + token); got != 401 {
		t.Errorf("revoked: %d", got)
	}
	// A backup may not know of what was revoked since.
	other := o.token(access.NewToken{Name: "二", Role: identity.Office})
	_, err = o.store.Restore(t.Context(), o.wall)
	o.ok(err)
	if got := status("Bearer " + other); got != 401 {
		t.Errorf("after a restore: %d", got)
	}
}

// A program that pages sees every record once, and what changes meanwhile again; the last
// cursor later gives what has changed since, and nothing else.
func TestPaging(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Role: identity.Office})
	var seen []string
	path := "/api/v1/household?limit=2"
	for pages := 0; path != ""; pages++ {
		var page records
		o.read(token, path, &page)
		for _, r := range page.Records {
			seen = append(seen, r.ID)
		}
		if pages == 0 {
			o.put(first, "household", id(1), map[string]string{"phone": "13800138000"})
		}
		if path = page.Next; pages > 9 {
			t.Fatal("it does not end")
		}
	}
	slices.Sort(seen)
	if want := []string{id(0), id(1), id(1), id(2), id(3), id(4)}; !slices.Equal(seen, want) && !slices.Equal(seen, slices.Compact(want)) {
		t.Errorf("seen: %v", seen)
	}
	var page records
	o.read(token, "/api/v1/household?village="+string(first), &page)
	if len(page.Records) != 3 || page.Cursor == "" || page.Next != "" {
		t.Fatalf("%d records, cursor %q, next %q", len(page.Records), page.Cursor, page.Next)
	}
	later := "/api/v1/household?village=" + string(first) + "&cursor=" + page.Cursor
	o.read(token, later, &page)
	if len(page.Records) != 0 {
		t.Errorf("nothing has changed, and %d come", len(page.Records))
	}
	o.put(first, "household", id(2), map[string]string{"phone": "13800138000"})
	o.put(second, "household", id(3), map[string]string{"phone": "13800138000"})
	o.read(token, later, &page)
	if len(page.Records) != 1 || page.Records[0].ID != id(2) {
		t.Errorf("after a change: %+v", page.Records)
	}
	// The feed number of the list of villages tells which have moved.
	var list villages
	o.read(token, "/api/v1/villages", &list)
	if len(list.Villages) != 2 || list.Villages[0].Feed == 0 || list.Villages[0].Name != "清源村" {
		t.Errorf("%+v", list)
	}
	// A restored server's numbers are others.
	_, err := o.store.Restore(t.Context(), o.wall)
	o.ok(err)
	again := o.token(access.NewToken{Name: "again", Role: identity.Office})
	if a := o.get(again, later); a.status != http.StatusGone {
		t.Errorf("a cursor of an earlier life: %d %s", a.status, a.body)
	}
}

// A page that was long in coming is short, and none is missing at the end.
func TestPatience(t *testing.T) {
	o := filled(t)
	o.api.patience = 0
	token := o.token(access.NewToken{Role: identity.Office})
	n := 0
	for path := "/api/v1/household"; path != ""; {
		var page records
		o.read(token, path, &page)
		n += len(page.Records)
		path = page.Next
	}
	if n != 5 {
		t.Errorf("%d records", n)
	}
}

func TestRecord(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Role: identity.Office})
	var j merge.JSON
	o.read(token, "/api/v1/household/"+id(0), &j)
	if j.Village != first || j.Type != "household" || j.ID != id(0) || j.State != merge.Delivered || j.Life != "alive" || len(j.Conflicts["main_cause"]) != 2 || j.Proposals == nil || j.UpdatedAt == 0 {
		t.Errorf("%+v", j)
	}
	if !slices.ContainsFunc(j.Marks, func(m merge.Mark) bool { return m.Code == "required" }) {
		t.Errorf("marks: %+v", j.Marks)
	}
	o.read(token, "/api/v1/household/"+id(0)+"/history", &j)
	if len(j.History) != 3 || j.History[0].Author != "王书记" {
		t.Errorf("history: %+v", j.History)
	}
	var page records
	o.read(token, "/api/v1/household?where=poverty_status%3Dexited&where=fuel%3Dwood", &page)
	if len(page.Records) != 2 {
		t.Errorf("%d exited", len(page.Records))
	}
	o.read(token, "/api/v1/household?updated_after="+url.QueryEscape(o.wall.Add(time.Hour).Format(time.RFC3339)), &page)
	if len(page.Records) != 0 {
		t.Errorf("%d from the future", len(page.Records))
	}
	// The same answer is not sent twice.
	a := o.get(token, "/api/v1/household/"+id(1))
	if b := o.get(token, "/api/v1/household/"+id(1), "If-None-Match", `"x", `+a.head.Get("ETag")); b.status != http.StatusNotModified || b.body != "" {
		t.Errorf("%d %q", b.status, b.body)
	}
	o.put(first, "household", id(1), map[string]string{"phone": "13800138000"})
	if b := o.get(token, "/api/v1/household/"+id(1), "If-None-Match", a.head.Get("ETag")); b.status != http.StatusOK {
		t.Errorf("after a change: %d", b.status)
	}
	if a.head.Get("Cache-Control") != "no-store" || a.head.Get("X-Content-Type-Options") != "nosniff" || a.head.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.head)
	}
	if h := o.do(http.MethodHead, token, "/api/v1/household/"+id(1)); h.status != 200 || h.body != "" {
		t.Errorf("HEAD: %d %q", h.status, h.body)
	}
}

// Whatever is asked wrongly is a problem in one sentence, in both languages, and never the
// server's failure.
func TestProblems(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Name: "full", Role: identity.Office, Unmask: true})
	bad := map[string]int{
		"/api/v1/king": 404, "/api/v1/household/" + id(99): 404, "/api/v1/person/" + id(0): 404, "/api/": 404, "/api/v2/household": 404, "/api/v1/household/" + id(0) + "/x": 404,
		"/api/v1/household/x": 400, "/api/v1/household?limit=0": 400, "/api/v1/household?limit=1001": 400, "/api/v1/household?limit=x": 400, "/api/v1/household?limit=99999999999999999999": 400,
		"/api/v1/household?limit=1&limit=2": 400, "/api/v1/household?village=1": 400, "/api/v1/household?village=": 400, "/api/v1/household?wher=x": 400, "/api/v1/household?where=x": 400,
		"/api/v1/household?where=hed_name%3Dx": 400, "/api/v1/household?where=%3Dx": 400, "/api/v1/household?where=poverty_status%3Dking": 400, "/api/v1/household?where=arable_mu%3Dx": 400,
		"/api/v1/household?where=registered_date%3D2017-02-30": 400, "/api/v1/household?where=life%3Dx": 400, "/api/v1/household?where=head_name%3D%ff%fe": 400, "/api/v1/household?where=village_id%3Dx": 400,
		"/api/v1/household?updated_after=yesterday": 400, "/api/v1/household?updated_after=0000-01-01": 400, "/api/v1/household?cursor=x": 400, "/api/v1/household?cursor=e30": 410, "/api/v1/household?cursor=" + strings.Repeat("A", 5000): 400,
		"/api/v1/household?%zz": 400, "/api/v1/household?x;y": 400, "/api/v1/figures?month=2017": 400, "/api/v1/figures?month=2099-01": 400, "/api/v1/figures?month=2017-13": 400, "/api/v1/figures?x=1": 400,
		"/api/v1/villages?limit=1": 400, "/api/openapi.json?x=1": 400, "/api/v1/household?unmask=" + strings.Repeat("x", 501): 400,
		"/api/v1/household?where=" + strings.Repeat("life%3Dalive&where=", 60) + "life%3Dalive": 400,
		"/api/v1/household?where=location%3Dx":                                                  400, "/api/v1/household?where=id_number%3Dx": 400, "/api/v1/person?where=household%3Dx": 400,
	}
	for path, want := range bad {
		for _, lang := range []string{"zh", "en-GB"} {
			a := o.get(token, path, "Accept-Language", lang)
			var p Problem
			if err := json.Unmarshal([]byte(a.body), &p); err != nil {
				t.Errorf("%.60s: %d %s", path, a.status, a.body)
				continue
			}
			if a.status != want || p.Status != want || !strings.HasPrefix(p.Type, problemType) || p.Title == "" || p.Detail == "" || a.head.Get("Content-Type") != "application/problem+json" || strings.ContainsAny(p.Detail, "\n") {
				t.Errorf("%.60s: %d, want %d: %s", path, a.status, want, a.body)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if a := o.do(method, token, "/api/v1/household"); a.status != http.StatusMethodNotAllowed || a.head.Get("Allow") == "" {
			t.Errorf("%s: %d", method, a.status)
		}
	}
}

// One token that asks too quickly waits, and holds up no other.
func TestPace(t *testing.T) {
	var p paces
	now := time.Unix(1_800_000_000, 0)
	for i := range burst {
		done, err := p.begin("a", now)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		done()
	}
	if _, err := p.begin("a", now); err == nil {
		t.Error("more than the burst at once")
	}
	if done, err := p.begin("b", now); err != nil {
		t.Error("another token waits too")
	} else {
		done()
	}
	now = now.Add(time.Second)
	for i := range perSecond {
		done, err := p.begin("a", now)
		if err != nil {
			t.Fatalf("%d a second later: %v", i, err)
		}
		done()
	}
	if _, err := p.begin("a", now); err == nil {
		t.Error("quicker than the pace")
	}
	now = now.Add(time.Hour)
	var open []func()
	for range together {
		done, err := p.begin("a", now)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, done)
	}
	if _, err := p.begin("a", now); err == nil {
		t.Error("more at once than may be")
	}
	open[0]()
	if _, err := p.begin("a", now); err != nil {
		t.Error(err)
	}
}

// The figures are those of the office's table.
func TestFigures(t *testing.T) {
	o := filled(t)
	token := o.token(access.NewToken{Role: identity.Leader})
	var f figuresOf
	o.read(token, "/api/v1/figures?month=2026-05", &f)
	if f.To != "2026-05-31" || len(f.Villages) != 2 || f.Villages[0].Figures == nil || f.Villages[0].Figures.Register.Households != 3 || f.Villages[0].Name != "清源村" || f.Behind != 0 {
		t.Errorf("%+v", f)
	}
	o.read(token, "/api/v1/figures?month=2026-05&village="+string(second), &f)
	if len(f.Villages) != 1 || f.Villages[0].Village != second {
		t.Errorf("%+v", f)
	}
}
