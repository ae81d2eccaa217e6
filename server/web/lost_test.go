package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// The report on a lost laptop says what was on it, once it is in the audit; the
// administrator gets the figures and no household.
func TestLost(t *testing.T) {
	f := filled(t)
	house, other := f.first(f.codes()[0], "household", 0), f.first(f.codes()[1], "household", 0)
	name, _ := house.View.Fields["head_name"].Text()
	elsewhere, _ := other.View.Fields["head_name"].Text()
	l := f.laptop("新队员", identity.TeamMember, f.codes()[0])
	l.hear(24*time.Hour, store.Contact{Pending: 5, Assigned: 1})
	if err := f.access.SetOfflineDays(t.Context(), "admin", 30); err != nil {
		t.Fatal(err)
	}
	path := "/devices/" + string(l.device.ID)
	office, admin := f.as("office"), f.as("admin")
	a := office.post(path+"/lost", office.get(path), nil)
	for _, want := range []string{name, small[0].Name, "36", texts["lost.sealed.unknown"].zh, "2月7日", `/revoke"`, `/lost/file"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("without %q\n%s", want, a.body)
		}
	}
	if strings.Contains(a.body, elsewhere) {
		t.Errorf("%s was never on it", elsewhere)
	}
	list, err := f.store.Audits(t.Context(), store.AuditQuery{Limit: 1})
	if err != nil || len(list) != 1 || list[0].Act != "lost" || list[0].Who != "office" || !strings.Contains(list[0].Subject, string(l.device.ID)) {
		t.Errorf("audit %+v, %v", list, err)
	}
	file := office.post(path+"/lost/file", a, nil)
	if file.status != http.StatusOK || !strings.Contains(file.body, name) || strings.Contains(file.body, elsewhere) {
		t.Errorf("the file: %d\n%.300s", file.status, file.body)
	}
	b := admin.post(path+"/lost", admin.get(path), nil)
	if b.status != http.StatusOK || strings.Contains(b.body, name) || strings.Contains(b.body, "/lost/file") || !strings.Contains(b.body, small[0].Name) {
		t.Errorf("the administrator's: %d\n%s", b.status, b.body)
	}
}
