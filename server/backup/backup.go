package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"zhucun/shared/wire"
)

// The errors of a file that is not taken.
var (
	ErrForeign = errors.New("the file is no backup of a server")
	ErrDamaged = errors.New("the backup is damaged or was cut off")
	ErrRelease = errors.New("the backup is of another release")
	ErrLaptop  = errors.New("the backup is a laptop's")
)

// magic begins every backup; the number is the format's.
const (
	family = "zhucun backup "
	magic  = family + "1\n"
	// laptop begins those that agents make; no format here has that number.
	laptop = family + "2\n"
)

// Begins tells whether a file that begins so is a backup of a server, of any release.
func Begins(b []byte) bool {
	return bytes.HasPrefix(b, []byte(family)) && !bytes.HasPrefix(b, []byte(laptop))
}

// maxHeader bounds the header, in bytes.
const maxHeader = 64 << 20

// Header says what a backup is of.
type Header struct {
	Made    int64      `cbor:"0,keyasint"` // ms since 1970
	Epoch   wire.Epoch `cbor:"1,keyasint"`
	Engine  string     `cbor:"2,keyasint"` // whose the database is: "sqlite"
	Version string     `cbor:"3,keyasint"` // the server's
	Server  []byte     `cbor:"4,keyasint"` // its public identity key
	Files   []File     `cbor:"5,keyasint"`
}

// At is when the backup was made.
func (h *Header) At() time.Time { return time.UnixMilli(h.Made) }

// File is one file of it: Name with slashes, Size in bytes.
type File struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Size int64
}

// Write writes a backup of the header's files, which open gives by their names.
func Write(w io.Writer, h Header, open func(name string) (io.ReadCloser, error)) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	head, err := cbor.Marshal(h)
	if err != nil {
		return err
	}
	head = append(binary.BigEndian.AppendUint32([]byte(magic), uint32(len(head))), head...)
	if _, err := out.Write(head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	for _, f := range h.Files {
		if err := add(z, f, open); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

func add(w io.Writer, f File, open func(string) (io.ReadCloser, error)) error {
	r, err := open(f.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, r)
	if err == nil && n != f.Size {
		err = fmt.Errorf("%s has %d bytes instead of %d", f.Name, n, f.Size)
	}
	return err
}

// Check reads a backup of that size from its beginning to its end, and gives its
// header. ErrForeign, ErrDamaged, ErrRelease, ErrLaptop.
func Check(r io.Reader, size int64) (Header, error) {
	b := &body{sum: sha256.New(), left: size - sha256.Size}
	b.r = io.TeeReader(io.LimitReader(r, max(b.left, 0)), b.sum)
	h, err := b.header()
	if err != nil {
		return h, err
	}
	if _, err := io.Copy(io.Discard, b.r); err != nil {
		return h, err
	}
	return h, b.end(r)
}

// body is a backup up to its hash.
type body struct {
	r    io.Reader
	sum  hash.Hash
	left int64
}

func (b *body) header() (h Header, err error) {
	begin := make([]byte, len(magic))
	n, err := io.ReadFull(b.r, begin)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return h, err
	case n < len(begin) && n > 0 && strings.HasPrefix(magic, string(begin[:n])):
		return h, ErrDamaged
	case string(begin) == laptop:
		return h, ErrLaptop
	case n == len(begin) && string(begin) != magic && strings.HasPrefix(string(begin), family):
		return h, ErrRelease
	case string(begin) != magic:
		return h, ErrForeign
	}
	var length [4]byte
	if err := whole(b.r, length[:]); err != nil {
		return h, err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxHeader {
		return h, ErrDamaged
	}
	raw := make([]byte, size)
	if err := whole(b.r, raw); err != nil {
		return h, err
	}
	if cbor.Unmarshal(raw, &h) != nil {
		return h, ErrDamaged
	}
	return h, nil
}

// end compares the hash, which is the last thing in the file.
func (b *body) end(r io.Reader) error {
	var sum [sha256.Size]byte
	if err := whole(r, sum[:]); err != nil {
		return err
	}
	if !bytes.Equal(sum[:], b.sum.Sum(nil)) {
		return ErrDamaged
	}
	return nil
}

// whole fills b, or the file ends too early.
func whole(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return err
}

// Unpack writes the files of a backup of that size into a folder, each synced. It
// looks at the hash again: what was checked before may have been replaced. On an
// error the folder holds nothing that may be used.
func Unpack(r io.Reader, size int64, into *os.Root) (Header, error) {
	b := &body{sum: sha256.New(), left: size - sha256.Size}
	b.r = io.TeeReader(io.LimitReader(r, max(b.left, 0)), b.sum)
	h, err := b.header()
	if err != nil {
		return h, err
	}
	z, err := zstd.NewReader(b.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return h, err
	}
	defer z.Close()
	for _, f := range h.Files {
		if !plain(f.Name) || f.Size < 0 {
			err = ErrDamaged
		} else {
			err = unpack(z, f, into)
		}
		if err != nil {
			break
		}
	}
	// What a damaged header led to is the file's fault and not the folder's.
	if _, rest := io.Copy(io.Discard, b.r); rest != nil {
		return h, rest
	}
	if damaged := b.end(r); damaged != nil {
		return h, damaged
	}
	return h, err
}

// plain tells a name that stays where it is put, in every system.
func plain(name string) bool {
	return name != "." && name != "" && name == path.Clean(name) && !path.IsAbs(name) && !strings.HasPrefix(name, "..") && !strings.ContainsAny(name, `\:`)
}

func unpack(r io.Reader, f File, into *os.Root) (err error) {
	name := path.Clean(f.Name)
	if dir := path.Dir(name); dir != "." {
		if err := into.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	w, err := into.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	switch _, err := io.CopyN(w, r, f.Size); {
	case err == nil:
		return w.Sync()
	case errors.As(err, new(*os.PathError)):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
}
