package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// card is what a household keeps, and the village beside it: what the household is
// helped with, and by whom. It hangs on a wall. So nothing is on it that is not meant
// for whoever comes by: of the household its head, group, size, status and cause of
// poverty, of a measure its kind, amount and dates. What somebody wrote of a measure in
// own words is not on it: it may tell an illness, an account, a number.
type card struct {
	paper
	head, group, size, status, cause string
	measures                         []measure
	policies                         string
	people                           []contact
}

// contact is somebody whom a household may call. The first secretary comes first, then
// the household's helper, then the rest of the team.
type contact struct{ role, name, phone string }

// copies are those of a card: who keeps each.
var copies = []string{"print.card.house", "print.card.village"}

// minMeasures is how many lines for measures a card has, empty ones to write on among
// them.
const minMeasures = 8

// spare gives the lines that are left to write on.
func (c *card) spare() []struct{} { return make([]struct{}, max(2, minMeasures-len(c.measures))) }

// printCards prints the cards of one household or of many.
func (w *Site) printCards(p *page) (reply, error) {
	p.onPapers()
	houses, back, err := w.asked(p, func(h *house) bool { return h.active })
	if err != nil {
		return reply{}, err
	}
	j := &job[*card]{title: p.T("print.card"), how: p.T("print.card.how", len(houses)), back: back}
	teams := map[record.Village]*team{}
	each(j, houses, func(id record.ID) (*card, error) { return w.card(p, id, teams) })
	return w.papers(p, j.title, cardsPage(p, j))
}

// card gathers a household's card; teams has what was read of villages before.
func (w *Site) card(p *page, id record.ID, teams map[record.Village]*team) (*card, error) {
	f := w.forms.Form(householdType)
	r, err := w.store.Get(householdType, id)
	if err != nil {
		return nil, err
	}
	c := &card{paper: paper{what: p.T("print.card"), village: p.place(r.Key.Village), period: p.asOf(), void: r.View.Void}}
	c.use(&r)
	c.head, c.group = c.onPaper(p, f, &r, "head_name"), c.onPaper(p, f, &r, "group_name")
	c.status, c.cause = c.onPaper(p, f, &r, "poverty_status"), c.onPaper(p, f, &r, "main_cause")
	if err := w.cardSize(p, c, id); err != nil {
		return nil, err
	}
	if err := w.cardMeasures(p, c, id); err != nil {
		return nil, err
	}
	if err := w.cardPolicies(p, c, id); err != nil {
		return nil, err
	}
	t := teams[r.Key.Village]
	if t == nil {
		if t, err = w.team(p, r.Key.Village); err != nil {
			return nil, err
		}
		teams[r.Key.Village] = t
	}
	c.late += t.late
	helper := contact{role: p.T("print.helper"), name: c.onPaper(p, f, &r, "helper_name"), phone: c.onPaper(p, f, &r, "helper_phone")}
	c.people = slices.Insert(slices.Clone(t.people), 1, helper.known(t.people))
	return c, nil
}

func (w *Site) cardSize(p *page, c *card, id record.ID) error {
	found, err := w.referring(id, personType)
	n := 0
	for i := range found {
		if r := &found[i]; !r.View.Void && !hasLeft(r) {
			c.use(r)
			n++
		}
	}
	if n > 0 {
		c.size = p.T("house.people.count", n)
	}
	return err
}

// cardMeasures lists the measures: their kind, amount and dates, and no words.
func (w *Site) cardMeasures(p *page, c *card, id record.ID) error {
	found, err := w.referring(id, measureType)
	found = slices.DeleteFunc(found, func(r store.Record) bool { return r.View.Void })
	f := w.forms.Form(measureType)
	for i := range found {
		r := &found[i]
		c.use(r)
		text := func(name string) string { return c.onPaper(p, f, r, name) }
		c.measures = append(c.measures, measure{year: text("year"), kind: text("measure_type"), amount: text("amount"), status: text("status"), confirmed: text("confirmed_date")})
	}
	slices.SortStableFunc(c.measures, byYear)
	return err
}

// cardPolicies names the policies that were explained to the household, in the order of
// their list.
func (w *Site) cardPolicies(p *page, c *card, id record.ID) error {
	found, err := w.referring(id, visitType)
	fd := w.forms.Form(visitType).Field("policies_told")
	told := map[string]bool{}
	for i := range found {
		texts := found[i].View.Fields[fd.Name].Texts()
		if found[i].View.Void || len(texts) == 0 {
			continue
		}
		c.use(&found[i])
		for _, code := range texts {
			told[code] = true
		}
	}
	var names []string
	for _, choice := range fd.Choices {
		if told[choice.Name] {
			names = append(names, choice.Label.In(p.lang))
		}
	}
	c.policies = strings.Join(names, p.T("list.between"))
	return err
}

// team is who of a village's team is on post.
type team struct {
	people []contact
	late   int // of their records that are not delivered
}

// team gives who is on post in a village today, with a line to write on where there is
// no first secretary. On a day that cannot be right it is who has not left.
func (w *Site) team(p *page, code record.Village) (*team, error) {
	var posts []store.Record
	err := w.store.Each(code, teamType, func(r store.Record) bool {
		start, _ := r.View.Fields["start_date"].Text()
		end, _ := r.View.Fields["end_date"].Text()
		if !r.View.Void && (end == "" || p.doubt() == "" && end >= p.today) && (start <= p.today || p.doubt() != "") {
			posts = append(posts, r)
		}
		return true
	})
	f := w.forms.Form(teamType)
	slices.SortFunc(posts, func(a, b store.Record) int {
		text := func(r *store.Record, name string) string { t, _ := r.View.Fields[name].Text(); return t }
		rank := func(r *store.Record) int {
			return slices.IndexFunc(f.Field("team_role").Choices, func(c form.Choice) bool { return c.Name == text(r, "team_role") })
		}
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(text(&a, "person_name"), text(&b, "person_name")))
	})
	var x paper
	t := &team{}
	for i := range posts {
		x.use(&posts[i])
		text := func(name string) string { return x.onPaper(p, f, &posts[i], name) }
		t.people = append(t.people, contact{text("team_role"), text("person_name"), text("phone")})
	}
	t.late = x.late
	first, _ := f.Field("team_role").Choice("first_secretary")
	if role := first.Label.In(p.lang); len(t.people) == 0 || t.people[0].role != role {
		t.people = slices.Insert(t.people, 0, contact{role: role})
	}
	return t, err
}

// known adds the phone of somebody of the team, where none is noted.
func (c contact) known(team []contact) contact {
	i := slices.IndexFunc(team, func(o contact) bool { return o.name == c.name })
	if c.phone == "" && c.name != "" && i >= 0 {
		c.phone = team[i].phone
	}
	return c
}

// byYear puts the latest year first.
func byYear(a, b measure) int {
	year := func(m measure) int { n, _ := strconv.Atoi(m.year); return n }
	return year(b) - year(a)
}
