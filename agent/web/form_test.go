package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// answers gives something for every question of a form, as typed.
func (f *fixture) answers(ft *form.Form) url.Values {
	out := url.Values{}
	for _, fd := range ft.Fields {
		var typed []string
		switch fd.Kind {
		case form.Text:
			typed = []string{"试填的" + fd.Name}
			if fd.Many() {
				typed = []string{"甲某、乙某"}
			}
		case form.Integer:
			typed = []string{"2019"}
		case form.Decimal:
			typed = []string{"12.5"}
		case form.Date:
			typed = []string{"2024-06-01"}
		case form.Geopoint:
			typed = []string{"116.3, 25.8"}
		case form.SelectOne:
			typed = []string{fd.Choices[0].Name}
		case form.SelectMultiple:
			typed = []string{fd.Choices[0].Name, fd.Choices[1].Name}
		case form.RefOne, form.RefMultiple:
			f.laptop.Each(firstVillage.Code, fd.Refers, func(r store.Record) bool {
				typed = []string{r.Key.ID.String()}
				return false
			})
		}
		if typed != nil {
			out["f."+fd.Name] = typed
		}
	}
	return out
}

// Every record type can be entered, found and changed, with every answer that its form
// asks for; the pages know none of them by name but those of the household.
func TestEveryType(t *testing.T) {
	f := newFixture(t, true).enter()
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.Office }); err != nil {
		t.Fatal(err)
	}
	for _, ft := range form.Builtin().Forms() {
		if ft.Type == noticeType {
			if a := f.get("/record/notice/new"); a.status != http.StatusForbidden {
				t.Errorf("a notice may be written on a laptop: %d", a.status)
			}
			continue
		}
		at, body := f.opened("/record/" + string(ft.Type) + "/new")
		page := f.get(at).body
		given := f.answers(ft)
		for name, typed := range given {
			body[name] = typed
			if !strings.Contains(page, `name="`+name+`"`) {
				t.Errorf("%s: %s is not asked", ft.Type, name)
			}
		}
		a := f.post(at+"/save", body)
		_, saved, ok := strings.Cut(a.path, "saved="+string(ft.Type)+"/")
		if !ok || len(saved) < 36 {
			t.Errorf("%s is not saved: %d %s", ft.Type, a.status, a.path)
			continue
		}
		id := saved[:36]
		r := f.record(ft.Type, id)
		for name := range given {
			if v := r.View.Fields[strings.TrimPrefix(name, "f.")]; v == "" || v.IsNull() {
				t.Errorf("%s lacks %s", ft.Type, name)
			}
		}

		// It is in its list, and found by the words of an answer.
		href := "/record/" + string(ft.Type) + "/" + id
		if ft.Type == householdType {
			href = "/household/" + id
		}
		lists := []string{f.get("/records/" + string(ft.Type)).body}
		for _, fd := range ft.Fields {
			if fd.Kind == form.Text && !fd.Many() && !fd.Masked {
				lists = append(lists, f.get(f.sought("/records/"+string(ft.Type), "试填的"+fd.Name)).body)
				break
			}
		}
		for _, list := range lists {
			if !strings.Contains(list, href+`"`) {
				t.Errorf("%s is not found", ft.Type)
			}
		}

		// What it says is on its page, and can be changed there.
		shown := f.get("/record/" + string(ft.Type) + "/" + id).body
		var change *form.Field
		for _, fd := range ft.Fields {
			if given["f."+fd.Name] != nil && !strings.Contains(shown, fd.Label.Zh) {
				t.Errorf("%s: its page lacks %s", ft.Type, fd.Label.Zh)
			}
			if fd.Kind == form.SelectOne || change == nil && !fd.Masked && (fd.Kind == form.Text || fd.Kind == form.Decimal) {
				change = fd
			}
		}
		to := "23.5"
		if change.Kind == form.SelectOne {
			to = change.Choices[1].Name
		}
		f.entered("/record/"+string(ft.Type)+"/"+id+"/edit", "f."+change.Name, to)
		if got := f.record(ft.Type, id).View.Fields[change.Name]; string(got) != to && !slices.Contains(got.Texts(), to) {
			t.Errorf("%s: %s is %s after it was changed", ft.Type, change.Name, got)
		}
	}
}

// What a form knows already is not asked again: the ID number tells sex and birth, the
// household how many its people are, the year before what it was then.
func TestKnownAlready(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.livedIn(h)

	at, body := f.opened("/record/person/new?household=" + h.id.String())
	id := idOf(t, "36999919900301", 7)
	a := f.post(at+"/keep", with(body, "_serial", "1", "f.id_number", id))
	var k kept
	if err := json.Unmarshal([]byte(a.body), &k); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(k.Offers["sex"], "男") || !strings.Contains(k.Offers["birth_date"], "1990年3月1日") {
		t.Errorf("of the number it offers %v", k.Offers)
	}
	for _, m := range k.Missing {
		if m[0] == "f-sex" || m[0] == "f-birth_date" {
			t.Errorf("asks for %s all the same", m[1])
		}
	}
	saved := f.post(at+"/save", with(body, "_serial", "2", "f.id_number", id, "f.full_name", "何小军"))
	_, person, _ := strings.Cut(saved.path, "saved=person/")
	r := f.record(personType, person)
	if r.View.Fields["sex"] != "" || r.View.Fields["birth_date"] != "" {
		t.Errorf("what nobody typed is written: %v", r.View.Fields)
	}
	if page := bare(f.get("/record/person/" + person).body); !strings.Contains(page, "出生日期 1990年3月1日 由别的答案得出") {
		t.Errorf("the person's page: %s", page)
	}
	if page := bare(sectionOf(t, f.get("/household/"+h.id.String()).body, "people")); !strings.Contains(page, "何小军") || !strings.Contains(page, "34 岁") {
		t.Errorf("the household's page: %s", page)
	}

	income := f.get("/record/income/new?household=" + h.id.String()).body
	if !strings.Contains(income, `name="f.members" value="4"`) || !strings.Contains(bare(income), "2024年：31,200") {
		t.Error("the income form lacks how many they are, or what was earned the year before")
	}

	for n, want := range map[int]string{0: "2025", 1: "2024"} {
		if page := f.get("/record/income/new?household=" + f.house(n).id.String()).body; !strings.Contains(page, `name="f.year" value="`+want+`"`) {
			t.Errorf("household %d: the income is not asked of %s", n, want)
		}
	}

	// A long form has its parts, each with what is still missing in it.
	form := f.get("/record/household/new").body
	if strings.Count(form, `class="step"`) != 5 || !strings.Contains(bare(form), "户主和住址 还差 2 项") {
		t.Error("the household's form has no parts, or they do not tell what is missing")
	}
}

// idOf completes a made-up ID number.
func idOf(t *testing.T, head string, serial int) string {
	t.Helper()
	for _, last := range "0123456789X" {
		for _, parity := range []string{"1", "3", "5"} {
			id := head + "0" + string(rune('0'+serial)) + parity + string(last)
			v := map[string]record.Value{"id_number": record.Text(id)}
			if offers := form.Builtin().Form(personType).Calculate(v, "2025-01-09"); offers["sex"] == `"male"` {
				return id
			}
		}
	}
	t.Fatal("no such number")
	return ""
}
