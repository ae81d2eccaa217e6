package wire

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"slices"

	"zhucun/shared/pack"
)

// A device's short requests say much again that its last ones said: its villages and how
// far it is in them, its streams, who visits. Both sides keep that of one request for the
// next, and mix that one behind it. Of the server's answers nothing is kept, and of the
// requests nothing that people wrote.

// Known is what is kept of a device's requests, in bytes. Each is made of the one that
// a request named and of that request (Sync.Known), so that both sides come to the same.
type Known []byte

// KnownName names what is known: the first bytes of its SHA-256. Whoever has something
// else by that name, one time in four thousand million, reads another request or none.
type KnownName [4]byte

// Name names it.
func (k Known) Name() (n KnownName) {
	h := sha256.Sum256(k)
	copy(n[:], h[:])
	return n
}

// Limits of what is kept.
const (
	maxStrings = 96      // byte strings that were named last
	maxOthers  = 4       // of the ids that a segment names
	maxKnown   = 4 << 10 // bytes in all: of a device with many villages nothing is kept
)

// known is what the bytes say.
type known struct {
	_ struct{} `cbor:",toarray"`
	// Bare is the last request, with no more of a village than how far the device is.
	Bare Sync
	// Strings are those that requests named, the newest last: epochs, streams,
	// incarnations, seeds, and ids of records that were referred to.
	Strings [][]byte
}

// named is of a segment what the next one may name again (package journal).
type named struct {
	Stream      []byte `cbor:"0,keyasint"`
	Incarnation []byte `cbor:"2,keyasint"`
	Seed        []byte `cbor:"3,keyasint"`
	Others      []byte `cbor:"21,keyasint"`
}

// ErrForgotten says that a request is mixed behind what is not known here: it must come
// again in another way. Nothing of it was read.
var ErrForgotten = errors.New("mixed behind what is not known here")

// MixBehind has EncodeSync mix the request behind what is known, where it is short and
// mixed at all.
func (m *Sync) MixBehind(k Known) { m.known = k }

// Named gives what the request is mixed behind; nil where it is not.
func (m *Sync) Named() Known {
	if !m.behind {
		return nil
	}
	return m.known
}

// Known gives what is known of the device from now on, once the request was answered;
// nil where nothing is.
func (m *Sync) Known() Known {
	var k known
	if m.Reads < ReadsKnown || m.behind && decMode.Unmarshal(m.known, &k) != nil {
		return nil
	}
	bare := Sync{Version: m.Version, Budget: cmp.Or(m.Budget, k.Bare.Budget), Assigned: m.Assigned, Agent: cmp.Or(m.Agent, k.Bare.Agent), Reads: m.Reads}
	for _, p := range m.Villages {
		bare.Villages = append(bare.Villages, Push{Village: p.Village, Epoch: p.Epoch, Cursor: p.Cursor})
		k.name(p.Epoch[:])
		for _, raw := range p.Segments {
			var s named
			if decMode.Unmarshal(raw, &s) != nil {
				continue // the server refuses it
			}
			for id := range slices.Chunk(s.Others[:min(len(s.Others), maxOthers*idSize)], idSize) {
				k.name(id)
			}
			k.name(s.Stream)
			k.name(s.Incarnation)
			k.name(s.Seed)
		}
	}
	slices.SortFunc(bare.Villages, func(a, b Push) int { return cmp.Compare(a.Village, b.Village) })
	k.Bare = bare
	raw, err := encMode.Marshal(k)
	if err != nil || len(raw) > maxKnown {
		return nil
	}
	return raw
}

// name puts a string behind the others.
func (k *known) name(x []byte) {
	if len(x) >= minString && len(x) <= idSize {
		k.Strings = append(slices.DeleteFunc(k.Strings, func(y []byte) bool { return bytes.Equal(x, y) }), x)
		// At once: of a long request each name would look through all.
		k.Strings = k.Strings[max(0, len(k.Strings)-maxStrings):]
	}
}

// past gives what a request is mixed behind.
func (k Known) past() (splitter, bool) {
	var is known
	if len(k) == 0 || decMode.Unmarshal(k, &is) != nil {
		return splitter{}, false
	}
	bare, err := encMode.Marshal(is.Bare)
	if err != nil {
		return splitter{}, false
	}
	p := past(bare)
	p.strings = append(is.Strings, p.strings...)
	p.ids = true
	return p, true
}

// appendBehind is appendMixed for a request behind what is known, with its name in front.
func appendBehind(dst, raw []byte, k Known) ([]byte, bool) {
	p, ok := k.past()
	if !ok {
		return dst, false
	}
	name := k.Name()
	packed, ok := p.appendMixed(append(dst, name[:]...), raw)
	if !ok {
		return dst, false
	}
	return packed, true
}

// openBehind gives the CBOR of what appendBehind made, at most limit bytes. find gives
// what is known by a name, nil where nothing is.
func openBehind(packed []byte, find func(KnownName) Known, limit int) (raw []byte, k Known, err error) {
	if len(packed) < len(KnownName{}) {
		return nil, nil, errSplit
	}
	if find != nil {
		k = find(KnownName(packed))
	}
	p, ok := k.past()
	if !ok {
		return nil, nil, ErrForgotten
	}
	raw, err = p.openMixed(packed[len(KnownName{}):], limit)
	if errors.Is(err, pack.ErrMixed) {
		err = ErrForgotten // it may be another's of that name
	}
	return raw, k, err
}
