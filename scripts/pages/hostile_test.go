package pages

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"zhucun/scripts/badlink"
	"zhucun/scripts/rig"
)

// hostileScript is what every hostile page begins with.
//
//go:embed testdata/hostile.js
var hostileScript string

// hostile is a site that means harm, in the browser of somebody who is signed in
// at a laptop's page and at the office's. It knows more than any such site could:
// the secret path of the laptop's pages, the token of their forms, ids.
type hostile struct {
	*world
	user, guest *tab // the user's own tab on a page of the agent's; a browser that is signed in nowhere
	victim      *tab // where the user opens hostile pages
	browser     context.Context
	port, at    string // of the hostile site, of the agent
	root        string
	knows       map[string]string
	files       string // folder of pages opened as files

	mu    sync.Mutex
	met   []string // what browsers told the hostile site, since the case began
	links []string // that pages were given; their addresses have the number
}

const (
	secretName  = "欧阳守口"
	secretPhone = "13900009999"
)

func newHostile(t *testing.T) *hostile {
	w := newWorld(t)
	h := &hostile{world: w, files: t.TempDir()}
	household := w.put(w.a, "household", "head_name="+secretName, "phone="+secretPhone, "group_name=三组")
	w.put(w.a, "visit", "household="+household, "findings=屋顶漏雨，已报修")
	w.sync(w.a)
	// From here on nothing but pages could change anything.
	w.a.Link.Set(badlink.Weather{Down: true})
	h.at = w.a.Addr
	_, agentPort, _ := net.SplitHostPort(h.at)

	site := httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(site.Close)
	h.port = site.URL[strings.LastIndexByte(site.URL, ':')+1:]
	h.rebinder(agentPort)

	h.browser = w.chromium(chromedp.Flag("disable-popup-blocking", true),
		// What a name leads to may change from one request to the next. direct.test
		// leads to the agent from the first, rebind.test after its page has come.
		chromedp.Flag("host-resolver-rules", "MAP direct.test 127.0.0.1, MAP rebind.test 127.0.0.9, MAP *.test 127.0.0.1"),
		// The newest browsers ask before a page may reach this machine; older ones do not.
		chromedp.Flag("disable-features", "LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"))
	h.user = w.laptopTab(h.browser, w.a)
	h.root = strings.TrimPrefix(h.user.base, "http://"+h.at)
	// The office is another machine, not a port of this one.
	w.server.URL = strings.Replace(w.server.URL, "127.0.0.1", "office.test", 1)
	w.officeTab(h.browser)
	h.user.open("/me")
	h.user.until("!!document.querySelector('[name=_token]')")
	h.knows = map[string]string{
		"agent": "http://" + h.at, "port": agentPort, "root": h.root, "here": h.port, "household": household, "office": w.server.URL, "village": village,
		"token": h.ask("document.querySelector('[name=_token]').value"),
		"css":   h.ask("new URL(document.querySelector('link[rel=stylesheet]').href).pathname"),
		"js":    h.ask("new URL(document.querySelector('script[src]').src).pathname"),
		"icon":  h.ask("new URL(document.querySelector('link[rel=icon]').href).pathname"),
	}
	h.victim = w.tab(h.browser, "")
	ctx, cancel := chromedp.NewContext(h.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	h.guest = &tab{t, ctx, ""}
	return h
}

func (h *hostile) ask(expression string) string {
	h.t.Helper()
	s, err := chromedp.Run(h.user.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// rebinder listens where rebind.test leads: to a hostile site, until its page has
// come, and then to the agent, by the port that both have.
func (h *hostile) rebinder(port string) {
	agent := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: h.at})
		r.Out.Host = r.In.Host
	}}
	l, err := net.Listen("tcp", "127.0.0.9:"+port)
	if err != nil {
		h.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/case" {
			h.serve(rw, r)
			return
		}
		agent.ServeHTTP(rw, r)
	})}
	go srv.Serve(l)
	h.t.Cleanup(func() { srv.Close() })
}

// serve is the hostile site: the page of a case, ways that lead on, and an ear.
func (h *hostile) serve(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	h.mu.Lock()
	h.met = append(h.met, r.Method+" "+r.URL.Path+" cookie "+r.Header.Get("Cookie")+" referer "+r.Referer())
	h.mu.Unlock()
	switch r.URL.Path {
	case "/case":
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		if p := q.Get("policy"); p != "" {
			rw.Header().Set("Content-Security-Policy", p)
		}
		link := ""
		if i, err := strconv.Atoi(q.Get("link")); err == nil {
			h.mu.Lock()
			link = h.links[i]
			h.mu.Unlock()
		}
		io.WriteString(rw, h.page(q.Get("name"), link))
	case "/to": // a redirect that keeps the method, or does not
		status := http.StatusFound
		if q.Get("keep") != "" {
			status = http.StatusTemporaryRedirect
		}
		http.Redirect(rw, r, q.Get("url"), status)
	case "/worker":
		rw.Header().Set("Content-Type", "text/javascript")
		io.WriteString(rw, q.Get("js"))
	case "/style":
		rw.Header().Set("Content-Type", "text/css")
		io.WriteString(rw, q.Get("css"))
	default:
		rw.Header().Set("Content-Type", "text/html")
		io.WriteString(rw, "<title>hostile</title>")
	}
}

// page is the page of a case.
func (h *hostile) page(name, link string) string {
	i := slices.IndexFunc(hostilePages, func(c hostilePage) bool { return c.name == name })
	if i < 0 {
		return "no such case"
	}
	knows := map[string]string{"link": link}
	for k, v := range h.knows {
		knows[k] = v
	}
	raw, err := json.Marshal(knows)
	if err != nil {
		return err.Error()
	}
	return "<!DOCTYPE html><meta charset=utf-8><title>hostile</title><body><script>const K = " + string(raw) + ";\n" + hostileScript +
		"\nrun(async function () {\n" + hostilePages[i].script + "\n});</script>"
}

// link has the agent make a link that opens its pages once.
func (h *hostile) link() string {
	h.t.Helper()
	var opened struct{ Link string }
	if err := h.a.JSON(h.ctx, &opened, "open", "--print"); err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(opened.Link)
	if err != nil {
		h.t.Fatal(err)
	}
	return u.RequestURI()
}

// address is where the page of a case is.
func (h *hostile) address(c hostilePage) string {
	q := url.Values{"name": {c.name}}
	if c.link {
		q.Set("link", strconv.Itoa(len(h.links)))
		h.links = append(h.links, h.link())
	}
	if c.policy != "" {
		q.Set("policy", c.policy)
	}
	from := c.from
	switch {
	case from == "":
		from = "http://evil.test:" + h.port
	case from == "file":
		file := filepath.Join(h.files, "page.html")
		if err := os.WriteFile(file, []byte(h.page(c.name, "")), 0o600); err != nil {
			h.t.Fatal(err)
		}
		return "file://" + file
	case strings.Contains(from, "/"): // a page of the agent itself, under whatever name
		return "http://" + strings.NewReplacer("PORT", h.knows["port"], "ROOT", h.root).Replace(from)
	case from == "rebind.test":
		from = "http://rebind.test:" + h.knows["port"]
	default:
		from = "http://" + from + ":" + h.port
	}
	return from + "/case?" + q.Encode()
}

// visit opens a hostile page in a tab and gives what it learned.
func (h *hostile) visit(p *tab, address string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	chromedp.Do(ctx, chromedp.Navigate(address)) // a page that nobody answers is an error, and fine
	// A page of the agent's under a hostile name shows what that may read. A hostile
	// page that gave way to another learns no more.
	shown := `"said "`
	if !strings.Contains(address, "/case?") && !strings.HasPrefix(address, "file:") {
		shown = `"page " + document.documentElement.outerHTML`
	}
	for {
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`typeof said === "undefined" ? (document.readyState === "complete" ? `+shown+` : "") : (window.over ? "said " + said.join("\n") : "")`))
		if err == nil && said != "" {
			return aLink.ReplaceAllString(said, "/open")
		}
		if ctx.Err() != nil {
			h.t.Errorf("%s never came to its end (%v)", address, err)
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// framed gives the pages of agent or office that a tab, or any, shows inside
// another's.
func (h *hostile) framed(p *tab) []string {
	h.t.Helper()
	var found []string
	ours := func(address string) bool {
		return strings.HasPrefix(address, h.knows["agent"]) || strings.HasPrefix(address, h.knows["office"])
	}
	var walk func(*page.FrameTree, bool)
	walk = func(f *page.FrameTree, inner bool) {
		if inner && ours(f.Frame.URL) && f.Frame.UnreachableURL == "" {
			found = append(found, f.Frame.URL)
		}
		for _, c := range f.ChildFrames {
			walk(c, true)
		}
	}
	if tree, err := chromedp.Call(p.ctx, page.GetFrameTree, cdp.Empty{}); err != nil {
		h.t.Error(err)
	} else {
		walk(tree.FrameTree, false)
	}
	// Those of another site are in a process of their own.
	targets, err := chromedp.Targets(h.browser)
	if err != nil {
		h.t.Error(err)
	}
	for _, i := range targets {
		if i.Type != "iframe" || !ours(i.URL) {
			continue
		}
		ctx, cancel := chromedp.NewContext(h.browser, chromedp.WithTargetID(i.TargetID), chromedp.WithDetachOnCancel())
		// One may be gone by now.
		if tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{}); err == nil {
			walk(tree.FrameTree, true)
		}
		cancel()
	}
	return found
}

// tidy closes the windows that hostile pages opened.
func (h *hostile) tidy() {
	h.t.Helper()
	targets, err := chromedp.Targets(h.browser)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, i := range targets {
		if i.Type == "page" && i.OpenerID != "" {
			// One may have closed itself.
			chromedp.CallBrowser(h.browser, target.CloseTarget, target.CloseTargetParams{TargetID: i.TargetID})
		}
	}
}

// stored is all that the laptop has stored: every file of its folder.
func (h *hostile) stored() string {
	h.t.Helper()
	files, err := h.a.Files()
	if err != nil {
		h.t.Fatal(err)
	}
	return files
}

// kept is all that the office has.
func (h *hostile) kept() string {
	h.t.Helper()
	rows, err := h.server.Rows()
	if err != nil {
		h.t.Fatal(err)
	}
	return rows
}

// learns tells the pages that look at what comes back. The others only do.
var learns = regexp.MustCompile(`^$|say|sized|(read|look|ask)\(|frame: true`)

// aLink is another one in every browser.
var aLink = regexp.MustCompile(`/open\?k=[\w-]+`)

// personal finds in what a hostile page learned, or its site heard, what it may
// not: people, the session, the way to the pages.
var personal = regexp.MustCompile(secretName + "|" + secretPhone + "|屋顶漏雨|王书记")

// TestHostilePages has the user open each hostile page while signed in. It must
// learn what it learns in a browser that is signed in nowhere, and change nothing.
func TestHostilePages(t *testing.T) {
	h := newHostile(t)
	if len(hostilePages) < 60 {
		t.Fatalf("%d cases", len(hostilePages))
	}
	begun := time.Now()
	stored, kept := h.stored(), h.kept()
	for _, c := range hostilePages {
		t.Run(c.name, func(t *testing.T) {
			outer := h.t
			h.t, h.user.t, h.victim.t, h.guest.t = t, t, t, t
			defer func() { h.t, h.user.t, h.victim.t, h.guest.t = outer, outer, outer, outer }()
			h.mu.Lock()
			h.met = nil
			h.mu.Unlock()
			mine, others := h.address(c), h.address(c)
			var learned, strange string
			var both sync.WaitGroup
			if learns.MatchString(c.script) {
				both.Go(func() { strange = h.visit(h.guest, others) })
			}
			learned = h.visit(h.victim, mine)
			both.Wait()
			if strange == "" {
				strange = "said "
			}
			for _, p := range []*tab{h.victim, h.guest} {
				for _, f := range h.framed(p) {
					t.Errorf("a frame shows %s", f)
				}
			}
			if learned != strange {
				t.Errorf("signed in it learns\n%.600s\nand signed in nowhere\n%.600s", learned, strange)
			}
			if found := personal.FindString(learned + strange); found != "" {
				t.Errorf("it learns %q:\n%.600s", found, learned)
			}
			if c.says != "" && !strings.Contains(learned, c.says) {
				t.Errorf("it did not come as far as %q:\n%.600s", c.says, learned)
			}
			h.mu.Lock()
			for _, line := range h.met {
				line = strings.ReplaceAll(line, "zhucun-"+h.knows["port"]+"=evil", "") // its own
				if strings.Contains(line, h.root) || strings.Contains(line, "zhucun-") || strings.Contains(line, "/open") {
					t.Errorf("its site heard %s", line)
				}
			}
			h.mu.Unlock()
			h.tidy()
			if got := h.stored(); got != stored {
				t.Errorf("the laptop stored something:\n%s", rig.Changed(stored, got))
				stored = got
			}
			if strings.Contains(c.script, "K.office") {
				if got := h.kept(); got != kept {
					t.Errorf("the office stored something:\n%s", rig.Changed(kept, got))
					kept = got
				}
			}
			status, err := chromedp.Run(h.user.ctx, chromedp.Evaluate[int](`fetch("`+h.root+`/me").then(r => r.status)`, chromedp.EvalAwaitPromise))
			if err != nil || status != http.StatusOK {
				t.Errorf("the user's own page answers %d, %v", status, err)
			}
		})
	}
	t.Logf("%d cases in %s", len(hostilePages), time.Since(begun).Round(time.Second))

	// The comparison sees what the user does.
	h.user.open("/me")
	h.user.do(chromedp.Click("button[name=language]"))
	h.user.until("document.documentElement.lang === 'en'")
	if h.stored() == stored {
		t.Error("the language was set and nothing is stored")
	}
	h.user.open("/household/" + h.knows["household"])
	h.user.shows(secretName)
}
