package bundle

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// A bundle with files is written in version 2: in pieces, so that neither side has more
// than one of them and the messages in memory.

// Limits of version 2, and of what a note says of files.
const (
	// MaxSize is the size of a file with files in it, in bytes.
	MaxSize = 1 << 30
	// MaxFiles is how many files a note names, MaxContent how long one is, MaxSmall how
	// long a small picture, in bytes.
	MaxFiles   = 8192
	MaxContent = 64 << 20
	MaxSmall   = 32 << 10
	// maxLetter is the size of a note that names files.
	maxLetter = 4 << 20
	// maxAsked is how many files a bundle without files asks for: readers of earlier
	// releases take no more for a note.
	maxAsked = 200
	// PerFile is what a file takes in a note, at most, and PerOf what each photo that it is
	// the original of.
	PerFile, PerOf = 128, 32
)

// Mode says what a file is in a bundle for.
type Mode uint8

const (
	Whole Mode = iota // it is in there
	Small             // its small picture is
	Asked             // it is not: whether the server has it is asked
)

// File is a file that a record shows, as a note names it.
type File struct {
	Mode    Mode
	Village record.Village
	Hash    blob.Hash
	Kind    string
	// Size is how many bytes of it are in there.
	Size int64
	// Sum is the SHA-256 of those: of a small picture; of a file it is the Hash.
	Sum [sha256.Size]byte
	// Of are the photos that it is the original of.
	Of []blob.Hash
}

// named is that in a note.
type named struct {
	_       struct{} `cbor:",toarray"`
	Mode    Mode
	Village record.Village
	Hash    []byte
	Kind    string
	Size    uint64
	Sum     []byte // of a small picture, else empty
	Of      []byte // hashes, one behind the other
}

func (f *File) named() named {
	n := named{Mode: f.Mode, Village: f.Village, Hash: f.Hash[:], Kind: f.Kind, Size: uint64(f.Size), Sum: []byte{}, Of: []byte{}}
	if f.Mode == Small {
		n.Sum = f.Sum[:]
	}
	for _, h := range f.Of {
		n.Of = append(n.Of, h[:]...)
	}
	return n
}

// file reads what a note says of a file; false for what none says.
func (n *named) file() (f File, ok bool) {
	f = File{Mode: n.Mode, Village: n.Village, Kind: n.Kind, Size: int64(n.Size)}
	most := uint64(MaxContent)
	switch n.Mode {
	case Whole:
	case Small:
		most = MaxSmall
	case Asked:
		most = 0
	default:
		return f, false
	}
	if n.Size > most || len(n.Hash) != len(f.Hash) || blob.Kind("."+n.Kind) != n.Kind || len(n.Of)%len(f.Hash) != 0 || (n.Mode == Small) != (len(n.Sum) > 0) {
		return f, false
	}
	f.Hash = blob.Hash(n.Hash)
	switch {
	case n.Mode == Whole:
		f.Sum = f.Hash
	case n.Mode == Small && len(n.Sum) != len(f.Sum):
		return f, false
	case n.Mode == Small:
		f.Sum = [sha256.Size]byte(n.Sum)
	}
	for of := n.Of; len(of) > 0; of = of[len(f.Hash):] {
		f.Of = append(f.Of, blob.Hash(of[:len(f.Hash)]))
	}
	return f, true
}

// magicFiles begins a file of version 2.
var magicFiles = [4]byte{'Z', 'C', 'B', 2}

const (
	// piece is how much of the content is sealed at a time, in bytes; the last has less,
	// and at least one.
	piece = 64 << 10
	tag   = 16 // of each
	// atPieces is where they begin, behind head and key.
	atPieces = atSum + 32
	sumSize  = 16
	// minFiles is the size of the smallest: a piece of one byte.
	minFiles   = atPieces + tag + 1 + sumSize
	filesInfo  = "zhucun bundle file 2"
	markedLast = 1
)

// sealedAs gives the size of a file with so much content.
func sealedAs(content int64) int64 {
	return atPieces + content + (content+piece-1)/piece*tag + sumSize
}

// ErrContent says of a file that is to be written into a bundle that it is not what the
// note says: it changed, or cannot be read.
var ErrContent = errors.New("a file changed while it was written into a bundle")

// Write writes the file that brings b, with its files, to whoever has the identity key
// to; without files it is of version 1, as Seal's. open opens the content of a file. size
// is how many bytes were written.
func Write(w io.Writer, b *Bundle, p identity.Purpose, from ed25519.PrivateKey, to ed25519.PublicKey, open func(File) (io.ReadCloser, error)) (size int64, err error) {
	carried := int64(0)
	for _, f := range b.Files {
		if f.Mode != Asked {
			carried++
		}
	}
	if carried == 0 {
		file, err := Seal(b, p, from, to)
		if err != nil {
			return 0, err
		}
		n, err := w.Write(file)
		return int64(n), err
	}
	said, content, err := b.letter(maxLetter)
	if err != nil {
		return 0, err
	}
	for _, f := range b.Files {
		content += f.Size
	}
	if sealedAs(content) > MaxSize {
		return 0, ErrTooLarge
	}
	out, err := seal(w, content, to)
	if err != nil {
		return 0, err
	}
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(said))))
	out.Write(said)
	out.Write(identity.Sign(from, p, said))
	for _, part := range b.Parts {
		out.Write(part.Message)
	}
	for _, f := range b.Files {
		if f.Mode == Asked {
			continue
		}
		if err := copyFile(out, f, open); err != nil {
			return 0, err
		}
	}
	return sealedAs(content), out.end()
}

// copyFile writes what a note has promised of a file.
func copyFile(out *sealing, f File, open func(File) (io.ReadCloser, error)) error {
	r, err := open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), io.LimitReader(r, f.Size))
	if err != nil {
		return err
	}
	if n != f.Size || [sha256.Size]byte(sum.Sum(nil)) != f.Sum {
		return fmt.Errorf("%w: %s", ErrContent, f.Hash)
	}
	return nil
}

// seal begins a file with so much content, which is what is written to it.
func seal(w io.Writer, content int64, to ed25519.PublicKey) (*sealing, error) {
	key, err := identity.Receiver(to)
	if err != nil {
		return nil, err
	}
	enc, sender, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(filesInfo))
	if err != nil {
		return nil, fmt.Errorf("seal bundle: %w", err)
	}
	s := &sealing{w: w, sum: sha256.New(), sender: sender, left: content, head: append(headOf(magicFiles, sealedAs(content)), 0)}
	return s, s.put(append(s.head[:atSum:atSum], enc...))
}

// sealing seals what is written to it, piece by piece. What fails is err.
type sealing struct {
	w      io.Writer
	sum    hash.Hash // of all that went to w
	sender *hpke.Sender
	head   []byte // what each piece is sealed for; its last byte marks the last
	left   int64  // of the content
	piece  []byte
	err    error
}

func (s *sealing) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 && s.err == nil {
		n := min(len(b), piece-len(s.piece))
		s.piece, b = append(s.piece, b[:n]...), b[n:]
		if s.left -= int64(n); len(s.piece) < piece && s.left > 0 {
			continue
		}
		if s.left <= 0 {
			s.head[atSum] = markedLast
		}
		box, err := s.sender.Seal(s.head, s.piece)
		if err == nil {
			err = s.put(box)
		}
		s.piece, s.err = s.piece[:0], err
	}
	return all - len(b), s.err
}

func (s *sealing) put(b []byte) error {
	s.sum.Write(b)
	_, err := s.w.Write(b)
	return err
}

// end ends the file.
func (s *sealing) end() error {
	if s.err != nil {
		return s.err
	}
	return s.put(s.sum.Sum(nil)[:sumSize])
}

// Copy copies a file of either version that is whole and as it was written, as much as
// whoever carries it can tell; the errors are Check's. What is not a file of this kind,
// or says to be too large, is not read any further; nor is one that room, if there is one,
// refuses by its size. w may be io.Discard.
func Copy(w io.Writer, r io.Reader, room func(size int64) error) (size int64, err error) {
	begin := make([]byte, atPieces)
	n, err := io.ReadFull(r, begin)
	short := err == io.EOF || err == io.ErrUnexpectedEOF
	if err != nil && !short {
		return 0, err
	}
	if n < 4 || [4]byte(begin) != magicFiles {
		// In memory, as it has always been.
		file, err := Read(io.MultiReader(bytes.NewReader(begin[:n]), r))
		if err == nil && room != nil {
			err = room(int64(len(file)))
		}
		if err != nil {
			return 0, err
		}
		_, err = w.Write(file)
		return int64(len(file)), err
	}
	if n > atSuite && begin[atSuite] != suite {
		return 0, ErrRelease
	}
	if short {
		return 0, ErrPartial
	}
	size = int64(min(binary.BigEndian.Uint64(begin[atSize:]), MaxSize+1))
	switch {
	case size > MaxSize:
		return 0, ErrTooLarge
	case size < minFiles:
		return 0, ErrDamaged
	}
	if room != nil {
		if err := room(size); err != nil {
			return 0, err
		}
	}
	sum := sha256.New()
	all := io.MultiWriter(w, sum)
	if _, err := all.Write(begin); err != nil {
		return 0, err
	}
	rest := size - atPieces - sumSize
	got, err := io.Copy(all, io.LimitReader(r, rest))
	if err != nil {
		return 0, err
	}
	// One byte more tells a file that goes on.
	end := make([]byte, sumSize+1)
	n, err = io.ReadFull(r, end)
	switch {
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return 0, err
	case got < rest || n < sumSize:
		return 0, fmt.Errorf("%w: %d of %d bytes are there", ErrPartial, atPieces+got+int64(n), size)
	case n > sumSize || !bytes.Equal(end[:sumSize], sum.Sum(nil)[:sumSize]):
		return 0, ErrDamaged
	}
	_, err = w.Write(end[:sumSize])
	return size, err
}

// HasFiles tells whether a file is of the version that has files in it; it is to be read
// from its beginning again.
func HasFiles(file io.ReadSeeker) (bool, error) {
	begin := make([]byte, len(magicFiles))
	if _, err := io.ReadFull(file, begin); err != nil {
		return false, ended(err)
	}
	_, err := file.Seek(0, io.SeekStart)
	return [4]byte(begin) == magicFiles, err
}

// Opened is a bundle whose files are still in its file.
type Opened struct {
	*Bundle
	// Size is that of the file in bytes.
	Size int64

	file io.ReadSeeker
	to   ed25519.PrivateKey
	at   int64 // where in the content the files begin
}

// OpenFile opens a file of either version, as Open does. All of it is read and found as
// its sender wrote it before anything is given.
func OpenFile(file io.ReadSeeker, p identity.Purpose, to ed25519.PrivateKey, sender func(*Bundle) (ed25519.PublicKey, error)) (*Opened, error) {
	begin := make([]byte, 4)
	n, err := io.ReadFull(file, begin)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if n == 4 && [4]byte(begin) == magicFiles {
		return openFiles(file, p, to, sender)
	}
	raw, err := Read(file)
	if err != nil {
		return nil, err
	}
	b, err := Open(raw, p, to, sender)
	if err != nil {
		return nil, err
	}
	return &Opened{Bundle: b, Size: int64(len(raw))}, nil
}

func openFiles(file io.ReadSeeker, p identity.Purpose, to ed25519.PrivateKey, sender func(*Bundle) (ed25519.PublicKey, error)) (*Opened, error) {
	size, err := Copy(io.Discard, bufio.NewReaderSize(file, piece), nil)
	if err != nil {
		return nil, err
	}
	o := &Opened{Size: size, file: file, to: to}
	content, err := o.content()
	if err != nil {
		return nil, err
	}
	if o.Bundle, o.at, err = readLetter(content, p, sender); err != nil {
		return nil, err
	}
	for _, f := range o.Files {
		if f.Mode == Asked {
			continue
		}
		sum := sha256.New()
		if n, err := io.Copy(sum, io.LimitReader(content, f.Size)); err != nil {
			return nil, err
		} else if n != f.Size {
			return nil, ErrDamaged
		}
		if [sha256.Size]byte(sum.Sum(nil)) != f.Sum {
			return nil, ErrForged
		}
	}
	if n, err := content.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, ErrDamaged
	}
	return o, nil
}

// readLetter takes apart what stands before the files, as read does, and gives how long
// that is.
func readLetter(content io.Reader, p identity.Purpose, sender func(*Bundle) (ed25519.PublicKey, error)) (*Bundle, int64, error) {
	first := make([]byte, 4)
	if _, err := io.ReadFull(content, first); err != nil {
		return nil, 0, ended(err)
	}
	n := int64(binary.BigEndian.Uint32(first))
	if n > maxLetter {
		return nil, 0, ErrDamaged
	}
	plain := make([]byte, n+ed25519.SignatureSize)
	if _, err := io.ReadFull(content, plain); err != nil {
		return nil, 0, ended(err)
	}
	b, told, err := readNote(plain[:n], filesMode)
	if err != nil {
		return nil, 0, err
	}
	packed, err := withinSums(told.Parts)
	if err != nil {
		return nil, 0, err
	}
	// Nothing of the messages before it is known whose they are.
	from, err := sender(b)
	if err != nil {
		return nil, 0, err
	}
	if !identity.Verify(from, p, plain[:n], plain[n:]) {
		return nil, 0, ErrForged
	}
	messages := make([]byte, packed)
	if _, err := io.ReadFull(content, messages); err != nil {
		return nil, 0, ended(err)
	}
	if err := b.fill(messages, told); err != nil {
		return nil, 0, err
	}
	return b, 4 + int64(len(plain)) + int64(packed), nil
}

// ended says of content that it is shorter than it says.
func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrDamaged
	}
	return err
}

// EachFile reads the files again, and calls take with each that is in there, in their
// order. What take does not read of one is passed over. The content is what the note
// says; it is read from the same place, and so who keeps it checks it once more.
func (o *Opened) EachFile(take func(File, io.Reader) error) error {
	if o.file == nil {
		return nil
	}
	content, err := o.content()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, content, o.at); err != nil {
		return ended(err)
	}
	for _, f := range o.Files {
		if f.Mode == Asked {
			continue
		}
		r := &checked{r: io.LimitReader(content, f.Size), sum: sha256.New(), want: f.Sum, left: f.Size}
		if err := take(f, r); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
	}
	return nil
}

// checked ends with ErrDamaged where the content is not what the note says.
type checked struct {
	r    io.Reader
	sum  hash.Hash
	want [sha256.Size]byte
	left int64
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	c.left -= int64(n)
	if err == io.EOF && (c.left != 0 || [sha256.Size]byte(c.sum.Sum(nil)) != c.want) {
		err = ErrDamaged
	}
	return n, err
}

// content opens the file's content from its beginning.
func (o *Opened) content() (*opening, error) {
	if _, err := o.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(o.file, piece+tag)
	begin := make([]byte, atPieces)
	if _, err := io.ReadFull(r, begin); err != nil {
		return nil, ended(err)
	}
	key, err := identity.Opener(o.to)
	if err != nil {
		return nil, err
	}
	recipient, err := hpke.NewRecipient(begin[atSum:], key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(filesInfo))
	if err != nil {
		return nil, ErrOther
	}
	return &opening{r: r, recipient: recipient, head: append(begin[:atSum:atSum], 0), left: o.Size - atPieces - sumSize, first: true}, nil
}

// opening reads the content of sealed pieces. One that cannot be opened is ErrOther at
// the beginning, since the sum is right, and ErrDamaged behind.
type opening struct {
	r         io.Reader
	recipient *hpke.Recipient
	head      []byte
	left      int64 // of the sealed pieces
	plain     []byte
	first     bool
}

func (o *opening) Read(b []byte) (int, error) {
	if len(o.plain) == 0 {
		if o.left == 0 {
			return 0, io.EOF
		}
		box := make([]byte, min(o.left, piece+tag))
		if _, err := io.ReadFull(o.r, box); err != nil {
			return 0, ended(err)
		}
		if o.left -= int64(len(box)); o.left == 0 {
			o.head[atSum] = markedLast
		}
		plain, err := o.recipient.Open(o.head, box)
		if err != nil && o.first {
			return 0, ErrOther
		}
		if err != nil || len(plain) == 0 {
			return 0, ErrDamaged
		}
		o.plain, o.first = plain, false
	}
	n := copy(b, o.plain)
	o.plain = o.plain[n:]
	return n, nil
}
