package review

import (
	"context"
	"errors"
	"slices"
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
	// Joined are the records that it was joined with and that are not erased: what it
	// said may stand in them as well.
	Joined []record.ID
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
	said := map[record.Village][]record.ID{}
	for _, v := range villages {
		rec, err := r.store.Record(ctx, v, id)
		if err == nil {
			said[v] = rec.State.Joined()
		} else if !errors.Is(err, store.ErrNotFound) {
			return all, err
		}
		var e store.Erasure
		err = r.store.Desk(ctx, v, func(desk *store.Desk) (err error) {
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
		all.Views += e.Views
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
	if all.Forgotten, err = r.store.Forget(ctx); err != nil {
		return all, err
	}
	for _, v := range villages {
		joined, err := r.joined(ctx, record.Key{Village: v, Type: t, ID: id}, said[v])
		if err != nil {
			return all, err
		}
		all.Joined = append(all.Joined, joined...)
	}
	return all, nil
}

// Joined gives the records that one was joined with and that are not erased. One that is
// erased does not say so any more: it takes a look at all of its type in the village.
func (r *Review) Joined(ctx context.Context, rec *store.Record) ([]record.ID, error) {
	if rec.View.Erased {
		return r.joined(ctx, rec.Key, nil)
	}
	var list []record.ID
	for _, id := range rec.State.Joined() {
		o, err := r.store.Record(ctx, rec.Village, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		// One that is not here may be in quarantine.
		if err != nil || !o.View.Erased {
			list = append(list, id)
		}
	}
	return list, nil
}

// joined adds to the records that a record said it was joined with those that say it of
// the record, and leaves out what is erased.
func (r *Review) joined(ctx context.Context, k record.Key, said []record.ID) ([]record.ID, error) {
	list := slices.Clone(said)
	for o, err := range r.store.Records(ctx, store.Query{Type: k.Type, Villages: []record.Village{k.Village}}) {
		if err != nil {
			return nil, err
		}
		switch at := slices.Index(list, o.ID); {
		case at >= 0 && o.View.Erased:
			list = slices.Delete(list, at, at+1)
		case at < 0 && slices.Contains(o.State.Joined(), k.ID):
			list = append(list, o.ID)
		}
	}
	return list, nil
}
