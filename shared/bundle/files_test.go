package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/blob"
	"zhucun/shared/identity"
)

// load is the content of files, by their sums.
type load map[[sha256.Size]byte][]byte

func (l load) open(f File) (io.ReadCloser, error) {
	b, ok := l[f.Sum]
	if !ok {
		return nil, errors.New("no such file")
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// whole and little give a file, and its small picture.
func (l load) whole(b []byte, of ...blob.Hash) File {
	f := File{Village: "369999000001", Hash: sha256.Sum256(b), Kind: "jpg", Size: int64(len(b)), Sum: sha256.Sum256(b), Of: of}
	l[f.Sum] = b
	return f
}

func (l load) little(of blob.Hash, b []byte) File {
	f := File{Mode: Small, Village: "369999000001", Hash: of, Kind: "jpg", Size: int64(len(b)), Sum: sha256.Sum256(b)}
	l[f.Sum] = b
	return f
}

// loaded is a small bundle with a photo, its small picture, its original and one that is
// asked for.
func loaded(photo int) (*Bundle, load) {
	l, b := load{}, small()
	p := l.whole(bytes.Repeat([]byte("照片"), photo))
	b.Files = []File{l.little(p.Hash, []byte("small")), p, {Mode: Asked, Village: "369999000001", Hash: blob.Hash{9}, Kind: "jpg"}, l.whole([]byte("as it came"), p.Hash)}
	return b, l
}

func written(t testing.TB, b *Bundle, l load) []byte {
	t.Helper()
	var w bytes.Buffer
	size, err := Write(&w, b, identity.BundleOf, laptop, public(office), l.open)
	if err != nil || size != int64(w.Len()) {
		t.Fatalf("%d of %d bytes, %v", size, w.Len(), err)
	}
	return w.Bytes()
}

// opened reads a file as its receiver does, and gives the content of what is in it.
func opened(raw []byte, key ed25519.PrivateKey) (*Opened, load, error) {
	o, err := OpenFile(bytes.NewReader(raw), identity.BundleOf, key, knows(laptop))
	if err != nil {
		return nil, nil, err
	}
	l := load{}
	return o, l, o.EachFile(func(f File, r io.Reader) error {
		b, err := io.ReadAll(r)
		l[f.Sum] = b
		return err
	})
}

// What is put in comes out, files of every length among them, however they fall on the
// pieces; what is not read of one is passed over.
func TestFilesThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, b := load{}, small()
		for i, n := range rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 100, piece - 1, piece, piece + 1, 3 * piece}), 1, 5).Draw(t, "sizes") {
			f := l.whole(bytes.Repeat([]byte{byte(i), byte(n)}, n)[:n])
			if b.Files = append(b.Files, f); rapid.Bool().Draw(t, "small") {
				b.Files = append(b.Files, l.little(f.Hash, []byte{byte(i)}))
			}
		}
		var w bytes.Buffer
		if _, err := Write(&w, b, identity.BundleOf, laptop, public(office), l.open); err != nil {
			t.Fatal(err)
		}
		if n, err := Copy(io.Discard, bytes.NewReader(w.Bytes()), nil); err != nil || n != int64(w.Len()) {
			t.Fatalf("%d, %v", n, err)
		}
		got, content, err := opened(w.Bytes(), office)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Bundle, b) {
			t.Fatalf("%+v became %+v", b, got.Bundle)
		}
		for sum, want := range l {
			if !bytes.Equal(content[sum], want) {
				t.Fatalf("a file of %d bytes became one of %d", len(want), len(content[sum]))
			}
		}
		seen := 0
		if err := got.EachFile(func(File, io.Reader) error { seen++; return nil }); err != nil || seen != len(b.Files) {
			t.Fatalf("unread: %d of %d, %v", seen, len(b.Files), err)
		}
	})
}

// A bundle of the first version is opened the same way; without a file in it one is
// written, and what it asks for goes along as far as readers of that take it.
func TestFirstVersion(t *testing.T) {
	b := small()
	for i := range maxAsked + 5 {
		b.Files = append(b.Files, File{Mode: Asked, Village: "369999000001", Hash: blob.Hash{byte(i), byte(i >> 8)}, Kind: "jpg"})
	}
	raw := written(t, b, nil)
	if [4]byte(raw) != magic {
		t.Fatalf("it begins with %x", raw[:4])
	}
	o, content, err := opened(raw, office)
	if err != nil || len(content) != 0 || len(o.Parts) != 2 || len(o.Files) != maxAsked || o.Files[0].Hash != b.Files[0].Hash || o.Size != int64(len(raw)) {
		t.Errorf("%+v, %v", o, err)
	}
	if n, err := Copy(io.Discard, bytes.NewReader(raw), nil); err != nil || n != int64(len(raw)) {
		t.Errorf("%d, %v", n, err)
	}
}

// resum writes the sum anew, which is no secret.
func resum(raw []byte) []byte {
	if len(raw) > sumSize {
		s := sha256.Sum256(raw[:len(raw)-sumSize])
		copy(raw[len(raw)-sumSize:], s[:])
	}
	return raw
}

// Every change of one byte and every missing end is refused, with the sum put right as
// well, before anything is given.
func TestFilesDamage(t *testing.T) {
	b, l := loaded(9)
	file := written(t, b, l)
	refused := func(what string, raw []byte, want error) {
		t.Helper()
		if _, _, err := opened(raw, office); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range file {
		for _, x := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(file)
			bad[i] ^= x
			if _, err := Copy(io.Discard, bytes.NewReader(bad), nil); err == nil {
				t.Errorf("byte %d changed by %x passes as whole", i, x)
			}
			refused("a byte changed", bad, nil)
			if i < len(file)-sumSize {
				refused("a byte changed, under a new sum", resum(bad), nil)
			}
		}
	}
	for n := range file {
		want := ErrPartial
		if n == 0 {
			want = ErrForeign
		}
		refused("cut", file[:n], want)
		if n > minFiles {
			cut := bytes.Clone(file[:n])
			binary.BigEndian.PutUint64(cut[atSize:], uint64(n))
			refused("cut, under a new sum", resum(cut), nil)
		}
	}
	refused("a byte more", append(bytes.Clone(file), 0), ErrDamaged)

	// Pieces changed about, left out, twice, from another file of the same sender.
	b, l = loaded(40_000)
	file, other := written(t, b, l), written(t, b, l)
	at := func(n int) int { return atPieces + n*(piece+tag) }
	sized := func(raw []byte) []byte {
		binary.BigEndian.PutUint64(raw[atSize:], uint64(len(raw)))
		return resum(raw)
	}
	first, second, rest := file[at(0):at(1)], file[at(1):at(2)], file[at(2):]
	for what, raw := range map[string][]byte{
		"two pieces changed about": slices.Concat(file[:at(0)], second, first, rest),
		"a piece of another file":  slices.Concat(file[:at(1)], other[at(1):at(2)], rest),
		"a piece left out":         sized(slices.Concat(file[:at(1)], rest)),
		"a piece twice":            sized(slices.Concat(file[:at(1)], second, second, rest)),
		"the last piece left out":  sized(slices.Concat(file[:len(file)-sumSize-(len(file)-sumSize-at(0))%(piece+tag)], make([]byte, sumSize))),
	} {
		refused(what, resum(raw), nil)
	}
	// Between the first reading and the second nobody may change it unseen.
	r := bytes.NewReader(file)
	o, err := OpenFile(r, identity.BundleOf, office, knows(laptop))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(file)
	bad[at(2)+9] ^= 1
	*r = *bytes.NewReader(bad)
	if err := o.EachFile(func(_ File, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); !errors.Is(err, ErrDamaged) {
		t.Errorf("changed after it was opened: %v", err)
	}
}

// Each row is a file that is whole, and why it is not taken.
func TestFilesRefused(t *testing.T) {
	b, l := loaded(9)
	file := written(t, b, l)
	refusal := errors.New("unknown device")
	says := func(size uint64) []byte {
		raw := bytes.Clone(file)
		binary.BigEndian.PutUint64(raw[atSize:], size)
		return raw
	}
	suited := bytes.Clone(file)
	suited[atSuite] = 2
	tests := []struct {
		name   string
		file   []byte
		p      identity.Purpose
		to     ed25519.PrivateKey
		sender func(*Bundle) (ed25519.PublicKey, error)
		want   error
	}{
		{"for another server", file, identity.BundleOf, stranger, knows(laptop), ErrOther},
		{"from somebody else than it says", file, identity.BundleOf, office, knows(stranger), ErrForged},
		{"a bundle is no reply", file, identity.ReplyOf, office, knows(laptop), ErrForged},
		{"from an unknown device", file, identity.BundleOf, office, func(*Bundle) (ed25519.PublicKey, error) { return nil, refusal }, refusal},
		{"of a later release", append([]byte("ZCB\x03"), file[4:]...), identity.BundleOf, office, knows(laptop), ErrRelease},
		{"of a later suite", suited, identity.BundleOf, office, knows(laptop), ErrRelease},
		{"says to be too large", says(MaxSize + 1), identity.BundleOf, office, knows(laptop), ErrTooLarge},
		{"says to be endless", says(1<<64 - 1), identity.BundleOf, office, knows(laptop), ErrTooLarge},
		{"says to be too small", says(9), identity.BundleOf, office, knows(laptop), ErrDamaged},
		{"as the first version", append([]byte("ZCB\x01"), file[4:]...), identity.BundleOf, office, knows(laptop), ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := OpenFile(bytes.NewReader(tt.file), tt.p, tt.to, tt.sender); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// Each row is what an enrolled device may sign and no honest one does.
func TestFilesSignedNonsense(t *testing.T) {
	h := sha256.Sum256([]byte("a"))
	good := named{Village: "369999000001", Hash: h[:], Kind: "jpg", Size: 1, Sum: []byte{}, Of: []byte{}}
	but := func(change func(*named)) note {
		n := good
		change(&n)
		return note{Files: []named{n}}
	}
	tests := []struct {
		name string
		note note
		rest string
		want error
	}{
		{"an honest one", note{Files: []named{good}}, "a", nil},
		{"another content", note{Files: []named{good}}, "b", ErrForged},
		{"less than it says", note{Files: []named{good}}, "", ErrDamaged},
		{"more than it says", note{Files: []named{good}}, "ab", ErrDamaged},
		{"too long", but(func(n *named) { n.Size = MaxContent + 1 }), "a", ErrDamaged},
		{"endless", but(func(n *named) { n.Size = 1 << 63 }), "a", ErrDamaged},
		{"no kind", but(func(n *named) { n.Kind = "../x" }), "a", ErrDamaged},
		{"half a hash", but(func(n *named) { n.Hash = n.Hash[:16] }), "a", ErrDamaged},
		{"the original of half a photo", but(func(n *named) { n.Of = h[:16] }), "a", ErrDamaged},
		{"of an unknown mode", but(func(n *named) { n.Mode = 3 }), "a", ErrDamaged},
		{"asked for, with content", but(func(n *named) { n.Mode = Asked }), "a", ErrDamaged},
		{"a small picture without its sum", but(func(n *named) { n.Mode = Small }), "a", ErrDamaged},
		{"a small picture that is large", but(func(n *named) { n.Mode, n.Sum, n.Size = Small, h[:], MaxSmall+1 }), "a", ErrDamaged},
		{"more files than may be", note{Files: slices.Repeat([]named{good}, MaxFiles+1)}, "a", ErrDamaged},
		{"a message that comes to gigabytes", note{Parts: []sum{{Packed: 1, Size: 1 << 40, Hash: h}}}, "a", ErrTooLarge},
		{"a message longer than what is there", note{Parts: []sum{{Packed: 1 << 63, Size: 1, Hash: h}}}, "a", ErrTooLarge},
		{"more messages than may be", note{Parts: make([]sum, MaxParts+1)}, "", ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content := letter(t, tt.note, tt.rest)
			_, _, err := opened(sealedPieces(t, content), office)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
	// What is no content of a file of the first version is none either.
	if b, err := read(letter(t, note{Files: []named{good}}, ""), identity.BundleOf, knows(laptop)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file in the first version: %+v, %v", b, err)
	}
	if _, _, err := opened(sealedPieces(t, binary.BigEndian.AppendUint32(nil, maxLetter+1)), office); !errors.Is(err, ErrDamaged) {
		t.Errorf("a note longer than may be: %v", err)
	}
}

// sealedPieces is a file of version 2 with whatever content, which anybody can write.
func sealedPieces(t testing.TB, content []byte) []byte {
	t.Helper()
	var w bytes.Buffer
	s, err := seal(&w, int64(len(content)), public(office))
	if err == nil {
		_, err = s.Write(content)
	}
	if err == nil {
		err = s.end()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// What goes over the limits is not written; a file that changed, or is not there, spoils
// the writing and not the reading.
func TestFilesLimits(t *testing.T) {
	b, l := loaded(9)
	b.Files[1].Size++
	if _, err := Write(io.Discard, b, identity.BundleOf, laptop, public(office), l.open); !errors.Is(err, ErrContent) {
		t.Errorf("a file that is shorter: %v", err)
	}
	b, l = loaded(9)
	l[b.Files[1].Sum] = bytes.Repeat([]byte("x"), int(b.Files[1].Size))
	if _, err := Write(io.Discard, b, identity.BundleOf, laptop, public(office), l.open); !errors.Is(err, ErrContent) {
		t.Errorf("a file that is another: %v", err)
	}
	b, l = loaded(9)
	delete(l, b.Files[1].Sum)
	if _, err := Write(io.Discard, b, identity.BundleOf, laptop, public(office), l.open); err == nil || errors.Is(err, ErrContent) {
		t.Errorf("a file that is not there: %v", err)
	}
	b, l = loaded(9)
	for range MaxFiles {
		b.Files = append(b.Files, b.Files[0])
	}
	if _, err := Write(io.Discard, b, identity.BundleOf, laptop, public(office), l.open); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many files: %v", err)
	}
	b, l = loaded(9)
	for range MaxSize/MaxContent + 1 {
		b.Files = append(b.Files, File{Village: "369999000001", Kind: "jpg", Size: MaxContent})
	}
	if _, err := Write(io.Discard, b, identity.BundleOf, laptop, public(office), l.open); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too much: %v", err)
	}
	// As many as may be, with what may be said of them, fit into a note.
	f := b.Files[3]
	f.Village, f.Kind, f.Mode, f.Of = "369999000001", "abcdefgh", Small, []blob.Hash{{1}}
	one, err := encMode.Marshal(f.named())
	if err != nil || len(one) > PerFile+PerOf || MaxFiles*(PerFile+8*PerOf) > maxLetter {
		t.Errorf("a file takes %d bytes of a note, %v", len(one), err)
	}
}

// A courier learns nothing but sizes.
func TestFilesNothingToLearn(t *testing.T) {
	b, l := loaded(200)
	x, y := written(t, b, l), written(t, b, l)
	if len(x) != len(y) || !bytes.Equal(x[:atSum], y[:atSum]) {
		t.Error("what every file of that size has is not the same")
	}
	same := 0
	for i := atSum; i < len(x); i++ {
		if x[i] == y[i] {
			same++
		}
	}
	if same > 16+len(x)/128 {
		t.Errorf("%d bytes are the same in the same places", same)
	}
	for _, secret := range [][]byte{[]byte("abc"), []byte("first"), []byte("照片"), []byte("as it came"), b.Files[1].Hash[:], public(office), public(laptop)} {
		if bytes.Contains(x, secret) {
			t.Errorf("%q is to be read", secret)
		}
	}
}

// zeros is a file of nought.
type zeros struct{ left int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), z.left)
	clear(b[:n])
	z.left -= n
	return int(n), nil
}
func (z *zeros) Close() error { return nil }

// A bundle of two hundred megabytes takes a few pieces of memory, to write and to read.
func TestFilesInLittleMemory(t *testing.T) {
	const each = 50 << 20
	const count = 4
	sum := sha256.New()
	io.Copy(sum, &zeros{each})
	b := small()
	for range count {
		b.Files = append(b.Files, File{Village: "369999000001", Hash: blob.Hash(sum.Sum(nil)), Kind: "jpg", Size: each, Sum: [32]byte(sum.Sum(nil))})
	}
	most := uint64(0)
	look := func() {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	look()
	before := most
	f, err := os.Create(filepath.Join(t.TempDir(), "a.zcb"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Write(f, b, identity.BundleOf, laptop, public(office), func(File) (io.ReadCloser, error) { look(); return &zeros{each}, nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	o, err := OpenFile(f, identity.BundleOf, office, func(*Bundle) (ed25519.PublicKey, error) { look(); return public(laptop), nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := o.EachFile(func(_ File, r io.Reader) error { look(); _, err := io.Copy(io.Discard, r); return err }); err != nil {
		t.Fatal(err)
	}
	if most-before > 4<<20 {
		t.Errorf("it takes %d KB", (most-before)>>10)
	}
}

// Whatever bytes: refused, or read as it was written.
func FuzzOpenFile(f *testing.F) {
	b, l := loaded(9)
	f.Add(written(f, b, l))
	f.Add([]byte("ZCB\x02\x01"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > minFiles && bytes.HasPrefix(file, magicFiles[:]) {
			resum(file)
		}
		n, cerr := Copy(io.Discard, bytes.NewReader(file), nil)
		if cerr == nil && n != int64(len(file)) {
			t.Errorf("%d of %d bytes are copied", n, len(file))
		}
		o, _, err := opened(file, office)
		if err == nil && (cerr != nil || !reflect.DeepEqual(o.Bundle, b)) {
			t.Errorf("a file that nobody wrote was taken: %+v, %v", o.Bundle, cerr)
		}
	})
}

// The same for the content, which anybody can write.
func FuzzContent(f *testing.F) {
	h := sha256.Sum256([]byte("a"))
	f.Add(letter(f, note{Device: "abc", Server: public(office), Files: []named{{Village: "369999000001", Hash: h[:], Kind: "jpg", Size: 1, Sum: []byte{}, Of: []byte{}}}}, "a"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 4 { // signed anew, or no more than the signature would ever be tried
			n := int(binary.BigEndian.Uint32(content))
			if n <= maxLetter && len(content) >= 4+n+64 {
				copy(content[4+n:], identity.Sign(laptop, identity.BundleOf, content[4:4+n]))
			}
		}
		if len(content) == 0 {
			return
		}
		o, l, err := opened(sealedPieces(t, content), office)
		if err != nil {
			return
		}
		again, _, err := opened(written(t, o.Bundle, l), office)
		if err != nil || again.Device != o.Device || len(again.Parts) != len(o.Parts) || len(again.Files) > len(o.Files) {
			t.Errorf("%+v became %+v, %v", o.Bundle, again, err)
		}
	})
}

// The names of what is in a bundle come from outside; none of them becomes a path.
func TestFilesKind(t *testing.T) {
	for kind, want := range map[string]bool{"jpg": true, "pdf": true, "bin": true, "JPG": false, "": false, "jpeg": false, "a/b": false, strings.Repeat("a", 9): false} {
		n := named{Hash: make([]byte, 32), Kind: kind}
		if _, ok := n.file(); ok != want {
			t.Errorf("%q: %v", kind, ok)
		}
	}
}
