package web

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"zhucun/agent/store"
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

// onPost is somebody on post in a month.
type onPost struct {
	id       record.ID
	post     store.Record // none of it where the post is not on this laptop
	from, to int          // the days of the month on post; both 0 where nobody knows
	// halves are the month's days from the first on, morning and afternoon.
	halves [][2]halfDay
}

// count counts the half days of a status.
func (o *onPost) count(status string) (n int) {
	for d := range o.halves {
		for _, h := range o.halves[d] {
			n += boolInt(h.status == status)
		}
	}
	return n
}

// inPost counts the days on post.
func (o *onPost) inPost() int {
	if o.from == 0 {
		return 0
	}
	return o.to - o.from + 1
}

// requiredDays is how many days of a whole month somebody has to be in the village.
const requiredDays = 20

// required is how many days of the month somebody had to be in the village, in
// hundredths.
func (o *onPost) required() int {
	return (100*requiredDays*o.inPost() + len(o.halves)/2) / len(o.halves)
}

// rate is the attendance in tenths of a percent, of 1000 at most; ok is false where
// none was required.
func (o *onPost) rate() (n int, ok bool) {
	// 100 × (half days ÷ 2) ÷ (20 × days on post ÷ days of the month).
	below := 2 * requiredDays * o.inPost()
	if below == 0 {
		return 0, false
	}
	above := 1000 * o.count("present") * len(o.halves)
	return min(1000, (above+below/2)/below), true
}

// posts gives who was on post in a village in a month, as their posts say, the first
// secretary first.
func (w *Site) posts(code record.Village, m month) ([]*onPost, error) {
	var out []*onPost
	err := w.store.Each(code, teamType, func(r store.Record) bool {
		if o := m.posted(r); o.from > 0 && !r.View.Void {
			out = append(out, o)
		}
		return true
	})
	slices.SortFunc(out, func(a, b *onPost) int { return a.compare(w, b) })
	return out, err
}

func (m month) posted(r store.Record) *onPost {
	o := &onPost{id: r.Key.ID, post: r, halves: make([][2]halfDay, m.days())}
	start, _ := r.View.Fields["start_date"].Text()
	end, _ := r.View.Fields["end_date"].Text()
	first, last := m.date(1), m.date(m.days())
	if start > last || end != "" && end < first {
		return o
	}
	o.from, o.to = cmp.Or(m.at(start), 1), cmp.Or(m.at(end), m.days())
	return o
}

// compare orders posts by role, as the roles are listed, and then by name.
func (o *onPost) compare(w *Site, other *onPost) int {
	text := func(x *onPost, name string) string { t, _ := x.post.View.Fields[name].Text(); return t }
	place := func(x *onPost) int {
		f := w.forms.Form(teamType).Field("team_role")
		for i, c := range f.Choices {
			if c.Name == text(x, "team_role") {
				return i
			}
		}
		return len(f.Choices)
	}
	return cmp.Or(cmp.Compare(place(o), place(other)), cmp.Compare(text(o, "person_name"), text(other, "person_name")), bytes.Compare(o.id[:], other.id[:]))
}

// rota gives a village's attendance in a month: everybody on post then, and whoever
// else something is noted of.
func (w *Site) rota(code record.Village, m month) ([]*onPost, error) {
	people, err := w.posts(code, m)
	if err != nil {
		return nil, err
	}
	byID := map[record.ID]*onPost{}
	for _, o := range people {
		byID[o.id] = o
	}
	var lone []*onPost
	err = w.store.Each(code, attendanceType, func(r store.Record) bool {
		text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
		day, half := m.at(text("work_date")), slices.Index(halves, text("half_day"))
		id, err := record.ParseID(text("person"))
		if day == 0 || half < 0 || err != nil || r.View.Void {
			return true
		}
		o := byID[id]
		if o == nil {
			o = &onPost{id: id, halves: make([][2]halfDay, m.days())}
			byID[id] = o
			lone = append(lone, o)
		}
		h := halfDay{status: text("attend"), leave: text("leave_type"), approver: text("approver"), record: r, unsure: len(r.View.Conflicts) > 0}
		o.halves[day-1][half].take(h)
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, o := range lone {
		// On post at another time, or one that has not come yet.
		if r, err := w.store.Get(teamType, o.id); err == nil {
			o.post = r
		}
	}
	slices.SortFunc(lone, func(a, b *onPost) int { return a.compare(w, b) })
	return append(people, lone...), nil
}

// take notes what a record says of a half day: of several the one written last.
func (h *halfDay) take(other halfDay) {
	unsure := h.unsure || other.unsure || h.noted() && h.status != other.status
	if !h.noted() || other.record.View.Updated > h.record.View.Updated {
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
