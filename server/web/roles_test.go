package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// promise is who may ask for an address: what the product promises, written down
// apart from the table that the site asks.
type promise struct {
	path string
	who  string // roles; "all" is whoever is signed in, "door" everybody
	form url.Values
}

// promises has a row for each route. A form is one that would change something.
func promises(f *fixture, house, other record.Key, device identity.Device) map[string]promise {
	const totals = "office leader inspector sponsor_unit"
	village := string(small[0].Code)
	photo := "/blob/" + village + "/" + strings.Repeat("ab", 32) + ".jpg"
	return map[string]promise{
		"GET /signin":                      {path: "/signin", who: "door"},
		"POST /signin":                     {path: "/signin", who: "door", form: url.Values{"login": {"nobody"}, "password": {""}}},
		"GET /signin/code":                 {path: "/signin/code", who: "door"},
		"POST /signin/code":                {path: "/signin/code", who: "door", form: url.Values{"code": {"1"}}},
		"GET /factor":                      {path: "/factor", who: "door"},
		"POST /factor":                     {path: "/factor", who: "door", form: url.Values{"code": {"1"}}},
		"POST /me/factor":                  {path: "/me/factor", who: "all", form: url.Values{"do": {"set"}}},
		"POST /me/sessions":                {path: "/me/sessions", who: "all", form: url.Values{"end": {"others"}}},
		"POST /accounts/signout":           {path: "/accounts/signout", who: "admin", form: url.Values{"login": {"office"}}},
		"POST /me/signout":                 {path: "/me/signout", who: "all"},
		"POST /language":                   {path: "/language", who: "door", form: url.Values{"language": {"zh"}}},
		"POST /signout":                    {path: "/signout", who: "all"},
		"GET /help":                        {path: "/help", who: "all"},
		"GET /me":                          {path: "/me", who: "all"},
		"POST /me":                         {path: "/me", who: "all", form: url.Values{"new": {"x"}}},
		"GET /{$}":                         {path: "/", who: "office"},
		"GET /records":                     {path: "/records", who: "office inspector sponsor_unit"},
		"GET /records/{type}":              {path: "/records/household", who: "office inspector sponsor_unit"},
		"POST /records/{type}/views":       {path: "/records/household/views", who: "office inspector sponsor_unit", form: url.Values{"name": {"n"}}},
		"POST /export/{type}/full":         {path: "/export/household/full", who: "office", form: url.Values{"format": {"csv"}, "reason": {"r"}}},
		"POST /views/{id}/drop":            {path: "/views/" + strings.Repeat("0", 36) + "/drop", who: "office inspector sponsor_unit"},
		"GET /export/{type}":               {path: "/export/household?format=csv", who: "office"},
		"GET /record/{village}/{id}":       {path: href(house), who: "office inspector sponsor_unit"},
		"POST /record/{village}/{id}/full": {path: href(house) + "/full", who: "office", form: url.Values{"reason": {"r"}}},
		"GET /forms":                       {path: "/forms", who: "office admin"},
		"GET /forms/{type}":                {path: "/forms/visit", who: "office admin"},
		"GET /forms/{type}/workbook":       {path: "/forms/visit/workbook", who: "office admin"},
		"POST /forms/look":                 {path: "/forms/look", who: "office", form: url.Values{"file": {"x"}}},
		"POST /forms/publish":              {path: "/forms/publish", who: "office", form: url.Values{"edition": {"x"}}},
		"POST /export/{type}/template":     {path: "/export/household/template", who: "office", form: url.Values{"file": {"x"}}},
		"GET /charts":                      {path: "/charts", who: totals},
		"GET /map":                         {path: "/map", who: totals},
		"GET /coverage":                    {path: "/coverage", who: totals},
		"GET /leaders":                     {path: "/leaders", who: totals},
		"GET /leaders.xlsx":                {path: "/leaders.xlsx", who: totals},
		"POST /leaders/close":              {path: "/leaders/close", who: "office", form: url.Values{"month": {"2024-12"}}},
		"GET /figures/{village}":           {path: "/figures/" + village, who: totals},
		"GET /overdue":                     {path: "/overdue", who: "office inspector sponsor_unit"},
		"GET /conflicts":                   {path: "/conflicts", who: "office"},
		"POST /decide": {path: "/decide", who: "office", form: url.Values{"village": {village}, "id": {house.ID.String()}, "path": {"main_cause"},
			"take": {"value"}, "value": {"skill"}, "reason": {"r"}}},
		"POST /ask": {path: "/ask", who: "office", form: url.Values{"village": {village}, "id": {house.ID.String()}, "path": {"main_cause"},
			"words": {"哪个对？"}}},
		"POST /undo":                              {path: "/undo", who: "office", form: url.Values{"taken": {village + " " + house.ID.String() + " main_cause 01000000000000000000000000000000:1"}}},
		"GET /bulk":                               {path: "/bulk?rule=newer", who: "office"},
		"POST /bulk":                              {path: "/bulk", who: "office", form: url.Values{"rule": {"newer"}, "reason": {"r"}, "item": {village + " " + house.ID.String() + " main_cause 01000000000000000000000000000000:1 01000000000000000000000000000000:1"}}},
		"POST /bulk/undo":                         {path: "/bulk/undo", who: "office", form: url.Values{"bulk": {"none"}}},
		"POST /same":                              {path: "/same", who: "office", form: url.Values{"village": {village}, "kept": {house.ID.String()}, "other": {other.ID.String()}, "do": {"apart"}, "reason": {"r"}}},
		"GET /across":                             {path: "/across", who: "office"},
		"POST /late":                              {path: "/late", who: "office", form: url.Values{"village": {village}, "id": {house.ID.String()}, "month": {"2024-12"}}},
		"GET /quarantine":                         {path: "/quarantine", who: "office"},
		"POST /quarantine":                        {path: "/quarantine", who: "office", form: url.Values{"id": {"x"}, "do": {"accept"}, "reason": {"r"}}},
		"GET /devices":                            {path: "/devices", who: "office admin"},
		"GET /devices/new":                        {path: "/devices/new", who: "office admin"},
		"GET /devices/{id}":                       {path: "/devices/" + string(device), who: "office admin"},
		"POST /devices/code":                      {path: "/devices/code", who: "office admin", form: url.Values{"name": {"新队员"}, "role": {"team_member"}, "village": {village}}},
		"POST /devices/offline":                   {path: "/devices/offline", who: "office admin", form: url.Values{"days": {"30"}}},
		"POST /devices/{id}/lost":                 {path: "/devices/" + string(device) + "/lost", who: "office admin"},
		"POST /devices/{id}/lost/file":            {path: "/devices/" + string(device) + "/lost/file", who: "office"},
		"POST /devices/{id}/recover":              {path: "/devices/" + string(device) + "/recover", who: "office admin", form: url.Values{"reason": {"口令忘了"}}},
		"POST /devices/{id}/regrant":              {path: "/devices/" + string(device) + "/regrant", who: "office admin"},
		"POST /devices/{id}/revoke":               {path: "/devices/" + string(device) + "/revoke", who: "office admin", form: url.Values{"sure": {"1"}}},
		"POST /devices/{id}/profile":              {path: "/devices/" + string(device) + "/profile", who: "office admin", form: url.Values{"name": {"又一人"}}},
		"POST /restored":                          {path: "/restored", who: "office admin", form: url.Values{"back": {"/devices"}}},
		"GET /bundles":                            {path: "/bundles", who: "office admin"},
		"POST /bundles":                           {path: "/bundles", who: "office admin"},
		"GET /bundles/{id}":                       {path: "/bundles/1", who: "office admin"},
		"GET /bundles/{id}/reply":                 {path: "/bundles/1/reply", who: "office admin"},
		"GET /accounts":                           {path: "/accounts", who: "office admin"},
		"POST /accounts":                          {path: "/accounts", who: "admin", form: url.Values{"login": {"new"}, "role": {"admin"}}},
		"POST /accounts/password":                 {path: "/accounts/password", who: "admin", form: url.Values{"login": {"nobody"}}},
		"POST /accounts/factor":                   {path: "/accounts/factor", who: "admin", form: url.Values{"login": {"office"}}},
		"POST /accounts/require":                  {path: "/accounts/require", who: "admin", form: url.Values{"role": {"leader"}}},
		"GET /settings":                           {path: "/settings", who: "office admin"},
		"POST /settings/photos":                   {path: "/settings/photos", who: "office admin", form: url.Values{"side": {"800"}, "quality": {"70"}}},
		"POST /steps/away":                        {path: "/steps/away", who: "office admin"},
		"GET /backup":                             {path: "/backup", who: "admin"},
		"POST /backup":                            {path: "/backup", who: "admin", form: url.Values{"sure": {"1"}}},
		"POST /backup/try":                        {path: "/backup/try", who: "admin", form: url.Values{"made": {"1736386200000"}}},
		"POST /backup/file":                       {path: "/backup/file", who: "", form: url.Values{"made": {"1736386200000"}, "reason": {"r"}}}, // both of admin and office: TestBackupFile
		"GET /audit":                              {path: "/audit", who: "office admin"},
		"/":                                       {path: "/nowhere", who: "all"},
		"GET " + livePath:                         {path: livePath, who: "all"},
		"GET /blob/{village}/{name}":              {path: photo, who: "office inspector sponsor_unit"},
		"GET /blob/{village}/{name}/small":        {path: photo + "/small", who: "office inspector sponsor_unit"},
		"GET /assets/{hash}/{name}":               {path: assetPath("zhucun.css"), who: "door"},
		"GET /record/{village}/{id}/edit":         {path: href(house) + "/edit", who: "office"},
		"POST /record/{village}/{id}/edit":        {path: href(house) + "/edit", who: "office", form: url.Values{"f.phone": {"13900000000"}, "_stood": {"phone:x"}}},
		"POST /record/{village}/{id}/life":        {path: href(house) + "/life", who: "office", form: url.Values{"do": {"void"}, "feed": {"1"}, "reason": {"r"}}},
		"GET /record/{village}/{id}/members":      {path: href(house) + "/members?do=split", who: "office"},
		"POST /record/{village}/{id}/members":     {path: href(house) + "/members", who: "office", form: url.Values{"do": {"split"}, "step": {"who"}}},
		"GET /record/{village}/{id}/transfer":     {path: href(house) + "/transfer", who: "office"},
		"POST /record/{village}/{id}/transfer":    {path: href(house) + "/transfer", who: "office", form: url.Values{"to": {string(small[1].Code)}, "reason": {"r"}, "step": {"check"}}},
		"GET /record/{village}/{id}/files/{name}": {path: href(house) + "/files/" + strings.Repeat("ab", 32) + ".jpg", who: "office inspector sponsor_unit"},

		"POST /record/{village}/{id}/erase": {path: href(house) + "/erase", who: "admin", form: url.Values{"reason": {"依法"}, "sure": {"1"}}},

		"POST /record/{village}/{id}/reply": {path: href(house) + "/reply", who: "", form: url.Values{"content": {"好"}, "_id": {"0190a000-0000-7000-8000-000000000001"}}},
		"GET /leave":                        {path: "/leave", who: "office inspector sponsor_unit"},
		"POST /leave":                       {path: "/leave", who: "office sponsor_unit", form: url.Values{"in": {village}, "leave": {"x"}}},
		"GET /notices":                      {path: "/notices", who: "office"},
		"GET /notices/new":                  {path: "/notices/new", who: "office"},
		"POST /notices":                     {path: "/notices", who: "office"},
		"GET /notices/{no}":                 {path: "/notices/0190a000-0000-7000-8000-000000000001", who: "office"},
		"POST /notices/{no}/send":           {path: "/notices/0190a000-0000-7000-8000-000000000001/send", who: "office", form: url.Values{"village": {village}}},
		"POST /notices/{no}/withdraw":       {path: "/notices/0190a000-0000-7000-8000-000000000001/withdraw", who: "office", form: url.Values{"reason": {"r"}}},
		"GET /ledger":                       {path: "/ledger", who: "office inspector sponsor_unit"},
		"GET /ledger/{type}":                {path: "/ledger/task", who: "office inspector sponsor_unit"},
		"GET /records/{type}/new":           {path: "/records/issue/new?village=" + village, who: "office inspector"},
		"POST /records/{type}/new":          {path: "/records/issue/new?village=" + village, who: "office inspector", form: url.Values{"_id": {"0190a000-0000-7000-8000-000000000001"}, "f.description": {"漏雨"}}},
		"POST /record/{village}/{id}/step":  {path: href(house) + "/step", who: "", form: url.Values{"to": {"closed"}, "note": {"r"}}},

		"GET /interfaces":                      {path: "/interfaces", who: "admin"},
		"POST /interfaces/token":               {path: "/interfaces/token", who: "admin", form: url.Values{"name": {"x"}, "role": {"office"}, "days": {"30"}}},
		"POST /interfaces/token/{id}/revoke":   {path: "/interfaces/token/x/revoke", who: "admin"},
		"POST /interfaces/webhook":             {path: "/interfaces/webhook", who: "admin", form: url.Values{"url": {"https://x.example/"}}},
		"POST /interfaces/webhook/{id}/resume": {path: "/interfaces/webhook/x/resume", who: "admin"},
		"POST /interfaces/webhook/{id}/remove": {path: "/interfaces/webhook/x/remove", who: "admin"},
	}
}

// everything is what the office keeps, where somebody may have changed it.
func (f *fixture) everything() string {
	f.t.Helper()
	ctx := f.t.Context()
	accounts, err1 := f.store.Accounts(ctx)
	devices, err2 := f.store.Devices(ctx)
	codes, err3 := f.store.Codes(ctx)
	notes, err4 := f.store.Audits(ctx, store.AuditQuery{Limit: 1000})
	heads, err5 := f.store.Heads(ctx)
	tokens, err6 := f.store.Tokens(ctx)
	hooks, err7 := f.store.Webhooks(ctx)
	sessions, err8 := f.store.Sessions(ctx, "")
	made, err9 := f.store.Backups(ctx)
	for i := range sessions {
		sessions[i].Seen, sessions[i].Address = time.Time{}, ""
	}
	slices.SortFunc(sessions, func(a, b store.Session) int { return strings.Compare(a.ID, b.ID) })
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9} {
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return fmt.Sprint(accounts, devices, codes, notes, heads, tokens, hooks, sessions, made, f.waiting())
}

// Every page and every form, for every role and for who is not in: whoever may
// not gets nothing and changes nothing. What has no row here fails, and so does
// what the table of permissions lacks.
func TestRoles(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	away := f.first(small[1].Code, "household", 0).Key
	rows := promises(f, house.Key, away, f.laptops["宋芬娥"].device.ID)
	patterns := []string{"GET " + livePath, "GET /assets/{hash}/{name}"}
	for _, r := range f.site.all() {
		patterns = append(patterns, r.pattern)
	}
	for _, pattern := range patterns {
		if _, there := rows[pattern]; !there {
			t.Errorf("%s: nobody said who may", pattern)
		}
	}
	for pattern := range rows {
		if !slices.Contains(patterns, pattern) {
			t.Errorf("%s is no longer there", pattern)
		}
	}
	visitors := map[string]*visitor{"": f.visitor()}
	for _, r := range identity.Roles {
		if _, err := f.store.Account(t.Context(), string(r)); err != nil {
			f.account(r)
		}
		visitors[string(r)] = f.as(string(r))
	}
	// Those who may come last, as their forms do something.
	before := f.everything()
	for pattern, row := range rows {
		allowed := func(who string) bool {
			return row.who == "door" || who != "" && (row.who == "all" || slices.Contains(strings.Fields(row.who), who))
		}
		for _, who := range slices.Sorted(maps.Keys(visitors)) {
			if allowed(who) {
				continue
			}
			a := visitors[who].ask(pattern, row)
			switch {
			case row.path == livePath:
				if a.status != http.StatusUnauthorized {
					t.Errorf("%q, %s: %d", who, pattern, a.status)
				}
			case who == "" && (a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/signin")):
				t.Errorf("not in, %s: %d to %s; want the door", pattern, a.status, a.header.Get("Location"))
			case who != "" && row.path == "/":
				if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to == "/" {
					t.Errorf("%s, %s: %d to %s; want its own first page", who, pattern, a.status, to)
				}
			case who != "" && (a.status != http.StatusForbidden || !strings.Contains(a.body, texts["error.role"].zh)):
				t.Errorf("%s, %s: %d; may not", who, pattern, a.status)
			}
			if strings.Contains(a.body, small[0].Name) {
				t.Errorf("%q, %s sees a village on the refusal", who, pattern)
			}
			if now := f.everything(); now != before {
				t.Errorf("%q, %s changed something", who, pattern)
				before = now
			}
			a.protected(t, pattern)
		}
	}
	for pattern, row := range rows {
		leaves := pattern == "POST /signout" || pattern == "POST /me/signout"
		if row.path == livePath {
			continue // it does not end
		}
		for who, v := range visitors {
			if row.who != "door" && (who == "" || row.who != "all" && !slices.Contains(strings.Fields(row.who), who)) {
				continue
			}
			row := row
			if row.who != "door" && !leaves {
				row.form = nil
			}
			a := v.ask(pattern, row)
			if a.status >= 500 || strings.Contains(a.body, texts["error.role"].zh) || strings.Contains(a.body, texts["error.cross"].zh) {
				t.Errorf("%q, %s: %d; may", who, pattern, a.status)
			}
			if to := a.header.Get("Location"); strings.HasPrefix(to, "/signin") && row.who != "door" && !leaves {
				t.Errorf("%q, %s: sent to the door", who, pattern)
			}
			a.protected(t, pattern)
			if leaves {
				visitors[who] = f.as(who)
			}
		}
	}
	// Roles that no page knows have no rights either.
	for _, r := range f.site.all() {
		if r.action != door && access.May([]identity.Role{"king"}, r.action) {
			t.Errorf("%s is open to anybody", r.pattern)
		}
	}
}

// ask sends what a row says and follows nowhere.
func (v *visitor) ask(pattern string, row promise) answer {
	v.f.t.Helper()
	from := answer{}
	if strings.HasPrefix(pattern, "POST") {
		if from = v.get("/me"); from.token() == "" {
			v.f.t.Fatal("no token")
		}
	}
	v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { v.http.CheckRedirect = nil }()
	if strings.HasPrefix(pattern, "POST") {
		return v.post(row.path, from, row.form)
	}
	return v.get(row.path)
}

// protected checks the headers that keep a page to its reader.
func (a answer) protected(t *testing.T, of string) {
	t.Helper()
	csp := a.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("%s: policy %q lacks %s", of, csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
		t.Errorf("%s: policy %q", of, csp)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store"} {
		if of == "GET /assets/{hash}/{name}" && name == "Cache-Control" {
			want = "public, max-age=31536000, immutable"
		}
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", of, name, got, want)
		}
	}
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s lets other sites read", of)
	}
}

// What a role sees of the records: the leader no persons, the inspector neither ID
// and bank numbers nor health, the sponsor unit its village with numbers masked.
func TestSight(t *testing.T) {
	f := filled(t)
	for _, r := range []identity.Role{identity.Inspector, identity.SponsorUnit} {
		f.account(r)
	}
	v, w := small[0].Code, small[1].Code
	house, away := f.first(v, "household", 0), f.first(w, "household", 0)
	const id = "11010519491231002X"
	person, other := f.first(v, "person", 0), f.first(v, "person", 1)
	l := f.laptop("宋芬娥", "first_secretary", v)
	l.send(v, l.change(person.Key, person.State, map[string]string{"health": "残疾", "id_number": id}), l.change(other.Key, other.State, map[string]string{"id_number": "440524188001010014"}))
	other = f.get(other.Key)
	f.quarrelIn(other, "id_number", "11010519491231002X", "532524199001017031")
	f.quarrelIn(f.get(other.Key), "labour", "技能", "丧失")
	f.quarrelIn(house, "bank_account", "6222020000000000018", "6222020000000004444")
	pages := func(who string, paths ...string) string {
		var all strings.Builder
		as := f.as(who)
		for _, path := range paths {
			a := as.get(path)
			if a.status != http.StatusOK {
				t.Errorf("%s at %s: %d", who, path, a.status)
			}
			all.WriteString(a.body)
		}
		return all.String()
	}
	has := func(who, body string, wants bool, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if strings.Contains(body, text) != wants {
				t.Errorf("%s: %q is there: %v", who, text, !wants)
			}
		}
	}
	head, _ := house.View.Fields["head_name"].Text()
	awayHead, _ := away.View.Fields["head_name"].Text()
	last := id[len(id)-4:]
	recordsOf := []string{href(person.Key), href(other.Key), href(house.Key), "/records/person", "/records/person?w.health=disabled", "/records/household", "/overdue?on=2030-01-01", "/records", "/coverage"}
	office := pages("office", recordsOf...)
	has("office", office, true, last, "残疾", "健康状况", "证件号", "银行账号", head, awayHead, "/export/", "/full\"", "action=\"/decide\"")
	has("office", office, false, id)

	inspector := pages("inspector", append(recordsOf, href(away.Key))...)
	has("inspector", inspector, true, head, awayHead, small[1].Name, "技能", "丧失")
	has("inspector", inspector, false, id, last, "****7031", "****0014", "****4444", "健康状况", "证件号", "银行账号", "/export/", "/full\"", "/decide", `name="w.health"`)
	// A condition on what is hidden is none: the answer would tell it.
	if all, some := pages("inspector", "/records/person"), pages("inspector", "/records/person?w.health=disabled"); strings.Count(all, "<tr>") != strings.Count(some, "<tr>") {
		t.Error("an inspector can filter by health")
	}

	sponsor := pages("sponsor_unit", recordsOf...)
	has("sponsor_unit", sponsor, true, head, small[0].Name, last, "证件号")
	has("sponsor_unit", sponsor, false, id, small[1].Name, string(w), "/export/", "/full\"", "/decide")
	for _, row := range []string{"/records/household?village=" + string(w), "/overdue?village=" + string(w), href(away.Key)} {
		if a := f.as("sponsor_unit").get(row); a.status != http.StatusNotFound {
			t.Errorf("the sponsor unit at %s: %d", row, a.status)
		}
	}

	leader := pages("leader", "/coverage")
	has("leader", leader, true, small[0].Name, small[1].Name)
	for _, rows := range []record.Village{v, w} {
		for n := range 18 {
			name, _ := f.first(rows, "household", n).View.Fields["head_name"].Text()
			has("leader", leader, false, name)
		}
	}
	for name := range f.laptops {
		has("leader", leader, false, name)
	}
}
