package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zhucun/server/backup"
	"zhucun/server/store"
	"zhucun/server/web"
	"zhucun/shared/blob"
)

// backupsFolder is where backups lie that are made from the page.
const backupsFolder = "backups"

// keeper makes backups for the page and tries them, one thing at a time, beside whatever
// else the server does.
type keeper struct {
	c   *call
	s   *server
	ctx context.Context
	end context.CancelFunc
	all sync.WaitGroup

	mu  sync.Mutex
	job web.BackupJob
}

func newKeeper(ctx context.Context, c *call, s *server) *keeper {
	k := &keeper{c: c, s: s}
	k.ctx, k.end = context.WithCancel(ctx)
	return k
}

// close gives up what is under way, and waits until it has let go of the store.
func (k *keeper) close() {
	k.end()
	k.all.Wait()
}

// Job tells what is under way, or how the last thing ended.
func (k *keeper) Job() web.BackupJob {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.job
}

// Folder is where backups are made.
func (k *keeper) Folder() string { return filepath.Join(k.c.data, backupsFolder) }

// begin runs something unless something runs already.
func (k *keeper) begin(what web.BackupJob, do func() error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.job.Under || k.ctx.Err() != nil {
		return false
	}
	what.Under, what.Since = true, k.c.now()
	k.job = what
	k.all.Go(func() {
		err := do()
		if err != nil && k.ctx.Err() == nil {
			k.c.log.Error("backup", "error", err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.job.Under, k.job.Failed = false, err != nil
	})
	return true
}

// Make begins a backup; false where something is under way.
func (k *keeper) Make(who string) bool {
	return k.begin(web.BackupJob{}, func() error {
		if err := os.MkdirAll(k.Folder(), 0o700); err != nil {
			return err
		}
		ctx := store.By(k.ctx, who)
		if err := k.room(); err != nil {
			return err
		}
		_, partly, err := k.c.makeBackup(ctx, k.s, k.Folder())
		return errors.Join(err, partly)
	})
}

// room refuses a backup for which the disk of the data has none: full, it takes nothing
// from laptops any more. There is a copy of the database meanwhile.
func (k *keeper) room() error {
	info, err := os.Stat(filepath.Join(k.c.data, databaseFile))
	if err != nil {
		return err
	}
	need := 2 * info.Size()
	if err := k.s.store.Files.Each(func(_ blob.Hash, size int64) error {
		need += size
		return nil
	}); err != nil {
		return err
	}
	return k.c.enough(need)
}

// enough tells that the disk of the data takes so many bytes and has some left.
func (c *call) enough(bytes int64) error {
	free, all, err := web.Room(c.data)
	if err == nil && free < uint64(max(bytes, 0))+min(1<<30, all/20) {
		return fmt.Errorf("%w: %d bytes are needed, %d are free", errRoom, bytes, free)
	}
	return nil // what cannot be known hinders nothing
}

var errRoom = errors.New("the disk has no room for it")

// Try begins to try a backup that was made; false where something is under way.
func (k *keeper) Try(who string, b store.Backup) bool {
	return k.begin(web.BackupJob{Tries: b.Made}, func() error {
		ctx := store.By(k.ctx, who)
		r, err := k.c.try(ctx, b)
		if k.ctx.Err() != nil {
			return err
		}
		return errors.Join(err, k.s.store.BackupTried(ctx, b.Made, r, tried(&b, r)))
	})
}

// tried is the note of it.
func tried(b *store.Backup, r store.Tried) *store.Note {
	result := "ok"
	if r.Failed != "" {
		result = r.Failed
	} else if r.Faults > 0 {
		result = fmt.Sprint(r.Faults)
	}
	return &store.Note{Act: "backuptest", Subject: filepath.Base(b.File) + " " + result}
}

// Open gives the file of a backup, as long as it is still that.
func (k *keeper) Open(b store.Backup) (*os.File, error) { return openBackup(b) }

func openBackup(b store.Backup) (*os.File, error) {
	f, err := os.Open(b.File)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != b.Bytes) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tryFolder is where a backup is restored to be tried.
const tryFolder = ".zhucun-try-*"

// try restores a backup into a folder of its own and looks through all of it, as verify
// does. What is wrong with the backup is in the result; the error is for the log.
func (c *call) try(ctx context.Context, b store.Backup) (r store.Tried, err error) {
	defer func() {
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			r.Failed = store.FailedGone
		case errors.Is(err, backup.ErrRelease):
			r.Failed = store.FailedRelease
		case errors.Is(err, backup.ErrDamaged), errors.Is(err, backup.ErrForeign), errors.Is(err, backup.ErrLaptop):
			r.Failed = store.FailedDamaged
		case errors.Is(err, errRoom):
			r.Failed = store.FailedRoom
		default:
			r.Failed = store.FailedOther
		}
	}()
	f, err := openBackup(b)
	if err != nil {
		return r, err
	}
	defer f.Close()
	h, err := backup.Check(f, b.Bytes)
	if err != nil {
		return r, err
	}
	if h.Made != b.Made.UnixMilli() {
		return r, fs.ErrNotExist // another of that name
	}
	need := int64(0)
	for _, one := range h.Files {
		need += one.Size
	}
	if err := c.enough(need); err != nil {
		return r, err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return r, err
	}
	c.clearTries()
	fresh, err := os.MkdirTemp(c.data, tryFolder)
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(fresh)
	if _, err := c.revive(ctx, f, b.Bytes, fresh); err != nil {
		return r, err
	}
	k, err := readKeys(fresh)
	if err != nil {
		return r, err
	}
	s, err := c.openIn(ctx, fresh, k)
	if err != nil {
		return r, err
	}
	logged := 0
	sum, _, files, err := s.verify(ctx, func(f store.Fault) {
		if logged++; logged <= 20 {
			c.log.Error("a backup that was tried", "village", f.Village, "fault", f.What.En)
		}
	})
	r = store.Tried{Villages: sum.Villages, Records: sum.Records, Changes: sum.Entries, Files: files, Faults: sum.Faults}
	return r, errors.Join(err, s.store.Close())
}

// clearTries removes what a crash has left of one.
func (c *call) clearTries() {
	left, _ := filepath.Glob(filepath.Join(c.data, tryFolder))
	for _, dir := range left {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && c.now().Sub(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(dir)
		}
	}
}

// tryBackup is the command.
func (c *call) tryBackup(ctx context.Context, s *server, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	h, err := backup.Check(f, info.Size())
	if err = errors.Join(err, f.Close()); err != nil {
		return c.notRestored(file, err)
	}
	place, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	b := store.Backup{Made: h.At(), File: place, Bytes: info.Size()}
	r, err := c.try(ctx, b)
	if err != nil {
		return err
	}
	// One that another server made, or that was made before such were noted, is not known.
	if err := s.store.BackupTried(ctx, b.Made, r, tried(&b, r)); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if c.json {
		err = c.print(r)
	} else {
		c.tell("试着恢复了 %s：%d 个村、%d 条记录、%d 次修改、%d 个文件，发现 %d 处不符", "Restored %s to try it: %d villages, %d records, %d changes, %d files: %d differences",
			file, r.Villages, r.Records, r.Changes, r.Files, r.Faults)
	}
	if err == nil && r.Faults > 0 {
		err = c.fail("这份备份恢复出来的数据有不符；请核对服务器（verify），再备份一次", "What this backup gives has differences; verify the server and make another backup")
	}
	return err
}
