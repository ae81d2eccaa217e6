package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zhucun/shared/identity"
)

// A page says that what it has is far behind the file's end. Whoever reads there
// is told that the file is damaged, and the process goes on.
func TestPagePointsOutside(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	if err := fill(s, 300); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(s.Dir(), fileName))
	if err != nil {
		t.Fatal(err)
	}
	const page, head, leaf = 4096, 16, 2
	told, pages := 0, 0
	for at := 2 * page; at < len(whole); at += page {
		if binary.LittleEndian.Uint16(whole[at+8:]) != leaf || binary.LittleEndian.Uint16(whole[at+10:]) == 0 {
			continue
		}
		pages++
		bad := append([]byte(nil), whole...)
		bad[at+head+7] = 0x40 // where the first key is, from here
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{Key: make([]byte, KeySize), NoSync: true})
		if err == nil {
			_, err = s.Verify(true)
			_ = s.Close()
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("page %d: %v", at/page, err)
		}
		if err != nil {
			told++
		}
	}
	if told == 0 {
		t.Errorf("none of %d pages was read", pages)
	}
}

// The page that lists the free ones is not what it was, and bbolt panics while it
// opens the file. Nobody holds the file then: whoever opens it next is told again that
// it is damaged, not that it is in use.
func TestOpenLetsGo(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir(), fileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page, free = 4096, 0x10
	lists := 0
	for at := 2 * page; at < len(raw); at += page {
		if binary.LittleEndian.Uint16(raw[at+8:]) == free {
			raw[at+9] ^= 1
			lists++
		}
	}
	if lists == 0 {
		t.Fatal("there is no list of free pages")
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if db, _, err := openFile(path, Options{Key: make([]byte, KeySize)}.filled()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%v, %v", db, err)
		}
	}
}
