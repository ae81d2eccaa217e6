package web

import (
	"errors"
	"hash/fnv"
	"slices"
	"strconv"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// dayView is the attendance of one day, to be written for everybody at once.
type dayView struct {
	monthly
	date   string
	people []*dayPerson
	status []form.Choice
	leaves []form.Choice
	seen   string // what the page shows
	moved  bool   // that has changed since it was sent
}

// dayPerson is somebody on post that day.
type dayPerson struct {
	id     record.ID
	name   string
	halves [2]dayHalf
	leave  string // the kind of leave that is chosen
}

// dayHalf is half of the day: what is noted, and what is chosen on the page.
type dayHalf struct {
	halfDay
	code   string // am
	chosen string
}

// day reads the attendance of a day.
func (w *Site) day(p *page, date string) (*dayView, error) {
	m, err := p.monthly("/month/attendance")
	if err != nil {
		return nil, err
	}
	f := w.forms.Form(attendanceType)
	at, ok := monthOf(date)
	if !ok || at.at(date) == 0 {
		return nil, errAsked
	}
	m.month = at
	v := &dayView{monthly: m, date: date, status: f.Field("attend").Choices, leaves: f.Field("leave_type").Choices}
	rota, err := w.rota(m.village, at, m.today)
	if err != nil {
		return nil, err
	}
	seen := fnv.New64a()
	n := at.at(date)
	for _, o := range rota {
		x := &dayPerson{id: o.Post, name: p.nameOf(o)}
		noted := false
		for i, code := range halves {
			x.halves[i] = dayHalf{halfDay: o.halves[n-1][i], code: code, chosen: o.halves[n-1][i].status}
			if h := &x.halves[i]; h.noted() {
				noted = true
				seen.Write([]byte(seenOf(h.record.State)))
				if x.leave == "" {
					x.leave = h.leave
				}
			}
		}
		if o.held(n) || noted {
			v.people = append(v.people, x)
		}
	}
	v.seen = strconv.FormatUint(seen.Sum64(), 16)
	return v, nil
}

// attendDay shows a day.
func (w *Site) attendDay(p *page) (reply, error) {
	if !p.may(w.forms.Form(attendanceType)) {
		return reply{}, errRole
	}
	date := p.r.URL.Query().Get("day")
	v, err := w.day(p, date)
	if err != nil {
		return reply{}, err
	}
	p.title, p.at = p.T("attend.title", p.day(date)), "records"
	return show(attendDayPage(p, v))
}

// noteDay saves a day: what was chosen for each half day of each person, as far as it is
// not noted so already. Each half day is a record of its own.
func (w *Site) noteDay(p *page) (reply, error) {
	if !p.may(w.forms.Form(attendanceType)) {
		return reply{}, errRole
	}
	date, body := p.r.URL.Query().Get("day"), p.r.PostForm
	v, err := w.day(p, date)
	if err != nil {
		return reply{}, err
	}
	p.title, p.at = p.T("attend.title", p.day(date)), "records"
	known := func(list []form.Choice, code string) bool {
		return code == "" || slices.ContainsFunc(list, func(c form.Choice) bool { return c.Name == code })
	}
	for _, x := range v.people {
		if x.leave = body.Get("leave." + x.id.String()); !known(v.leaves, x.leave) {
			return reply{}, errAsked
		}
		for i := range x.halves {
			h := &x.halves[i]
			if chosen := body.Get(h.code + "." + x.id.String()); chosen != "" {
				h.chosen = chosen
			}
			if h.chosen == "" {
				h.chosen = body.Get("rest")
			}
			if !known(v.status, h.chosen) {
				return reply{}, errAsked
			}
		}
	}
	if body.Get("_seen") != v.seen {
		v.moved = true
		return show(attendDayPage(p, v))
	}
	edits, err := w.dayEdits(p, v)
	if err != nil {
		return reply{}, err
	}
	saved, err := w.saved(p, edits...)
	if err != nil {
		return reply{}, err
	}
	return goTo(v.at(v.month, v.village) + "&noted=" + strconv.Itoa(len(saved)))
}

// dayEdits gives the saves that a day asks for.
func (w *Site) dayEdits(p *page, v *dayView) (edits []store.Edit, err error) {
	for _, x := range v.people {
		for i := range x.halves {
			h := &x.halves[i]
			leave := x.leave
			if h.chosen != "leave" {
				leave = ""
			}
			if h.chosen == "" || h.chosen == h.status && (h.chosen != "leave" || leave == h.leave) {
				continue
			}
			fields := map[string]record.Value{}
			if h.chosen != h.status {
				fields["attend"] = record.Text(h.chosen)
			}
			switch {
			case leave != "":
				fields["leave_type"] = record.Text(leave)
			case h.leave != "":
				fields["leave_type"] = record.Null
			}
			e := store.Edit{Village: v.village, Type: attendanceType, Author: p.author, Fields: fields, Source: store.Onsite}
			if h.noted() {
				e.ID, e.Shown = h.record.Key.ID, h.record.State
			} else {
				fields["person"], fields["work_date"], fields["half_day"] = record.Text(x.id.String()), record.Text(v.date), record.Text(h.code)
				if err := w.revived(&e); err != nil {
					return nil, err
				}
			}
			edits = append(edits, e)
		}
	}
	return edits, nil
}

// revived makes an edit for a half day that was declared void one that brings it back.
func (w *Site) revived(e *store.Edit) error {
	d, err := w.store.Device()
	if err != nil {
		return err
	}
	id, _ := store.NumberedID(&d, e.Village, e.Type, e.Fields)
	r, err := w.store.Get(e.Type, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case r.View.Void && !r.View.Erased:
		e.ID, e.Shown, e.Revive = id, r.State, true
		e.Fields = changed(&r, e.Fields)
	}
	return nil
}
