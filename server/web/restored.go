package web

import (
	"errors"
	"strings"
	"time"

	"zhucun/server/store"
)

// confirmRestored is somebody's word that what a restored server asks for is done.
func (w *Site) confirmRestored(p *page) (reply, error) {
	r, err := w.store.Restored(p.ctx)
	if err != nil {
		return reply{}, err
	}
	if r != nil {
		// The note comes first: what happened must not go unseen without it.
		if err := w.access.Audit(p.ctx, store.Note{Act: "restored", Subject: r.Made.UTC().Format(time.RFC3339)}); err != nil {
			return reply{}, err
		}
		if err := w.store.ConfirmRestored(p.ctx); err != nil && !errors.Is(err, store.ErrNotFound) {
			return reply{}, err
		}
	}
	back := p.r.PostForm.Get("back")
	if !local(back) || strings.HasPrefix(back, "/restored") {
		back = "/devices"
	}
	return goTo(back)
}
