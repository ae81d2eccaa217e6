package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// A device's requests are mixed behind what is known by those before; both sides come to
// the same each time, and what is said again is hardly said.
func TestKnown(t *testing.T) {
	var device, office Known
	find := func(n KnownName) Known {
		if office.Name() == n {
			return office
		}
		return nil
	}
	var first int
	// The second is too long to be mixed, and is known of all the same.
	for i, entries := range []int{1, 3000, 1, 1} {
		m := request(entries)
		m.Reads, m.Villages[0].Cursor = ReadsKnown, uint64(1000+i)
		m.MixBehind(device)
		b, err := EncodeSync(m, Mixed)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := UnmarshalSync(b, MaxUnpacked, find)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := encMode.Marshal(m)
		if back, _ := encMode.Marshal(got); !bytes.Equal(back, raw) {
			t.Errorf("request %d comes back as %x", i, back)
		}
		if behind := i > 1; (m.Named() != nil) != behind || !bytes.Equal(m.Named(), got.Named()) {
			t.Errorf("request %d is behind %x, and came behind %x", i, m.Named(), got.Named())
		}
		if device, office = m.Known(), got.Known(); len(device) == 0 || !bytes.Equal(device, office) {
			t.Fatalf("known by request %d: %x and %x", i, device, office)
		}
		if i == 0 {
			first = len(b)
		} else if i > 1 && len(b) > first-50 {
			t.Errorf("request %d has %d bytes, the first %d", i, len(b), first)
		}
		if _, _, err := UnmarshalSync(b, MaxUnpacked, nil); (i > 1) != errors.Is(err, ErrForgotten) {
			t.Errorf("request %d where nothing is known: %v", i, err)
		}
		// Somebody else's of the same name.
		if _, _, err := UnmarshalSync(b, MaxUnpacked, func(KnownName) Known { return ask(t, 77).Known() }); (i > 1) != errors.Is(err, ErrForgotten) {
			t.Errorf("request %d behind another's: %v", i, err)
		}
	}
}

// ask is a request of a device in another village.
func ask(t *testing.T, cursor uint64) *Sync {
	m := request(1)
	m.Reads, m.Villages[0].Cursor, m.Villages[0].Village = ReadsKnown, cursor, "369999000009"
	m.Villages[0].Epoch[0]++
	if _, err := EncodeSync(m, Mixed); err != nil {
		t.Fatal(err)
	}
	return m
}

// Nothing that people wrote, and nobody's name, is in what is kept.
func TestKnownHasNoWords(t *testing.T) {
	m := request(30)
	m.Reads = ReadsKnown
	raw, err := encMode.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	known := m.Known()
	words := 0
	for i := 0; i+6 <= len(raw); i++ {
		if w := raw[i : i+6]; w[0] >= 0xe4 && w[3] >= 0xe4 { // two Chinese characters
			words++
			if bytes.Contains(known, w) {
				t.Errorf("%q is kept", w)
			}
		}
	}
	if words == 0 || len(known) == 0 {
		t.Errorf("%d words in the request, %d bytes known", words, len(known))
	}
}

// What is not what Known gave is not used, whatever it is; what is, gives the request back.
func FuzzKnown(f *testing.F) {
	m := ask(&testing.T{}, 5)
	f.Add([]byte(m.Known()), m.raw)
	f.Add([]byte{}, m.raw)
	f.Add([]byte{0x82, 0xa0, 0x81, 0x50}, m.raw)
	f.Fuzz(func(t *testing.T, known, raw []byte) {
		packed, ok := appendBehind(nil, raw, known)
		if !ok {
			return
		}
		got, _, err := openBehind(packed, func(KnownName) Known { return known }, maxMixed)
		if err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%x comes back as %x, %v", raw, got, err)
		}
	})
}

// However many names a request brings, each is looked for among no more than are kept: a
// long request takes as many steps as it has names times that, not their square.
func TestNamesAreLookedThroughOnce(t *testing.T) {
	var k known
	steps, names := 0, 50*maxStrings
	for n := range names {
		steps += len(k.Strings) // what name compares with
		k.name(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	if steps > names*maxStrings || len(k.Strings) != maxStrings {
		t.Errorf("%d names take %d steps and leave %d", names, steps, len(k.Strings))
	}
}
