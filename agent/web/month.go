package web

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// month is one of the calendar, as 2017-05.
type month string

const monthLayout = "2006-01"

// monthOf reads a month, or that of a day; ok is false when s is neither.
func monthOf(s string) (m month, ok bool) {
	s = s[:min(len(s), len(monthLayout))]
	_, err := time.Parse(monthLayout, s)
	return month(s), err == nil
}

// first is its first day.
func (m month) first() time.Time {
	t, _ := time.Parse(monthLayout, string(m))
	return t
}

// days counts its days.
func (m month) days() int { return m.first().AddDate(0, 1, -1).Day() }

// date is its n-th day, 2017-05-23.
func (m month) date(n int) string { return m.first().AddDate(0, 0, n-1).Format(time.DateOnly) }

// at gives the number of a day of the month; 0 for one of another.
func (m month) at(date string) int {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil || !strings.HasPrefix(date, string(m)) {
		return 0
	}
	return t.Day()
}

// add is the month n months on.
func (m month) add(n int) month { return month(m.first().AddDate(0, n, 0).Format(monthLayout)) }

// halves are those of a day.
var halves = []string{"am", "pm"}

// halfDay is one half of somebody's day: what is noted of it.
type halfDay struct {
	status, leave, approver string
	record                  store.Record
	// unsure tells that it was noted twice and differently, or waits for a decision.
	unsure bool
}

func (h *halfDay) noted() bool { return h.status != "" }

// onPost is somebody on post in a month, or of whom something is noted in it: the
// figures, and what is noted of each half day.
type onPost struct {
	figure.Attendance
	post     store.Record // none of it where the post is not on this laptop
	from, to int          // the days of the month on post; both 0 for none
	// halves are the month's days from the first on, morning and afternoon.
	halves [][2]halfDay
}

// known tells whether the post is on this laptop; of others there are no figures.
func (o *onPost) known() bool { return !o.post.Key.ID.IsZero() }

// held tells whether the post is held on the n-th day.
func (o *onPost) held(n int) bool { return o.from <= n && n <= o.to }

// noted tells whether anything is noted in the month.
func (o *onPost) noted() bool {
	return slices.ContainsFunc(o.halves, func(d [2]halfDay) bool { return d[0].noted() || d[1].noted() })
}

// tenure gives the days of the month on which a post is held.
func (m month) tenure(r *store.Record) (from, to int) {
	start, _ := r.View.Fields["start_date"].Text()
	end, _ := r.View.Fields["end_date"].Text()
	if start > m.date(m.days()) || end != "" && end < m.date(1) {
		return 0, 0
	}
	return cmp.Or(m.at(start), 1), cmp.Or(m.at(end), m.days())
}

// period is the month as far as it goes by a day; all of one that is over or to come,
// and of any where there is no day to go by.
func (m month) period(today string) figure.Period {
	if p, err := figure.MonthOf(string(m), today); err == nil && today != "" {
		return p
	}
	return figure.Period{From: m.date(1), To: m.date(m.days())}
}

// rota gives a village's attendance in a month by a day: first secretaries first, then
// by name, and last those whose posts are not here.
func (w *Site) rota(code record.Village, m month, today string) ([]*onPost, error) {
	village := figure.New(w.store.Rules())
	posts := map[record.ID]store.Record{}
	err := w.store.Each(code, teamType, func(r store.Record) bool {
		if !r.View.Void {
			village.Add(teamType, r.Key.ID, r.View.Fields)
			posts[r.Key.ID] = r
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	noted := map[record.ID][][2]halfDay{}
	err = w.store.Each(code, attendanceType, func(r store.Record) bool {
		if r.View.Void {
			return true
		}
		village.Add(attendanceType, r.Key.ID, r.View.Fields)
		text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
		day, half := m.at(text("work_date")), slices.Index(halves, text("half_day"))
		id, err := record.ParseID(text("person"))
		if day == 0 || half < 0 || err != nil {
			return true
		}
		if noted[id] == nil {
			noted[id] = make([][2]halfDay, m.days())
		}
		noted[id][day-1][half].take(halfDay{text("attend"), text("leave_type"), text("approver"), r, len(r.View.Conflicts) > 0})
		return true
	})
	if err != nil {
		return nil, err
	}
	var out []*onPost
	for _, a := range village.Attendance(m.period(today)) {
		r := posts[a.Post]
		o := &onPost{Attendance: a, post: r, halves: noted[a.Post]}
		o.from, o.to = m.tenure(&r)
		if o.halves == nil {
			o.halves = make([][2]halfDay, m.days())
		}
		out = append(out, o)
		delete(noted, a.Post)
	}
	for _, id := range slices.SortedFunc(maps.Keys(noted), func(a, b record.ID) int { return bytes.Compare(a[:], b[:]) }) {
		out = append(out, &onPost{Attendance: figure.Attendance{Post: id}, halves: noted[id]})
	}
	return out, nil
}

// take notes what a record says of a half day: of several the one that figures count,
// that with the least id.
func (h *halfDay) take(other halfDay) {
	unsure := h.unsure || other.unsure || h.noted() && h.status != other.status
	if !h.noted() || bytes.Compare(other.record.Key.ID[:], h.record.Key.ID[:]) < 0 {
		*h = other
	}
	h.unsure = unsure
}

// dayLog is somebody's log of a day.
type dayLog struct {
	author, date string
	store.Record
}

// logs gives the work logs of a month in a village, person by person, each day after
// the other.
func (w *Site) logs(code record.Village, m month) (out []dayLog, err error) {
	err = w.store.Each(code, logType, func(r store.Record) bool {
		date, _ := r.View.Fields["log_date"].Text()
		if m.at(date) > 0 && !r.View.Void {
			out = append(out, dayLog{strings.Join(r.View.Authors, "、"), date, r})
		}
		return true
	})
	slices.SortFunc(out, func(a, b dayLog) int {
		return cmp.Or(cmp.Compare(a.author, b.author), cmp.Compare(a.date, b.date), cmp.Compare(a.View.Created, b.View.Created))
	})
	return out, err
}
