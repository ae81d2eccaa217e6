package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"zhucun/shared/form"
)

// Enroller gives the laptop to an office by the code that the office issued, over the
// network; it tells what is wrong in a sentence, none where it is done.
type Enroller interface {
	Enrol(ctx context.Context, code string) form.Label
}

// enrolling is how long the first page waits for the office's server, less than a request
// to the page may take.
const enrolling = 45 * time.Second

const welcomePath = "/welcome"

// fresh tells that the laptop belongs to no office and has nothing yet. One that has lost
// who it is with a damaged file still shows what it has.
func (p *page) fresh() bool { return !p.device.Enrolled() && len(p.status.Villages) == 0 }

// welcomeView is the first page of a laptop that belongs to no office yet.
type welcomeView struct {
	code, wrong string
}

func (w *Site) welcome(p *page) (reply, error) {
	if p.device.Enrolled() {
		return goTo("/")
	}
	p.title = p.T("welcome.title")
	return show(welcomePage(p, &welcomeView{}))
}

// enrol takes the office's code. What was typed stays where it is refused.
func (w *Site) enrol(p *page) (reply, error) {
	if p.device.Enrolled() {
		return goTo("/")
	}
	v := &welcomeView{code: strings.TrimSpace(p.r.PostFormValue("code"))}
	if v.code == "" {
		v.wrong = p.T("welcome.none")
	} else {
		ctx, cancel := context.WithTimeout(p.r.Context(), enrolling)
		defer cancel()
		// It may be broken into lines, by a chat or by hand.
		if problem := w.sync.Enrol(ctx, strings.Join(strings.Fields(v.code), "")); problem.Zh == "" {
			w.sync.Now()
			return goTo("/sync")
		} else {
			v.wrong = problem.In(p.lang)
		}
	}
	p.title = p.T("welcome.title")
	return reply{status: http.StatusUnprocessableEntity, body: welcomePage(p, v)}, nil
}
