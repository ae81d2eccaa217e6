package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"zhucun/shared/identity"
)

// A page that has lost its last entries is a page like any other to bbolt. Where it was
// one of records or of a journal, the inspection finds that some are missing.
func TestInspectCounts(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for range 60 {
		save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨，雨季以前要修好；老人的药快用完了")})
	}
	dir := s.Dir()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Inspect(dir); err != nil {
		t.Fatal(err)
	}
	count := func() (visits, journal uint64) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.View(func(b *bbolt.Tx) error {
			visits, journal = 60, 60
			if root := b.Bucket(bucketVillage); root == nil || root.Bucket([]byte(code)) == nil {
				return nil // it was another page
			}
			v, err := (&tx{Tx: b}).village(code)
			if err == nil && v.owns[v.writing] != nil {
				visits, journal = entries(v.b.Bucket(recordBucket("visit"))), entries(v.log(v.writing))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return visits, journal
	}
	fewerVisits, fewerEntries := 0, 0
	for page := 2; page < len(sound)/os.Getpagesize(); page++ {
		at := page * os.Getpagesize()
		const leaf = 2
		flags, n := binary.LittleEndian.Uint16(sound[at+8:]), binary.LittleEndian.Uint16(sound[at+10:])
		if flags != leaf || n < 4 {
			continue
		}
		broken := append([]byte(nil), sound...)
		binary.LittleEndian.PutUint16(broken[at+10:], n-1)
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if visits, journal := count(); visits < 60 {
			fewerVisits++
		} else if journal < 60 {
			fewerEntries++
		} else {
			continue
		}
		if err := Inspect(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("page %d has lost an entry: %v", page, err)
		}
	}
	if fewerVisits == 0 || fewerEntries == 0 {
		t.Errorf("%d pages of records and %d of a journal lost something", fewerVisits, fewerEntries)
	}
}
