package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"slices"
	"time"

	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Blob is a file that a village has: who has the village may have it. Two villages that
// have the same file know nothing of each other.
type Blob struct {
	Village record.Village
	Hash    blob.Hash
	Kind    string
	Size    int64 // bytes
	Device  identity.Device
	Receipt blob.Receipt
	// WrittenOff tells of one that was lost that nobody waits for it any more.
	WrittenOff bool
	// Of are photos that it is the original of, where it is being taken.
	Of []blob.Hash
}

const blobColumns = `village_id, hash, kind, size, device_id, received, receipt, written_off`

func scanBlob(r interface{ Scan(...any) error }) (b Blob, err error) {
	var hash []byte
	var at, off int64
	if err := r.Scan(&b.Village, &hash, &b.Kind, &b.Size, &b.Device, &at, &b.Receipt.Sig, &off); err != nil {
		return b, err
	}
	copy(b.Hash[:], hash)
	b.WrittenOff = off > 0
	b.Receipt.Hash, b.Receipt.Size, b.Receipt.Received = b.Hash, uint64(b.Size), milli(at)
	return b, nil
}

// Blob gives a file of a village. ErrNotFound.
func (s *Store) Blob(ctx context.Context, v record.Village, h blob.Hash) (b Blob, err error) {
	err = s.look(ctx, func(t *tx) error {
		b, err = scanBlob(t.row(`SELECT `+blobColumns+` FROM blob WHERE village_id = $1 AND hash = $2`, v, h[:]))
		return err
	})
	return b, found(err)
}

// TakeBlob notes that a village has a file, which must lie in the store's files, and
// gives what there is: the first word on a file stands. A village that is not known is
// ErrNotFound; of one that was erased nothing is noted: ErrErasedFile.
func (s *Store) TakeBlob(ctx context.Context, b Blob) (Blob, error) {
	b.Receipt = blob.Receipt{Hash: b.Hash, Size: uint64(b.Size), Received: clock.At0(s.now())}
	b.Receipt.Seal(s.Key)
	err := s.change(ctx, func(t *tx) error {
		var n int
		if err := t.row(`SELECT count(*) FROM village_head WHERE village_id = $1`, b.Village).Scan(&n); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		of, err := t.left(b.Village, b.Hash, b.Of)
		if err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO blob(`+blobColumns+`) VALUES($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT(village_id, hash) DO UPDATE SET written_off = 0`,
			b.Village, b.Hash[:], b.Kind, b.Size, b.Device, b.Receipt.Received.Milli(), b.Receipt.Sig); err != nil {
			return err
		}
		if err := t.tie(b.Village, b.Hash, of); err != nil {
			return err
		}
		b, err = scanBlob(t.row(`SELECT `+blobColumns+` FROM blob WHERE village_id = $1 AND hash = $2`, b.Village, b.Hash[:]))
		return err
	})
	if err == nil {
		err = s.followFile(ctx, b.Village, b.Hash)
	}
	return b, err
}

// Thumbnail gives the small picture that came for a file, a JPEG. ErrNotFound.
func (s *Store) Thumbnail(ctx context.Context, v record.Village, h blob.Hash) (body []byte, err error) {
	err = s.look(ctx, func(t *tx) error {
		return t.row(`SELECT body FROM thumbnail WHERE village_id = $1 AND hash = $2`, v, h[:]).Scan(&body)
	})
	return body, found(err)
}

// PutThumbnail keeps the small picture of a file; the first one stands.
func (s *Store) PutThumbnail(ctx context.Context, v record.Village, h blob.Hash, body []byte) error {
	err := s.change(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO thumbnail(village_id, hash, body) VALUES($1, $2, $3) ON CONFLICT(village_id, hash) DO NOTHING`, v, h[:], body)
	})
	if err == nil {
		err = s.followFile(ctx, v, h)
	}
	return err
}

// Upload is a file on its way in.
type Upload struct {
	Village record.Village
	ID      string
	Device  identity.Device
	Hash    *blob.Hash // nil where the sender did not say
	Kind    string
	Size    int64 // bytes, of the whole
	Expires time.Time
	Of      []blob.Hash // photos that it is the original of
}

const uploadColumns = `village_id, upload_id, device_id, hash, kind, size, expires, original`

func scanUpload(r interface{ Scan(...any) error }) (u Upload, err error) {
	var hash, of []byte
	var at int64
	if err := r.Scan(&u.Village, &u.ID, &u.Device, &hash, &u.Kind, &u.Size, &at, &of); err != nil {
		return u, err
	}
	for h := range slices.Chunk(of, len(blob.Hash{})) {
		u.Of = append(u.Of, blob.Hash(h))
	}
	if len(hash) == len(blob.Hash{}) {
		u.Hash = new(blob.Hash(hash))
	}
	u.Expires = time.UnixMilli(at)
	return u, nil
}

// BeginUpload notes a file that is on its way, at most so many of one device in a
// village; the oldest is given up for it. IDs are the caller's to draw, in order of time.
func (s *Store) BeginUpload(ctx context.Context, u Upload, most int) error {
	var given []string
	var of []byte
	for _, h := range u.Of {
		of = append(of, h[:]...)
	}
	err := s.change(ctx, func(t *tx) error {
		given = nil
		if err := t.exec(`INSERT INTO upload(`+uploadColumns+`) VALUES($1, $2, $3, $4, $5, $6, $7, $8)`, u.Village, u.ID, u.Device, hashOf(u.Hash), u.Kind, u.Size, u.Expires.UnixMilli(), of); err != nil {
			return err
		}
		var ids []string
		if err := t.rows(func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT upload_id FROM upload WHERE village_id = $1 AND device_id = $2 ORDER BY upload_id DESC`, u.Village, u.Device); err != nil {
			return err
		}
		given = ids[min(most, len(ids)):]
		for _, id := range given {
			if err := t.exec(`DELETE FROM upload WHERE village_id = $1 AND upload_id = $2`, u.Village, id); err != nil {
				return err
			}
		}
		return nil
	})
	for _, id := range given {
		err = errors.Join(err, s.Files.Drop(id))
	}
	return err
}

func hashOf(h *blob.Hash) any {
	if h == nil {
		return nil
	}
	return h[:]
}

// Upload gives a file on its way. ErrNotFound, also where it has run out.
func (s *Store) Upload(ctx context.Context, v record.Village, id string) (u Upload, err error) {
	err = s.look(ctx, func(t *tx) error {
		u, err = scanUpload(t.row(`SELECT `+uploadColumns+` FROM upload WHERE village_id = $1 AND upload_id = $2 AND expires > $3`, v, id, s.now()))
		return err
	})
	return u, found(err)
}

// ExtendUpload gives a file on its way more time.
func (s *Store) ExtendUpload(ctx context.Context, u Upload) error {
	return s.change(ctx, func(t *tx) error {
		return t.exec(`UPDATE upload SET expires = $3 WHERE village_id = $1 AND upload_id = $2`, u.Village, u.ID, u.Expires.UnixMilli())
	})
}

// MayBring tells whether a device may bring files for a village: it has it, or has
// written there.
func (s *Store) MayBring(ctx context.Context, d *Device, v record.Village) (may bool, err error) {
	if slices.Contains(d.Villages, v) {
		return true, nil
	}
	err = s.look(ctx, func(t *tx) error {
		return t.row(`SELECT count(*) > 0 FROM stream WHERE village_id = $1 AND device_id = $2`, v, d.ID).Scan(&may)
	})
	return may, err
}

// EndUpload forgets a file on its way: it is here, or was given up.
func (s *Store) EndUpload(ctx context.Context, u Upload) error {
	return s.change(ctx, func(t *tx) error {
		return t.exec(`DELETE FROM upload WHERE village_id = $1 AND upload_id = $2`, u.Village, u.ID)
	})
}

// SweepUploads forgets what has run out, and what has come of it.
func (s *Store) SweepUploads(ctx context.Context, keep time.Duration) error {
	heads, err := s.Heads(ctx)
	if err != nil {
		return err
	}
	villages := []record.Village{wire.BundleUploads}
	for _, h := range heads {
		villages = append(villages, h.Village)
	}
	for _, v := range villages {
		err = errors.Join(err, s.change(ctx, func(t *tx) error {
			return t.exec(`DELETE FROM upload WHERE village_id = $1 AND expires <= $2`, v, s.now())
		}))
	}
	return errors.Join(err, s.Files.Sweep(s.Now().Add(-keep)))
}

// Showing gives the records of a village that show a file.
func (s *Store) Showing(ctx context.Context, v record.Village, h blob.Hash) (list []record.ID, err error) {
	target := blob.Target(h)
	err = s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var text string
			if err := r.Scan(&text); err != nil {
				return err
			}
			id, err := record.ParseID(text)
			list = append(list, id)
			return err
		}, `SELECT record_id FROM shown WHERE village_id = $1 AND target = $2 ORDER BY record_id`, v, target[:])
	})
	return list, err
}

// shows gives the files that a record shows as it reads, each once.
func shows(f *form.Form, view *merge.View) (list []record.ID) {
	if f == nil {
		return nil
	}
	for _, fd := range f.Fields {
		if fd.Kind != form.Image {
			continue
		}
		for _, name := range view.Fields[fd.Name].Texts() {
			if h, _, ok := blob.ParseName(name); ok && !slices.Contains(list, blob.Target(h)) {
				list = append(list, blob.Target(h))
			}
		}
	}
	slices.SortFunc(list, func(a, b record.ID) int { return slices.Compare(a[:], b[:]) })
	return list
}

// show notes which files a record shows.
func (b *batch) show(f *form.Form, id string, w *working, view *merge.View) error {
	if !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.Kind == form.Image }) {
		return nil
	}
	now := shows(f, view)
	if w.stored {
		if err := b.t.exec(`DELETE FROM shown WHERE village_id = $1 AND record_id = $2`, b.village, id); err != nil {
			return err
		}
	}
	for _, target := range now {
		if err := b.t.exec(`INSERT INTO shown(village_id, target, record_id) VALUES($1, $2, $3)`, b.village, target[:], id); err != nil {
			return err
		}
	}
	return nil
}

// shown compares which records show which files with what they say.
func (v *verifier) shown() error {
	type use struct{ target, id record.ID }
	want := map[use]bool{}
	for id, w := range v.batch.records {
		f := v.s.forms.Form(w.typ)
		view := merge.Read(f, w.state)
		for _, target := range shows(f, &view) {
			want[use{target, id}] = true
		}
	}
	err := v.t.rows(func(r *sql.Rows) error {
		var raw []byte
		var text string
		if err := r.Scan(&raw, &text); err != nil {
			return err
		}
		var u use
		copy(u.target[:], raw)
		u.id, _ = record.ParseID(text)
		if !want[u] {
			v.fault("记录 %s 列为用到文件 %x，其实没有", "record %s is listed as showing %x, and does not", text, raw)
		}
		delete(want, u)
		return nil
	}, `SELECT target, record_id FROM shown WHERE village_id = $1`, v.village)
	for u := range want {
		v.fault("记录 %s 用到文件 %x，却没有列出", "record %s shows %x, and is not listed so", u.id, u.target[:])
	}
	return err
}

// eraseFiles takes from the village what an erased record alone had shown, with its
// originals, and gives until when it had come. The files go with DropFiles, where no other
// village has them.
func (b *batch) eraseFiles(id record.ID, names map[blob.Hash]bool) (gone map[blob.Hash]clock.Time, err error) {
	gone = map[blob.Hash]clock.Time{}
	for h := range names {
		if err := b.eraseFile(id, h, gone); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

func (b *batch) eraseFile(id record.ID, h blob.Hash, gone map[blob.Hash]clock.Time) error {
	target := blob.Target(h)
	var others int
	if err := b.t.row(`SELECT count(*) FROM shown WHERE village_id = $1 AND target = $2 AND record_id <> $3`, b.village, target[:], id.String()).Scan(&others); err != nil || others > 0 {
		return err
	}
	if err := b.t.exec(`INSERT INTO erased_file(village_id, hash) VALUES($1, $2) ON CONFLICT DO NOTHING`, b.village, h[:]); err != nil {
		return err
	}
	x, err := scanBlob(b.t.row(`SELECT `+blobColumns+` FROM blob WHERE village_id = $1 AND hash = $2`, b.village, h[:]))
	if err = found(err); err == nil {
		gone[h] = x.Receipt.Received
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	for _, table := range []string{"blob", "thumbnail"} {
		if err := b.t.exec(`DELETE FROM `+table+` WHERE village_id = $1 AND hash = $2`, b.village, h[:]); err != nil {
			return err
		}
	}
	return b.eraseOriginals(id, h, gone)
}

// ErasedFile tells whether a file was in a record of the village that was erased, and no
// record shows it. It may be here all the same: what came before it was erased goes then.
func (s *Store) ErasedFile(ctx context.Context, v record.Village, h blob.Hash) (erased bool, err error) {
	err = s.look(ctx, func(t *tx) error {
		erased, err = t.erasedFile(v, h)
		return err
	})
	return erased, err
}

func (t *tx) erasedFile(v record.Village, h blob.Hash) (erased bool, err error) {
	target := blob.Target(h)
	return erased, t.row(`SELECT count(*) > 0 FROM erased_file WHERE village_id = $1 AND hash = $2
		AND NOT EXISTS (SELECT 1 FROM shown WHERE village_id = $1 AND target = $3)`, v, h[:], target[:]).Scan(&erased)
}

// ErrErasedFile says that a file was in a record that was erased by law, or is the
// original of such ones alone.
var ErrErasedFile = errors.New("the file's record was erased by law")

// left gives those of the photos that a file is the original of that were not erased.
// ErrErasedFile where it is not to be here.
func (t *tx) left(v record.Village, h blob.Hash, of []blob.Hash) (left []blob.Hash, err error) {
	for _, photo := range of {
		erased, err := t.erasedFile(v, photo)
		if err != nil {
			return nil, err
		}
		if !erased {
			left = append(left, photo)
		}
	}
	if len(of) > 0 && len(left) == 0 {
		return nil, ErrErasedFile
	}
	if erased, err := t.erasedFile(v, h); err != nil || erased && len(left) == 0 {
		return nil, errors.Join(err, ErrErasedFile)
	}
	return left, nil
}

// unnoted is how long after its last byte a file that came again may not be noted yet.
const unnoted = time.Minute

// DropFiles removes files that erasing took from the villages, where none has them any
// more. One that has just come again goes by the hour, as others do.
func (s *Store) DropFiles(ctx context.Context, gone map[blob.Hash]clock.Time) error {
	if s.Files == nil {
		return nil
	}
	for h, until := range gone {
		held, err := s.held(ctx, h)
		if err != nil {
			return err
		}
		at, err := s.Files.Changed(h)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if held || err == nil && at.UnixMilli() > until.Milli() && s.Now().Sub(at).Abs() < unnoted {
			continue
		}
		if err := s.Files.Remove(h); err != nil {
			return err
		}
	}
	return nil
}

// unheld is how long a file may lie that no village has: between its last byte and the
// note of it.
const unheld = time.Hour

// forgetFiles removes the files that no village has any more. false: one is too new to
// tell it from one that has just come.
func (s *Store) forgetFiles(ctx context.Context) (done bool, err error) {
	if s.Files == nil {
		return true, nil
	}
	done = true
	var gone []blob.Hash
	if err := s.Files.Each(func(h blob.Hash, _ int64) error {
		held, err := s.held(ctx, h)
		if err == nil && !held {
			gone = append(gone, h)
		}
		return err
	}); err != nil {
		return false, err
	}
	aside, err := s.Files.Damaged()
	if err != nil {
		return false, err
	}
	for _, h := range aside {
		if held, err := s.held(ctx, h); err != nil {
			return false, err
		} else if !held && !slices.Contains(gone, h) {
			gone = append(gone, h)
		}
	}
	for _, h := range gone {
		if at, err := s.Files.Changed(h); err == nil && s.Now().Sub(at).Abs() < unheld || err != nil && !errors.Is(err, fs.ErrNotExist) {
			done = false
			continue
		}
		if err := s.Files.Remove(h); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return done, nil
}

// held tells whether any village has a file.
func (s *Store) held(ctx context.Context, h blob.Hash) (bool, error) {
	var n int
	err := s.look(ctx, func(t *tx) error {
		return t.row(`SELECT count(*) FROM blob WHERE village_id IN (SELECT village_id FROM village_head) AND hash = $1`, h[:]).Scan(&n)
	})
	return n > 0, err
}

// blobs calls yield with every file that a village has.
func (s *Store) blobs(ctx context.Context, yield func(Blob)) error {
	heads, err := s.Heads(ctx)
	if err != nil {
		return err
	}
	for _, head := range heads {
		if err := s.look(ctx, func(t *tx) error {
			return t.rows(func(r *sql.Rows) error {
				b, err := scanBlob(r)
				if err == nil {
					yield(b)
				}
				return err
			}, `SELECT `+blobColumns+` FROM blob WHERE village_id = $1 ORDER BY hash`, head.Village)
		}); err != nil {
			return err
		}
	}
	return nil
}

// BlobsNoted gives the files that are to be here.
func (s *Store) BlobsNoted(ctx context.Context) (noted map[blob.Hash]bool, err error) {
	noted = map[blob.Hash]bool{}
	return noted, s.blobs(ctx, func(b Blob) {
		if !b.WrittenOff {
			noted[b.Hash] = true
		}
	})
}

// ErrHere says that a file is here; one that is damaged a backup or Verify sets aside.
var ErrHere = errors.New("the file is here")

// WriteOff notes that a file that was lost is not expected any more: nothing asks for it.
// The records name it still, its thumbnail stays, and when it comes after all it is taken.
// It gives the villages that had it. ErrNotFound, ErrHere.
func (s *Store) WriteOff(ctx context.Context, h blob.Hash, reason string) (villages []record.Village, err error) {
	if _, err := s.Files.Size(h); err == nil {
		return nil, ErrHere
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := s.blobs(ctx, func(b Blob) {
		if b.Hash == h {
			villages = append(villages, b.Village)
		}
	}); err != nil {
		return nil, err
	}
	if len(villages) == 0 {
		return nil, ErrNotFound
	}
	for i, v := range villages {
		if err := s.change(ctx, func(t *tx) error {
			if err := t.exec(`UPDATE blob SET written_off = $3 WHERE village_id = $1 AND hash = $2`, v, h[:], s.now()); err != nil || i > 0 {
				return err
			}
			return t.note(s, s.Now(), &Note{Act: "writeoff", Subject: h.String(), Reason: reason})
		}); err != nil {
			return nil, err
		}
	}
	return villages, nil
}

// Lose notes that a file is missing or damaged, and gives which villages have it and
// where what is left of it is now, if anything. The laptops that ask are told that it is
// not here. It counts as received now: when it comes again it is in none of the backups
// made before.
func (s *Store) Lose(ctx context.Context, h blob.Hash) (list []Blob, aside string, err error) {
	if err := s.blobs(ctx, func(b Blob) {
		if b.Hash == h {
			list = append(list, b)
		}
	}); err != nil {
		return nil, "", err
	}
	for i := range list {
		b := &list[i]
		b.Receipt.Received = clock.At0(s.now())
		b.Receipt.Seal(s.Key)
		if err := s.change(ctx, func(t *tx) error {
			return t.exec(`UPDATE blob SET received = $3, receipt = $4 WHERE village_id = $1 AND hash = $2`, b.Village, h[:], b.Receipt.Received.Milli(), b.Receipt.Sig)
		}); err != nil {
			return nil, "", err
		}
	}
	// What cannot be read stays where it is.
	if aside, err = s.Files.Aside(h); err != nil {
		s.Log.Warn("a file was not set aside", "file", h, "error", err)
	}
	return list, aside, nil
}

// VerifyBlobs compares the files with what the villages have, reports what is missing
// or not what its name says, and notes it.
func (s *Store) VerifyBlobs(ctx context.Context, report func(Fault)) (files int, err error) {
	if s.Files == nil {
		return 0, nil
	}
	// First what there should be: what comes meanwhile is no fault.
	var noted []Blob
	if err := s.blobs(ctx, func(b Blob) { noted = append(noted, b) }); err != nil {
		return 0, err
	}
	bad := map[blob.Hash]bool{}
	here := map[blob.Hash]int64{}
	if files, err = s.Files.Verify(ctx, func(h blob.Hash) { bad[h] = true }); err != nil {
		return files, err
	}
	if err := s.Files.Each(func(h blob.Hash, size int64) error { here[h] = size; return nil }); err != nil {
		return files, err
	}
	lost := map[blob.Hash]bool{}
	for _, b := range noted {
		switch size, there := here[b.Hash]; {
		case !there && b.WrittenOff:
			continue
		case !there:
			if _, err := s.Blob(ctx, b.Village, b.Hash); errors.Is(err, ErrNotFound) {
				continue // it was erased meanwhile
			}
			report(Fault{b.Village, said("文件 %s 缺失", "the file %s is missing", b.Hash)})
		case bad[b.Hash] || size != b.Size:
			report(Fault{b.Village, said("文件 %s 已损坏", "the file %s is damaged", b.Hash)})
		default:
			continue
		}
		lost[b.Hash] = true
	}
	for h := range lost {
		if _, _, err := s.Lose(ctx, h); err != nil {
			return files, err
		}
	}
	return files, nil
}
