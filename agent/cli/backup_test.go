package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zhucun/agent/store"
	"zhucun/agent/vault"
)

// restoring gives a laptop whose store is to be replaced, its key, the backup of
// another, and the vault's note that goes along with that.
func restoring(t *testing.T) (dir string, key []byte, backup string, note []byte) {
	t.Helper()
	other := laptop(t)
	v, err := vault.Open(other.dir, settings())
	if err != nil {
		t.Fatal(err)
	}
	if note, err = v.Note(); err != nil {
		t.Fatal(err)
	}
	backup = filepath.Join(t.TempDir(), "a.zcbackup")
	if _, err := other.store.Backup(backup, note, nil); err != nil {
		t.Fatal(err)
	}
	dir = laptopAt(t)
	return dir, keyOf(t, dir), backup, note
}

// A restore that fails behind the vault's note leaves the note that was there; one that
// was cut off there leaves a store that opens, by whatever way its key is kept.
func TestRestoreFails(t *testing.T) {
	dir, key, backup, _ := restoring(t)
	// Neither has the store a second name nor is the name between free.
	file := filepath.Join(dir, storeFile)
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700), os.MkdirAll(filepath.Join(file+".rebuilt", "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if code, _, said := cmd(t, "", "restore", backup, "--data", dir); code == 0 {
		t.Fatal(said)
	}
	v, err := vault.Open(dir, settings())
	if err != nil || !v.Fits(key) {
		t.Errorf("the note is another's: %v", err)
	}
	bare := t.TempDir()
	if err := os.MkdirAll(filepath.Join(bare, storeFile, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(bare, storeFile+".rebuilt", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, said := cmd(t, "", "restore", backup, "--data", bare); code == 0 {
		t.Fatal(said)
	}
	if _, err := vault.Open(bare, settings()); !errors.Is(err, vault.ErrNone) {
		t.Errorf("where no note was: %v", err)
	}
}

func TestRestoreCutOff(t *testing.T) {
	for name, passphrase := range map[string]string{"without a passphrase": "", "with one": "一二三四五六七八"} {
		t.Run(name, func(t *testing.T) {
			dir, key, _, note := restoring(t)
			v, err := vault.Open(dir, settings())
			if err != nil {
				t.Fatal(err)
			}
			if passphrase != "" {
				if err := v.SetPassphrase(key, []byte(passphrase)); err != nil {
					t.Fatal(err)
				}
				typed := filepath.Join(t.TempDir(), "passphrase")
				if err := os.WriteFile(typed, []byte(passphrase), 0o600); err != nil {
					t.Fatal(err)
				}
				t.Setenv(passphraseVar, typed)
			}
			if aside, err := vault.Adopt(dir, settings(), note); err != nil || aside == "" {
				t.Fatal(aside, err)
			}
			if _, got, err := newLock(dir).open([]byte(passphrase)); err != nil || !bytes.Equal(got, key) {
				t.Errorf("by the page: %v", err)
			}
			if _, err := vault.Adopt(dir, settings(), note); err != nil {
				t.Fatal(err)
			}
			got, err := (&call{data: dir}).dataKey()
			if err != nil || !bytes.Equal(got, key) || !store.Fits(dir, got) {
				t.Errorf("it does not open: %v", err)
			}
			if v, err := vault.Open(dir, settings()); err != nil || !v.Fits(key) {
				t.Errorf("its note is not back: %v", err)
			}
		})
	}
}
