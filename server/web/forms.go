package web

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"zhucun/server/store"
	"zhucun/server/xlsform"
	"zhucun/shared/edition"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// formsPath is where forms are seen, uploaded and published.
const formsPath = "/forms"

// formsView is the list of the forms that hold.
type formsView struct {
	forms    []*form.Form
	editions []store.Published
	said     string
}

func (w *Site) formsPage(p *page) (reply, error) { return w.showForms(p, 0, "") }

func (w *Site) showForms(p *page, status int, said string) (reply, error) {
	v := &formsView{forms: w.forms.Forms(), said: said}
	var err error
	if v.editions, err = w.store.Editions(p.ctx); err != nil {
		return reply{}, err
	}
	p.title, p.at, p.still = p.T("nav.forms"), formList, true
	return reply{status: status, body: formsListPage(p, v)}, nil
}

// formFields shows what a form asks.
func (w *Site) formFields(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	p.title, p.at, p.still = f.Title.In(p.lang), formList, true
	return show(formFieldsPage(p, f))
}

// formFile gives a form, or the code lists and rules, as a workbook.
func (w *Site) formFile(p *page) (reply, error) {
	e, err := w.store.Edition(p.ctx)
	if err != nil {
		return reply{}, err
	}
	name := p.r.PathValue("type")
	var b bytes.Buffer
	if name == "rules" {
		err = xlsform.WriteRules(&b, e)
	} else {
		var there bool
		if there, err = xlsform.WriteForm(&b, e, record.Type(name)); err == nil && !there {
			return reply{}, errNowhere
		}
	}
	if err != nil {
		return reply{}, err
	}
	f, err := w.newSpool(int64(b.Len()))
	if err != nil {
		return reply{}, err
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		return reply{}, errors.Join(err, f.Close())
	}
	return f.send("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", name+".xlsx")
}

// draftView is what an uploaded workbook would publish.
type draftView struct {
	*xlsform.Draft
	form    *form.Form // as it would be; nil where the workbook has none
	encoded string
	forms   *form.Set
}

// lookForms reads an uploaded workbook and shows what it would change.
func (w *Site) lookForms(p *page) (reply, error) {
	f, err := w.upload(p)
	if errors.Is(err, io.EOF) {
		return w.showForms(p, http.StatusUnprocessableEntity, p.T("forms.nofile"))
	} else if err != nil {
		io.Copy(io.Discard, p.r.Body) // a browser shows no answer before it has sent everything
		return reply{}, err
	}
	defer f.Close()
	select {
	case w.uploads <- struct{}{}:
		defer func() { <-w.uploads }()
	default:
		return reply{}, errBusy
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return reply{}, err
	}
	now, before, err := w.published(p)
	if err != nil {
		return reply{}, err
	}
	d, err := xlsform.Read(p.ctx, f, size, now, before)
	if said, ok := p.mistake(err); ok {
		return w.showForms(p, http.StatusUnprocessableEntity, said)
	} else if err != nil {
		return reply{}, err
	}
	if d.Empty() {
		return w.showForms(p, http.StatusUnprocessableEntity, p.T("forms.same"))
	}
	return w.showDraft(p, 0, d)
}

func (w *Site) showDraft(p *page, status int, d *xlsform.Draft) (reply, error) {
	raw, err := d.Edition.Encode()
	if err != nil {
		return reply{}, err
	}
	v := &draftView{Draft: d, encoded: base64.RawURLEncoding.EncodeToString(raw)}
	if v.forms, _, err = d.Edition.Load(); err != nil {
		return reply{}, err
	}
	v.form = v.forms.Form(d.Type)
	p.title, p.at, p.still = p.T("forms.draft"), formList, true
	return reply{status: status, body: draftPage(p, v)}, nil
}

// published gives what holds, and all that was published until now.
func (w *Site) published(p *page) (now *edition.Edition, before []*edition.Edition, err error) {
	if now, err = w.store.Edition(p.ctx); err != nil {
		return nil, nil, err
	}
	list, err := w.store.Editions(p.ctx)
	for _, e := range list {
		was, err := w.store.EditionOf(p.ctx, e.Number)
		if err != nil {
			return nil, nil, err
		}
		before = append(before, was)
	}
	return now, before, err
}

// mistake says what is wrong with a workbook.
func (p *page) mistake(err error) (string, bool) {
	var m *form.Mistake
	var s *sheet.Error
	switch {
	case errors.As(err, &m) && m.Row > 0:
		return p.T("forms.mistake.row", m.File, number(m.Row), m.What.In(p.lang)), true
	case errors.As(err, &m):
		return p.T("forms.mistake", m.File, m.What.In(p.lang)), true
	case errors.As(err, &s):
		return s.Label.In(p.lang), true
	}
	return "", false
}

// publish publishes what was shown. What somebody else has published since then is not
// overwritten.
func (w *Site) publish(p *page) (reply, error) {
	raw, err := base64.RawURLEncoding.DecodeString(p.r.PostFormValue("edition"))
	if err != nil {
		return reply{}, errAsked
	}
	e, err := edition.Decode(raw)
	if err != nil || e.Number == 0 {
		return reply{}, errAsked
	}
	now, before, err := w.published(p)
	if err != nil {
		return reply{}, err
	}
	if e.Number != now.Number+1 {
		return w.showForms(p, http.StatusConflict, p.T("forms.late"))
	}
	// It comes from the browser: it is looked at again.
	d, err := xlsform.Check(e, now, before)
	if _, ok := p.mistake(err); ok {
		return reply{}, errAsked
	} else if err != nil {
		return reply{}, err
	}
	if d.Refused() || d.Empty() {
		return w.showDraft(p, http.StatusUnprocessableEntity, d)
	}
	note := strings.TrimSpace(p.r.PostFormValue("note"))
	if len(note) > maxNote {
		return reply{}, errAsked
	}
	switch err := w.store.Publish(p.ctx, e, p.account.Login, note); {
	case errors.Is(err, store.ErrPublished):
		return w.showForms(p, http.StatusConflict, p.T("forms.late"))
	case err != nil:
		return reply{}, err
	}
	return goTo(formsPath)
}

// maxNote bounds what is said of a publication, in bytes.
const maxNote = 600

// differing says of what a difference is.
func (v *draftView) differing(p *page, d *form.Difference) string {
	switch {
	case d.Type == "" && d.Code == "":
		return p.T("forms.list", d.List)
	case d.Type == "":
		return p.T("forms.code", d.List, d.Code)
	}
	f := v.forms.Form(d.Type)
	if f == nil {
		f = p.site.forms.Form(d.Type)
	}
	if d.Field == "" {
		return f.Title.In(p.lang)
	}
	label := d.Field
	if fd := f.Field(d.Field); fd != nil {
		label = fd.Label.In(p.lang)
	} else if was := p.site.forms.Form(d.Type); was != nil && was.Field(d.Field) != nil {
		label = was.Field(d.Field).Label.In(p.lang)
	}
	return p.T("forms.field", f.Title.In(p.lang), label)
}

// column names a column of the tables.
func (p *page) column(name string) string {
	base, lang, _ := strings.Cut(name, "::")
	said := p.T("forms.column." + base)
	switch lang {
	case "":
		return said
	case "English (en)":
		return p.T("forms.in.english", said)
	}
	return p.T("forms.in.chinese", said)
}

// asks says what kind of answer a field takes.
func (p *page) asks(fd *form.Field) string {
	kind := p.T("forms.kind." + fd.Kind.String())
	switch fd.Kind {
	case form.RefOne, form.RefMultiple:
		if f := p.site.forms.Form(fd.Refers); f != nil {
			return p.T("forms.of", kind, f.Title.In(p.lang))
		}
	case form.SelectOne, form.SelectMultiple:
		var words []string
		for i, c := range fd.Choices {
			if i == 6 {
				words = append(words, "…")
				break
			}
			words = append(words, c.Label.In(p.lang))
		}
		return p.T("forms.of", kind, p.list(words))
	}
	return kind
}
