package backup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"zhucun/agent/store"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

const person = "王书记长长的名字"

// bench is a laptop with some work on it, and a place where drives appear.
type bench struct {
	t     testing.TB
	wall  atomic.Int64
	store *store.Store
	keep  *Keeper
	media string // where drives appear
	room  uint64 // free on each
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, media: t.TempDir(), room: 1 << 40}
	b.wall.Store(time.Date(2017, 11, 27, 9, 0, 0, 0, beijing).UnixMilli())
	var err error
	if b.store, err = store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), Wall: b.wall.Load, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	ctx := context.Background()
	if _, err := b.store.SetDevice(ctx, func(d *store.Device) {
		d.ID = "device"
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: "369999000001"}}, Role: "team_member", Profiles: []string{person}}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Save(ctx, store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": record.Text(person + "家的屋顶漏雨")}}); err != nil {
		t.Fatal(err)
	}
	b.begin()
	return b
}

// begin is the agent starting.
func (b *bench) begin() {
	b.keep = New(b.store, func() ([]byte, error) { return []byte(`{"id":"vault"}`), nil }, slog.New(slog.DiscardHandler))
	b.keep.roots = func() (all []string) {
		dirs, err := os.ReadDir(b.media)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, d := range dirs {
			all = append(all, filepath.Join(b.media, d.Name()))
		}
		return all
	}
	b.keep.free = func(string) (uint64, error) { return b.room, nil }
}

// plug puts a drive in under a name, which is what pull gave, or a new one.
func (b *bench) plug(name, from string) string {
	b.t.Helper()
	at := filepath.Join(b.media, name)
	err := error(nil)
	if from != "" {
		err = os.Rename(from, at)
	} else {
		err = os.Mkdir(at, 0o700)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// pull takes a drive out.
func (b *bench) pull(name string) string {
	b.t.Helper()
	to := filepath.Join(b.t.(interface{ TempDir() string }).TempDir(), "drive")
	if err := os.Rename(filepath.Join(b.media, name), to); err != nil {
		b.t.Fatal(err)
	}
	return to
}

func (b *bench) choose(folder string) {
	b.t.Helper()
	if err := b.keep.Choose(context.Background(), folder, true); err != nil {
		b.t.Fatal(err)
	}
}

// look is the background having a look; it wants so many backups in the folder after it,
// all of them whole.
func (b *bench) look(what, folder string, want int) {
	b.t.Helper()
	if err := b.keep.Look(context.Background()); err != nil {
		b.t.Errorf("%s: %v", what, err)
	}
	b.has(what, folder, want)
}

// listed gives the backups in a folder, whoever made them, by their names.
func listed(folder string) (files []string, err error) {
	all, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name(), "zhucun-") && strings.HasSuffix(e.Name(), Ext) {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	return files, err
}

func (b *bench) has(what, folder string, want int) (all []string) {
	b.t.Helper()
	all, err := listed(folder)
	if err != nil || len(all) != want {
		b.t.Fatalf("%s: %d backups, want %d, %v", what, len(all), want, err)
	}
	for _, file := range all {
		if err := store.CheckBackup(file); err != nil {
			b.t.Errorf("%s: %v", what, err)
		}
	}
	return all
}

func (b *bench) drive() store.Drive {
	b.t.Helper()
	x, err := b.store.Settings()
	if err != nil {
		b.t.Fatal(err)
	}
	return x.Drive
}

func (b *bench) later(d time.Duration) { b.wall.Add(d.Milliseconds()) }

// A drive that was chosen is known again under whatever name it appears, once a day, also
// by an agent that was started since; no other drive is written to.
func TestByItself(t *testing.T) {
	b := newBench(t)
	b.look("nothing chosen", b.media, 0)
	e := b.plug("E", "")
	b.choose(filepath.Join(e, FolderName))
	b.look("just chosen", filepath.Join(e, FolderName), 1)
	b.look("again at once", filepath.Join(e, FolderName), 1)
	b.later(10 * time.Hour)
	b.begin()
	b.look("the same day, the agent started again", filepath.Join(e, FolderName), 1)
	drive := b.pull("E")
	b.later(14 * time.Hour)
	other := b.plug("E", "")
	b.look("another drive in its place", filepath.Join(other, FolderName), 0)
	if left, err := os.ReadDir(other); err != nil || len(left) > 0 {
		t.Errorf("the other drive has %v, %v", left, err)
	}
	g := b.plug("G", drive)
	b.look("the drive under another letter, the next day", filepath.Join(g, FolderName), 2)
	if d := b.drive(); d.Path != filepath.Join(g, FolderName) || d.Last != b.wall.Load() || d.Fault != "" {
		t.Errorf("%+v", d)
	}
	b.later(-48 * time.Hour)
	b.look("the clock went back", filepath.Join(g, FolderName), 3)

	if err := b.keep.Choose(t.Context(), filepath.Join(g, FolderName), false); err != nil {
		t.Fatal(err)
	}
	b.later(96 * time.Hour)
	b.look("not by itself any more", filepath.Join(g, FolderName), 3)
	if m, err := b.keep.Now(t.Context()); err != nil || m.Bytes == 0 {
		t.Errorf("by hand: %+v, %v", m, err)
	}
	b.has("by hand", filepath.Join(g, FolderName), 4)
	if _, err := b.keep.Now(t.Context()); err != nil {
		t.Errorf("in the same second: %v", err)
	}
	b.has("in the same second", filepath.Join(g, FolderName), 5)
	if err := b.keep.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.has("forgotten", filepath.Join(g, FolderName), 5)
	if _, err := b.keep.Now(t.Context()); !errors.Is(err, ErrNone) {
		t.Errorf("by hand, with none chosen: %v", err)
	}
}

// No more than Keep stay, the newest; what is not this laptop's stays whatever there is.
func TestBounded(t *testing.T) {
	b := newBench(t)
	folder := filepath.Join(b.plug("备份[2017", ""), FolderName)
	b.choose(folder)
	foreign := []string{"zhucun-0123456789ab-20170101-000000.zcbackup", "报表.xlsx", ".zhucun-zhucun-0123456789ab-20170101-000000.zcbackup-1"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("another's"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var first string
	for i := range Keep + 3 {
		if err := b.keep.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := b.keep.own(folder)
		if err != nil || len(all) != min(i+1, Keep) {
			t.Fatalf("day %d: %d backups, %v", i, len(all), err)
		}
		if i == 0 {
			first = all[0]
		}
		b.later(24 * time.Hour)
	}
	if _, err := os.Stat(first); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the oldest is there still: %v", err)
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
}

// Two laptops that one image was put on know the drive by the same marker. Each keeps the
// newest of its own; what the other makes it leaves, its halves too, and when room is short.
func TestTwoOfOneImage(t *testing.T) {
	b := newBench(t)
	drive := b.plug("E", "")
	folder := filepath.Join(drive, FolderName)
	b.choose(folder)
	b.look("before they were two", folder, 1)
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(b.store.Dir())); err != nil {
		t.Fatal(err)
	}
	again := func(dir string) *bench {
		n := &bench{t: t, media: b.media, room: b.room}
		n.wall.Store(b.wall.Load())
		var err error
		if n.store, err = store.Open(dir, store.Options{Key: make([]byte, store.KeySize), Wall: n.wall.Load, NoSync: true}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.store.Close() })
		n.begin()
		return n
	}
	one, two := again(b.store.Dir()), again(image)
	mine := map[*bench][]string{}
	for range Keep + 3 {
		for _, n := range []*bench{one, two} {
			n.later(24 * time.Hour)
			m, err := n.keep.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mine[n] = append(mine[n], m.File)
		}
	}
	there := func(what string, n *bench, want int) {
		t.Helper()
		own := mine[n][len(mine[n])-want:]
		for _, file := range own {
			if err := store.CheckBackup(file); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	there("of the one", one, Keep)
	there("of the other", two, Keep)
	one.has("both", folder, 2*Keep)

	half := strings.Replace(store.HalfOf(mine[two][Keep]), "*", "123", 1)
	if err := os.WriteFile(half, []byte("being written by the other"), 0o600); err != nil {
		t.Fatal(err)
	}
	one.later(24 * time.Hour)
	one.room = spare
	if _, err := one.keep.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	there("of the other, where the one had no room", two, Keep)
	if _, err := os.Stat(half); err != nil {
		t.Errorf("the half of the other: %v", err)
	}
}

// A drive that is pulled out midway, or fails there, leaves the older backups good, and
// says why in one word; the next time clears what it left. Each row is what happens while
// the second backup is being written.
func TestPulledMidway(t *testing.T) {
	tests := []struct {
		name  string
		fault string
		do    func(b *bench, file string) (drive string, err error)
	}{
		{"pulled out", FaultGone, func(b *bench, file string) (string, error) {
			return b.pull("E"), &fs.PathError{Op: "write", Path: file, Err: syscall.EIO}
		}},
		{"full", FaultFull, func(_ *bench, file string) (string, error) {
			return "", &fs.PathError{Op: "write", Path: file, Err: syscall.ENOSPC}
		}},
		{"read as another", FaultBad, func(*bench, string) (string, error) { return "", store.ErrBackup }},
		{"no right", FaultFailed, func(_ *bench, file string) (string, error) {
			return "", &fs.PathError{Op: "write", Path: file, Err: syscall.EPERM}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			folder := filepath.Join(b.plug("E", ""), FolderName)
			b.choose(folder)
			b.look("the first", folder, 1)
			b.later(24 * time.Hour)
			drive := ""
			b.keep.write = func(file string, note []byte, told func(done, of int64) error) (int64, error) {
				half := strings.Replace(store.HalfOf(file), "*", "123", 1)
				if err := os.WriteFile(half, []byte("half of one"), 0o600); err != nil {
					t.Fatal(err)
				}
				var err error
				drive, err = tt.do(b, file)
				return 0, err
			}
			if err := b.keep.Look(t.Context()); err == nil {
				t.Fatal("it was no failure")
			}
			if d := b.drive(); d.Fault != tt.fault || d.Tried != b.wall.Load() || d.Last == b.wall.Load() {
				t.Errorf("%+v", d)
			}
			if b.keep.State().Busy {
				t.Error("it is called busy")
			}
			tried := 0
			b.keep.write = func(file string, note []byte, told func(done, of int64) error) (int64, error) {
				tried++
				return b.store.Backup(file, note, told)
			}
			if drive != "" {
				b.look("while it is away", b.media, 0)
				folder = filepath.Join(b.plug("F", drive), FolderName)
				b.has("what the drive has", folder, 1)
				b.look("back again", folder, 2)
			} else {
				b.look("at once", folder, 1)
				if tried > 0 {
					t.Error("what has just failed was tried at once")
				}
				b.later(rest)
				b.look("an hour later", folder, 2)
			}
			if d := b.drive(); d.Fault != "" || d.Last != b.wall.Load() {
				t.Errorf("%+v", d)
			}
			if left, err := filepath.Glob(filepath.Join(folder, ".zhucun-*")); err != nil || len(left) > 0 {
				t.Errorf("left: %q, %v", left, err)
			}
		})
	}
}

// A real one that loses its folder while it is being written is none, whenever that is.
func TestPulledWhileWriting(t *testing.T) {
	for _, part := range []int64{0, 3, 9} {
		b := newBench(t)
		folder := filepath.Join(b.plug("E", ""), FolderName)
		b.choose(folder)
		b.look("the first", folder, 1)
		b.later(24 * time.Hour)
		drive := ""
		b.keep.write = func(file string, note []byte, told func(done, of int64) error) (int64, error) {
			return b.store.Backup(file, note, func(done, of int64) error {
				if drive == "" && done >= of*part/10 {
					drive = b.pull("E")
				}
				return told(done, of)
			})
		}
		if err := b.keep.Look(t.Context()); err == nil {
			t.Errorf("pulled after %d tenths: no failure", part)
		}
		if d := b.drive(); d.Fault != FaultGone {
			t.Errorf("pulled after %d tenths: %q", part, d.Fault)
		}
		b.has("on the drive", filepath.Join(drive, FolderName), 1)
	}
}

// A drive that keeps something else than what was written to it has no new backup, and
// loses no old one for it.
func TestLyingDrive(t *testing.T) {
	b := newBench(t)
	folder := filepath.Join(b.plug("E", ""), FolderName)
	b.choose(folder)
	for range Keep {
		if err := b.keep.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.later(24 * time.Hour)
	}
	before := b.has("before", folder, Keep)
	b.keep.write = func(file string, note []byte, told func(done, of int64) error) (int64, error) {
		return b.store.Backup(file, note, func(done, of int64) error {
			halves, err := filepath.Glob(store.HalfOf(file))
			if err != nil || len(halves) != 1 {
				t.Fatalf("%q, %v", halves, err)
			}
			f, err := os.OpenFile(halves[0], os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{0xff}, done/2); err != nil {
				t.Fatal(err)
			}
			return told(done, of)
		})
	}
	if err := b.keep.Look(t.Context()); !errors.Is(err, store.ErrBackup) {
		t.Errorf("it is taken for good: %v", err)
	}
	if after := b.has("after", folder, Keep); !slices.Equal(before, after) {
		t.Errorf("%q, before %q", after, before)
	}
	if d := b.drive(); d.Fault != FaultBad {
		t.Errorf("%+v", d)
	}
}

// Where there is no room older backups make some, but never the newest that is good, and
// none where that would not be enough.
func TestNoRoom(t *testing.T) {
	b := newBench(t)
	folder := filepath.Join(b.plug("E", ""), FolderName)
	b.choose(folder)
	for range 3 {
		if err := b.keep.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.later(24 * time.Hour)
	}
	all := b.has("three days", folder, 3)
	need, err := b.store.BackupSize()
	if err != nil {
		t.Fatal(err)
	}
	b.room = spare
	m, err := b.keep.Now(t.Context())
	if err != nil || m.Removed == 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	now := b.has("room was made", folder, 3-m.Removed+1)
	if !slices.Contains(now, all[2]) {
		t.Error("the newest good one went")
	}

	// The newest ones are damaged: the one that is good stays, though it is the oldest.
	b.later(24 * time.Hour)
	good := now[0]
	for _, file := range now[1:] {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 1
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if m, err = b.keep.Now(t.Context()); err != nil || m.Removed == 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	if err := store.CheckBackup(good); err != nil {
		t.Errorf("the only good one: %v", err)
	}

	// Not enough whatever goes: nothing goes.
	b.later(24 * time.Hour)
	was, err := filepath.Glob(filepath.Join(folder, "zhucun-*"+Ext))
	if err != nil {
		t.Fatal(err)
	}
	b.room = 0
	for _, file := range was[1:] {
		if err := os.Truncate(file, min(need/4, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.keep.Now(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("no room at all: %v", err)
	}
	is, err := filepath.Glob(filepath.Join(folder, "zhucun-*"+Ext))
	if err != nil || !slices.Equal(was, is) {
		t.Errorf("%d are left of %d, %v", len(is), len(was), err)
	}
	if d := b.drive(); d.Fault != FaultFull {
		t.Errorf("%+v", d)
	}
}

// Where it may not be: a folder that is not there, that cannot be written, or the data's
// own.
func TestChoose(t *testing.T) {
	b := newBench(t)
	for what, row := range map[string]struct {
		folder string
		want   error
	}{
		"not there":     {filepath.Join(b.media, "none"), ErrFolder},
		"a file":        {filepath.Join(b.store.Dir(), "records.db"), ErrInside},
		"the data's":    {b.store.Dir(), ErrInside},
		"in the data's": {filepath.Join(b.store.Dir(), FolderName), ErrInside},
		"not there yet": {filepath.Join(b.media, "none", FolderName), ErrFolder},
		"a drive's":     {filepath.Join(b.plug("E", ""), FolderName), nil},
	} {
		if err := b.keep.Choose(t.Context(), row.folder, true); !errors.Is(err, row.want) || row.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", what, err, row.want)
		}
	}
	places := b.keep.Places()
	if len(places) != 1 || places[0].Folder != filepath.Join(b.media, "E", FolderName) || places[0].Free != b.room {
		t.Errorf("%+v", places)
	}
	// Chosen again it is the same drive still.
	id := b.drive().ID
	b.choose(filepath.Join(b.media, "E", FolderName))
	if got := b.drive().ID; got != id || id == "" {
		t.Errorf("%q, was %q", got, id)
	}
}

// The disk that the data is on is no place for its backups, wherever on it the data lies
// and by whatever name it is reached: what takes the one takes the other.
func TestOwnDisk(t *testing.T) {
	b := newBench(t)
	other := b.plug("E", "")
	own := map[string]string{
		"its folder": b.store.Dir(), "the folder's drive": filepath.Dir(b.store.Dir()),
		"the root": filepath.VolumeName(b.store.Dir()) + string(filepath.Separator),
	}
	if link := filepath.Join(b.media, "link"); os.Symlink(b.store.Dir(), link) == nil { // not everybody may on Windows
		own["by a link"] = link
	}
	for name, own := range own {
		b.keep.roots = func() []string { return []string{own, other} }
		if places := b.keep.Places(); len(places) != 1 || places[0].Folder != filepath.Join(other, FolderName) {
			t.Errorf("%s: offered are %+v", name, places)
		}
	}
}

// People are told when no backup was made for a week, and not where no drive was chosen.
func TestOverdue(t *testing.T) {
	b := newBench(t)
	b.later(30 * 24 * time.Hour)
	if n := b.keep.Overdue(); n != 0 {
		t.Errorf("no drive: %d days", n)
	}
	e := b.plug("E", "")
	b.choose(filepath.Join(e, FolderName))
	b.pull("E")
	b.later(Old - time.Minute)
	if n := b.keep.Overdue(); n != 0 {
		t.Errorf("not a week: %d days", n)
	}
	b.later(2 * time.Minute)
	if n := b.keep.Overdue(); n != 7 {
		t.Errorf("a week: %d days", n)
	}
}

// Nothing on the drive tells a name or a word of what is in it.
func TestNothingClear(t *testing.T) {
	b := newBench(t)
	e := b.plug("E", "")
	b.choose(filepath.Join(e, FolderName))
	b.look("made", filepath.Join(e, FolderName), 1)
	n := 0
	err := filepath.WalkDir(e, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		raw, err := os.ReadFile(path)
		for _, clear := range []string{person, "屋顶漏雨", b.store.Dir()} {
			if bytes.Contains(raw, []byte(clear)) || strings.Contains(path[len(b.media):], clear) {
				t.Errorf("%s stands in %s", clear, path)
			}
		}
		return err
	})
	if err != nil || n != 2 {
		t.Errorf("%d files, %v", n, err)
	}
}

// Whatever the drive goes through, one that had a good backup has one.
func TestNeverWithout(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		folder := filepath.Join(b.plug("E", ""), FolderName)
		b.choose(folder)
		b.look("the first", folder, 1)
		size, err := b.store.BackupSize()
		if err != nil {
			r.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(r, "days") {
			b.later(time.Duration(rapid.IntRange(-30, 30).Draw(r, "hours")) * time.Hour)
			b.room = uint64(rapid.Int64Range(0, 3*size).Draw(r, "room"))
			fails := rapid.SampledFrom([]error{nil, nil, syscall.ENOSPC, syscall.EIO, store.ErrBackup}).Draw(r, "fails")
			b.keep.write = func(file string, note []byte, told func(done, of int64) error) (int64, error) {
				if fails != nil {
					return 0, fails
				}
				return b.store.Backup(file, note, told)
			}
			if rapid.Bool().Draw(r, "harmed") {
				all, err := filepath.Glob(filepath.Join(folder, "zhucun-*"+Ext))
				if err != nil {
					r.Fatal(err)
				}
				if len(all) > 1 { // the only one being harmed is another story
					victim := all[rapid.IntRange(0, len(all)-2).Draw(r, "victim")]
					if err := os.Truncate(victim, 99); err != nil {
						r.Fatal(err)
					}
				}
			}
			good := func() (n int) {
				all, err := filepath.Glob(filepath.Join(folder, "zhucun-*"+Ext))
				if err != nil {
					r.Fatal(err)
				}
				for _, file := range all {
					if store.CheckBackup(file) == nil {
						n++
					}
				}
				if len(all) > Keep+1 {
					r.Fatalf("%d backups", len(all))
				}
				return n
			}
			before := good()
			b.keep.Now(context.Background())
			if after := good(); before > 0 && after == 0 {
				r.Fatal("no good backup is left")
			}
		}
	})
}
