package web

import (
	"cmp"
	"slices"

	"zhucun/agent/store"
	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// promise is what the last visit at which somebody was met, or something promised,
// left to be done: a day to come again, or words, or neither.
type promise struct {
	visit   record.ID
	made    string // the day of the visit
	created clock.Time
	due     string // the day to come again
	words   string
}

// promised takes a visit into account, which settles what those before it left to be
// done.
func (h *house) promised(r *store.Record, today string) {
	text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
	p := promise{visit: r.Key.ID, made: text("visit_date"), created: r.View.Created, due: text("follow_up"), words: clip(text("promised"), maxWordsOfTodo)}
	result := text("visit_result")
	if p.made > today || p.due == "" && p.words == "" && result != "met" && result != "proxy" {
		return
	}
	if c := cmp.Or(cmp.Compare(p.made, h.promise.made), cmp.Compare(p.created, h.promise.created)); c > 0 {
		h.promise = p
	}
}

// maxWordsOfTodo is how many characters of a promise or an issue the lists keep.
const maxWordsOfTodo = 40

// openIssue is an issue that is not closed.
type openIssue struct {
	id      record.ID
	village record.Village
	due     string
	words   string
}

// maxIssues bounds the issues that a snapshot keeps: the most pressing.
const maxIssues = 2000

// takeIssue notes an issue as long as it is open.
func (s *snapshot) takeIssue(r *store.Record) {
	text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
	if r.View.Void || text("issue_status") == "closed" {
		return
	}
	s.open++
	s.issues = append(s.issues, openIssue{id: r.Key.ID, village: r.Key.Village, due: text("due_date"), words: clip(text("description"), maxWordsOfTodo)})
	if len(s.issues) >= 2*maxIssues {
		s.sortIssues()
	}
}

// sortIssues puts the most pressing first and leaves out what is beyond the bound.
func (s *snapshot) sortIssues() {
	slices.SortStableFunc(s.issues, func(a, b openIssue) int { return byDay(a.due, b.due) })
	s.issues = s.issues[:min(len(s.issues), maxIssues)]
}

// byDay puts what has no day last.
func byDay(a, b string) int {
	return cmp.Or(cmp.Compare(boolInt(a == ""), boolInt(b == "")), cmp.Compare(a, b))
}

// todo is something that was promised to a household, or an issue to be seen to.
type todo struct {
	*house  // of a promise
	key     record.Key
	day     string // "" where none was set
	days    int    // until then; negative when it is past
	words   string
	village record.Village
}

// soonTodo is how many days before its day something is shown on the first page.
const soonTodo = 7

// when sorts what is to be done.
type when int

const (
	past when = iota
	near
	later
	undated
)

func (t *todo) when() when {
	switch {
	case t.day == "":
		return undated
	case t.days < 0:
		return past
	case t.days <= soonTodo:
		return near
	}
	return later
}

// todos gives what is to be done, the nearest day first. Without a day to count from
// nothing is past.
func (s *snapshot) todos(today string) []todo {
	var out []todo
	add := func(t todo) {
		if _, ok := daysBetween(t.day, t.day); !ok {
			t.day = ""
		}
		t.days, _ = daysBetween(today, t.day)
		out = append(out, t)
	}
	for _, h := range s.houses {
		if p := h.promise; p.due != "" || p.words != "" {
			add(todo{house: h, key: record.Key{Village: h.village, Type: visitType, ID: p.visit}, day: p.due, words: p.words, village: h.village})
		}
	}
	for _, i := range s.issues {
		add(todo{key: record.Key{Village: i.village, Type: issueType, ID: i.id}, day: i.due, words: i.words, village: i.village})
	}
	slices.SortStableFunc(out, func(a, b todo) int { return byDay(a.day, b.day) })
	return out
}

// staleTodo is after how many days something that was not done is no news any more.
const staleTodo = 31

// pressing gives what the first page shows of a list of todos: what is near or just
// past, the first day first. What is long past comes behind, the latest first, for it
// would push out what can still be done in time.
func pressing(all []todo) []todo {
	var out, old []todo
	for _, t := range all {
		switch at := t.when(); {
		case at == past && t.days < -staleTodo:
			old = append(old, t)
		case at <= near:
			out = append(out, t)
		}
	}
	slices.Reverse(old)
	out = append(out, old...)
	return out[:min(len(out), maxTodos)]
}

// todoView is the page of all that is to be done.
type todoView struct {
	groups [undated + 1][]todo
	total  int
	more   int // issues that are not listed
}

func (w *Site) todo(p *page) (reply, error) {
	p.title, p.at = p.T("todo.title"), "today"
	snap, err := p.snapshot()
	if err != nil {
		return reply{}, err
	}
	v := &todoView{more: snap.open - len(snap.issues)}
	for _, t := range snap.todos(p.counted()) {
		at := t.when()
		if p.doubt() != "" && t.day != "" {
			at = later
		}
		v.groups[at] = append(v.groups[at], t)
		v.total++
	}
	return show(todoPage(p, v))
}

// in says how far away a day is.
func (p *page) in(t *todo) string {
	switch {
	case p.doubt() != "":
		return p.day(t.day)
	case t.days < 0:
		return p.T("todo.past", -t.days)
	case t.days == 0:
		return p.T("todo.today")
	case t.days == 1:
		return p.T("todo.tomorrow")
	}
	return p.T("todo.in", t.days)
}

// whenWord is the heading of a group.
func (p *page) whenWord(at when) string {
	return p.T([...]string{"todo.group.past", "todo.group.near", "todo.group.later", "todo.group.undated"}[at])
}
