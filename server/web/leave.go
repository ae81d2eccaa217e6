package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Leave is noted half a day at a time; it is approved as a whole, from the first day of it
// to the last.

const (
	leavePath      = "/leave"
	attendanceType = record.Type("attendance")
	// leaveDays is how far back leave is listed that nobody has approved.
	leaveDays = 370
	maxLeave  = 4000 // half days of a village that are looked at
)

type leaveView struct {
	village record.Village
	leaves  []leaveLine
	more    bool // than were looked at
	said    string
	done    bool
	report  store.Report
}

// leaveLine is somebody's leave, days that follow one another.
type leaveLine struct {
	person, who, kind string
	from, to          string
	half              int // half days
	ids               []record.ID
	mine              bool   // whoever looks approves it
	shown             string // the half days that it is made of
}

func (w *Site) leave(p *page) (reply, error) {
	switch p.r.URL.Query().Get("said") {
	case "done":
		return w.showLeave(p, p.T("leave.done"), true)
	case "moved":
		return w.showLeave(p, p.T("leave.moved"), false)
	}
	return w.showLeave(p, "", false)
}

func (w *Site) showLeave(p *page, said string, done bool) (a reply, err error) {
	p.title, p.at = p.T("leave.title"), ledgerArea
	v := &leaveView{village: p.asked("village"), said: said, done: done}
	if v.village == "" && len(p.known) > 0 {
		v.village = p.known[0].Code
	}
	if v.leaves, v.more, err = w.leavesOf(p, v.village); err != nil {
		return reply{}, err
	}
	if v.report, err = w.store.Reported(p.ctx, v.village); err != nil {
		return reply{}, err
	}
	return show(leavePage(p, v))
}

// leavesOf gives the leave of a village that nobody has approved.
func (w *Site) leavesOf(p *page, village record.Village) (list []leaveLine, more bool, err error) {
	f := w.forms.Form(attendanceType)
	if f == nil || !p.sight.Reaches(village) {
		return nil, false, errNowhere
	}
	var fields []*form.Field
	for _, name := range []string{"person", "work_date", "leave_type"} {
		if fd := f.Field(name); fd != nil {
			fields = append(fields, fd)
		}
	}
	if len(fields) < 3 || f.Field("approver") == nil {
		return nil, false, errNowhere
	}
	is := func(name string, value any) store.Test {
		return store.Test{Op: store.OpEqual, Left: store.Operand{Column: name}, Values: []any{value}}
	}
	rows, next, err := w.store.Select(p.ctx, store.Select{Type: attendanceType, Villages: []record.Village{village}, Fields: fields, Limit: maxLeave,
		Order: []store.Order{{Operand: store.Operand{Column: "person"}}, {Operand: store.Operand{Column: "work_date"}}},
		Filter: &store.Test{Op: store.OpAnd, Tests: []store.Test{is("attend", "leave"), is("approver", nil), is(store.LifeColumn, "alive"),
			{Op: store.OpAtLeast, Left: store.Operand{Column: "work_date"}, Values: []any{p.now.AddDate(0, 0, -leaveDays).Format(time.DateOnly)}}}}})
	if err != nil {
		return nil, false, err
	}
	for _, r := range rows {
		person, _ := r.Values[0].Text()
		day, _ := r.Values[1].Text()
		id, err := record.ParseID(r.ID)
		if err != nil {
			return nil, false, err
		}
		n := len(list)
		if n == 0 || list[n-1].person != person || !follows(list[n-1].to, day) {
			list = append(list, leaveLine{person: person, who: p.named(village, "team_post", person, 0), kind: fields[2].Show(r.Values[2], p.lang), from: day})
			n++
		}
		l := &list[n-1]
		l.to, l.half, l.ids = day, l.half+1, append(l.ids, id)
	}
	for i := range list {
		l := &list[i]
		for _, r := range p.asWriter() {
			l.mine = l.mine || flow.Approves(r, l.half)
		}
		var ids []string
		for _, id := range l.ids {
			ids = append(ids, id.String())
		}
		l.shown = strings.Join(ids, " ")
	}
	slices.SortStableFunc(list, func(a, b leaveLine) int { return cmp.Compare(b.from, a.from) })
	return list, next != nil, nil
}

// follows tells whether a day is the same or the next one at work: over a weekend leave
// goes on.
func follows(last, day string) bool {
	a, err1 := time.Parse(time.DateOnly, last)
	b, err2 := time.Parse(time.DateOnly, day)
	if err1 != nil || err2 != nil {
		return false
	}
	for a = a.AddDate(0, 0, 1); a.Before(b) && (a.Weekday() == time.Saturday || a.Weekday() == time.Sunday); {
		a = a.AddDate(0, 0, 1)
	}
	return !a.Before(b)
}

// approveLeave approves leave as it was shown: where it has become another meanwhile,
// longer or shorter, nothing is approved.
func (w *Site) approveLeave(p *page) (reply, error) {
	shown := strings.TrimSpace(p.r.PostForm.Get("leave"))
	village := record.Village(p.r.PostForm.Get("in"))
	if !p.sight.Reaches(village) || !p.entered(village) {
		return reply{}, errVillage
	}
	list, _, err := w.leavesOf(p, village)
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(list, func(l leaveLine) bool { return l.shown == shown })
	if i < 0 {
		p.r.URL.RawQuery = "village=" + escape(string(village))
		a, err := w.showLeave(p, p.T("leave.moved"), false)
		a.status = http.StatusConflict
		return a, err
	}
	l := list[i]
	by := merge.Writer{Author: p.account.Login}
	for _, r := range p.asWriter() {
		if flow.Approves(r, l.half) && by.Role == "" {
			by.Role = r
		}
	}
	if by.Role == "" {
		return reply{}, errRole
	}
	for _, id := range l.ids {
		rec, err := w.store.Record(p.ctx, village, id)
		if err != nil {
			return reply{}, err
		}
		_, err = w.review.Edit(p.ctx, review.Edit{Village: village, Record: id, Fields: map[string]record.Value{"approver": record.Text(p.account.Login)},
			Shown: map[string]string{"approver": review.Mark(rec.State, "approver")}, By: by})
		var moved *review.MovedError
		var refused *merge.Refusal
		switch {
		case errors.As(err, &moved), errors.Is(err, review.ErrVoid), errors.Is(err, store.ErrErased):
			return goTo(address(leavePath, "village", string(village), "said", "moved"))
		case errors.As(err, &refused):
			return reply{}, errRole
		case err != nil:
			return reply{}, err
		}
	}
	return goTo(address(leavePath, "village", string(village), "said", "done"))
}

// leaveSpan says from when to when.
func (p *page) leaveSpan(from, to string) string {
	if from == to {
		return p.day(from)
	}
	return p.T("leave.span", p.day(from), p.day(to))
}

// halves says a number of half days.
func (p *page) halves(n int) string {
	whole := strconv.Itoa(n / 2)
	if n%2 == 1 {
		whole += ".5"
	}
	return p.T("leave.halves", whole)
}

// approvedBy says who approves leave that long.
func (p *page) approvedBy(half int) string {
	for _, r := range []identity.Role{identity.TownshipOffice, identity.SponsorUnit} {
		if flow.Approves(r, half) {
			return p.T("leave.by", p.role(r))
		}
	}
	return ""
}

// approves tells whoever approves any leave.
func (p *page) approves() bool {
	return p.may(access.Edit) && slices.ContainsFunc(p.asWriter(), func(r identity.Role) bool { return flow.Approves(r, 1) || flow.Approves(r, 1000) })
}
