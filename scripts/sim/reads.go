package sim

import (
	"fmt"

	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// word is one value that a record showed. Two lives of a laptop give one name to
// different ones.
type word struct {
	place
	value record.Value
}

func words(s merge.State) map[word]bool {
	all := map[word]bool{}
	for p, r := range s {
		for _, sib := range r.Siblings {
			all[word{place{p, sib.Dot}, said(p, sib.Value)}] = true
		}
	}
	return all
}

// reader is somebody who reads on and on, on one laptop or at the server: what it
// was shown stays until somebody replaces it, and what went does not come back.
type reader struct {
	shown map[record.ID]map[word]bool
	gone  map[record.ID]map[word]bool
}

func newReader() *reader {
	return &reader{map[record.ID]map[word]bool{}, map[record.ID]map[word]bool{}}
}

// forget is for a record that went from where the reader reads.
func (r *reader) forget(id record.ID) {
	delete(r.shown, id)
	delete(r.gone, id)
}

// read compares what a record shows with what it showed before.
func (w *world) read(who string, r *reader, k record.Key, s merge.State) error {
	if w.orphans[k.ID] || w.rejudged[k.ID] || w.renamed[k.ID] {
		return nil
	}
	now := words(s)
	for d := range r.shown[k.ID] {
		if now[d] {
			continue
		}
		if !w.replaced[d] {
			return fmt.Errorf("%s: %s of %s (%s) was shown and is not any more, and nobody replaced it", who, d.path, k.ID, d.value)
		}
		if r.gone[k.ID] == nil {
			r.gone[k.ID] = map[word]bool{}
		}
		r.gone[k.ID][d] = true
	}
	for d := range r.gone[k.ID] {
		if now[d] {
			return fmt.Errorf("%s: %s of %s (%s) was replaced, and is back", who, d.path, k.ID, d.value)
		}
	}
	r.shown[k.ID] = now
	return nil
}

// replaces notes what a change that was just made has replaced.
func (w *world) replaces(before map[word]bool, after merge.State) {
	is := words(after)
	for d := range before {
		if !is[d] {
			w.replaced[d] = true
		}
	}
}

// look reads a record on a laptop, as somebody who looked before.
func (l *laptop) look(k record.Key) error {
	r, err := l.store.Get(k.Type, k.ID)
	if err != nil || l.aside[k.ID] {
		return nil // it is not here, or shown as nobody else has it
	}
	if l.w.rewinds {
		// Of a record that was lost and created once more two may be the authors, and one
		// void it for himself alone: that stands while it is pending.
		if list, err := l.store.Asides(k.Type, k.ID); err != nil || len(list) > 0 {
			return err
		}
	}
	return l.w.read(l.name, l.reader, k, r.State)
}

// glance looks at a few records.
func (l *laptop) glance() error {
	for range min(3, len(l.w.records)) {
		if err := l.look(l.w.records[l.w.rnd.IntN(len(l.w.records))]); err != nil {
			return err
		}
	}
	return nil
}

// renewed notes that a laptop's changes have other names now, as have those that
// open forms were opened on; they are drafts, which the store renames. Who looks
// at what it wrote cannot tell any more what is new.
func (l *laptop) renewed() {
	l.forms, l.reader = nil, newReader()
	for _, p := range l.w.promise {
		if p.by == l {
			l.w.renamed[p.key.ID] = true
		}
	}
}
