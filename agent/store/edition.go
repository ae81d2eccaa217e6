package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"zhucun/shared/edition"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// published is what the office has published, as it lies here: in bytes, the edition that
// holds, and one that came after it and that this program cannot read.
type published struct {
	Holds  []byte `cbor:"0,keyasint,omitempty"`
	Unread []byte `cbor:"1,keyasint,omitempty"`
}

var (
	keyEdition = []byte("edition")
	editionAt  = slotOf("edition")
)

// Forms are the forms that hold here: those of the program, or as the office has
// published them. What they are changes when another edition comes.
func (s *Store) Forms() *form.Set { return s.forms }

// Rules are the exit lines and indicators that hold here.
func (s *Store) Rules() *figure.Rules { return s.rules.Load() }

// Edition gives the number of the edition that holds, 0 for the program's own forms, and
// tells whether the office has published a later one that this program cannot read.
func (s *Store) Edition() (number uint64, unread bool, err error) {
	err = s.view(func(t *tx) error {
		var p published
		if _, err := s.getSealed(t.Bucket(bucketMeta), editionAt, keyEdition, &p); err != nil {
			return err
		}
		e, err := edition.Decode(p.Holds)
		if err == nil {
			number, unread = e.Number, len(p.Unread) > 0
		}
		return err
	})
	return number, unread, err
}

// holdEdition has the edition hold that was kept, when a store is opened, and the one that
// the program before this could not read. What cannot be read leaves the program's own
// forms: a store must open.
func (s *Store) holdEdition() error {
	var p published
	if err := s.view(func(t *tx) error {
		_, err := s.getSealed(t.Bucket(bucketMeta), editionAt, keyEdition, &p)
		return err
	}); err != nil || len(p.Holds)+len(p.Unread) == 0 {
		return nil
	}
	if forms, rules, err := loadEdition(p.Holds); err == nil {
		s.forms.Become(forms)
		s.rules.Store(rules)
	}
	if _, _, err := loadEdition(p.Unread); len(p.Unread) == 0 || err != nil {
		return nil
	}
	return s.publish(context.Background(), func(t *tx) error { return t.take(p.Unread) })
}

// holdAs has the edition hold that a file has which was opened anew. A commit that the disk
// spoilt may be in it after all, or may not.
func (s *Store) holdAs(db *bbolt.DB) (err error) {
	defer damaged(&err)
	defer faulting()()
	var p published
	if err := db.View(func(btx *bbolt.Tx) error {
		_, err := s.getSealed(btx.Bucket(bucketMeta), editionAt, keyEdition, &p)
		return err
	}); err != nil {
		return err
	}
	if forms, rules, err := loadEdition(p.Holds); err == nil {
		s.forms.Become(forms)
		s.rules.Store(rules)
	}
	return nil
}

// publish makes a transaction that may take another edition: where it did and fails, the
// forms are as they were before it ran. One that took none leaves them alone: another may
// have taken one in the same commit, or since this one was asked for. Where the store is
// opened anew for it, what that finds holds (holdAs).
func (s *Store) publish(ctx context.Context, do func(t *tx) error) error {
	var forms *form.Set
	var rules *figure.Rules
	taken, opened := false, s.opening()
	err := s.update(ctx, false, func(t *tx) error {
		if !taken { // else it is run again, and they are its own already
			forms, rules = s.forms.Copy(), s.rules.Load()
		}
		others := t.anew
		t.anew = false
		err := do(t)
		taken = taken || t.anew
		t.anew = t.anew || others
		return err
	})
	if err == nil && taken {
		s.announce()
	}
	if err == nil || !taken {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil && s.openings == opened {
		s.forms.Become(forms)
		s.rules.Store(rules)
	}
	return err
}

// opening is the number of times that the file was opened.
func (s *Store) opening() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openings
}

func loadEdition(raw []byte) (*form.Set, *figure.Rules, error) {
	e, err := edition.Decode(raw)
	if err != nil {
		return nil, nil, err
	}
	return e.Load()
}

// take takes what the office has published: from here on it holds, and what is derived
// from records by their forms is made anew where that matters. An edition that this program
// cannot read is kept for the next one.
func (t *tx) take(raw []byte) error {
	var p published
	b := t.Bucket(bucketMeta)
	if _, err := t.s.getSealed(b, editionAt, keyEdition, &p); err != nil {
		return err
	}
	if bytes.Equal(p.Holds, raw) && len(p.Unread) == 0 {
		return nil
	}
	forms, rules, err := loadEdition(raw)
	if err != nil {
		if bytes.Equal(p.Unread, raw) {
			return nil
		}
		p.Unread = raw
		return t.s.putSealed(b, editionAt, keyEdition, p)
	}
	before, _, err := loadEdition(p.Holds)
	if err != nil {
		before = form.Builtin()
	}
	// Not t.s.forms: where the transaction is run again it is after already.
	if err := t.derive(before, forms); err != nil {
		return err
	}
	t.s.forms.Become(forms)
	t.s.rules.Store(rules)
	t.anew = true
	if len(raw) == 0 {
		return b.Delete(keyEdition)
	}
	return t.s.putSealed(b, editionAt, keyEdition, published{Holds: raw})
}

// derive makes anew what is derived from the records of forms that read them otherwise than
// before: what waits for a person, and which records and files they name.
func (t *tx) derive(before, after *form.Set) error {
	for _, f := range after.Forms() {
		old := before.Form(f.Type)
		if old != nil && shape(old) == shape(f) {
			continue
		}
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			if err := v.derive(old, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// shape names what of a form decides how records read.
func shape(f *form.Form) string {
	var b bytes.Buffer
	for _, fd := range f.Fields {
		fmt.Fprint(&b, fd.Name, " ", fd.Kind, " ", fd.Policy, " ", fd.Refers)
		if fd.Policy == form.Max {
			for _, c := range fd.Choices {
				fmt.Fprint(&b, " ", c.Name, c.Review)
			}
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

func (v *village) derive(old, f *form.Form) error {
	records := v.b.Bucket(recordBucket(f.Type))
	if records == nil {
		return nil
	}
	c := records.Cursor()
	for id, raw := c.First(); id != nil; id, raw = c.Next() {
		k := record.Key{Type: f.Type, ID: record.ID(id)}
		tc, s, err := v.unpackRecord(k.Type, k.ID, raw)
		if err != nil {
			return err
		}
		is := merge.Read(f, s)
		if !tc.Quarantined || s.Erased() { // else it is still found where its author put it
			was := merge.Read(old, s)
			if err := errors.Join(v.refer(old, k, was, merge.View{}), v.show(old, k, was, merge.View{}, false)); err != nil {
				return err
			}
		}
		if err := errors.Join(v.refer(f, k, merge.View{}, is), v.show(f, k, merge.View{}, is, false), v.review(k, is)); err != nil {
			return err
		}
	}
	return nil
}
