package web

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// createTypes are what is made at the office. The register comes from the villages: there
// it is known who lives where, and a household's id follows from its number.
var createTypes = []record.Type{"issue", "task", "project", "fund", "inspection", "inspection_sample", "support_item", "education"}

// creates tells whether whoever is in may make records of a type here.
func (p *page) creates(t record.Type) bool {
	_, ok := p.editor(p.site.forms.Form(t))
	return ok && slices.Contains(createTypes, t)
}

// createView is the form of a record that is not there yet.
type createView struct {
	editView
	forID string // the record that it is for
}

// newPath is where records of a type are made.
func newPath(t record.Type) string { return "/records/" + string(t) + "/new" }

// newRecord reads of what a record is to be made. errRole, errNowhere, errAsked.
func (w *Site) newRecord(p *page) (*createView, merge.Writer, error) {
	get := p.r.URL.Query().Get
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return nil, merge.Writer{}, errNowhere
	}
	by, ok := p.editor(f)
	if !ok || !p.creates(f.Type) {
		return nil, by, errRole
	}
	village := p.asked("village")
	if !p.sight.Reaches(village) || village != "" && !p.entered(village) {
		return nil, by, errVillage
	}
	v := &createView{editView: editView{form: f, rec: &store.Record{Key: record.Key{Village: village, Type: f.Type}, View: merge.View{Fields: map[string]record.Value{}}}}}
	if text := get("for"); text != "" {
		if _, err := record.ParseID(text); err != nil {
			return nil, by, errAsked
		}
		v.forID = text
	}
	return v, by, nil
}

func (w *Site) createPage(p *page) (reply, error) {
	v, by, err := w.newRecord(p)
	if err != nil {
		return reply{}, err
	}
	if v.rec.Village == "" {
		p.title, p.at = p.T("create.title", v.form.Title.In(p.lang)), records
		return show(createWhere(p, v))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, err
	}
	v.rec.ID = record.ID(id)
	return w.showCreate(p, v, by, p.offered(v))
}

// offered gives what is known before anybody has answered.
func (p *page) offered(v *createView) map[string][]string {
	values := map[string]string{"found_date": p.today(), "inspect_date": p.today(), "date": p.today(), "fund_date": p.today(), "year": strconv.Itoa(p.now.Year()), "inspection": v.forID}
	if course := flow.Of(v.form.Type); course != nil {
		values[course.State] = v.form.Field(course.State).Choices[0].Name
	}
	switch v.form.Type {
	case "issue":
		if values["issue_source"] = "superior"; v.forID != "" {
			values["issue_source"] = "inspection"
		}
	case "inspection":
		values["inspector"] = p.account.Login
	}
	posted := map[string][]string{}
	for name, value := range values {
		if fd := v.form.Field(name); fd != nil && value != "" && (fd.Kind != form.RefOne || fd.Refers == "inspection") {
			posted["f."+name] = []string{value}
		}
	}
	return posted
}

func (w *Site) showCreate(p *page, v *createView, by merge.Writer, posted map[string][]string) (reply, error) {
	v.fresh, v.forRecord = true, v.forID
	return w.showEdit(p, &v.editView, by, posted)
}

// create makes a record of what was filled in.
func (w *Site) create(p *page) (reply, error) {
	v, by, err := w.newRecord(p)
	if err != nil {
		return reply{}, err
	}
	posted := map[string][]string(p.r.PostForm)
	if v.rec.ID, err = record.ParseID(first(posted["_id"])); err != nil || v.rec.Village == "" {
		return reply{}, errAsked
	}
	v.reason = strings.TrimSpace(first(posted["reason"]))
	c := review.Create{Village: v.rec.Village, Type: v.form.Type, Record: v.rec.ID, Fields: map[string]record.Value{}, Reason: v.reason, Today: p.today(), By: by}
	if v.forID != "" && v.form.Type == "issue" {
		c.For, _ = record.ParseID(v.forID)
		c.Field = "issues"
	}
	for _, fd := range v.form.Fields {
		if fd.Kind == form.Calculate || fd.Kind == form.Image || !p.sight.Shows(fd) {
			continue
		}
		value, err := fd.ReadTyped(fd.Posted(posted), "")
		if err != nil {
			v.said = p.T("edit.unread")
			return w.showCreate(p, v, by, posted)
		}
		if value != "" && !value.IsNull() {
			c.Fields[fd.Name] = value
		}
	}
	var refused *merge.Refusal
	switch err := w.review.Create(p.ctx, c); {
	case err == nil:
		return goTo(address(href(v.rec.Key), "said", "created"))
	case errors.Is(err, review.ErrEmpty):
		v.said = p.T("create.empty")
	case errors.Is(err, review.ErrStep):
		v.said = p.T("create.state")
	case errors.Is(err, review.ErrReason):
		v.said = p.T("step.note")
	case errors.Is(err, review.ErrSelf):
		v.said = p.T("step.self")
	case errors.Is(err, review.ErrLong):
		v.said = p.T("edit.long", review.MaxWhy)
	case errors.As(err, &refused):
		return reply{}, errRole
	default:
		return reply{}, err
	}
	return w.showCreate(p, v, by, posted)
}
