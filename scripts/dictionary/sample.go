package main

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"zhucun/scripts/dataset"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// laptop writes changes to one village, as an agent does, into one stream.
type laptop struct {
	key     ed25519.PrivateKey
	inc     identity.Incarnation
	stream  record.Stream
	village record.Village
	head    journal.Head
	seed    uint64
}

// newLaptop is the n-th laptop of a sample; everything random about it comes
// from n, so that the sample is the same in every run.
func newLaptop(n uint64, v record.Village) *laptop {
	l := &laptop{key: ed25519.NewKeyFromSeed(noise(n, "key", 32)), village: v, seed: n}
	copy(l.inc[:], noise(n, "incarnation", 16))
	l.stream = identity.StreamOf(l.key.Public().(ed25519.PublicKey), string(v), l.inc)
	return l
}

// segment signs the next changes of the laptop.
func (l *laptop) segment(changes ...record.Change) *journal.Segment {
	s := &journal.Segment{Stream: l.stream, From: l.head.Seq + 1, Incarnation: l.inc, Changes: changes}
	copy(s.Seed[:], noise(l.seed, fmt.Sprint("salt", s.From), 16))
	hashes := s.Hashes(l.head.Hash)
	l.head = journal.Head{Seq: s.Last(), Hash: hashes[len(hashes)-1]}
	s.Seal(l.key, l.head.Hash)
	return s
}

// entered is the change by which w enters a record of the data set, at the
// time of his clock.
func entered(r dataset.Record, w merge.Writer, at clock.Time, source string) (record.Change, error) {
	f := form.Builtin().Form(record.Type(r.Type))
	if f == nil {
		return record.Change{}, fmt.Errorf("no form %s", r.Type)
	}
	edits, err := values(f, r.Fields)
	if err != nil {
		return record.Change{}, err
	}
	body, err := merge.Compose(f, merge.State{}, nil, w, edits)
	if err != nil {
		return record.Change{}, err
	}
	body = append(body, record.Write{Path: record.Source, Value: record.Text(source)})
	record.SortBody(body)
	id, err := record.ParseID(r.ID)
	if err != nil {
		return record.Change{}, err
	}
	return record.Change{Record: id, Type: f.Type, Time: uint64(at), Author: w.Author, Form: f.Version, Body: body}, nil
}

// values brings fields of the data set into canonical form.
func values(f *form.Form, fields dataset.Fields) (map[string]record.Value, error) {
	edits := make(map[string]record.Value, len(fields))
	for _, x := range fields {
		fd := f.Field(x.Name)
		if fd == nil {
			return nil, fmt.Errorf("form %s has no field %s", f.Type, x.Name)
		}
		raw, err := json.Marshal(x.Value)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", x.Name, err)
		}
		if edits[x.Name], err = fd.Canon(raw); err != nil {
			return nil, err
		}
	}
	return edits, nil
}

// madeAt is the time that a UUIDv7 carries, that of the record's creation.
func madeAt(id string) clock.Time {
	u, err := record.ParseID(id)
	if err != nil || u[6]>>4 != 7 {
		return clock.At0(time.Date(2016, 3, 1, 1, 0, 0, 0, time.UTC).UnixMilli())
	}
	var milli int64
	for _, b := range u[:6] {
		milli = milli<<8 | int64(b)
	}
	return clock.At0(milli)
}
