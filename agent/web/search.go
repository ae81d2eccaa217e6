package web

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"

	"zhucun/shared/record"
)

// What somebody looks for is a name as a rule, and an address stays in the
// browser's history, which lies on the disk as it is. So an address carries a
// number instead, of what was typed, which is kept in memory.

// maxWords is how long what was typed may be, in bytes.
const maxWords = 2000

// maxSearches is how many searches are remembered, the newest: enough for every
// page that somebody goes back to.
const maxSearches = 256

type searches struct {
	mu   sync.Mutex
	made []search
}

type search struct{ id, words string }

// keep gives the number under which words are found again; "" for none.
func (s *searches) keep(words string) string {
	if words == "" {
		return ""
	}
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.made, func(x search) bool { return x.words == words }); i >= 0 {
		return s.made[i].id
	}
	if len(s.made) == maxSearches {
		s.made = s.made[1:]
	}
	s.made = append(s.made, search{rand.Text(), words})
	return s.made[len(s.made)-1].id
}

// words gives what was looked for; "" for a number of an earlier run, or of none.
func (s *searches) words(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.made {
		if x.id == id {
			return x.words
		}
	}
	return ""
}

// lookList takes a search in a list, and leads to what it found among what the list was
// narrowed down to.
func (w *Site) lookList(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	a := w.terms(p, f, listingOf(f))
	return goTo(a.with(f.Type, "s", w.searches.keep(strings.TrimSpace(p.r.PostForm.Get("q")))))
}
