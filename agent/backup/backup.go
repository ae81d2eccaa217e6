package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"zhucun/agent/drive"
	"zhucun/agent/store"
)

// Ext ends the names of backups.
const Ext = ".zcbackup"

// FolderName is the folder that is made on a drive that is chosen as a whole.
const FolderName = "zhucun-backup"

// Keep is how many backups of a laptop stay on a drive.
const Keep = 5

// Old is after how long without a backup people are told, where a drive was chosen.
const Old = 7 * 24 * time.Hour

const (
	markerExt = ".drive"
	look      = 30 * time.Second // how often drives are looked for
	rest      = time.Hour        // after one that failed
)

// Why a backup failed, as store.Drive.Fault keeps it.
const (
	FaultFull   = "full"   // there is no room, and nothing that may make room
	FaultGone   = "gone"   // the drive was pulled out
	FaultBad    = "bad"    // what was written there does not read as it was written
	FaultFailed = "failed" // anything else
)

var (
	// ErrNone says that no drive is chosen.
	ErrNone = errors.New("no drive is chosen for backups")
	// ErrAway says that the drive is not there now.
	ErrAway = errors.New("the drive for backups is not there")
	// ErrBusy says that a backup is being made.
	ErrBusy = errors.New("a backup is being made")
	// ErrFolder says that a folder cannot be chosen: it is not there, or cannot be written.
	ErrFolder = errors.New("the folder cannot be used for backups")
	// ErrInside says that a folder is the data's own: what takes that takes its backups.
	ErrInside = errors.New("the folder is the data's own")
	// ErrFull says that the drive has no room.
	ErrFull = errors.New("the drive has no room for a backup")
)

// Keeper keeps the backups of one store.
type Keeper struct {
	store *store.Store
	note  func() ([]byte, error)
	log   *slog.Logger

	// The machine's, for tests to stand in for.
	roots func() []string
	free  func(folder string) (uint64, error)
	write func(file string, note []byte, told func(done, of int64) error) (int64, error)

	one sync.Mutex // held by whoever makes one
	mu  sync.Mutex // guards what is below
	now State
	// away tells that the drive was not there when it was last looked for: one that comes
	// back is tried at once, whatever became of the last try.
	away bool
}

// State is how a backup stands that is being made.
type State struct {
	Busy     bool
	Done, Of int64 // bytes
}

// New makes the keeper of a store; note gives the vault's note, which goes along.
func New(s *store.Store, note func() ([]byte, error), log *slog.Logger) *Keeper {
	return &Keeper{store: s, note: note, log: log, roots: drive.Roots, free: drive.Free, write: s.Backup}
}

// State tells how it stands.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// Run looks for the drive until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		if err := k.Look(ctx); err != nil {
			k.log.Warn("the backup by itself failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Look makes a backup if the drive is there and one is due. It is no error that none is.
func (k *Keeper) Look(ctx context.Context) error {
	x, err := k.store.Settings()
	if err != nil || x.Drive.ID == "" || !x.Drive.Auto {
		return err
	}
	folder := k.find(&x.Drive)
	k.mu.Lock()
	back := k.away && folder != ""
	k.away = folder == ""
	k.mu.Unlock()
	now := k.store.Now()
	switch {
	case folder == "":
		return nil
	case day(x.Drive.Last) == day(now):
		return nil
	case x.Drive.Fault != "" && !back && now >= x.Drive.Tried && now-x.Drive.Tried < rest.Milliseconds():
		return nil
	}
	_, err = k.make(ctx, folder)
	if errors.Is(err, ErrBusy) {
		return nil
	}
	return err
}

// day is the day of a time in Beijing.
func day(ms int64) string { return time.UnixMilli(ms).In(beijing).Format(time.DateOnly) }

// beijing is the zone of every date.
var beijing = time.FixedZone("CST", 8*3600)

// find gives the folder of the drive where it is now; "" where it is not.
func (k *Keeper) find(d *store.Drive) string {
	if d.ID == "" {
		return ""
	}
	if marked(d.Path, d.ID) {
		return d.Path
	}
	places := []string{""} // where in its drive the folder is
	for _, root := range k.roots() {
		if rel, err := filepath.Rel(root, d.Path); err == nil && filepath.IsLocal(rel) {
			places = append(places, rel)
		}
	}
	if parts := strings.Split(filepath.Clean(d.Path), string(filepath.Separator)); len(parts) > 1 {
		// The drive may be gone whose root that was: the end of its path may fit any.
		for i := len(parts) - 1; i > 0; i-- {
			places = append(places, filepath.Join(parts[i:]...))
		}
	}
	for _, root := range k.roots() {
		for _, at := range places {
			if folder := filepath.Join(root, at); marked(folder, d.ID) {
				return folder
			}
		}
	}
	return ""
}

func markerOf(folder, id string) string { return filepath.Join(folder, "zhucun-"+id+markerExt) }

func marked(folder, id string) bool { return there(markerOf(folder, id)) }

// marking is what the marker says to whoever opens it.
const marking = "驻村通的备份放在这里，请不要删除这个文件。\r\nZhucun keeps backups here; please leave this file.\r\n"

// mark puts the marker into a folder, which shows that it can be written too.
func mark(folder, id string) error {
	f, err := os.OpenFile(markerOf(folder, id), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(marking)
	return errors.Join(err, f.Sync(), f.Close())
}

// Place is a drive that could be chosen.
type Place struct {
	Folder string
	Free   uint64
}

// Places gives the drives that are there now.
func (k *Keeper) Places() (list []Place) {
	for _, root := range k.roots() {
		if inside(root, k.store.Dir()) {
			continue // what fails with the data is no other drive
		}
		if free, err := k.free(root); err == nil {
			list = append(list, Place{filepath.Join(root, FolderName), free})
		}
	}
	return list
}

// Choose makes a folder the one for backups; auto makes them by themselves when its drive
// appears. ErrFolder, ErrInside.
func (k *Keeper) Choose(ctx context.Context, folder string, auto bool) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return errors.Join(ErrFolder, err)
	}
	if inside(k.store.Dir(), folder) {
		return ErrInside
	}
	// Of a drive that is chosen as a whole the folder is made; elsewhere a misspelt name is
	// to be told.
	if filepath.Base(folder) == FolderName {
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return errors.Join(ErrFolder, err)
		}
	}
	x, err := k.store.Settings()
	if err != nil {
		return err
	}
	id := x.Drive.ID
	if id == "" || !marked(folder, id) {
		raw := make([]byte, 6)
		rand.Read(raw)
		id = hex.EncodeToString(raw)
		if err := mark(folder, id); err != nil {
			return errors.Join(ErrFolder, err)
		}
	}
	return k.store.SetSettings(ctx, func(x *store.Settings) {
		if x.Drive.ID != id {
			x.Drive = store.Drive{ID: id, Since: k.store.Now()}
		}
		x.Drive.Path, x.Drive.Auto = folder, auto
	})
}

// inside tells whether a folder is dir or in it.
func inside(dir, folder string) bool {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, folder)
	return err == nil && filepath.IsLocal(rel)
}

// Forget makes no folder the one for backups. What is there stays there.
func (k *Keeper) Forget(ctx context.Context) error {
	x, err := k.store.Settings()
	if err != nil {
		return err
	}
	if folder := k.find(&x.Drive); folder != "" {
		os.Remove(markerOf(folder, x.Drive.ID)) // one that stays does no harm
	}
	return k.store.SetSettings(ctx, func(x *store.Settings) { x.Drive = store.Drive{} })
}

// Made is a backup that was made.
type Made struct {
	File  string
	Bytes int64
	// Removed counts older ones that went for it.
	Removed int
}

// Now makes a backup on the drive that was chosen. ErrNone, ErrAway, ErrBusy, ErrFull.
func (k *Keeper) Now(ctx context.Context) (Made, error) {
	x, err := k.store.Settings()
	if err != nil {
		return Made{}, err
	}
	if x.Drive.ID == "" {
		return Made{}, ErrNone
	}
	folder := k.find(&x.Drive)
	if folder == "" {
		return Made{}, ErrAway
	}
	return k.make(ctx, folder)
}

// Start is Now that does not wait; State tells how far it is, the settings what came of it.
func (k *Keeper) Start(ctx context.Context) error {
	x, err := k.store.Settings()
	switch {
	case err != nil:
		return err
	case x.Drive.ID == "":
		return ErrNone
	case k.find(&x.Drive) == "":
		return ErrAway
	}
	k.mu.Lock()
	busy := k.now.Busy
	k.now.Busy = true
	k.mu.Unlock()
	if busy {
		return ErrBusy
	}
	go func() {
		_, err := k.Now(context.WithoutCancel(ctx))
		if errors.Is(err, ErrBusy) {
			return // whoever makes it tells how it stands
		}
		if err != nil {
			k.log.Warn("the backup failed", "error", err)
		}
		k.tell(State{})
	}()
	return nil
}

func (k *Keeper) tell(st State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = st
}

// make makes a backup in the folder, and keeps what came of it.
func (k *Keeper) make(ctx context.Context, folder string) (m Made, err error) {
	if !k.one.TryLock() {
		return m, ErrBusy
	}
	defer k.one.Unlock()
	k.tell(State{Busy: true})
	defer k.tell(State{})
	x, err := k.store.Settings()
	if err != nil {
		return m, err
	}
	id, begun := x.Drive.ID, k.store.Now()
	m, err = k.into(ctx, folder, id, begun)
	fault := ""
	switch {
	case err == nil:
	case !marked(folder, id):
		fault = FaultGone
	case errors.Is(err, ErrFull), store.Full(err):
		fault, err = FaultFull, errors.Join(ErrFull, err)
	case errors.Is(err, store.ErrBackup):
		fault = FaultBad
	default:
		fault = FaultFailed
	}
	serr := k.store.SetSettings(context.WithoutCancel(ctx), func(x *store.Settings) {
		if x.Drive.ID != id {
			return // another was chosen meanwhile
		}
		x.Drive.Path, x.Drive.Tried, x.Drive.Fault = folder, begun, fault
		if fault == "" {
			x.Drive.Last = begun
		}
	})
	return m, errors.Join(err, serr)
}

func (k *Keeper) into(ctx context.Context, folder, id string, begun int64) (m Made, err error) {
	note, err := k.note()
	if err != nil {
		return m, err
	}
	own, err := k.own(folder)
	if err != nil {
		return m, err
	}
	name := "zhucun-" + id + "-" + time.UnixMilli(begun).In(beijing).Format("20060102-150405")
	m.File = filepath.Join(folder, name+Ext)
	for n := 2; there(m.File); n++ { // in one second, by a clock that was set back, or another laptop's
		m.File = filepath.Join(folder, fmt.Sprintf("%s_%d%s", name, n, Ext))
	}
	if m.Removed, err = k.room(folder, own); err != nil {
		return m, err
	}
	own = append(slices.DeleteFunc(own, func(file string) bool { return !there(file) }), m.File)
	if err := k.noted(ctx, id, own); err != nil {
		return m, err
	}
	if m.Bytes, err = k.write(m.File, note, func(done, of int64) error {
		k.tell(State{true, done, of})
		return ctx.Err()
	}); err != nil {
		return m, err
	}
	for _, file := range own[:max(0, len(own)-Keep)] {
		if err := os.Remove(file); err != nil {
			return m, fmt.Errorf("remove an old backup: %w", err)
		}
		m.Removed++
	}
	return m, nil
}

// own gives the backups in a folder that this store made, the oldest first, and clears
// away what is left of those that were cut off.
func (k *Keeper) own(folder string) (files []string, err error) {
	x, err := k.store.Settings()
	if err != nil {
		return nil, err
	}
	for _, name := range x.Drive.Made {
		file := filepath.Join(folder, name)
		if there(file) {
			files = append(files, file)
			continue
		}
		left, err := halves(file)
		if err != nil {
			return nil, err
		}
		for _, half := range left {
			os.Remove(half) // one that stays takes room, and no more
		}
	}
	return files, nil
}

// noted keeps which backups of the drive are this store's.
func (k *Keeper) noted(ctx context.Context, id string, own []string) error {
	return k.store.SetSettings(ctx, func(x *store.Settings) {
		if x.Drive.ID != id {
			return // another was chosen meanwhile
		}
		x.Drive.Made = nil
		for _, file := range own {
			x.Drive.Made = append(x.Drive.Made, filepath.Base(file))
		}
	})
}

func there(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// halves gives what is left in a folder of a backup that was cut off. A folder may have
// any name, brackets too.
func halves(file string) (left []string, err error) {
	all, err := os.ReadDir(filepath.Dir(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	begins := strings.TrimSuffix(filepath.Base(store.HalfOf(file)), "*")
	for _, e := range all {
		if strings.HasPrefix(e.Name(), begins) {
			left = append(left, filepath.Join(filepath.Dir(file), e.Name()))
		}
	}
	return left, err
}

// spare is what is to stay free on a drive, in bytes.
const spare = 1 << 20

// room sees to it that a backup finds room: older ones of its own go for it, the oldest
// first, but for the newest that reads as it was written. None goes where that would not be
// enough.
func (k *Keeper) room(folder string, all []string) (removed int, err error) {
	need, err := k.store.BackupSize()
	if err != nil {
		return 0, err
	}
	free, err := k.free(folder)
	if err != nil {
		return 0, err
	}
	lack := need + spare - int64(min(free, 1<<62))
	if lack <= 0 {
		return 0, nil
	}
	good := -1
	for i := len(all) - 1; i >= 0 && good < 0; i-- {
		if store.CheckBackup(all[i]) == nil {
			good = i
		}
	}
	var goes []string
	for i, file := range all {
		if i == good || lack <= 0 || !there(file) {
			continue
		}
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		goes, lack = append(goes, file), lack-info.Size()
	}
	if lack > 0 || good < 0 {
		return 0, ErrFull
	}
	for _, file := range goes {
		if err := os.Remove(file); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// Overdue gives for how many days no backup was made on the drive that was chosen; 0 while
// that is none, or not long ago.
func (k *Keeper) Overdue() int {
	x, err := k.store.Settings()
	if err != nil || x.Drive.ID == "" {
		return 0
	}
	since := k.store.Now() - max(x.Drive.Last, x.Drive.Since)
	if since < Old.Milliseconds() {
		return 0
	}
	return int(since / (24 * 3600 * 1000))
}
