package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"zhucun/shared/blob"
	"zhucun/shared/record"
)

// A file that records show lies beside the store, sealed like everything else, in the
// folder blobs under its hash: a byte that says how, then pieces of 64 KB, the last one
// shorter and perhaps empty, each a nonce (24) and the box, sealed for its file, its
// place and whether it is the last. So a part can be read without the rest, and a file
// that was cut short is noticed.
const (
	blobDir    = "blobs"
	thumbEnd   = ".small"
	partEnd    = ".part"
	piece      = 64 << 10
	pieceWhole = piece + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

// fileKind says what a sealed file has: it is part of its name.
type fileKind string

const (
	wholeFile fileKind = ""
	smallFile fileKind = thumbEnd
	partFile  fileKind = partEnd // of one that is on its way here; it has no last piece
)

func pieceAt(h blob.Hash, kind fileKind, n uint64, last bool) slot {
	end := byte(0)
	if last {
		end = 1
	}
	return slotOf("file", []byte(kind), h[:], binary.AppendUvarint(nil, n), []byte{end})
}

func (s *Store) blobPath(h blob.Hash, kind fileKind) string {
	return filepath.Join(s.dir, blobDir, h.String()+string(kind))
}

// sealFile writes r, sealed, to the file of that name, whole and on disk or not at all,
// and gives its size in bytes. accept, where given, is asked before it gets its name.
func (s *Store) sealFile(h blob.Hash, kind fileKind, r io.Reader, accept func() error) (size int64, err error) {
	dir := filepath.Join(s.dir, blobDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write([]byte{sealed}); err != nil {
		return 0, err
	}
	plain, next := make([]byte, piece), make([]byte, piece)
	n, err := io.ReadFull(r, plain)
	for i := uint64(0); ; i++ {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		m, last := 0, err != nil
		var nerr error
		if !last {
			if m, nerr = io.ReadFull(r, next); m == 0 && nerr == io.EOF {
				last = true // the file is a whole number of pieces
			}
		}
		raw, serr := s.sealPiece(h, kind, i, last, plain[:n])
		if serr != nil {
			return 0, serr
		}
		if _, err := f.Write(raw); err != nil {
			return 0, err
		}
		if size += int64(n); last {
			break
		}
		plain, next, n, err = next, plain, m, nerr
	}
	if accept != nil {
		if err := accept(); err != nil {
			return 0, err
		}
	}
	if !s.opt.NoSync {
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	if err := os.Rename(f.Name(), s.blobPath(h, kind)); err != nil {
		return 0, err
	}
	return size, syncDir(dir)
}

func (s *Store) sealPiece(h blob.Hash, kind fileKind, n uint64, last bool, plain []byte) ([]byte, error) {
	raw := make([]byte, chacha20poly1305.NonceSizeX, pieceWhole)
	if _, err := io.ReadFull(s.opt.Rand, raw); err != nil {
		return nil, err
	}
	return s.seal.Seal(raw, raw, plain, pieceAt(h, kind, n, last)), nil
}

// Part is how many bytes of a file that is on its way here are kept together.
const Part = piece

// Arrived gives how many bytes of a file are here that is on its way: whole parts.
func (s *Store) Arrived(h blob.Hash) (int64, error) {
	info, err := os.Stat(s.blobPath(h, partFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size() / pieceWhole * piece, nil
}

// Append keeps the next part of a file that is on its way here: Part bytes.
func (s *Store) Append(h blob.Hash, plain []byte) error {
	if err := os.MkdirAll(filepath.Join(s.dir, blobDir), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(s.blobPath(h, partFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	n := info.Size() / pieceWhole // what a cut left of a piece is written over
	raw, err := s.sealPiece(h, partFile, uint64(n), false, plain)
	if err == nil {
		_, err = f.WriteAt(raw, n*pieceWhole)
	}
	return errors.Join(err, f.Close())
}

// Assemble keeps a file of which all is here: its parts, and rest behind them. ErrBlob
// where that is not what its name says; nothing is left of it then.
func (s *Store) Assemble(ctx context.Context, code record.Village, h blob.Hash, rest []byte) error {
	parts := &opened{seal: s.seal, h: h, kind: partFile}
	if n, err := s.Arrived(h); err != nil {
		return err
	} else if n > 0 {
		if parts.f, err = os.Open(s.blobPath(h, partFile)); err != nil {
			return err
		}
		defer parts.Close()
		parts.left = uint64(n / piece)
	}
	err := s.PutBlob(ctx, code, h, io.MultiReader(parts, bytes.NewReader(rest)))
	if err == nil || errors.Is(err, ErrBlob) || errors.Is(err, ErrDamaged) {
		err = errors.Join(err, missing(os.Remove(s.blobPath(h, partFile))))
	}
	return err
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sealedSize gives how many bytes are in a sealed file of so many.
func sealedSize(raw int64) int64 {
	raw--
	const over = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	pieces := (raw + pieceWhole - 1) / pieceWhole
	return raw - pieces*over
}

// opened reads a sealed file from a place on.
type opened struct {
	f     *os.File
	seal  cipher.AEAD
	h     blob.Hash
	kind  fileKind
	n     uint64 // the next piece
	left  uint64 // pieces that are left
	plain []byte
}

// openFile opens a sealed file at an offset. The error is fs.ErrNotExist where there is
// none, and reading it ErrDamaged where it is not as it was written.
func (s *Store) openFile(h blob.Hash, kind fileKind, offset int64) (*opened, int64, error) {
	f, err := os.Open(s.blobPath(h, kind))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	size := sealedSize(info.Size())
	pieces := uint64(info.Size()-1+pieceWhole-1) / pieceWhole
	o := &opened{f: f, seal: s.seal, h: h, kind: kind, n: uint64(offset / piece)}
	if info.Size() < 1 || size < 0 || offset < 0 || offset > size {
		f.Close()
		return nil, 0, fmt.Errorf("%w: the file %s", ErrDamaged, h)
	}
	if o.n >= pieces { // at the end of a whole number of pieces
		return o, size, nil
	}
	o.left = pieces - o.n
	if _, err := f.Seek(1+int64(o.n)*pieceWhole, io.SeekStart); err != nil {
		f.Close()
		return nil, 0, err
	}
	if err := o.next(); err != nil {
		f.Close()
		return nil, 0, err
	}
	o.plain = o.plain[min(offset%piece, int64(len(o.plain))):]
	return o, size, nil
}

func (o *opened) next() error {
	raw := make([]byte, pieceWhole)
	n, err := io.ReadFull(o.f, raw)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || n < chacha20poly1305.NonceSizeX {
		return fmt.Errorf("%w: the file %s: %w", ErrDamaged, o.h, err)
	}
	raw = raw[:n]
	const head = chacha20poly1305.NonceSizeX
	if o.plain, err = o.seal.Open(nil, raw[:head], raw[head:], pieceAt(o.h, o.kind, o.n, o.left == 1 && o.kind != partFile)); err != nil {
		return fmt.Errorf("%w: the file %s is not as it was written", ErrDamaged, o.h)
	}
	o.n, o.left = o.n+1, o.left-1
	return nil
}

func (o *opened) Read(b []byte) (int, error) {
	for len(o.plain) == 0 {
		if o.left == 0 {
			return 0, io.EOF
		}
		if err := o.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, o.plain)
	o.plain = o.plain[n:]
	return n, nil
}

func (o *opened) Close() error { return o.f.Close() }

// readFile gives a sealed file whole, which is small.
func (s *Store) readFile(h blob.Hash, kind fileKind) ([]byte, error) {
	o, size, err := s.openFile(h, kind, 0)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	var b bytes.Buffer
	b.Grow(int(min(size, 1<<20)))
	_, err = b.ReadFrom(o)
	return b.Bytes(), err
}
