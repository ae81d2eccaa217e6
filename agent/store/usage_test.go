package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// What is told of the disk comes to what lies there, and what is made room of is nobody's
// work: colleagues' photos, which the office has.
func TestUsage(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	raw := content(3000)
	own := addBlob(t, s, raw)
	if _, err := s.AddBlob(ctx, code, BlobNote{Kind: "jpg", Of: []blob.Hash{own.Hash}}, content(9000), nil); err != nil {
		t.Fatal(err)
	}
	fetched := func(raw []byte) blob.Hash {
		h := blob.Hash(sha256.Sum256(raw))
		if err := s.update(ctx, true, func(tx *tx) error {
			v, err := tx.village(code)
			if err != nil {
				return err
			}
			return v.putBlob(&Blob{Village: code, Hash: h, BlobNote: BlobNote{Kind: "jpg"}})
		}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.PutBlob(ctx, code, h, bytes.NewReader(raw)), s.PutSmall(ctx, code, h, []byte("small"))); err != nil {
			t.Fatal(err)
		}
		return h
	}
	theirs := fetched(content(5000))
	// One that came from the office, and that somebody here then added himself.
	both := fetched(content(6000))
	if _, err := s.AddBlob(ctx, code, BlobNote{Kind: "jpg"}, content(6000), nil); err != nil {
		t.Fatal(err)
	}
	// And one of this laptop's that a second village has from a colleague.
	const second = record.Village("369999000002")
	if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Villages = append(d.Assigned.Villages, wire.Village{Code: second}) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddBlob(ctx, second, BlobNote{Kind: "jpg"}, raw, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Mark(ctx, second, own.Hash, func(b *Blob) { b.Own = false }); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"records.db.replaced-20171127-1": 700, "bundles/a.zcb": 600, "courier/replies/b.zcb": 500, "inbox/done/c.xlsx": 400} {
		path := filepath.Join(s.Dir(), filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, n), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.KeepDraft(ctx, Draft{ID: "0", Typed: 1}); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	all := int64(0)
	if err := filepath.WalkDir(s.Dir(), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, ierr := d.Info()
			if err = ierr; err == nil {
				all += info.Size()
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if u.All() != all {
		t.Errorf("%d bytes are told, %d lie there", u.All(), all)
	}
	near := func(what string, got, want int64) {
		t.Helper()
		if got < want || got > want+200 {
			t.Errorf("%s: %d, want %d and some", what, got, want)
		}
	}
	near("own", u.Own, 3000+6000)
	near("originals", u.Originals, 9000)
	near("others", u.Others, 5000)
	if u.Aside != 700 || u.Bundles != 600 || u.Courier != 500 || u.Inbox != 400 || u.Drafts != 1 || u.OthersFiles != 1 || u.Previews == 0 || u.Data == 0 {
		t.Errorf("%+v", u)
	}

	files, size, err := s.DropOthers(ctx)
	if err != nil || files != 1 || size != u.Others {
		t.Errorf("%d files of %d bytes went, %v", files, size, err)
	}
	if b, err := s.Blob(theirs); err != nil || b.Here || !b.Small || b.Damaged {
		t.Errorf("the colleague's: %+v, %v", b, err)
	}
	for _, h := range []blob.Hash{own.Hash, both} {
		if b, err := s.Blob(h); err != nil || !b.Here || b.Delivered {
			t.Errorf("an own one: %+v, %v", b, err)
		}
	}
	if faults, read, err := s.CheckBlobs(ctx, false); err != nil || len(faults) > 0 || read != 4 {
		t.Errorf("%+v, %d read, %v", faults, read, err)
	}
	if after, err := s.Usage(); err != nil || after.Others != 0 || after.OthersFiles != 0 || after.Own != u.Own || after.Originals != u.Originals || after.Previews != u.Previews || after.Aside != u.Aside {
		t.Errorf("%+v, %v", after, err)
	}
	// It can be had again.
	k := save(t, s, Edit{Village: code, Type: "visit", Fields: map[string]record.Value{"photos": record.Set([]string{blob.Name(theirs, "jpg")})}})
	if err := s.Want(ctx, theirs, "jpg"); err != nil {
		t.Errorf("asked for again, for %s: %v", k.Key.ID, err)
	}
	if _, fetch, err := s.Undelivered(10); err != nil || len(fetch) != 1 {
		t.Errorf("%d are fetched, %v", len(fetch), err)
	}
}
