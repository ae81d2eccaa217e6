package web

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/shared/identity"
)

// axe is axe-core, which knows what makes a page hard to use for whoever does not see it,
// or does not hear, or has no mouse. One copy lies in the tree, with the laptop's pages.
var axe = sync.OnceValue(func() string {
	f, err := os.Open("../../agent/web/testdata/axe-core/axe.min.js.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return string(script)
})

// accessible tells what axe-core finds serious or critical on the page.
func accessible(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, chromedp.Evaluate[chromedp.Void](axe()+"; undefined"), chromedp.Evaluate[chromedp.Void](`window.found = null; axe.run(document, { resultTypes: ["violations"] }).then(function (r) {
		window.found = r.violations.filter(function (v) { return v.impact === "serious" || v.impact === "critical"; }).map(function (v) {
			return v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map(function (n) { return "    " + n.html.slice(0, 160) + " " + (n.any.concat(n.all)[0] || {}).message; }).join("\n");
		}).join("\n");
	}).catch(function (e) { window.found = String(e); }); undefined`))
	until(t, ctx, "window.found !== null")
	if bad := js[string](t, ctx, "window.found"); bad != "" {
		t.Errorf("%s:\n%s", name, bad)
	}
}

// Each role's pages are fit for everybody, where they differ from those of whoever may do
// everything (TestPagesFit): what one may only read has other menus and no forms.
func TestRolesAccessible(t *testing.T) {
	f := filled(t)
	v := f.codes()[0]
	house := f.first(v, "household", 0)
	f.quarrel(house)
	ctx := browser(t)
	for _, r := range []identity.Role{identity.Office, identity.Leader, identity.Admin, identity.SponsorUnit} {
		if r == identity.SponsorUnit {
			f.account(r)
		}
		signInBy(t, ctx, f, string(r))
		pages := js[[]string](t, ctx, `Array.from(document.querySelectorAll("#nav a"), function (a) { return a.getAttribute("href"); })`)
		switch r {
		case identity.Office, identity.Admin:
			pages = pages[:min(len(pages), 1)] // theirs are those of TestPagesFit but for the menu
		case identity.Leader:
			pages = append(pages, "/figures/"+string(v)+"?month=2024-12")
		case identity.SponsorUnit:
			pages = append(pages, "/records/household", href(house.Key))
		}
		if len(pages) == 0 {
			t.Errorf("%s has no menu", r)
		}
		for _, path := range pages {
			for _, width := range []int64{1366, 360} {
				do(t, ctx, chromedp.EmulateViewport(width, 740), chromedp.Navigate(f.server.URL+path))
				if status := js[int](t, ctx, `performance.getEntriesByType("navigation")[0].responseStatus`); status != 200 {
					t.Errorf("%s is led to %s, which answers %d", r, path, status)
				}
				accessible(t, ctx, string(r)+" "+path)
			}
		}
		js[any](t, ctx, "document.querySelector(\"form[action='/signout'] button\").click()")
		until(t, ctx, "location.pathname === '/signin'")
	}
}
