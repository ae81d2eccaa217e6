package web

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"zhucun/server/syncapi"
	"zhucun/shared/bundle"
	"zhucun/shared/form"
)

// bundlesPath is where bundles are uploaded.
const bundlesPath = "/bundles"

const (
	// maxUpload bounds the body of an upload: a file, and what the form has beside
	// it. It lies on disk until it is taken.
	maxUpload = bundle.MaxSize + 64<<10
	// maxComing is how many are on their way at once.
	maxComing = 8
	// maxUploads is how many are taken at once; the messages of each are in memory.
	maxUploads = 2
	// How many replies are kept for whoever uploaded, and how long. One that is gone
	// can be had again by taking the bundle again.
	maxReplies     = 16
	maxRepliesSize = 64 << 20
	repliesKept    = time.Hour
)

// uploads tells a request whose body is a file. It is read only for somebody who
// may upload.
func uploads(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == bundlesPath || r.URL.Path == noticesPath || r.URL.Path == formsPath+"/look" || isTemplate(r.URL.Path))
}

// keptReply is what came of an upload, for the account that made it.
type keptReply struct {
	*syncapi.Bundle
	id, login string
	at        time.Time
}

// replies are kept in memory.
type replies struct {
	sync.Mutex
	kept []*keptReply
}

// keep keeps one, and lets go of those that are old or too many.
func (k *replies) keep(b *keptReply) {
	k.Lock()
	defer k.Unlock()
	k.kept = append(k.kept, b)
	size := 0
	for i := len(k.kept) - 1; i >= 0; i-- {
		size += len(k.kept[i].Reply)
		if i < len(k.kept)-1 && (len(k.kept)-i > maxReplies || size > maxRepliesSize || b.at.Sub(k.kept[i].at) > repliesKept) {
			k.kept = k.kept[i+1:]
			return
		}
	}
}

// find gives the one of that name that the account made.
func (k *replies) find(id, login string, now time.Time) *keptReply {
	k.Lock()
	defer k.Unlock()
	for _, b := range k.kept {
		if b.id == id && b.login == login && now.Sub(b.at) <= repliesKept {
			return b
		}
	}
	return nil
}

func (w *Site) bundles(p *page) (reply, error) { return w.showBundles(p, 0, "") }

func (w *Site) showBundles(p *page, status int, said string) (reply, error) {
	p.title, p.at, p.still = p.T("nav.bundles"), bundles, true
	return reply{status: status, body: bundlesPage(p, said)}, nil
}

// takeBundle takes an uploaded bundle. What its name is on the sender's disk does
// not matter.
func (w *Site) takeBundle(p *page) (reply, error) {
	arrived := w.store.Now()
	f, err := w.upload(p)
	if errors.Is(err, io.EOF) {
		return w.showBundles(p, http.StatusUnprocessableEntity, p.T("bundle.nofile"))
	} else if err != nil {
		// A browser shows no answer before it has sent everything.
		io.Copy(io.Discard, p.r.Body)
		return reply{}, err
	}
	defer f.Close()
	select {
	case w.uploads <- struct{}{}:
		defer func() { <-w.uploads }()
	default:
		return reply{}, errBusy
	}
	b, err := w.door.Bundle(p.ctx, f, arrived, nil)
	var not *syncapi.NotTaken
	if errors.As(err, &not) {
		return w.showBundles(p, http.StatusUnprocessableEntity, form.Label{Zh: not.Zh, En: not.En}.In(p.lang))
	} else if err != nil {
		return reply{}, err
	}
	if err := w.access.Audit(p.ctx, b.Note()); err != nil {
		return reply{}, err
	}
	k := &keptReply{Bundle: b, id: rand.Text(), login: p.account.Login, at: arrived}
	w.replies.keep(k)
	return goTo(bundlesPath + "/" + k.id)
}

// begin reads the token, which stands first in the form of an upload; the file is read
// once it is known whose it is.
func (p *page) begin() error {
	parts, err := p.r.MultipartReader()
	if err != nil {
		return err
	}
	part, err := parts.NextPart()
	if err != nil {
		return err
	}
	value, err := io.ReadAll(io.LimitReader(part, maxBody))
	p.parts, p.r.PostForm = parts, url.Values{part.FormName(): {string(value)}}
	return err
}

// upload keeps the file of an upload on the disk as it comes; io.EOF where there is none.
func (w *Site) upload(p *page) (*spool, error) {
	select {
	case w.comes <- struct{}{}:
		defer func() { <-w.comes }()
	default:
		return nil, errBusy
	}
	part, err := p.parts.NextPart()
	for err == nil && part.FormName() != "file" {
		part, err = p.parts.NextPart()
	}
	switch {
	case err == io.EOF, err == nil && part.FileName() == "":
		return nil, io.EOF
	case err != nil:
		return nil, errors.Join(errAsked, err)
	}
	f, err := w.newSpool(p.r.ContentLength)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(f, part); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	var on *fs.PathError
	if err != nil && !errors.As(err, &on) && !errors.Is(err, errFull) {
		err = errAsked // what came was cut off, or too much
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// bundle shows what came of an upload.
func (w *Site) bundle(p *page) (reply, error) {
	b := w.replies.find(p.r.PathValue("id"), p.account.Login, w.store.Now())
	if b == nil {
		return reply{}, errReply
	}
	p.title, p.at, p.still = p.T("bundle.done"), bundles, true
	return show(bundlePage(p, b))
}

// bundleReply is the reply as a file.
func (w *Site) bundleReply(p *page) (reply, error) {
	b := w.replies.find(p.r.PathValue("id"), p.account.Login, w.store.Now())
	if b == nil {
		return reply{}, errReply
	}
	return reply{send: func(rw http.ResponseWriter) error {
		h := rw.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="`+bundle.Name(rand.Text())+`"`)
		h.Set("Content-Length", strconv.Itoa(len(b.Reply)))
		_, err := rw.Write(b.Reply)
		return err
	}}, nil
}
