package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// Whoever is an administrator and may see the record finds the button, is warned,
// and must give the grounds and a tick; then nothing of it is shown any more.
func TestErase(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	const canary = "13800004471"
	l := f.laptop("后来人", identity.FirstSecretary, small[0].Code)
	l.send(small[0].Code, l.change(house.Key, house.State, map[string]string{"phone": canary}))
	house = f.get(house.Key)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	page, form := href(house.Key), `action="`+href(house.Key)+`/erase"`
	if a := f.as("office").get(page); strings.Contains(a.body, form) {
		t.Error("the office alone has the button")
	}
	v := f.as("主任")
	a := v.get(page)
	if !strings.Contains(a.body, form) || !strings.Contains(a.body, "不能恢复") || !strings.Contains(a.body, canary) {
		t.Error("no button, no warning, or nothing to erase")
	}
	for _, row := range []url.Values{{}, {"reason": {"依法"}}, {"reason": {" "}, "sure": {"1"}}} {
		v.post(page+"/erase", a, row)
		if f.get(house.Key).View.Erased {
			t.Fatalf("erased with %v", row)
		}
	}
	a = v.post(page+"/erase", a, url.Values{"reason": {"依法〔2020〕1号"}, "sure": {"1"}})
	if a.status != http.StatusOK || !strings.Contains(a.body, "内容已由办公室依法擦除：依法〔2020〕1号") || strings.Contains(a.body, form) {
		t.Errorf("erased: %d\n%s", a.status, a.body)
	}
	for _, path := range []string{page, "/records/household?village=" + string(small[0].Code), "/audit"} {
		if a := v.get(path); strings.Contains(a.body, canary) {
			t.Errorf("it is still on %s", path)
		}
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "erase", Limit: 9})
	if err != nil || len(notes) != 1 || notes[0].Who != "主任" || notes[0].Subject != "household "+house.ID.String() {
		t.Errorf("audit %+v, %v", notes, err)
	}
	// What a laptop writes on is shown with its reason, and cannot be accepted.
	l.send(small[0].Code, l.change(house.Key, house.State, map[string]string{"phone": "13900004471"}))
	q := v.get("/quarantine")
	list, err := f.store.Quarantine(t.Context())
	if err != nil || len(list) != 1 || strings.Contains(q.body, "13900004471") || list[0].Reason != store.ReasonErased || !strings.Contains(q.body, "这条记录的内容已由办公室依法擦除") {
		t.Fatalf("quarantine %+v, %v", list, err)
	}
	ask := url.Values{"id": {list[0].Dot.String()}, "reason": {"r"}, "do": {"accept"}}
	if a := v.post("/quarantine", q, ask); a.status != http.StatusConflict || !strings.Contains(a.body, "已依法擦除，不能接受") {
		t.Errorf("accepted: %d", a.status)
	}
	ask.Set("do", "reject")
	if a := v.post("/quarantine", q, ask); a.status != http.StatusOK {
		t.Errorf("rejected: %d", a.status)
	}
}
