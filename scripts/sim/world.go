package sim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	agentstore "zhucun/agent/store"
	serverstore "zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

const (
	village = record.Village("369999000001")
	start   = int64(1495500000000) // 2017-05-23, ms
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
	births  map[record.Dot]birth
	trace   []string
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
	// jumped tells that its clock was set anew since it was enrolled.
	jumped bool
	// fuse is how many commits are left before the power goes; negative is never.
	fuse  int
	forms []opened
	// late are answers still on the way: they come again, or for the first time
	// when newer ones have been taken.
	late []*wire.Pull
}

// opened is a form somebody opened and has not saved yet.
type opened struct {
	key   record.Key
	shown merge.State
}

// promise is a save that a laptop acknowledged: this must never be lost.
type promise struct {
	author string
	key    record.Key
	path   record.Path
	value  record.Value
}

// birth is what is known of a change when it was made: the true time, whether
// the laptop's clock can be trusted to be wrong by one and the same amount, and
// what its author had been shown.
type birth struct {
	time   int64
	steady *laptop
	shown  map[record.Dot]bool
}

func (w *world) say(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func newWorld(dir string, seed uint64, template string) (*world, error) {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	w := &world{rnd: rand.New(rand.NewPCG(seed, 1)), bytes: chance{rand.NewChaCha8(s)}, dir: dir, now: start, births: map[record.Dot]birth{}}
	keySeed := make([]byte, ed25519.SeedSize)
	if _, err := w.bytes.Read(keySeed); err != nil {
		return nil, err
	}
	w.key = ed25519.NewKeyFromSeed(keySeed)
	file := filepath.Join(dir, "server.db")
	if raw, err := os.ReadFile(template); err == nil {
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			return nil, err
		}
	}
	var err error
	w.server, err = sqlite.Open(context.Background(), file, serverstore.Options{Key: w.key, Now: func() time.Time { return time.UnixMilli(w.now) }, Random: w.bytes})
	if err != nil {
		return nil, err
	}
	if err := w.server.AddVillage(context.Background(), serverstore.Village{Code: village, Name: "试验村", Created: time.UnixMilli(w.now)}); err != nil {
		return nil, err
	}
	for i := range 2 + w.rnd.IntN(4) {
		if err := w.addLaptop(i); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) addLaptop(i int) error {
	l := &laptop{w: w, name: fmt.Sprintf("队员%d", i+1), dir: filepath.Join(w.dir, fmt.Sprintf("laptop%d", i+1)), fuse: -1}
	if w.rnd.IntN(2) == 0 {
		l.skew = w.rnd.Int64N(20*year) - 10*year
	}
	if err := l.open(); err != nil {
		return err
	}
	role := identity.TeamMember
	if i == 0 {
		role = identity.FirstSecretary
	}
	d, err := l.store.SetDevice(context.Background(), func(d *agentstore.Device) {
		d.ID, d.Token, d.Server, d.Numbers = identity.Device(fmt.Sprintf("device%d", i+1)), "t", w.key.Public().(ed25519.PublicKey), []byte("numbers")
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: village, Name: "试验村"}}, Role: role, Profiles: []string{l.name}}
	})
	if err != nil {
		return err
	}
	if err := l.store.Measure(context.Background(), w.now, w.now+l.skew); err != nil {
		return err
	}
	l.device = serverstore.Device{ID: d.ID, Key: d.Private().Public().(ed25519.PublicKey), Name: l.name, Role: role, Profiles: []string{l.name}, Villages: []record.Village{village}, Serial: 1}
	w.laptops = append(w.laptops, l)
	return nil
}

// open opens the laptop's store, after a crash too.
func (l *laptop) open() (err error) {
	l.store, err = agentstore.Open(l.dir, agentstore.Options{
		Wall: func() int64 { return l.w.now + l.skew }, Rand: l.w.bytes, NewID: l.w.newID, NoSync: true,
		Fault: func() error {
			if l.fuse == 0 {
				return errCrash
			}
			l.fuse--
			return nil
		},
	})
	return err
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
	return l.open()
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
		l.skew, l.jumped = w.rnd.Int64N(20*year)-10*year, true
		w.say("%s: clock off by %d days", l.name, l.skew/86400000)
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
	default:
		err = l.sync(w.rnd.IntN(4) > 0)
	}
	return l.recover(err)
}

var texts = []string{"甲", "乙", "丙", "丁", ""}

// edits draws what somebody fills in.
func (w *world) edits(t record.Type) map[string]record.Value {
	forms := form.Builtin()
	f := forms.Form(t)
	names := map[record.Type][]string{
		"household": {"phone", "group_name", "head_name", "house_risk", "poverty_status", "fuel", "arable_mu"},
		"visit":     {"findings", "needs", "visit_purpose", "satisfaction", "visit_date"},
		"project":   {"content", "stage", "percent", "indicators"},
	}[t]
	out := map[string]record.Value{}
	for range 1 + w.rnd.IntN(3) {
		fd := f.Field(names[w.rnd.IntN(len(names))])
		out[fd.Name] = w.value(fd)
	}
	return out
}

func (w *world) value(fd *form.Field) record.Value {
	switch {
	case w.rnd.IntN(8) == 0:
		return record.Null
	case fd.Many():
		var codes []string
		for _, c := range fd.Choices {
			if w.rnd.IntN(3) == 0 {
				codes = append(codes, c.Name)
			}
		}
		return record.Set(codes)
	case len(fd.Choices) > 0:
		return record.Text(fd.Choices[w.rnd.IntN(len(fd.Choices))].Name)
	case fd.Kind == form.Integer || fd.Kind == form.Decimal:
		return record.Value(fmt.Sprint(w.rnd.IntN(5)))
	case fd.Kind == form.Date:
		return record.Text(fmt.Sprintf("2017-05-%02d", 1+w.rnd.IntN(28)))
	}
	return record.Text(texts[w.rnd.IntN(len(texts)-1)])
}

func (l *laptop) create() error {
	w := l.w
	types := []record.Type{"household", "household", "visit", "visit"}
	if l.device.Role == identity.FirstSecretary {
		types = append(types, "project")
	}
	t := types[w.rnd.IntN(len(types))]
	e := agentstore.Edit{Type: t, Fields: w.edits(t)}
	if t == "household" {
		// A few numbers only: two laptops enter the same household apart.
		e.Fields["household_no"] = record.Text(fmt.Sprintf("36999900000100%02d", w.rnd.IntN(6)))
	}
	return l.save(e)
}

// save saves and notes the promise.
func (l *laptop) save(e agentstore.Edit) error {
	shown := e.Shown
	if shown == nil && !e.ID.IsZero() {
		if r, err := l.store.Get(e.Type, e.ID); err == nil {
			shown = r.State
		}
	}
	saved, err := l.store.Save(context.Background(), e)
	var refusal *merge.Refusal
	if errors.As(err, &refusal) {
		return nil
	}
	if err != nil {
		return err
	}
	l.w.say("%s saved %s %s %v changed=%v", l.name, e.Type, saved[0].Key.ID, e.Fields, saved[0].Changed)
	if !slices.Contains(l.w.records, saved[0].Key) {
		l.w.records = append(l.w.records, saved[0].Key)
	}
	if !saved[0].Changed {
		return nil
	}
	return l.readOwn(saved[0].Key, e, shown)
}

// readOwn checks that what was just saved is shown, and notes what was promised.
func (l *laptop) readOwn(k record.Key, e agentstore.Edit, shown merge.State) error {
	events, err := l.store.History(k.Type, k.ID)
	if err != nil {
		return err
	}
	d := l.lastOwn(k)
	for _, ev := range events {
		if ev.Dot != d {
			continue
		}
		dot, err := record.ParseDot(d)
		if err != nil {
			return err
		}
		b := birth{time: l.w.now, steady: l, shown: map[record.Dot]bool{}}
		for _, o := range shown.Dots() {
			b.shown[o] = true
		}
		l.w.births[dot] = b
		for p, v := range ev.Set {
			l.w.promise = append(l.w.promise, promise{l.name, k, p, v})
		}
		return nil
	}
	return fmt.Errorf("%s saved %s and does not show it: %v", l.name, k.ID, e.Fields)
}

// lastOwn names the laptop's last change of a record.
func (l *laptop) lastOwn(k record.Key) string {
	st, err := l.store.Status()
	if err != nil || len(st.Villages) == 0 {
		return ""
	}
	for _, s := range st.Villages[0].Streams {
		return record.Dot{Stream: s.Stream, Seq: s.Head}.String()
	}
	return ""
}

// pick gives a record that this laptop has.
func (l *laptop) pick() (agentstore.Record, bool) {
	if len(l.w.records) == 0 {
		return agentstore.Record{}, false
	}
	k := l.w.records[l.w.rnd.IntN(len(l.w.records))]
	r, err := l.store.Get(k.Type, k.ID)
	return r, err == nil
}

func (l *laptop) openForm() error {
	if r, ok := l.pick(); ok {
		l.forms = append(l.forms, opened{r.Key, r.State})
	}
	return nil
}

// saveForm saves a form that was opened some time ago.
func (l *laptop) saveForm() error {
	if len(l.forms) == 0 {
		return l.openForm()
	}
	i := l.w.rnd.IntN(len(l.forms))
	o := l.forms[i]
	l.forms = slices.Delete(l.forms, i, i+1)
	return l.save(agentstore.Edit{Type: o.key.Type, ID: o.key.ID, Shown: o.shown, Fields: l.w.edits(o.key.Type)})
}

func (l *laptop) void() error {
	r, ok := l.pick()
	if !ok {
		return nil
	}
	if r.View.Void || l.w.rnd.IntN(3) == 0 {
		return l.save(agentstore.Edit{Type: r.Key.Type, ID: r.Key.ID, Revive: true})
	}
	return l.save(agentstore.Edit{Type: r.Key.Type, ID: r.Key.ID, Void: "重复"})
}

func (l *laptop) decide() error {
	r, ok := l.pick()
	if !ok {
		return nil
	}
	for p, claims := range r.View.Conflicts {
		c := claims[l.w.rnd.IntN(len(claims))]
		_, err := l.store.Decide(context.Background(), r.Key.ID, p, c.Dot, "", "")
		var refusal *merge.Refusal
		if errors.As(err, &refusal) || errors.Is(err, merge.ErrNotLive) || errors.Is(err, merge.ErrNothing) {
			return nil
		}
		l.w.say("%s decided %s %s: %v", l.name, r.Key.ID, p, err)
		return err
	}
	return nil
}

// sync is one exchange over a line that may fail at every point.
func (l *laptop) sync(whole bool) error {
	w := l.w
	ctx := context.Background()
	if len(l.late) > 0 && w.rnd.IntN(4) == 0 {
		p := l.late[w.rnd.IntN(len(l.late))]
		w.say("%s gets a late answer from %d", l.name, p.From)
		if _, err := l.store.Take(ctx, p); err != nil {
			return fmt.Errorf("late answer: %w", err)
		}
	}
	for range 1 + w.rnd.IntN(6) {
		budget, pages := 1+w.rnd.IntN(2000), 1+w.rnd.IntN(3000)
		pull, more, err := l.exchange(budget, pages)
		if err != nil || pull == nil {
			return err
		}
		if len(l.late) < 4 {
			l.late = append(l.late, pull)
		} else {
			l.late[w.rnd.IntN(4)] = pull
		}
		if w.rnd.IntN(5) == 0 {
			w.say("%s: answer lost", l.name)
			return nil
		}
		for range 1 + w.rnd.IntN(2) {
			taken, err := l.store.Take(ctx, pull)
			if err != nil {
				return err
			}
			w.say("%s took %d records to %d from %d, %d receipts, %d acknowledged, more=%v", l.name, len(pull.Records), pull.Cursor, pull.From, len(pull.Receipts), taken.Acknowledged, pull.More)
		}
		if err := l.store.Measure(ctx, w.now, w.now+l.skew); err != nil {
			return err
		}
		if err := l.checkDelivered(); err != nil {
			return err
		}
		if !whole && !more && !pull.More {
			break
		}
	}
	return nil
}

// exchange sends one request to the server and gives its answer; nil when the
// request was lost.
func (l *laptop) exchange(budget, pages int) (*wire.Pull, bool, error) {
	w := l.w
	ctx := context.Background()
	out, err := l.store.Outgoing(ctx, budget)
	if err != nil {
		return nil, false, err
	}
	read, runs, err := l.store.Clock()
	if err != nil {
		return nil, false, err
	}
	push := out[0].Push
	if w.rnd.IntN(8) == 0 {
		w.say("%s: request lost", l.name)
		return nil, false, nil
	}
	received := clock.At0(w.now)
	for range 1 + w.rnd.IntN(6)/5 { // now and then the request arrives twice
		if len(push.Segments) == 0 {
			break
		}
		taken, err := w.server.Take(ctx, serverstore.Delivery{Village: village, From: l.device, Segments: push.Segments, Runs: runs, Found: w.now - read.Milli(), Received: received})
		if err != nil {
			return nil, false, fmt.Errorf("server: %w", err)
		}
		if len(taken.Refused) > 0 {
			return nil, false, fmt.Errorf("server refused %+v of %s", taken.Refused, l.name)
		}
	}
	pull, _, err := w.server.Page(ctx, serverstore.Request{Village: village, Device: l.device.ID, Epoch: push.Epoch, Cursor: push.Cursor, After: push.After, Own: push.Streams, Budget: pages, Role: l.device.Role})
	if err != nil {
		return nil, false, fmt.Errorf("server: %w", err)
	}
	return &pull, out[0].Left > 0, nil
}

// checkDelivered checks that what the laptop calls delivered the server has.
func (l *laptop) checkDelivered() error {
	st, err := l.store.Status()
	if err != nil || len(st.Villages) == 0 {
		return err
	}
	pull, _, err := l.w.server.Page(context.Background(), serverstore.Request{Village: village, Budget: 1 << 30, Role: l.device.Role})
	if err != nil {
		return err
	}
	for _, s := range st.Villages[0].Streams {
		has := uint64(0)
		for _, h := range pull.Heads {
			if h.Stream == s.Stream {
				has = h.Seq
			}
		}
		if s.Acked > has {
			return fmt.Errorf("%s calls entry %d delivered, the server has %d", l.name, s.Acked, has)
		}
	}
	return nil
}

// settle lets all traffic end, then compares everybody.
func (w *world) settle() error {
	for round := 0; ; round++ {
		if round > 200 {
			return errors.New("the traffic does not end")
		}
		busy := false
		for _, l := range w.laptops {
			l.fuse = -1
			ctx := context.Background()
			w.now += 1000
			out, err := l.store.Outgoing(ctx, 1<<20)
			if err != nil {
				return err
			}
			read, runs, err := l.store.Clock()
			if err != nil {
				return err
			}
			push := out[0].Push
			if len(push.Segments) > 0 {
				busy = true
				if _, err := w.server.Take(ctx, serverstore.Delivery{Village: village, From: l.device, Segments: push.Segments, Runs: runs, Found: w.now - read.Milli(), Received: clock.At0(w.now)}); err != nil {
					return err
				}
			}
			pull, _, err := w.server.Page(ctx, serverstore.Request{Village: village, Device: l.device.ID, Epoch: push.Epoch, Cursor: push.Cursor, After: push.After, Own: push.Streams, Budget: 1 << 20, Role: l.device.Role})
			if err != nil {
				return err
			}
			busy = busy || len(pull.Records) > 0 || pull.More || len(pull.Receipts) > 0
			if _, err := l.store.Take(ctx, &pull); err != nil {
				return err
			}
			st, err := l.store.Status()
			if err != nil {
				return err
			}
			busy = busy || st.Pending > 0
		}
		if !busy {
			return w.compare()
		}
	}
}

// compare checks the end: promises kept, replicas equal, equal to the oracle.
func (w *world) compare() error {
	ctx := context.Background()
	pull, _, err := w.server.Page(ctx, serverstore.Request{Village: village, Budget: 1 << 30, Role: identity.Office})
	if err != nil {
		return err
	}
	states := map[record.ID][]byte{}
	for _, r := range pull.Records {
		states[r.ID] = r.State
	}
	log := map[record.ID][]logged{}
	for _, k := range w.records {
		if log[k.ID], err = w.history(k); err != nil {
			return err
		}
		if err := w.born(log[k.ID]); err != nil {
			return fmt.Errorf("%s %s: %w", k.Type, k.ID, err)
		}
		want := oracle(log[k.ID])
		if got := states[k.ID]; !bytes.Equal(got, want.Encode()) {
			st, _ := merge.Decode(got)
			return fmt.Errorf("%s %s: the server has\n%v\nthe oracle\n%v", k.Type, k.ID, st, want)
		}
		for _, l := range w.laptops {
			r, err := l.store.Get(k.Type, k.ID)
			if err != nil {
				return fmt.Errorf("%s lacks %s %s: %w", l.name, k.Type, k.ID, err)
			}
			if got := r.State.Encode(); !bytes.Equal(got, states[k.ID]) {
				st, _ := merge.Decode(states[k.ID])
				return fmt.Errorf("%s %s: %s has\n%v\nthe server\n%v", k.Type, k.ID, l.name, r.State, st)
			}
			if r.Way != merge.Delivered {
				return fmt.Errorf("%s: %s is still %s", l.name, k.ID, r.Way)
			}
		}
	}
	if err := kept(w.promise, log); err != nil {
		return err
	}
	for _, l := range w.laptops {
		rep, err := l.store.Verify()
		if err != nil || len(rep.Faults) > 0 {
			return fmt.Errorf("%s verifies: %v %v", l.name, rep.Faults, err)
		}
	}
	return nil
}

// logged is one change in the server's log.
type logged struct {
	dot    record.Dot
	at     clock.Time
	author string
	body   []record.Write
}

// born checks each change against what was true when it was made: it replaces
// nothing that its author had not been shown, and on a laptop whose clock is
// wrong by any amount, but steadily, it is dated when it was made.
func (w *world) born(changes []logged) error {
	for _, c := range changes {
		b, known := w.births[c.dot]
		if !known {
			continue
		}
		for _, wr := range c.body {
			for _, o := range wr.Observed {
				if !b.shown[o] {
					return fmt.Errorf("change %s of %s replaces %s, which its author had not been shown", c.dot, wr.Path, o)
				}
			}
		}
		if d := c.at.Milli() - b.time; !b.steady.jumped && (d < -clock.Noise || d > clock.Noise) {
			return fmt.Errorf("change %s was made at %v and is dated %v", c.dot, time.UnixMilli(b.time).UTC(), c.at)
		}
	}
	return nil
}

// kept checks that every acknowledged save is in the log, as often as it was
// acknowledged.
func kept(promises []promise, log map[record.ID][]logged) error {
	count := map[promise]int{}
	for id, changes := range log {
		for _, c := range changes {
			for _, wr := range c.body {
				for _, t := range []record.Type{"household", "visit", "project"} {
					count[promise{c.author, record.Key{Village: village, Type: t, ID: id}, wr.Path, wr.Value}]++
				}
			}
		}
	}
	need := map[promise]int{}
	for _, p := range promises {
		need[p]++
	}
	for p, n := range need {
		if count[p] < n {
			return fmt.Errorf("acknowledged %d times, in the log %d times: %+v", n, count[p], p)
		}
	}
	return nil
}

// oracle says what a record is, given all its changes: of each register what was
// written there and is named by nobody.
func oracle(changes []logged) merge.State {
	type place struct {
		p record.Path
		d record.Dot
	}
	named := map[place]bool{}
	for _, c := range changes {
		for _, wr := range c.body {
			for _, d := range wr.Observed {
				named[place{wr.Path, d}] = true
			}
		}
	}
	s := merge.State{}
	for _, c := range changes {
		for _, wr := range c.body {
			if !named[place{wr.Path, c.dot}] {
				r := s[wr.Path]
				r.Siblings = append(r.Siblings, merge.Sibling{Dot: c.dot, Value: wr.Value, At: c.at, Author: c.author})
				slices.SortFunc(r.Siblings, func(a, b merge.Sibling) int { return a.Dot.Compare(b.Dot) })
				s[wr.Path] = r
			}
		}
	}
	return s
}

// history reads a record's changes from the server's log.
func (w *world) history(k record.Key) ([]logged, error) {
	entries, err := w.server.History(context.Background(), village, k.ID)
	if err != nil {
		return nil, fmt.Errorf("history of %s %s: %w", k.Type, k.ID, err)
	}
	var log []logged
	for _, e := range entries {
		log = append(log, logged{e.Dot, e.At, e.Change.Author, e.Change.Body})
	}
	return log, nil
}

// office edits or decides something in the server's own name.
func (w *world) office() error {
	if len(w.records) == 0 {
		return nil
	}
	k := w.records[w.rnd.IntN(len(w.records))]
	return w.server.Desk(context.Background(), village, func(d *serverstore.Desk) error {
		r, err := d.Record(k.ID)
		if errors.Is(err, serverstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		f := form.Builtin().Form(k.Type)
		who := merge.Writer{Author: "admin", Role: identity.Office}
		body, err := merge.Compose(f, r.State, r.State.Authors(), who, w.edits(k.Type))
		if err != nil || len(body) == 0 {
			return err
		}
		if _, err := d.Write(record.Change{Record: k.ID, Type: k.Type, Author: "admin", Body: body}); err != nil {
			return err
		}
		for _, wr := range body {
			w.promise = append(w.promise, promise{"admin", k, wr.Path, wr.Value})
		}
		w.say("office wrote %s %v", k.ID, body)
		return nil
	})
}
