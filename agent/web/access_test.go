package web

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func TestHost(t *testing.T) {
	f := newFixture(t, false).enter()
	u, err := url.Parse(f.base)
	if err != nil {
		t.Fatal(err)
	}
	port := u.Port()
	at, _ := url.Parse(f.at + "/")
	tests := []struct {
		host string
		want int
	}{
		{"127.0.0.1:" + port, 200},
		{"localhost:" + port, 200},
		{"[::1]:" + port, 200},
		{"127.0.0.1", 421},
		{"127.0.0.1:1", 421},
		{"localhost", 421},
		{"LOCALHOST:" + port, 421},
		// A page elsewhere that points its name at this machine.
		{"evil.example:" + port, 421},
		{"127.0.0.1.evil.example:" + port, 421},
		{"127.0.0.2:" + port, 421},
		{"0.0.0.0:" + port, 421},
		{"", 400},
	}
	for _, tt := range tests {
		for _, path := range []string{"/", "/open?k=x", assetPath("zhucun.css")} {
			if tt.want == 200 && strings.HasPrefix(path, "/open") {
				continue
			}
			c, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			r, _ := http.NewRequest(http.MethodGet, f.address(path), nil)
			for _, cookie := range f.client.Jar.Cookies(at) {
				r.AddCookie(cookie)
			}
			io.WriteString(c, "GET "+r.URL.RequestURI()+" HTTP/1.1\r\nHost: "+tt.host+"\r\nCookie: "+r.Header.Get("Cookie")+"\r\nConnection: close\r\n\r\n")
			raw, _ := io.ReadAll(c)
			c.Close()
			status := strings.Fields(string(raw))[1]
			want := map[int]string{200: "200", 421: "421", 400: "421"}[tt.want]
			if status != want {
				t.Errorf("Host %q %s: %s, want %s", tt.host, path, status, want)
			}
		}
	}
	// Without a listener that is loopback, nobody is let in.
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, f.at+"/", nil)
	f.site.Handler().ServeHTTP(rec, r)
	if rec.Code != http.StatusMisdirectedRequest {
		t.Errorf("without a listener: %d", rec.Code)
	}
}

func TestSessions(t *testing.T) {
	f := newFixture(t, true)
	for _, path := range []string{"/", "/find", "/household/" + f.house(0).id.String(), "/sync", assetPath("zhucun.css"), "/nowhere", "/open", "/open?k=", "/open?k=guess"} {
		a := f.get(path)
		if a.status != http.StatusForbidden || strings.Contains(a.body, f.house(0).name) || !strings.Contains(a.body, "zhucun-agent open") {
			t.Errorf("%s without a session: %d %s", path, a.status, a.body)
		}
	}
	link := f.site.Link()
	if !strings.HasPrefix(link, "/open?k=") || len(link) < 40 {
		t.Fatalf("link %q", link)
	}
	a := f.get(link)
	if a.status != 200 || a.header.Get("Refresh") == "" {
		t.Fatalf("link: %d", a.status)
	}
	cookie := a.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=" + f.site.root + "/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %s lacks %s", cookie, want)
		}
	}
	if a := f.get("/"); a.status != 200 {
		t.Fatalf("with a session: %d", a.status)
	}

	// Outside the path that nobody else knows there is nothing, and no way to it.
	r, _ := http.NewRequest(http.MethodGet, f.base+"/", nil)
	if a := f.do(r); a.status != 403 || strings.Contains(a.body, f.site.root) {
		t.Errorf("outside: %d", a.status)
	}

	// Once is once, for everybody else.
	stranger := &http.Client{}
	res, err := stranger.Get(f.base + link)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
		t.Errorf("a used link: %d, %v", res.StatusCode, res.Cookies())
	}

	// Ten minutes are ten minutes.
	late := f.site.Link()
	f.up.Add(int64(11 * time.Minute))
	res, err = stranger.Get(f.base + late)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("an old link: %d", res.StatusCode)
	}

	// What is on disk opens nothing by itself, and a restart keeps the session.
	raw, err := os.ReadFile(filepath.Join(f.dir, sessionsFile))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(f.at + "/")
	if secret := f.client.Jar.Cookies(u)[0].Value; strings.Contains(string(raw), secret) {
		t.Error("the secret itself is on disk")
	}
	if info, err := os.Stat(filepath.Join(f.dir, sessionsFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("sessions file: %v %v", info.Mode(), err)
	}
	f.restart()
	if a := f.get("/"); a.status != 200 {
		t.Errorf("after a restart: %d", a.status)
	}
	// A clock that jumps ends nothing; a month without use does.
	for _, years := range []int{-10, 10} {
		f.wall.Store(morning.AddDate(years, 0, 0).UnixMilli())
		if a := f.get("/"); a.status != 200 {
			t.Errorf("the clock %+d years off: %d", years, a.status)
		}
	}
	f.up.Add(int64(29 * 24 * time.Hour))
	f.get("/")
	f.up.Add(int64(29 * 24 * time.Hour))
	if a := f.get("/"); a.status != 200 {
		t.Errorf("a session that was used four weeks ago: %d", a.status)
	}
	f.up.Add(int64(31 * 24 * time.Hour))
	if a := f.get("/"); a.status != http.StatusForbidden {
		t.Errorf("a session of last month: %d", a.status)
	}
}

func TestHeaders(t *testing.T) {
	f := newFixture(t, true).enter()
	for path, cache := range map[string]string{"/": "no-store", assetPath("zhucun.css"): "private, max-age=31536000, immutable", assetPath("zhucun.js"): "private, max-age=31536000, immutable"} {
		a := f.get(path)
		want := map[string]string{
			"Cache-Control": cache, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
			"Access-Control-Allow-Origin": "", "Content-Security-Policy": policy,
		}
		for k, v := range want {
			if got := a.header.Get(k); a.status != 200 || got != v {
				t.Errorf("%s (%d): %s is %q, want %q", path, a.status, k, got, v)
			}
		}
	}
	if a := f.get("/assets/0000/zhucun.css"); a.status != http.StatusNotFound {
		t.Errorf("an asset by another hash: %d", a.status)
	}
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %s", want)
		}
	}
	for name, a := range assets {
		for _, far := range []string{"http://", "https://", "url(", "@import", "color-mix", "eval("} {
			if strings.Contains(strings.ReplaceAll(string(a.content), "http://www.w3.org/2000/svg", ""), far) {
				t.Errorf("%s has %s in it", name, far)
			}
		}
	}
}

// Each row is a POST that some other page, or another person's session, might
// bring about.
func TestForgedPosts(t *testing.T) {
	f := newFixture(t, true).enter()
	other := newFixture(t, false).enter()
	tests := []struct {
		name   string
		token  string
		header map[string]string
		want   int
	}{
		{"from a page of the site", f.site.doors.token(), map[string]string{"Origin": f.base, "Sec-Fetch-Site": "same-origin"}, 200},
		{"without origin headers, as curl does, but with the token", f.site.doors.token(), nil, 200},
		{"without a token", "", map[string]string{"Origin": f.base, "Sec-Fetch-Site": "same-origin"}, 403},
		{"with another folder's token", other.site.doors.token(), map[string]string{"Origin": f.base}, 403},
		{"from another site", f.site.doors.token(), map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403},
		{"from another port of this host", f.site.doors.token(), map[string]string{"Origin": "http://127.0.0.1:9", "Sec-Fetch-Site": "same-site"}, 403},
		{"from an old browser on another site", f.site.doors.token(), map[string]string{"Origin": "https://evil.example"}, 403},
		{"from a sandbox", f.site.doors.token(), map[string]string{"Origin": "null"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := f.sync.asked
			r, _ := http.NewRequest(http.MethodPost, f.at+"/sync", strings.NewReader(url.Values{"_token": {tt.token}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			if a := f.do(r); a.status != tt.want {
				t.Errorf("%d, want %d", a.status, tt.want)
			}
			if done := f.sync.asked > before; done != (tt.want == 200) {
				t.Errorf("done: %v", done)
			}
		})
	}
	// The token is in the body: an address with it does nothing.
	r, _ := http.NewRequest(http.MethodPost, f.at+"/sync?_token="+f.site.doors.token(), nil)
	if a := f.do(r); a.status != 403 {
		t.Errorf("token in the address: %d", a.status)
	}
	for _, back := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "javascript:alert(1)", "", "evil"} {
		if to := backTo(back); to != "/" {
			t.Errorf("back to %q leads to %q", back, to)
		}
	}
	if to := backTo("/find?q=%E7%8E%8B"); to != "/find?q=%E7%8E%8B" {
		t.Errorf("back to a page: %q", to)
	}
}

// Two agents on one machine are two hosts' worth of sessions.
func TestTwoAgents(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := newFixture(t, false), newFixture(t, false)
	a.client, b.client = &http.Client{Jar: jar}, &http.Client{Jar: jar}
	a.enter()
	b.enter()
	if got := a.get("/"); got.status != 200 {
		t.Errorf("the first agent: %d", got.status)
	}
	if got := b.get("/"); got.status != 200 {
		t.Errorf("the second agent: %d", got.status)
	}
}

// What listens on another port of this machine, perhaps another user's, learns
// nothing of the session from a browser that is led there.
func TestOtherPorts(t *testing.T) {
	f := newFixture(t, true)
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/me"))
	js[bool](t, ctx, "(setTimeout(function () { document.querySelector('main button').click(); }, 0), true)")
	until(t, ctx, "location.pathname.slice(25) === '/'")
	var mu sync.Mutex
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.URL.Path+" "+r.Header.Get("Cookie")+r.Header.Get("Referer"))
		mu.Unlock()
		rw.Header().Set("Content-Type", "text/html")
		io.WriteString(rw, "<script>if (location.pathname == '/') fetch('/same').then(function () { document.title = 'done'; })</script>")
	}))
	defer other.Close()
	js[bool](t, ctx, "(setTimeout(function () { location.href = '"+other.URL+"/'; }, 0), true)")
	until(t, ctx, "document.title === 'done'")
	mu.Lock()
	defer mu.Unlock()
	for _, line := range got {
		if strings.Contains(line, "zhucun") || strings.Contains(line, f.site.root) {
			t.Errorf("another port was told %s", line)
		}
	}
	do(t, ctx, chromedp.Navigate(f.at+"/sync"))
	until(t, ctx, "!!document.querySelector('.sync-state')")
}

// The way in is a page in the data folder.
func TestOpenedFromAFile(t *testing.T) {
	f := newFixture(t, true)
	ctx := browser(t)
	way := filepath.Join(t.TempDir(), "open.html")
	if err := os.WriteFile(way, []byte(`<meta http-equiv=refresh content="0;url=`+f.base+f.site.Link()+`">`), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate("file://"+way))
	until(t, ctx, "location.pathname.slice(25) === '/' && !!document.querySelector('main')")
}
