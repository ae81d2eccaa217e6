package web

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// photo is a file that a record shows, as a page shows it.
type photo struct {
	name string // as the record has it
	alt  string
	open string // where it is whole; "" where it is not here
	img  string // where its small picture is; "" where there is none
	word string // what is to be known of it
	wait string // that it is not delivered
	ask  bool   // somebody may ask for it
}

// photos gives the files that a field names.
func (w *Site) photos(p *page, fd *form.Field, v record.Value) (list []photo) {
	if fd.Kind != form.Image {
		return nil
	}
	for i, name := range v.Texts() {
		list = append(list, w.photo(p, name, p.T("photo.alt", fd.Label.In(p.lang), i+1)))
	}
	return list
}

func (w *Site) photo(p *page, name, alt string) photo {
	h, kind, ok := blob.ParseName(name)
	if !ok {
		return photo{name: name, alt: name, word: p.T("photo.typed", name)}
	}
	at := "/blob/" + name
	x := photo{name: name, alt: alt}
	b, err := w.store.Blob(h)
	switch {
	case errors.Is(err, store.ErrNotFound):
		x.word, x.ask = p.T("photo.elsewhere"), true
		return x
	case err != nil:
		x.word = p.T("photo.damaged")
		return x
	}
	if b.Small {
		switch _, err := w.store.SmallBlob(h); {
		case err == nil:
			x.img = at + "/small"
		case errors.Is(err, store.ErrDamaged):
			x.word = p.T("photo.damaged")
		}
	}
	switch {
	case b.Here:
		x.open = at
		if b.Damaged && b.Wanted {
			x.word = p.T("photo.wanted")
			break
		}
		if b.Damaged {
			x.word, x.ask = p.T("photo.damaged"), !b.Own || b.Delivered
			break
		}
		if x.img == "" && x.word == "" {
			x.word = p.T("photo.nopreview", strings.ToUpper(kind))
		}
		if b.Own && !b.Delivered {
			x.wait = p.T("photo.undelivered")
		}
	case b.Own:
		x.word = p.T("photo.missing")
	case b.Wanted:
		x.word = p.T("photo.wanted")
	default:
		x.word, x.ask = p.T("photo.elsewhere"), true
	}
	return x
}

// named reads the name of a file from the path.
func named(p *page) (h blob.Hash, kind string, err error) {
	h, kind, ok := blob.ParseName(p.r.PathValue("name"))
	if !ok {
		err = errNowhere
	}
	return h, kind, err
}

var (
	errNoFile     = &fault{status: http.StatusNotFound, what: "error.file", next: "error.file.next"}
	errFileBroken = &fault{status: http.StatusGone, what: "error.broken", next: "error.broken.next"}
)

// ofFile says what is wrong with a file that cannot be read.
func ofFile(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errNoFile
	case errors.Is(err, store.ErrDamaged):
		return errFileBroken
	}
	return err
}

// smallFile gives a file's small picture.
func (w *Site) smallFile(p *page) (reply, error) {
	h, _, err := named(p)
	if err != nil {
		return reply{}, err
	}
	small, err := w.store.SmallBlob(h)
	if err != nil {
		return reply{}, ofFile(err)
	}
	return reply{send: func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "image/jpeg")
		rw.Header().Set("Cache-Control", "no-store")
		rw.Write(small)
	}}, nil
}

// file gives a file whole: a picture is shown, anything else kept.
func (w *Site) file(p *page) (reply, error) {
	h, kind, err := named(p)
	if err != nil {
		return reply{}, err
	}
	f, size, err := w.store.OpenBlob(h, 0)
	if err != nil {
		return reply{}, ofFile(err)
	}
	defer f.Close()
	// Whole, before the browser is told that it is well: it has no more than 64 MB.
	var b bytes.Buffer
	b.Grow(int(size))
	if _, err := io.Copy(&b, f); err != nil {
		return reply{}, ofFile(err)
	}
	return reply{send: func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", blob.MediaType(kind))
		if !blob.Shown(kind) {
			rw.Header().Set("Content-Disposition", `attachment; filename="`+blob.Name(h, kind)+`"`)
		}
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("Content-Length", strconv.Itoa(b.Len()))
		rw.Write(b.Bytes())
	}}, nil
}

// fetchFile asks for a file that is not here.
func (w *Site) fetchFile(p *page) (reply, error) {
	h, kind, err := named(p)
	if err != nil {
		return reply{}, err
	}
	if err := w.store.Want(p.r.Context(), h, kind); err != nil {
		return reply{}, err
	}
	w.sync.Now()
	return goTo(backTo(p.r.PostForm.Get("back")))
}

// isFile tells the request whose body is a file for a form.
func isFile(path string) bool {
	rest, ok := strings.CutPrefix(path, "/draft/")
	if !ok {
		return false
	}
	parts := strings.Split(rest, "/")
	return len(parts) == 3 && parts[1] == "file"
}

// addFile keeps a file and names it in the draft of a form.
func (w *Site) addFile(p *page) (reply, error) {
	defer io.Copy(io.Discard, p.r.Body)
	id := p.r.PathValue("id")
	d, err := w.store.Draft(id)
	if err != nil {
		return reply{}, err
	}
	e, err := w.entry(d)
	if err != nil {
		return reply{}, err
	}
	fd := e.form.Field(p.r.PathValue("field"))
	if fd == nil || fd.Kind != form.Image {
		return reply{}, errNowhere
	}
	back := func(why string) (reply, error) {
		to := "/draft/" + id
		if why != "" {
			to += "?said=" + w.searches.keep(why)
		}
		return goTo(to + "#f-" + fd.Name)
	}
	part, ok := p.r.Body.(*multipart.Part)
	if !ok || part.FileName() == "" {
		return back(p.T("photo.nofile"))
	}
	b, word, err := inbox.Keep(p.r.Context(), w.store, w.opt.Shrink, d.Village, fd, part.FileName(), part)
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return back(p.T("photo.large"))
	case errors.Is(err, inbox.ErrEmpty):
		return back(inbox.Say(err, p.lang))
	case err != nil:
		return reply{}, err
	}
	// The draft as it is now: what was typed meanwhile is in it.
	w.saving.Lock()
	defer w.saving.Unlock()
	if d, err = w.store.Draft(id); err != nil {
		return reply{}, err
	}
	if e, err = w.entry(d); err != nil {
		return reply{}, err
	}
	names := e.typed[fd.Name]
	if !slices.Contains(names, b.FileName()) {
		e.put(fd, append(slices.Clone(names), b.FileName()), first(e.draft.Values[byKey+fd.Name]))
	}
	e.draft.Typed = w.store.Now()
	if err := w.store.KeepDraft(p.r.Context(), e.draft); err != nil {
		return reply{}, err
	}
	return back(word.In(p.lang))
}
