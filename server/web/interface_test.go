package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
)

var (
	tokenShown  = regexp.MustCompile(`zct_[A-Za-z0-9_-]{32}`)
	secretShown = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{43}=`)
)

// An administrator makes a token and an address in the browser; what opens anything is
// shown once, and ends when it is ended there.
func TestInterfaces(t *testing.T) {
	f := newFixture(t, small...)
	admin := f.as("admin")
	page := admin.get("/interfaces")
	made := admin.post("/interfaces/token", page, url.Values{"name": {"报表"}, "role": {"office"}, "days": {"90"}, "unmask": {"1"}, "village": {string(small[0].Code)}})
	token := tokenShown.FindString(made.body)
	if made.status != http.StatusOK || token == "" {
		t.Fatalf("%d, no token in %s", made.status, made.body)
	}
	r, err := f.access.Read(t.Context(), "报表", token)
	if err != nil || !r.Reaches(small[0].Code) || r.Reaches(small[1].Code) || !r.May(access.Unmask) || r.May(access.Decide) && r.Token.Role != identity.Office {
		t.Errorf("%+v, %v", r, err)
	}
	page = admin.get("/interfaces")
	if tokenShown.MatchString(page.body) || !strings.Contains(page.body, "报表") || !strings.Contains(page.body, "/odata/") {
		t.Error("shown again, or not listed")
	}
	for _, form := range []url.Values{
		{"name": {""}, "role": {"office"}, "days": {"90"}}, {"name": {"x"}, "role": {"king"}, "days": {"90"}}, {"name": {"x"}, "role": {"office"}, "days": {"x"}}, {"name": {"x"}, "role": {"office"}, "days": {"99999"}},
		{"name": {"x"}, "role": {"leader"}, "days": {"90"}, "unmask": {"1"}}, {"name": {"x"}, "role": {"sponsor_unit"}, "days": {"90"}}, {"name": {"x"}, "role": {"office"}, "days": {"90"}, "village": {"1"}},
		{"name": {"报表"}, "role": {"office"}, "days": {"90"}},
	} {
		if a := admin.post("/interfaces/token", page, form); a.status != http.StatusUnprocessableEntity || tokenShown.MatchString(a.body) || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("%v: %d", form, a.status)
		}
	}
	admin.post("/interfaces/token/"+r.Token.ID+"/revoke", page, nil)
	if _, err := f.access.Read(t.Context(), "", token); err == nil {
		t.Error("it works after it was revoked")
	}
	if a := admin.post("/interfaces/token/x/revoke", page, nil); a.status != http.StatusNotFound {
		t.Errorf("an unknown token: %d", a.status)
	}

	told := admin.post("/interfaces/webhook", page, url.Values{"url": {"https://receiver.example/hook?key=secret"}, "type": {"visit"}})
	if told.status != http.StatusOK || !secretShown.MatchString(told.body) {
		t.Fatalf("%d, no secret", told.status)
	}
	hooks, err := f.store.Webhooks(t.Context())
	if err != nil || len(hooks) != 1 {
		t.Fatal(hooks, err)
	}
	id := hooks[0].ID
	if _, err := f.store.ChangeWebhook(t.Context(), id, func(h *store.Webhook) { h.Paused, h.Tries, h.Said = f.now(), 9, "private" }); err != nil {
		t.Fatal(err)
	}
	page = admin.get("/interfaces")
	if secretShown.MatchString(page.body) || !strings.Contains(page.body, "已暂停（本机或内网地址，不允许）") {
		t.Error("the secret is shown again, or the pause is not")
	}
	admin.post("/interfaces/webhook/"+id+"/resume", page, nil)
	if hooks, _ = f.store.Webhooks(t.Context()); !hooks[0].Paused.IsZero() || hooks[0].Tries != 0 {
		t.Errorf("%+v", hooks[0])
	}
	if a := admin.post("/interfaces/webhook", page, url.Values{"url": {"ftp://x"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("ftp: %d", a.status)
	}
	admin.post("/interfaces/webhook/"+id+"/remove", page, nil)
	if hooks, _ = f.store.Webhooks(t.Context()); len(hooks) != 0 {
		t.Errorf("%+v", hooks)
	}
	// The audit has all of it, and not what stands behind the host.
	audit := admin.get("/audit").body
	for _, want := range []string{"新建令牌", "停用令牌", "添加通知地址", "恢复通知", "删除通知地址", "receiver.example"} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit lacks %s", want)
		}
	}
	if strings.Contains(audit, "key=secret") || strings.Contains(audit, token) {
		t.Error("the audit has a secret")
	}
	// Whoever is called as the audit calls programs would be taken for one.
	if a := admin.post("/accounts", page, url.Values{"login": {"token:x"}, "role": {"office"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a login like a program: %d", a.status)
	}
}
