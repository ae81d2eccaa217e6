package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/form"
)

// The folders of addresses that are answered here.
const (
	RESTPath  = "/api/"
	ODataPath = "/odata/"

	version1 = "/api/v1/"
)

// Options are what an API takes from outside.
type Options struct {
	// URL is the server's address as others know it: its scheme stands in links.
	URL string
	Log *slog.Logger // nil: none
}

// API answers programs, over one store.
type API struct {
	store  *store.Store
	access *access.Access
	opt    Options
	mux    *http.ServeMux
	pace   paces
	// patience is how long one request goes through villages of which little comes.
	patience time.Duration
}

// New makes the API of a store.
func New(s *store.Store, a *access.Access, opt Options) *API {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	api := &API{store: s, access: a, opt: opt, mux: http.NewServeMux(), patience: patience}
	for _, r := range slices.Concat(api.routes(), api.odataRoutes()) {
		api.mux.HandleFunc(r.pattern, api.serve(r))
	}
	return api
}

// Handler serves RESTPath and ODataPath.
func (a *API) Handler() http.Handler { return gzhttp.GzipHandler(a.mux) }

// patience as it is in the product.
const patience = 2 * time.Second

// anybody is the action of what every token may ask for.
const anybody access.Action = ""

// route is one address with what the token must be allowed.
type route struct {
	pattern string
	action  access.Action
	handle  func(*request) (*answer, error)
}

func (a *API) routes() []route {
	return []route{
		{"/api/openapi.json", anybody, a.openAPI},
		{"/api/v1/villages", access.SeeTotals, a.villages},
		{"/api/v1/figures", access.SeeTotals, a.figures},
		{"/api/v1/{type}", access.SeeRecords, a.list},
		{"/api/v1/{type}/{id}", access.SeeRecords, a.one},
		{"/api/v1/{type}/{id}/history", access.SeeRecords, a.history},
		{RESTPath, anybody, a.nowhere},
	}
}

// request is one request of one program.
type request struct {
	*http.Request
	reader *access.Reader
	lang   form.Lang
	query  url.Values
	now    time.Time
}

// answer is what is sent.
type answer struct {
	kind string // application/json where it is ""
	body any    // []byte as it is, anything else as JSON
	head map[string]string
}

// serve lets a request through that may go where it wants to, and sends what becomes of
// it: the one place where an error becomes an answer.
func (a *API) serve(to route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		q := &request{Request: r, lang: language(r), now: a.store.Now()}
		ans, err := a.pass(q, to)
		var body []byte
		if err == nil {
			body, err = ans.bytes()
		}
		if err != nil {
			a.fail(w, q, err)
			return
		}
		head := w.Header()
		for name, value := range ans.head {
			head.Set(name, value)
		}
		tag := etag(body)
		head.Set("ETag", tag)
		if matches(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if ans.kind == "" {
			ans.kind = "application/json"
		}
		head.Set("Content-Type", ans.kind)
		send(w, r, http.StatusOK, body)
	}
}

// pass asks who it is, whether they may, and only then what they want.
func (a *API) pass(q *request, to route) (*answer, error) {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return nil, &fault{status: http.StatusMethodNotAllowed, code: "method", head: map[string]string{"Allow": "GET, HEAD"},
			detail: form.Label{Zh: "这里只能读取（GET）", En: "Here things are only read (GET)"}}
	}
	var err error
	if q.reader, err = a.enter(q); err != nil {
		return nil, err
	}
	if to.action != anybody && !q.reader.May(to.action) {
		return nil, errRole
	}
	done, err := a.pace.begin(q.reader.Token.ID, q.now)
	if err != nil {
		return nil, err
	}
	defer done()
	if q.query, err = url.ParseQuery(q.URL.RawQuery); err != nil {
		return nil, asked("", "网址里的参数写法不对", "The parameters in the address cannot be read")
	}
	return to.handle(q)
}

func (a *API) nowhere(q *request) (*answer, error) { return nil, errNowhere }

// enter finds the token of a request: Bearer, or Basic with its name and itself.
func (a *API) enter(q *request) (*access.Reader, error) {
	name, token, basic := q.BasicAuth()
	if !basic {
		var is bool
		kind, rest, _ := strings.Cut(q.Header.Get("Authorization"), " ")
		if is = strings.EqualFold(kind, "Bearer"); !is {
			return nil, errNoToken
		}
		name, token = "", strings.TrimSpace(rest)
	} else if name == "" {
		return nil, errBadToken
	}
	r, err := a.access.Read(q.Context(), name, token)
	if errors.Is(err, access.ErrToken) {
		return nil, errBadToken
	}
	return r, err
}

func language(r *http.Request) form.Lang {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.Header.Get("Accept-Language"))), "en") {
		return form.En
	}
	return form.Zh
}

func (ans *answer) bytes() ([]byte, error) {
	if b, made := ans.body.([]byte); made {
		return b, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(ans.body)
	return b.Bytes(), err
}

// etag is weak: what is sent may be packed or not.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

func matches(asked, tag string) bool {
	for part := range strings.SplitSeq(asked, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// stall and slowest bound how long an answer may take to be read.
const (
	stall   = time.Minute
	slowest = 4 << 10 // bytes a second
)

func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	// A server without deadlines, as in tests, has none to set.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall + time.Duration(len(body)/slowest)*time.Second))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever hung up is told nothing
	}
}

// protect sets the headers of every answer.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}
