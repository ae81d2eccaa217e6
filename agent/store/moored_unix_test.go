//go:build unix

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// The data file is removed while it is open. What was saved before and after is in the
// one that is put back: with the next save, or when the agent ends.
func TestRemovedWhileOpen(t *testing.T) {
	for _, saved := range []bool{true, false} {
		s := enrolled(t, identity.TeamMember)
		keys := []record.Key{save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key}
		if err := os.Remove(filepath.Join(s.Dir(), fileName)); err != nil {
			t.Fatal(err)
		}
		if saved {
			keys = append(keys, save(t, s, Edit{Type: "visit", Fields: fields("findings", "后来写的")}).Key)
			healed(t, s)
			keys = append(keys, save(t, s, Edit{Type: "visit", Fields: fields("findings", "放回以后写的")}).Key)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.Dir(), Options{Key: make([]byte, KeySize), NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			read(t, again, k)
		}
		soundNow(t, again)
		if left, _ := filepath.Glob(filepath.Join(s.Dir(), halfBackup)); len(left) > 0 {
			t.Errorf("it left %v", left)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Another file comes to its name. Both are kept, nothing more is acknowledged, and the
// person is told.
func TestReplacedWhileOpen(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key
	path := filepath.Join(s.Dir(), fileName)
	if err := os.WriteFile(path+".other", []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".other", path); err != nil {
		t.Fatal(err)
	}
	_, err := s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "后来写的")})
	if !errors.Is(err, ErrReplaced) || !strings.Contains(Sentence(err, form.En), "replaced by another") {
		t.Errorf("it says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "another" {
		t.Errorf("the other file is %q, %v", raw, err)
	}
	aside, err := filepath.Glob(path + ".replaced-*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("%v, %v", aside, err)
	}
	if err := os.Rename(aside[0], path); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.Dir(), Options{Key: make([]byte, KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	read(t, again, k)
}
