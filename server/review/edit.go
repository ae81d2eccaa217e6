package review

import (
	"context"
	"errors"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// MaxWhy bounds the reason of an edit, in characters.
const MaxWhy = 500

// Edit is what somebody at the office changes in a record.
type Edit struct {
	Village record.Village
	Record  record.ID
	// Fields are those that were touched, canonical; Null clears.
	Fields map[string]record.Value
	// Shown is the Mark of each of them as it was when the form was opened.
	Shown map[string]string
	// Upon are fields that it does not touch and is only right upon: they must be as they
	// were shown, too.
	Upon   []string
	Reason string // may be empty
	Today  string // the day in Beijing, for a field that tells when a state was reached
	By     merge.Writer
}

// MovedError says that others have written, since the form was opened, what it would write.
type MovedError struct{ Fields []string }

func (e *MovedError) Error() string {
	return "written by somebody else meanwhile: " + strings.Join(e.Fields, ", ")
}

// ErrVoid: the record is void; what is written to it would wait for a decision.
var ErrVoid = errors.New("the record is void")

// Mark is short for all that stands under a field: it changes with every value that comes
// or goes, also with proposals and elements, and with what is asked about it: an edit
// settles a question, and none that its writer was not shown.
func Mark(s merge.State, field string) string {
	h := fnv.New64a()
	for _, p := range slices.Sorted(maps.Keys(s)) {
		about := p.Standing()
		if q, asks := p.Asked(); asks {
			about = q
		}
		if name, _ := about.Field(); name != field {
			continue
		}
		var dots []string
		for _, sib := range s[p].Siblings {
			dots = append(dots, sib.Dot.String())
		}
		slices.Sort(dots)
		h.Write([]byte(string(p) + "\x00" + strings.Join(dots, " ") + "\x00"))
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// Edit writes what was touched, on what was shown: nothing at all where somebody else has
// written one of the fields meanwhile (*MovedError). What the writer does not own is
// proposed; a state goes on by the steps that there are for it. wrote tells whether there was
// anything to write. ErrForm, ErrVoid, ErrLong, ErrStep, ErrSelf, ErrReason, store.ErrErased,
// store.ErrNotFound, a *merge.Refusal.
func (r *Review) Edit(ctx context.Context, e Edit) (wrote bool, err error) {
	err = r.store.Desk(ctx, e.Village, func(desk *store.Desk) error {
		wrote, err = r.edit(desk, &e)
		return err
	})
	return wrote, err
}

// EditAll writes edits of one village, all of them or, where one cannot be, nothing. The
// errors are those of Edit.
func (r *Review) EditAll(ctx context.Context, v record.Village, list []Edit) error {
	return r.store.Desk(ctx, v, func(desk *store.Desk) error {
		for i := range list {
			if _, err := r.edit(desk, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Review) edit(desk *store.Desk, e *Edit) (wrote bool, err error) {
	if utf8.RuneCountInString(e.Reason) > MaxWhy {
		return false, ErrLong
	}
	rec, err := desk.Record(e.Record)
	if err != nil {
		return false, err
	}
	f := r.store.Forms().Form(rec.Type)
	if err := editable(f, rec); err != nil {
		return false, err
	}
	if err := unmoved(rec, e.Shown, slices.Values(slices.Concat(slices.Collect(maps.Keys(e.Fields)), e.Upon))); err != nil {
		return false, err
	}
	fields, err := editStates(f, rec, e)
	if err != nil {
		return false, err
	}
	body, err := compose(f, rec, e.By, fields)
	if err != nil || len(body) == 0 {
		return false, err
	}
	desk.Note(store.Note{Act: "edit", Subject: subject(rec.Type, rec.ID) + " " + strings.Join(slices.Sorted(maps.Keys(fields)), " "), Reason: e.Reason})
	_, err = desk.Write(change(rec.ID, rec.Type, e.By, e.Reason, body))
	return err == nil, err
}

// editable tells why a record cannot be: ErrForm, store.ErrErased, ErrVoid.
func editable(f *form.Form, rec *store.Record) error {
	switch {
	case f == nil:
		return ErrForm
	case rec.View.Erased:
		return store.ErrErased
	case rec.View.Void:
		return ErrVoid
	}
	return nil
}

// unmoved gives a *MovedError with those of the fields that are not as they were shown.
func unmoved(rec *store.Record, shown map[string]string, fields iter.Seq[string]) error {
	var moved []string
	for name := range fields {
		if Mark(rec.State, name) != shown[name] {
			moved = append(moved, name)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	slices.Sort(moved)
	return &MovedError{moved}
}

// compose gives what somebody writes who sees the record as it is, and may; whoever writes
// what was asked does not wait for an answer any more.
func compose(f *form.Form, rec *store.Record, by merge.Writer, fields map[string]record.Value) ([]record.Write, error) {
	body, err := merge.Compose(f, rec.State, rec.State.Authors(), by, fields)
	if err != nil {
		return nil, err
	}
	if err := merge.Permit(f, rec.Type, rec.State, by, body); err != nil {
		return nil, err
	}
	for _, w := range slices.Clone(body) {
		if closed, err := merge.Close(f, rec.State, w.Path.Standing()); err == nil && !w.Path.IsProposal() {
			body = append(body, closed)
		}
	}
	record.SortBody(body)
	return body, nil
}

// Life is that somebody at the office declares a record void, or valid again.
type Life struct {
	Village record.Village
	Record  record.ID
	Void    bool
	// Feed is the feed number of the record as it was shown: what has come since was not
	// seen by whoever declares it void.
	Feed   uint64
	Reason string // must not be empty
	By     merge.Writer
}

// SetLife declares a record void or valid again. *MovedError, ErrDecided: it is so already,
// ErrReason, ErrLong, ErrLeft, store.ErrErased, store.ErrNotFound, a *merge.Refusal.
func (r *Review) SetLife(ctx context.Context, l Life) error {
	if strings.TrimSpace(l.Reason) == "" {
		return ErrReason
	}
	if utf8.RuneCountInString(l.Reason) > MaxWhy {
		return ErrLong
	}
	return r.store.Desk(ctx, l.Village, func(desk *store.Desk) error {
		rec, err := desk.Record(l.Record)
		switch {
		case err != nil:
			return err
		case rec.View.Erased:
			return store.ErrErased
		case rec.View.Left != "":
			return ErrLeft
		case rec.View.Void == l.Void && len(rec.View.Conflicts[record.Life]) == 0:
			return ErrDecided
		case rec.Feed != l.Feed:
			return &MovedError{}
		}
		act, value := "unvoid", merge.Alive
		if l.Void {
			act, value = "void", rec.State.Void(l.Reason)
		}
		body := []record.Write{{Path: record.Life, Value: value, Observed: rec.State.Observed(record.Life)}}
		if err := merge.Permit(r.store.Forms().Form(rec.Type), rec.Type, rec.State, l.By, body); err != nil {
			return err
		}
		desk.Note(store.Note{Act: act, Subject: subject(rec.Type, rec.ID), Reason: l.Reason})
		_, err = desk.Write(change(rec.ID, rec.Type, l.By, l.Reason, body))
		return err
	})
}
