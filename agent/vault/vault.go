package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the size of a data key, in bytes.
const KeySize = 32

// Way is what unlocks a key.
type Way string

// The ways.
const (
	Keyring     Way = "keyring"
	Passphrase  Way = "passphrase"
	Unprotected Way = "unprotected" // a file: whoever is this user, or has his disk, has the key
)

var (
	// ErrNone says that the folder has no vault.
	ErrNone = errors.New("there is no vault")
	// ErrLocked says that a passphrase is needed.
	ErrLocked = errors.New("the passphrase is needed")
	// ErrWrong says that the passphrase, or the recovered key, is another.
	ErrWrong = errors.New("that is not the right one")
	// ErrLost says that what unlocks the key is not on this computer, or that the
	// note is damaged. The office can recover the key.
	ErrLost = errors.New("the key of the data is not on this computer")
	// ErrMade says that somebody else made the vault meanwhile.
	ErrMade = errors.New("there is a vault already")
	// ErrShort says that a passphrase is too short.
	ErrShort = errors.New("the passphrase is too short")
)

// MinPassphrase is how many characters a passphrase has at least.
const MinPassphrase = 8

// Argon2id's cost: what the RFC recommends where memory is short, in one lane, as
// old laptops have no cores to spare.
const (
	passes = 3
	memory = 64 << 10 // KiB
	lanes  = 1
	// What a note may ask for at most: it may be anybody's.
	maxPasses = 100
	maxMemory = 1 << 20
)

const (
	noteFile  = "vault.json"
	spareFile = "vault.bak"
)

// Exists tells whether a data folder has a vault.
func Exists(dir string) bool {
	for _, name := range []string{noteFile, spareFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Vault is a data folder's.
type Vault struct {
	dir, settings string
	note          note
	// spoilt tells that a copy of the note was damaged, or is as it was before a change
	// that was cut off. Whoever has the key mends it; others only look.
	spoilt bool
}

type note struct {
	ID     string `json:"id"`
	Way    Way    `json:"way"`
	Salt   []byte `json:"salt,omitempty"`
	Passes uint32 `json:"passes,omitempty"`
	Memory uint32 `json:"memory,omitempty"`
	Lanes  uint8  `json:"lanes,omitempty"`
	Box    []byte `json:"box,omitempty"`
	// Check tells the key from others, and says nothing about it.
	Check []byte `json:"check"`
	// Change rises with every change: of two copies the later one counts.
	Change uint64 `json:"change,omitempty"`
	Sum    []byte `json:"sum,omitempty"`
}

func (n note) sum() []byte {
	n.Sum = nil
	raw, err := json.Marshal(n)
	if err != nil {
		panic(err) // texts, numbers and bytes
	}
	h := sha256.Sum256(raw)
	return h[:8]
}

func checkOf(key []byte) []byte {
	h := sha256.Sum256(append([]byte("zhucun vault check 1\x00"), key...))
	return h[:8]
}

// Open reads the vault of the data folder dir; settings is the user's own folder
// of settings, empty where there is none. The errors are ErrNone and ErrLost.
func Open(dir, settings string) (*Vault, error) {
	if settings == "" {
		settings = dir
	}
	var found *note
	missing, same := 0, 0
	for _, name := range []string{noteFile, spareFile} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			return nil, err
		}
		var n note
		if json.Unmarshal(raw, &n) == nil && bytes.Equal(n.Sum, n.sum()) && fine(&n) {
			if found == nil || n.Change > found.Change {
				found, same = &n, 0
			}
			if bytes.Equal(n.Sum, found.Sum) {
				same++
			}
		}
	}
	switch {
	case missing == 2:
		return nil, ErrNone
	case found == nil:
		return nil, fmt.Errorf("%w: its note in %s is damaged", ErrLost, dir)
	}
	return &Vault{dir, settings, *found, same < 2}, nil
}

func fine(n *note) bool {
	return len(n.ID) == 22 && filepath.Base(n.ID) == n.ID && n.Passes <= maxPasses && n.Memory <= maxMemory &&
		(n.Way != Passphrase || n.Passes > 0 && n.Lanes > 0 && len(n.Salt) == 16 && len(n.Box) > chacha20poly1305.NonceSizeX)
}

// Make draws a key and makes a vault for it: with a passphrase where one is given,
// in the keyring where there is one, and in a file otherwise. ErrShort, and ErrMade
// where another process came first: its key is the store's then.
func Make(dir, settings string, passphrase []byte) (*Vault, []byte, error) {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	v, err := Take(dir, settings, key, passphrase)
	return v, key, err
}

// Take is Make with a key that is there already: one that was recovered.
func Take(dir, settings string, key, passphrase []byte) (*Vault, error) {
	if settings == "" {
		settings = dir
	}
	id := make([]byte, 16)
	rand.Read(id)
	v := &Vault{dir: dir, settings: settings, note: note{ID: base64.RawURLEncoding.EncodeToString(id), Check: checkOf(key)}}
	err := v.SetPassphrase(key, passphrase)
	if errors.Is(err, ErrMade) {
		keyringDelete(v.note.ID)
		err = errors.Join(err, v.dropKeyFiles())
	}
	return v, err
}

// Find makes a vault of a key file that is left of one whose note is gone: the one
// whose key fits. ErrLost where none does.
func Find(dir, settings string, fits func(key []byte) bool) (*Vault, []byte, error) {
	if settings == "" {
		settings = dir
	}
	files, err := filepath.Glob(filepath.Join(settings, "keys", "*.key"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		n := note{ID: strings.TrimSuffix(filepath.Base(file), ".key"), Way: Unprotected}
		v := &Vault{dir: dir, settings: settings, note: n}
		key, err := v.readKey()
		if err != nil || len(key) != KeySize || !fine(&n) || !fits(key) {
			continue
		}
		n.Check = checkOf(key)
		return v, key, v.write(n)
	}
	return nil, nil, ErrLost
}

// Replace is Take where there is a note of another key.
func Replace(dir, settings string, key, passphrase []byte) (*Vault, error) {
	for _, name := range []string{noteFile, spareFile} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".replaced")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return Take(dir, settings, key, passphrase)
}

// Way tells what unlocks the key.
func (v *Vault) Way() Way { return v.note.Way }

// Key gives the data key. The errors are ErrLocked where a passphrase is needed
// and none given, ErrWrong, and ErrLost.
func (v *Vault) Key(passphrase []byte) ([]byte, error) {
	key, err := v.key(passphrase)
	if err != nil {
		return nil, err
	}
	return key, v.tidy()
}

func (v *Vault) key(passphrase []byte) ([]byte, error) {
	var key []byte
	var err error
	switch v.note.Way {
	case Passphrase:
		if len(passphrase) == 0 {
			return nil, ErrLocked
		}
		if key, err = v.note.open(passphrase); err != nil {
			return nil, err
		}
	case Keyring:
		if key, err = keyringGet(v.note.ID); err != nil {
			return nil, fmt.Errorf("%w: keyring: %w", ErrLost, err)
		}
	case Unprotected:
		if key, err = v.readKey(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLost, err)
		}
	default:
		return nil, fmt.Errorf("%w: it is kept in a way that this release does not know", ErrLost)
	}
	if !v.Fits(key) {
		return nil, ErrLost
	}
	return key, nil
}

// tidy mends what a cut may have left: a copy of the note, and files that had the key
// before it was locked otherwise.
func (v *Vault) tidy() error {
	if v.spoilt {
		if err := v.write(v.note); err != nil {
			return err
		}
		v.spoilt = false
	}
	if v.note.Way == Unprotected {
		return nil
	}
	return v.dropKeyFiles()
}

// dropKeyFiles removes the key's file, and what a cut left of making it.
func (v *Vault) dropKeyFiles() error {
	left, err := filepath.Glob(v.keyFile() + "*")
	if err != nil || len(left) == 0 {
		return err
	}
	for _, file := range left {
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) && err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(v.keyFile()))
}

// Fits tells whether key is the vault's.
func (v *Vault) Fits(key []byte) bool {
	return len(key) == KeySize && bytes.Equal(checkOf(key), v.note.Check)
}

// SetPassphrase makes a passphrase the way to key; with none it is the keyring's
// or, where there is none, a file's again. What led to it before is removed.
// ErrShort; ErrWrong where key is not the vault's.
func (v *Vault) SetPassphrase(key, passphrase []byte) error {
	if !v.Fits(key) {
		return ErrWrong
	}
	old, n := v.note, note{ID: v.note.ID, Check: v.note.Check, Change: v.note.Change + 1}
	var err error
	switch {
	case len(passphrase) > 0:
		n.Way, err = Passphrase, n.wrap(key, passphrase)
	case keyringSet(n.ID, key) == nil:
		n.Way = Keyring
	default:
		n.Way, err = Unprotected, v.writeKey(key)
	}
	if err != nil {
		return err
	}
	if got, err := (&Vault{dir: v.dir, settings: v.settings, note: n}).key(passphrase); err != nil || !bytes.Equal(got, key) {
		return errors.Join(errors.New("the new way to the key does not lead to it"), err)
	}
	if err := v.write(n); err != nil {
		return err
	}
	if old.Way == Unprotected && n.Way != Unprotected {
		// What it held may stay on the disk until something is written over it.
		if err := v.dropKeyFiles(); err != nil {
			return err
		}
	}
	if old.Way == Keyring && n.Way != Keyring {
		keyringDelete(n.ID) // one that stays behind is as well kept as it was
	}
	return nil
}

// Destroy removes the key: what is sealed under it cannot be read any more, here or
// in any copy of the folder, but by the office.
func (v *Vault) Destroy() error {
	if v.note.Way == Keyring {
		keyringDelete(v.note.ID)
	}
	var errs []error
	errs = append(errs, v.dropKeyFiles())
	for _, file := range []string{filepath.Join(v.dir, noteFile), filepath.Join(v.dir, spareFile)} {
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (n *note) wrap(key, passphrase []byte) error {
	if len([]rune(string(passphrase))) < MinPassphrase {
		return ErrShort
	}
	n.Salt, n.Passes, n.Memory, n.Lanes = make([]byte, 16), passes, memory, lanes
	rand.Read(n.Salt)
	aead, err := chacha20poly1305.NewX(n.stretch(passphrase))
	if err != nil {
		return err
	}
	n.Box = make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(n.Box)
	n.Box = aead.Seal(n.Box, n.Box, key, []byte(n.ID))
	return nil
}

func (n *note) open(passphrase []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(n.stretch(passphrase))
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, n.Box[:chacha20poly1305.NonceSizeX], n.Box[chacha20poly1305.NonceSizeX:], []byte(n.ID))
	if err != nil {
		return nil, ErrWrong
	}
	return key, nil
}

func (n *note) stretch(passphrase []byte) []byte {
	// The memory is the system's again at once: an agent has little.
	defer debug.FreeOSMemory()
	return argon2.IDKey(passphrase, n.Salt, n.Passes, n.Memory, n.Lanes, chacha20poly1305.KeySize)
}

func (v *Vault) keyFile() string { return filepath.Join(v.settings, "keys", v.note.ID+".key") }

func (v *Vault) readKey() ([]byte, error) {
	raw, err := os.ReadFile(v.keyFile())
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(string(bytes.TrimSpace(raw)))
}

func (v *Vault) writeKey(key []byte) error {
	file := v.keyFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return writeFile(file, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), false)
}

// write writes both copies of the note, one after the other: one is whole always.
func (v *Vault) write(n note) error {
	n.Sum = n.sum()
	raw, err := n.bytes()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return err
	}
	first := v.note.Way == "" && n.Change == 1
	for _, name := range []string{noteFile, spareFile} {
		if err := writeFile(filepath.Join(v.dir, name), raw, first); err != nil {
			return err
		}
		first = false
	}
	v.note = n
	return nil
}

func (n note) bytes() ([]byte, error) {
	raw, err := json.MarshalIndent(n, "", "  ")
	return append(raw, '\n'), err
}

// Note gives the note, to go along with a copy of the data.
func (v *Vault) Note() ([]byte, error) {
	n := v.note
	n.Sum = n.sum()
	return n.bytes()
}

// Adopt makes a note that went along with a copy of the data the folder's. One that is
// there and is of the same key stays: it may be wrapped in a newer way. One of another
// key is kept under the name that it gives. The error is ErrLost where the note is
// damaged.
func Adopt(dir, settings string, raw []byte) (aside string, err error) {
	var n note
	if json.Unmarshal(raw, &n) != nil || !bytes.Equal(n.Sum, n.sum()) || !fine(&n) {
		return "", fmt.Errorf("%w: the note in the copy is damaged", ErrLost)
	}
	has, err := Open(dir, settings)
	switch {
	case err == nil && bytes.Equal(has.note.Check, n.Check):
		return "", nil
	case err == nil:
		old, err := has.Note()
		if err != nil {
			return "", err
		}
		aside = noteFile + ".replaced-" + has.note.ID
		if err := writeFile(filepath.Join(dir, aside), old, false); err != nil {
			return "", err
		}
	case !errors.Is(err, ErrNone) && !errors.Is(err, ErrLost):
		return "", err
	}
	// As one that was made long ago: what is there is to be replaced.
	v := &Vault{dir: dir, settings: settings, note: n}
	return aside, v.write(n)
}

// writeFile writes a file whole or not at all, and returns when it is on disk. One
// that is the first of its name does not replace another: ErrMade.
func writeFile(file string, b []byte, first bool) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if first {
		// Unlike a renaming, a link does not replace what is there.
		err := os.Link(f.Name(), file)
		if errors.Is(err, fs.ErrExist) {
			return ErrMade
		}
		if err == nil {
			return syncDir(filepath.Dir(file))
		}
		// A file system without links, such as a stick's.
		if _, err := os.Stat(file); err == nil {
			return ErrMade
		}
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

// syncDir makes what was done in a folder durable where the system can; elsewhere
// it is so by itself.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	d.Sync()
	return d.Close()
}
