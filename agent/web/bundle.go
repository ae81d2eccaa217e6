package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"zhucun/agent/syncclient"
	"zhucun/shared/bundle"
	"zhucun/shared/form"
)

// Bundler makes and takes the files that go where there is no network. One that is
// being made or taken waits for a sync that is under way; progress is told how far
// it is.
type Bundler interface {
	// Make makes bundles of all that waits, with photos and other files as carry says;
	// with an error, what it gives was made before.
	Make(ctx context.Context, carry syncclient.Carry, progress func(done, left uint64)) ([]syncclient.Exported, error)
	// Collect takes a reply to this laptop, and keeps what is somebody else's. The
	// errors are those of package bundle, syncclient.ErrBurdened, and ErrRevoked with
	// all that was in the reply taken.
	Collect(ctx context.Context, r io.Reader, progress func(done, all int)) (syncclient.Collected, error)
	Bundles() ([]syncclient.Made, error)
	Courier() (syncclient.Burden, error)
	// OpenMade and OpenReply open a file that the two list; fs.ErrNotExist for every
	// other name.
	OpenMade(name string) (*os.File, error)
	OpenReply(name string) (*os.File, error)
}

// takePath is where a file is uploaded.
const takePath = "/bundles/take"

// maxUpload is how much of an upload is let through, in bytes. It is more than a
// file may have: who chose the wrong one gets a page that says so, where to cut the
// connection would give him the browser's. What is too much goes nowhere.
const maxUpload = bundle.MaxSize + 64<<20

// uploads tells the request whose body is a file.
func (g *Gate) uploads(r *http.Request) bool {
	path, inside := strings.CutPrefix(r.URL.Path, g.root)
	return r.Method == http.MethodPost && inside && (path == takePath || path == importPath || isFile(path))
}

// receive reads of an upload what stands before the file, in memory, and leaves
// the file as the request's body. It answers, and says false, where the token is not
// there.
func (g *Gate) receive(rw http.ResponseWriter, r *http.Request, lang func() form.Lang) bool {
	r.Body = http.MaxBytesReader(rw, r.Body, maxUpload)
	parts, err := r.MultipartReader()
	if err != nil {
		g.door(rw, r, lang, http.StatusBadRequest, "door.body", "door.body.next")
		return false
	}
	first, err := parts.NextPart()
	var token []byte
	if err == nil && first.FormName() == "_token" {
		token, err = io.ReadAll(io.LimitReader(first, 128))
	}
	if err != nil {
		g.door(rw, r, lang, http.StatusBadRequest, "door.body", "door.body.next")
		return false
	}
	if !hmac.Equal(token, []byte(g.doors.token())) {
		g.door(rw, r, lang, http.StatusForbidden, "door.cross", "door.cross.next")
		return false
	}
	file, err := parts.NextPart()
	if err != nil || file.FormName() != "file" {
		r.Body = http.NoBody
		return true
	}
	r.Body = file
	return true
}

// work is the one file that is being made or taken, for whoever asks how far it is.
type work struct {
	mu        sync.Mutex
	what      string // "make" or "take"; empty while there is none
	done, all uint64
	ended     []*outcome // the last few
}

// outcome is what came of one.
type outcome struct {
	id    string
	made  []syncclient.Exported
	taken *syncclient.Collected
}

// files counts the photos and other files in what was made.
func (o *outcome) files() (n int) {
	for _, e := range o.made {
		n += e.Files
	}
	return n
}

// left tells of those that went into none, and what they come to.
func (o *outcome) left() (n int, bytes int64) {
	e := o.made[len(o.made)-1]
	return e.FilesLeft, e.FilesLeftBytes
}

// maxOutcomes is how many are kept to be shown again.
const maxOutcomes = 16

// begin says false where there is one already.
func (k *work) begin(what string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.what != "" {
		return false
	}
	k.what, k.done, k.all = what, 0, 0
	return true
}

func (k *work) at(done, all uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done, k.all = done, all
}

func (k *work) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.what = ""
}

// keep keeps what came of one and gives its name.
func (k *work) keep(o *outcome) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	o.id = rand.Text()
	k.ended = append(k.ended, o)
	k.ended = k.ended[max(0, len(k.ended)-maxOutcomes):]
	return o.id
}

func (k *work) find(id string) *outcome {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.ended {
		if o.id == id {
			return o
		}
	}
	return nil
}

// stage says what is being done and how much of it is, in percent; nothing while
// nothing is.
func (w *Site) stage(p *page) (text string, percent uint64) {
	k := &w.work
	k.mu.Lock()
	defer k.mu.Unlock()
	percent = 100 * k.done / max(k.all, 1)
	switch {
	case k.what == "":
		return "", 0
	case k.all == 0:
		return p.T("bundle.busy." + k.what), 0
	case k.what == "make":
		return p.T("bundle.making", number(k.done), number(k.all)), percent
	}
	return p.T("bundle.taking", number(k.done), number(k.all)), percent
}

// bundlesView is the page of bundles.
type bundlesView struct {
	said    string // what went wrong, as a sentence with the next step
	outcome *outcome
	busy    string
	made    []syncclient.Made
	more    int // made before those
	burden  syncclient.Burden
}

// maxMadeShown is how many of the bundles that were made are listed.
const maxMadeShown = 20

func (w *Site) bundles(p *page) (reply, error) {
	q := p.r.URL.Query()
	a, err := w.showBundles(p, w.work.find(q.Get("done")), "")
	if text, _ := w.stage(p); text != "" && err == nil {
		a.again = "/bundles"
	}
	return a, err
}

// showBundles shows the page with what came of what was asked, or with what went
// wrong.
func (w *Site) showBundles(p *page, o *outcome, said string) (reply, error) {
	p.title, p.at = p.T("bundle.title"), "sync"
	if !p.device.Enrolled() {
		return reply{}, errUnenrolled
	}
	// What was asked may have changed it.
	var err error
	if p.status, err = w.store.Status(); err != nil {
		return reply{}, err
	}
	v := &bundlesView{outcome: o, said: said}
	v.busy, _ = w.stage(p)
	if v.made, err = w.sync.Bundles(); err != nil {
		return reply{}, err
	}
	if n := len(v.made) - maxMadeShown; n > 0 {
		v.made, v.more = v.made[:maxMadeShown], n
	}
	if v.burden, err = w.sync.Courier(); err != nil {
		return reply{}, err
	}
	a := reply{body: bundlesPage(p, v)}
	if said != "" {
		a.status = http.StatusUnprocessableEntity
	}
	return a, nil
}

// makeBundle makes a bundle. Whoever asked waits for it; the script shows how far
// it is, and so does this page in another window.
func (w *Site) makeBundle(p *page) (reply, error) {
	if !w.work.begin("make") {
		return w.showBundles(p, nil, p.T("bundle.wait"))
	}
	carry := syncclient.Carry{}
	if p.r.PostForm.Get("photos") == "all" {
		carry.Files = syncclient.FilesAll
	}
	made, err := w.sync.Make(p.r.Context(), carry, func(done, left uint64) { w.work.at(done, done+left) })
	w.work.end()
	if err != nil {
		return w.notDone(p, made, err)
	}
	return goTo("/bundles?done=" + w.work.keep(&outcome{made: made}))
}

// takeBundle takes an uploaded file; its name on the disk it came from does not
// matter. The file is the request's body: see receive.
func (w *Site) takeBundle(p *page) (reply, error) {
	// What is not read, the browser must still be able to send: it reads no answer
	// before.
	defer io.Copy(io.Discard, p.r.Body)
	if part, ok := p.r.Body.(*multipart.Part); !ok || part.FileName() == "" {
		return w.showBundles(p, nil, p.T("bundle.nofile"))
	}
	if !w.work.begin("take") {
		return w.showBundles(p, nil, p.T("bundle.wait"))
	}
	t, err := w.sync.Collect(p.r.Context(), p.r.Body, func(done, all int) { w.work.at(uint64(done), uint64(all)) })
	w.work.end()
	if t.Carried && err == nil {
		w.sync.Now()
	}
	if err != nil {
		return w.notDone(p, nil, err)
	}
	return goTo("/bundles?done=" + w.work.keep(&outcome{taken: &t}))
}

// notDone shows an error that has a sentence; every other is a failure as on any
// page. What was made before it is offered all the same.
func (w *Site) notDone(p *page, made []syncclient.Exported, err error) (reply, error) {
	say := syncclient.Sentence(err, p.lang)
	if say == err.Error() {
		return reply{}, err
	}
	w.opt.Log.Warn("bundle", "path", p.r.URL.Path, "error", err)
	var o *outcome
	if len(made) > 0 {
		o = &outcome{made: made}
	}
	return w.showBundles(p, o, say)
}

// progress tells the script how far it is.
func (w *Site) progress(p *page) (reply, error) {
	text, percent := w.stage(p)
	return reply{data: map[string]any{"text": text, "percent": percent}}, nil
}

func (w *Site) madeFile(p *page) (reply, error) {
	name := p.r.PathValue("name")
	f, err := w.sync.OpenMade(name)
	return sendFile(p, f, err, name)
}

func (w *Site) replyFile(p *page) (reply, error) {
	name := p.r.PathValue("name")
	f, err := w.sync.OpenReply(name)
	return sendFile(p, f, err, savedAs(name))
}

// savedAs is the name under which a reply to another laptop is saved: one that
// mail and messengers leave alone, like all others.
func savedAs(name string) string {
	return bundle.Name(strings.TrimSuffix(name, bundle.Ext) + "--------")
}

// sendFile gives the browser a file to save.
func sendFile(p *page, f *os.File, err error, name string) (reply, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return reply{}, errNoBundle
	} else if err != nil {
		return reply{}, err
	}
	return reply{send: func(rw http.ResponseWriter) {
		defer f.Close()
		rw.Header().Set("Content-Type", "application/octet-stream")
		rw.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", plainly(name)))
		http.ServeContent(rw, p.r, "", time.Time{}, f)
	}}, nil
}

// plainly keeps of a name what may stand in a header.
func plainly(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\/`, r) {
			return '_'
		}
		return r
	}, name)
}

// size says how long a file is.
func (p *page) size(bytes int64) string {
	if bytes < 1<<20 {
		return number(uint64(bytes+1023)>>10) + " KB"
	}
	return syncclient.Size(bytes)
}

// fate says what became of a bundle. Nothing but receipts makes it say delivered.
func (p *page) fate(m *syncclient.Made) string {
	waiting, files := m.Waiting(), uint64(m.Fate.FilesWaiting)
	switch {
	case m.Changes == 0 && m.Files == 0 && m.Answered > 0:
		return p.T("bundle.fate.answered")
	case m.Changes == 0 && m.Files == 0:
		return p.T("bundle.fate.asks")
	case waiting == m.Changes && files == uint64(m.Files):
		return p.T("way.bundled")
	case m.Fate.Delivered == m.Changes && files == 0:
		return p.T("way.delivered")
	}
	var parts []string
	for _, one := range []struct {
		id string
		n  uint64
	}{{"bundle.fate.delivered", m.Fate.Delivered}, {"bundle.fate.waiting", waiting}, {"bundle.fate.stuck", m.Fate.Quarantined}, {"bundle.fate.renewed", m.Fate.Renewed}, {"bundle.fate.files", files}} {
		if one.n > 0 {
			parts = append(parts, p.T(one.id, number(one.n)))
		}
	}
	return strings.Join(parts, p.T("list.between"))
}

// sizes lists how long files are: more there is not to say of them.
func (p *page) sizes(files []syncclient.Carried) string {
	var all []string
	for _, f := range files {
		all = append(all, p.size(f.Size))
	}
	return strings.Join(all, p.T("list.between"))
}
