package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// noticed has the office send a notice, and gives its record.
func (f *fixture) noticed(title string, more map[string]string) record.ID {
	f.t.Helper()
	fields := map[string]string{"notice_no": "0190a000-0000-7000-8000-000000000001", "title": title, "notice_kind": "policy", "text": "一、每月走访两次。\n二、不落一户。", "sent_on": "2025-01-06", "read_by": "2025-01-31", "notice_state": "current"}
	for name, value := range more {
		fields[name] = value
	}
	return f.set(f.office, "宋芬娥", noticeType, record.ID{}, fields)
}

// A notice stands on the first page until the village has read it, which is told in
// nobody's name; one that was withdrawn says so.
func TestNotices(t *testing.T) {
	f := newFixture(t, true).enter()
	if a := f.get("/notices"); !strings.Contains(a.body, texts["notice.none"].zh) {
		t.Error("there is one already")
	}
	id := f.noticed("关于入户走访的通知", nil)
	old := f.noticed("去年的通知", map[string]string{"notice_no": "0190a000-0000-7000-8000-000000000002", "sent_on": "2024-01-06", "notice_state": "withdrawn", "state_why": "已过期", "read_by": ""})
	f.pull()
	home := f.get("/")
	if !strings.Contains(home.body, "没看的通知 1 份") || !strings.Contains(home.body, "关于入户走访的通知") || strings.Contains(home.body, "去年的通知") {
		t.Error("the first page does not say what is to be read")
	}
	at := "/notices/" + id.String()
	page := f.get(at)
	if !strings.Contains(page.body, "不落一户") || !strings.Contains(page.body, texts["notice.nobody"].zh) {
		t.Error(page.body)
	}
	f.post(at, url.Values{})
	f.post(at, url.Values{})
	if a := f.get(at); !strings.Contains(a.body, "已阅") || strings.Contains(a.body, texts["notice.do"].zh) {
		t.Error("it is not read")
	}
	if a := f.get("/"); strings.Contains(a.body, "没看的通知") {
		t.Error("the first page still asks")
	}
	events, err := f.laptop.History(noticeType, id)
	said := slices.DeleteFunc(events, func(e merge.Event) bool { return e.Author != "" })
	if err != nil || len(said) != 1 || len(said[0].Set) != 1 || said[0].Set["read_on/2025-01-09"] != record.True {
		t.Errorf("%+v, %v", said, err)
	}
	if a := f.get("/notices/" + old.String()); !strings.Contains(a.body, "已撤回") || !strings.Contains(a.body, "已过期") || strings.Contains(a.body, texts["notice.do"].zh) {
		t.Error("a withdrawn one is like another")
	}
	if a := f.get("/notices/" + id.String() + "/file/" + strings.Repeat("ab", 32) + ".pdf"); a.status != http.StatusNotFound {
		t.Errorf("a file of no notice: %d", a.status)
	}
	if a := f.get("/records/notice"); a.path != "/notices" {
		t.Error(a.path)
	}
}

// What somebody in the village makes up is no notice.
func TestForgedNotice(t *testing.T) {
	f := newFixture(t, true).enter()
	for _, role := range []identity.Role{identity.FirstSecretary, identity.TeamMember} {
		if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = role }); err != nil {
			t.Fatal(err)
		}
		_, err := f.laptop.Save(t.Context(), store.Edit{Type: noticeType, Village: firstVillage.Code, Fields: map[string]record.Value{"title": record.Text("假通知")}})
		var refused *merge.Refusal
		if !errors.As(err, &refused) {
			t.Errorf("%s writes a notice: %v", role, err)
		}
	}
	if a := f.get("/notices"); !strings.Contains(a.body, texts["notice.none"].zh) {
		t.Error("it is shown")
	}
}

// The pages of notices fit, and are for everybody.
func TestNoticesFit(t *testing.T) {
	f := newFixture(t, true).enter()
	id := f.noticed("关于做好2025年春节前后入户走访慰问工作的通知", nil)
	f.pull()
	ctx := browser(t)
	enterBy(t, ctx, f)
	for _, lang := range []string{"zh", "en"} {
		f.speak(lang)
		for _, width := range []int64{1366, 360} {
			for name, path := range map[string]string{"notice-home": "/", "notices": "/notices", "notice": "/notices/" + id.String()} {
				do(t, ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(f.at+path))
				if wide := js[int](t, ctx, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
					t.Errorf("%s at %d: %d too wide", path, width, wide)
				}
				if bad := accessible(t, ctx); bad != "" {
					t.Errorf("%s at %d: %s", path, width, bad)
				}
				if pictures != "" {
					picture(t, ctx, fmt.Sprintf("%s-%s-%d", name, lang, width), false)
				}
			}
		}
	}
}
