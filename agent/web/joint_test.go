package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"pgregory.net/rapid"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// as makes somebody the one who is at the laptop.
func (f *fixture) as(who string) {
	f.t.Helper()
	f.post("/me", url.Values{"who": {who}})
}

// twice writes one visit down twice: the first by 杜旺火, the second by 曹彤倩.
func (f *fixture) twice(h *house) (kept, other record.ID) {
	f.t.Helper()
	return f.twiceIn(f.laptop, h)
}

func (f *fixture) twiceIn(s *store.Store, h *house) (kept, other record.ID) {
	f.t.Helper()
	write := func(who string, more map[string]string) record.ID {
		f.wall.Add(60_000)
		fields := map[string]string{"household": h.id.String(), "visit_date": "2025-01-08", "visit_mode": "入户", "visit_result": "见到户主"}
		for name, typed := range more {
			fields[name] = typed
		}
		return f.set(s, who, visitType, record.ID{}, fields)
	}
	kept = write("杜旺火", map[string]string{"findings": "灶台已经修好", "visit_purpose": "经常走访", "satisfaction": "很满意", "photos": "IMG_1.jpg"})
	other = write("曹彤倩", map[string]string{"findings": "老人身体还好，药快吃完了", "visit_purpose": "政策宣讲", "satisfaction": "一般", "promised": "下次带药来", "photos": "IMG_2.jpg"})
	if !merge.Keeps(kept, other) {
		f.t.Fatal("the ids are not in the order in which they were made")
	}
	return kept, other
}

// pairPage opens the page of two visits and gives what its form says.
func (f *fixture) pairPage(kept, other record.ID) (answer, url.Values) {
	f.t.Helper()
	a := f.get("/visits/joint?a=" + other.String() + "&b=" + kept.String())
	values := url.Values{"a": {kept.String()}, "b": {other.String()}}
	for _, m := range regexp.MustCompile(`name="(_seen)" value="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		values.Set(m[1], m[2])
	}
	return a, values
}

// said says something of two visits, from the page that shows them, or from that of the
// kept one.
func (f *fixture) said(kept, other record.ID, word string) answer {
	f.t.Helper()
	a, values := f.pairPage(kept, other)
	if word == sayUndo {
		body := f.get("/record/visit/" + kept.String()).body
		_, body, _ = strings.Cut(body, `class="joint"`)
		values.Set("_seen", regexp.MustCompile(`name="_seen" value="([^"]*)"`).FindStringSubmatch(body)[1])
	}
	values.Set("do", word)
	if a.status != 200 {
		f.t.Fatal(a.status)
	}
	return f.post("/visits/joint", values)
}

// Once one of the two is gone, or the office has erased it, the first page goes on without
// them, and the page of the two says so.
func TestJointGone(t *testing.T) {
	f := newFixture(t, true).enter()
	kept, other := f.twice(f.house(1))
	page := "/visits/joint?a=" + other.String() + "&b=" + kept.String()
	if a := f.get("/"); a.status != http.StatusOK || !strings.Contains(a.body, texts["joint.found"].zh) {
		t.Fatal("the two are not offered on the first page")
	}
	// The lists still have a visit that is no longer there.
	s := f.snapshot()
	h := s.byID(f.house(1).id)
	h.recent = append(h.recent, dayVisit{id: record.ID{1}, day: "2025-01-08"})
	if a := f.get("/"); a.status != http.StatusOK || strings.Count(a.body, "/visits/joint?") != 1 {
		t.Errorf("with a visit that is gone the first page answers %d", a.status)
	}
	f.wants("one that is not there", f.get("/visits/joint?a="+record.ID{1}.String()+"&b="+kept.String()), http.StatusGone, texts["joint.gone"].zh)
	f.wants("both there", f.get(page), http.StatusOK)
	f.erase(visitType, other, f.house(1).village)
	f.wants("erased", f.get(page), http.StatusGone, texts["joint.gone"].zh, "依法擦除")
	f.wants("said of one that was erased", f.post("/visits/joint", url.Values{"a": {kept.String()}, "b": {other.String()}, "do": {sayJoin}}), http.StatusGone, texts["joint.gone"].zh)
	if a := f.get("/"); a.status != http.StatusOK || strings.Contains(a.body, "/visits/joint?") {
		t.Errorf("the first page still offers the two: %d", a.status)
	}
}

// A visit that two people wrote down is noticed where it is saved, at home and on the
// household's page; joined, it has what both wrote, and can be parted again.
func TestJointVisit(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	kept, other := f.twice(h)
	f.as("曹彤倩")
	link := "/visits/joint?a=" + kept.String() + "&amp;b=" + other.String()
	told := func(want bool) {
		t.Helper()
		f.snapshot()
		for _, path := range []string{"/", "/household/" + h.id.String(), "/household/" + h.id.String() + "?saved=visit/" + other.String()} {
			if body := f.get(path).body; strings.Contains(body, link) != want {
				t.Errorf("%s tells of the two visits: %v, want %v", path, !want, want)
			}
		}
	}
	told(true)
	a, _ := f.pairPage(kept, other)
	if got := bare(a.body); !contains(got, "杜旺火 写的（留这一条）", "灶台已经修好 曹彤倩：老人身体还好，药快吃完了", "两边不一样", "下次带药来 下次带药来") || strings.Contains(got, "要由本人或第一书记作废") {
		t.Errorf("the page of both says %s", got)
	}

	// What changed meanwhile is shown first.
	_, values := f.pairPage(kept, other)
	f.set(f.laptop, "杜旺火", visitType, kept, map[string]string{"needs": "想换屋瓦"})
	values.Set("do", sayJoin)
	if a := f.post("/visits/joint", values); !strings.Contains(a.path, "moved=1") || f.record(visitType, other.String()).View.Void {
		t.Errorf("two visits of which one has changed are joined: %s", a.path)
	}

	f.said(kept, other, sayJoin)
	k, o := f.record(visitType, kept.String()), f.record(visitType, other.String())
	if !o.View.Void || o.View.Reason != "和 2025-01-08 杜旺火 记的是同一次走访，已并入那一条" || k.View.Void {
		t.Errorf("kept void %v, other void %v: %s", k.View.Void, o.View.Void, o.View.Reason)
	}
	if k.View.Fields["photos"] != `["IMG_1.jpg","IMG_2.jpg"]` || k.View.Fields["visit_purpose"] != `["policy","routine"]` || k.View.Fields["satisfaction"] != `"very"` {
		t.Errorf("joined: %v", k.View.Fields)
	}
	// 曹彤倩 proposes her words to 杜旺火, whose visit it is; where he wrote nothing they stand as proposed.
	if p := k.View.Proposals["findings"]; len(p) != 1 || p[0].Value != record.Text("灶台已经修好\n曹彤倩：老人身体还好，药快吃完了") || k.View.Fields["promised"] != `"下次带药来"` {
		t.Errorf("proposed: %v; promised %s", p, k.View.Fields["promised"])
	}
	told(false)
	if body := f.get("/record/visit/" + kept.String()).body; !strings.Contains(body, "/record/visit/"+other.String()) || !contains(bare(body), "并入了这一条：") {
		t.Error("the kept visit does not lead to the other")
	}
	if body := f.get("/record/visit/" + other.String()).body; !strings.Contains(body, "/record/visit/"+kept.String()) || !contains(bare(body), "内容在那边：", "药快吃完了", "已并入那一条") {
		t.Error("the void visit does not lead to the kept one")
	}

	f.said(kept, other, sayUndo)
	k, o = f.record(visitType, kept.String()), f.record(visitType, other.String())
	if o.View.Void || len(k.View.Proposals) > 0 || k.View.Fields["photos"] != `["IMG_1.jpg"]` || k.View.Fields["promised"] != "" || k.View.Fields["findings"] != `"灶台已经修好"` {
		t.Errorf("taken back: void %v, %v, %v", o.View.Void, k.View.Fields, k.View.Proposals)
	}
	told(true)

	f.said(kept, other, sayApart)
	told(false)
	if k := f.record(visitType, kept.String()); k.View.Void || !contains(bare(f.get("/record/visit/"+kept.String()).body), "和这一条不是同一次走访") {
		t.Error("two visits that are different are not told so")
	}
}

// A member may not withdraw a colleague's visit: what both wrote is united, and the
// colleague, or the first secretary, is asked for the rest.
func TestJointVisitOfAColleague(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	kept, other := f.twice(h)
	f.as("杜旺火")
	if a, _ := f.pairPage(kept, other); !contains(bare(a.body), "另一条是 曹彤倩 写的，要由本人或第一书记作废") {
		t.Error("the page does not say who withdraws the other visit")
	}
	f.said(kept, other, sayJoin)
	k, o := f.record(visitType, kept.String()), f.record(visitType, other.String())
	if o.View.Void || len(o.View.Conflicts) > 0 || k.View.Fields["findings"] != record.Text("灶台已经修好\n曹彤倩：老人身体还好，药快吃完了") || len(k.View.Proposals) > 0 {
		t.Errorf("joined by the author: void %v, %v", o.View.Void, k.View.Fields)
	}
	home := func() string { f.snapshot(); return f.get("/").body }
	if strings.Contains(home(), "/visits/joint") {
		t.Error("whoever joined them is asked again")
	}
	f.as("曹彤倩")
	if !strings.Contains(home(), "/visits/joint") || !contains(bare(f.get("/household/"+h.id.String()).body), "已说定是同一次，还有一条没有作废") {
		t.Error("whose visit is to be withdrawn is not told")
	}
	f.said(kept, other, sayJoin)
	if o := f.record(visitType, other.String()); !o.View.Void {
		t.Error("it is not withdrawn")
	}
	if k := f.record(visitType, kept.String()); k.View.Fields["findings"] != record.Text("灶台已经修好\n曹彤倩：老人身体还好，药快吃完了") || len(k.View.Proposals) > 0 {
		t.Errorf("joined twice it says %v %v", k.View.Fields["findings"], k.View.Proposals)
	}
	if strings.Contains(home(), "/visits/joint") {
		t.Error("it is asked again")
	}

	// An inspector reads visits and says nothing of them.
	f.role(identity.Inspector)
	if a := f.get("/visits/joint?a=" + kept.String() + "&b=" + other.String()); a.status != 403 {
		t.Errorf("an inspector gets %d", a.status)
	}
	f.role(identity.TeamMember)
	for _, path := range []string{"/visits/joint", "/visits/joint?a=" + kept.String(), "/visits/joint?a=" + kept.String() + "&b=" + kept.String(), "/visits/joint?a=" + kept.String() + "&b=" + h.id.String()} {
		if a := f.get(path); a.status != 400 && a.status != 410 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// Two laptops join the same visits apart: one stays, whole, and nothing is left to decide.
func TestJoinedOnTwoLaptops(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	kept, other := f.twiceIn(f.office, h)
	f.pull()
	edits := func(s *store.Store, who string) []store.Edit {
		t.Helper()
		w := New(s, f.sync, Options{})
		d, err := s.Device()
		if err != nil {
			t.Fatal(err)
		}
		p := &page{site: w, device: d, author: who}
		a, err := s.Get(visitType, kept)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Get(visitType, other)
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.say(p, w.pairOf(p, b, a), sayJoin)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for s, who := range map[*store.Store]string{f.laptop: "曹彤倩", f.office: "宋芬娥"} {
		if _, err := s.Save(t.Context(), edits(s, who)...); err != nil {
			t.Fatal(err)
		}
	}
	f.pull()
	k, o := f.record(visitType, kept.String()), f.record(visitType, other.String())
	if k.View.Void || !o.View.Void || len(o.View.Conflicts) > 0 {
		t.Errorf("kept void %v, other void %v, to decide %v", k.View.Void, o.View.Void, o.View.Conflicts)
	}
	if n := strings.Count(string(k.View.Fields["findings"]), "药快吃完了"); n != 1 || len(k.View.Proposals)+len(k.View.Conflicts) > 0 {
		t.Errorf("joined twice: %s, %v %v", k.View.Fields["findings"], k.View.Proposals, k.View.Conflicts)
	}
}

// Whoever joins, parts and edits two visits, in whatever order, every text that somebody
// wrote can be read in one of them.
func TestJoiningLosesNoText(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		if round > 25 {
			return // the store grows; the merge itself is tried in shared/merge
		}
		kept, other := f.twice(h)
		written := []string{"灶台已经修好", "老人身体还好，药快吃完了", "下次带药来"}
		for i := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			who := rapid.SampledFrom([]string{"杜旺火", "曹彤倩"}).Draw(rt, "who")
			f.role(rapid.SampledFrom([]identity.Role{identity.TeamMember, identity.FirstSecretary}).Draw(rt, "role"))
			f.as(who)
			f.wall.Add(60_000)
			switch rapid.SampledFrom([]string{sayJoin, sayUndo, "write"}).Draw(rt, "do") {
			case sayJoin:
				if a, _ := f.pairPage(kept, other); strings.Contains(a.body, `value="join"`) {
					f.said(kept, other, sayJoin)
				}
			case sayUndo:
				if strings.Contains(f.get("/record/visit/"+kept.String()).body, `value="undo"`) {
					f.said(kept, other, sayUndo)
				}
			default:
				id, mine := kept, "杜旺火"
				if who == "曹彤倩" {
					id, mine = other, who
				}
				if r := f.record(visitType, id.String()); r.View.Void || mine != who {
					continue
				}
				text := fmt.Sprintf("又问到了第 %d 件事", i)
				was, _ := f.record(visitType, id.String()).View.Fields["needs"].Text()
				f.set(f.laptop, who, visitType, id, map[string]string{"needs": was + text})
				written = append(written, text)
			}
		}
		var all []string
		for _, id := range []record.ID{kept, other} {
			r := f.record(visitType, id.String())
			for _, name := range []string{"findings", "needs", "promised"} {
				all = append(all, string(r.View.Fields[name]))
				for _, side := range slices.Concat(r.View.Conflicts[record.Path(name)], r.View.Proposals[record.Path(name)]) {
					all = append(all, string(side.Value))
				}
			}
		}
		for _, text := range written {
			if !contains(strings.Join(all, "\n"), text) {
				rt.Fatalf("%q is lost: %q", text, all)
			}
		}
		for _, id := range []record.ID{kept, other} {
			if _, err := f.laptop.Save(t.Context(), store.Edit{Type: visitType, ID: id, Author: f.record(visitType, id.String()).View.Authors[0], Void: "试完"}); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// In the browser: noticed at home, looked at, joined by the keyboard, taken back.
func TestJointVisitByHand(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(0)
	kept, other := f.twice(h)
	f.role(identity.FirstSecretary)
	f.lookOver(t, pageShown{"joint", "/visits/joint?a=" + kept.String() + "&b=" + other.String()}, pageShown{"joint-house", "/household/" + h.id.String()}, pageShown{"joint-home", "/"})
	f.language("zh")
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/"))
	tabTo(t, ctx, "e.href && e.href.includes('/visits/joint')")
	keys(t, ctx, "\r")
	until(t, ctx, "!!document.querySelector('.joint-do')")
	tabTo(t, ctx, "e.value === 'join'")
	keys(t, ctx, "\r")
	until(t, ctx, "location.pathname.endsWith('"+kept.String()+"') && document.body.innerText.includes('并入了这一条')")
	if !f.record(visitType, other.String()).View.Void {
		t.Error("the other visit is not void")
	}
	do(t, ctx, chromedp.Click(chromedp.CSS(".joint button[value=undo]")))
	until(t, ctx, "!document.querySelector('.joint button[value=undo]') && document.readyState === 'complete'")
	if f.record(visitType, other.String()).View.Void {
		t.Error("the other visit is still void")
	}
}
