package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

var word = []byte("白马渡今年的早稻")

func made(t *testing.T, passphrase []byte) (v *Vault, key []byte, dir, settings string) {
	t.Helper()
	dir, settings = t.TempDir(), t.TempDir()
	v, key, err := Make(dir, settings, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return v, key, dir, settings
}

func noKeyring(t *testing.T) { t.Setenv("DBUS_SESSION_BUS_ADDRESS", "") }

// Each way gives the key that was drawn, after a restart too, and the key is
// nowhere in the data folder.
func TestWays(t *testing.T) {
	tests := []struct {
		name       string
		keyring    bool
		passphrase []byte
		want       Way
	}{
		{"nothing but a disk", false, nil, Unprotected},
		{"a keyring", true, nil, Keyring},
		{"a passphrase", false, word, Passphrase},
		{"a passphrase beside a keyring", true, word, Passphrase},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noKeyring(t)
			if tt.keyring {
				t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
				keyring.MockInit()
			}
			_, key, dir, settings := made(t, tt.passphrase)
			v, err := Open(dir, settings)
			if err != nil || v.Way() != tt.want {
				t.Fatalf("way %s, %v; want %s", v.Way(), err, tt.want)
			}
			if got, err := v.Key(tt.passphrase); err != nil || !bytes.Equal(got, key) {
				t.Errorf("key %x, %v; drawn was %x", got, err, key)
			}
			within(t, dir, key, false)
			if tt.want != Unprotected {
				within(t, settings, key, false)
			}
		})
	}
}

// within looks for the key in the files of a folder.
func within(t *testing.T, dir string, key []byte, want bool) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		found = found || bytes.Contains(raw, key) || bytes.Contains(raw, []byte(base64.StdEncoding.EncodeToString(key)))
		return err
	})
	if err != nil || found != want {
		t.Errorf("the key is in %s: %v, %v", dir, found, err)
	}
}

// From each way to each other: the new one leads to the key, and the old one does
// not any more.
func TestChange(t *testing.T) {
	noKeyring(t)
	v, key, dir, settings := made(t, nil)
	if _, err := os.Stat(v.keyFile()); err != nil {
		t.Fatal(err)
	}
	if err := v.SetPassphrase(key, word); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(v.keyFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key file stays: %v", err)
	}
	within(t, settings, key, false)
	if v, err := Open(dir, settings); err != nil || v.Way() != Passphrase {
		t.Fatalf("%v, %v", v, err)
	} else if _, err := v.Key(nil); !errors.Is(err, ErrLocked) {
		t.Errorf("without the passphrase: %v", err)
	} else if _, err := v.Key([]byte("白马渡今年的晚稻")); !errors.Is(err, ErrWrong) {
		t.Errorf("with another: %v", err)
	}
	other := []byte("another, and longer")
	if err := v.SetPassphrase(key, other); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Key(word); !errors.Is(err, ErrWrong) {
		t.Errorf("the old passphrase: %v", err)
	}
	if err := v.SetPassphrase(key, []byte("short")); !errors.Is(err, ErrShort) {
		t.Errorf("a short one: %v", err)
	}
	if err := v.SetPassphrase(make([]byte, KeySize), word); !errors.Is(err, ErrWrong) {
		t.Errorf("with another key: %v", err)
	}
	if got, err := v.Key(other); err != nil || !bytes.Equal(got, key) {
		t.Errorf("after two refusals: %x, %v", got, err)
	}
	if err := v.SetPassphrase(key, nil); err != nil || v.Way() != Unprotected {
		t.Fatalf("back to a file: %s, %v", v.Way(), err)
	}
	if got, err := v.Key(nil); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
}

// Whatever happens to one copy of the note, the key is found, and both copies are
// whole again.
func TestDamagedNote(t *testing.T) {
	noKeyring(t)
	_, key, dir, settings := made(t, nil)
	whole, err := os.ReadFile(filepath.Join(dir, noteFile))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		v, err := Open(dir, settings)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got, err := v.Key(nil); err != nil || !bytes.Equal(got, key) {
			t.Fatalf("%s: %x, %v", what, got, err)
		}
	}
	for i := 0; i < len(whole); i += 37 {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x21
		for _, name := range []string{noteFile, spareFile} {
			if err := os.WriteFile(filepath.Join(dir, name), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			check(name)
		}
	}
	for _, name := range []string{noteFile, spareFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		check(name + " is gone")
	}
	for _, name := range []string{noteFile, spareFile} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if name == noteFile && (err != nil || !bytes.Equal(raw, whole)) {
			t.Errorf("%s is not whole again: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), whole[:40], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, settings); !errors.Is(err, ErrLost) {
		t.Errorf("both copies damaged: %v", err)
	}
}

// A data folder that comes to another computer has no key there, until the office
// has given it back.
func TestElsewhere(t *testing.T) {
	noKeyring(t)
	_, key, dir, _ := made(t, nil)
	there := t.TempDir()
	v, err := Open(dir, there)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Key(nil); !errors.Is(err, ErrLost) {
		t.Fatalf("on another computer: %v", err)
	}
	if !v.Fits(key) || v.Fits(bytes.Repeat([]byte{1}, KeySize)) {
		t.Error("the vault does not know its key")
	}
	if err := v.SetPassphrase(key, word); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Key(word); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
}

// Where the note is gone and the key file is not, the one that fits is found.
func TestFind(t *testing.T) {
	noKeyring(t)
	_, key, dir, settings := made(t, nil)
	if _, _, err := Make(t.TempDir(), settings, nil); err != nil { // another folder's
		t.Fatal(err)
	}
	for _, name := range []string{noteFile, spareFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Find(dir, settings, func([]byte) bool { return false }); !errors.Is(err, ErrLost) {
		t.Errorf("none fits: %v", err)
	}
	fits := func(k []byte) bool { return bytes.Equal(k, key) }
	if _, got, err := Find(dir, settings, fits); err != nil || !bytes.Equal(got, key) {
		t.Fatalf("found %x, %v", got, err)
	}
	if v, err := Open(dir, settings); err != nil {
		t.Error(err)
	} else if got, err := v.Key(nil); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
}

// Of two that make a vault at once one is told, and the key of the other counts.
func TestMadeAtOnce(t *testing.T) {
	noKeyring(t)
	dir, settings := t.TempDir(), t.TempDir()
	type made struct {
		key []byte
		err error
	}
	all := make(chan made)
	for range 4 {
		go func() {
			_, key, err := Make(dir, settings, nil)
			all <- made{key, err}
		}()
	}
	var first []byte
	for range 4 {
		switch m := <-all; {
		case m.err == nil && first == nil:
			first = m.key
		case !errors.Is(m.err, ErrMade):
			t.Errorf("the second to make it: %v", m.err)
		}
	}
	v, err := Open(dir, settings)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Key(nil); err != nil || !bytes.Equal(got, first) {
		t.Errorf("%x, %v; made was %x", got, err, first)
	}
	if files, err := filepath.Glob(filepath.Join(settings, "keys", "*")); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// What a cut left of the key's file is removed by whoever has the passphrase.
func TestKeyFileLeft(t *testing.T) {
	noKeyring(t)
	v, key, dir, settings := made(t, nil)
	left, err := os.ReadFile(v.keyFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetPassphrase(key, word); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{v.keyFile(), v.keyFile() + ".new-1"} {
		if err := os.WriteFile(name, left, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if v, err = Open(dir, settings); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Key(word); err != nil {
		t.Fatal(err)
	}
	within(t, settings, key, false)
}

// A copy of the note from before a change that was cut off does not come back, and
// who only looks changes nothing.
func TestOlderCopy(t *testing.T) {
	noKeyring(t)
	v, key, dir, settings := made(t, nil)
	old, err := os.ReadFile(filepath.Join(dir, noteFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetPassphrase(key, word); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, noteFile), old, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err = Open(dir, settings)
	if err != nil || v.Way() != Passphrase {
		t.Fatalf("%s, %v", v.Way(), err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, noteFile)); err != nil || !bytes.Equal(raw, old) {
		t.Errorf("looking wrote the note: %v", err)
	}
	if got, err := v.Key(word); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, noteFile)); err != nil || bytes.Equal(raw, old) {
		t.Errorf("the copy was not mended: %v", err)
	}
}

// A note may be anybody's: it must not make the reader take memory or time as it
// likes, nor read other files.
func TestHostileNote(t *testing.T) {
	noKeyring(t)
	v, _, dir, settings := made(t, word)
	for what, change := range map[string]func(*note){
		"memory":  func(n *note) { n.Memory = 1 << 31 },
		"passes":  func(n *note) { n.Passes = 1 << 31 },
		"no pass": func(n *note) { n.Passes = 0 },
		"no lane": func(n *note) { n.Lanes = 0 },
		"no box":  func(n *note) { n.Box = n.Box[:10] },
		"a path":  func(n *note) { n.ID = strings.Repeat("../", 7) + "x" },
	} {
		n := v.note
		change(&n)
		if err := (&Vault{dir: dir, settings: settings, note: n}).write(n); err != nil {
			t.Fatal(err)
		}
		if v, err := Open(dir, settings); !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v, %v", what, v, err)
		}
	}
}
