package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// How a record came about: the values of record.Source.
const (
	Onsite   = "onsite"
	Backfill = "backfill"
	Import   = "import"
)

// Edit is one save: fields of one record set by one person.
type Edit struct {
	Village record.Village // may be empty where the laptop has one village
	Type    record.Type
	// ID names the record; the zero ID asks for a new one.
	ID record.ID
	// Fields are canonical values by field name; record.Null clears.
	Fields map[string]record.Value
	// Author is a profile's name, empty for the first.
	Author string
	// Shown is the record as it was when its form was opened: what the save
	// replaces. Nil on a record that is here means as it is now, and that nobody
	// looked at it: a field given as it reads then says nothing, and decides no
	// conflict. A record that is created (no ID, or an ID that is not here)
	// replaces nothing.
	Shown merge.State
	// Source says how a record that the save creates came about; Import also
	// says that nobody looked at the record that is here: nothing is replaced.
	Source string
	// Void, if not empty, declares the record void for that reason; Revive makes
	// it live again.
	Void   string
	Revive bool
	// Same says of other records whether this is the same as they: record.True, False,
	// or Null to take back what was said.
	Same map[record.ID]record.Value
	// Draft, if not empty, is the draft that the save completes; it goes in the
	// same transaction.
	Draft string
	// Issues asks that what the answers give rise to (a visit's needs) becomes
	// issues. Whoever brings records that were written elsewhere brings those too.
	Issues bool
	// made is the id of a new record that bears no number, and of an imported row.
	made record.ID
}

// Saved is what came of an Edit.
type Saved struct {
	Key record.Key
	// Changed is false when everything stood already; nothing was written then.
	Changed bool
	Created bool
	// Void tells of an imported row that what it made before was declared void since.
	Void bool
	// Since tells of an imported row that was taken before that its record says otherwise
	// by now: it was changed since.
	Since bool
	// Born are the issues that the save made or mended.
	Born []record.Key
	// Dot is the change of a decision, and Before what it was taken on: for TakeBack.
	Dot    record.Dot
	Before merge.State
}

// Save makes all the edits durable in one transaction, or none of them.
func (s *Store) Save(ctx context.Context, edits ...Edit) ([]Saved, error) {
	var saved []Saved
	err := s.update(ctx, true, func(t *tx) error {
		t.alone = true
		saved = saved[:0]
		for i := range edits {
			done, err := t.save(&edits[i])
			if err != nil {
				return err
			}
			if d := edits[i].Draft; d != "" {
				if err := t.Bucket(bucketDraft).Delete([]byte(d)); err != nil {
					return err
				}
			}
			saved = append(saved, done)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return saved, nil
}

// ErrType says that a type is unknown or an id belongs to a record of another
// type.
var ErrType = errors.New("unknown type")

func (t *tx) save(e *Edit) (Saved, error) {
	f := t.s.forms.Form(e.Type)
	if f == nil {
		return Saved{}, fmt.Errorf("%w: no form %q", ErrType, e.Type)
	}
	d, err := t.dev()
	if err != nil {
		return Saved{}, err
	}
	if !d.Enrolled() {
		return Saved{}, ErrNotEnrolled
	}
	author, err := d.Author(e.Author)
	if err != nil {
		return Saved{}, err
	}
	v, key, err := t.target(d, e)
	if err != nil {
		return Saved{}, err
	}
	if err := v.foldOne(key.Type, key.ID); err != nil {
		return Saved{}, err
	}
	tc, state, found, err := v.load(key.Type, key.ID)
	if err != nil {
		return Saved{}, err
	}
	if state.Erased() {
		return Saved{}, erased()
	}
	now, _, err := v.shown(key, tc, state)
	if err != nil {
		return Saved{}, err
	}
	shown, fields, blind := e.Shown, e.Fields, false
	switch {
	case !found || e.ID.IsZero():
		// A creation replaces nothing, even where the number's record is here.
		shown, blind = merge.State{}, true
	case e.Source == Import:
		shown, blind = merge.State{}, true
	case shown == nil:
		shown, fields = now, news(f, now, e.Fields)
	}
	w := merge.Writer{Author: author, Role: d.Assigned.Role}
	authors := now.Authors()
	if blind && e.Source != Import {
		authors = nil // whoever enters it as new is one of its authors
	}
	body, err := merge.Compose(f, shown, authors, w, fields)
	if err != nil {
		return Saved{}, err
	}
	switch {
	case e.Void != "":
		body = append(body, record.Write{Path: record.Life, Value: shown.Void(e.Void), Observed: shown.Observed(record.Life)})
	case e.Revive:
		body = append(body, record.Write{Path: record.Life, Value: merge.Alive, Observed: shown.Observed(record.Life)})
	case blind && e.Source != Import && merge.Read(f, now).Void:
		// Whoever enters anew what was declared void says that it is there, and was not
		// shown why it is not: both stand until somebody decides.
		body = append(body, record.Write{Path: record.Life, Value: merge.Alive})
	}
	for id, said := range e.Same {
		p := record.Same.Element(id.String())
		if live := shown[p].Siblings; len(live) != 1 || live[0].Value != said {
			body = append(body, record.Write{Path: p, Value: said, Observed: shown.Observed(p)})
		}
	}
	if blind {
		body = slices.DeleteFunc(body, func(w record.Write) bool { return len(w.Observed) == 0 && stands(now, w) })
	}
	created := !found || len(state.Authors()) == 0
	if !found || len(body) > 0 && (created || blind && e.Source != Import && !slices.Contains(now.Authors(), author)) {
		body = append(body, record.Write{Path: record.Source, Value: record.Text(cmp.Or(e.Source, Onsite))})
	}
	if len(body) == 0 {
		return Saved{Key: key}, nil
	}
	record.SortBody(body)
	// What the server would set aside is not written.
	if err := merge.Permit(f, key.Type, now, w, body); err != nil {
		return Saved{}, err
	}
	c := record.Change{Record: key.ID, Type: key.Type, Author: author, Form: f.Version, Body: body}
	after, err := v.write(key, state, tc, &c)
	if err != nil {
		return Saved{}, err
	}
	done := Saved{Key: key, Changed: true, Created: created}
	if e.Issues {
		done.Born, err = t.born(f, key, author, merge.Read(f, state), merge.Read(f, after))
	}
	return done, err
}

// news gives those of the fields that do not read so already.
func news(f *form.Form, now merge.State, fields map[string]record.Value) map[string]record.Value {
	view := merge.Read(f, now)
	told := map[string]record.Value{}
	for name, v := range fields {
		if is := view.Fields[name]; is != v && (is != "" || !v.IsNull()) {
			told[name] = v
		}
	}
	return told
}

// stands tells whether somebody's live value is what w would write, or would
// propose.
func stands(s merge.State, w record.Write) bool {
	holds := func(p record.Path) bool {
		return slices.ContainsFunc(s[p].Siblings, func(sib merge.Sibling) bool { return sib.Value == w.Value })
	}
	return holds(w.Path) || w.Path.IsProposal() && holds(w.Path.Standing())
}

// target finds or names the record of an edit.
func (t *tx) target(d *Device, e *Edit) (*village, record.Key, error) {
	k := record.Key{Type: e.Type, ID: e.ID}
	if !e.ID.IsZero() {
		v, here, err := t.find("", e.ID)
		switch {
		case err == nil && here.Type != e.Type:
			return nil, k, said(ErrType, "%[1]s 是一条 %[2]s 记录，不是 %[3]s", "%[1]s is a record of type %[2]s, not %[3]s", e.ID, here.Type, e.Type)
		case err == nil && e.Village != "" && here.Village != e.Village:
			return nil, k, said(ErrVillage, "%[1]s 是村 %[2]s 的记录，不能写成村 %[3]s 的", "%[1]s is a record of village %[2]s, not of %[3]s", e.ID, here.Village, e.Village)
		case err == nil:
			return v, here, nil
		case !errors.Is(err, ErrNotFound):
			return nil, k, err
		}
	}
	assigned, err := d.Village(e.Village)
	if err != nil {
		return nil, k, err
	}
	k.Village = assigned.Code
	v, err := t.village(assigned.Code)
	if err != nil {
		return nil, k, err
	}
	if k.ID.IsZero() {
		k.ID, err = t.newID(d, v, e)
	}
	return v, k, err
}

// newID names a new record. A household with an official number gets the id
// that every laptop gives it, unless that record by now bears another number; so does
// somebody's post in a village, unless that is one of another time.
func (t *tx) newID(d *Device, v *village, e *Edit) (record.ID, error) {
	if id, ok := NumberedID(d, v.code, e.Type, e.Fields); ok {
		_, s, found, err := v.load(e.Type, id)
		if err != nil {
			return id, err
		}
		view := merge.Read(t.s.forms.Form(e.Type), s)
		other := func(field string) bool {
			bears, is := view.Fields[field], e.Fields[field]
			return bears != "" && is != "" && bears != is
		}
		if !found || !slices.ContainsFunc(numbered[e.Type], other) && (e.Type != PostType || !other("start_date")) {
			return id, nil
		}
	}
	if !e.made.IsZero() {
		return e.made, nil
	}
	return t.s.opt.NewID()
}

// numbered names the types whose records bear an official number, with the
// field that holds it (DESIGN: identity). A post bears a name, which is one person's
// among those who write in a village: a visit may name whoever made it before anybody
// has entered his post. Half a day of somebody is one record whoever notes it.
var numbered = map[record.Type][]string{"household": {"household_no"}, PostType: {"person_name"}, "attendance": {"person", "work_date", "half_day"}}

// PostType is the type of who is sent to a village, and when.
const PostType record.Type = "team_post"

// Numbered tells whether an edit asks for a record that every laptop names alike.
func Numbered(t record.Type, fields map[string]record.Value) bool { return numberOf(t, fields) != "" }

// numberOf is what a record is named by; "" where not all of it is known.
func numberOf(t record.Type, fields map[string]record.Value) string {
	var parts []string
	for _, name := range numbered[t] {
		part, ok := fields[name].Text()
		if !ok || part == "" {
			return ""
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

// NumberedID is the id that every laptop gives a record with these answers; ok is false
// where there is none.
func NumberedID(d *Device, v record.Village, t record.Type, fields map[string]record.Value) (id record.ID, ok bool) {
	no := numberOf(t, fields)
	return record.NumberedID(d.Numbers, t, v, no), no != ""
}

// PostOf is the id of a person's first post in a village, whether it was entered yet or
// not.
func PostOf(d *Device, v record.Village, name string) record.ID {
	return record.NumberedID(d.Numbers, PostType, v, name)
}

// Decision settles one register of a record.
type Decision struct {
	Record record.ID
	Path   record.Path
	// Take names the change whose value is taken; without one it is Value. For
	// _life, Value is "alive" or the reason for which the record is void.
	Take  record.Dot
	Value record.Value
	// Author is a profile's name, empty for the first.
	Author string
	// Shown is the record as whoever decides was shown it: only that is replaced.
	// Nil means as it is now.
	Shown merge.State
	// Words go with a decision that answers a question of the office.
	Words string
}

// Decide makes a decision durable. The error is merge.ErrNotLive when what was
// to be taken is gone, merge.ErrNothing when nothing waits there, and a
// *merge.Refusal when the author may not decide it.
func (s *Store) Decide(ctx context.Context, e Decision) (saved Saved, err error) {
	err = s.update(ctx, true, func(t *tx) error {
		t.alone = true
		v, k, err := t.find("", e.Record)
		if err != nil {
			return err
		}
		if err := v.foldOne(k.Type, k.ID); err != nil {
			return err
		}
		d, err := t.dev()
		if err != nil {
			return err
		}
		author, err := d.Author(e.Author)
		if err != nil {
			return err
		}
		tc, now, _, err := v.load(k.Type, k.ID)
		if err != nil {
			return err
		}
		f := t.s.forms.Form(k.Type)
		if f == nil {
			return fmt.Errorf("%w: no form %q", ErrType, k.Type)
		}
		shown := e.Shown
		if shown == nil {
			shown = now
		}
		if !e.Take.IsZero() {
			// What is taken must still be there: somebody may have answered.
			if _, err := now.Choose(f, e.Path, e.Take, e.Value); errors.Is(err, merge.ErrNotLive) && !v.frontier.Covers(e.Take) {
				return said(err, "没有编号为 %s 的改动，请核对；conflicts 列出可以取用的", "There is no change %s; check it: conflicts lists what can be taken", e.Take)
			} else if err != nil {
				return err
			}
		}
		if view := merge.Read(f, shown); !view.Waits(e.Path) {
			return merge.ErrNothing
		}
		value, err := shown.Choose(f, e.Path, e.Take, e.Value)
		if err != nil {
			return err
		}
		body, err := merge.Decide(f, shown, merge.Writer{Author: author, Role: d.Assigned.Role}, e.Path, value)
		if err != nil {
			return err
		}
		if body, err = shown.Answer(f, e.Path, value, e.Words, body); err != nil {
			return err
		}
		c := record.Change{Record: k.ID, Type: k.Type, Author: author, Form: f.Version, Body: body}
		_, err = v.write(k, now, tc, &c)
		saved = Saved{Key: k, Changed: true, Before: shown}
		if o := v.owns[v.writing]; err == nil && o != nil {
			saved.Dot = record.Dot{Stream: v.writing, Seq: o.Head.Seq}
		}
		return err
	})
	return saved, err
}

// TakeBack undoes a decision of this laptop's: what was shown before is shown again,
// and waits again, and so does the question that it answered. merge.ErrNotLive where
// something has followed.
func (s *Store) TakeBack(ctx context.Context, done Saved, path record.Path, by string) error {
	return s.update(ctx, true, func(t *tx) error {
		v, k, err := t.find(done.Key.Type, done.Key.ID)
		if err != nil {
			return err
		}
		if err := v.foldOne(k.Type, k.ID); err != nil {
			return err
		}
		d, err := t.dev()
		if err != nil {
			return err
		}
		author, err := d.Author(by)
		if err != nil {
			return err
		}
		f := t.s.forms.Form(k.Type)
		if f == nil {
			return fmt.Errorf("%w: no form %q", ErrType, k.Type)
		}
		tc, now, _, err := v.load(k.Type, k.ID)
		if err != nil {
			return err
		}
		changes, err := merge.TakeBack(f, now, done.Before, merge.Writer{Author: author, Role: d.Assigned.Role}, path, done.Dot)
		if err != nil {
			return err
		}
		for _, body := range changes {
			c := record.Change{Record: k.ID, Type: k.Type, Author: author, Form: f.Version, Body: body}
			if _, err := v.write(k, now, tc, &c); err != nil {
				return err
			}
			if tc, now, _, err = v.load(k.Type, k.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// Row is one of several saves that do not depend on each other. A Hash that is
// not zero is what an imported row is known by. Made, if not zero, is the id that
// follows from what it says: what the row creates gets it, unless it bears a number,
// and what is here under it was made by the same row, whoever imported that.
type Row struct {
	Edit Edit
	Hash [16]byte
	Made record.ID
}

// SaveRows saves rows in one transaction. A row that was taken before is passed
// over: taking a file twice changes nothing, whatever happened in between. A
// row that may not be saved does not hold up the others; its error stands at its
// place.
func (s *Store) SaveRows(ctx context.Context, rows []Row) (saved []Saved, errs []error, err error) {
	err = s.update(ctx, true, func(t *tx) error {
		t.alone = true
		saved, errs, err = t.saveRows(rows)
		return err
	})
	return saved, errs, err
}

// errTried takes back what was tried.
var errTried = errors.New("tried, and taken back")

// TryRows tells what SaveRows would make of rows, and changes nothing.
func (s *Store) TryRows(ctx context.Context, rows []Row) (saved []Saved, errs []error, err error) {
	err = s.update(ctx, false, func(t *tx) error {
		if saved, errs, err = t.saveRows(rows); err == nil {
			return errTried
		}
		return err
	})
	if errors.Is(err, errTried) {
		err = nil
	}
	return saved, errs, err
}

func (t *tx) saveRows(rows []Row) (saved []Saved, errs []error, err error) {
	saved, errs = make([]Saved, len(rows)), make([]error, len(rows))
	b := t.Bucket(bucketImport)
	for i := range rows {
		t.s.touch(t.Tx, 1)
		known := rows[i].Hash != [16]byte{}
		if saved[i], errs[i], err = t.made(&rows[i]); err != nil {
			return nil, nil, err
		}
		if errs[i] != nil || saved[i].Key.Type != "" {
			continue
		}
		if known && b.Get(rows[i].Hash[:]) != nil {
			if saved[i], err = t.taken(&rows[i].Edit); err != nil {
				return nil, nil, err
			}
			continue
		}
		if saved[i], errs[i] = t.save(&rows[i].Edit); errs[i] != nil {
			if !refused(errs[i]) {
				return nil, nil, errs[i]
			}
			continue
		}
		if known {
			// Not an empty value: bbolt does not find one again before the commit.
			if err := b.Put(rows[i].Hash[:], []byte{1}); err != nil {
				return nil, nil, err
			}
		}
	}
	return saved, errs, nil
}

// made gives the record that a row has made before, here or elsewhere; without one the
// row is to make it under that id. What became of it since, the row does not undo.
func (t *tx) made(row *Row) (done Saved, refused, err error) {
	e := &row.Edit
	if row.Made.IsZero() || !e.ID.IsZero() && e.ID != row.Made {
		return done, nil, nil
	}
	e.made = row.Made
	v, k, err := t.find(e.Type, row.Made)
	if errors.Is(err, ErrNotFound) {
		return done, nil, nil
	}
	if err != nil {
		return done, nil, err
	}
	r, err := v.mustLoad(k.Type, k.ID)
	switch {
	case err != nil:
		return done, nil, err
	case r.View.Erased:
		return done, erased(), nil
	}
	return Saved{Key: k, Void: r.View.Void, Since: otherwise(&r, e.Fields)}, nil, nil
}

// taken tells what became of the record of a row that was taken before.
func (t *tx) taken(e *Edit) (Saved, error) {
	done := Saved{Key: record.Key{Type: e.Type, ID: e.ID}}
	d, err := t.dev()
	if err != nil {
		return done, err
	}
	_, k, err := t.target(d, e) // by its number, where it has one
	if err != nil {
		if refused(err) {
			err = nil
		}
		return done, err
	}
	r, err := t.get(k.Type, k.ID)
	if errors.Is(err, ErrNotFound) {
		return done, nil
	}
	done.Key = k
	done.Void, done.Since = r.View.Void && !r.View.Erased && e.Void == "", !r.View.Void && otherwise(&r, e.Fields)
	return done, err
}

// otherwise tells whether a record that a row has made or changed says otherwise by now: what
// the row says neither stands there nor waits for somebody.
func otherwise(r *Record, fields map[string]record.Value) bool {
	for name, value := range fields {
		path := record.Path(name)
		waits := slices.ContainsFunc(slices.Concat(r.View.Conflicts[path], r.View.Proposals[path]), func(s merge.Sibling) bool { return s.Value == value })
		if !waits && r.View.Fields[name] != value && (value != record.Null || r.View.Fields[name] != "") {
			return true
		}
	}
	return false
}

// refused tells an edit that may not be made, of which nothing was written,
// from a store that failed.
func refused(err error) bool {
	var r *merge.Refusal
	return errors.Is(err, ErrType) || errors.Is(err, ErrVillage) || errors.Is(err, ErrAuthor) || errors.Is(err, ErrErased) || errors.As(err, &r)
}

// ErrErased says that the office has erased a record by law: what is written to it would
// be set aside, and its words go.
var ErrErased = errors.New("the record was erased by law")

func erased() error {
	return said(ErrErased, "这条记录的内容已由办公室依法擦除，不能再写；确有需要请新建一条，或问办公室", "The office has erased this record by law, and nothing more is written to it; make a new one if need be, or ask the office")
}
