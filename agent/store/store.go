package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fxamacker/cbor/v2"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// fileName is the one file of a store, in the data folder.
const fileName = "records.db"

var (
	bucketMeta    = []byte("meta")
	bucketDraft   = []byte("draft")
	bucketImport  = []byte("import")
	bucketBundle  = []byte("bundle") // made with the first one
	bucketVillage = []byte("village")

	keyDevice = []byte("device")
	keyClock  = []byte("clock")
	keyCheck  = []byte("check")
)

// ErrInUse says that another process has the store open.
var ErrInUse = errors.New("another agent is using this data folder")

// Options are what a store takes from outside; the zero value is the machine's.
type Options struct {
	// Key is the data key, KeySize bytes; there is no store without one.
	Key   []byte
	Wall  func() int64 // milliseconds since 1970
	Rand  io.Reader
	NewID func() (record.ID, error) // for records without a number
	// Leases is a folder outside the data folder for the note by which a store
	// knows that it is an older image or a copy (lease.go); empty for none.
	Leases string
	// Fault, if set, is asked before every commit; an error from it ends the
	// transaction as a crash would. For simulations.
	Fault func() error
	// Flush, if set, is asked after every commit; an error from it is the disk's that
	// could not make it durable. For simulations.
	Flush func() error
	// Inspect looks at the store in a data folder as Inspect does, in a process of its
	// own where there can be one; nil is Inspect itself.
	Inspect func(dir string) error
	// Stuck ends the process where a commit does not end, as on some damage; nil waits.
	Stuck func()
	// NoSync leaves out the sync to disk: for simulations that crash by copying
	// the file, never for people's data.
	NoSync bool
}

// Store is a laptop's data, open.
type Store struct {
	file  *handle
	seal  cipher.AEAD
	opt   Options
	dir   string
	queue chan *job
	looks chan struct{} // a look at the name is asked for
	done  chan struct{}
	// committed is told of commits, leased is closed when the last note of them is
	// written.
	committed chan struct{}
	leased    chan struct{}
	kept      string // the note that was written last
	close     sync.Once
	stop      sync.Once
	pages     residence
	forms     *form.Set // that hold, and so do the rules
	rules     atomic.Pointer[figure.Rules]
	// stopping is closed when the store is to be closed; healing is waited for then.
	stopping chan struct{}
	healing  sync.WaitGroup
	mu       sync.Mutex
	files    sync.Mutex // of the folder blobs: between a file and its note
	// broken is why nothing is written, until the store is healed; heads is how far
	// the own streams go, of what was committed.
	broken error
	heads  map[string]reach
	// openings counts how often the file was opened anew.
	openings uint64
	// rebuiltAt is when the file that is open was made anew.
	rebuiltAt int64
	opened    bool
	changed   chan struct{} // closed and renewed at every commit that changed records
	feed      feed
	closed    bool
	sending   sync.WaitGroup
}

// Open opens the store in dir and makes one if there is none. A store is made
// under another name, synced, given its own and the folder synced: a cut within
// the first pages of a bbolt file would otherwise leave a file that no longer
// opens. The error is ErrInUse when another process has it, ErrDamaged when the
// file is not a store.
func Open(dir string, opt Options) (_ *Store, err error) {
	defer damaged(&err)
	defer faulting()()
	opt = opt.filled()
	seal, err := sealer(opt.Key)
	if err != nil {
		return nil, fmt.Errorf("open store in %s: %w", dir, err)
	}
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := create(dir, path, opt.Key); err != nil {
			return nil, fmt.Errorf("create store in %s: %w", dir, err)
		}
	}
	// What a cut left of making one. Whoever is making one now finds that there is
	// one already.
	remove(dir, fileName+".new*")
	db, is, err := openFile(path, opt)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	remove(dir, spare)
	remove(dir, halfBackup) // what a cut left, a whole database each
	s := &Store{file: newHandle(db, is), stopping: make(chan struct{}), heads: map[string]reach{}, seal: seal, opt: opt, forms: form.Builtin().Copy(), dir: dir, queue: make(chan *job, 256), looks: make(chan struct{}, 1), done: make(chan struct{}), changed: make(chan struct{}), committed: make(chan struct{}, 1), leased: make(chan struct{})}
	s.rules.Store(figure.Builtin())
	if err := s.recall(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go s.commit()
	go s.keepLease()
	err = s.holdEdition()
	if err == nil {
		err = s.Resume(context.Background())
	}
	if err == nil {
		err = s.claim(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.mu.Lock()
	s.opened = true
	s.mu.Unlock()
	s.sweepSoon()
	return s, nil
}

// filled gives the options with the machine's own where nothing is said.
func (opt Options) filled() Options {
	if opt.Wall == nil {
		opt.Wall = func() int64 { return time.Now().UnixMilli() }
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.NewID == nil {
		opt.NewID = newID
	}
	return opt
}

// openFile opens a store's file, and tells which one that is. The error is ErrInUse,
// ErrDamaged, ErrKey, or what the system says.
func openFile(path string, opt Options) (db *bbolt.DB, is os.FileInfo, err error) {
	defer damaged(&err)
	defer faulting()()
	var f *os.File
	// A panic in bbolt leaves the file open and its lock taken.
	returned := false
	defer func() {
		if !returned && f != nil {
			letGo(f)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 300 * time.Millisecond, FreelistType: bbolt.FreelistMapType, NoSync: opt.NoSync,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			f, err = os.OpenFile(name, flag, mode)
			return f, err
		}})
	returned = true
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, ErrInUse
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return nil, nil, err
	}
	// Whoever waited for the file's lock may have got that of one that was set aside
	// meanwhile.
	if is, err = f.Stat(); err != nil || !leads(path, is) {
		return nil, nil, errors.Join(ErrInUse, db.Close())
	}
	err = look(db, opt.Key)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, is, nil
}

// leads tells whether path still leads to a file.
func leads(path string, is os.FileInfo) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(is, now)
}

// look tells whether the file is a store, and one of that key.
func look(db *bbolt.DB, key []byte) (err error) {
	defer damaged(&err)
	defer faulting()()
	return db.View(func(tx *bbolt.Tx) error {
		if err := whole(tx); err != nil {
			return err
		}
		meta := tx.Bucket(bucketMeta)
		if bytes.Equal(meta.Get(keyCheck), checkOf(key)) {
			return nil
		}
		if seal, err := sealer(key); err == nil {
			if _, err := unwrap(seal, deviceAt, meta.Get(keyDevice)); err == nil {
				return fmt.Errorf("%w: what tells its key", ErrDamaged)
			}
		}
		return ErrKey
	})
}

// remove removes files of a folder by their pattern.
func remove(dir, pattern string) {
	if names, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil {
		for _, name := range names {
			os.Remove(name)
		}
	}
}

// Resume joins what is live but not joined yet: since the power went, or the
// sync was given up, between the two.
func (s *Store) Resume(ctx context.Context) error {
	var codes []record.Village
	err := s.view(func(t *tx) error {
		codes = t.villageCodes()
		return nil
	})
	for _, code := range codes {
		if err == nil {
			err = s.Fold(ctx, code)
		}
	}
	return err
}

// buckets are what every store has.
var buckets = [][]byte{bucketMeta, bucketDraft, bucketImport, bucketVillage}

// whole tells a store from an empty file that bbolt has just made one of.
func whole(tx *bbolt.Tx) error {
	for _, b := range buckets {
		if tx.Bucket(b) == nil {
			return fmt.Errorf("%w: it is empty", ErrDamaged)
		}
	}
	return nil
}

// create makes an empty store at path, unless another process does so first, or puts
// one back: a store that has its name is never replaced. The error is ErrInUse while
// one is about it.
func create(dir, path string, key []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer unlock()
	// One that was made anew may have been cut off from its name.
	err = linkOrRename(filepath.Join(dir, spare), path)
	if err == nil || errors.Is(err, os.ErrExist) {
		return nil
	}
	tmp, err := makeStore(dir, fileName+".new-*", key, func(*bbolt.DB) error { return nil })
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := linkOrRename(tmp, path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// makeStore makes a store under a name of that pattern, with what fill puts in, and
// returns when it is on disk.
func makeStore(dir, pattern string, key []byte, fill func(*bbolt.DB) error) (tmp string, err error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	tmp = f.Name()
	defer func() {
		if err != nil {
			os.Remove(tmp)
		}
	}()
	if err := f.Close(); err != nil {
		return tmp, err
	}
	db, err := bbolt.Open(tmp, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return tmp, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range buckets {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyCheck, checkOf(key))
	})
	if err == nil {
		err = fill(db)
	}
	return tmp, errors.Join(err, db.Sync(), db.Close())
}

// syncDir makes a rename in dir durable where the system can; elsewhere the
// rename itself is.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, os.ErrInvalid) && !errors.Is(err, os.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Close waits for the saves under way and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close.Do(func() {
		s.sending.Wait()
		close(s.queue)
	})
	s.stop.Do(func() { close(s.stopping) })
	<-s.done
	<-s.leased
	s.healing.Wait()
	file, note, key := s.lease()
	var adrift error
	if s.adrift() && !errors.Is(s.trouble(), ErrReplaced) {
		_, adrift = s.moor()
	}
	sound := s.trouble() == nil
	db := s.file.take()
	s.file.give(nil, nil, ErrClosed)
	if db == nil {
		return adrift
	}
	if err := errors.Join(adrift, db.Close()); err != nil || note == nil {
		return err
	}
	if info, err := os.Stat(filepath.Join(s.dir, fileName)); err == nil && sound {
		note.Size, note.Closed = info.Size(), info.ModTime().UnixNano()
	}
	s.keep(file, note, key)
	return nil
}

// Dir is the data folder.
func (s *Store) Dir() string { return s.dir }

// job is one caller's part of a commit.
type job struct {
	do     func(*tx) error
	err    error
	tell   bool
	finish chan struct{}
}

// maxBatch bounds how many waiting saves one commit takes together.
const maxBatch = 512

// commit is the one writer: it takes what has queued while the last commit ran
// into the next one. bbolt's Batch waits ten milliseconds for company; this
// waits for nobody.
func (s *Store) commit() {
	defer close(s.done)
	defer close(s.committed)
	for {
		var jobs []*job
		select {
		case <-s.looks:
			s.moored()
			continue
		case first, ok := <-s.queue:
			if !ok {
				return
			}
			jobs = append(jobs, first)
		}
	gather:
		for len(jobs) < maxBatch {
			select {
			case j, ok := <-s.queue:
				if !ok {
					break gather
				}
				jobs = append(jobs, j)
			default:
				break gather
			}
		}
		s.run(jobs)
		if s.opt.Leases != "" {
			select {
			case s.committed <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

// run commits the jobs. One that fails is taken out and the others are run
// again, so that nobody's mistake undoes another's save.
func (s *Store) run(jobs []*job) {
	left := jobs
	for len(left) > 0 {
		failed := -1
		if err := s.trouble(); err != nil {
			for _, j := range left {
				j.err = err
			}
			break
		}
		ready, broken := false, false
		var done *tx
		err := s.attempt(&broken, func(btx *bbolt.Tx) error {
			t := &tx{Tx: btx, s: s}
			for i, j := range left {
				t.alone = false
				if j.err = j.do(t); j.err != nil {
					failed = i
					if errors.Is(j.err, ErrDamaged) {
						j.err = s.breaks(j.err)
					}
					return j.err
				}
				t.moved = t.moved || j.tell && !t.alone
			}
			err := t.flush()
			if err == nil && s.opt.Fault != nil {
				err = s.opt.Fault()
			}
			if err == nil {
				done = t
			}
			ready = err == nil
			return err
		})
		if err == nil && s.opt.Flush != nil {
			err = s.opt.Flush()
		}
		if err == nil {
			s.commits(done.villages)
			s.tells(done)
		}
		if broken {
			failed = -1
		} else if err != nil && ready && !Full(err) {
			// After a failed sync the system may claim to have what the disk has
			// not, and what could not be made sure may have become part of the file
			// all the same: on this handle nothing can be told apart any more.
			err = s.breaks(fmt.Errorf("%w: %w", ErrDisk, err))
		}
		if err == nil {
			err = s.moored()
		}
		if failed < 0 {
			for _, j := range left {
				j.err = err
			}
			break
		}
		bad := left[failed]
		left = append(append([]*job(nil), left[:failed]...), left[failed+1:]...)
		close(bad.finish)
	}
	// First: whoever saved and then looks does not find what was before.
	if slices.ContainsFunc(left, func(j *job) bool { return j.tell && j.err == nil }) {
		s.announce()
	}
	for _, j := range left {
		close(j.finish)
	}
}

// attempt is bbolt's Update. After a panic of its nothing more is written.
func (s *Store) attempt(broken *bool, do func(*bbolt.Tx) error) (err error) {
	db, err := s.file.hold()
	if err != nil {
		return err
	}
	defer s.file.leave()
	begun := false
	defer func() {
		if p := recover(); p != nil {
			*broken = true
			if !begun {
				s.jams()
			}
			err = s.breaks(fmt.Errorf("%w: %v", ErrDamaged, p))
		}
	}()
	defer faulting()()
	defer s.watch()()
	return db.Update(func(t *bbolt.Tx) error {
		begun = true
		return do(t)
	})
}

// Full tells an error of a disk without room, which leaves everything as it was.
func Full(err error) bool {
	var code syscall.Errno
	if runtime.GOOS == "windows" && errors.As(err, &code) {
		return code == 39 || code == 112 // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ErrDisk says that the disk reported an error while a commit was on its way.
// Nothing more is written until the store has been opened anew, which it does itself
// (heal.go).
var ErrDisk = errors.New("the disk reported an error while saving")

// ErrClosed says that the agent is stopping.
var ErrClosed = errors.New("the agent is stopping; nothing was saved")

// update runs do in the next commit and returns when it is on disk. tell says
// that records change by it.
func (s *Store) update(ctx context.Context, tell bool, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.sending.Add(1)
	s.mu.Unlock()
	j := &job{do: do, tell: tell, finish: make(chan struct{})}
	s.queue <- j
	s.sending.Done()
	// Once queued a save is carried out: to give up waiting would leave the
	// caller not knowing whether it was.
	<-j.finish
	return j.err
}

// view runs read on one moment's data.
func (s *Store) view(read func(*tx) error) (err error) {
	db, err := s.file.hold()
	if err != nil {
		return err
	}
	defer s.file.leave()
	defer func() {
		if errors.Is(err, ErrDamaged) {
			err = s.breaks(err)
		}
	}()
	begun := false
	defer func() {
		if p := recover(); p != nil {
			if !begun {
				s.jams()
			}
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	defer faulting()()
	return db.View(func(btx *bbolt.Tx) error {
		begun = true
		return read(&tx{Tx: btx, s: s})
	})
}

// faulting has a page that is not where a damaged file says panic, which can be
// recovered from, and not end the process; done puts it back.
func faulting() (done func()) {
	before := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(before) }
}

// damaged makes an error of what bbolt panics with when its file is not as it
// should be.
func damaged(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}

// tx is a transaction with what it has read of the store's small data. Clock
// and villages are written once, at its end.
type tx struct {
	*bbolt.Tx
	s        *Store
	device   *Device
	clock    *clock.Clock
	villages map[record.Village]*village
	// What News tells of it: the records that it stored; that more than those may show
	// differently; that nothing is as it was. alone tells that a job's are all.
	changed            []record.Key
	moved, anew, alone bool
}

var (
	encMode, _ = cbor.CoreDetEncOptions().EncMode()
	decMode, _ = cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode()
)

func put(b *bbolt.Bucket, key []byte, x any) error {
	raw, err := encMode.Marshal(x)
	if err != nil {
		return err
	}
	return b.Put(key, raw)
}

// get reads the value under key into x and tells whether there is one.
func get(b *bbolt.Bucket, key []byte, x any) (bool, error) {
	raw := b.Get(key)
	if raw == nil {
		return false, nil
	}
	if err := decMode.Unmarshal(raw, x); err != nil {
		return false, fmt.Errorf("%w: %q: %w", ErrDamaged, key, err)
	}
	return true, nil
}

// ErrDamaged says that the store holds what nobody wrote there.
var ErrDamaged = errors.New("the data file is damaged")

// time gives the clock for this transaction.
func (t *tx) time() (*clock.Clock, error) {
	if t.clock == nil {
		c := new(clock.Clock)
		if _, err := get(t.Bucket(bucketMeta), keyClock, c); err != nil {
			return nil, err
		}
		t.clock = c
	}
	return t.clock, nil
}

// flush writes what the transaction gathered.
func (t *tx) flush() error {
	if t.clock != nil {
		if err := put(t.Bucket(bucketMeta), keyClock, t.clock); err != nil {
			return err
		}
	}
	for _, v := range t.villages {
		if err := v.flush(); err != nil {
			return err
		}
	}
	return nil
}
