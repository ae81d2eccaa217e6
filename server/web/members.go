package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/kin"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// The steps of a change of who is of which household.
const (
	stepWho     = "who"
	stepDetails = "details"
	stepCheck   = "check"
)

// membersView is such a change, with what was answered so far. Nothing is kept or written
// before the last step.
type membersView struct {
	rec    *store.Record
	label  string
	do     string
	at     string
	people []*memberView
	houses []option
	kin    kin.Change
	to     string // the name of the household where they go
	group  string
	keep   bool
	date   string
	reason string
	mark   string
	said   string
}

// memberView is somebody of the household.
type memberView struct {
	kin.Person
	label, relation string
	relations       []option
}

// movesMembers tells whether whoever is in may change who is of a household.
func (p *page) movesMembers(rec *store.Record) bool {
	house, writes := p.editor(p.site.forms.Form("household"))
	_, too := p.editor(p.site.forms.Form("person"))
	return writes && too && house.Author != "" && rec.Type == "household" && !rec.View.Void
}

// members shows and takes the pages.
func (w *Site) members(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	if !p.movesMembers(rec) {
		if rec.View.Void {
			return goTo(href(rec.Key))
		}
		return reply{}, errRole
	}
	do := cmp.Or(p.r.PostForm.Get("do"), p.r.URL.Query().Get("do"))
	if do != kin.Split && do != kin.Move && do != kin.Join {
		return reply{}, errAsked
	}
	v, err := w.membersView(p, rec, do)
	if err != nil {
		return reply{}, err
	}
	posted := p.r.PostForm
	asked := posted.Get("step")
	if asked != "" && posted.Get("mark") != v.mark {
		v.at, v.said = stepWho, p.T("members.moved")
	} else {
		v.at = v.next(p, asked, posted.Get("back"))
	}
	if v.at == "" {
		by, _ := p.editor(w.forms.Form("household"))
		if v.said = w.setMembers(p, v, by); v.said == "" {
			said := "members"
			return goTo(address(href(record.Key{Village: rec.Village, Type: rec.Type, ID: v.kin.To}), "said", said))
		}
		v.at = stepCheck
	}
	a := reply{body: membersPage(p, v)}
	if v.said != "" {
		p.still, a.status = true, http.StatusUnprocessableEntity
	}
	return a, nil
}

// membersView reads what was answered so far.
func (w *Site) membersView(p *page, rec *store.Record, do string) (*membersView, error) {
	family, err := w.review.Family(p.ctx, rec.Village, rec.ID)
	if err != nil {
		return nil, err
	}
	row := rowOf(rec)
	rows := []store.Row{row}
	for _, x := range family.People {
		rows = append(rows, rowOf(x))
	}
	if err := p.gather(rows); err != nil {
		return nil, err
	}
	posted := p.r.PostForm
	v := &membersView{rec: rec, label: p.label(&row), do: do, mark: family.Mark, group: strings.TrimSpace(posted.Get("group")), keep: posted.Get("keep") != "" || !posted.Has("date"), // the box is asked beside the date
		date: strings.TrimSpace(posted.Get("date")), reason: strings.TrimSpace(posted.Get("reason"))}
	p.title, p.at = p.T("members."+do+".title", v.label), records
	v.kin = kin.Change{Do: do}
	for i, x := range family.People {
		relation, _ := x.View.Fields["relation"].Text()
		sex, _ := x.View.Fields["sex"].Text()
		id := x.ID.String()
		v.kin.People = append(v.kin.People, kin.Person{ID: x.ID, Name: x.View.Fields["full_name"], Relation: relation, Sex: sex, Goes: do == kin.Join || slices.Contains(posted["who"], id), Becomes: posted.Get("rel." + id)})
		v.people = append(v.people, &memberView{label: p.label(&rows[i+1]), relation: p.relation(relation)})
	}
	read := func(name string) record.ID { id, _ := record.ParseID(posted.Get(name)); return id }
	v.kin.To, v.kin.Head, v.kin.Stay = read("to"), read("head"), read("stay")
	if to, err := record.ParseID(p.r.URL.Query().Get("to")); err == nil && v.kin.To.IsZero() {
		v.kin.To = to
	}
	if do == kin.Split {
		if v.kin.To.IsZero() {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, err
			}
			v.kin.To = record.ID(id)
		}
		if leaving := v.kin.Leaving(); len(leaving) == 1 {
			v.kin.Head = leaving[0].ID
		}
	} else if v.houses, err = w.targets(p, rec.Village, w.forms.Form("person").Field("household"), []string{v.kin.To.String()}); err != nil {
		return nil, err
	}
	v.houses = slices.DeleteFunc(v.houses, func(o option) bool {
		if o.chosen {
			v.to = o.label
		}
		return o.value == rec.ID.String() || o.value == (record.ID{}).String()
	})
	if staying := v.kin.Staying(); v.kin.Headless() && len(staying) == 1 {
		v.kin.Stay = staying[0].ID
	}
	if v.group == "" {
		v.group, _ = rec.View.Fields["group_name"].Text()
	}
	if v.date == "" {
		v.date = p.now.Format("2006-01-02")
	}
	v.become(p)
	return v, nil
}

// become fills in what somebody is to the new head, where that follows.
func (v *membersView) become(p *page) {
	for i := range v.kin.People {
		x := &v.kin.People[i]
		head := v.kin.Stay
		if x.Goes {
			head = v.kin.Head
		}
		switch chosen := v.kin.Person(head); {
		case x.Goes && v.do != kin.Split:
		case x.ID == head:
			x.Becomes = "head"
		case x.Becomes == "" && chosen != nil:
			x.Becomes = kin.Becomes(*chosen, *x)
		}
		v.people[i].Person = *x
		for _, c := range p.site.forms.Form("person").Field("relation").Choices {
			if c.Name != "head" {
				v.people[i].relations = append(v.people[i].relations, option{c.Name, c.Label.In(p.lang), c.Name == x.Becomes})
			}
		}
	}
}

// relation is what somebody is to the head, as people read it.
func (p *page) relation(code string) string {
	if c, ok := p.site.forms.Form("person").Field("relation").Choice(code); ok {
		return c.Label.In(p.lang)
	}
	return code
}

func (p *page) isRelation(code string) bool {
	_, ok := p.site.forms.Form("person").Field("relation").Choice(code)
	return ok
}

// resettled are those who have to say what they are to the head.
func (v *membersView) resettled() (list []*memberView) {
	for _, x := range v.people {
		if slices.ContainsFunc(v.kin.Resettled(), func(y kin.Person) bool { return y.ID == x.ID }) {
			list = append(list, x)
		}
	}
	return list
}

// next is the step to show after the one that was answered; "" where all is.
func (v *membersView) next(p *page, asked, back string) string {
	if asked == "" || back == stepWho {
		return stepWho
	}
	if v.said = v.lacksWho(p); v.said != "" {
		return stepWho
	}
	if asked == stepWho || back == stepDetails {
		return stepDetails
	}
	if v.said = v.lacksDetails(p); v.said != "" {
		return stepDetails
	}
	if asked == stepDetails {
		return stepCheck
	}
	return ""
}

func (v *membersView) lacksWho(p *page) string {
	switch {
	case len(v.kin.Leaving()) == 0:
		return p.T("members.lacks.who")
	case v.do != kin.Join && len(v.kin.Staying()) == 0:
		return p.T("members.lacks.all")
	case v.do != kin.Split && v.to == "":
		return p.T("members.lacks.to")
	}
	return ""
}

func (v *membersView) lacksDetails(p *page) string {
	if x := v.kin.Person(v.kin.Head); v.do == kin.Split && (x == nil || !x.Goes) {
		return p.T("members.lacks.head")
	}
	if x := v.kin.Person(v.kin.Stay); v.kin.Headless() && (x == nil || x.Goes) {
		return p.T("members.lacks.stay")
	}
	for _, x := range v.resettled() {
		if x.Becomes == "head" && !(v.do == kin.Split && x.Goes && x.ID == v.kin.Head) && (x.Goes || x.ID != v.kin.Stay) || !p.isRelation(x.Becomes) {
			return p.T("members.lacks.relation", x.label)
		}
	}
	if _, err := p.site.forms.Form("person").Field("change_date").CanonText(v.date); err != nil {
		return p.T("members.lacks.date")
	}
	switch {
	case v.do == kin.Split && v.group == "":
		return p.T("members.lacks.group")
	case v.reason == "":
		return p.T("transfer.lacks.reason")
	case len([]rune(v.reason)) > review.MaxWhy:
		return p.T("edit.long", review.MaxWhy)
	}
	return ""
}

// setMembers writes the change and gives what keeps it from being written.
func (w *Site) setMembers(p *page, v *membersView, by merge.Writer) string {
	day, err := w.forms.Form("person").Field("change_date").CanonText(v.date)
	why := record.Text("move_in")
	m := review.Members{Village: v.rec.Village, Home: v.rec.ID, Change: v.kin, Day: day, Why: why, Shown: v.mark, Reason: v.reason, By: by}
	if v.do == kin.Split {
		m.Why, m.Founded = record.Text("split"), v.kin.Founded(v.group, v.keep, v.rec.View.Fields)
	}
	if err == nil {
		err = w.review.SetMembers(p.ctx, m)
	}
	switch {
	case errors.Is(err, store.ErrMoved), errors.Is(err, store.ErrTaken), errors.Is(err, review.ErrVoid), errors.Is(err, store.ErrNotFound):
		return p.T("members.moved")
	case err != nil:
		w.opt.Log.Error("members not changed", "household", v.rec.ID, "error", err)
		return p.T("members.failed")
	}
	return ""
}

// houseOf names the household of which somebody is then.
func (v *membersView) houseOf(p *page, x *memberView) string {
	switch {
	case !x.Goes:
		return p.T("members.here")
	case v.do == kin.Split:
		return p.T("members.new")
	}
	return v.to
}

// given are the answers to what is named, as a page carries them.
func (v *membersView) given(p *page, names []string) (list []option) {
	for _, name := range names {
		switch name {
		case "who":
			for _, x := range v.kin.Leaving() {
				list = append(list, option{value: x.ID.String(), label: name})
			}
		case "to":
			list = append(list, option{value: v.kin.To.String(), label: name})
		case "rel":
			for _, x := range v.resettled() {
				list = append(list, option{value: x.Becomes, label: "rel." + x.ID.String()})
			}
		default:
			for _, value := range p.r.PostForm[name] {
				list = append(list, option{value: value, label: name})
			}
		}
	}
	return list
}
