package web

import (
	"net/http"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// On a laptop of a village of which nobody has entered any post, whoever it was enrolled
// for is there to be chosen, and chosen; the post that is entered later is that one.
func TestVisitBeforeAnyPost(t *testing.T) {
	f := newFixture(t, false).enter()
	h := f.set(f.laptop, "杜旺火", householdType, record.ID{}, map[string]string{"head_name": "李大山", "group_name": "三组"})
	a := f.get("/record/visit/new?household=" + h.String())
	id := store.PostOf(f.deviceOf(), firstVillage.Code, "杜旺火")
	for _, want := range []string{`value="` + id.String() + `" checked`, "杜旺火", "曹彤倩"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	sent := formOf(t, a.body)
	a = f.post(a.path+"/save", with(sent, "f.visit_mode", "home", "f.visit_result", "met", "f.visit_purpose", "routine", "f.findings", "看了屋顶，瓦已经补好"))
	if a.status != http.StatusOK || !strings.Contains(a.body, "已保存在这台电脑上") {
		t.Fatalf("%d %s", a.status, a.path)
	}
	visit := f.lastOf(h, "看了屋顶，瓦已经补好")
	if got := f.get("/record/visit/" + visit.String()).body; !strings.Contains(got, "杜旺火") || strings.Contains(got, id.String()[:8]) {
		t.Error("the visit does not name who made it")
	}

	// The first secretary enters the post, at another laptop.
	f.enrol(f.office, "secretary", identity.FirstSecretary, f.deviceOf().Assigned.Villages, "宋芬娥")
	if post := f.set(f.office, "宋芬娥", teamType, record.ID{}, map[string]string{"person_name": "杜旺火", "start_date": "2024-03-01"}); post != id {
		t.Errorf("the post is %s, the visit names %s", post, id)
	}
	f.pull()
	a = f.get("/record/visit/new?household=" + h.String())
	if n := strings.Count(a.body, `value="`+id.String()+`"`); n != 1 {
		t.Errorf("offered %d times", n)
	}
}

// deviceOf is who the laptop is.
func (f *fixture) deviceOf() *store.Device {
	f.t.Helper()
	d, err := f.laptop.Device()
	if err != nil {
		f.t.Fatal(err)
	}
	return &d
}
