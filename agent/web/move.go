package web

import (
	"cmp"
	"hash/fnv"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/kin"
	"zhucun/shared/record"
)

// What may happen to the people of a household beyond what one form says.
const (
	doSplit = kin.Split
	doMove  = kin.Move
	doJoin  = kin.Join
	doHead  = kin.Head
)

// step is one page of a guided change.
type step string

const (
	stepWho     step = "who"
	stepWhere   step = "where"
	stepHeads   step = "heads"
	stepDetails step = "details"
	stepCheck   step = "check"
)

// move is a guided change of who is of which household. Each of its pages carries what
// the others were answered; nothing is kept or written before the last.
type move struct {
	home    store.Record
	title   string
	do      string
	at      step
	steps   []step
	fault   string
	people  []*mover
	houses  []option // to go to
	more    bool     // there are others
	looks   string   // what was looked for among them
	to      *store.Record
	toTitle string
	head    record.ID // of the new household, or the new one of this
	stay    record.ID // the head of those who stay
	group   string
	keep    bool // the new household is registered as this one is
	reason  string
	reasons []option
	date    string
	fresh   string // the id of the new household
	seen    string // what the pages show
}

// mover is somebody of the household.
type mover struct {
	store.Record
	name, relation, age string
	goes                bool
	becomes             string // the relation to the head of then
}

func (m *mover) id() string { return m.Key.ID.String() }

// kin is what matters of somebody and of the change to who is of which household.
func (m *mover) kin() kin.Person {
	sex, _ := m.View.Fields["sex"].Text()
	return kin.Person{ID: m.Key.ID, Name: m.View.Fields["full_name"], Relation: m.relation, Sex: sex, Goes: m.goes, Becomes: m.becomes}
}

func (m *move) kin(to record.ID) *kin.Change {
	c := &kin.Change{Do: m.do, To: to, Head: m.head, Stay: m.stay}
	for _, x := range m.people {
		c.People = append(c.People, x.kin())
	}
	return c
}

// leaving and staying are the people that go and those that do not.
func (m *move) leaving() []*mover { return m.some(true) }
func (m *move) staying() []*mover { return m.some(false) }

func (m *move) some(goes bool) (out []*mover) {
	for _, x := range m.people {
		if x.goes == goes {
			out = append(out, x)
		}
	}
	return out
}

// headless tells whether the head goes and others stay.
func (m *move) headless() bool {
	return m.kin(record.ID{}).Headless()
}

// resettled are those whose relation to the head has to be said anew.
func (m *move) resettled() []*mover {
	again := m.kin(record.ID{}).Resettled()
	return slices.DeleteFunc(slices.Clone(m.people), func(x *mover) bool {
		return !slices.ContainsFunc(again, func(y kin.Person) bool { return y.ID == x.Key.ID })
	})
}

// members shows and takes the pages of a guided change.
func (w *Site) members(p *page) (reply, error) {
	id, err := record.ParseID(p.r.PathValue("id"))
	if err != nil {
		return reply{}, errNowhere
	}
	if !p.may(w.forms.Form(householdType)) || !p.may(w.forms.Form(personType)) {
		return reply{}, errRole
	}
	m, err := w.move(p, id)
	if err != nil {
		return reply{}, err
	}
	p.title, p.at = p.T("move.title"), "find"
	body := p.r.PostForm
	if m.do == "" {
		return show(movePage(p, m))
	}
	p.title = p.doWord(m.do)
	if was := body.Get("_seen"); was != "" && was != m.seen {
		return goTo("/household/" + id.String() + "/members?moved=1")
	}
	for _, s := range m.steps {
		m.at = s
		why := m.lacks(p, w, s)
		asked := body.Get("step") == string(s)
		if back := body.Get("back"); back == string(s) || why != "" || asked && seeks(p) {
			if asked && back == "" && !seeks(p) {
				m.fault = why
			}
			return show(movePage(p, m))
		}
	}
	if body.Get("step") != string(stepCheck) {
		return show(movePage(p, m))
	}
	to, err := w.settle(p, m)
	if err != nil {
		return reply{}, err
	}
	return goTo("/household/" + to.String() + "?saved=household/" + to.String())
}

// move reads what was answered so far.
func (w *Site) move(p *page, id record.ID) (*move, error) {
	r, err := w.store.Get(householdType, id)
	if err != nil {
		return nil, err
	}
	body := p.r.PostForm
	m := &move{
		home: r, title: w.titleOf(p, &r), do: cmp.Or(body.Get("do"), p.r.URL.Query().Get("do")), date: strings.TrimSpace(body.Get("date")), reason: body.Get("reason"),
		group: strings.TrimSpace(body.Get("group")), keep: body.Get("keep") != "", fresh: body.Get("fresh"),
	}
	if !slices.Contains([]string{"", doSplit, doMove, doJoin, doHead}, m.do) {
		return nil, errAsked
	}
	if _, err := record.ParseID(m.fresh); err != nil {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		m.fresh, m.keep = id.String(), true
	}
	found, err := w.referring(id, personType)
	if err != nil {
		return nil, err
	}
	f := w.forms.Form(personType)
	seen := fnv.New64a()
	seen.Write([]byte(seenOf(r.State)))
	for i := range found {
		x := &mover{Record: found[i], name: w.titleOf(p, &found[i])}
		if x.View.Void || hasLeft(&x.Record) {
			continue
		}
		x.relation, _ = x.View.Fields["relation"].Text()
		x.age = w.person(p, f, &x.Record).born
		x.goes = m.do == doJoin || (m.do == doSplit || m.do == doMove) && slices.Contains(body["who"], x.id())
		seen.Write([]byte(seenOf(x.State)))
		m.people = append(m.people, x)
	}
	slices.SortStableFunc(m.people, func(a, b *mover) int { return boolInt(b.relation == "head") - boolInt(a.relation == "head") })
	m.seen = strconv.FormatUint(seen.Sum64(), 16)
	m.head, _ = record.ParseID(body.Get("head"))
	m.stay, _ = record.ParseID(body.Get("stay"))
	if to, err := record.ParseID(body.Get("to")); err == nil && to != id {
		if there, err := w.store.Get(householdType, to); err == nil && !there.View.Void && there.Key.Village == r.Key.Village {
			m.to, m.toTitle = &there, w.titleOf(p, &there)
		}
	}
	if m.do == doMove || m.do == doJoin {
		if m.houses, m.more, err = w.houseOptions(p, r.Key.Village, m.chosen(), houseWords(p, "to"), id); err != nil {
			return nil, err
		}
		m.looks = houseWords(p, "to")
	}
	// A household of one has no other head to choose.
	if m.do == doSplit && len(m.leaving()) == 1 {
		m.head = m.leaving()[0].Key.ID
	}
	if m.headless() && len(m.staying()) == 1 {
		m.stay = m.staying()[0].Key.ID
	}
	m.plan()
	m.details(p, w, f)
	return m, nil
}

// chosen is the household to go to, if there is one by now.
func (m *move) chosen() []string {
	if m.to == nil {
		return nil
	}
	return []string{m.to.Key.ID.String()}
}

// plan lists the steps that the change takes.
func (m *move) plan() {
	switch m.do {
	case doSplit:
		m.steps = []step{stepWho, stepHeads, stepDetails, stepCheck}
	case doMove:
		m.steps = []step{stepWho, stepWhere, stepDetails, stepCheck}
		if m.headless() {
			m.steps = []step{stepWho, stepWhere, stepHeads, stepDetails, stepCheck}
		}
	case doJoin:
		m.steps = []step{stepWhere, stepDetails, stepCheck}
	case doHead:
		m.steps = []step{stepHeads, stepDetails, stepCheck}
	}
}

// details fills in what can be known: the day, the group, and of those whose head
// changes what they are to the new one.
func (m *move) details(p *page, w *Site, f *form.Form) {
	body := p.r.PostForm
	for _, x := range m.people {
		head := m.stay
		if m.do == doHead || x.goes {
			head = m.head
		}
		x.becomes = body.Get("rel." + x.id())
		switch chosen := m.person(head); {
		case x.Key.ID == head:
			x.becomes = "head"
		case x.becomes == "" && chosen != nil:
			x.becomes = kin.Becomes(chosen.kin(), x.kin())
		}
	}
	if m.date == "" {
		m.date = p.counted()
	}
	if m.group == "" {
		m.group, _ = m.home.View.Fields["group_name"].Text()
	}
	if m.reason == "" {
		m.reason = map[string]string{doSplit: "split", doMove: "move_in", doJoin: "move_in"}[m.do]
	}
	for _, name := range []string{"move_in", "marry_in", "correction"} {
		if c, ok := f.Field("change_type").Choice(name); ok {
			m.reasons = append(m.reasons, option{value: name, label: c.Label.In(p.lang), chosen: name == m.reason})
		}
	}
}

func (m *move) person(id record.ID) *mover {
	for _, x := range m.people {
		if x.Key.ID == id {
			return x
		}
	}
	return nil
}

// lacks says what is still to be answered in a step; "" when nothing is.
func (m *move) lacks(p *page, w *Site, s step) string {
	switch s {
	case stepWho:
		switch {
		case len(m.leaving()) == 0:
			return p.T("move.lacks.who")
		case len(m.staying()) == 0:
			return p.T("move.lacks.all")
		}
	case stepWhere:
		if m.to == nil {
			return p.T("move.lacks.where")
		}
	case stepHeads:
		if x := m.person(m.head); m.do != doMove && (x == nil || m.do == doSplit && !x.goes || m.do == doHead && x.relation == "head") {
			return p.T("move.lacks.head")
		}
		if x := m.person(m.stay); m.headless() && (x == nil || x.goes) {
			return p.T("move.lacks.stay")
		}
	case stepDetails:
		if p.r.PostForm.Get("date") == "" {
			return p.T("move.lacks.date")
		}
		if _, err := w.forms.Form(personType).Field("change_date").CanonText(m.date); err != nil {
			return p.T("move.lacks.date")
		}
		f := w.forms.Form(personType).Field("relation")
		for _, x := range m.resettled() {
			_, known := f.Choice(x.becomes)
			head := x.Key.ID == m.stay && !x.goes || x.Key.ID == m.head && (x.goes || m.do == doHead)
			if !known || x.becomes == "head" && !head {
				return p.T("move.lacks.relation", x.name)
			}
		}
		if m.do == doSplit && m.group == "" {
			return p.T("move.lacks.group")
		}
	}
	return ""
}

// settle writes the change, all of it or nothing, and gives the household to look at.
func (w *Site) settle(p *page, m *move) (record.ID, error) {
	var edits []store.Edit
	text := record.Text
	home := m.home.Key.ID
	to := home
	switch m.do {
	case doSplit:
		to, _ = record.ParseID(m.fresh)
		fields := m.kin(to).Founded(m.group, m.keep, m.home.View.Fields)
		edits = append(edits, store.Edit{Village: m.home.Key.Village, Type: householdType, ID: to, Author: p.author, Fields: fields, Source: store.Onsite})
	case doMove, doJoin:
		to = m.to.Key.ID
	}
	day, err := w.forms.Form(personType).Field("change_date").CanonText(m.date)
	if err != nil {
		return to, err
	}
	change := m.kin(to)
	for _, x := range m.resettled() {
		fields := change.Fields(x.kin(), day, text(m.reason))
		edits = append(edits, store.Edit{Type: personType, ID: x.Key.ID, Author: p.author, Shown: x.State, Fields: changed(&x.Record, fields)})
	}
	old := store.Edit{Type: householdType, ID: home, Author: p.author, Shown: m.home.State, Fields: map[string]record.Value{}}
	switch {
	case !change.HeadOfRest().IsNull():
		old.Fields["head_name"] = change.HeadOfRest()
	case m.do == doJoin && m.home.View.Fields["poverty_status"] != "":
		old.Fields["poverty_status"] = text("cancelled")
	case m.do == doJoin:
		old.Void = p.T("move.joined", m.toTitle)
	}
	if len(old.Fields) > 0 || old.Void != "" {
		edits = append(edits, old)
	}
	_, err = w.saved(p, edits...)
	return to, err
}

// changed leaves out what stands so already.
func changed(r *store.Record, fields map[string]record.Value) map[string]record.Value {
	for name, v := range fields {
		if r.View.Fields[name] == v && len(r.View.Conflicts[record.Path(name)]) == 0 {
			delete(fields, name)
		}
	}
	return fields
}

// stepWord is the heading of a step.
func (p *page) stepWord(s step) string { return p.T("move.step." + string(s)) }

// doWord is what a guided change is called.
func (p *page) doWord(do string) string { return p.T("move." + do) }

// given are the answers that a page carries for the steps that it does not show.
func (m *move) given(p *page) (out []option) {
	shown := map[step][]string{stepWho: {"who"}, stepWhere: {"to"}, stepHeads: {"head", "stay"}, stepDetails: {"date", "reason", "group"}}[m.at]
	if m.keep && m.at != stepDetails {
		out = append(out, option{value: "1", label: "keep"})
	}
	for _, name := range []string{"who", "to", "head", "stay", "date", "reason", "group"} {
		if slices.Contains(shown, name) {
			continue
		}
		for _, v := range p.r.PostForm[name] {
			out = append(out, option{value: v, label: name})
		}
	}
	if m.at != stepDetails {
		for _, x := range m.people {
			if v := p.r.PostForm.Get("rel." + x.id()); v != "" && m.at == stepCheck {
				out = append(out, option{value: v, label: "rel." + x.id()})
			}
		}
	}
	return out
}

// relationWord is a relation as people read it.
func (p *page) relationWord(code string) string {
	if c, ok := p.site.forms.Form(personType).Field("relation").Choice(code); ok {
		return c.Label.In(p.lang)
	}
	return p.T("value.none")
}

// relations are the choices of what somebody is to the head, who is chosen elsewhere.
func (p *page) relations(x *mover) (out []option) {
	for _, o := range choicesOf(p.site.forms.Form(personType).Field("relation"), []string{x.becomes}, p.lang) {
		if o.value != "head" && o.value != "" {
			out = append(out, o)
		}
	}
	return out
}

// path is the address of the pages.
func (m *move) path(do string) string {
	to := "/household/" + m.home.Key.ID.String() + "/members"
	if do != "" {
		to += "?" + url.Values{"do": {do}}.Encode()
	}
	return to
}

// before is the step before the one that is shown.
func (m *move) before() step {
	if i := slices.Index(m.steps, m.at); i > 0 {
		return m.steps[i-1]
	}
	return ""
}

// headOf names the head that somebody will be related to.
func (m *move) headOf(x *mover) string {
	id := m.stay
	if m.do == doHead || m.do == doSplit && x.goes {
		id = m.head
	}
	if x.goes && m.to != nil {
		name, _ := m.to.View.Fields["head_name"].Text()
		return name
	}
	if head := m.person(id); head != nil {
		return head.name
	}
	return ""
}

// houseOf names the household that somebody will be of.
func (m *move) houseOf(p *page, x *mover) string {
	switch {
	case !x.goes:
		return p.T("move.here")
	case m.to != nil:
		return m.toTitle
	}
	return p.T("move.new", m.headOf(x))
}
