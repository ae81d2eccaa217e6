package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// The files that records show: a photo that was taken here, which stays and is brought
// to the server, and those of others, which come when somebody asks for them. The first
// is on disk before its note is, and its note before a record names it.

var (
	bucketBlob = []byte("blob")
	bucketGone = []byte("gone") // files to be removed
)

// What is known of a file without opening its note.
const (
	blobOwn       = 1 << iota // it was taken here
	blobDelivered             // the server has it, by its receipt
	blobSmall                 // its small picture is here
	blobSmallSent             // and at the server
	blobWanted                // somebody asked for it
	blobBacked                // it is in a backup of the server's
	blobDamaged               // what is on disk of it was found not to be as it was written
	blobOriginal              // it is a photo as it came, beside the small one that records show
)

const blobHead = 1 + len(wire.Epoch{})

// BlobNote is what is known of a file.
type BlobNote struct {
	Kind   string `cbor:"0,keyasint"`
	Size   int64  `cbor:"1,keyasint"`           // bytes; 0 of one that has not come
	Name   string `cbor:"2,keyasint,omitempty"` // what it was called where it came from
	Taken  int64  `cbor:"3,keyasint,omitempty"` // when the photo was taken, by the camera, ms since 1970 as if in UTC; 0 unknown
	Width  int    `cbor:"4,keyasint,omitempty"`
	Height int    `cbor:"5,keyasint,omitempty"`
	Upload string `cbor:"6,keyasint,omitempty"` // where it is being brought to at the server
	Added  int64  `cbor:"7,keyasint,omitempty"` // ms since 1970, corrected
	// Of are the photos that it is the original of.
	Of []blob.Hash `cbor:"8,keyasint,omitempty"`
	// Since is how many bundles the laptop had made when the file was last taken for one
	// that the server does not have: a reply to one of those says nothing of it.
	Since   uint64 `cbor:"9,keyasint,omitempty"`
	Receipt blob.Receipt
}

// Blob is a file as the store knows it.
type Blob struct {
	Village record.Village
	Hash    blob.Hash
	BlobNote
	// Own tells that it was taken here; Here that the file is on this laptop, Small its
	// small picture; Wanted that somebody asked for it and it has not come. Delivered
	// tells that the server has it, SmallSent its small picture, Backed that a backup of
	// the server's has it. Damaged tells that it was found not to be as it was written.
	// Original tells that it is a photo as it came, which no record names.
	Own, Here, Small, Wanted, Delivered, SmallSent, Backed, Damaged, Original bool
}

// FileName is what records call the file.
func (b *Blob) FileName() string { return blob.Name(b.Hash, b.Kind) }

func (v *village) blobAt(h blob.Hash, head []byte) slot {
	return slotOf("blob note", []byte(v.code), h[:], head)
}

func (v *village) blob(h blob.Hash) (b Blob, found bool, err error) {
	bucket := v.b.Bucket(bucketBlob)
	if bucket == nil {
		return b, false, nil
	}
	raw := bucket.Get(h[:])
	if raw == nil {
		return b, false, nil
	}
	b, err = v.openBlob(h, raw)
	return b, true, err
}

func (v *village) openBlob(h blob.Hash, raw []byte) (b Blob, err error) {
	if len(raw) < blobHead {
		return b, fmt.Errorf("%w: the note of a file", ErrDamaged)
	}
	if err := v.t.s.openSealed(v.blobAt(h, raw[:blobHead]), raw[blobHead:], &b.BlobNote); err != nil {
		return b, err
	}
	now := wire.Epoch(raw[1:blobHead]) == v.place.Epoch // what another life of the server had is another thing
	flag := func(bit byte) bool { return raw[0]&bit != 0 }
	b.Village, b.Hash = v.code, h
	b.Own, b.Wanted, b.Small, b.Damaged, b.Original = flag(blobOwn), flag(blobWanted), flag(blobSmall), flag(blobDamaged), flag(blobOriginal)
	b.Delivered, b.SmallSent, b.Backed = flag(blobDelivered) && now, flag(blobSmallSent) && now, flag(blobBacked) && now
	if b.Size > 0 || b.Own {
		_, err := os.Stat(v.t.s.blobPath(h, wholeFile))
		b.Here = err == nil
	}
	return b, nil
}

func (v *village) putBlob(b *Blob) error {
	bucket, err := v.b.CreateBucketIfNotExists(bucketBlob)
	if err != nil {
		return err
	}
	head := append(make([]byte, 1, blobHead), v.place.Epoch[:]...)
	for bit, on := range map[byte]bool{blobOwn: b.Own, blobDelivered: b.Delivered, blobSmall: b.Small, blobSmallSent: b.SmallSent, blobWanted: b.Wanted, blobBacked: b.Backed, blobDamaged: b.Damaged, blobOriginal: b.Original} {
		if on {
			head[0] |= bit
		}
	}
	plain, err := encMode.Marshal(&b.BlobNote)
	if err != nil {
		return err
	}
	raw, err := v.t.s.wrap(v.blobAt(b.Hash, head), plain)
	if err != nil {
		return err
	}
	return bucket.Put(b.Hash[:], append(head, raw...))
}

// ErrTooLarge says that a file is larger than the office takes.
var ErrTooLarge = errors.New("the file is too large")

// AddBlob keeps a file that was taken here: content as it is to be delivered, and its
// small picture where there is one. It gives what it is from now on; the same content
// is the same file, whoever brings it and how often. Kind, Name, Taken, Width, Height and
// Of are the caller's to say.
func (s *Store) AddBlob(ctx context.Context, code record.Village, note BlobNote, content, small []byte) (b Blob, err error) {
	if len(content) > wire.MaxBlob {
		return b, ErrTooLarge
	}
	h := blob.Hash(sha256.Sum256(content))
	s.files.Lock()
	defer s.files.Unlock()
	if note.Size, err = s.sealFile(h, wholeFile, bytes.NewReader(content), nil); err != nil {
		return b, err
	}
	if len(small) > 0 {
		if _, err := s.sealFile(h, smallFile, bytes.NewReader(small), nil); err != nil {
			return b, err
		}
	}
	err = s.update(ctx, true, func(t *tx) error {
		d, err := t.dev()
		if err != nil {
			return err
		}
		if here, err := t.knows(code); err != nil || !here {
			return errors.Join(err, ErrNotFound)
		}
		v, err := t.village(code)
		if err != nil {
			return err
		}
		clk, err := t.time()
		if err != nil {
			return err
		}
		before, found, err := v.blob(h)
		if err != nil {
			return err
		}
		note.Added = s.opt.Wall() + clk.Skew
		b = Blob{Village: code, Hash: h, BlobNote: note, Own: true, Here: true, Small: len(small) > 0}
		if found && before.Size > 0 {
			// The server is asked whether it has it still: somebody may have missed it.
			b.BlobNote, b.Small = before.BlobNote, b.Small || before.Small
			b.Receipt, b.Upload = blob.Receipt{}, ""
		}
		b.Since = d.Bundles
		if len(note.Of) > 0 {
			b.Original = !found || before.Original
			b.Of = withAll(b.Of, note.Of)
		}
		return errors.Join(t.soundBlob(h), v.putBlob(&b))
	})
	return b, err
}

// Blob gives what is known of a file; ErrNotFound where nothing is.
func (s *Store) Blob(h blob.Hash) (b Blob, err error) {
	err = s.view(func(t *tx) error {
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			x, found, err := v.blob(h)
			if err != nil {
				return err
			}
			if found && (!b.Here || x.Own && (!b.Own || b.Delivered)) {
				b = x
			}
		}
		if b.Village == "" {
			return ErrNotFound
		}
		return nil
	})
	return b, err
}

// EachBlob calls yield with the files of which anything is known, until it returns false.
func (s *Store) EachBlob(yield func(Blob) bool) error {
	return s.view(func(t *tx) error {
		for n, err := range t.blobNotes() {
			if err != nil {
				return err
			}
			if b, err := n.v.openBlob(n.h, n.raw); err != nil || !yield(b) {
				return err
			}
		}
		return nil
	})
}

// sealedNote is what is noted of a file in a village, as it lies there.
type sealedNote struct {
	v   *village
	h   blob.Hash
	raw []byte
}

// blobNotes gives what is noted of files, village by village.
func (t *tx) blobNotes() iter.Seq2[sealedNote, error] {
	return func(yield func(sealedNote, error) bool) {
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				yield(sealedNote{}, err)
				return
			}
			bucket := v.b.Bucket(bucketBlob)
			if bucket == nil {
				continue
			}
			c := bucket.Cursor()
			for k, raw := c.First(); k != nil; k, raw = c.Next() {
				if len(k) != len(blob.Hash{}) || len(raw) == 0 {
					yield(sealedNote{}, fmt.Errorf("%w: the note of a file", ErrDamaged))
					return
				}
				if !yield(sealedNote{v, blob.Hash(k), raw}, nil) {
					return
				}
			}
		}
	}
}

// Undelivered gives the files that are still to be brought to the server, and the
// wanted ones that are still to come, at most so many: originals behind all others, and
// those that are missing or damaged here last.
func (s *Store) Undelivered(most int) (bring, fetch []Blob, err error) {
	var originals, broken []Blob
	add := func(to *[]Blob, b Blob) {
		if len(*to) < most {
			*to = append(*to, b)
		}
	}
	err = s.EachBlob(func(b Blob) bool {
		switch {
		case !b.Own || b.Delivered && (!b.Small || b.SmallSent):
		case !b.Here || b.Damaged:
			add(&broken, b)
		case b.Original:
			add(&originals, b)
		default:
			add(&bring, b)
		}
		if b.Wanted && (!b.Here || b.Damaged) {
			add(&fetch, b)
		}
		return true
	})
	bring = slices.Concat(bring, originals, broken)
	return bring[:min(len(bring), most)], fetch, err
}

// Mark changes what is known of a file.
func (s *Store) Mark(ctx context.Context, code record.Village, h blob.Hash, change func(*Blob)) error {
	return s.update(ctx, true, func(t *tx) error {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		b, found, err := v.blob(h)
		if err != nil || !found {
			return err // it went meanwhile
		}
		change(&b)
		return v.putBlob(&b)
	})
}

// DeliveredBlob notes the server's receipt for a file; false: it proves nothing.
func (s *Store) DeliveredBlob(ctx context.Context, code record.Village, r blob.Receipt) (proved bool, err error) {
	d, err := s.Device()
	if err != nil {
		return false, err
	}
	return proved, s.Mark(ctx, code, r.Hash, func(b *Blob) {
		if proved = r.Proves(d.Server, b.Hash, uint64(b.Size)); proved {
			b.Delivered, b.Receipt, b.Upload = true, r, ""
		}
	})
}

// Want asks for a file that a record names and that is not here: the next sync fetches
// it. ErrNotFound where no record here shows it.
func (s *Store) Want(ctx context.Context, h blob.Hash, kind string) error {
	return s.update(ctx, true, func(t *tx) error {
		target := blob.Target(h)
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			if k, _ := v.b.Bucket(bucketRefers).Cursor().Seek(target[:]); !bytes.HasPrefix(k, target[:]) {
				continue
			}
			b, found, err := v.blob(h)
			if err != nil {
				return err
			}
			if !found {
				b = Blob{Village: code, Hash: h, BlobNote: BlobNote{Kind: kind}}
			}
			b.Wanted = true
			return v.putBlob(&b)
		}
		return ErrNotFound
	})
}

// ErrBlob says that a file that came is not what its name says.
var ErrBlob = errors.New("the file that came is not what its name says")

// PutBlob keeps a file that was asked for. ErrBlob where it is another.
func (s *Store) PutBlob(ctx context.Context, code record.Village, h blob.Hash, content io.Reader) error {
	sum := sha256.New()
	s.files.Lock()
	defer s.files.Unlock()
	size, err := s.sealFile(h, wholeFile, io.TeeReader(io.LimitReader(content, wire.MaxBlob+1), sum), func() error {
		if blob.Hash(sum.Sum(nil)) != h {
			return ErrBlob
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.update(ctx, true, func(t *tx) error {
		if err := t.soundBlob(h); err != nil {
			return err
		}
		v, err := t.village(code)
		if err != nil {
			return err
		}
		b, found, err := v.blob(h)
		if err != nil || !found {
			return err // it went meanwhile
		}
		b.Size, b.Wanted = size, false
		return v.putBlob(&b)
	})
}

// PutSmall keeps the small picture of a file that is not here.
func (s *Store) PutSmall(ctx context.Context, code record.Village, h blob.Hash, small []byte) error {
	s.files.Lock()
	defer s.files.Unlock()
	if _, err := s.sealFile(h, smallFile, bytes.NewReader(small), nil); err != nil {
		return err
	}
	return s.Mark(ctx, code, h, func(b *Blob) { b.Small = true })
}

// OpenBlob opens a file that is here, from a place on; size is that of the whole. The
// error is fs.ErrNotExist where it is not here, and ErrDamaged, perhaps of a read,
// where it is not as it was written.
func (s *Store) OpenBlob(h blob.Hash, offset int64) (r io.ReadCloser, size int64, err error) {
	o, size, err := s.openFile(h, wholeFile, offset)
	if err != nil {
		return nil, 0, err
	}
	return o, size, nil
}

// SmallBlob gives the small picture of a file, a JPEG. fs.ErrNotExist, ErrDamaged.
func (s *Store) SmallBlob(h blob.Hash) ([]byte, error) { return s.readFile(h, smallFile) }

// images gives the files that a record shows as it reads.
func images(f *form.Form, view merge.View) map[blob.Hash]bool {
	set := map[blob.Hash]bool{}
	if f == nil {
		return set
	}
	for _, fd := range f.Fields {
		if fd.Kind != form.Image {
			continue
		}
		for _, name := range view.Fields[fd.Name].Texts() {
			if h, _, ok := blob.ParseName(name); ok {
				set[h] = true
			}
		}
	}
	return set
}

// show lists which files a record shows, as refer lists whom it refers to. Of a record
// that was erased the files go that no other record shows.
func (v *village) show(f *form.Form, k record.Key, was, is merge.View, erased bool) error {
	before, now := images(f, was), images(f, is)
	b := v.b.Bucket(bucketRefers)
	for h := range before {
		if now[h] {
			continue
		}
		target := blob.Target(h)
		if err := b.Delete(referKey(target, k)); err != nil {
			return err
		}
		if !erased {
			continue
		}
		if other, _ := b.Cursor().Seek(target[:]); bytes.HasPrefix(other, target[:]) {
			continue
		}
		if err := v.dropBlob(h); err != nil {
			return err
		}
	}
	for h := range now {
		if before[h] {
			continue
		}
		if err := errors.Join(b.Put(referKey(blob.Target(h), k), nil), v.share(h)); err != nil {
			return err
		}
	}
	return v.fetchOffline(f, was, is)
}

// share takes a file that was added here in another village into this one, where a
// record names it now: it is to be brought for both.
func (v *village) share(h blob.Hash) error {
	if _, found, err := v.blob(h); found || err != nil {
		return err
	}
	for _, code := range v.t.villageCodes() {
		w, err := v.t.village(code)
		if err != nil {
			return err
		}
		if b, found, err := w.blob(h); err != nil {
			return err
		} else if found && b.Own {
			return errors.Join(v.putBlob(b.anew()), v.shareOriginals(w, h))
		}
	}
	return nil
}

// anew is what another village is to know of a file that was added here.
func (b *Blob) anew() *Blob {
	return &Blob{Hash: b.Hash, BlobNote: BlobNote{Kind: b.Kind, Size: b.Size, Name: b.Name, Taken: b.Taken, Width: b.Width, Height: b.Height, Added: b.Added, Of: b.Of, Since: b.Since}, Own: true, Small: b.Small, Original: b.Original}
}

// Loose gives the files that were added here and that no record shows, the newest first:
// dropped into the folder, or onto a form that was not saved.
func (s *Store) Loose() (list []Blob, err error) {
	err = s.view(func(t *tx) error {
		shown := map[blob.Hash]bool{}
		for n, err := range t.blobNotes() {
			if err != nil {
				return err
			}
			if n.raw[0]&blobOwn == 0 || n.raw[0]&blobOriginal != 0 {
				continue
			}
			target := blob.Target(n.h)
			if at, _ := n.v.b.Bucket(bucketRefers).Cursor().Seek(target[:]); bytes.HasPrefix(at, target[:]) {
				shown[n.h] = true
				continue
			}
			b, err := n.v.openBlob(n.h, n.raw)
			if err != nil {
				return err
			}
			list = append(list, b)
		}
		list = slices.DeleteFunc(list, func(b Blob) bool { return shown[b.Hash] || !b.Here })
		return nil
	})
	slices.SortFunc(list, func(a, b Blob) int { return cmp.Compare(b.Added, a.Added) })
	return list, err
}

// undelivered counts the files of the village's that are still to be brought, the
// originals apart.
func (v *village) undelivered() (files, originals Amount, err error) {
	bucket := v.b.Bucket(bucketBlob)
	if bucket == nil {
		return files, originals, nil
	}
	return files, originals, bucket.ForEach(func(k, raw []byte) error {
		if len(raw) >= blobHead && raw[0]&blobOwn != 0 && (raw[0]&blobDelivered == 0 || wire.Epoch(raw[1:blobHead]) != v.place.Epoch) {
			b, err := v.openBlob(blob.Hash(k), raw)
			if err != nil {
				return err
			}
			to := &files
			if b.Original {
				to = &originals
			}
			to.add(b.Size)
		}
		return nil
	})
}

// waitingBlobs tells whether a file of the village's is still to be delivered, or in no
// backup.
func (v *village) waitingBlobs() (waiting bool, err error) {
	bucket := v.b.Bucket(bucketBlob)
	if bucket == nil {
		return false, nil
	}
	return waiting, bucket.ForEach(func(k, raw []byte) error {
		b, err := v.openBlob(blob.Hash(k), raw)
		waiting = waiting || b.Own && b.Here && !(b.Delivered && b.Backed)
		return err
	})
}

// dropBlob forgets a file; what is on disk of it goes after the commit.
func (v *village) dropBlob(h blob.Hash) error {
	if err := v.dropOriginals(h); err != nil {
		return err
	}
	if notes := v.b.Bucket(bucketBlob); notes != nil {
		if err := notes.Delete(h[:]); err != nil {
			return err
		}
	}
	return v.t.removeBlob(h)
}

// removeBlob has a file removed from the disk, unless another village has it.
func (t *tx) removeBlob(h blob.Hash) error {
	b, err := t.CreateBucketIfNotExists(bucketGone)
	if err != nil {
		return err
	}
	t.OnCommit(t.s.sweepSoon)
	return b.Put(h[:], nil)
}

// forgetBlobs has a village's files removed.
func (t *tx) forgetBlobs(code record.Village) error {
	v, err := t.village(code)
	if err != nil || v == nil || v.b.Bucket(bucketBlob) == nil {
		return err
	}
	return v.b.Bucket(bucketBlob).ForEach(func(k, _ []byte) error { return t.removeBlob(blob.Hash(k)) })
}

// sweepSoon has the files removed that are to go.
func (s *Store) sweepSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(filepath.Join(s.dir, blobDir)); err == nil && !s.closed {
		s.healing.Go(func() { s.sweepBlobs() }) // what fails is tried again with the next start
	}
}

// sweepBlobs removes the files that are to go, and of what no note is here takes note:
// a crash may come between a file and its note, and a store that was made anew has none.
// Nothing is removed because nothing is known of it.
func (s *Store) sweepBlobs() error {
	s.files.Lock()
	defer s.files.Unlock()
	entries, err := os.ReadDir(filepath.Join(s.dir, blobDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known, gone := map[blob.Hash]bool{}, map[blob.Hash]bool{}
	if err := s.EachBlob(func(b Blob) bool { known[b.Hash] = true; return true }); err != nil {
		return err
	}
	if err := s.view(func(t *tx) error {
		if b := t.Bucket(bucketGone); b != nil {
			return b.ForEach(func(k, _ []byte) error { gone[blob.Hash(k)] = true; return nil })
		}
		return nil
	}); err != nil {
		return err
	}
	var found []blob.Hash
	for _, e := range entries {
		name, _, extra := strings.Cut(e.Name(), ".")
		h, ok := blob.ParseHash(name)
		switch {
		case strings.HasPrefix(e.Name(), ".new-"), ok && gone[h] && !known[h]:
			if err := os.Remove(filepath.Join(s.dir, blobDir, e.Name())); err != nil {
				return err
			}
		case ok && !known[h] && !extra:
			found = append(found, h)
		}
	}
	if len(gone)+len(found) == 0 {
		return nil
	}
	return s.update(context.Background(), false, func(t *tx) error {
		if b := t.Bucket(bucketGone); b != nil {
			for h := range gone {
				if err := b.Delete(h[:]); err != nil {
					return err
				}
			}
		}
		for _, h := range found {
			if err := t.adopt(h); err != nil {
				return err
			}
		}
		return nil
	})
}

// adopt takes note of a file that is here: in the village that shows it, or else the
// laptop's first.
func (t *tx) adopt(h blob.Hash) error {
	d, err := t.dev()
	if err != nil {
		return err
	}
	target := blob.Target(h)
	var at *village
	for _, code := range t.villageCodes() {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		if k, _ := v.b.Bucket(bucketRefers).Cursor().Seek(target[:]); bytes.HasPrefix(k, target[:]) {
			at = v
			break
		}
	}
	if at == nil && len(d.Assigned.Villages) > 0 {
		if at, err = t.village(d.Assigned.Villages[0].Code); err != nil {
			return err
		}
	}
	if at == nil {
		return nil // nobody is enrolled here
	}
	f, size, err := t.s.openFile(h, wholeFile, 0)
	if err != nil {
		return nil // it is damaged, and stays
	}
	defer f.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	kind := "bin"
	if http.DetectContentType(start[:n]) == "image/jpeg" {
		kind = "jpg"
	}
	_, serr := os.Stat(t.s.blobPath(h, smallFile))
	return at.putBlob(&Blob{Hash: h, BlobNote: BlobNote{Kind: kind, Size: size}, Own: true, Small: serr == nil})
}
