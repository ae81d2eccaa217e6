package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// onsite is the source of what somebody writes himself.
const onsite = "onsite"

// Create is a record that somebody at the office makes.
type Create struct {
	Village record.Village
	Type    record.Type
	// Record was drawn when the form was opened: a form that is sent twice makes one record.
	Record record.ID
	Fields map[string]record.Value // canonical
	Reason string
	Today  string // the day in Beijing, for a field that tells when a state was reached
	By     merge.Writer
	// For is, where there is one, a record whose set Field gets the new one as an element.
	For   record.ID
	Field string
}

// ErrEmpty: nothing was filled in.
var ErrEmpty = errors.New("nothing was filled in")

// Create makes a record, and notes it in the audit; one that is there is left as it is.
// ErrForm, ErrEmpty, ErrLong, ErrStep: it does not begin in that state, ErrSelf, ErrReason,
// ErrVillage: the village has not been entered, store.ErrNotFound and ErrVoid of the record that it is for, a *merge.Refusal.
func (r *Review) Create(ctx context.Context, c Create) error {
	if utf8.RuneCountInString(c.Reason) > MaxWhy {
		return ErrLong
	}
	if len(c.Fields) == 0 {
		return ErrEmpty
	}
	villages, err := r.store.Villages(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(villages, func(v store.Village) bool { return v.Code == c.Village }) {
		return ErrVillage
	}
	return r.store.Desk(ctx, c.Village, func(desk *store.Desk) error {
		if _, err := desk.Record(c.Record); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := create(desk, r.store, &c); err != nil {
			return err
		}
		if c.Field == "" {
			return nil
		}
		return r.name(desk, &c)
	})
}

// create writes the record itself.
func create(desk *store.Desk, s *store.Store, c *Create) error {
	f := s.Forms().Form(c.Type)
	if f == nil {
		return ErrForm
	}
	fields, err := beginStates(f, c)
	if err != nil {
		return err
	}
	body, err := merge.Compose(f, nil, nil, c.By, fields)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return ErrEmpty
	}
	body = append(body, record.Write{Path: record.Source, Value: record.Text(onsite)})
	record.SortBody(body)
	if err := merge.Permit(f, c.Type, nil, c.By, body); err != nil {
		return err
	}
	desk.Note(store.Note{Act: "create", Subject: subject(c.Type, c.Record), Reason: c.Reason})
	_, err = desk.Write(change(c.Record, c.Type, c.By, c.Reason, body))
	return err
}

// name adds the record to the set of the one that it is for.
func (r *Review) name(desk *store.Desk, c *Create) error {
	rec, err := desk.Record(c.For)
	if err != nil {
		return err
	}
	f := r.store.Forms().Form(rec.Type)
	switch {
	case f == nil || f.Field(c.Field) == nil || !f.Field(c.Field).Many():
		return ErrForm
	case rec.View.Void || rec.View.Erased:
		return ErrVoid
	}
	all := record.Set(append(rec.View.Fields[c.Field].Texts(), c.Record.String()))
	body, err := merge.Compose(f, rec.State, rec.State.Authors(), c.By, map[string]record.Value{c.Field: all})
	if err != nil {
		return err
	}
	if err := merge.Permit(f, rec.Type, rec.State, c.By, body); err != nil {
		return err
	}
	desk.Note(store.Note{Act: "edit", Subject: subject(rec.Type, rec.ID) + " " + c.Field, Reason: strings.TrimSpace(c.Reason)})
	_, err = desk.Write(change(rec.ID, rec.Type, c.By, c.Reason, body))
	return err
}
