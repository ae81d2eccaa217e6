package web

import (
	"cmp"
	"slices"
	"strings"

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
	p := promise{visit: r.Key.ID, made: text("visit_date"), created: r.View.Created, due: text("follow_up")}
	result := text("visit_result")
	if p.made > today || p.due == "" && text("promised") == "" && result != "met" && result != "proxy" {
		return
	}
	if c := cmp.Or(cmp.Compare(p.made, h.promise.made), cmp.Compare(p.created, h.promise.created)); c > 0 {
		p.made, p.due, p.words = few(p.made), few(p.due), strings.Clone(clip(text("promised"), maxWordsOfTodo))
		h.promise = p
	}
}

// maxWordsOfTodo is how many characters of a promise or an issue the lists keep.
const maxWordsOfTodo = 40

// duty is what a record is to be seen to by: its day, its words, and the states in
// which it is over.
type duty struct {
	day, words, state string
	over              []string
}

var duties = map[record.Type]duty{
	issueType: {"due_date", "description", "issue_status", []string{"closed"}},
	taskType:  {"due", "target", "task_status", []string{"done", "confirmed", "stopped"}},
}

// openDuty is an issue or a task that is not over.
type openDuty struct {
	key   record.Key
	due   string
	words string
}

// maxDuties bounds the duties that a snapshot keeps: the most pressing.
const maxDuties = 2000

// takeDuty notes an issue or a task as long as it is open.
func (s *snapshot) takeDuty(r *store.Record) {
	d := duties[r.Key.Type]
	text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
	if r.View.Void || slices.Contains(d.over, text(d.state)) {
		return
	}
	s.open++
	s.duties = append(s.duties, openDuty{r.Key, text(d.day), clip(text(d.words), maxWordsOfTodo)})
	if len(s.duties) >= 2*maxDuties {
		s.sortDuties()
	}
}

// sortDuties puts the most pressing first and leaves out what is beyond the bound.
func (s *snapshot) sortDuties() {
	slices.SortStableFunc(s.duties, func(a, b openDuty) int { return byDay(a.due, b.due) })
	s.duties = s.duties[:min(len(s.duties), maxDuties)]
}

// byDay puts what has no day last.
func byDay(a, b string) int {
	return cmp.Or(cmp.Compare(boolInt(a == ""), boolInt(b == "")), cmp.Compare(a, b))
}

// todo is something that was promised to a household, or an issue or task to be seen to.
type todo struct {
	*house // of a promise
	key    record.Key
	day    string // "" where none was set
	days   int    // until then; negative when it is past
	words  string
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
			add(todo{house: h, key: record.Key{Village: h.village, Type: visitType, ID: p.visit}, day: p.due, words: p.words})
		}
	}
	for _, d := range s.duties {
		add(todo{key: d.key, day: d.due, words: d.words})
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
	more   int // issues and tasks that are not listed
}

func (w *Site) todo(p *page) (reply, error) {
	p.title, p.at = p.T("todo.title"), "today"
	snap, err := p.snapshot()
	if err != nil {
		return reply{}, err
	}
	v := &todoView{more: snap.open - len(snap.duties)}
	for _, t := range snap.todos(p.counted()) {
		at := t.when()
		if p.doubt() != "" && t.day != "" {
			at = later
		}
		v.groups[at] = append(v.groups[at], t)
		v.total++
	}
	if snap.unread {
		return reply{body: todoPage(p, v), again: "/todo"}, nil
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
