package web

import (
	"errors"
	"net/http"
	"strings"

	"zhucun/server/store"
	"zhucun/server/syncapi"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// photo is a file that a record shows, as a page shows it.
type photo struct {
	alt  string
	view string // where a page shows it with what is known of it
	open string // where it is whole; "" where it is not here
	img  string // where its small picture is; "" where there is none
	word string // what is to be known of it
	// originals are where it is to be had as it came.
	originals []string
}

// photos gives the files that a field of a record names.
func (w *Site) photos(p *page, k record.Key, fd *form.Field, v record.Value) ([]photo, error) {
	village := k.Village
	if fd == nil || fd.Kind != form.Image {
		return nil, nil
	}
	var list []photo
	for i, name := range v.Texts() {
		x := photo{alt: p.T("photo.alt", fd.Label.In(p.lang), i+1)}
		h, kind, ok := blob.ParseName(name)
		if !ok {
			x.word = p.T("photo.typed", name)
			list = append(list, x)
			continue
		}
		at := "/blob/" + string(village) + "/" + name
		x.view = href(k) + "/files/" + name
		b, err := w.store.Blob(p.ctx, village, h)
		switch {
		case errors.Is(err, store.ErrNotFound):
			x.word = p.T("photo.waits")
		case err != nil:
			return nil, err
		case w.store.Files == nil:
			x.word = p.T("photo.missing")
		default:
			if size, err := w.store.Files.Size(h); err != nil {
				x.word = p.T("photo.missing")
			} else if size != b.Size {
				x.word = p.T("photo.damaged")
			} else {
				x.open = at
			}
		}
		_, err = w.store.Thumbnail(p.ctx, village, h)
		switch {
		case err == nil:
			x.img = at + "/small"
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		case x.open != "" && blob.Shown(kind):
			x.img = at // there is no small one: the browser makes it small
		case x.open != "":
			x.word = p.T("photo.nopreview", strings.ToUpper(kind))
		}
		originals, err := w.store.Originals(p.ctx, village, h)
		if err != nil {
			return nil, err
		}
		for _, o := range originals {
			x.originals = append(x.originals, "/blob/"+string(village)+"/"+blob.Name(o.Hash, o.Kind))
		}
		list = append(list, x)
	}
	return list, nil
}

// file gives a file, or its small picture, to whoever may see a record that shows it.
func (w *Site) file(p *page) (reply, error) { return w.giveFile(p, false) }

func (w *Site) smallFile(p *page) (reply, error) { return w.giveFile(p, true) }

func (w *Site) giveFile(p *page, small bool) (reply, error) {
	village := record.Village(p.r.PathValue("village"))
	h, _, ok := blob.ParseName(p.r.PathValue("name"))
	if !ok || !p.sight.Reaches(village) || w.store.Files == nil {
		return reply{}, errNowhere
	}
	// Who may see a photo may see its originals.
	photos, err := w.store.OriginalOf(p.ctx, village, h)
	if err != nil {
		return reply{}, err
	}
	for _, photo := range append([]blob.Hash{h}, photos...) {
		if seen, err := w.seesFile(p, village, photo); err != nil {
			return reply{}, err
		} else if !seen {
			continue
		}
		return reply{send: func(rw http.ResponseWriter) error {
			rw.Header().Set("Cache-Control", "no-store")
			if syncapi.Give(rw, p.r, w.store, village, h, small) != nil {
				http.Error(rw, p.T("photo.missing"), http.StatusNotFound)
			}
			return nil
		}}, nil
	}
	return reply{}, errNowhere
}

// seesFile tells whether whoever asks may see a record of the village that shows a file.
func (w *Site) seesFile(p *page, village record.Village, h blob.Hash) (bool, error) {
	ids, err := w.store.Showing(p.ctx, village, h)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		rec, err := w.store.Record(p.ctx, village, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if p.hideIn(rec); showsFile(w.forms.Form(rec.Type), rec, h) {
			return true, nil
		}
	}
	return false, nil
}

// showsFile tells whether a record, as it is shown, names a file.
func showsFile(f *form.Form, rec *store.Record, h blob.Hash) bool {
	if f == nil {
		return false
	}
	for _, fd := range f.Fields {
		if fd.Kind != form.Image {
			continue
		}
		for _, name := range rec.View.Fields[fd.Name].Texts() {
			if x, _, ok := blob.ParseName(name); ok && x == h {
				return true
			}
		}
	}
	return false
}
