package store

import (
	"context"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/journal"
	"zhucun/shared/record"
)

// lease is a note outside the store of where the store is and how far its own
// streams go: by it a store that is an older image, a copy, or lacks what was
// committed, knows that its streams may have gone on elsewhere. It is a hint: what
// it cannot see (the note was copied too) the server does. By it also a store that
// was damaged is made anew (rebuild.go): DESIGN.md has the format.
//
// It is written behind each commit, so a power cut may leave it that of some
// commits before. What it then does not know of, a stream's newest entries or a
// stream, is believed to the file alone, where its tree can still be walked; where
// not, those entries are taken for stale ones and are lost, although they were
// saved. To write the note within the commit would double what a save costs.
type lease struct {
	Machine string                 `json:"machine"`
	Path    string                 `json:"path"`
	Streams map[string]notedStream `json:"streams"`
	// Commit is the number of the commit that the note is of.
	Commit uint64 `json:"commit"`
	// Memo is who the laptop is, sealed under the data key: a store whose own page of
	// that is gone stays enrolled.
	Memo []byte `json:"memo,omitempty"`
	// Size in bytes and Closed (ns since 1970) are the file's when it was last closed;
	// 0 while it is open.
	Size   int64  `json:"size,omitempty"`
	Closed int64  `json:"closed,omitempty"`
	MAC    []byte `json:"mac,omitempty"`
}

// notedStream is what the note knows of an own stream.
type notedStream struct {
	Village     record.Village `json:"village"`
	Incarnation []byte         `json:"incarnation"`
	Head        notedHead      `json:"head"`
	Acked       notedHead      `json:"acked"`
	Writing     bool           `json:"writing,omitempty"`
}

type notedHead struct {
	Seq  uint64 `json:"seq"`
	Hash []byte `json:"hash,omitempty"`
}

func noteHead(h journal.Head) notedHead {
	if h.Seq == 0 {
		return notedHead{}
	}
	return notedHead{h.Seq, h.Hash[:]}
}

func (n notedHead) head() (h journal.Head) {
	h.Seq = n.Seq
	copy(h.Hash[:], n.Hash)
	return h
}

// memo is what a laptop must not forget about itself.
type memo struct {
	Device Device      `cbor:"0,keyasint"`
	Clock  clock.Clock `cbor:"1,keyasint"`
}

var memoAt = slotOf("memo")

// sign is over everything else, by the device's own key.
func (l lease) sign(key []byte) []byte {
	l.MAC = nil
	raw, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts and numbers
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("zhucun lease 1\x00"))
	mac.Write(raw)
	return mac.Sum(nil)
}

// machine names this computer as well as can be done without asking it for
// rights.
func machine() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		return strings.TrimSpace(string(id))
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// folder gives the data folder in the one way of naming it.
func folder(dir string) string {
	path, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// leaseFile is where the device's note is; empty where none is kept.
func (s *Store) leaseFile(d *Device) string {
	if s.opt.Leases == "" || !d.Enrolled() {
		return ""
	}
	return filepath.Join(s.opt.Leases, string(d.ID)+".lease")
}

// reach is how far an own stream goes.
type reach struct {
	of          record.Village
	head, acked uint64
}

// heads gives how far each own stream goes.
func (t *tx) heads() (map[string]reach, error) {
	heads := map[string]reach{}
	for _, code := range t.villageCodes() {
		v, err := t.village(code)
		if err != nil {
			return nil, err
		}
		for s, o := range v.owns {
			heads[s.String()] = reach{code, o.Head.Seq, o.Acked.Seq}
		}
	}
	return heads, nil
}

// missing gives how many entries of each village are known and not among heads. A
// village that has left the laptop (leave.go) misses nothing: the server has it.
func (t *tx) missing(known, heads map[string]reach) (map[record.Village]uint64, error) {
	missing := map[record.Village]uint64{}
	if len(known) == 0 {
		return missing, nil
	}
	d, err := t.dev()
	if err != nil {
		return nil, err
	}
	for stream, k := range known {
		if heads[stream].head >= k.head {
			continue
		}
		if t.Bucket(bucketVillage).Bucket([]byte(k.of)) == nil && k.acked == k.head {
			if _, err := d.Village(k.of); err != nil {
				continue
			}
		}
		missing[k.of] += k.head - heads[stream].head
	}
	return missing, nil
}

// readNote finds the newest note of the store in dir, and what it remembers, by the
// data key; nil where there is none.
func readNote(seal cipher.AEAD, dir, leases string) (*lease, *memo) {
	if leases == "" {
		return nil, nil
	}
	names, err := filepath.Glob(filepath.Join(leases, "*.lease"))
	if err != nil {
		return nil, nil
	}
	var newest *lease
	var of *memo
	for _, name := range names {
		raw, err := os.ReadFile(name)
		l, m := new(lease), new(memo)
		if err != nil || json.Unmarshal(raw, l) != nil || l.Machine != machine() || l.Path != folder(dir) {
			continue
		}
		plain, err := unwrap(seal, memoAt, l.Memo)
		if err != nil || decMode.Unmarshal(plain, m) != nil || len(m.Device.Key) != ed25519.SeedSize || !hmac.Equal(l.MAC, l.sign(m.Device.Key)) {
			continue
		}
		if newest == nil || l.Commit > newest.Commit {
			newest, of = l, m
		}
	}
	return newest, of
}

// noted gives what the note knows of the own streams; nil where it is not this store's.
func (s *Store) noted(d *Device) map[string]reach {
	raw, err := os.ReadFile(s.leaseFile(d))
	var l lease
	if err != nil || json.Unmarshal(raw, &l) != nil || !hmac.Equal(l.MAC, l.sign(d.Key)) || l.Machine != machine() || l.Path != folder(s.dir) {
		return nil
	}
	known := map[string]reach{}
	for stream, n := range l.Streams {
		known[stream] = reach{n.Village, n.Head.Seq, n.Acked.Seq}
	}
	return known
}

// claim looks at the note when the store is opened: where it does not hold, the
// next entries go to new streams.
func (s *Store) claim(ctx context.Context) error {
	if s.opt.Leases == "" {
		return nil
	}
	holds, missing := true, map[record.Village]uint64{}
	err := s.view(func(t *tx) error {
		d, err := t.dev()
		if err != nil || s.leaseFile(d) == "" {
			return err
		}
		heads, err := t.heads()
		if err != nil {
			return err
		}
		known := s.noted(d)
		if missing, err = t.missing(known, heads); err != nil {
			return err
		}
		// Without a stream nothing goes on, and something may be missing all the same.
		holds = len(missing) == 0 && (known != nil || len(heads) == 0)
		return nil
	})
	if err != nil || holds {
		return err
	}
	return s.update(ctx, false, func(t *tx) error { return t.lacks(missing) })
}

// lease gives the note as of now; nil where none is kept.
func (s *Store) lease() (file string, l *lease, key []byte) {
	var d *Device
	streams := map[string]notedStream{}
	var commit uint64
	var remembered []byte
	err := s.view(func(t *tx) (err error) {
		if d, err = t.dev(); err != nil || s.leaseFile(d) == "" {
			return err
		}
		commit = uint64(t.ID())
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			for s, o := range v.owns {
				streams[s.String()] = notedStream{code, o.Incarnation[:], noteHead(o.Head), noteHead(o.Acked), o.Writing}
			}
		}
		clk, err := t.time()
		if err != nil {
			return err
		}
		plain, err := encMode.Marshal(memo{*d, *clk})
		if err == nil {
			// Not Options.Rand: that is the writer's own.
			remembered, err = wrap(s.seal, rand.Reader, memoAt, plain)
		}
		return err
	})
	if err != nil || s.leaseFile(d) == "" {
		return "", nil, nil
	}
	return s.leaseFile(d), &lease{Machine: machine(), Path: folder(s.dir), Streams: streams, Commit: commit, Memo: remembered}, d.Key
}

// write writes the note, whole or not at all, and tells whether it did; a folder that
// cannot be written to costs a new stream and an inspection at the next start, and
// nothing else.
func (l lease) write(file string, key []byte) bool {
	l.MAC = l.sign(key)
	raw, err := json.Marshal(l)
	if err != nil {
		return false
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); errors.Is(err, os.ErrNotExist) {
		if os.MkdirAll(filepath.Dir(file), 0o700) != nil || os.WriteFile(tmp, raw, 0o600) != nil {
			return false
		}
	} else if err != nil {
		return false
	}
	return os.Rename(tmp, file) == nil
}

// keep writes the note of an open store. With the first one under its name those of
// the same place go that a store had which was here before: by its number or its name
// an old one may stand before this one.
func (s *Store) keep(file string, l *lease, key []byte) {
	if !l.write(file, key) || s.kept == file {
		return
	}
	s.kept = file
	names, err := filepath.Glob(filepath.Join(s.opt.Leases, "*.lease"))
	if err != nil {
		return
	}
	for _, name := range names {
		if filepath.Base(name) == filepath.Base(file) {
			continue
		}
		raw, err := os.ReadFile(name)
		var other lease
		if err == nil && json.Unmarshal(raw, &other) == nil && other.Machine == l.Machine && other.Path == l.Path {
			os.Remove(name)
		}
	}
}

// notePause is how long no further note is written behind one: one behind each of many
// saves that follow each other at once makes them a sixth slower.
const notePause = 50 * time.Millisecond

// keepLease writes the note after commits until the store is closed.
func (s *Store) keepLease() {
	defer close(s.leased)
	for range s.committed {
		if file, l, key := s.lease(); l != nil {
			s.keep(file, l, key)
		}
		select {
		case <-time.After(notePause):
		case <-s.stopping:
		}
	}
}
