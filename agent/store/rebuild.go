package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A damaged store is set aside, whole and for ever, and a new one takes its place,
// with what the old one holds that is nowhere else: who the laptop is, own changes
// that the server has not acknowledged, open forms. Everything else comes back from
// the server, from the beginning of each village.

var (
	bucketSalvage = []byte("salvage")
	bucketTouched = []byte("touched")
	keyRebuilt    = []byte("rebuilt")
)

// Rebuilt tells what came of making a store anew.
type Rebuilt struct {
	At int64 `cbor:"0,keyasint"` // ms since 1970, corrected
	// Saved counts the own changes without a receipt that were found, Missing those
	// that there had been, by the note outside the store, and that were not.
	Saved   uint64 `cbor:"1,keyasint"`
	Missing uint64 `cbor:"2,keyasint,omitempty"`
	// Aside is the name of the damaged file in the data folder.
	Aside string `cbor:"3,keyasint"`
	// Lost tells that nothing said any more who the laptop is: it must be enrolled.
	Lost bool `cbor:"4,keyasint,omitempty"`
	// Unchosen tells that what was chosen on the laptop (Settings, PINs) may not be all there.
	Unchosen bool `cbor:"5,keyasint,omitempty"`
}

// spare is the name of a store that was made anew and has not its name yet.
const spare = fileName + ".rebuilt"

// Rebuild sets the damaged store in dir aside and makes a new one. seen is the file
// that was found damaged: where another process was faster, or has it open, nothing is
// done and the error is ErrInUse. On an error everything is as it was.
func Rebuild(dir string, opt Options, seen os.FileInfo) (Rebuilt, error) {
	opt = opt.filled()
	var r Rebuilt
	seal, err := sealer(opt.Key)
	if err != nil {
		return r, err
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return r, err
	}
	defer unlock()
	// What was found damaged may be open all the same: an inspection that ran out of
	// time calls a file damaged that others work with.
	free, err := lockStore(dir)
	if err != nil {
		return r, err
	}
	defer free()
	remove(dir, fileName+".anew-*") // what a cut left
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		return r, err
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || seen == nil || !os.SameFile(seen, now) {
		return r, ErrInUse
	}
	note, known := readNote(seal, dir, opt.Leases)
	found, err := dig(f, seal, note, known)
	if err != nil {
		return r, err
	}
	plans := found.decide(note)
	r.At = opt.Wall()
	if found.clock != nil {
		r.At += found.clock.Skew
	}
	r.Lost = found.device == nil || !found.device.Enrolled()
	r.Unchosen = found.choices.lost()
	for _, p := range plans {
		r.Saved += uint64(len(p.again))
		r.Missing += p.missing
		if p.whole {
			r.Saved += p.own.Head.Seq - p.own.Acked.Seq
		}
	}
	if r.Aside, err = asideName(dir, "damaged", opt.Wall()); err != nil {
		return r, err
	}
	var file string
	var renewed *lease
	var by []byte
	tmp, err := makeStore(dir, fileName+".anew-*", opt.Key, func(db *bbolt.DB) error {
		s := &Store{file: newHandle(db, nil), seal: seal, opt: opt, forms: form.Builtin().Copy(), dir: dir}
		err := s.fill(db, found, plans, r)
		file, renewed, by = s.lease()
		return err
	})
	if err != nil {
		return r, err
	}
	f.Close() // an open file has no other name on Windows
	if err := replace(dir, tmp, r.Aside); err != nil {
		os.Remove(tmp)
		return r, err
	}
	if renewed != nil {
		renewed.write(file, by)
	}
	return r, nil
}

// asideName gives the name under which the present store is kept, and why.
func asideName(dir, why string, wall int64) (string, error) {
	day := time.UnixMilli(wall).UTC().Format("20060102")
	for n := 1; n < 10000; n++ {
		name := fmt.Sprintf("%s.%s-%s-%d", fileName, why, day, n)
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, os.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", errors.New("there are too many old stores in the folder")
}

// replace gives the present store another name and the one at tmp its own. The name
// of the store leads to one of the two at any moment; where the file system has no
// second names, a cut between leaves the new one under a name that Open knows.
func replace(dir, tmp, aside string) error {
	path := filepath.Join(dir, fileName)
	if err := os.Link(path, filepath.Join(dir, aside)); err == nil {
		if err := syncDir(dir); err != nil {
			return err
		}
		if err := os.Rename(tmp, path); err != nil {
			return errors.Join(err, os.Remove(filepath.Join(dir, aside)))
		}
		return syncDir(dir)
	}
	between := filepath.Join(dir, spare)
	if err := os.Rename(tmp, between); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if err := os.Rename(path, filepath.Join(dir, aside)); err != nil {
		return errors.Join(err, os.Remove(between))
	}
	if err := os.Rename(between, path); err != nil {
		return errors.Join(err, os.Rename(filepath.Join(dir, aside), path))
	}
	return syncDir(dir)
}

// fill puts into a new store what was found.
func (s *Store) fill(db *bbolt.DB, found *salvage, plans []plan, r Rebuilt) error {
	write := func(do func(t *tx) error) error {
		return db.Update(func(btx *bbolt.Tx) error {
			t := &tx{Tx: btx, s: s}
			if err := do(t); err != nil {
				return err
			}
			return t.flush()
		})
	}
	if err := write(func(t *tx) error {
		if err := put(t.Bucket(bucketMeta), keyRebuilt, r); err != nil {
			return err
		}
		if found.device != nil {
			found.device.Published = false // what was published comes again
			if err := s.putSealed(t.Bucket(bucketMeta), deviceAt, keyDevice, found.device); err != nil {
				return err
			}
		}
		if err := t.putChoices(&found.choices); err != nil {
			return err
		}
		clk, err := t.time()
		if err != nil {
			return err
		}
		s.wind(clk, found)
		for _, d := range found.drafts {
			if err := s.putDraft(t, d); err != nil {
				return err
			}
		}
		for _, key := range found.imports {
			if err := t.Bucket(bucketImport).Put(key, []byte{1}); err != nil {
				return err
			}
		}
		codes := slices.Clone(found.codes)
		if found.device != nil {
			for _, v := range found.device.Assigned.Villages {
				codes = append(codes, v.Code)
			}
		}
		for _, p := range plans {
			if p.of != "" {
				codes = append(codes, p.of)
			} else if err := t.putLoose(found, p); err != nil {
				return err
			}
		}
		for _, code := range codes {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			v.place.Anew, v.dirty = true, true
		}
		return nil
	}); err != nil {
		return err
	}
	villages := map[record.Village][]plan{}
	for _, p := range plans {
		if p.of != "" {
			villages[p.of] = append(villages[p.of], p)
		}
	}
	for code, ps := range villages {
		if err := s.putBack(found, code, ps, write); err != nil {
			return err
		}
	}
	return nil
}

// putChoices writes what was chosen on the laptop.
func (t *tx) putChoices(c *choices) error {
	b := t.Bucket(bucketMeta)
	if c.settings != nil {
		if err := t.s.putSealed(b, settingsAt, keySettings, c.settings); err != nil {
			return err
		}
	}
	if c.profiles == nil {
		return nil
	}
	if c.doubtful {
		for _, p := range c.profiles {
			p.Pin, p.Misses = nil, 0
		}
	}
	return t.s.putSealed(b, profilesAt, keyProfiles, c.profiles)
}

// wind sets a new store's clock: as the old one stood, where that can be, and past
// everything that was written. One that was damaged might say anything.
func (s *Store) wind(clk *clock.Clock, found *salvage) {
	if c := found.clock; c != nil && c.Last <= clock.At0(s.opt.Wall()+c.Offset+clock.Ahead) && len(c.Runs) <= clock.MaxRuns {
		*clk = *c
	}
	for _, r := range found.streams {
		for _, e := range r.entries {
			clk.Last = max(clk.Last, clock.Time(e.time))
		}
	}
}

// back is an own change that is put back.
type back struct {
	touch
	time    uint64
	record  record.ID
	pending bool
}

// batch is how many changes are put back in one transaction.
const batch = 1000

// putBack writes a village's streams as they were, the records that wait for the
// server, and aside of them what is written again later.
func (s *Store) putBack(found *salvage, code record.Village, plans []plan, write func(func(*tx) error) error) error {
	var list []back
	quarantined := map[touch]journal.Quarantined{}
	for _, p := range plans {
		if !p.whole {
			continue
		}
		r := found.streams[p.id]
		for seq := p.own.Base.Seq + 1; seq <= p.own.Head.Seq; seq++ {
			e := r.entries[seq]
			list = append(list, back{touch{Stream: p.id, Seq: seq}, e.time, e.record, seq > p.own.Acked.Seq})
		}
		for last, receipt := range r.receipts {
			if receipt.From <= p.own.Base.Seq || last > p.own.Acked.Seq {
				continue
			}
			for _, q := range receipt.Quarantined {
				if q.Seq >= receipt.From && q.Seq <= last {
					quarantined[touch{Stream: p.id, Seq: q.Seq}] = q
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b back) int {
		return cmp.Or(cmp.Compare(a.time, b.time), slices.Compare(a.Stream[:], b.Stream[:]), cmp.Compare(a.Seq, b.Seq))
	})
	// The records of which something waits: they are there before the server's come.
	waits := map[record.ID]bool{}
	for _, b := range list {
		if _, set := quarantined[b.touch]; set || b.pending {
			waits[b.record] = true
		}
	}
	if err := write(func(t *tx) error {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		for _, p := range plans {
			if err := v.putStream(found, p); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	last := map[record.ID]touch{}
	for part := range slices.Chunk(list, batch) {
		if err := write(func(t *tx) error {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			for _, b := range part {
				e, _ := found.read(b.Stream, b.Seq)
				if e == nil {
					return fmt.Errorf("%w: journal %s, entry %d is another than it was just now", ErrDamaged, b.Stream, b.Seq)
				}
				before := last[b.record]
				if e.Before = before; waits[b.record] {
					q, set := quarantined[b.touch]
					if err := v.putRecord(b, e, before, set, q); err != nil {
						return err
					}
				}
				last[b.record] = b.touch
				log, err := v.b.CreateBucketIfNotExists(append([]byte("log/"), b.Stream[:]...))
				if err != nil {
					return err
				}
				if err := s.putSealed(log, entryAt(b.Stream, b.Seq), number(b.Seq), e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	// The others come from the server, and must be known then for changed here: what
	// is erased there is erased in this journal too, and the history is of all.
	return write(func(t *tx) error {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		b, err := v.b.CreateBucketIfNotExists(bucketTouched)
		if err != nil {
			return err
		}
		for id, by := range last {
			if !waits[id] {
				if err := b.Put(id[:], append(by.Stream[:], number(by.Seq)...)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// touchedBefore gives the last own change of a record that is not here yet.
func (v *village) touchedBefore(id record.ID) (t touched) {
	if b := v.b.Bucket(bucketTouched); b != nil && v.place.Anew {
		if raw := b.Get(id[:]); len(raw) == 24 {
			t.Last = touch{Stream: record.Stream(raw[:16]), Seq: binary.BigEndian.Uint64(raw[16:])}
		}
	}
	return t
}

// fetched ends the time in which a village comes from the server again.
func (v *village) fetched() error {
	v.place.Anew, v.place.Told, v.dirty = false, false, true
	v.t.OnCommit(v.t.s.sweepSoon) // the files that were added here have lost their notes
	if v.b.Bucket(bucketTouched) != nil {
		if err := v.b.DeleteBucket(bucketTouched); err != nil {
			return err
		}
	}
	return v.again()
}

// save keeps the entries of a plan that are to be written again.
func (p *plan) save(found *salvage, b *bbolt.Bucket) error {
	for _, seq := range p.again {
		e, raw := found.read(p.id, seq)
		if e == nil {
			return fmt.Errorf("%w: journal %s, entry %d is another than it was just now", ErrDamaged, p.id, seq)
		}
		if err := b.Put(append(p.id[:], number(seq)...), raw); err != nil {
			return err
		}
	}
	return nil
}

// putLoose keeps what was saved of a stream of which nothing tells the village.
func (t *tx) putLoose(found *salvage, p plan) error {
	b, err := t.CreateBucketIfNotExists(bucketSalvage)
	if err != nil {
		return err
	}
	return p.save(found, b)
}

// placeLoose gives that to the laptop's village, once it is known to have but one.
func (t *tx) placeLoose(d *Device) error {
	b := t.Bucket(bucketSalvage)
	if b == nil || !d.Enrolled() || len(d.Assigned.Villages) != 1 {
		return nil
	}
	v, err := t.village(d.Assigned.Villages[0].Code)
	if err != nil {
		return err
	}
	to, err := v.b.CreateBucketIfNotExists(bucketSalvage)
	if err != nil {
		return err
	}
	v.place.Saved += t.loose()
	v.place.Anew, v.dirty = true, true
	if err := b.ForEach(to.Put); err != nil {
		return err
	}
	return t.DeleteBucket(bucketSalvage)
}

// loose counts it.
func (t *tx) loose() (n uint64) {
	if b := t.Bucket(bucketSalvage); b != nil {
		c := b.Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			n++
		}
	}
	return n
}

// putStream writes what is known of a stream that is put back, and aside those of
// its entries that are to be written again.
func (v *village) putStream(found *salvage, p plan) error {
	if len(p.again) > 0 {
		b, err := v.b.CreateBucketIfNotExists(bucketSalvage)
		if err != nil {
			return err
		}
		if err := p.save(found, b); err != nil {
			return err
		}
		v.place.Saved += uint64(len(p.again))
		v.dirty = true
	}
	if !p.whole {
		return nil
	}
	r, o, last := found.streams[p.id], p.own, uint64(0)
	for at, plain := range r.secrets {
		key := append(p.id[:], number(at)...)
		raw, err := v.t.s.wrap(seedAt(key), plain)
		if err != nil {
			return err
		}
		if err := v.b.Bucket(bucketSeed).Put(key, raw); err != nil {
			return err
		}
		last = max(last, at)
		if o.Seeded = last; len(r.secrets[last]) != len(journal.Seed{}) {
			o.Seeded = 0 // of the last run something was erased: new entries begin another
		}
	}
	for last, receipt := range r.receipts {
		if receipt.From <= o.Base.Seq || last > o.Acked.Seq {
			continue // it is about entries that are not here
		}
		key := append(p.id[:], number(last)...)
		if err := v.t.s.putSealed(v.b.Bucket(bucketReceipt), receiptAt(key), key, receipt); err != nil {
			return err
		}
	}
	if o.Writing = o.Writing && v.owns[v.writing] == nil; o.Writing {
		v.writing = p.id
	}
	v.owns[p.id], v.dirty = &o, true
	v.advance(p.id, o.Head.Seq)
	return nil
}

// putRecord lets a record be seen as far as own changes of it wait.
func (v *village) putRecord(b back, e *entry, before touch, set bool, q journal.Quarantined) error {
	tc, s, _, err := v.stored(e.Type, e.Record)
	if err != nil {
		return err
	}
	if s == nil {
		s = merge.State{}
	}
	tc.Last = b.touch
	if b.pending {
		c := e.change()
		f := merge.Frontier{b.Stream: b.Seq - 1}
		s = merge.Apply(s, f, merge.Applied{Dot: record.Dot{Stream: b.Stream, Seq: b.Seq}, At: clock.Time(c.Time), Unmeasured: true, Author: c.Author}, c.Body)
	}
	k := record.Key{Village: v.code, Type: e.Type, ID: e.Record}
	if set {
		tc.Quarantined = true
		if err := v.referAlone(k, e); err != nil {
			return err
		}
		key := quarantineKey(e.Record, b.touch)
		if err := v.t.s.putSealed(v.b.Bucket(bucketQuarantine), quarantineAt(key), key, q); err != nil {
			return err
		}
		v.place.Quarantined++
		v.dirty = true
	}
	return v.store(k, tc, s)
}

// again writes what was saved of streams that could not be put back into a new one,
// with author and time kept, except what the server has by now: the frontier says
// how far it has each stream.
func (v *village) again() error {
	b := v.b.Bucket(bucketSalvage)
	if b == nil {
		return nil
	}
	type waiting struct {
		old   record.Dot
		entry *entry
	}
	var list []waiting
	err := b.ForEach(func(k, raw []byte) error {
		if len(k) != 24 {
			return fmt.Errorf("%w: what was saved of %s", ErrDamaged, v.code)
		}
		d := record.Dot{Stream: record.Stream(k[:16]), Seq: binary.BigEndian.Uint64(k[16:])}
		e, _, err := v.openEntry(d.Stream, d.Seq, raw)
		if err == nil && d.Seq > v.frontier[d.Stream] && !e.erased() {
			list = append(list, waiting{d, e})
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.entry.Time, b.entry.Time), a.old.Compare(b.old))
	})
	if len(list) > 0 {
		// Theirs are older times than those of what was written meanwhile.
		v.retire()
	}
	names := map[record.Dot]record.Dot{}
	for _, w := range list {
		c := w.entry.renamed(names)
		tc, s, found, err := v.stored(c.Type, c.Record)
		if err != nil {
			return err
		}
		if !found {
			s = merge.State{}
		}
		if s.Erased() {
			continue // by law, and the server would not keep it either
		}
		id, o, err := v.ownStream()
		if err != nil {
			return err
		}
		d := record.Dot{Stream: id, Seq: o.Head.Seq + 1}
		s = merge.Apply(s, v.frontier, merge.Applied{Dot: d, At: clock.Time(c.Time), Unmeasured: true, Author: c.Author}, c.Body)
		if names[w.old], err = v.append(&c, tc.Last); err != nil {
			return err
		}
		tc.Last = touch{Stream: d.Stream, Seq: d.Seq}
		if err := v.store(record.Key{Village: v.code, Type: c.Type, ID: c.Record}, tc, s); err != nil {
			return err
		}
	}
	v.place.Saved, v.dirty = 0, true
	if err := v.b.DeleteBucket(bucketSalvage); err != nil {
		return err
	}
	return v.renameDrafts(names)
}

// Rebuilt tells when the store was last made anew, and what came of it; At is 0
// where it never was.
func (t *tx) rebuilt() (r Rebuilt, err error) {
	_, err = get(t.Bucket(bucketMeta), keyRebuilt, &r)
	return r, err
}
