package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// The report on a lost laptop and the slip of a code fit, and on paper nothing stands
// around them.
func TestLaptopPapersFit(t *testing.T) {
	f := filled(t)
	l := f.laptop("新队员", identity.TeamMember, f.codes()...)
	l.hear(24*time.Hour, store.Contact{Pending: 5, Assigned: 1, Agent: "0.1"})
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	for _, lang := range []string{"zh", "en"} {
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"wide", 1366, 768}, {"narrow", 360, 740}} {
			do(t, ctx, chromedp.EmulateViewport(size.width, size.height), chromedp.Navigate(f.server.URL+"/devices/"+string(l.device.ID)), chromedp.Click(".lost-do button"))
			until(t, ctx, "!!document.querySelector('.lost')")
			looks(t, ctx, strings.Join([]string{"lost", lang, size.name}, "-"))
			onPaper(t, ctx, "lost-"+lang+"-"+size.name)
			do(t, ctx, chromedp.Navigate(f.server.URL+"/devices/new"), chromedp.SendKeys("#name", "王队员"),
				chromedp.Click("input[name=village]"), chromedp.Click("form[action='/devices/code'] button"))
			until(t, ctx, "!!document.querySelector('.slip .qr')")
			looks(t, ctx, strings.Join([]string{"slip", lang, size.name}, "-"))
			onPaper(t, ctx, "slip-"+lang+"-"+size.name)
		}
		if lang == "zh" {
			do(t, ctx, chromedp.Navigate(f.server.URL+"/devices"))
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}

// onPaper looks at a page as it is printed: no menu, no button, no form.
func onPaper(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, medium("print"))
	if seen := js[string](t, ctx, `Array.from(document.querySelectorAll("header *, footer *, button, input, .trail")).filter(function (e) { return e.getClientRects().length; }).map(function (e) { return e.outerHTML.slice(0, 80); }).join("\n")`); seen != "" {
		t.Errorf("%s, printed, shows\n%s", name, seen)
	}
	if pictures != "" {
		picture(t, ctx, name+"-print")
	}
	do(t, ctx, medium("screen"))
}

func medium(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: name})
		return err
	})
}
