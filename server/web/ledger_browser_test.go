package web

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

// The pages of what is to be done, of leave and of notices fit, and are for everybody.
func TestLedgerFits(t *testing.T) {
	f := newFixture(t, small...).withFiles()
	issue, inspection := f.ledgered()
	v := f.as("office")
	page := v.get(noticesPath + "/new")
	no := noticeNo.FindStringSubmatch(page.body)[1]
	v.notify(page, url.Values{"no": {no}, "title": {"关于做好2025年春节前后入户走访慰问工作的通知"}, "kind": {"notice"}, "text": {"一、每月走访两次。\n二、不落一户。"}, "read_by": {"2025-01-31"}, "to": {"all"}}, "方案.pdf", "%PDF-1.4")
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	for _, lang := range []string{"zh", "en"} {
		if lang == "en" {
			js[any](t, ctx, "document.querySelector(\"button[name=language]\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
		for name, path := range map[string]string{
			"ledger": "/ledger", "ledger-project": "/ledger/project", "ledger-inspection": "/ledger/inspection", "issue": href(issue), "inspection": href(inspection),
			"issue-new": "/records/issue/new?village=" + string(small[0].Code), "leave": "/leave", "notices": noticesPath, "notice": noticesPath + "/" + no, "notice-new": noticesPath + "/new",
		} {
			for _, width := range []int64{1366, 360} {
				do(t, ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(f.server.URL+path))
				if wide := js[int](t, ctx, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
					t.Errorf("%s at %d, %s: %d too wide", path, width, lang, wide)
				}
				accessible(t, ctx, fmt.Sprintf("%s at %d, %s", path, width, lang))
				if pictures != "" {
					picture(t, ctx, fmt.Sprintf("office-%s-%s-%d", name, lang, width))
				}
			}
		}
	}
}
