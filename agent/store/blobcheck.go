package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// BlobFault is a file that should be on this laptop and is not there, or is not as it
// was written.
type BlobFault struct {
	Blob
	Missing bool
	Records []record.Key // that show it
	// Preview tells that it is the small picture; of the file itself nothing is said.
	Preview bool
}

// CheckBlobs reads the files that should be here, with their small pictures, or of them
// those that are still to be brought to the server, and gives what cannot be read, which
// is known from then on of the files; read counts the others.
func (s *Store) CheckBlobs(ctx context.Context, waiting bool) (faults []BlobFault, read int, err error) {
	var held []Blob
	if err := s.EachBlob(func(b Blob) bool {
		if (b.Own || b.Size > 0 || b.Small) && !(waiting && (!b.Own || b.Delivered)) {
			held = append(held, b)
		}
		return true
	}); err != nil {
		return nil, 0, err
	}
	for _, b := range held {
		if err := ctx.Err(); err != nil {
			return faults, read, err
		}
		if b.Small && !waiting {
			switch _, err := s.readFile(b.Hash, smallFile); {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged):
				f := BlobFault{Blob: b, Missing: errors.Is(err, fs.ErrNotExist), Preview: true}
				if f.Records, err = s.showing(&b); err != nil {
					return faults, read, err
				}
				faults = append(faults, f)
			case err != nil:
				return faults, read, err
			}
		}
		if !b.Own && b.Size == 0 {
			continue // its preview is all that has come
		}
		err := s.checkBlob(&b)
		switch {
		case err == nil && b.Damaged:
			err = s.Mark(ctx, b.Village, b.Hash, func(x *Blob) { x.Damaged = false })
			read++
		case err == nil:
			read++
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged):
			// What cannot be noted, on a full disk say, is told all the same.
			f, _ := s.FaultOf(ctx, b, err)
			faults, err = append(faults, f), nil
		}
		if err != nil {
			return faults, read, err
		}
	}
	return faults, read, nil
}

func (s *Store) checkBlob(b *Blob) error {
	r, _, err := s.OpenBlob(b.Hash, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if blob.Hash(sum.Sum(nil)) != b.Hash {
		return fmt.Errorf("%w: the file %s is another", ErrDamaged, b.Hash)
	}
	return nil
}

// FaultOf notes of a file that it could not be read, and gives what a person is to be
// told of it.
func (s *Store) FaultOf(ctx context.Context, b Blob, why error) (f BlobFault, err error) {
	f = BlobFault{Blob: b, Missing: errors.Is(why, fs.ErrNotExist)}
	f.Damaged = !f.Missing
	if b.Damaged != f.Damaged {
		if err := s.Mark(ctx, b.Village, b.Hash, func(x *Blob) { x.Damaged = f.Damaged }); err != nil {
			return f, err
		}
	}
	f.Records, err = s.showing(&b)
	return f, err
}

// showing gives the records of a file's village that show it.
func (s *Store) showing(b *Blob) (keys []record.Key, err error) {
	err = s.view(func(t *tx) error {
		v, err := t.village(b.Village)
		if err != nil || v == nil {
			return err
		}
		target := blob.Target(b.Hash)
		c := v.b.Bucket(bucketRefers).Cursor()
		for k, _ := c.Seek(target[:]); bytes.HasPrefix(k, target[:]); k, _ = c.Next() {
			typ, id, ok := bytes.Cut(k[len(target):], []byte{0})
			if ok && len(id) == len(record.ID{}) {
				keys = append(keys, record.Key{Village: b.Village, Type: record.Type(typ), ID: record.ID(id)})
			}
		}
		return nil
	})
	return keys, err
}

// soundBlob takes note in every village that a file was written anew.
func (t *tx) soundBlob(h blob.Hash) error {
	for _, code := range t.villageCodes() {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		b, found, err := v.blob(h)
		if err != nil {
			return err
		}
		if found && b.Damaged {
			b.Damaged = false
			if err := v.putBlob(&b); err != nil {
				return err
			}
		}
	}
	return nil
}

// WaitingBlobs gives the files that were taken here and that the server has not, by
// its receipts: those that records show.
func (s *Store) WaitingBlobs() (map[blob.Hash]bool, error) {
	waiting := map[blob.Hash]bool{}
	return waiting, s.EachBlob(func(b Blob) bool {
		if b.Own && !b.Delivered && !b.Original {
			waiting[b.Hash] = true
		}
		return true
	})
}

// ShowsAny tells whether a record shows one of the files, as it reads.
func ShowsAny(f *form.Form, view merge.View, files map[blob.Hash]bool) bool {
	if len(files) == 0 {
		return false
	}
	for h := range images(f, view) {
		if files[h] {
			return true
		}
	}
	return false
}

// Sentence says what is wrong with the file, where it is shown, and what to do.
func (f *BlobFault) Sentence(forms *form.Set, lang form.Lang) string {
	say := func(zh, en string, args ...any) string {
		return fmt.Sprintf(form.Label{Zh: zh, En: en}.In(lang), args...)
	}
	name, at := f.FileName(), ""
	if f.Name != "" {
		name = say("%s（%s）", "%s (%s)", f.Name, name)
	}
	if len(f.Records) > 0 {
		k := f.Records[0]
		title := string(k.Type)
		if fm := forms.Form(k.Type); fm != nil {
			title = fm.Title.In(lang)
		}
		at = say("，在%s %s 里", ", of the %s %s,", title, k.ID)
	}
	what := say("已损坏", "is damaged")
	if f.Missing {
		what = say("不见了", "is missing")
	}
	switch {
	case f.Preview && f.Own:
		return say("照片 %s%s，预览图%s（照片本身另查）：用原来那一张重新添加，预览图就会重做", "The preview of the photo %s%s %s (the photo itself is checked apart): add the original again, and the preview is made anew", name, at, what)
	case f.Preview:
		return say("照片 %s%s，预览图%s，办公室有一份：可以用 blob fetch 取回整张", "The preview of the photo %s%s %s here; the office has the photo: have it fetched with blob fetch", name, at, what)
	case f.Own && !f.Delivered:
		return say("照片或文件 %s%s，%s，还没送到办公室：请用原来那一张重新添加", "The photo or file %s%s %s and is not delivered yet: add the original again", name, at, what)
	case f.Own:
		return say("照片或文件 %s%s，%s，办公室有一份：可以重新添加，或用 blob fetch 取回", "The photo or file %s%s %s here; the office has it: add it again, or have it fetched with blob fetch", name, at, what)
	}
	return say("照片或文件 %s%s，%s：请用 blob fetch 重新取回", "The photo or file %s%s %s here: have it fetched again with blob fetch", name, at, what)
}
