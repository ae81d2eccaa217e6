package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/identity"
)

func keyOf(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var laptop, office, stranger = keyOf(1), keyOf(2), keyOf(3)

func small() *Bundle {
	return &Bundle{Device: "abc", Server: public(office), Serial: 7, Made: 1495500000000, Parts: []Part{{[]byte("first"), 40}, {[]byte("second"), 6}}}
}

func knows(k ed25519.PrivateKey) func(*Bundle) (ed25519.PublicKey, error) {
	return func(*Bundle) (ed25519.PublicKey, error) { return public(k), nil }
}

func sealed(t testing.TB, b *Bundle) []byte {
	t.Helper()
	file, err := Seal(b, identity.BundleOf, laptop, public(office))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// What is put in comes out, for every receiver and sender.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := func(name string) ed25519.PrivateKey {
			return ed25519.NewKeyFromSeed(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, name))
		}
		from, to := seed("from"), seed("to")
		b := &Bundle{
			Device: identity.Device(rapid.String().Draw(t, "device")), Server: public(office), Serial: rapid.Uint64().Draw(t, "serial"),
			Made: rapid.Int64().Draw(t, "made"), Fault: rapid.StringMatching(`[a-z]{0,9}`).Draw(t, "fault"),
		}
		for _, m := range rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 5).Draw(t, "parts") {
			if !b.Add(Part{m, rapid.IntRange(0, 1000).Draw(t, "size")}) {
				t.Fatal("a small message was not added")
			}
		}
		file, err := Seal(b, identity.ReplyOf, from, public(to))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(file); err != nil {
			t.Fatal(err)
		}
		got, err := Open(file, identity.ReplyOf, to, knows(from))
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Parts {
			if got.Parts[i].Message = bytes.Clone(got.Parts[i].Message); got.Parts[i].Message == nil {
				got.Parts[i].Message = []byte{}
			}
			if b.Parts[i].Message == nil {
				b.Parts[i].Message = []byte{}
			}
		}
		if !reflect.DeepEqual(got, b) {
			t.Fatalf("%+v became %+v", b, got)
		}
	})
}

// Every change of one byte is refused, every missing end says that it is that,
// and something behind the end is refused too; by whoever carries the file
// already.
func TestDamage(t *testing.T) {
	file := sealed(t, small())
	for i := range file {
		for _, x := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(file)
			bad[i] ^= x
			if err := Check(bad); err == nil {
				t.Errorf("byte %d changed by %x passes as whole", i, x)
			}
			if _, err := Open(bad, identity.BundleOf, office, knows(laptop)); err == nil {
				t.Errorf("byte %d changed by %x was taken", i, x)
			}
			// The checksum is no secret, so it holds off accidents only: below it
			// everything must be noticed all the same.
			if i < atSum || i >= atKey {
				sum := checksum(bad)
				copy(bad[atSum:], sum[:])
				if _, err := Open(bad, identity.BundleOf, office, knows(laptop)); err == nil {
					t.Errorf("byte %d changed by %x was taken under a new checksum", i, x)
				}
			}
		}
	}
	for n := range file {
		want := ErrPartial
		if n == 0 {
			want = ErrForeign
		}
		if _, err := Open(file[:n], identity.BundleOf, office, knows(laptop)); !errors.Is(err, want) {
			t.Errorf("%d of %d bytes: %v", n, len(file), err)
		}
		// With its size put right it is no longer a part of a file, and no file.
		if n >= atSealed {
			cut := bytes.Clone(file[:n])
			binary.BigEndian.PutUint64(cut[atSize:], uint64(n))
			sum := checksum(cut)
			copy(cut[atSum:], sum[:])
			if _, err := Open(cut, identity.BundleOf, office, knows(laptop)); err == nil {
				t.Errorf("cut to %d bytes it was taken", n)
			}
		}
	}
	if _, err := Open(append(file, 0), identity.BundleOf, office, knows(laptop)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}

// Each row is a file that is whole, and why it is not taken.
func TestRefused(t *testing.T) {
	refusal := errors.New("unknown device")
	file := sealed(t, small())
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
		{"of a later release", append([]byte("ZCB\x02"), file[4:]...), identity.BundleOf, office, knows(laptop), ErrRelease},
		{"a page", []byte("<html>" + strings.Repeat(" ", 99)), identity.BundleOf, office, knows(laptop), ErrForeign},
		{"too large", make([]byte, MaxFile+1), identity.BundleOf, office, knows(laptop), ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Open(tt.file, tt.p, tt.to, tt.sender); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// letter is what Seal encrypts, signed by the laptop, with the messages behind it.
func letter(t testing.TB, n note, messages ...string) []byte {
	t.Helper()
	said, err := encMode.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	plain := binary.BigEndian.AppendUint32(nil, uint32(len(said)))
	plain = append(append(plain, said...), identity.Sign(laptop, identity.BundleOf, said)...)
	return append(plain, strings.Join(messages, "")...)
}

// Each row is what an enrolled device may sign and no honest one does.
func TestSignedNonsense(t *testing.T) {
	part := func(m string, size uint64) sum {
		return sum{Packed: uint64(len(m)), Size: size, Hash: sha256.Sum256([]byte(m))}
	}
	tests := []struct {
		name  string
		plain []byte
		want  error
	}{
		{"nothing", nil, ErrDamaged},
		{"a note longer than all", binary.BigEndian.AppendUint32(nil, 1<<31), ErrDamaged},
		{"a message that comes to gigabytes", letter(t, note{Parts: []sum{part("a", 1<<40)}}, "a"), ErrTooLarge},
		{"messages that come to more than they may", letter(t, note{Parts: []sum{part("a", allowance), part("b", 129)}}, "ab"), ErrTooLarge},
		{"more messages than may be", letter(t, note{Parts: make([]sum, MaxParts+1)}), ErrDamaged},
		{"a message longer than what is there", letter(t, note{Parts: []sum{{Packed: 1 << 63}}}, "a"), ErrDamaged},
		{"something behind the messages", letter(t, note{Parts: []sum{part("a", 1)}}, "ab"), ErrDamaged},
		{"another message in the place of one", letter(t, note{Parts: []sum{part("a", 1), part("b", 1)}}, "ac"), ErrForged},
		{"two messages changed about", letter(t, note{Parts: []sum{part("a", 1), part("b", 1)}}, "ba"), ErrForged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if b, err := read(tt.plain, identity.BundleOf, knows(laptop)); !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v; want %v", b, err, tt.want)
			}
		})
	}
}

// What Add lets in, Seal and Open take; it says no before they would.
func TestLimits(t *testing.T) {
	b := small()
	for b.Add(Part{[]byte("x"), 1}) {
	}
	if len(b.Parts) != MaxParts {
		t.Errorf("%d messages", len(b.Parts))
	}
	if _, err := Open(sealed(t, b), identity.BundleOf, office, knows(laptop)); err != nil {
		t.Error(err)
	}
	b = small()
	for b.Add(Part{make([]byte, 1<<20), 1 << 20}) {
	}
	if n := len(b.Parts); n < 30 {
		t.Errorf("%d messages of a megabyte", n)
	}
	if _, err := Open(sealed(t, b), identity.BundleOf, office, knows(laptop)); err != nil {
		t.Error(err)
	}
	b = small()
	if b.Add(Part{[]byte("x"), allowance + 2*maxRatio*len("first second")}) || b.Add(Part{nil, -1}) {
		t.Error("a message that comes to too much was added")
	}
	b.Parts = append(b.Parts, Part{[]byte("x"), allowance * 2})
	if _, err := Seal(b, identity.BundleOf, laptop, public(office)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("sealed beyond the limits: %v", err)
	}
}

// A courier learns nothing but sizes: two files of one laptop have nothing in
// common but what every file has, and nothing of what they say is to be read.
func TestNothingToLearn(t *testing.T) {
	a, b := sealed(t, small()), sealed(t, small())
	if len(a) != len(b) || !bytes.Equal(a[:atSum], b[:atSum]) {
		t.Error("what every file of that size has is not the same")
	}
	same := 0
	for i := atSum; i < len(a); i++ {
		if a[i] == b[i] {
			same++
		}
	}
	if same > 16 {
		t.Errorf("%d bytes are the same in the same places", same)
	}
	for _, secret := range [][]byte{[]byte("abc"), []byte("first"), public(office), public(laptop)} {
		if bytes.Contains(a, secret) {
			t.Errorf("%q is to be read", secret)
		}
	}
	reply, err := Seal(small(), identity.ReplyOf, office, public(laptop))
	if err != nil || len(reply) != len(a) || !bytes.Equal(reply[:atSum], a[:atSum]) {
		t.Errorf("a reply is to be told from a bundle: %v", err)
	}
}

func TestName(t *testing.T) {
	for _, n := range []string{Name(rand.Text()), Name("Z7A2QRST")} {
		if strings.Count(n, ".") != 1 || !strings.HasSuffix(n, Ext) || len(n) > 24 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz234567-.") != "" {
			t.Errorf("a name that something may take offence at: %q", n)
		}
	}
}

// No key is taken that would give the same secret to everybody.
func TestBadKeys(t *testing.T) {
	one := make([]byte, 32)
	one[0] = 1
	for name, k := range map[string]ed25519.PublicKey{"none": nil, "short": make([]byte, 31), "y is one": one} {
		if _, err := Seal(small(), identity.BundleOf, laptop, k); err == nil {
			t.Errorf("sealed to a key that is none: %s", name)
		}
	}
}

// Whatever bytes: refused, or read.
func FuzzOpen(f *testing.F) {
	f.Add(sealed(f, small()))
	f.Add([]byte("ZCB\x01\x01"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) >= atSealed { // or no more than the checksum would ever be tried
			sum := checksum(file)
			copy(file[atSum:], sum[:])
		}
		if got, err := Read(bytes.NewReader(file)); err == nil && !bytes.Equal(got, file) || (err == nil) != (Check(file) == nil) {
			t.Errorf("read: %v; checked: %v", err, Check(file))
		}
		b, err := Open(file, identity.BundleOf, office, knows(laptop))
		if err == nil && !reflect.DeepEqual(b, small()) {
			t.Errorf("a file that nobody wrote was taken: %+v", b)
		}
	})
}

// The same for what is encrypted, which anybody can write: refused, or read and
// written back the same.
func FuzzLetter(f *testing.F) {
	f.Add(letter(f, note{Device: "abc", Server: public(office), Parts: []sum{{Packed: 1, Size: 1, Hash: sha256.Sum256([]byte("a"))}}}, "a"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > 4 { // signed anew, or no more than the signature would ever be tried
			n := int(binary.BigEndian.Uint32(plain))
			if n <= maxNote && len(plain) >= 4+n+64 {
				copy(plain[4+n:], identity.Sign(laptop, identity.BundleOf, plain[4:4+n]))
			}
		}
		b, err := read(plain, identity.BundleOf, knows(laptop))
		if err != nil {
			return
		}
		file, err := Seal(b, identity.BundleOf, laptop, public(office))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(file, identity.BundleOf, office, knows(laptop))
		if err != nil || len(again.Parts) != len(b.Parts) || again.Device != b.Device || again.Serial != b.Serial || again.Made != b.Made || again.Fault != b.Fault {
			t.Errorf("%+v became %+v, %v", b, again, err)
		}
	})
}

// Each row is what is read, and what it is called; nothing behind the beginning is
// read of what cannot be a file that is taken.
func TestRead(t *testing.T) {
	good := sealed(t, small())
	change := func(at int, b ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[at:], b)
		return file
	}
	tests := []struct {
		name  string
		file  []byte
		want  error
		whole bool // it was read to its end to know
	}{
		{"a file", good, nil, true},
		{"one byte less", good[:len(good)-1], ErrPartial, true},
		{"one byte more", append(bytes.Clone(good), 0), ErrDamaged, true},
		{"its beginning", good[:20], ErrPartial, true},
		{"nothing", nil, ErrForeign, true},
		{"a damaged one", change(len(good)-1, good[len(good)-1]+1), ErrDamaged, true},
		{"a picture", change(0, 0xff, 0xd8), ErrForeign, false},
		{"of a later release", change(3, 2), ErrRelease, false},
		{"says to be too large", change(atSize, 0, 0, 0, 0, 2, 0, 0, 1), ErrTooLarge, false},
		{"says to be shorter than it can be", change(atSize, 0, 0, 0, 0, 0, 0, 0, 1), ErrDamaged, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := bytes.NewReader(tt.file)
			got, err := Read(r)
			if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(got, tt.file) {
				t.Errorf("%d bytes, %v; want %v", len(got), err, tt.want)
			}
			if (r.Len() == 0) != tt.whole {
				t.Errorf("%d of %d bytes were not read", r.Len(), len(tt.file))
			}
		})
	}
}

func TestNumbered(t *testing.T) {
	for name, want := range map[string]string{Name("ABCDEFGHIJ"): "zhucun-abcdefgh-2.zcb", "a.b.zcb": "a.b-2.zcb", "数据": "数据-2"} {
		if got := Numbered(name, 2); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
