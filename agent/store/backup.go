package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"zhucun/shared/blob"
)

// A backup is the store of one moment in a file, sealed as the store is; DESIGN.md
// has the format.

// backupMagic begins a backup; the number is the format's. The first had no files.
const (
	backupMagic  = "zhucun backup 2\n"
	backupMagic1 = "zhucun backup 1\n"
)

// Head is what a backup says about itself to whoever has not its key.
type Head struct {
	Made int64 `json:"made"` // ms since 1970, corrected
	// Vault is the note of how the key is wrapped.
	Vault []byte `json:"vault"`
}

// ErrBackup says that a file is no backup, or not a whole one.
var ErrBackup = errors.New("this is not a whole backup")

// halfBackup is the name of what a backup is made of or becomes. Only who has the
// store open writes any in its folder.
const halfBackup = ".zhucun-*"

// maxHead bounds a backup's head, in bytes.
const maxHead = 1 << 16

// HalfOf is the pattern of what a backup of that name is made of or becomes, beside it:
// what a stick that was pulled out leaves there.
func HalfOf(file string) string {
	return filepath.Join(filepath.Dir(file), ".zhucun-"+filepath.Base(file)+"-*")
}

// Backup writes the store as it is at this moment to file, which must not be there
// yet: whole or not at all, and read again before it gets its name. Saves go on meanwhile.
// told, which may be nil, is given how many bytes of how many are written; an error of it
// ends the backup.
func (s *Store) Backup(file string, vault []byte, told func(done, of int64) error) (size int64, err error) {
	if _, err := os.Lstat(file); err == nil {
		return 0, fmt.Errorf("%s: %w", file, os.ErrExist)
	}
	half := filepath.Base(HalfOf(file))
	image, err := s.image(filepath.Dir(file), half)
	if err != nil {
		return 0, err
	}
	defer func() {
		image.Close()
		os.Remove(image.Name())
	}()
	f, err := os.CreateTemp(filepath.Dir(file), half) // 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	files, err := s.ownFiles()
	if err != nil {
		return 0, err
	}
	info, err := image.Stat()
	if err != nil {
		return 0, err
	}
	all := info.Size() + sizeOf(files)
	size, err = writeBackup(&toldWriter{f, 0, all, told}, Head{s.Now(), vault}, image, files)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	// As it is there, not as it was meant: sticks lie.
	forget(f.Name())
	if err := CheckBackup(f.Name()); err != nil {
		return 0, err
	}
	if err := linkOrRename(f.Name(), file); err != nil {
		return 0, err
	}
	return size, syncDir(filepath.Dir(file))
}

// image gives a file with the database of one moment. It is written in the data
// folder: while a transaction is open a commit that must enlarge the file waits, and
// a stick may be slow. Where there is no room for it, it is written beside the
// backup all the same.
func (s *Store) image(beside, half string) (f *os.File, err error) {
	for _, dir := range []string{s.dir, beside} {
		if f, err = os.CreateTemp(dir, half); err != nil {
			return nil, err
		}
		err = s.view(func(t *tx) error {
			_, err := t.WriteTo(f)
			return err
		})
		if err == nil {
			return f, nil
		}
		f.Close()
		os.Remove(f.Name())
		if !Full(err) {
			break
		}
	}
	return nil, err
}

// sizeOf is how many bytes files have.
func sizeOf(files []string) (all int64) {
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			all += info.Size()
		}
	}
	return all
}

// BackupSize is about how many bytes a backup made now would have.
func (s *Store) BackupSize() (all int64, err error) {
	files, err := s.ownFiles()
	if err != nil {
		return 0, err
	}
	err = s.view(func(t *tx) error {
		all = t.Size() + sizeOf(files)
		return nil
	})
	return all, err
}

// toldWriter tells how much has been written.
type toldWriter struct {
	w        io.Writer
	done, of int64
	told     func(done, of int64) error
}

func (t *toldWriter) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	if t.done += int64(n); err == nil && t.told != nil {
		err = t.told(t.done, max(t.of, t.done))
	}
	return n, err
}

// CheckBackup reads a backup to its last byte. The error is ErrBackup where it is not as
// it was written.
func CheckBackup(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = ReadBackup(f, io.Discard, nil)
	return err
}

// ownFiles gives the sealed files that were added here: of the others the server has
// what there is.
func (s *Store) ownFiles() (paths []string, err error) {
	err = s.EachBlob(func(b Blob) bool {
		if b.Own && b.Here {
			paths = append(paths, s.blobPath(b.Hash, wholeFile))
		}
		if b.Own && b.Small {
			paths = append(paths, s.blobPath(b.Hash, smallFile))
		}
		return true
	})
	return paths, err
}

func writeBackup(w io.Writer, head Head, image *os.File, files []string) (int64, error) {
	size, err := image.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if _, err := image.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	raw, err := json.Marshal(head)
	if err != nil {
		return 0, err
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(w, 1<<20)
	both := io.MultiWriter(out, sum)
	io.WriteString(both, backupMagic)
	both.Write(binary.BigEndian.AppendUint32(nil, uint32(len(raw))))
	both.Write(raw)
	both.Write(binary.BigEndian.AppendUint64(nil, uint64(size)))
	if n, err := io.Copy(both, image); err != nil || n != size {
		return 0, errors.Join(err, io.ErrUnexpectedEOF)
	}
	all := int64(len(backupMagic)+4+len(raw)+8) + size
	for _, path := range files {
		n, err := writeFile(both, path)
		if err != nil {
			return 0, err
		}
		all += n
	}
	both.Write([]byte{0})
	out.Write(sum.Sum(nil))
	return all + 1 + sha256.Size, out.Flush() // which has the first error
}

// writeFile writes a file with its name: a byte for that's length, the name, the size,
// and what is in it. One that is gone by now is left out.
func writeFile(w io.Writer, path string) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	name := filepath.Base(path)
	w.Write(append([]byte{byte(len(name))}, name...))
	w.Write(binary.BigEndian.AppendUint64(nil, uint64(info.Size())))
	n, err := io.CopyN(w, f, info.Size())
	return 1 + int64(len(name)) + 8 + n, err
}

// ReadBackup reads a backup, writes its database to w, and gives its files to file,
// where that is not nil, each under its name. The error is ErrBackup where the backup is
// not as it was written, to its last byte: what was given is nothing then.
func ReadBackup(r io.Reader, w io.Writer, file func(name string, r io.Reader) error) (head Head, err error) {
	b := &backupReader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	magic := string(b.take(uint64(len(backupMagic))))
	if magic != backupMagic && magic != backupMagic1 {
		return head, errors.Join(fmt.Errorf("%w: it does not begin as one", ErrBackup), b.err)
	}
	n := binary.BigEndian.Uint32(b.take(4))
	if n > maxHead {
		return head, fmt.Errorf("%w: its head", ErrBackup)
	}
	raw := b.take(uint64(n))
	size := binary.BigEndian.Uint64(b.take(8))
	if b.err != nil || size > math.MaxInt64 {
		return head, errors.Join(fmt.Errorf("%w: it is cut off", ErrBackup), b.err)
	}
	if _, err := io.CopyN(io.MultiWriter(w, b.sum), b.r, int64(size)); errors.Is(err, io.EOF) {
		return head, fmt.Errorf("%w: it is cut off", ErrBackup)
	} else if err != nil {
		return head, err
	}
	if magic == backupMagic {
		if err := b.files(file); err != nil {
			return head, err
		}
	}
	want := b.sum.Sum(nil)
	if got := b.take(sha256.Size); !bytes.Equal(got, want) {
		return head, fmt.Errorf("%w: it is not as it was written", ErrBackup)
	}
	if _, err := b.r.ReadByte(); err != io.EOF {
		return head, fmt.Errorf("%w: something is behind it", ErrBackup)
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return head, fmt.Errorf("%w: its head", ErrBackup)
	}
	return head, nil
}

// backupReader reads the small parts, and keeps the first error.
type backupReader struct {
	r   *bufio.Reader
	sum hash.Hash
	err error
}

// files reads the files behind the database.
func (b *backupReader) files(file func(name string, r io.Reader) error) error {
	cut := fmt.Errorf("%w: it is cut off", ErrBackup)
	for {
		n := b.take(1)[0]
		if b.err != nil || n == 0 {
			return b.err
		}
		name := string(b.take(uint64(n)))
		size := binary.BigEndian.Uint64(b.take(8))
		if b.err != nil || size > math.MaxInt64 {
			return errors.Join(cut, b.err)
		}
		r := io.TeeReader(io.LimitReader(b.r, int64(size)), b.sum)
		if file != nil {
			if err := file(name, r); err != nil {
				return err
			}
		}
		if rest, err := io.Copy(io.Discard, r); err != nil {
			return err
		} else if rest > 0 && file != nil {
			return cut
		}
		if _, err := b.r.Peek(1); err != nil {
			return errors.Join(cut, err)
		}
	}
}

// copies are the files of a backup beside the store, under names for the time being.
type copies struct {
	dir   string
	names map[string]string // as they are, to what they are to be
}

// take writes one down.
func (c *copies) take(name string, r io.Reader) error {
	if _, ok := blob.ParseHash(strings.TrimSuffix(name, thumbEnd)); !ok {
		return fmt.Errorf("%w: a file of no known name", ErrBackup)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, ".new-*")
	if err != nil {
		return err
	}
	c.names[f.Name()] = filepath.Join(c.dir, name)
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// place gives them their names, unless there is one of that name: a name is of one
// content.
func (c *copies) place() error {
	for from, to := range c.names {
		if err := linkOrRename(from, to); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if len(c.names) == 0 {
		return nil
	}
	return syncDir(c.dir)
}

func (c *copies) drop() {
	for from := range c.names {
		os.Remove(from)
	}
}

func (b *backupReader) take(n uint64) []byte {
	raw := make([]byte, n)
	if _, err := io.ReadFull(b.r, raw); err != nil && b.err == nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		b.err = err
	}
	b.sum.Write(raw)
	return raw
}

// Restore reads the backup from r and puts it in the place of the store in dir, which
// is set aside under the name that it gives (empty where there was none). before is
// told the backup's head when it has been read to its last byte and nothing has been
// touched yet. The error is ErrInUse while anybody has the store, ErrBackup where the
// backup is not whole.
func Restore(dir string, opt Options, r io.Reader, before func(Head) error) (head Head, aside string, err error) {
	opt = opt.filled()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return head, "", err
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return head, "", err
	}
	defer unlock()
	free, err := lockStore(dir)
	if err != nil {
		return head, "", err
	}
	defer free()
	remove(dir, fileName+".restore-*") // what a cut left
	f, err := os.CreateTemp(dir, fileName+".restore-*")
	if err != nil {
		return head, "", err
	}
	defer os.Remove(f.Name())
	files := &copies{filepath.Join(dir, blobDir), map[string]string{}}
	defer files.drop()
	head, err = ReadBackup(r, f, files.take)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return head, "", err
	}
	aside, err = asideName(dir, "replaced", opt.Wall())
	if err != nil {
		return head, "", err
	}
	if err := before(head); err != nil {
		return head, "", err
	}
	if err := files.place(); err != nil {
		return head, "", err
	}
	path := filepath.Join(dir, fileName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return head, "", errors.Join(linkOrRename(f.Name(), path), syncDir(dir))
	}
	return head, aside, replace(dir, f.Name(), aside)
}
