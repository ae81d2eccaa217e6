package access

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"zhucun/server/store"
)

// Audit notes a look, before it is given, or what is no write of the store's.
func (a *Access) Audit(ctx context.Context, n store.Note) error { return a.store.AddAudit(ctx, n) }

// SignedIn notes that somebody has come in, before the session opens anything.
func (a *Access) SignedIn(ctx context.Context, login string) error {
	return a.store.AddAudit(ctx, store.Note{Who: login, Act: "signin", Subject: login})
}

// unknown is who is refused under a login that no account has. What was typed is
// not noted: it may be a password, and there are as many as anybody likes.
const unknown = "?"

// Of the refused sign-ins of a login so many are noted in an hour, the others
// counted: a flood of wrong passwords must not fill the disk.
const (
	notedRefusals = 5
	refusalHour   = time.Hour
)

// refusals counts refused sign-ins by login, in memory.
type refusals struct {
	sync.Mutex
	of map[string]*refusal
}

type refusal struct {
	since       time.Time
	noted, more int
}

// refuse notes that a sign-in was refused and gives why, or the error of the note.
// What was not looked at for want of time is not refused.
func (a *Access) refuse(ctx context.Context, login string, why error) error {
	var wait *WaitError
	if !errors.Is(why, ErrSignIn) && !errors.Is(why, ErrUsed) && !errors.As(why, &wait) {
		return why
	}
	who := unknown
	if login != "" {
		switch _, err := a.store.Account(ctx, login); {
		case err == nil:
			who = login
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	now := a.now()
	a.refused.Lock()
	if a.refused.of == nil {
		a.refused.of = map[string]*refusal{}
	}
	r := a.refused.of[who]
	var over int
	if r == nil || now.Sub(r.since) >= refusalHour {
		if r != nil {
			over = r.more
		}
		r = &refusal{since: now}
		a.refused.of[who] = r
	}
	note := r.noted < notedRefusals
	if note {
		r.noted++
	} else {
		r.more++
	}
	a.refused.Unlock()
	if err := a.noteMore(ctx, who, over); err != nil {
		return err
	}
	if note {
		if err := a.store.AddAudit(ctx, store.Note{Who: who, Act: "refused"}); err != nil {
			return err
		}
	}
	return why
}

// noteMore notes how many refusals were only counted.
func (a *Access) noteMore(ctx context.Context, who string, more int) error {
	if more == 0 {
		return nil
	}
	return a.store.AddAudit(ctx, store.Note{Who: who, Act: "refusedmore", Subject: strconv.Itoa(more)})
}

// NoteRefusals notes the refusals that were only counted, of the hours that are
// over or, at the end, of all.
func (a *Access) NoteRefusals(ctx context.Context, all bool) error {
	now, more := a.now(), map[string]int{}
	a.refused.Lock()
	for who, r := range a.refused.of {
		if all || now.Sub(r.since) >= refusalHour {
			more[who] = r.more
			delete(a.refused.of, who)
		}
	}
	a.refused.Unlock()
	var errs []error
	for who, n := range more {
		errs = append(errs, a.noteMore(ctx, who, n))
	}
	return errors.Join(errs...)
}

// Watch notes counted refusals as their hours end, until ctx does.
func (a *Access) Watch(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.NoteRefusals(ctx, false); err != nil {
			a.store.Log.Error("refused sign-ins were not noted", "error", err)
		}
	}
}
