package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"pgregory.net/rapid"

	"zhucun/agent/finder"
	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// lines are the households that the page of a search lists, by their ids.
func (f *fixture) lines(page, words string) (ids []string) {
	f.t.Helper()
	for _, part := range strings.Split(f.get(f.sought(page, words)).body, `class="line" href="`)[1:] {
		href, _, _ := strings.Cut(part, `"`)
		ids = append(ids, href[strings.LastIndexAny(href, "/=")+1:])
	}
	return ids
}

// A household is found by all that somebody may know of it, and the page says by what.
func TestFindByEverything(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(4)
	for name, v := range map[string]string{"head_name": "单小重", "group_name": "鹭鸶组", "phone": "12800475128"} {
		f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{name: v})
	}
	f.set(f.laptop, "杜旺火", personType, record.ID{}, map[string]string{"household": h.id.String(), "full_name": "解曾氏", "id_number": "36999919430127421X"})
	visit := f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "visit_date": "2025-01-08", "findings": "屋后的蓄水池漏了，装了Wifi。", "needs": "想换水泵<b>"})
	for _, q := range []string{"单小重", "单小", "小重", "sxc", "dxz", "shanxiaochong", "shanxz", "单xz", "解曾氏", "xzs", "jiezeng", "421X", "421x", "36999919430127421x",
		"5128", "鹭鸶", "lsz", "蓄水池漏", "漏了", "wifi", "水泵", "单 蓄水", "xzs 421x 水池 鹭鸶"} {
		if got := f.lines("/find", q); !slices.Contains(got, h.id.String()) {
			t.Errorf("%q finds %v", q, got)
		}
	}
	says := func(q, words string) {
		t.Helper()
		if body := f.get(f.sought("/find", q)).body; !strings.Contains(spaces.ReplaceAllString(body, " "), words) {
			_, found, _ := strings.Cut(body, `<ul class="lines">`)
			t.Errorf("%q does not say %s: %s", q, words, found)
		}
	}
	says("xzs", "家里有 解曾氏")
	says("421x", "解曾氏 的证件号")
	says("蓄水池漏", `1月8日走访： 屋后的<mark>蓄水池漏</mark>了，装了Wifi。`)
	says("想换水泵", `<mark>想换水泵</mark>&lt;b&gt;`)
	// What is void, or was written anew, is found no more.
	f.set(f.laptop, "杜旺火", visitType, visit, map[string]string{"findings": "屋后的池子修好了。"})
	if got := f.lines("/find", "蓄水池"); slices.Contains(got, h.id.String()) {
		t.Error("words that were taken out are found")
	}
	if got := f.lines("/find", "池子修好"); !slices.Contains(got, h.id.String()) {
		t.Errorf("new words find %v", got)
	}
	if _, err := f.laptop.Save(t.Context(), store.Edit{Type: visitType, ID: visit, Author: "杜旺火", Void: "记错了"}); err != nil {
		t.Fatal(err)
	}
	if got := f.lines("/find", "池子修好"); slices.Contains(got, h.id.String()) {
		t.Error("a void visit is found")
	}
	// The same search where a household is picked for a visit.
	if a := f.post("/find", url.Values{"for": {"visit"}, "q": {"xzs"}}); !strings.HasPrefix(a.path, "/draft/") {
		t.Errorf("the only one that is found leads to %s", a.path)
	}
}

var spaces = regexp.MustCompile(`\s+`)

// What is kept beside the store, however it came to be, is what a reading of all of it
// would give.
func TestCatchesUp(t *testing.T) {
	f := newFixture(t, true).enter()
	f.snapshot()
	rapid.Check(t, func(rt *rapid.T) {
		houses := f.snapshot().houses
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			h := houses[rapid.IntRange(0, len(houses)-1).Draw(rt, "house")]
			by := f.laptop
			if rapid.Bool().Draw(rt, "office") {
				by = f.office
			}
			author := map[bool]string{true: "杜旺火", false: "系统"}[by == f.laptop]
			word := rapid.StringOfN(rapid.RuneFrom([]rune("水管坏了低保金")), 5, 8, -1).Draw(rt, "words")
			save := func(e store.Edit) {
				e.Author = author
				saved, err := by.Save(t.Context(), e)
				if err != nil {
					rt.Fatal(err)
				}
				if by == f.laptop && rapid.Bool().Draw(rt, "noted") {
					f.site.cache.note(saved[0].Key)
				}
			}
			text := record.Text
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				day := fmt.Sprintf("2025-01-%02d", rapid.IntRange(1, 20).Draw(rt, "day"))
				save(store.Edit{Village: h.village, Type: visitType, Fields: map[string]record.Value{"household": text(h.id.String()), "visit_date": text(day), "visit_mode": text("home"), "visit_result": text("met"), "findings": text(word), "promised": text(word)}})
			case 1:
				save(store.Edit{Type: householdType, ID: h.id, Fields: map[string]record.Value{"head_name": text(word[:6]), "group_name": text(word[3:9])}})
			case 2:
				save(store.Edit{Village: h.village, Type: personType, Fields: map[string]record.Value{"household": text(h.id.String()), "full_name": text(word[:9])}})
			case 3:
				save(store.Edit{Village: h.village, Type: issueType, Fields: map[string]record.Value{"description": text(word), "due_date": text("2025-02-01")}})
			case 4:
				if len(houses) > 20 {
					save(store.Edit{Type: householdType, ID: h.id, Void: "重复"})
				}
			case 5:
				f.wall.Add(int64(rapid.SampledFrom([]int{1, 9, 24, 30, 24 * 9}).Draw(rt, "hours")) * 3600_000)
			}
			if rapid.Bool().Draw(rt, "sync") {
				f.pull()
			}
			if rapid.Bool().Draw(rt, "look") {
				f.site.cache.get(f.today(), false)
			}
		}
		got := f.snapshot()
		fresh := newCache(f.laptop, form.Builtin())
		fresh.first = time.Minute
		want, err := fresh.get(f.today(), false)
		if err != nil {
			rt.Fatal(err)
		}
		agree(rt, "households", deref(got.houses), deref(want.houses))
		agree(rt, "by id", deref(got.ids), deref(want.ids))
		agree(rt, "waiting", got.pending, want.pending)
		agree(rt, "oldest", got.oldest, want.oldest)
		agree(rt, "newest", got.newest, want.newest)
		agree(rt, "started", got.started, want.started)
		agree(rt, "counts", got.counts, want.counts)
		byKey := func(a, b record.Key) int { return slices.Compare(a.ID[:], b.ID[:]) }
		sorted := func(list []record.Key) []record.Key { return slices.SortedFunc(slices.Values(list), byKey) }
		agree(rt, "stuck", sorted(got.stuck), sorted(want.stuck))
		waits := func(list []wait) (out []string) {
			for _, w := range list {
				out = append(out, fmt.Sprint(w.key.ID, w.path, w.lone))
			}
			slices.Sort(out)
			return out
		}
		agree(rt, "waits", waits(got.waits), waits(want.waits))
		duties := func(list []openDuty) []openDuty {
			return slices.SortedFunc(slices.Values(list), func(a, b openDuty) int { return byKey(a.key, b.key) })
		}
		agree(rt, "duties", duties(got.duties), duties(want.duties))
		agree(rt, "open", got.open, want.open)
		for _, q := range []string{"水管", "低保", "管坏了", "王", "sg", "w", "保金", "金水管"} {
			find := func(c *cache) (ids []record.ID) {
				for from := 0; ; {
					res, _, err := f.site.search(c.index, finder.Query{Words: q, Count: 1000, From: from})
					if err != nil {
						rt.Fatal(err)
					}
					for _, h := range res.Hits {
						ids = append(ids, h.House.ID)
					}
					if from = res.Next; from == 0 {
						return ids
					}
				}
			}
			agree(rt, q, find(f.site.cache), find(fresh))
		}
	})
}

func deref(list []*house) (out []house) {
	for _, h := range list {
		out = append(out, *h)
	}
	return out
}

func agree(t *rapid.T, what string, got, want any) {
	if !reflect.DeepEqual(got, want) && fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s: kept\n%+v\nread\n%+v", what, got, want)
	}
}

// A search reads what it shows and not the store, and a save has read what it changed.
func TestFindReadsLittle(t *testing.T) {
	f := newFixture(t, false)
	f.stop()
	f.laptop.Close()
	f.laptop = big(t, t.TempDir())
	f.base = ""
	f.serve()
	f.enter()
	f.site.cache.first = time.Hour
	snap := f.snapshot()
	c := f.site.cache
	reads := func(what string, most int64, do func()) {
		t.Helper()
		before := c.reads.Load()
		do()
		if n := c.reads.Load() - before; n > most {
			t.Errorf("%s reads %d records", what, n)
		}
	}
	for _, q := range []string{"王", "w", "wx", "51", "0012", "低保", "没有", "医院看", "老伴 水"} {
		reads(q, 2*maxFound+40, func() { f.post("/find", url.Values{"part": {"1"}, "q": {q}}) })
	}
	reads("the page", 0, func() { f.get("/find") })
	reads("the form's list", maxFound, func() {
		f.post("/find", url.Values{"part": {"options"}, "village": {string(firstVillage.Code)}, "q": {"王"}})
	})
	h := snap.houses[7]
	reads("a save", 60, func() {
		f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "visit_date": "2025-01-08", "findings": "谷仓边的磨盘还在。"})
		f.snapshot()
	})
	if got := f.lines("/find", "磨盘"); !slices.Equal(got, []string{h.id.String()}) {
		t.Errorf("what was just saved finds %v", got)
	}
}

// A village with many households is shown a screenful at a time, by group, and all of
// them can be reached; so can all that were found.
func TestFindInPages(t *testing.T) {
	f := newFixture(t, true).enter()
	var edits []store.Edit
	names := map[string]bool{}
	for i := range maxNames + 30 {
		name := fmt.Sprintf("石%c%c", '一'+rune(i%50), '丁'+rune(i/50))
		names[name] = true
		edits = append(edits, store.Edit{Village: firstVillage.Code, Type: householdType, Author: "杜旺火", Fields: map[string]record.Value{"head_name": record.Text(name), "group_name": record.Text(fmt.Sprintf("石头%d组", i%3))}})
	}
	if _, err := f.laptop.Save(t.Context(), edits...); err != nil {
		t.Fatal(err)
	}
	total := len(f.snapshot().houses)
	walk := func(path string, most int) map[string]bool {
		t.Helper()
		seen := map[string]bool{}
		for pages := 0; path != ""; pages++ {
			body := f.get(path).body
			lines := strings.Split(body, `class="line" href="`)[1:]
			if len(lines) > most || pages > 60 {
				t.Fatalf("%s lists %d", path, len(lines))
			}
			for _, l := range lines {
				href, _, _ := strings.Cut(l, `"`)
				if seen[href] {
					t.Errorf("%s twice", href)
				}
				seen[href] = true
			}
			path = ""
			if _, rest, ok := strings.Cut(body, `<a class="button" href="`+f.site.root+"/find"); ok {
				href, _, _ := strings.Cut(rest, `"`)
				path = "/find" + strings.ReplaceAll(href, "&amp;", "&")
			}
		}
		return seen
	}
	if got := walk("/find", maxLined); len(got) != total {
		t.Errorf("%d of %d can be reached", len(got), total)
	}
	if got := walk("/find?group="+f.site.searches.keep("石头1组"), maxLined); len(got) != (maxNames+30)/3 {
		t.Errorf("%d of a group can be reached", len(got))
	}
	if got := walk(f.sought("/find", "石"), maxFound); len(got) < len(names) {
		t.Errorf("%d of %d that were found can be reached", len(got), len(names))
	}
	if body := f.get("/find").body; !strings.Contains(body, fmt.Sprintf("共 %d 户", total)) || !strings.Contains(body, "石头2组") {
		t.Error("the page does not say how many there are, or in which groups")
	} else if strings.Contains(body, url.QueryEscape("石头")) {
		t.Error("an address has the name of a group")
	}
}

// Without a script a form that has too many households to list looks for one, and nothing
// that was typed meanwhile is lost. With one it asks as one types.
func TestFormLooksForHouseholds(t *testing.T) {
	f := newFixture(t, true).enter()
	var edits []store.Edit
	for i := range maxChoices {
		edits = append(edits, store.Edit{Village: firstVillage.Code, Type: householdType, Author: "杜旺火", Fields: map[string]record.Value{"head_name": record.Text(fmt.Sprintf("石%c", '一'+rune(i))), "group_name": record.Text("石头组")}})
	}
	edits = append(edits, store.Edit{Village: firstVillage.Code, Type: householdType, Author: "杜旺火", Fields: map[string]record.Value{"head_name": record.Text("解放军"), "group_name": record.Text("石头组")}})
	saved, err := f.laptop.Save(t.Context(), edits...)
	if err != nil {
		t.Fatal(err)
	}
	want := saved[len(saved)-1].Key.ID.String()
	f.snapshot()
	path, form := f.opened("/record/visit/new")
	if body := f.get(path).body; strings.Contains(body, want) || strings.Count(body, "<option ") > 2*maxFound {
		t.Error("the form lists all households")
	}
	a := f.post(path+"/save", with(form, "f.findings", "查看了灶间", "look.household", "xfj", "_look", "1"))
	if !strings.Contains(a.body, `<option value="`+want+`">解放军（石头组）`) || !strings.Contains(a.body, "查看了灶间") {
		t.Errorf("%d: the household that was looked for is not listed, or what was typed is gone", a.status)
	}
	if n := f.count(visitType); n != f.snapshot().counts[visitType] {
		t.Error("looking for a household saved something")
	}
	var list [][2]string
	a = f.post("/find", url.Values{"part": {"options"}, "village": {string(firstVillage.Code)}, "q": {"xfj"}})
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list) != 1 || list[0][0] != want {
		t.Errorf("the script is told %s (%v)", a.body, err)
	}
	// Who moves to another household looks for it in the same way.
	h := f.snapshot().houses[2]
	page := "/household/" + h.id.String() + "/members"
	a = f.post(page, url.Values{"do": {doJoin}, "step": {string(stepWhere)}, "look.to": {"xfj"}, "_look": {"1"}})
	if !strings.Contains(a.body, `<option value="`+want+`">解放军（石头组）`) || strings.Contains(a.body, texts["move.lacks.where"].zh) {
		t.Error("who moves does not find the household")
	}
	// So does who decides which household a measure is of.
	measure := f.set(f.office, "宋芬娥", measureType, record.ID{}, map[string]string{"household": h.id.String()})
	f.pull()
	f.set(f.office, "宋芬娥", measureType, measure, map[string]string{"household": f.house(1).id.String()})
	f.set(f.laptop, "杜旺火", measureType, measure, map[string]string{"household": f.house(3).id.String()})
	f.pull()
	r := f.record(measureType, measure.String())
	dispute := url.Values{"type": {string(measureType)}, "id": {measure.String()}, "path": {"household"}, "_seen": {seenRegister(r.State, "household")}}
	if body := f.get("/conflicts").body; !strings.Contains(body, `name="look.household"`) || strings.Contains(body, want) {
		t.Error("the page of what waits offers no way to look for a household, or lists them all")
	}
	a = f.post("/decide", with(dispute, "look.household", "xfj", "_look", "1"))
	if !strings.Contains(a.body, `<option value="`+want+`">解放军（石头组）`) || !strings.Contains(a.body, `<details class="another" open>`) || len(f.record(measureType, measure.String()).View.Conflicts) != 1 {
		t.Errorf("%d: who decides does not find the household, or has decided by looking", a.status)
	}
	f.post("/decide", with(dispute, "value", want))
	if got := first(f.record(measureType, measure.String()).View.Fields["household"].Texts()); got != want {
		t.Errorf("decided for %s, want %s", got, want)
	}
}

// Once nobody may see the pages without a passphrase nothing of the store is kept for
// them, and it is read again for whoever gives it.
func TestLockedKeepsNothing(t *testing.T) {
	f := newFixture(t, true).enter()
	c := f.site.cache
	c.every = time.Millisecond
	held := -1
	c.grown = func(n int) { held = n }
	f.site.lock = &fakeLock{way: vault.Passphrase, passphrase: word}
	f.post("/unlock", url.Values{"passphrase": {word}})
	name := f.house(4).name
	if got := f.lines("/find", name); len(got) == 0 {
		t.Fatal("nobody is found")
	}
	kept := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.snap != nil || c.index.Find(finder.Query{}, nil).Total > 0 || c.waiting != nil
	}
	time.Sleep(20 * time.Millisecond)
	if !kept() {
		t.Fatal("let go of while the pages are open")
	}
	f.up.Add(int64(idleLock + time.Second))
	for deadline := time.Now().Add(10 * time.Second); kept(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("kept while the pages are locked")
		}
	}
	if held != 0 {
		t.Errorf("%d bytes are said to be held", held)
	}
	if a := f.get("/find"); a.status != http.StatusLocked {
		t.Fatalf("status %d", a.status)
	}
	f.post("/unlock", url.Values{"passphrase": {word}})
	if got := f.lines("/find", name); len(got) == 0 {
		t.Error("nobody is found after it was unlocked")
	}
}

// While the store is being read for the first time the pages answer, say so, and claim
// nothing that they cannot know.
func TestPagesAnswerWhileReading(t *testing.T) {
	f := newFixture(t, true).enter()
	c := f.site.cache
	c.mu.Lock()
	c.first, c.patience = 10*time.Millisecond, 10*time.Millisecond
	c.reading, c.whole = make(chan struct{}), true // one that takes for ever
	c.total.Store(100)
	c.read.Store(35)
	c.mu.Unlock()
	for path, words := range map[string][]string{"/": {"35%", texts["reading.later"].zh}, "/find": {"35%"}, "/todo": {"35%"}} {
		start := time.Now()
		a := f.get(path)
		if a.status != http.StatusOK || time.Since(start) > 5*time.Second {
			t.Errorf("%s: status %d after %s", path, a.status, time.Since(start))
		}
		for _, w := range words {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s does not say %q", path, w)
			}
		}
		for _, id := range []string{"today.nohouses", "today.nodue", "find.empty", "clock.later"} {
			if strings.Contains(a.body, texts[id].zh) {
				t.Errorf("%s says %q, which nobody knows", path, texts[id].zh)
			}
		}
	}
	// What is saved meanwhile is safe, and there when it has been read.
	path, form := f.opened("/record/household/new")
	a := f.post(path+"/save", with(form, "f.head_name", "解放军"))
	if !strings.Contains(a.path, "saved=") {
		t.Fatalf("%d %s", a.status, a.path)
	}
	c.mu.Lock()
	c.reading, c.first, c.patience = nil, time.Minute, time.Minute
	c.mu.Unlock()
	if got := f.lines("/find", "xfj"); len(got) != 1 {
		t.Errorf("what was saved meanwhile finds %v", got)
	}
}

// One's own village comes first among those that fit equally well.
func TestOwnVillageFirst(t *testing.T) {
	second := wire.Village{Code: "369999000002", Name: "上湾村"}
	f := newFixture(t, true, firstVillage, second).enter()
	for _, v := range []wire.Village{second, firstVillage} {
		if _, err := f.laptop.Save(t.Context(), store.Edit{Village: v.Code, Type: householdType, Author: "杜旺火", Fields: map[string]record.Value{"head_name": record.Text("解放军"), "group_name": record.Text("一组")}}); err != nil {
			t.Fatal(err)
		}
	}
	f.snapshot()
	got := f.lines("/find", "xfj")
	if len(got) != 2 {
		t.Fatalf("found %v", got)
	}
	id, _ := record.ParseID(got[0])
	if h := f.snapshot().byID(id); h.village != firstVillage.Code {
		t.Errorf("the first is of %s", h.village)
	}
}

// By the keyboard alone: the first key shows something, the next narrow it down, arrows go
// through what was found and back, Enter opens it; the list goes with what stands there.
func TestFindByKeyboard(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(4)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"head_name": "解重明"})
	f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "visit_date": "2025-01-08", "findings": "谷仓边的磨盘还在。"})
	f.snapshot()
	ctx := browser(t)
	enterBy(t, ctx, f)
	tabTo(t, ctx, "e.getAttribute('href') && e.getAttribute('href').endsWith('/find')")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "location.pathname.slice(25) === '/find' && document.activeElement.id === 'q'")
	named := "Array.from(document.querySelectorAll('#results .line strong')).some(function (e) { return e.textContent === '解重明'; })"
	keys(t, ctx, "x")
	until(t, ctx, named)
	keys(t, ctx, "c", "m")
	until(t, ctx, named+" && document.querySelectorAll('#results .line').length === 1")
	keys(t, ctx, kb.ArrowDown)
	until(t, ctx, "document.activeElement.className === 'line'")
	keys(t, ctx, kb.ArrowUp)
	until(t, ctx, "document.activeElement.id === 'q'")
	do(t, ctx, chromedp.KeyEvent("a", chromedp.KeyModifiers(kb.ModifierCtrl)), chromedp.KeyEvent("磨盘"))
	until(t, ctx, "!!document.querySelector('#results mark') && document.querySelector('#results mark').textContent === '磨盘'")
	keys(t, ctx, kb.ArrowDown, kb.Enter)
	until(t, ctx, "location.pathname.slice(25) === '/household/"+h.id.String()+"'")
	// Back brings the list that was left.
	do(t, ctx, chromedp.NavigateBack())
	until(t, ctx, "!!document.querySelector('#results mark') && document.getElementById('q').value === '磨盘'")
}
