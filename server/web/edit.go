package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// maxTargets bounds the records that a reference is offered.
const maxTargets = 1000

// editView is a record's form.
type editView struct {
	rec      *store.Record
	form     *form.Form
	label    string
	sections []editSection
	apart    []*control // do not apply as it is filled in, and are empty
	reason   string
	said     string
	moved    []string // fields that somebody else has written meanwhile
	stood    string   // what stood in the controls
	shown    string   // what the record was
	// fresh tells of a record that is not there yet, forRecord for which other it is.
	fresh     bool
	forRecord string
}

// action is where the form is sent.
func (v *editView) action() string {
	if v.fresh {
		return address(newPath(v.rec.Type), "village", string(v.rec.Village), "for", v.forRecord)
	}
	return href(v.rec.Key) + "/edit"
}

type editSection struct {
	title    string
	controls []*control
}

// control is one field of a form.
type control struct {
	fd       *form.Field
	id, name string
	shape    form.Shape
	label    string
	hint     string
	typed    string
	options  []option
	photos   []photo
	stands   string // of a masked field, what of it may be shown
	unread   string
	moved    string // what somebody else has written meanwhile
	notes    []string
	proposes bool // whoever is in may only propose
	comes    string
}

type option struct {
	value, label string
	chosen       bool
}

// writingRoles are those who write at the office, in the order in which they count.
var writingRoles = []identity.Role{identity.Office, identity.Inspector, identity.SponsorUnit}

// sponsorTypes are what a sponsor unit writes by forms: what it gave, and what it replies.
// That it may write leave is for approving it, which is a page of its own.
var sponsorTypes = []record.Type{"support_item", replyType}

// editor is whoever is in as a writer of a form: the office where it may be, else the first
// of the roles that writes it. ok tells whether there is one.
func (p *page) editor(f *form.Form) (w merge.Writer, ok bool) {
	if f == nil || !p.may(access.Edit) {
		return w, false
	}
	for _, r := range writingRoles {
		if hasRole(p.account.Roles, r) && (r == identity.Office || f.MayWrite(string(r))) && (r != identity.SponsorUnit || slices.Contains(sponsorTypes, f.Type)) {
			return merge.Writer{Author: p.account.Login, Role: r}, true
		}
	}
	return w, false
}

// editable gives the record of the address with its form and writer. errRole.
func (w *Site) editable(p *page) (*store.Record, *form.Form, merge.Writer, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return nil, nil, merge.Writer{}, err
	}
	f := w.forms.Form(rec.Type)
	by, ok := p.editor(f)
	if !ok {
		return nil, nil, by, errRole
	}
	return rec, f, by, nil
}

func (w *Site) editPage(p *page) (reply, error) {
	rec, f, by, err := w.editable(p)
	if err != nil {
		return reply{}, err
	}
	if rec.View.Void {
		return goTo(href(rec.Key))
	}
	v := &editView{rec: rec, form: f}
	return w.showEdit(p, v, by, nil)
}

// showEdit shows a form; posted is what was typed into it before, nil at first.
func (w *Site) showEdit(p *page, v *editView, by merge.Writer, posted map[string][]string) (reply, error) {
	row := rowOf(v.rec)
	if err := p.gather([]store.Row{row}); err != nil {
		return reply{}, err
	}
	v.label = p.label(&row)
	p.title, p.at = p.T("edit.title", v.label), records
	if v.fresh {
		p.title = p.T("create.title", v.form.Title.In(p.lang))
	}
	typed, now, unread := p.typedIn(v, posted)
	today := p.now.Format("2006-01-02")
	relevant, results := v.form.Relevant(now, today), v.form.Calculate(now, today)
	var stood, shown strings.Builder
	for _, fd := range v.form.Fields {
		if !p.sight.Shows(fd) || fd.Receipt {
			continue
		}
		c := &control{fd: fd, id: "f-" + fd.Name, name: "f." + fd.Name, shape: fd.Shape(), label: fd.Label.In(p.lang), hint: fd.Hint.In(p.lang),
			unread: unread[fd.Name].In(p.lang)}
		if err := w.fillControl(p, v, c, typed[fd.Name], by); err != nil {
			return reply{}, err
		}
		if fd.Kind == form.Calculate {
			c.comes = p.fieldText(v.rec.Village, fd, results[fd.Name], 1)
		}
		if slices.Contains(v.moved, fd.Name) {
			c.moved = p.movedText(v.rec, fd)
		}
		stood.WriteString(fd.Name + ":" + fd.Print(fd.Typed(v.rec.View.Fields[fd.Name])) + " ")
		shown.WriteString(fd.Name + ":" + review.Mark(v.rec.State, fd.Name) + " ")
		if !relevant[fd.Name] && len(typed[fd.Name]) == 0 && c.stands == "" && c.moved == "" && len(c.notes) == 0 {
			v.apart = append(v.apart, c)
			continue
		}
		if len(v.sections) == 0 || fd.Section != (form.Label{}) {
			v.sections = append(v.sections, editSection{title: fd.Section.In(p.lang)})
		}
		s := &v.sections[len(v.sections)-1]
		s.controls = append(s.controls, c)
	}
	v.sections = slices.DeleteFunc(v.sections, func(s editSection) bool { return len(s.controls) == 0 })
	v.stood, v.shown = strings.TrimSpace(stood.String()), strings.TrimSpace(shown.String())
	a := reply{body: editForm(p, v)}
	if v.said != "" {
		p.still = true
		a.status = http.StatusUnprocessableEntity
	}
	return a, nil
}

// typedIn gives what stands in every control: what was typed where it was touched, else
// what the record says; with the values that come of it, and why some cannot be read.
func (p *page) typedIn(v *editView, posted map[string][]string) (typed map[string][]string, now map[string]record.Value, unread map[string]form.Label) {
	typed, now, unread = map[string][]string{}, map[string]record.Value{}, map[string]form.Label{}
	for name, value := range v.rec.View.Fields {
		now[name] = value
	}
	stood := printsOf(first(posted["_stood"]))
	for _, fd := range v.form.Fields {
		typed[fd.Name] = fd.Typed(v.rec.View.Fields[fd.Name])
		if posted == nil || fd.Kind == form.Calculate || !p.sight.Shows(fd) {
			continue
		}
		in := fd.Posted(posted)
		if fd.Print(in) == stood[fd.Name] {
			continue
		}
		typed[fd.Name] = in
		value, err := fd.ReadTyped(in, v.rec.View.Fields[fd.Name])
		var bad *form.ValueError
		switch {
		case errors.As(err, &bad):
			unread[fd.Name] = bad.Reason
		case err != nil:
			unread[fd.Name] = form.Label{Zh: err.Error(), En: err.Error()}
		default:
			now[fd.Name] = value
		}
	}
	return typed, now, unread
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// printsOf reads what a page says of its fields: name:print and so on.
func printsOf(text string) map[string]string {
	prints := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, print, _ := strings.Cut(word, ":")
		prints[name] = print
	}
	return prints
}

// saveEdit writes what was touched.
func (w *Site) saveEdit(p *page) (reply, error) {
	rec, f, by, err := w.editable(p)
	if err != nil {
		return reply{}, err
	}
	posted := map[string][]string(p.r.PostForm)
	v := &editView{rec: rec, form: f, reason: strings.TrimSpace(first(posted["reason"]))}
	stood, shown := printsOf(first(posted["_stood"])), printsOf(first(posted["_shown"]))
	e := review.Edit{Village: rec.Village, Record: rec.ID, Fields: map[string]record.Value{}, Shown: shown, Reason: v.reason, Today: p.today(), By: by}
	unread := false
	for _, fd := range f.Fields {
		if fd.Kind == form.Calculate || !p.sight.Shows(fd) {
			continue
		}
		in := fd.Posted(posted)
		print, told := stood[fd.Name]
		if !told || fd.Print(in) == print {
			continue
		}
		value, err := fd.ReadTyped(in, rec.View.Fields[fd.Name])
		if err != nil {
			unread = true
			continue
		}
		e.Fields[fd.Name] = value
	}
	if unread {
		v.said = p.T("edit.unread")
		return w.showEdit(p, v, by, posted)
	}
	if len(e.Fields) == 0 {
		return goTo(address(href(rec.Key), "said", "same"))
	}
	_, err = w.review.Edit(p.ctx, e)
	var moved *review.MovedError
	var refused *merge.Refusal
	switch {
	case errors.As(err, &moved):
		// As it stands by now, with what was typed on it.
		if v.rec, err = w.recordKey(p); err != nil {
			return reply{}, err
		}
		v.moved, v.said = moved.Fields, p.T("edit.moved")
	case errors.Is(err, review.ErrLong):
		v.said = p.T("edit.long", review.MaxWhy)
	case errors.Is(err, review.ErrReason):
		v.said = p.T("step.note")
	case errors.Is(err, review.ErrSelf):
		v.said = p.T("step.self")
	case errors.Is(err, review.ErrStep):
		v.said = p.T("step.not")
	case errors.Is(err, review.ErrVoid), errors.Is(err, store.ErrErased):
		return goTo(address(href(rec.Key), "said", "gone"))
	case errors.As(err, &refused):
		return reply{}, errRole
	case err != nil:
		return reply{}, err
	default:
		return goTo(address(href(rec.Key), "said", "edited"))
	}
	return w.showEdit(p, v, by, posted)
}

// setLife declares a record void, or valid again.
func (w *Site) setLife(p *page) (reply, error) {
	rec, _, by, err := w.editable(p)
	if err != nil {
		return reply{}, err
	}
	get := p.r.PostForm.Get
	do := get("do")
	if do != "void" && do != "unvoid" {
		return reply{}, errAsked
	}
	feed, err := readNumber(get("feed"))
	if err != nil {
		return reply{}, errAsked
	}
	err = w.review.SetLife(p.ctx, review.Life{Village: rec.Village, Record: rec.ID, Void: do == "void", Feed: feed, Reason: strings.TrimSpace(get("reason")), By: by})
	var moved *review.MovedError
	var refused *merge.Refusal
	said := do
	switch {
	case errors.As(err, &moved):
		said = "moved"
	case errors.Is(err, review.ErrDecided):
		said = "same"
	case errors.Is(err, review.ErrLeft):
		said = "left"
	case errors.Is(err, review.ErrReason), errors.Is(err, review.ErrLong):
		said = "reason"
	case errors.Is(err, store.ErrErased):
		said = ""
	case errors.As(err, &refused):
		return reply{}, errRole
	case err != nil:
		return reply{}, err
	}
	return goTo(address(href(rec.Key), "said", said))
}
