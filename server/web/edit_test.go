package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

var formFields = regexp.MustCompile(`name="(_stood|_shown|feed)" value="([^"]*)"`)

// filledForm gives what a form says of itself, with answers put in.
func filledForm(a answer, answers ...string) url.Values {
	v := url.Values{}
	for _, m := range formFields.FindAllStringSubmatch(a.body, -1) {
		v.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(answers); i += 2 {
		v.Add(answers[i], answers[i+1])
	}
	return v
}

// asShown gives all controls of a form as a browser would send them back untouched.
func asShown(rec *store.Record) []string {
	var list []string
	for _, fd := range form.Builtin().Form(rec.Type).Fields {
		for _, t := range fd.Typed(rec.View.Fields[fd.Name]) {
			list = append(list, "f."+fd.Name, t)
		}
	}
	return list
}

func (f *fixture) entries(k record.Key) []store.Entry {
	f.t.Helper()
	list, err := f.store.History(f.t.Context(), k.Village, k.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// Every type has a form; sent back as it was shown, it writes nothing.
func TestEditUntouched(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	for _, fm := range form.Builtin().Forms() {
		l, err := f.store.Browse(t.Context(), store.Browse{Type: fm.Type, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Rows) == 0 {
			continue
		}
		rec := f.get(l.Rows[0].Key)
		page := as.get(href(rec.Key) + "/edit")
		if page.status != 200 {
			t.Errorf("%s: %d", fm.Type, page.status)
			continue
		}
		for _, fd := range fm.Fields {
			if fd.Kind != form.Calculate && fd.Kind != form.Image && !strings.Contains(page.body, `name="f.`+fd.Name+`"`) {
				t.Errorf("%s: %s is not asked", fm.Type, fd.Name)
			}
		}
		before := len(f.entries(rec.Key))
		a := as.post(href(rec.Key)+"/edit", page, filledForm(page, asShown(rec)...))
		if a.status != 200 || len(f.entries(rec.Key)) != before || !strings.Contains(a.body, "没有要改的") {
			t.Errorf("%s: sent back untouched it is %d, %d changes more", fm.Type, a.status, len(f.entries(rec.Key))-before)
		}
	}
}

// Only what was touched is written, in the name of who did, with the reason.
func TestEdit(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	house := f.first(small[0].Code, "household", 0)
	edit := href(house.Key) + "/edit"
	page := as.get(edit)
	if strings.Contains(page.body, "6222020000000000018") {
		t.Error("a masked number is in the form")
	}
	answers := func(name string, typed ...string) (list []string) {
		shown := asShown(f.get(house.Key))
		for i := 0; i < len(shown); i += 2 {
			if shown[i] != "f."+name {
				list = append(list, shown[i], shown[i+1])
			}
		}
		for _, x := range typed {
			list = append(list, "f."+name, x)
		}
		return list
	}
	a := as.post(edit, page, filledForm(page, append(answers("group_name", "河西组"), "reason", "群众反映，已核实")...))
	if a.status != 200 || !strings.Contains(a.body, "已保存") || !strings.Contains(a.body, "群众反映，已核实") {
		t.Fatalf("saved: %d at %s", a.status, a.path)
	}
	last := f.entries(house.Key)[0]
	if body := last.Change.Body; len(body) != 1 || body[0].Path != "group_name" || last.Change.Author != "office" || len(body[0].Observed) == 0 {
		t.Errorf("written: %+v", last.Change)
	}
	// A number that is masked is replaced or cleared, or left alone.
	page = as.get(edit)
	as.post(edit, page, filledForm(page, append(answers("bank_account"), "f.bank_account", "6222020000000000018")...))
	if v, _ := f.get(house.Key).View.Fields["bank_account"].Text(); v != "6222020000000000018" {
		t.Errorf("the account is %q", v)
	}
	page = as.get(edit)
	if strings.Contains(page.body, "6222020000000000018") || !strings.Contains(page.body, "****0018") {
		t.Error("the number is not masked in the form")
	}
	as.post(edit, page, filledForm(page, append(answers("phone", "13911112222"), "erase.bank_account", "1")...))
	if now := f.get(house.Key).View.Fields; now["bank_account"] != "" && !now["bank_account"].IsNull() {
		t.Errorf("the account is %s", now["bank_account"])
	}
	// What cannot be read is told with all that was typed, and nothing is written.
	before := len(f.entries(house.Key))
	page = as.get(edit)
	a = as.post(edit, page, filledForm(page, append(answers("arable_mu", "三亩多"), "reason", "看过地")...))
	if a.status != 422 || len(f.entries(house.Key)) != before || !strings.Contains(a.body, `value="三亩多"`) || !strings.Contains(a.body, `value="看过地"`) {
		t.Errorf("unread: %d, %d written", a.status, len(f.entries(house.Key))-before)
	}
	// The notes of the audit name fields and no values.
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "edit", Limit: 9})
	if err != nil || len(notes) != 3 || strings.Contains(notes[0].Subject+notes[1].Subject, "6222") || !strings.HasSuffix(notes[2].Subject, house.ID.String()+" group_name") {
		t.Errorf("%+v, %v", notes, err)
	}
	if a := as.post(edit, page, filledForm(page, append(answers("phone", "13911113333"), "reason", strings.Repeat("长", 501))...)); a.status != 422 {
		t.Errorf("a reason without end: %d", a.status)
	}
	for _, path := range []string{"/record/369999000001/x/edit", "/record/x/" + house.ID.String() + "/edit", "/record/369999000002/" + house.ID.String() + "/edit"} {
		if a := as.get(path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// While the form is open a laptop writes one of its fields: whoever saves is told, loses
// nothing, and may save over what they have seen now. Other fields are no matter.
func TestEditMoved(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	house := f.first(small[0].Code, "household", 0)
	edit := href(house.Key) + "/edit"
	page := as.get(edit)
	l := f.laptop("宋芬娥", identity.FirstSecretary, house.Village)
	l.send(house.Village, l.change(house.Key, house.State, map[string]string{"group_name": "河东组"}))
	mine := []string{"f.group_name", "河西组"}
	stay := func(but string) (list []string) {
		shown := asShown(house)
		for i := 0; i < len(shown); i += 2 {
			if shown[i] != "f."+but {
				list = append(list, shown[i], shown[i+1])
			}
		}
		return list
	}
	before := len(f.entries(house.Key))
	a := as.post(edit, page, filledForm(page, append(stay("group_name"), mine...)...))
	if a.status != 422 || len(f.entries(house.Key)) != before {
		t.Fatalf("saved over what was not seen: %d", a.status)
	}
	for _, want := range []string{"别人也改了这几处", "河东组", `value="河西组"`, "宋芬娥"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("it is not told: %s", want)
		}
	}
	a = as.post(edit, a, filledForm(a, append(stay("group_name"), mine...)...))
	if v, _ := f.get(house.Key).View.Fields["group_name"].Text(); v != "河西组" || a.status != 200 {
		t.Errorf("the group is %q, %d", v, a.status)
	}
	if c := f.get(house.Key).View.Conflicts; len(c) > 0 {
		t.Errorf("it waits for a decision: %+v", c)
	}
	// Another field: saved, and what the laptop wrote stays although the form shows the old.
	house = f.get(house.Key)
	page = as.get(edit)
	l.send(house.Village, l.change(house.Key, house.State, map[string]string{"group_name": "新组"}))
	a = as.post(edit, page, filledForm(page, append(stay("phone"), "f.phone", "13900001111")...))
	now := f.get(house.Key).View.Fields
	if g, _ := now["group_name"].Text(); g != "新组" || a.status != 200 {
		t.Errorf("what was not touched was written: %q, %d", g, a.status)
	}
	if n, _ := now["phone"].Text(); n != "13900001111" {
		t.Errorf("the phone is %q", n)
	}
}

// A record is declared void with a reason and made valid again; not by whoever has not
// seen its last change.
func TestLife(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	house := f.first(small[0].Code, "household", 0)
	life := href(house.Key) + "/life"
	post := func(page answer, do, reason string) answer {
		return as.post(life, page, filledForm(page, "do", do, "reason", reason))
	}
	page := as.get(href(house.Key))
	if a := post(page, "void", " "); !strings.Contains(a.body, "请写明理由") || f.get(house.Key).View.Void {
		t.Error("void without a reason")
	}
	if a := post(page, "erase", "r"); a.status != 400 {
		t.Errorf("something else: %d", a.status)
	}
	l := f.laptop("宋芬娥", identity.FirstSecretary, house.Village)
	l.send(house.Village, l.change(house.Key, house.State, map[string]string{"group_name": "河东组"}))
	if a := post(page, "void", "重复录入"); !strings.Contains(a.body, "别人改过它") || f.get(house.Key).View.Void {
		t.Error("void without having seen the last change")
	}
	page = as.get(href(house.Key))
	if a := post(page, "void", "重复录入"); !strings.Contains(a.body, "已作废：重复录入") || !f.get(house.Key).View.Void {
		t.Errorf("not void: %d", a.status)
	}
	if a := as.get(href(house.Key) + "/edit"); a.path != href(house.Key) {
		t.Errorf("a void record's form is at %s", a.path)
	}
	before := len(f.entries(house.Key))
	as.post(href(house.Key)+"/edit", page, url.Values{"f.group_name": {"x"}, "_stood": {"group_name:0"}, "_shown": {"group_name:0"}})
	if len(f.entries(house.Key)) != before {
		t.Error("a void record was written to")
	}
	page = as.get(href(house.Key))
	if a := post(page, "unvoid", "查明不是重复"); !strings.Contains(a.body, "又有效了") || f.get(house.Key).View.Void || len(f.get(house.Key).View.Conflicts) > 0 {
		t.Errorf("not valid: %d", a.status)
	}
	if a := post(as.get(href(house.Key)), "unvoid", "再来"); !strings.Contains(a.body, "没有要改的") {
		t.Error("valid twice")
	}
	for _, feed := range []string{"", "-1", "x", "99999999999999999999"} {
		if a := as.post(life, page, url.Values{"do": {"void"}, "reason": {"r"}, "feed": {feed}}); a.status != 400 {
			t.Errorf("feed %q: %d", feed, a.status)
		}
	}
}

// Who may write what (DOMAIN.md §2): each row is a role, a type, and whether it has a form;
// what a role does not own it proposes, what it may not see it cannot write.
func TestEditRoles(t *testing.T) {
	f := filled(t)
	v := small[0].Code
	l := f.laptop("登记员", identity.Office, f.codes()...)
	put := func(typ record.Type, n byte, fields map[string]string) record.Key {
		k := record.Key{Village: v, Type: typ, ID: record.ID{0: 0xee, 1: n, 6: 0x70, 8: 0x80}}
		l.send(v, l.change(k, nil, fields))
		return k
	}
	keys := map[record.Type]record.Key{
		"issue":        put("issue", 1, map[string]string{"description": "房屋漏雨", "issue_status": "整改中"}),
		"inspection":   put("inspection", 2, map[string]string{"inspector": "督查组", "inspect_date": "2025-01-02"}),
		"support_item": put("support_item", 3, map[string]string{"date": "2024-12-30", "description": "送了化肥"}),
		"household":    f.first(v, "household", 0).Key,
		"person":       f.first(v, "person", 0).Key,
		"visit":        f.first(v, "visit", 0).Key,
	}
	for _, r := range []identity.Role{identity.Inspector, identity.SponsorUnit} {
		f.account(r)
	}
	for who, types := range map[string]string{
		"office": "issue inspection support_item household person visit", "inspector": "issue inspection", "sponsor_unit": "support_item", "leader": "", "admin": "",
	} {
		as := f.as(who)
		for typ, k := range keys {
			may := strings.Contains(" "+types+" ", " "+string(typ)+" ")
			page := as.get(href(k) + "/edit")
			if (page.status == 200) != may || !may && page.status != http.StatusForbidden {
				t.Errorf("%s, %s: %d", who, typ, page.status)
			}
			if rec := as.get(href(k)); rec.status == 200 && strings.Contains(rec.body, `/edit"`) != may {
				t.Errorf("%s, %s: the record's page offers a form: %v", who, typ, !may)
			}
			if may {
				continue
			}
			before := len(f.entries(k))
			for _, path := range []string{"/edit", "/life"} {
				a := as.post(href(k)+path, as.get("/me"), url.Values{"do": {"void"}, "reason": {"r"}, "feed": {strconv.FormatUint(f.get(k).Feed, 10)},
					"f.description": {"x"}, "_stood": {"description:0"}, "_shown": {"description:" + "0"}})
				if a.status != http.StatusForbidden {
					t.Errorf("%s, %s%s: %d", who, typ, path, a.status)
				}
			}
			if len(f.entries(k)) != before {
				t.Errorf("%s wrote to a %s", who, typ)
			}
		}
	}
	// The sponsor unit writes in its village only.
	away := record.Key{Village: small[1].Code, Type: "support_item", ID: record.ID{0: 0xee, 1: 9, 6: 0x70, 8: 0x80}}
	l.send(away.Village, l.change(away, nil, map[string]string{"date": "2024-12-30", "description": "别村的"}))
	if a := f.as("sponsor_unit").get(href(away) + "/edit"); a.status != http.StatusNotFound {
		t.Errorf("the sponsor unit in another village: %d", a.status)
	}
	// What the inspector does not own is proposed beside what stands.
	inspector := f.as("inspector")
	fm := form.Builtin().Form("issue")
	for _, fd := range fm.Fields {
		if fd.Policy != form.Owner || fd.Kind != form.Date {
			continue
		}
		page := inspector.get(href(keys["issue"]) + "/edit")
		inspector.post(href(keys["issue"])+"/edit", page, filledForm(page, append(asShown(f.get(keys["issue"])), "f."+fd.Name, "2025-02-01")...))
		rec := f.get(keys["issue"])
		if len(rec.State[record.Path(fd.Name)].Siblings) > 0 || len(rec.State[record.Path(fd.Name).Proposal()].Siblings) != 1 {
			t.Errorf("%s of an inspector: %+v", fd.Name, rec.State)
		}
	}
	// An O-field of the register, written by the office, stands at once.
	house := f.get(keys["household"])
	office := f.as("office")
	page := office.get(href(house.Key) + "/edit")
	var answers []string
	for i, shown := 0, asShown(house); i < len(shown); i += 2 {
		if shown[i] != "f.helper_name" {
			answers = append(answers, shown[i], shown[i+1])
		}
	}
	office.post(href(house.Key)+"/edit", page, filledForm(page, append(answers, "f.helper_name", "李帮扶")...))
	if now := f.get(house.Key).View; now.Fields["helper_name"] != record.Text("李帮扶") || len(now.Proposals) > len(house.View.Proposals) {
		t.Errorf("the helper is %s", now.Fields["helper_name"])
	}
}
