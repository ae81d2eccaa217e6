package web

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// fileView is one file of a record, with what is known of it.
type fileView struct {
	rec        *store.Record
	label      string
	photo      photo
	picture    bool // a browser shows it
	facts      []fact
	prev, next string // where the record's other files are shown, "" where there is none
	at         string // which of how many it is
}

type fact struct{ name, value string }

// viewFile shows one file of a record: as large as the window, whole and as it came to the
// laptop, and who brought it when. One that is missing or damaged says so.
func (w *Site) viewFile(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	name := p.r.PathValue("name")
	h, kind, ok := blob.ParseName(name)
	f := w.forms.Form(rec.Type)
	if !ok || f == nil {
		return reply{}, errNowhere
	}
	var list []string
	var of *form.Field
	for _, fd := range f.Fields {
		if fd.Kind != form.Image || !p.sight.Shows(fd) {
			continue
		}
		for _, text := range rec.View.Fields[fd.Name].Texts() {
			if _, _, ok := blob.ParseName(text); ok && !slices.Contains(list, text) {
				list = append(list, text)
				if text == name {
					of = fd
				}
			}
		}
	}
	if of == nil {
		return reply{}, errNowhere
	}
	row := rowOf(rec)
	if err := p.gather([]store.Row{row}); err != nil {
		return reply{}, err
	}
	v := &fileView{rec: rec, label: p.label(&row)}
	at := slices.Index(list, name)
	p.title, p.at = p.T("file.title", of.Label.In(p.lang), at+1, v.label), records
	v.at = p.T("file.at", at+1, len(list))
	if at > 0 {
		v.prev = href(rec.Key) + "/files/" + list[at-1]
	}
	if at < len(list)-1 {
		v.next = href(rec.Key) + "/files/" + list[at+1]
	}
	photos, err := w.photos(p, rec.Key, of, record.List([]string{name}))
	if err != nil {
		return reply{}, err
	}
	v.photo, v.picture = photos[0], blob.Shown(kind)
	v.facts = append(v.facts, fact{p.T("file.kind"), strings.ToUpper(kind)})
	b, err := w.store.Blob(p.ctx, rec.Village, h)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return reply{}, err
	default:
		v.facts = append(v.facts, fact{p.T("file.size"), bytesText(b.Size)}, fact{p.T("file.received"), p.T("file.from", p.when(b.Receipt.Received), p.device(b.Device))})
	}
	if who, when := namedBy(rec, of.Name, name); who != "" {
		v.facts = append(v.facts, fact{p.T("file.by"), p.T("by", who, p.when(when))})
	}
	v.facts = append(v.facts, fact{p.T("file.hash"), h.String()})
	return show(filePage(p, v))
}

// namedBy says who put a file into a field, and when.
func namedBy(rec *store.Record, field, name string) (who string, when clock.Time) {
	for _, s := range rec.State[record.Path(field).Element(name)].Siblings {
		if s.At >= when {
			who, when = s.Author, s.At
		}
	}
	return who, when
}

// bytesText says a size as people do.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MB"
	case n >= 1<<10:
		return strconv.FormatInt(n>>10, 10) + " KB"
	}
	return strconv.FormatInt(n, 10) + " B"
}

// cameText says when the office received a change, and whether a backup has it; of its own
// changes there is nothing to say.
func (p *page) cameText(e *store.Entry) string {
	if e.Device == store.OfficeDevice {
		return ""
	}
	if e.Backed {
		return p.T("history.backed", p.when(e.Received))
	}
	return p.T("history.received", p.when(e.Received))
}
