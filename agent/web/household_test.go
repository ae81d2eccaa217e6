package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// bare is a page without its tags, one space between words.
func bare(body string) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, " ")), " ")
}

// sectionOf is a section of a page, by its id.
func sectionOf(t *testing.T, body, id string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `<section id="`+id+`"`)
	if !ok {
		t.Fatalf("the page has no section %s", id)
	}
	in, _, _ := strings.Cut(rest, "</section>")
	return in
}

// A household's page brings together what belongs to it: income year by year,
// measures, issues that its visits gave rise to, and who is still of the household.
func TestHouseholdPage(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.livedIn(h)
	here := "/household/" + h.id.String()

	income := bare(sectionOf(t, f.get(here).body, "income"))
	for _, words := range []string{"2022 2023 2024", "工资性 18,000 23,500 31,200", "人均纯收入 8477.7 11024.2"} {
		if !strings.Contains(income, words) {
			t.Errorf("income lacks %q: %s", words, income)
		}
	}
	measures := bare(sectionOf(t, f.get(here).body, "measures"))
	if !strings.Contains(measures, "2024 危房改造 C级危房改造，换瓦、加固山墙 14,000 完成 2024年11月2日") || !strings.Contains(measures, "2023 产业 发放脐橙苗120株 1800 进行 还没有") {
		t.Errorf("measures: %s", measures)
	}

	// What was asked for on a visit stands there with how far it has come.
	f.entered("/record/visit/new?household="+h.id.String(), "f.visit_mode", "home", "f.visit_result", "met", "f.findings", "和户主谈了春耕", "f.needs", "想要秧苗", "f.gaps", "water")
	var issue record.ID
	f.laptop.Each("", issueType, func(r store.Record) bool {
		if strings.Contains(string(r.View.Fields["description"]), "想要秧苗") {
			issue = r.Key.ID
		}
		return true
	})
	todo := bare(sectionOf(t, f.get(here).body, "todo"))
	if !strings.Contains(todo, "想要秧苗") || !strings.Contains(todo, "未保障项：饮水") || strings.Contains(todo, h.title()) || !strings.Contains(todo, "待整改") {
		t.Errorf("issues: %s", todo)
	}
	f.entered("/record/issue/"+issue.String()+"/edit", "f.issue_status", "doing", "f.action", "农技站本周送来")
	if todo := bare(sectionOf(t, f.get(here).body, "todo")); !strings.Contains(todo, "整改中") {
		t.Errorf("issues: %s", todo)
	}

	// Who has left is shown, behind those who live there, and not counted.
	var people []record.ID
	f.laptop.Referring(h.id, personType, func(r store.Record) bool {
		people = append(people, r.Key.ID)
		return true
	})
	if len(people) != 3 {
		t.Fatalf("%d people", len(people))
	}
	f.entered("/record/person/"+people[0].String()+"/edit", "f.change_type", "marry_out", "f.change_date", "2025-01-02")
	members := bare(sectionOf(t, f.get(here).body, "people"))
	name, _ := f.record(personType, people[0].String()).View.Fields["full_name"].Text()
	if !strings.Contains(members, "家庭成员 2 人") || !strings.Contains(members, name+" 嫁出") {
		t.Errorf("members: %s", members)
	}

	// An answer tells who gave it, when, and the visit of that day; of somebody who
	// made no visit it tells none.
	f.entered("/record/household/"+h.id.String()+"/edit", "f.water_source", "surface")
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"arable_mu": "7.5"})
	f.pull()
	profile := sectionOf(t, f.get(here).body, "profile")
	visit := regexp.MustCompile(`饮水来源</dt>.*?<span class="by">([^<]*)<a href="[^"]*/record/visit/[^"]+">([^<]*)</a>`).FindStringSubmatch(profile)
	if visit == nil || !strings.Contains(visit[1], "杜旺火") || visit[2] != "1月9日走访" {
		t.Errorf("of the water it tells %q", visit)
	}
	if land := regexp.MustCompile(`耕地亩</dt>.*?</dd>`).FindString(profile); !strings.Contains(land, "宋芬娥") || strings.Contains(land, "/record/visit/") {
		t.Errorf("of the land it tells %s", bare(land))
	}
}

// erase is the office erasing a record by law, as a pull brings it.
func (f *fixture) erase(t record.Type, id record.ID, v record.Village) {
	f.t.Helper()
	office := record.Stream{0xEE}
	state := merge.State{record.Life: {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: office, Seq: 1}, Value: merge.Erasure("依法处理"), At: clock.At0(f.laptop.Now()), Author: "admin"}}}}
	from := f.cursor[v]
	if _, err := f.laptop.Take(f.t.Context(), &wire.Pull{
		Village: v, Epoch: wire.Epoch{1}, From: from, Cursor: from + 1,
		Records: []wire.State{{ID: id, Type: t, State: state.Encode()}}, Heads: []wire.StreamHead{{Stream: office, Seq: 1}},
	}); err != nil {
		f.t.Fatal(err)
	}
}

// A household that the office has erased says so on its page, and no form of it opens in
// which somebody would write for nothing.
func TestErasedHousehold(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	visit, edit := "/record/visit/new?household="+h.id.String(), "/record/household/"+h.id.String()+"/edit"
	if body := f.get("/household/" + h.id.String()).body; !strings.Contains(body, visit) || !strings.Contains(body, edit) {
		t.Fatal("a household's page has no ways into its forms")
	}
	f.erase(householdType, h.id, h.village)
	body := f.get("/household/" + h.id.String()).body
	if !strings.Contains(body, "内容已由办公室依法擦除：依法处理") {
		t.Error("the page does not say that the household was erased")
	}
	if strings.Contains(body, visit) || strings.Contains(body, edit) {
		t.Error("the page leads into forms of what was erased")
	}
	for _, paper := range []string{"card", "form/visit", "file"} {
		to := "/print/" + paper + "?household=" + h.id.String()
		if strings.Contains(body, to) {
			t.Errorf("the page offers %s of what was erased", to)
		}
		if a := f.get(to); a.status != http.StatusGone || !strings.Contains(a.body, "依法擦除") {
			t.Errorf("%s: %d", to, a.status)
		}
	}
	if a := f.get(edit); a.path != "/record/household/"+h.id.String() || !strings.Contains(a.body, "内容已由办公室依法擦除") {
		t.Errorf("its form opens: %d, %s", a.status, a.path)
	}
}

// The history names what came to a set and what left it, in one line a field.
func TestHistoryOfSets(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	visit := f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "findings": "屋顶漏雨了", "gaps": "water,food"})
	f.set(f.laptop, "杜旺火", visitType, visit, map[string]string{"gaps": "food,housing"})
	body := bare(f.get("/record/visit/" + visit.String()).body)
	for _, want := range []string{"未保障项 吃、饮水 ", "未保障项 住房；去掉 饮水 "} {
		if !strings.Contains(body, want) {
			t.Errorf("the history does not say %q: %s", want, body[max(0, strings.Index(body, "改动的经过")):])
		}
	}
}
