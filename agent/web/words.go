package web

import (
	"strconv"
	"strings"
)

// houseName is the name of a household's head, or a word for none.
func (p *page) houseName(h *house) string {
	if h.name == "" {
		return p.T("house.noname")
	}
	return h.name
}

func (p *page) groupName(name string) string {
	if name == "" {
		return p.T("house.nogroup")
	}
	return name
}

// lastVisit says when a household was last visited.
func (p *page) lastVisit(d due) string {
	if d.never {
		return p.T("due.never")
	}
	return p.T("due.on", p.day(d.last))
}

// ago says how many days a household's count, or how long ago it was visited where they
// count from that.
func (p *page) ago(d due) string {
	if d.never || d.by != sinceVisit {
		return p.T("due.since", d.days)
	}
	return p.T("due.ago", d.days)
}

// countsFrom says what a household's days count from, where that is not its last visit.
func (p *page) countsFrom(d due) string {
	switch {
	case d.from == "":
		return ""
	case d.by == sinceRegistered:
		return p.T("since.registered", p.day(d.from))
	case d.by == sinceTeam:
		return p.T("since.team", p.day(d.from))
	}
	return ""
}

// dueWord says what a household's days mean.
func (p *page) dueWord(d due) string {
	switch d.level() {
	case alarm:
		return p.T("due.alarm")
	case overdue:
		return p.T("due.over")
	}
	return p.T("due.soon")
}

// kinds says what waits to be delivered, by type.
func (p *page) kinds(waiting []undelivered) string {
	var parts []string
	for _, u := range waiting {
		parts = append(parts, p.T("delivery.kind", u.form.Title.In(p.lang), u.count))
	}
	return p.T("delivery.kinds", strings.Join(parts, p.T("list.between")))
}

// role names what the laptop's person may do; "" before the enrolment.
func (p *page) role() string { return p.site.forms.RoleLabel(p.device.Assigned.Role).In(p.lang) }

func (l *recordLine) href() string {
	if l.key.Type == householdType {
		return "/household/" + l.key.ID.String()
	}
	return "/record/" + string(l.key.Type) + "/" + l.key.ID.String()
}

// house is the id of the household that the record is of, if it is here.
func (v *recordView) house() string {
	id := first(v.View.Fields["household"].Texts())
	return id
}

func number(n uint64) string { return thousands(strconv.FormatUint(n, 10)) }

// filterWords asks the script for a box that filters a long list.
func filterWords(p *page, c *control) string {
	if c.filter {
		return p.T("form.filter")
	}
	return ""
}
