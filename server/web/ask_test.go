package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// answer is a laptop's decision on what it was asked.
func (l *laptop) answer(rec *store.Record, path record.Path, v record.Value, words string) {
	l.f.t.Helper()
	f := l.f.store.Forms().Form(rec.Type)
	body, err := merge.Decide(f, rec.State, merge.Writer{Author: l.device.Name, Role: l.device.Role}, path, v)
	if err == nil {
		body, err = rec.State.Answer(f, path, v, words, body)
	}
	if err != nil {
		l.f.t.Fatal(err)
	}
	l.f.pass(time.Minute)
	l.send(rec.Village, record.Change{Record: rec.ID, Type: rec.Type, Author: l.device.Name, Body: body})
}

// ask is the office asking.
func (f *fixture) ask(rec *store.Record, path record.Path, words string) {
	f.t.Helper()
	by := merge.Writer{Author: "office", Role: identity.Office}
	if _, err := f.site.review.Ask(f.t.Context(), review.Asking{Village: rec.Village, Record: rec.ID, Path: path, Words: words, By: by}); err != nil {
		f.t.Fatal(err)
	}
}

func TestAsk(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	v := f.as("office")
	const queue = "/conflicts?kind=conflict"
	page := v.get(queue)
	form, _ := disputeForm(t, page, 0)
	for _, want := range []string{"定不了，问一问工作队", "会问到：刘琴贞、周文、宋芬娥、曹彤倩等 8 人。"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the queue does not say %q", want)
		}
	}
	if proposals := v.get("/conflicts?kind=proposal"); !strings.Contains(proposals.body, "会问到：登记员。") {
		t.Error("a proposal for the township is asked of others")
	}
	ask := func(values url.Values) answer { return v.post("/ask", page, values) }
	if a := ask(with(form, "do", "ask", "words", " ")); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "请写清楚要问什么") {
		t.Errorf("asked nothing: %d", a.status)
	}
	if a := ask(with(form, "do", "ask", "words", "药费还是手艺？", "shown", "01000000000000000000000000000000:1")); a.status != http.StatusUnprocessableEntity ||
		!strings.Contains(a.body, "您写问题的时候又有人改了") || !strings.Contains(a.body, "药费还是手艺？") {
		t.Errorf("asked on an old page: %d", a.status)
	}
	a := ask(with(form, "do", "ask", "words", "药费还是手艺？"))
	if a.status != http.StatusOK || a.path != queue+"&said=asked" || !strings.Contains(a.body, "已问，各台电脑下次同步时收到") || strings.Contains(a.body, `class="dispute"`) {
		t.Fatalf("asked: %d %s", a.status, a.path)
	}
	if a := v.get("/conflicts?kind=question"); !strings.Contains(a.body, "已问工作队") || !strings.Contains(a.body, "<q>药费还是手艺？</q>") {
		t.Errorf("what was asked is not listed\n%s", a.body)
	}
	if q := f.get(house.Key).View.Questions["main_cause"]; q == nil || q.State != merge.Asked || q.Author != "office" {
		t.Errorf("the record has %+v", q)
	}
	asked := f.get(house.Key)
	f.laptop("宋芬娥", identity.FirstSecretary, house.Village).answer(f.get(house.Key), "main_cause", `"illness"`, "看了病历<b>")
	a = v.get("/conflicts")
	for _, want := range []string{"办公室问过这一处，答复到了", "宋芬娥", "因病", "<q>看了病历&lt;b&gt;</q>", "知道了"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the answer: without %q", want)
		}
	}
	told := v.get(href(house.Key))
	for _, want := range []string{"主要致贫原因（办公室的问题）", "药费还是手艺？", "主要致贫原因（对问题的答复）"} {
		if !strings.Contains(told.body, want) {
			t.Errorf("the history: without %q", want)
		}
	}
	// What is hidden from inspectors stays so; what the office asks is between it and the team.
	f.account(identity.Inspector)
	if a := f.as("inspector").get(href(house.Key)); a.status != http.StatusOK || strings.Contains(a.body, "药费还是手艺") {
		t.Errorf("an inspector: %d", a.status)
	}
	// Taken back on the laptop, it waits again, told as whoever had written it.
	l, now := f.laptop("宋芬娥", identity.FirstSecretary, house.Village), f.get(house.Key)
	changes, err := merge.TakeBack(f.store.Forms().Form("household"), now.State, asked.State, merge.Writer{Author: "宋芬娥", Role: identity.FirstSecretary}, "main_cause", now.State["main_cause"].Siblings[0].Dot)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range changes {
		l.send(house.Village, record.Change{Record: house.ID, Type: "household", Author: "宋芬娥", Body: body})
	}
	if a := v.get("/conflicts?kind=question"); !strings.Contains(a.body, "<strong>杜旺火</strong>") || !strings.Contains(a.body, "撤回决定时放回来的") || !strings.Contains(a.body, "已问工作队") {
		t.Errorf("taken back: %s", a.body)
	}
	l.answer(f.get(house.Key), "main_cause", `"illness"`, "看了病历")
	form.Set("do", "close")
	if a := v.post("/ask", v.get("/conflicts"), form); a.status != http.StatusOK || strings.Contains(a.body, "看了病历") {
		t.Errorf("seen: %d", a.status)
	}
	// Asked of what was decided meanwhile, it is told what stands.
	a = ask(with(form, "do", "ask", "words", "还是药费？"))
	if a.status != http.StatusConflict || !strings.Contains(a.body, "已经有人定了") || !strings.Contains(a.body, "因病") {
		t.Errorf("asked too late: %d", a.status)
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Limit: 5})
	if err != nil || len(notes) < 2 || notes[0].Act != "unask" && notes[1].Act != "unask" {
		t.Errorf("the audit has %+v, %v", notes, err)
	}
	if n := f.verify(); n != 0 {
		t.Errorf("%d faults", n)
	}
}

// Who puts values back says who had written them; where the log does not have that, the
// page says who put them there.
func TestForgedBack(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	before := f.get(house.Key)
	l := f.laptop("宋芬娥", identity.FirstSecretary, house.Village)
	l.answer(before, "main_cause", `"illness"`, "")
	now := f.get(house.Key)
	changes, err := merge.TakeBack(f.store.Forms().Form("household"), now.State, before.State, merge.Writer{Author: "宋芬娥", Role: identity.FirstSecretary}, "main_cause", now.State["main_cause"].Siblings[0].Dot)
	if err != nil {
		t.Fatal(err)
	}
	forged := 0
	for _, body := range changes {
		for i, w := range body {
			if told := strings.ReplaceAll(string(w.Value), "杜旺火", "王书记"); told != string(w.Value) {
				body[i].Value = record.Value(told)
				forged++
			}
		}
		l.send(house.Village, record.Change{Record: house.ID, Type: "household", Author: "宋芬娥", Body: body})
	}
	if a := f.as("office").get("/conflicts"); forged == 0 || strings.Contains(a.body, "王书记") || !strings.Contains(a.body, "<strong>宋芬娥</strong>") {
		t.Errorf("forged in %d places, the page believes it: %t", forged, strings.Contains(a.body, "王书记"))
	}
}
