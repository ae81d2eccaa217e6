package store

import (
	"bytes"
	"cmp"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"os"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
)

// salvage is what a damaged store still holds of what is nowhere else: own
// changes, with what is needed to send them, and open forms. Every value of it
// opened at its place under the data key, so it is what was written there; but it
// may be of long ago: pages that became free keep what was in them.
type salvage struct {
	f    *os.File
	seal cipher.AEAD
	// commit is of which commit the tree was that could be walked, 0 where none.
	commit uint64
	// older tells that there may have been another commit behind that, of which nothing
	// is known: one of the two pages that say where everything is cannot be read.
	older   bool
	device  *Device
	clock   *clock.Clock
	codes   []record.Village // of the villages that the tree has
	streams map[record.Stream]*remains
	drafts  map[string]Draft
	imports [][]byte
	choices
}

// choices are what people have chosen on the laptop.
type choices struct {
	settings *Settings
	profiles map[string]*Profile
	walked   bool // the tree led to them, or said that there are none
	// doubtful tells that several states of the profiles were found of which none is known
	// to be the last: PINs that somebody has changed since would shut him out.
	doubtful bool
}

// lost tells that something that was chosen may be gone.
func (c *choices) lost() bool {
	return !c.walked && (c.settings == nil || c.profiles == nil || c.doubtful)
}

// choice takes what was chosen, if that is what stands there.
func (s *salvage) choice(e element) {
	switch {
	case bytes.Equal(e.key, keySettings):
		x := new(Settings)
		plain, err := unwrap(s.seal, settingsAt, e.value)
		if err != nil || decMode.Unmarshal(plain, x) != nil {
			return
		}
		// Of several the one of the latest backup, by which it is newest if by anything.
		if has := s.settings; has == nil || max(x.Drive.Tried, x.Drive.Since) > max(has.Drive.Tried, has.Drive.Since) {
			s.settings = x
		}
	case bytes.Equal(e.key, keyProfiles):
		all := map[string]*Profile{}
		plain, err := unwrap(s.seal, profilesAt, e.value)
		if err != nil || decMode.Unmarshal(plain, &all) != nil {
			return
		}
		if s.doubtful = s.doubtful || s.profiles != nil && !samePins(s.profiles, all); s.profiles == nil {
			s.profiles = all
		}
	}
}

// samePins tells whether the same people have the same PINs.
func samePins(a, b map[string]*Profile) bool {
	pins := func(all map[string]*Profile) map[string]string {
		of := map[string]string{}
		for name, p := range all {
			if p.Pin != nil {
				of[name] = string(p.Pin.Sum)
			}
		}
		return of
	}
	return maps.Equal(pins(a), pins(b))
}

// remains are what is left of an own stream. Of is its village, where that is
// known; own is what the store knew of it, with walked telling that the tree led
// there.
type remains struct {
	of      record.Village
	own     *own
	walked  bool
	entries map[uint64]remnant
	// secrets are what runs of entries are hashed with, as they lay sealed.
	secrets map[uint64][]byte
	// receipts are by the last entry that each is for.
	receipts map[uint64]journal.Receipt
}

// remnant is where a change lies in the file.
type remnant struct {
	at     int64
	size   int
	walked bool
	erased bool
	time   uint64
	record record.ID
}

// villageSize is the length of a village's code: digits.
const villageSize = 12

func (s *salvage) stream(id record.Stream) *remains {
	r := s.streams[id]
	if r == nil {
		r = &remains{entries: map[uint64]remnant{}, secrets: map[uint64][]byte{}, receipts: map[uint64]journal.Receipt{}}
		s.streams[id] = r
	}
	return r
}

// dig reads what is left in a damaged store. The note says which streams there
// were; it may be nil.
func dig(f *os.File, seal cipher.AEAD, note *lease, known *memo) (*salvage, error) {
	p, err := readPages(f)
	if err != nil {
		return nil, err
	}
	s := &salvage{f: f, seal: seal, streams: map[record.Stream]*remains{}, drafts: map[string]Draft{}}
	whole := false
	s.older = len(p.metas) < 2
	if len(p.metas) > 0 {
		s.commit = p.metas[0].tx
		whole = p.walk(p.metas[0], s.walked)
	}
	if note != nil {
		s.older = note.Commit > s.commit
	}
	if known != nil && (s.device == nil || s.older) {
		s.device, s.clock = &known.Device, &known.Clock
	}
	if note != nil {
		for name, n := range note.Streams {
			if id, err := hex.DecodeString(name); err == nil && len(id) == 16 {
				s.stream(record.Stream(id)).of = n.Village
			}
		}
	}
	if s.choices.walked = whole && !s.older; s.choices.walked {
		return s, nil
	}
	// Names first: a change is sealed for its stream, and in a leaf that nothing
	// leads to its stream stands nowhere.
	p.scan(s.names)
	p.scan(s.scanned)
	return s, nil
}

// open reads one own change.
func (s *salvage) open(id record.Stream, seq uint64, raw []byte) *entry {
	plain, err := unwrap(s.seal, entryAt(id, seq), raw)
	e := new(entry)
	if err != nil || decMode.Unmarshal(plain, e) != nil {
		return nil
	}
	return e
}

// read is open for one that was found.
func (s *salvage) read(id record.Stream, seq uint64) (*entry, []byte) {
	r, there := s.streams[id].entries[seq]
	if !there {
		return nil, nil
	}
	raw := make([]byte, r.size)
	if n, _ := s.f.ReadAt(raw, r.at); n < len(raw) {
		return nil, nil
	}
	return s.open(id, seq, raw), raw
}

func (s *salvage) take(id record.Stream, e element, walked bool) bool {
	if len(e.key) != 8 {
		return false
	}
	seq := binary.BigEndian.Uint64(e.key)
	change := s.open(id, seq, e.value)
	if change == nil {
		return false
	}
	if has, there := s.stream(id).entries[seq]; there && (has.walked || has.erased) {
		return true // the same: a change never becomes another, and what was erased stays so
	}
	s.streams[id].entries[seq] = remnant{e.at, len(e.value), walked, change.erased(), change.Time, change.Record}
	return true
}

// small takes what has the name of its stream in its key.
func (s *salvage) small(e element) bool {
	if len(e.key) != 24 {
		return false
	}
	r, seq := s.streams[record.Stream(e.key[:16])], binary.BigEndian.Uint64(e.key[16:])
	if plain, err := unwrap(s.seal, seedAt(e.key), e.value); err == nil && new(secret).read(plain) == nil {
		if r == nil {
			r = s.stream(record.Stream(e.key[:16]))
		}
		if has := r.secrets[seq]; len(has) <= len(journal.Seed{}) { // else something of the run was erased since
			r.secrets[seq] = plain
		}
		return true
	}
	var receipt journal.Receipt
	if plain, err := unwrap(s.seal, receiptAt(e.key), e.value); err == nil && decMode.Unmarshal(plain, &receipt) == nil {
		if r == nil {
			r = s.stream(record.Stream(e.key[:16]))
		}
		r.receipts[seq] = receipt
		return true
	}
	return false
}

func (s *salvage) draft(e element) {
	var d Draft
	plain, err := unwrap(s.seal, draftAt(string(e.key)), e.value)
	if err != nil || decMode.Unmarshal(plain, &d) != nil {
		return
	}
	if has, there := s.drafts[d.ID]; !there || d.Typed >= has.Typed {
		s.drafts[string(e.key)] = d
	}
}

func (s *salvage) who(e element) {
	d := new(Device)
	plain, err := unwrap(s.seal, deviceAt, e.value)
	if err != nil || decMode.Unmarshal(plain, d) != nil || len(d.Key) == 0 {
		return
	}
	if s.device == nil || !s.device.Enrolled() || d.Enrolled() && cmp.Compare(d.LastSync, s.device.LastSync) > 0 {
		s.device = d
	}
}

// walked takes what the tree leads to.
func (s *salvage) walked(path [][]byte, e element) {
	at := func(i int, name []byte) bool { return len(path) > i && bytes.Equal(path[i], name) }
	switch {
	case at(0, bucketMeta) && bytes.Equal(e.key, keyDevice):
		s.who(e)
	case at(0, bucketMeta) && (bytes.Equal(e.key, keySettings) || bytes.Equal(e.key, keyProfiles)):
		s.choice(e)
	case at(0, bucketMeta) && bytes.Equal(e.key, keyClock):
		c := new(clock.Clock)
		if decMode.Unmarshal(e.value, c) == nil {
			s.clock = c
		}
	case at(0, bucketDraft):
		s.draft(e)
	case at(0, bucketImport) && len(e.key) == 16 && bytes.Equal(e.value, []byte{1}):
		s.imports = append(s.imports, bytes.Clone(e.key))
	case at(0, bucketVillage) && len(path) == 2 && bytes.Equal(e.key, keyPlace):
		var pl place
		if decMode.Unmarshal(e.value, &pl) == nil {
			s.codes = append(s.codes, record.Village(path[1]))
		}
	case at(0, bucketVillage) && at(2, bucketOwn) && len(e.key) == 16:
		o := new(own)
		if decMode.Unmarshal(e.value, o) == nil {
			r := s.stream(record.Stream(e.key))
			r.of, r.own, r.walked = record.Village(path[1]), o, true
		}
	case at(0, bucketVillage) && (at(2, bucketSeed) || at(2, bucketReceipt)):
		s.small(e)
	case at(0, bucketVillage) && len(path) == 3:
		if id, isLog := bytes.CutPrefix(path[2], []byte("log/")); isLog && len(id) == 16 {
			s.take(record.Stream(id), e, true)
		}
	}
}

// names looks through all pages for who the laptop is and for the names of its
// streams.
func (s *salvage) names(e element) {
	if bytes.Equal(e.key, keyDevice) && s.device == nil {
		s.who(e)
	}
	if id, isLog := bytes.CutPrefix(e.key, []byte("log/")); isLog && len(id) == 16 && e.bucket {
		s.stream(record.Stream(id))
	}
	// A record begins with the laptop's own last change to it (packRecord), which may
	// be of a stream that nothing else names any more. A wrong name opens nothing.
	if v := e.value; !e.bucket && len(e.key) == 16 && len(v) > 25 && v[0]&flagTouched != 0 && v[0] <= flagTouched|flagQuarantined && v[25] == sealed {
		s.stream(record.Stream(v[1:17]))
	}
	if e.bucket && len(e.key) == villageSize && bytes.Trim(e.key, "0123456789") == nil && !slices.Contains(s.codes, record.Village(e.key)) {
		s.codes = append(s.codes, record.Village(e.key))
	}
	s.choice(e)
	s.small(e)
}

// scanned takes what no way leads to any more.
func (s *salvage) scanned(e element) {
	switch len(e.key) {
	case 8:
		for id := range s.streams {
			if s.take(id, e, false) {
				return
			}
		}
	case 16:
		// Not sealed, but a stream's name is made of what stands there.
		r := s.streams[record.Stream(e.key)]
		o := new(own)
		if r == nil || r.walked || s.device == nil || len(s.device.Key) == 0 || decMode.Unmarshal(e.value, o) != nil {
			return
		}
		codes := slices.Clone(s.codes)
		for _, v := range s.device.Assigned.Villages {
			codes = append(codes, v.Code)
		}
		for _, code := range codes {
			// Of several the one that goes furthest: what is behind a head counts for less.
			if identity.StreamOf(s.device.Private().Public().(publicKey), string(code), o.Incarnation) == [16]byte(e.key) && (r.own == nil || o.Head.Seq > r.own.Head.Seq) {
				r.of, r.own = code, o
			}
		}
	case 36:
		s.draft(e)
	}
}

// only is the laptop's village where it has but one: what is left may not say which
// a stream was of.
func (s *salvage) only() record.Village {
	if s.device != nil && len(s.device.Assigned.Villages) == 1 {
		return s.device.Assigned.Villages[0].Code
	}
	if len(s.codes) == 1 {
		return s.codes[0]
	}
	return ""
}

// chain tells whether the entries behind base up to head are all there and lead
// from the one to the other.
func (s *salvage) chain(id record.Stream, base, acked, head journal.Head) bool {
	r := s.streams[id]
	if head.Seq-base.Seq > uint64(len(r.entries)) {
		return false
	}
	var starts []uint64
	for at := range r.secrets {
		starts = append(starts, at)
	}
	slices.Sort(starts)
	hash := base.Hash
	for seq := base.Seq + 1; seq <= head.Seq; seq++ {
		i, here := slices.BinarySearch(starts, seq)
		if !here {
			i--
		}
		e, _ := s.read(id, seq)
		if i < 0 || e == nil {
			return false
		}
		run := &secret{first: starts[i], end: 1 << 62}
		seg := &journal.Segment{Stream: id, From: seq, Changes: []record.Change{e.change()}}
		if run.read(r.secrets[starts[i]]) != nil || seq >= run.end || run.give(seg) != nil {
			return false
		}
		hash = seg.Hashes(hash)[0]
		if seq == acked.Seq && hash != acked.Hash {
			return false
		}
	}
	return hash == head.Hash
}

// plan is what is done with a stream.
type plan struct {
	id record.Stream
	of record.Village // empty where nothing tells
	// whole: it is put back, with what it holds behind base.
	whole bool
	own   own
	// again are the entries to write again: those that are not in it.
	again   []uint64
	missing uint64
}

// decide tells for each stream what becomes of it. A note that is newer than the
// tree that could be walked is right about where a stream ends: what is behind its
// head was written again, in another stream, and lies there from before. Where there
// is neither, what is found counts, and what was written again shows by its time.
func (s *salvage) decide(note *lease) []plan {
	var plans []plan
	for id, r := range s.streams {
		p := plan{id: id, of: r.of}
		if p.of == "" {
			p.of = s.only()
		}
		believed := note == nil || !s.older // the tree
		behind := func(e remnant) bool { return believed && e.walked || note == nil && (s.older || !r.walked) }
		current := r.walked && believed
		var noted *own
		if note != nil {
			if n, is := note.Streams[id.String()]; is && len(n.Incarnation) == len(own{}.Incarnation) {
				noted = &own{Incarnation: identity.Incarnation(n.Incarnation), Head: n.Head.head(), Acked: n.Acked.head(), Writing: n.Writing}
			}
		}
		var ways []*own
		if current {
			ways = append(ways, r.own)
		}
		if noted != nil {
			ways = append(ways, noted)
		}
		if note == nil && r.own != nil && !current {
			ways = append(ways, r.own)
		}
		for _, o := range ways {
			if s.fits(&p, o) {
				break
			}
		}
		if p.whole {
			// The note may be behind, and what the store itself said of it wrong.
			for seq, e := range r.entries {
				if seq > p.own.Head.Seq && behind(e) {
					p.again = append(p.again, seq)
				}
			}
			slices.Sort(p.again)
			plans = append(plans, p)
			continue
		}
		// How far it went, and how far the server has it.
		var head, acked uint64
		switch {
		case noted != nil:
			head, acked = noted.Head.Seq, noted.Acked.Seq
		case r.own != nil && (current || note == nil):
			head = r.own.Head.Seq
			for seq := range r.receipts {
				// Not sealed is what stands in own; a receipt is.
				if seq <= r.own.Acked.Seq {
					acked = max(acked, seq)
				}
			}
		case note == nil:
			head = 1<<63 - 1
			for seq := range r.receipts {
				acked = max(acked, seq)
			}
		}
		for seq, e := range r.entries {
			if seq > acked && (seq <= head || behind(e)) {
				p.again = append(p.again, seq)
			}
		}
		slices.Sort(p.again)
		if head < 1<<62 && head-min(head, acked) > uint64(len(p.again)) {
			p.missing = head - acked - uint64(len(p.again))
		}
		if len(p.again) > 0 || p.missing > 0 {
			plans = append(plans, p)
		}
	}
	slices.SortFunc(plans, func(a, b plan) int { return slices.Compare(a.id[:], b.id[:]) })
	s.single(plans)
	return plans
}

// fits makes p a plan to put the stream back, if what is left fits o.
func (s *salvage) fits(p *plan, o *own) bool {
	if s.device == nil || len(s.device.Key) == 0 || o.Acked.Seq > o.Head.Seq ||
		identity.StreamOf(s.device.Private().Public().(publicKey), string(p.of), o.Incarnation) != p.id {
		return false
	}
	p.own = own{Incarnation: o.Incarnation, Head: o.Head, Acked: o.Acked, Sent: o.Acked.Seq, Writing: o.Writing}
	if o.Sent <= o.Head.Seq {
		p.own.Sent = max(p.own.Sent, o.Sent)
	}
	if o.Bundled <= o.Head.Seq {
		p.own.Bundled = o.Bundled
	}
	for _, base := range []journal.Head{{}, o.Acked} {
		if s.chain(p.id, base, o.Acked, o.Head) {
			p.own.Base, p.whole = base, true
			return true
		}
	}
	return false
}

// single sees to it that no change is sent twice: one that was written again, into
// another stream, has its time there too, which no other change has. What the server
// has goes before what it has not, and what the tree led to before what just lay there.
func (s *salvage) single(plans []plan) {
	taken := map[uint64]bool{}
	pending := func(p *plan) (seqs []uint64) {
		for seq := p.own.Acked.Seq + 1; p.whole && seq <= p.own.Head.Seq; seq++ {
			seqs = append(seqs, seq)
		}
		return seqs
	}
	for _, p := range plans {
		for seq, e := range s.streams[p.id].entries {
			taken[e.time] = taken[e.time] || p.whole && seq <= p.own.Acked.Seq
		}
	}
	for _, trusted := range []bool{true, false} {
		for i := range plans {
			p, r := &plans[i], s.streams[plans[i].id]
			if (p.whole && r.walked) != trusted {
				continue
			}
			waits := pending(p)
			if slices.ContainsFunc(waits, func(seq uint64) bool { return taken[r.entries[seq].time] }) {
				p.again = append(waits, p.again...)
				p.own.Head = p.own.Acked
				p.own.Sent, p.own.Bundled = min(p.own.Sent, p.own.Head.Seq), min(p.own.Bundled, p.own.Head.Seq)
				waits = nil
			}
			for _, seq := range waits {
				taken[r.entries[seq].time] = true
			}
			p.again = slices.DeleteFunc(p.again, func(seq uint64) bool {
				was := taken[r.entries[seq].time]
				taken[r.entries[seq].time] = true
				return was
			})
		}
	}
}
