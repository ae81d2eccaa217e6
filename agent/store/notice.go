package store

import (
	"context"
	"errors"

	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// ReadNotice writes in a record of the office's that it was read in its village, on a day:
// in nobody's name (merge.Receipts). What the village has said already is not said again.
func (s *Store) ReadNotice(ctx context.Context, k record.Key, day string) error {
	return s.update(ctx, true, func(t *tx) error {
		f := t.s.forms.Form(k.Type)
		if f == nil {
			return ErrType
		}
		v, key, err := t.find(k.Type, k.ID)
		if err != nil {
			return err
		}
		if err := v.foldOne(key.Type, key.ID); err != nil {
			return err
		}
		tc, state, _, err := v.load(key.Type, key.ID)
		if err != nil || state.Erased() {
			return err
		}
		body := merge.Receipt(f, state, day)
		if len(body) == 0 {
			return nil
		}
		if err := merge.Permit(f, key.Type, state, merge.Writer{}, body); err != nil {
			return err
		}
		_, err = v.write(key, state, tc, &record.Change{Record: key.ID, Type: key.Type, Form: f.Version, Body: body})
		return err
	})
}

// fetchOffline asks for the files that a record shows by now and that laptops are to have
// without a network, where they are not here.
func (v *village) fetchOffline(f *form.Form, was, is merge.View) (err error) {
	if f == nil {
		return nil
	}
	for _, fd := range f.Fields {
		if !fd.Offline || was.Fields[fd.Name] == is.Fields[fd.Name] {
			continue
		}
		for _, name := range is.Fields[fd.Name].Texts() {
			h, kind, ok := blob.ParseName(name)
			if !ok {
				continue
			}
			b, found, e := v.blob(h)
			if e == nil && !found {
				b = Blob{Village: v.code, Hash: h, BlobNote: BlobNote{Kind: kind}, Wanted: true}
				e = v.putBlob(&b)
			}
			err = errors.Join(err, e)
		}
	}
	return err
}
