package web

import (
	"bytes"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/vault"
)

// withPin gives whoever is at the laptop a PIN, on the page, by a code of the office.
func (f *fixture) withPin(digits string) {
	f.t.Helper()
	was := f.site.lock
	defer func() { f.site.lock = was }()
	f.site.lock = &fakeLock{way: vault.Unprotected, code: "ZR1-ONCE"}
	if a := f.post("/settings", url.Values{"part": {"who"}, "do": {"set"}, "word": {"ZR1-ONCE"}, "fresh": {digits}, "again": {digits}}); a.path != "/settings?done=who" {
		f.t.Fatalf("the PIN was not set: %s", a.path)
	}
}

func (f *fixture) wants(what string, a answer, status int, texts ...string) {
	f.t.Helper()
	if a.status != status {
		f.t.Errorf("%s: status %d, want %d, at %s", what, a.status, status, a.path)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			f.t.Errorf("%s: lacks %q", what, text)
		}
	}
}

// Whoever has a PIN is asked for it in every new session, after a while and when the agent
// starts again; nothing of the village is shown before, and nothing is written in that name.
func TestPinAsked(t *testing.T) {
	f := newFixture(t, true).enter()
	house := f.house(0)
	open := func(what string, want bool) {
		t.Helper()
		a := f.get("/household/" + house.id.String())
		if shown := strings.Contains(a.body, house.name); shown != want || (a.status == http.StatusOK) != want || strings.Contains(a.body, `href="`+f.site.root+`/find"`) != want {
			t.Fatalf("%s: status %d, shown %v, want %v", what, a.status, shown, want)
		}
	}
	me := func(pin string) answer {
		return f.post("/me", url.Values{"who": {"杜旺火"}, "pin": {pin}, "back": {"/todo"}})
	}
	f.withPin("2580")
	open("who has set it", true)
	f.enter()
	open("a new session", false)
	f.wants("a wrong PIN", me("2581"), http.StatusUnprocessableEntity, texts["pin.wrong"].zh)
	open("after a wrong PIN", false)
	f.wants("no PIN", f.post("/me", url.Values{"who": {"杜旺火"}}), http.StatusUnprocessableEntity)
	open("without a PIN", false)
	if a := me("2580"); a.path != "/todo" || a.status != http.StatusOK {
		t.Errorf("the right PIN leads to %s, %d", a.path, a.status)
	}
	open("with the PIN", true)

	f.up.Add(int64(idleLock - time.Second))
	open("after a while", true)
	f.post("/settings", url.Values{"part": {"lock"}, "idle": {"5"}})
	f.up.Add(int64(5*time.Minute + time.Second))
	open("after the minutes that were chosen", false)
	me("2580")
	open("with the PIN again", true)
	f.post("/settings", url.Values{"part": {"lock"}, "idle": {"5"}, "do": {"now"}})
	open("locked now", false)
	me("2580")
	f.restart()
	open("the agent was started again", false)

	// A colleague without one goes on, as himself.
	f.wants("the colleague", f.post("/me", url.Values{"who": {"曹彤倩"}}), http.StatusOK, ">曹彤倩</a>")
	open("the colleague", true)
	a := f.get("/record/visit/new?household=" + house.id.String())
	if strings.Contains(a.body, `name="_author"`) {
		t.Error("the colleague is offered the name of somebody with a PIN")
	}
	sent := with(formOf(t, a.body), "_author", "杜旺火", "f.visit_mode", "home", "f.visit_result", "met", "f.visit_purpose", "routine", "f.findings", "冒名写的走访记录")
	f.post(a.path+"/save", sent)
	r := f.record(visitType, f.lastOf(house.id, "冒名写的走访记录").String())
	if got := strings.Join(r.View.Authors, " "); got != "曹彤倩" {
		t.Errorf("the visit is signed %s", got)
	}
	// Nor does a cookie of one's own making help.
	at, _ := url.Parse(f.at + "/")
	f.client.Jar.SetCookies(at, []*http.Cookie{{Name: "zhucun-" + at.Port() + "-who", Value: url.QueryEscape("杜旺火"), Path: f.site.root + "/"}})
	open("a made-up cookie", false)
}

// What somebody filled in while he was away is neither lost nor saved.
func TestPinAskedMeanwhile(t *testing.T) {
	f := newFixture(t, true).enter()
	f.withPin("2580")
	path, form := f.opened("/record/visit/new?household=" + f.house(1).id.String())
	f.up.Add(int64(idleLock + time.Second))
	a := f.post(path+"/save", with(form, "f.findings", "写好了才发现锁了"))
	f.wants("sent late", a, http.StatusLocked, "写好了才发现锁了", texts["pin.resend"].zh)
	if id := f.lastOf(f.house(1).id, "写好了才发现锁了"); !id.IsZero() {
		t.Error("it was saved before the PIN was given")
	}
	f.post("/me", url.Values{"who": {"杜旺火"}, "pin": {"2580"}})
	again := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`).FindAllStringSubmatch(a.body, -1) {
		again.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	f.post(path+"/save", again)
	if id := f.lastOf(f.house(1).id, "写好了才发现锁了"); id.IsZero() {
		t.Error("sent again it is not saved")
	}
}

// Who guesses has to wait, longer each time; neither a restart nor a clock helps, and the
// right PIN is not even looked at.
func TestPinGuessed(t *testing.T) {
	f := newFixture(t, true).enter()
	f.withPin("2580")
	f.enter()
	me := func(pin string) answer { return f.post("/me", url.Values{"who": {"杜旺火"}, "pin": {pin}}) }
	misses := func(want int) {
		t.Helper()
		if p, err := f.laptop.Profile("杜旺火"); err != nil || p.Misses != want {
			t.Fatalf("%d misses, want %d, %v", p.Misses, want, err)
		}
	}
	waits := func(what, pin string, want bool) {
		t.Helper()
		a := me(pin)
		if waits := regexp.MustCompile(`再等 \d+ (秒|分钟)才能试`).MatchString(a.body); waits != want || want != (a.status == http.StatusUnprocessableEntity) {
			t.Fatalf("%s: has to wait %v, want %v, status %d", what, waits, want, a.status)
		}
	}
	me("0001")
	me("0002")
	waits("the third wrong one", "0003", true)
	misses(3)
	waits("the right one", "2580", true)
	misses(3)
	f.wall.Add(int64(48 * time.Hour / time.Millisecond))
	waits("the clock set on", "2580", true)
	f.up.Add(int64(20 * time.Second))
	f.up.Store(0)
	f.restart()
	waits("the agent was started again", "2580", true)
	f.up.Add(int64(31 * time.Second))
	waits("a fourth wrong one", "0004", true)
	misses(4)
	f.up.Add(int64(31 * time.Second))
	waits("the fourth takes longer", "2580", true)
	f.up.Add(int64(30 * time.Second))
	waits("the right one in time", "2580", false)
	misses(0)
	if got := f.get("/").status; got != http.StatusOK {
		t.Errorf("with the right one: %d", got)
	}
	if pinWait(2) != 0 || pinWait(3) == 0 || pinWait(100) > time.Hour {
		t.Error("the waits are not as they should be")
	}
}

// A forgotten PIN goes with the laptop's passphrase or the office's code, and with nothing
// else.
func TestPinForgotten(t *testing.T) {
	f := newFixture(t, true).enter()
	lock := &fakeLock{way: vault.Unprotected}
	f.site.lock = lock
	forgot := func(word string) answer { return f.post("/me", url.Values{"who": {"杜旺火"}, "word": {word}}) }
	has := func(want bool) {
		t.Helper()
		if p, err := f.laptop.Profile("杜旺火"); err != nil || p.HasPin() != want {
			t.Fatalf("has a PIN: %v, want %v, %v", p.HasPin(), want, err)
		}
	}
	f.withPin("2580")
	f.enter()
	f.wants("the way there", f.get("/me?forgotten=0"), http.StatusOK, texts["pin.word"].zh)
	for _, word := range []string{"2580", "anything", "ZR1-NOT-THE-CODE"} {
		f.wants(word, forgot(word), http.StatusUnprocessableEntity, texts["pin.word.wrong"].zh)
		has(true)
	}
	lock.code = "ZR1-THE-CODE"
	f.wants("the office's code", forgot("ZR1-THE-CODE"), http.StatusOK)
	has(false)
	if got := f.get("/").status; got != http.StatusOK {
		t.Errorf("without a PIN: %d", got)
	}

	f.withPin("2580")
	lock.way, lock.passphrase, lock.code = vault.Passphrase, word, ""
	f.enter()
	f.post("/unlock", url.Values{"passphrase": {word}})
	forgot("another one")
	has(true)
	f.wants("the passphrase", forgot(word), http.StatusOK)
	has(false)
	f.wants("no such person", f.post("/me", url.Values{"who": {"张三"}, "word": {word}}), http.StatusOK)
}

// A PIN is changed and taken away by whoever knows it, and it is told what is wrong.
func TestPinChanged(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.lock = &fakeLock{way: vault.Passphrase, passphrase: word}
	f.post("/unlock", url.Values{"passphrase": {word}})
	set := func(do, old, fresh, again string) answer {
		return f.post("/settings", url.Values{"part": {"who"}, "do": {do}, "word": {word}, "old": {old}, "fresh": {fresh}, "again": {again}})
	}
	f.wants("too short", set("set", "", "123", "123"), http.StatusUnprocessableEntity, texts["pin.form"].zh)
	f.wants("letters", set("set", "", "12ab", "12ab"), http.StatusUnprocessableEntity, texts["pin.form"].zh)
	f.wants("not alike", set("set", "", "2580", "2581"), http.StatusUnprocessableEntity, texts["pin.twice"].zh)
	f.wants("none", set("set", "", "", ""), http.StatusUnprocessableEntity, texts["pin.twice"].zh)
	f.wants("well", set("set", "", "2580", "2580"), http.StatusOK, texts["set.done"].zh)
	f.wants("changed without the old one", set("set", "", "1379", "1379"), http.StatusUnprocessableEntity, texts["pin.wrong"].zh)
	f.wants("removed with a wrong one", set("remove", "1379", "", ""), http.StatusUnprocessableEntity, texts["pin.wrong"].zh)
	f.wants("changed", set("set", "2580", "1379", "1379"), http.StatusOK, texts["set.done"].zh)
	f.wants("removed", set("remove", "1379", "", ""), http.StatusOK, texts["set.done"].zh)
	if p, err := f.laptop.Profile("杜旺火"); err != nil || p.HasPin() {
		t.Errorf("%+v, %v", p, err)
	}
}

// Whoever is at the laptop may choose a colleague's name, but gives it no PIN: a first one
// needs the laptop's passphrase or the office's code, and then the one before.
func TestPinOfAColleague(t *testing.T) {
	f := newFixture(t, true).enter()
	f.post("/me", url.Values{"who": {"曹彤倩"}})
	set := func(more url.Values) answer {
		v := url.Values{"part": {"who"}, "do": {"set"}, "fresh": {"1379"}, "again": {"1379"}}
		for name, values := range more {
			v[name] = values
		}
		return f.post("/settings", v)
	}
	has := func(what string, want bool) {
		t.Helper()
		if p, err := f.laptop.Profile("曹彤倩"); err != nil || p.HasPin() != want {
			t.Errorf("%s: has a PIN: %v, want %v, %v", what, p.HasPin(), want, err)
		}
	}
	for _, tt := range []struct {
		name string
		lock Lock
	}{{"no lock", nil}, {"no passphrase", &fakeLock{way: vault.Unprotected}}, {"a keyring", &fakeLock{way: vault.Keyring}}, {"a passphrase", &fakeLock{way: vault.Passphrase, passphrase: word}}} {
		f.site.lock = tt.lock
		f.post("/unlock", url.Values{"passphrase": {word}})
		for _, wrong := range []string{"", "1379", "another word"} {
			f.wants(tt.name+" "+wrong, set(url.Values{"word": {wrong}}), http.StatusUnprocessableEntity, texts["pin.word.wrong"].zh)
			has(tt.name, false)
		}
		if body := f.get("/settings").body; strings.Contains(body, texts["pin.noword"].zh) != (tt.name != "a passphrase") {
			t.Errorf("%s: it is told %v that a passphrase comes first", tt.name, tt.name == "a passphrase")
		}
	}
	f.wants("with the passphrase", set(url.Values{"word": {word}}), http.StatusOK, texts["set.done"].zh)
	has("with the passphrase", true)
	// From then on the passphrase takes it away where it is forgotten, and changes nothing here.
	f.wants("changed by the passphrase", set(url.Values{"word": {word}, "fresh": {"2468"}, "again": {"2468"}}), http.StatusUnprocessableEntity, texts["pin.wrong"].zh)
	if right, err := f.laptop.TryPin(t.Context(), "曹彤倩", "1379"); err != nil || !right {
		t.Errorf("the PIN is another: %v", err)
	}
}

// No PIN and no passphrase stands in an address, on a page, in a header or in the data
// folder.
func TestPinStaysSecret(t *testing.T) {
	f := newFixture(t, true).enter()
	const digits = "739104628511"
	f.withPin(digits)
	for _, a := range []answer{f.get("/settings"), f.get("/me"), f.enter().get("/"), f.post("/me", url.Values{"who": {"杜旺火"}, "pin": {digits[:11]}}), f.post("/me", url.Values{"who": {"杜旺火"}, "pin": {digits}})} {
		if strings.Contains(a.body+a.path, digits[:11]) {
			t.Errorf("it stands at %s", a.path)
		}
		for k, v := range a.header {
			if strings.Contains(strings.Join(v, " "), digits) {
				t.Errorf("it stands in %s", k)
			}
		}
	}
	f.stop()
	searchFolder(t, f.dir, []byte(digits))
	searchFolder(t, f.dir, []byte("杜旺火"))
}

// Each of the people has his own language, size of type and drafts.
func TestProfilesApart(t *testing.T) {
	f := newFixture(t, true).enter()
	house := f.house(0)
	draft := func(text string) {
		t.Helper()
		path, form := f.opened("/record/visit/new?household=" + house.id.String())
		f.post(path+"/keep", with(form, "_serial", "1", "f.findings", text))
	}
	draft("杜旺火没写完的话")
	f.post("/settings", url.Values{"part": {"look"}, "language": {"en"}, "size": {"large"}})
	f.wants("the first", f.get("/"), http.StatusOK, `data-size="large"`, "杜旺火没写完的话", "Households")
	f.post("/me", url.Values{"who": {"曹彤倩"}})
	f.post("/settings", url.Values{"part": {"look"}, "language": {"zh"}, "size": {""}})
	draft("曹彤倩没写完的话")
	a := f.get("/")
	f.wants("the second", a, http.StatusOK, "曹彤倩没写完的话", "杜旺火还有 1 份没写完")
	if strings.Contains(a.body, "data-size") || strings.Contains(a.body, "杜旺火没写完的话") || !strings.Contains(a.body, ">农户<") && !strings.Contains(a.body, texts["nav.find"].zh) {
		t.Error("the second has what the first chose, or wrote")
	}
	f.post("/me", url.Values{"who": {"杜旺火"}})
	f.wants("the first again", f.get("/"), http.StatusOK, `data-size="large"`, "杜旺火没写完的话", "Households")

	// The draft of somebody with a PIN is not opened by its address.
	ds, err := f.laptop.Drafts()
	if err != nil {
		t.Fatal(err)
	}
	f.withPin("2580")
	f.enter()
	f.post("/me", url.Values{"who": {"曹彤倩"}})
	for _, d := range ds {
		a := f.get("/draft/" + d.ID)
		if asked := a.status == http.StatusLocked && !strings.Contains(a.body, "没写完的话"); asked != (d.Author == "杜旺火") {
			t.Errorf("%s's draft: status %d", d.Author, a.status)
		}
	}
}

// The other choices are kept, and what is no choice is refused.
func TestSettingsKept(t *testing.T) {
	f := newFixture(t, true).enter()
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.PhotoSide, d.Assigned.Originals = 1300, true }); err != nil {
		t.Fatal(err)
	}
	a := f.get("/settings")
	f.wants("offered", a, http.StatusOK, `value="1200"`, `name="originals"`)
	if strings.Contains(a.body, `value="1600"`) {
		t.Error("more points are offered than the office takes")
	}
	f.post("/settings", url.Values{"part": {"photo"}, "side": {"1200"}})
	f.post("/settings", url.Values{"part": {"sync"}, "quiet": {"1"}})
	x, err := f.laptop.Settings()
	if quiet, qerr := f.laptop.Quiet(); err != nil || qerr != nil || !quiet || x.PhotoSide != 1200 || !x.NoOriginals {
		t.Errorf("%+v, quiet %v, %v", x, quiet, err)
	}
	f.wants("shown", f.get("/settings"), http.StatusOK, `value="1200" checked`, `value="1" checked`)
	f.post("/settings", url.Values{"part": {"photo"}, "side": {"0"}, "originals": {"1"}})
	if x, err = f.laptop.Settings(); err != nil || x.PhotoSide != 0 || x.NoOriginals {
		t.Errorf("%+v, %v", x, err)
	}
	for _, bad := range []url.Values{
		{"part": {"photo"}, "side": {"64"}}, {"part": {"photo"}, "side": {"x"}}, {"part": {"lock"}, "idle": {"100000"}}, {"part": {"lock"}, "idle": {"0"}}, {"part": {"nothing"}}, {},
	} {
		f.wants(bad.Encode(), f.post("/settings", bad), http.StatusBadRequest)
	}
	// With nothing to ask there is nothing to lock.
	if strings.Contains(f.get("/settings").body, texts["set.lock.now"].zh) {
		t.Error("there is nothing that locks, and a button for it")
	}
	f.withPin("2580")
	f.wants("with a PIN", f.get("/settings"), http.StatusOK, texts["set.lock.now"].zh)
}

// searchFolder fails where bytes stand in any file of a folder.
func searchFolder(t *testing.T, dir string, secret []byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, secret) {
			t.Errorf("it stands in %s", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

// What was chosen on the page of settings is chosen there when it is opened again, also
// after the agent was started anew, and what is shown to whoever has not come in yet speaks
// the same language.
func TestOpenAsChosen(t *testing.T) {
	f := newFixture(t, true).enter()
	f.withPin("2580")
	groups := regexp.MustCompile(`<input type="radio" name="([a-z]+)" [^>]*value="([^"]*)" checked`)
	chosen := func(when string, want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for _, m := range groups.FindAllStringSubmatch(f.get("/settings").body, -1) {
			got[m[1]] += m[2]
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: of %s %q is chosen, want %q", when, name, got[name], value)
			}
		}
	}
	chosen("at first", map[string]string{"language": "zh", "size": "", "quiet": "0", "side": "0", "idle": "15"})
	for _, part := range []url.Values{
		{"part": {"look"}, "language": {"en"}, "size": {"huge"}}, {"part": {"sync"}, "quiet": {"1"}}, {"part": {"photo"}, "side": {"900"}}, {"part": {"lock"}, "idle": {"30"}},
	} {
		f.post("/settings", part)
	}
	want := map[string]string{"language": "en", "size": "huge", "quiet": "1", "side": "900", "idle": "30"}
	chosen("at once", want)
	f.restart()
	f.client.Jar = newJar(t) // another browser
	f.wants("before anybody comes in", f.get("/"), http.StatusForbidden, `<html lang="en"`)
	f.enter()
	f.wants("before the PIN", f.get("/settings"), http.StatusLocked, `<html lang="en"`)
	f.post("/me", url.Values{"who": {"杜旺火"}, "pin": {"2580"}})
	chosen("started anew", want)
	if !strings.Contains(f.get("/").body, `data-size="huge"`) {
		t.Error("the type is of another size than was chosen")
	}
}
