package review

import (
	"context"
	"errors"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// ErrReason: it needs a reason.
var ErrReason = errors.New("a reason is needed")

// Erased is what erasing a record took away, in all villages that had it.
type Erased struct {
	Villages []record.Village
	store.Erasure
	// Forgotten says that nothing of it is left in the database's files; false
	// while that is still to come.
	Forgotten bool
}

// Erase takes away the content of a record by law, in every village that has it,
// each by itself: what was cut off goes on where it is asked for again. Where all of
// it was erased before no village is named. ErrReason, store.ErrNotFound.
func (r *Review) Erase(ctx context.Context, t record.Type, id record.ID, reason string, by merge.Writer) (Erased, error) {
	var all Erased
	if strings.TrimSpace(reason) == "" {
		return all, ErrReason
	}
	villages, err := r.store.Holders(ctx, t, id)
	if err == nil && len(villages) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return all, err
	}
	for _, v := range villages {
		var e store.Erasure
		err := r.store.Desk(ctx, v, func(desk *store.Desk) (err error) {
			desk.Note(store.Note{Act: "erase", Subject: subject(t, id), Reason: reason})
			e, err = desk.Erase(id, by.Author, reason)
			return err
		})
		if errors.Is(err, store.ErrErased) {
			continue
		} else if err != nil {
			return all, err
		}
		all.Villages = append(all.Villages, v)
		all.Changes, all.Segments = all.Changes+e.Changes, all.Segments+e.Segments
		all.SetAside, all.Unread = all.SetAside+e.SetAside, all.Unread+e.Unread
		if all.Files == nil {
			all.Files = e.Files
		}
		for h, at := range e.Files {
			all.Files[h] = max(all.Files[h], at)
		}
	}
	if err := r.store.DropFiles(ctx, all.Files); err != nil {
		return all, err
	}
	all.Forgotten, err = r.store.Forget(ctx)
	return all, err
}
