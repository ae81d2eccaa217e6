package web

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// The first page of a laptop asks for the code and nothing else; every page leads there.
// What is refused says why and stays typed, and a code that is good leads on.
func TestWelcome(t *testing.T) {
	f := newFixture(t, false).enter()
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) {
		d.ID, d.Token, d.Assigned = "", "", wire.Assignment{}
	}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/find", "/records/visit", "/sync", "/bundles", "/record/visit/new"} {
		a := f.get(path)
		if a.status != http.StatusOK || !strings.Contains(a.body, `name="code"`) || strings.Contains(a.body, "<nav") {
			t.Errorf("%s answers %d: %.300s", path, a.status, a.body)
		}
	}
	problem := form.Label{Zh: "登记码不对或已用过，请向办公室要一个新的", En: "bad code"}
	var tried []string
	f.sync.enrol = func(code string) form.Label {
		tried = append(tried, code)
		if code != "ZC1-GOOD" {
			return problem
		}
		f.enrol(f.laptop, "laptop", identity.TeamMember, []wire.Village{firstVillage}, "王队员")
		return form.Label{}
	}
	post := func(code string) answer { return f.post("/welcome", url.Values{"code": {code}}) }
	if a := post("  \n"); a.status != http.StatusUnprocessableEntity || len(tried) > 0 {
		t.Errorf("no code answers %d, tried %q", a.status, tried)
	}
	if a := post("ZC1\n-<BAD>"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, problem.Zh) || !strings.Contains(a.body, html.EscapeString("ZC1\n-<BAD>")) {
		t.Errorf("a bad code answers %d: %s", a.status, a.body)
	}
	if a := post(" ZC1-\r\nGO OD "); a.status != http.StatusOK || strings.Contains(a.body, `name="code"`) || f.sync.asked != 1 {
		t.Errorf("a good code answers %d, %d syncs: %s", a.status, f.sync.asked, a.body)
	}
	if want := "ZC1-<BAD> ZC1-GOOD"; strings.Join(tried, " ") != want {
		t.Errorf("tried %q", tried)
	}
	// Who has one is not enrolled again.
	if a := post("ZC1-BAD"); len(tried) != 2 || strings.Contains(a.body, `name="code"`) {
		t.Errorf("then another answers %d, tried %q", a.status, tried)
	}
	if a := f.get("/welcome"); strings.Contains(a.body, `name="code"`) {
		t.Error("the welcome comes again")
	}
}
