package sim

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	agentstore "zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/server/access"
	serverstore "zhucun/server/store"
	"zhucun/server/syncapi"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

const (
	village = record.Village("369999000001")
	other   = record.Village("369999000002") // where laptops are given other villages
	start   = int64(1495500000000)           // 2017-05-23, ms
	year    = int64(365 * 24 * 3600 * 1000)
)

// chance is a source of bytes for keys and names, from the seed.
type chance struct{ *rand.ChaCha8 }

func (c chance) Read(b []byte) (int, error) { return c.ChaCha8.Read(b) }

// errCrash ends whatever a laptop was doing.
var errCrash = errors.New("the laptop's power went")

// world is one schedule.
type world struct {
	rnd     *rand.Rand
	bytes   io.Reader
	dir     string
	now     int64 // true time, ms
	server  *serverstore.Store
	key     ed25519.PrivateKey
	laptops []*laptop
	records []record.Key
	promise []promise
	births  map[written]birth
	// decided is what was set aside and the office has decided on, with the reason for
	// which it had been.
	decided map[written]string
	taken   map[written]bool // by the server
	// aside is what of that came when its laptop might not send it, saved what is in
	// the last backup.
	aside, saved map[written]bool
	// again is what it had taken in a life that was lost, of which no laptop has a
	// receipt.
	again map[written]bool
	leg
	backups []copied
	copies  int
	life    int    // how often it was
	wrote   []deed // what the office wrote that the server has
	deeds   int
	// orphans are the records of which the office's own word was lost, rejudged those of
	// which the server judged a change anew that a lost life of it had judged: what was
	// shown of it may go, and what it had replaced come back.
	orphans, rejudged map[record.ID]bool
	// replaced is what changes have replaced; renamed are the records of which that
	// can no longer be told, since a laptop wrote its changes there again.
	replaced map[word]bool
	renamed  map[record.ID]bool
	// desk reads at the server.
	desk    *reader
	door    *syncapi.Handler
	parcels []parcel
	trace   []string
	hash    hash.Hash
	ids     int
}

// laptop is one agent's store and its troubles.
type laptop struct {
	w      *world
	name   string
	dir    string
	device serverstore.Device
	store  *agentstore.Store
	skew   int64
	// jumps counts how often its clock was set anew, plain those that no clock can
	// miss, and measured is how often it had been when the server's time last came.
	jumps, plain, measured int
	// heard is when it last came, ms since 1970.
	heard int64
	// blurred tells that the server took changes of which nobody can say when they
	// were made: later ones of the stream may have to stand behind them.
	blurred bool
	// renewedAt is when it last showed, before a crash, that a stream had gone on elsewhere.
	renewedAt int64
	// fuse is how many commits are left before the power goes; negative is never.
	fuse  int
	forms []opened
	// late are answers still on the way: they come again, or for the first time
	// when newer ones have been taken.
	late []*wire.Pull
	// client reads and writes files over the store; replies are those on their way
	// to this laptop.
	client  *syncclient.Client
	replies [][]byte
	// image is an older state of its disk; doubtful tells that its disk was one, or
	// that it may have thought so. leases is where it notes how far it is, on half of
	// the machines.
	image    []byte
	doubtful bool
	leases   string
	reader   *reader
	// aside are the records of which the server set something of this laptop aside;
	// out tells that all was removed from it.
	aside map[record.ID]bool
	out   bool
}

// opened is a form somebody opened and has not saved yet.
type opened struct {
	key   record.Key
	shown merge.State
}

// written tells one change from every other: a laptop and its copy give the same
// name to different ones.
type written struct {
	dot    record.Dot
	record record.ID
	body   string
}

// place is where a change wrote.
type place struct {
	path record.Path
	dot  record.Dot
}

func writtenAs(d record.Dot, id record.ID, body []record.Write) written {
	var b strings.Builder
	for _, w := range body {
		fmt.Fprintf(&b, "%s=%s;", w.Path, w.Value)
	}
	return written{d, id, b.String()}
}

// promise is a save that a laptop acknowledged: this must never be lost, unless
// the only laptop that has it is set back to an older image.
type promise struct {
	author string
	key    record.Key
	path   record.Path
	value  record.Value
	// by is whose disk it is on, and change what it was written as; a decision's
	// and the office's have none.
	by     *laptop
	change written
}

// birth is what is known of a change when it was made: the true time and what
// its author had been shown. dated tells whether the laptop's clock was known
// well enough for the change to be dated when it was made.
type birth struct {
	time  int64
	shown map[place]record.Value
	by    *laptop
	key   record.Key
	lost  bool // nobody knows how wrong the laptop's clock was
	dated bool
}

func newWorld(dir string, seed uint64, template string, l leg) (*world, error) {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	w := &world{
		leg: l, rnd: rand.New(rand.NewPCG(seed, 1)), bytes: chance{rand.NewChaCha8(s)}, dir: dir, now: start, hash: sha256.New(),
		births: map[written]birth{}, decided: map[written]string{}, taken: map[written]bool{}, aside: map[written]bool{}, saved: map[written]bool{}, again: map[written]bool{},
		orphans: map[record.ID]bool{}, rejudged: map[record.ID]bool{}, replaced: map[word]bool{}, renamed: map[record.ID]bool{}, desk: newReader(),
	}
	keySeed := make([]byte, ed25519.SeedSize)
	if _, err := w.bytes.Read(keySeed); err != nil {
		return nil, err
	}
	w.key = ed25519.NewKeyFromSeed(keySeed)
	if raw, err := os.ReadFile(template); err == nil {
		if err := os.WriteFile(w.serverFile(), raw, 0o600); err != nil {
			return nil, err
		}
	}
	var err error
	if w.server, err = w.openServer(); err != nil {
		return nil, err
	}
	for _, code := range []record.Village{village, other} {
		if err := w.server.AddVillage(context.Background(), serverstore.Village{Code: code, Name: "试验村", Created: time.UnixMilli(w.now)}); err != nil {
			return nil, err
		}
	}
	w.door = syncapi.New(w.server, access.New(w.server))
	laptops := 2 + w.rnd.IntN(4)
	if w.many {
		laptops = 3 + w.rnd.IntN(38)
	}
	for i := range laptops {
		if err := w.addLaptop(i); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) addLaptop(i int) error {
	l := &laptop{w: w, name: fmt.Sprintf("队员%d", i+1), dir: filepath.Join(w.dir, fmt.Sprintf("laptop%d", i+1)), fuse: -1, reader: newReader(), aside: map[record.ID]bool{}, heard: w.now}
	if w.rnd.IntN(2) == 0 {
		l.skew = w.rnd.Int64N(20*year) - 10*year
	}
	if w.images && w.rnd.IntN(2) == 0 {
		l.leases = l.dir + "-notes"
	}
	if err := l.open(); err != nil {
		return err
	}
	role := identity.TeamMember
	if i == 0 {
		role = identity.FirstSecretary
	}
	villages := []record.Village{village}
	if w.orders {
		villages = w.some()
	}
	assigned := wire.Assignment{Serial: 1, Role: role, Profiles: []string{l.name}}
	for _, v := range villages {
		assigned.Villages = append(assigned.Villages, wire.Village{Code: v, Name: "试验村"})
	}
	d, err := l.store.SetDevice(context.Background(), func(d *agentstore.Device) {
		d.ID, d.Token, d.Server, d.Numbers = identity.Device(fmt.Sprintf("device%d", i+1)), "t", w.key.Public().(ed25519.PublicKey), []byte("numbers")
		d.Assigned = assigned
	})
	if err != nil {
		return err
	}
	if err := l.measure(); err != nil {
		return err
	}
	l.device = serverstore.Device{ID: d.ID, Key: d.Private().Public().(ed25519.PublicKey), Name: l.name, Role: role, Profiles: []string{l.name}, Villages: villages, Serial: 1}
	w.laptops = append(w.laptops, l)
	return w.enrol(&l.device)
}

// open opens the laptop's store, after a crash too.
func (l *laptop) open() (err error) {
	l.store, err = agentstore.Open(l.dir, agentstore.Options{
		Key:  make([]byte, agentstore.KeySize),
		Wall: func() int64 { return l.w.now + l.skew }, Rand: l.w.bytes, NewID: l.w.newID, NoSync: true, Leases: l.leases,
		Fault: func() error {
			if l.fuse == 0 {
				return errCrash
			}
			l.fuse--
			return nil
		},
	})
	if err == nil {
		l.client = syncclient.New(l.store, "sim", slog.New(slog.DiscardHandler))
	}
	return err
}

// jump sets the laptop's clock. That it was set a year back, or two ahead, shows
// by itself where the server was heard of within that year: no clock stands still for
// so long. Where it was not, that it went on for a year looks like a setting too.
func (l *laptop) jump(skew int64) {
	if d := skew - l.skew; d < -year || d > 2*year {
		l.plain++
	}
	l.skew = skew
	l.jumps++
	l.w.say("%s: clock off by %d days", l.name, l.skew/86400000)
}

// known tells whether the clock went steadily since the server's time last came,
// or was set once and that shows: then what it stamped before and what after are
// told apart. Set twice, it may seem to have hardly been set.
func (l *laptop) known() bool {
	since := l.jumps - l.measured
	return l.w.now-l.heard < year && (since == 0 || since == 1 && l.plain == 1)
}

// measure is the server's time coming to the laptop.
func (l *laptop) measure() error {
	if !l.known() {
		for d, b := range l.w.births {
			if b.by == l && !l.w.taken[d] {
				b.lost = true
				l.w.births[d] = b
			}
		}
	}
	if err := l.store.Measure(context.Background(), l.w.now, l.w.now+l.skew); err != nil {
		return err
	}
	l.measured, l.plain, l.heard = l.jumps, 0, l.w.now
	return nil
}

// received notes that the server has taken what the laptop sent, and dates it by
// what this request shows of the clock.
func (l *laptop) received(p *wire.Push, refused []wire.Refused) error {
	for _, raw := range p.Segments {
		seg, err := journal.Decode(raw)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(refused, func(r wire.Refused) bool { return r.Stream == seg.Stream }) {
			continue
		}
		for i := range seg.Changes {
			d := writtenAs(record.Dot{Stream: seg.Stream, Seq: seg.From + uint64(i)}, seg.Changes[i].Record, seg.Changes[i].Body)
			b, known := l.w.births[d]
			if !known || l.w.taken[d] {
				continue
			}
			l.w.taken[d] = true
			denied := l.denied(b.key.Village)
			if j := slices.IndexFunc(p.Proofs, func(r journal.Receipt) bool {
				return r.Stream == seg.Stream && r.From == seg.From && r.Seq == seg.Last()
			}); j >= 0 {
				// It was judged in a life before, and is as it was then.
				denied = slices.ContainsFunc(p.Proofs[j].Quarantined, func(q journal.Quarantined) bool {
					return q.Seq == d.dot.Seq && (q.Reason == serverstore.ReasonRevoked || q.Reason == serverstore.ReasonVillage)
				})
			}
			if denied {
				l.w.aside[d], l.aside[b.key.ID] = true, true
				if l.w.again[d] {
					l.w.rejudged[b.key.ID] = true // others may have seen it
				}
			}
			if l.blurred = l.blurred || b.lost || !l.known(); !l.blurred {
				b.dated = true
				l.w.births[d] = b
			}
		}
	}
	return nil
}

// recover starts the laptop again after its power went.
func (l *laptop) recover(err error) error {
	if !errors.Is(err, errCrash) {
		return err
	}
	l.fuse = -1
	l.forms = nil
	if err := l.store.Close(); err != nil {
		return err
	}
	l.w.say("%s crashed", l.name)
	if err := l.open(); err != nil {
		return err
	}
	// It may have gone on in a new stream before, and nobody was told.
	st, err := l.store.Status()
	if err == nil && st.Renewed != l.renewedAt {
		l.renewedAt = st.Renewed
		l.renewed()
	}
	return err
}

func (w *world) newID() (id record.ID, err error) {
	w.ids++
	_, err = w.bytes.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id, err
}

func (w *world) close() error {
	err := w.server.Close()
	for _, l := range w.laptops {
		err = errors.Join(err, l.store.Close())
	}
	return err
}

// step does one thing to one laptop.
func (w *world) step() error {
	w.now += w.rnd.Int64N(3 * 24 * 3600 * 1000)
	l := w.laptops[w.rnd.IntN(len(w.laptops))]
	if w.rnd.IntN(25) == 0 {
		l.jump(w.rnd.Int64N(20*year) - 10*year)
	}
	if l.out {
		return w.office()
	}
	if w.orders && w.rnd.IntN(12) == 0 {
		return w.order()
	}
	if w.orders && w.rnd.IntN(15) == 0 {
		return w.backup()
	}
	if (w.orders || w.rewinds) && w.rnd.IntN(15) == 0 {
		return w.reject()
	}
	if (w.orders || w.rewinds) && w.rnd.IntN(15) == 0 {
		return l.recover(l.see())
	}
	if w.images && w.rnd.IntN(20) == 0 {
		return l.disk()
	}
	if w.rewinds && w.rnd.IntN(12) == 0 {
		return w.disaster()
	}
	if w.rnd.IntN(12) == 0 {
		l.fuse = w.rnd.IntN(4)
	}
	var err error
	switch n := w.rnd.IntN(20); {
	case n < 4:
		err = l.create()
	case n < 7:
		err = l.openForm()
	case n < 11:
		err = l.saveForm()
	case n < 12:
		err = l.void()
	case n < 13:
		err = l.decide()
	case n < 14:
		err = w.office()
	case w.bundles && n < 18:
		err = l.bundle()
	default:
		err = l.sync(w.rnd.IntN(4) > 0)
	}
	return l.recover(err)
}

// office edits or decides something in the server's own name.
func (w *world) office() error {
	if len(w.records) == 0 {
		return nil
	}
	if w.rnd.IntN(2) == 0 {
		return w.question()
	}
	k := w.records[w.rnd.IntN(len(w.records))]
	return w.server.Desk(context.Background(), k.Village, func(d *serverstore.Desk) error {
		r, err := d.Record(k.ID)
		if errors.Is(err, serverstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.read("the office", w.desk, k, r.State); err != nil {
			return err
		}
		before := words(r.State)
		f := form.Builtin().Form(k.Type)
		who := merge.Writer{Author: "admin", Role: identity.Office}
		body, err := merge.Compose(f, r.State, r.State.Authors(), who, w.edits(k.Type))
		if err != nil || len(body) == 0 {
			return err
		}
		if _, err := d.Write(record.Change{Record: k.ID, Type: k.Type, Author: "admin", Body: body}); err != nil {
			return err
		}
		if r, err = d.Record(k.ID); err != nil {
			return err
		}
		w.replaces(before, r.State)
		for _, wr := range body {
			w.promise = append(w.promise, promise{author: "admin", key: k, path: wr.Path, value: wr.Value})
		}
		w.deeds++
		w.wrote = append(w.wrote, deed{w.deeds, k.ID})
		w.say("office wrote %s %v", k.ID, body)
		return nil
	})
}

// leg is a kind of schedule.
type leg struct {
	name    string
	images  bool // disks are set back and copied
	bundles bool // files are carried as well
	rewinds bool // the server is restored from older copies
	orders  bool // laptops are revoked and given other villages
	many    bool // laptops, up to 40
}
