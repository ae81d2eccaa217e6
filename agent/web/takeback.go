package web

import (
	"errors"
	"slices"
	"strconv"
	"sync"

	"zhucun/agent/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// decided is a decision that was taken on the page of what waits.
type decided struct {
	number int
	saved  store.Saved
	path   record.Path
	by     string
	// title, label and value say what was decided, for the page.
	title, label, value string
}

// settled remembers the last decisions, to be taken back while nothing has followed.
// It does not outlive the agent: what was decided before it began again is decided.
type settled struct {
	sync.Mutex
	count int
	list  []*decided // the latest first
}

// maxSettled is how many decisions can be taken back.
const maxSettled = 10

func (s *settled) add(d *decided) {
	s.Lock()
	defer s.Unlock()
	s.count++
	d.number = s.count
	s.list = slices.Insert(s.list, 0, d)
	s.list = s.list[:min(len(s.list), maxSettled)]
}

// of gives the decisions of one person, the latest first.
func (s *settled) of(by string) []*decided {
	s.Lock()
	defer s.Unlock()
	return slices.DeleteFunc(slices.Clone(s.list), func(d *decided) bool { return d.by != by })
}

func (s *settled) drop(number int) {
	s.Lock()
	defer s.Unlock()
	s.list = slices.DeleteFunc(s.list, func(d *decided) bool { return d.number == number })
}

// takeable gives the decisions that this person can take back: the last one where that
// is one, and the others. Those on which something has followed are forgotten.
func (w *Site) takeable(p *page) (last *decided, others []*decided, err error) {
	for i, d := range w.settled.of(p.author) {
		r, err := w.store.Get(d.saved.Key.Type, d.saved.Key.ID)
		if err == nil {
			f := w.forms.Form(r.Key.Type)
			_, err = merge.TakeBack(f, r.State, d.saved.Before, p.writer(), d.path, d.saved.Dot)
			one := *d
			one.title, one.label = w.titleOf(p, &r), p.pathLabel(f, d.path)
			standing := r.State[d.path.Standing()].Siblings
			if len(standing) > 0 {
				one.value = p.pathValue(f, d.path, standing[0].Value)
			}
			d = &one
		}
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, merge.ErrNotLive):
			w.settled.drop(d.number)
		case err != nil:
			return nil, nil, err
		case i == 0:
			last = d
		default:
			others = append(others, d)
		}
	}
	return last, others, nil
}

// backs are what can have become of the wish to take a decision back.
const (
	backDone = "done"
	backLate = "late"
)

var backs = []string{backDone, backLate}

// takeBack undoes a decision, while nothing has followed it.
func (w *Site) takeBack(p *page) (reply, error) {
	number, err := strconv.Atoi(p.r.PostForm.Get("decision"))
	if err != nil {
		return reply{}, errAsked
	}
	to := placeOf(p.r.PostForm.Get)
	all := w.settled.of(p.author)
	i := slices.IndexFunc(all, func(d *decided) bool { return d.number == number })
	if i < 0 {
		return goTo("/conflicts" + to.query("back", backLate))
	}
	d := all[i]
	err = w.store.TakeBack(p.r.Context(), d.saved, d.path, p.author)
	if err == nil || errors.Is(err, merge.ErrNotLive) {
		w.settled.drop(number)
	}
	return w.decided(d.saved.Key, err, "/conflicts"+to.query("back", backDone), "/conflicts"+to.query("back", backLate))
}
