package web

import (
	"strings"
	"testing"

	"zhucun/shared/form"

	"github.com/chromedp/chromedp"
)

// syncing has the sync say so much, of so many percent.
func (f *fixture) syncing(busy bool, text string, percent int) {
	f.sync.mu.Lock()
	defer f.sync.mu.Unlock()
	f.sync.state.Busy, f.sync.state.Progress, f.sync.state.Percent = busy, form.Label{Zh: text, En: text}, percent
}

// How far a sync is stands on its page, and in the head of every other, without
// the script too.
func TestSyncProgress(t *testing.T) {
	f := newFixture(t, true).enter()
	if a := f.get("/"); !strings.Contains(a.body, `hidden><a href="`+f.site.root+`/sync"`) || strings.Contains(a.body, "http-equiv") {
		t.Errorf("without a sync: %s", plainText(a.body))
	}
	f.syncing(true, "已收到 3000/20000", 15)
	if a := f.get("/"); !strings.Contains(plainText(a.body), "已收到 3000/20000") {
		t.Errorf("the first page: %s", plainText(a.body))
	}
	a := f.get("/sync")
	if !strings.Contains(a.body, `value="15"`) || !strings.Contains(a.body, `<noscript><meta http-equiv="refresh" content="4; url=`+f.site.root+`/sync">`) {
		t.Errorf("the page of the sync: %s", a.body)
	}
	if a := f.get("/sync/progress"); a.body != `{"busy":true,"percent":15,"text":"已收到 3000/20000","waiting":0}` {
		t.Errorf("the script is told %s", a.body)
	}
	f.syncing(true, "正在连接服务器", -1)
	if a := f.get("/sync"); strings.Contains(a.body, `value="-1"`) {
		t.Error("a share that nobody knows is shown")
	}
}

// The page that is open follows, and is not loaded anew.
func TestSyncFollowed(t *testing.T) {
	f := newFixture(t, true)
	ctx := browser(t)
	enterBy(t, ctx, f)
	f.syncing(true, "已送出 1/9", 11)
	do(t, ctx, chromedp.Navigate(f.at+"/sync?asked=1"))
	until(t, ctx, "document.querySelector('#sync-bar progress').value === 11 && !document.querySelector('.under').hidden")
	if js[float64](t, ctx, "window.same = 1") != 1 {
		t.Fatal("no mark")
	}
	f.syncing(true, "已送出 5/9", 55)
	until(t, ctx, "document.querySelector('#sync-bar progress').value === 55 && document.querySelector('#sync-bar').textContent.includes('5/9') && document.querySelector('.under').textContent.includes('5/9')")
	f.syncing(false, "", -1)
	until(t, ctx, "!document.getElementById('sync-bar') && document.querySelector('.under').hidden")
	if !js[bool](t, ctx, "window.same === 1") {
		t.Error("the page was loaded anew")
	}
}
