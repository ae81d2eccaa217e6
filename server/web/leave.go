package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
// to the last, however many kinds of leave it is: by its length is who approves it.

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
	person, who string
	from, to    string
	half        int         // half days, each once
	kinds       []leaveKind // in their order
	halves      []halfDay
	mine        bool   // whoever looks approves it
	shown       string // the half days that it is made of, and all that they say
}

// leaveKind is a part of it that is of one kind.
type leaveKind struct{ kind, from, to string }

// halfDay is a record that says half a day of it.
type halfDay struct {
	id              record.ID
	day, kind, noon string
	marks           map[string]string // of leaveFields
}

// leaveFields are what leave is approved upon.
var leaveFields = []string{"person", "work_date", "half_day", "attend", "leave_type", "approver"}

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
	for _, name := range []string{"person", "work_date", "leave_type", "half_day"} {
		if fd := f.Field(name); fd != nil {
			fields = append(fields, fd)
		}
	}
	if len(fields) < 4 || f.Field("approver") == nil {
		return nil, false, errNowhere
	}
	is := func(name string, value any) store.Test {
		return store.Test{Op: store.OpEqual, Left: store.Operand{Column: name}, Values: []any{value}}
	}
	rows, next, err := w.store.Select(p.ctx, store.Select{Type: attendanceType, Villages: []record.Village{village}, Fields: fields, Limit: maxLeave,
		Order: []store.Order{{Operand: store.Operand{Column: "person"}}, {Operand: store.Operand{Column: "work_date"}}, {Operand: store.Operand{Column: "half_day"}}},
		Filter: &store.Test{Op: store.OpAnd, Tests: []store.Test{is("attend", "leave"), is("approver", nil), is(store.LifeColumn, "alive"),
			{Op: store.OpAtLeast, Left: store.Operand{Column: "work_date"}, Values: []any{p.now.AddDate(0, 0, -leaveDays).Format(time.DateOnly)}}}}})
	if err != nil {
		return nil, false, err
	}
	for _, r := range rows {
		person, _ := r.Values[0].Text()
		h := halfDay{}
		h.day, _ = r.Values[1].Text()
		h.kind, _ = r.Values[2].Text()
		h.noon, _ = r.Values[3].Text()
		if h.id, err = record.ParseID(r.ID); err != nil {
			return nil, false, err
		}
		n := len(list)
		if n == 0 || list[n-1].person != person || !follows(list[n-1].to, h.day) {
			list = append(list, leaveLine{person: person, who: p.named(village, "team_post", person, 0), from: h.day})
			n++
		}
		list[n-1].add(h, fields[2].Show(r.Values[2], p.lang))
	}
	if next != nil && len(list) > 1 {
		list = list[:len(list)-1] // it may go on behind what was looked at
	}
	for i := range list {
		l := &list[i]
		for _, r := range p.asWriter() {
			l.mine = l.mine || flow.Approves(r, l.half)
		}
		if err := w.markLeave(p, village, l); err != nil {
			return nil, false, err
		}
	}
	slices.SortStableFunc(list, func(a, b leaveLine) int { return cmp.Compare(b.from, a.from) })
	return list, next != nil, nil
}

// add puts a half day to the leave that it goes on; two records of the same one are one.
func (l *leaveLine) add(h halfDay, kind string) {
	if !slices.ContainsFunc(l.halves, func(o halfDay) bool { return o.day == h.day && o.noon == h.noon }) {
		l.half++
	}
	l.to, l.halves = h.day, append(l.halves, h)
	if n := len(l.kinds); n > 0 && l.kinds[n-1].kind == kind {
		l.kinds[n-1].to = h.day
	} else {
		l.kinds = append(l.kinds, leaveKind{kind, h.day, h.day})
	}
}

// markLeave notes what the leave says that whoever looks may approve: as it is listed, and
// as it is written in each of its records.
func (w *Site) markLeave(p *page, village record.Village, l *leaveLine) error {
	if !l.mine {
		return nil
	}
	sum := sha256.New()
	for i := range l.halves {
		h := &l.halves[i]
		rec, err := w.store.Record(p.ctx, village, h.id)
		if err != nil {
			return err
		}
		h.marks = map[string]string{}
		fmt.Fprintf(sum, "%s %q %q %q %q", h.id, l.person, h.day, h.noon, h.kind)
		for _, name := range leaveFields {
			h.marks[name] = review.Mark(rec.State, name)
			fmt.Fprintf(sum, " %s", h.marks[name])
		}
	}
	l.shown = hex.EncodeToString(sum.Sum(nil)[:16])
	return nil
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
	if !p.approves() {
		return reply{}, errRole
	}
	shown := strings.TrimSpace(p.r.PostForm.Get("leave"))
	village := record.Village(p.r.PostForm.Get("in"))
	if !p.sight.Reaches(village) || !p.entered(village) {
		return reply{}, errVillage
	}
	list, _, err := w.leavesOf(p, village)
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(list, func(l leaveLine) bool { return l.mine && l.shown == shown })
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
	var all []review.Edit
	for _, h := range l.halves {
		all = append(all, review.Edit{Village: village, Record: h.id, Fields: map[string]record.Value{"approver": record.Text(p.account.Login)},
			Shown: h.marks, Upon: leaveFields, By: by})
	}
	err = w.review.EditAll(p.ctx, village, all)
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
