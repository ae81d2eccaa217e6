package web

import (
	"errors"
	"slices"

	"github.com/a-h/templ"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// printView is the page that gathers what can be printed.
type printView struct {
	villages []printVillage
	due      int      // households that are due a visit
	people   []option // whose logs may be printed, by the number of their name
	month    month
	months   []month // from the team's first to the next one, the latest first
	forms    []*form.Form
}

// printVillage is a village with its groups, to choose whose papers are printed.
type printVillage struct {
	code   record.Village
	name   string
	houses int
	groups []printGroup
}

// printGroup is a villager group. It is asked for by one of its households: a name is
// not to stand in an address.
type printGroup struct {
	of     record.ID
	name   string
	houses int
}

// oldestYears is how far back the months go that are offered.
const oldestYears = 20

// printOf is where the records of a list are printed.
func printOf(f *form.Form) string {
	switch f.Type {
	case householdType, visitType:
		return "/print#houses"
	case logType, attendanceType:
		return "/print#month"
	case issueType:
		return "/print#issues"
	}
	return "/print#blank"
}

func (w *Site) printPage(p *page) (reply, error) {
	p.title, p.at = p.T("print.title"), "records"
	snap, err := p.wholly()
	if err != nil {
		return reply{}, err
	}
	m, _ := monthOf(p.today)
	v := &printView{forms: slices.DeleteFunc(w.forms.Forms(), func(f *form.Form) bool { return f.Type == noticeType }), due: len(snap.dues(p.counted())), month: m}
	names, err := w.writers(p)
	if err != nil {
		return reply{}, err
	}
	first := m.add(-11)
	for _, day := range snap.started {
		if started, ok := monthOf(day); ok {
			first = min(first, max(started, m.add(-12*oldestYears))) // a typing error may lie far back
		}
	}
	for at := m.add(1); at >= first; at = at.add(-1) {
		v.months = append(v.months, at)
	}
	for _, name := range names {
		v.people = append(v.people, option{value: w.searches.keep(name), label: name})
	}
	for _, a := range p.device.Assigned.Villages {
		one := printVillage{code: a.Code, name: a.Name}
		for _, h := range snap.houses {
			if h.village != a.Code {
				continue
			}
			one.houses++
			if n := len(one.groups); n == 0 || one.groups[n-1].name != h.group {
				one.groups = append(one.groups, printGroup{of: h.id, name: h.group})
			}
			one.groups[len(one.groups)-1].houses++
		}
		v.villages = append(v.villages, one)
	}
	return show(printingPage(p, v))
}

// asked gives the households whose papers are asked for, and where the way back leads:
// one by its id (household); or those of a village by its code, of a group by one of its
// households, or that are due a visit (of). Of several only those that fits takes.
func (w *Site) asked(p *page, fits func(*house) bool) (ids []record.ID, back pageLink, err error) {
	q := p.r.URL.Query()
	if q.Has("household") {
		id, err := record.ParseID(q.Get("household"))
		if err != nil {
			return nil, back, errNowhere
		}
		switch r, err := w.store.Get(householdType, id); {
		case errors.Is(err, store.ErrNotFound):
			return nil, back, errGone
		case err != nil:
			return nil, back, err
		case r.View.Erased:
			return nil, back, errErased
		}
		return []record.ID{id}, pageLink{"/household/" + id.String(), p.T("print.back.house")}, nil
	}
	snap, err := p.wholly()
	if err != nil {
		return nil, back, err
	}
	houses := snap.houses
	switch of := q.Get("of"); {
	case of == "due":
		houses = nil
		for _, d := range snap.dues(p.counted()) {
			houses = append(houses, d.house)
		}
	case slices.ContainsFunc(p.device.Assigned.Villages, func(v wire.Village) bool { return string(v.Code) == of }):
		houses = within(houses, func(h *house) bool { return string(h.village) == of })
	default:
		id, err := record.ParseID(of)
		like := snap.byID(id)
		if err != nil || like == nil {
			return nil, back, errNowhere
		}
		houses = within(houses, func(h *house) bool { return h.village == like.village && h.group == like.group })
	}
	for _, h := range within(houses, fits) {
		ids = append(ids, h.id)
	}
	return ids, pageLink{"/print", p.T("print.back")}, nil
}

func within(houses []*house, fits func(*house) bool) (out []*house) {
	for _, h := range houses {
		if fits(h) {
			out = append(out, h)
		}
	}
	return out
}

// papers shows papers that are made while they are written.
func (w *Site) papers(p *page, title string, c templ.Component) (reply, error) {
	p.title = title
	return show(c)
}

// someVillage is the village that an address names, or the laptop's first.
func (p *page) someVillage() (record.Village, error) {
	asked := record.Village(p.r.URL.Query().Get("village"))
	for _, v := range p.device.Assigned.Villages {
		if asked == "" || v.Code == asked {
			return v.Code, nil
		}
	}
	return "", errNowhere
}
