package syncapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	files "zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/bundle"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// files takes the files that a bundle brings as if they were uploaded, behind its
// messages, and notes which of them, and of those that it asks for, are here. What is
// wrong with one keeps none of the others, and the messages have been taken.
func (t *taking) files(ctx context.Context, b *bundle.Opened, progress func(done int)) error {
	if t.h.store.Files == nil || len(b.Files) == 0 {
		return nil
	}
	done := 0
	took := func() { done++; progress(done) }
	var full error
	if err := b.EachFile(func(f bundle.File, r io.Reader) error {
		defer took()
		if err := ctx.Err(); err != nil {
			return err
		}
		err := full
		if err == nil {
			err = t.file(ctx, f, r)
		}
		var not *NotTaken
		switch {
		case err == nil:
		case errors.As(err, &not):
			t.FilesLeft++
			t.h.log.Warn("a file in a bundle was not taken", "device", t.d.ID, "file", f.Hash, "why", not.En)
		case errors.Is(err, bundle.ErrDamaged), ctx.Err() != nil:
			return err
		default:
			// A disk that is full takes none of the others either.
			if full == nil {
				t.h.log.Error("files in a bundle cannot be kept", "device", t.d.ID, "error", err)
			}
			full = err
			t.FilesLeft++
		}
		return nil
	}); err != nil {
		return err
	}
	for _, f := range b.Files {
		if f.Mode != bundle.Asked {
			continue
		}
		if may, err := t.may(ctx, f.Village); err != nil {
			return err
		} else if may {
			if _, err := t.has(ctx, f); err != nil {
				return err
			}
		}
		took()
	}
	backed, err := t.h.store.FilesBacked(ctx)
	if err != nil || backed.IsZero() {
		return err
	}
	for i := range t.held {
		t.held[i].Backed = backed.UnixMilli()
	}
	return nil
}

// may tells whether the device may bring files for a village.
func (t *taking) may(ctx context.Context, v record.Village) (bool, error) {
	return t.h.store.MayBring(ctx, t.d, v)
}

var (
	errNotHis  = &NotTaken{"这个村不归那台电脑", "the village is not that laptop's"}
	errErased  = &NotTaken{"它所在的记录已依法擦除", "its record was erased by law"}
	errNoSmall = &NotTaken{"预览图不是 JPEG", "its small picture is no JPEG"}
)

// file takes one file. The error is a *NotTaken where it is not to be here.
func (t *taking) file(ctx context.Context, f bundle.File, r io.Reader) error {
	s := t.h.store
	if may, err := t.may(ctx, f.Village); err != nil {
		return err
	} else if !may {
		return errNotHis
	}
	if erased, err := s.ErasedFile(ctx, f.Village, f.Hash); err != nil {
		return err
	} else if erased {
		return errErased
	}
	if f.Mode == bundle.Small {
		small, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if http.DetectContentType(small) != "image/jpeg" || len(small) > wire.MaxThumbnail {
			return errNoSmall
		}
		if err := s.PutThumbnail(ctx, f.Village, f.Hash, small); err != nil {
			return err
		}
		h := t.heldOf(f.Village)
		h.Smalls = append(h.Smalls, f.Hash)
		return nil
	}
	if has, err := t.has(ctx, f); has || err != nil {
		return err
	}
	id := "bundle-" + rand.Text()
	h, err := t.keep(id, f, r)
	if err != nil {
		return errors.Join(err, s.Files.Drop(id))
	}
	held, err := s.TakeBlob(ctx, store.Blob{Village: f.Village, Hash: h, Kind: f.Kind, Size: f.Size, Device: t.d.ID, Of: ofOf(f)})
	if errors.Is(err, store.ErrNotFound) {
		return errNotHis // the office does not know the village
	}
	if errors.Is(err, store.ErrErasedFile) {
		return errErased
	}
	if err != nil {
		return err
	}
	t.Files++
	t.receipt(held)
	return nil
}

// keep writes a file to where files come in, and gives it its name.
func (t *taking) keep(id string, f bundle.File, r io.Reader) (h blob.Hash, err error) {
	n, err := t.h.store.Files.Append(id, 0, f.Size, r, nil)
	if err != nil {
		return h, err
	}
	if n != f.Size {
		return h, fmt.Errorf("%w: a file ends too early", bundle.ErrDamaged)
	}
	h, err = t.h.store.Files.Finish(id, &f.Hash)
	if errors.Is(err, files.ErrContent) {
		err = fmt.Errorf("%w: %w", bundle.ErrDamaged, err)
	}
	return h, err
}

func ofOf(f bundle.File) []blob.Hash { return f.Of[:min(len(f.Of), wire.MaxOf)] }

// has tells whether a file is here, and notes its receipt and what it is the original of.
func (t *taking) has(ctx context.Context, f bundle.File) (bool, error) {
	s := t.h.store
	x, err := s.Blob(ctx, f.Village, f.Hash)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if size, err := s.Files.Size(f.Hash); err != nil || size != x.Size {
		return false, nil // it is to come again
	}
	if err := s.TieOriginal(ctx, f.Village, f.Hash, ofOf(f)); err != nil {
		return false, err
	}
	t.receipt(x)
	return true, nil
}

func (t *taking) receipt(b store.Blob) {
	h := t.heldOf(b.Village)
	h.Receipts = append(h.Receipts, b.Receipt)
}

// heldOf gives what is noted of a village's files.
func (t *taking) heldOf(v record.Village) *wire.HeldFiles {
	i := slices.IndexFunc(t.held, func(h wire.HeldFiles) bool { return h.Village == v })
	if i < 0 {
		i, t.held = len(t.held), append(t.held, wire.HeldFiles{Village: v, Epoch: t.h.store.Epoch()})
	}
	return &t.held[i]
}

// maxSmalls bounds the small pictures in a reply, in bytes: it is in memory until it is
// fetched.
const maxSmalls = 32 << 20

// smalls are the small pictures that go with a reply: of the records in it, as they read
// for its laptop, as many as it has asked for.
type smalls struct {
	left  int64
	files []bundle.File
	body  map[[sha256.Size]byte][]byte
	has   map[string]bool // by village and hash
}

// add adds those of the records of a page that are here.
func (m *smalls) add(ctx context.Context, s *store.Store, p *wire.Pull) error {
	for _, rec := range p.Records {
		f := s.Forms().Form(rec.Type)
		if f == nil || !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.Kind == form.Image }) {
			continue
		}
		state, err := merge.Decode(rec.State)
		if err != nil {
			return err
		}
		view := merge.Read(f, state)
		for _, fd := range f.Fields {
			if fd.Kind != form.Image {
				continue
			}
			for _, name := range view.Fields[fd.Name].Texts() {
				if err := m.addOne(ctx, s, p.Village, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (m *smalls) addOne(ctx context.Context, s *store.Store, v record.Village, name string) error {
	h, kind, ok := blob.ParseName(name)
	if !ok || len(m.files) >= bundle.MaxFiles {
		return nil
	}
	body, err := s.Thumbnail(ctx, v, h)
	if errors.Is(err, store.ErrNotFound) || err == nil && (int64(len(body)) > m.left || len(body) == 0 || len(body) > bundle.MaxSmall) {
		return nil
	}
	if err != nil {
		return err
	}
	f := bundle.File{Mode: bundle.Small, Village: v, Hash: h, Kind: kind, Size: int64(len(body)), Sum: sha256.Sum256(body)}
	if m.body == nil {
		m.body, m.has = map[[sha256.Size]byte][]byte{}, map[string]bool{}
	}
	key := string(v) + h.String()
	if m.has[key] {
		return nil
	}
	m.has[key] = true
	m.left -= f.Size
	m.files, m.body[f.Sum] = append(m.files, f), body
	return nil
}

func (m *smalls) open(f bundle.File) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(m.body[f.Sum])), nil
}
