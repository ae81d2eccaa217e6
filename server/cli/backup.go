package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zhucun/server/backup"
	files "zhucun/server/blob"
	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/blob"
)

// The names of what a backup has, and of the database in the data folder.
const (
	copiedDatabase = "database"
	databaseFile   = "zhucun.db"
	keysFolder     = "keys"
	blobsFolder    = "blobs"
)

func (c *call) backupCommand() *cobra.Command {
	test := false
	cmd := c.command("backup FILE", "备份全部数据和密钥到一个文件，服务器可以同时运行", "back all data and keys up into one file; the server may run meanwhile", 1, 1, func(ctx context.Context, args []string) error {
		return c.with(ctx, func(s *server) error {
			if test {
				return c.tryBackup(ctx, s, args[0])
			}
			return c.backup(ctx, s, args[0])
		})
	})
	cmd.Flags().BoolVar(&test, "test", false, c.say("不备份，试用已有的 FILE：恢复到临时文件夹并核对", "make none, but try FILE: restore it into a temporary folder and verify that"))
	return cmd
}

func (c *call) restoreCommand() *cobra.Command {
	return c.command("restore FILE", "从备份恢复服务器（先停掉服务器）；原有数据移到一旁，不删除", "restore the server from a backup (stop it first); what was there is set aside, not deleted", 1, 1, func(ctx context.Context, args []string) error {
		return c.restore(ctx, args[0])
	})
}

// backupJSON is what backup prints.
type backupJSON struct {
	File   string    `json:"file"`
	Bytes  int64     `json:"bytes"`
	MadeAt time.Time `json:"made_at"`
	// Lost are missing or damaged, and do not count as backed up.
	Lost []lostJSON `json:"lost,omitempty"`
}

// copyFolder is where a backup has its copy of the database while it is made.
const copyFolder = ".zhucun-backup-*"

// backup makes one and says so.
func (c *call) backup(ctx context.Context, s *server, file string) error {
	j, partly, err := c.makeBackup(ctx, s, file)
	if err != nil {
		return err
	}
	if c.json {
		return errors.Join(c.print(j), partly)
	}
	c.tellLost(j.Lost)
	if partly != nil {
		return partly
	}
	c.tell("已备份到 %s（%d 字节）", "Backed up to %s (%d bytes)", j.File, j.Bytes)
	c.tell("备份里有全部数据和服务器的密钥，和服务器本身一样机密：请放在别人拿不到的地方，最好另有一份不在这台机器上", "It has all data and the server's keys and is as secret as the server itself: keep it where nobody else gets at it, and a copy away from this machine")
	return nil
}

// makeBackup makes a backup and notes it; partly says that files are missing from one
// that is made.
func (c *call) makeBackup(ctx context.Context, s *server, file string) (j backupJSON, partly, err error) {
	made := c.now()
	if isDir(file) {
		file = filepath.Join(file, "zhucun-server-"+made.UTC().Format("20060102T150405Z")+".zsb")
	}
	if dir := filepath.Dir(file); !isDir(dir) {
		return j, nil, c.fail("没有文件夹 %s；请先建好，或换一个位置", "There is no folder %s; make it, or choose another place", dir)
	}
	if other, err := occupied(file); err != nil {
		return j, nil, err
	} else if other {
		return j, nil, c.fail("%s 已经存在，而且不是备份；请换一个文件名", "%s is there already and is no backup; choose another name", file)
	}
	// Before it is made: the backup has the note of itself.
	if err := s.access.Audit(ctx, store.Note{Act: "backup", Subject: filepath.Base(file)}); err != nil {
		return j, nil, err
	}
	clearCopies(filepath.Dir(file), made)
	// Beside the backup, where there must be room for it in any case.
	tmp, err := os.MkdirTemp(filepath.Dir(file), copyFolder)
	if err != nil {
		return j, nil, err
	}
	defer os.RemoveAll(tmp)
	database := filepath.Join(tmp, copiedDatabase)
	copied, err := s.store.Copy(ctx, database)
	if err != nil {
		return j, nil, atCopy(err, file)
	}
	h := backup.Header{Made: made.UnixMilli(), Epoch: copied.Epoch, Engine: sqlite.Name, Version: Version, Server: s.keys.public()}
	from := map[string]string{copiedDatabase: database}
	names := []string{copiedDatabase}
	list, err := os.ReadDir(s.keys.folder)
	if err != nil {
		return j, nil, err
	}
	for _, e := range list {
		if name := keysFolder + "/" + e.Name(); e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			from[name], names = filepath.Join(s.keys.folder, e.Name()), append(names, name)
		}
	}
	for _, name := range names {
		info, err := os.Stat(from[name])
		if err != nil {
			return j, nil, err
		}
		h.Files = append(h.Files, backup.File{Name: name, Size: info.Size()})
	}
	// After the database: the files of which that has a note are here by then.
	missing, err := s.store.BlobsNoted(ctx)
	if err != nil {
		return j, nil, err
	}
	bad, blobs := map[blob.Hash]bool{}, map[string]func() *checked{}
	if err := s.store.Files.Each(func(hash blob.Hash, size int64) error {
		delete(missing, hash)
		name := blobsFolder + "/" + hash.String()[:2] + "/" + hash.String()
		h.Files = append(h.Files, backup.File{Name: name, Size: size})
		blobs[name] = func() *checked {
			return newChecked(filepath.Join(c.data, filepath.FromSlash(name)), hash, size, func(sound bool) {
				if !sound {
					bad[hash] = true
				}
			})
		}
		return nil
	}); err != nil {
		return j, nil, err
	}
	for hash := range missing {
		bad[hash] = false
	}
	if err := export.File(file, func(w io.Writer) error {
		return backup.Write(w, h, func(name string) (io.ReadCloser, error) {
			if open := blobs[name]; open != nil {
				return open(), nil
			}
			return os.Open(from[name])
		})
	}); err != nil {
		return j, nil, err
	}
	// Laptops let go of what is in a backup: it is read back first.
	if err := readBack(file); err != nil {
		return j, nil, c.fail("备份 %s 写下后读不回来（%s）；请换一个磁盘再备份", "The backup %s cannot be read back (%s); make it on another disk", file, err)
	}
	// Before the backup counts: what it does not have whole is not in it.
	lost, err := s.lose(ctx, bad)
	if err != nil {
		return j, nil, err
	}
	if err := s.store.Backed(ctx, copied); err != nil {
		return j, nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return j, nil, err
	}
	j = backupJSON{File: file, Bytes: info.Size(), MadeAt: made.UTC(), Lost: lost}
	place, err := filepath.Abs(file)
	if err != nil {
		return j, nil, err
	}
	if err := s.store.AddBackup(ctx, store.Backup{Made: made, File: place, Bytes: j.Bytes, Changes: copied.Changes(), Lost: len(lost)}); err != nil {
		return j, nil, err
	}
	if len(lost) > 0 {
		partly = c.fail("备份 %s 已写好，但有文件损坏或缺失，不算已备份", "The backup %s is written, but for files that are damaged or missing, which do not count as backed up", file)
	}
	return j, partly, nil
}

// atCopy says of an error of the copy of the database where it was: reading is of the
// data, everything else of the disk on which the backup is to be. SQLite names neither.
func atCopy(err error, file string) error {
	var numbered interface {
		error
		Code() int
	}
	if !errors.As(err, &numbered) {
		return err
	}
	switch code := numbered.Code(); code & 0xff {
	case sqliteIO:
		if code == sqliteRead || code == sqliteShortRead {
			return err
		}
	case sqliteFull, sqliteReadOnly, sqliteCantOpen:
	default:
		return err
	}
	return &fs.PathError{Op: "copy the database for", Path: file, Err: err}
}

// clearCopies removes what backups that were cut off have left of the database.
func clearCopies(dir string, now time.Time) {
	list, err := filepath.Glob(filepath.Join(dir, copyFolder))
	if err != nil {
		return
	}
	for _, old := range list {
		// One that is being made is younger.
		if info, err := os.Lstat(old); err == nil && info.IsDir() && now.Sub(info.ModTime()) > time.Hour {
			os.RemoveAll(old)
		}
	}
}

// readBack checks a backup as it lies on the disk.
func readBack(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = backup.Check(f, info.Size())
	return err
}

// occupied tells whether something is there that is no backup: the data itself,
// say.
func occupied(file string) (bool, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil || !info.Mode().IsRegular() {
		return true, err
	}
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	begin := make([]byte, 64)
	n, err := io.ReadFull(f, begin)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, err
	}
	return n > 0 && !backup.Begins(begin[:n]), nil
}

// restoredJSON is what restore prints.
type restoredJSON struct {
	MadeAt     time.Time `json:"made_at"`
	RestoredAt time.Time `json:"restored_at"`
	Aside      string    `json:"aside,omitempty"` // where what was there is now
}

func (c *call) restore(ctx context.Context, file string) (err error) {
	if c.data == "" {
		return c.usage("请用 --data 指定数据文件夹，或设置环境变量 ZHUCUN_DATA", "Name the data folder with --data, or set ZHUCUN_DATA")
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return c.fail("%s 不是普通文件；请核对文件名", "%s is not a regular file; check its name", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	// Whole, before anything is made.
	if h, err := backup.Check(f, info.Size()); err != nil {
		return c.notRestored(file, err)
	} else if h.Engine != sqlite.Name {
		return c.notRestored(file, backup.ErrRelease)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return err
	}
	release, err := sqlite.Lock(ctx, filepath.Join(c.data, lockFile))
	if errors.Is(err, sqlite.ErrLocked) {
		return c.fail("%s 上有服务器在运行；先停掉它再恢复", "A server runs on %s; stop it first, then restore", c.data)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	fresh, err := os.MkdirTemp(c.data, "restore-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	j, err := c.revive(ctx, f, info.Size(), fresh)
	if err != nil {
		return c.notRestored(file, err)
	}
	if j.Aside, err = c.exchange(ctx, fresh); err != nil {
		return err
	}
	if c.json {
		return c.print(j)
	}
	c.tell("已从 %s 的备份恢复", "Restored from the backup of %s", c.time(j.MadeAt))
	if j.Aside != "" {
		c.tell("原有数据没有删除，在 %s", "What was there is not deleted; it is in %s", j.Aside)
	}
	c.tell("电脑会自动把备份以后的内容重新送来；未用的登记码已作废，办公室要重新登录，备份以后停用的电脑要再停用一次", "Laptops send by themselves what they wrote since; unused codes are void, the office signs in again, and laptops revoked since must be revoked again")
	c.tell("下一步：zhucun-server serve --data %s", "Next: zhucun-server serve --data %s", c.data)
	return nil
}

// notRestored says why a file cannot be used; other errors stay what they are.
func (c *call) notRestored(file string, err error) error {
	switch {
	case errors.Is(err, backup.ErrForeign):
		return c.fail("%s 不是服务器的备份；请核对文件名", "%s is no backup of a server; check its name", file)
	case errors.Is(err, backup.ErrLaptop):
		return c.fail("%s 是一台电脑的备份，不是服务器的；请拿到那台电脑上，用 zhucun-agent restore 恢复", "%s is the backup of a laptop, not of the server; take it to that laptop and restore it there with zhucun-agent restore", file)
	case errors.Is(err, backup.ErrDamaged):
		return c.fail("%s 已损坏或没有复制完整，什么都没有改动；请重新复制，或换一份备份", "%s is damaged or was only partly copied, and nothing was changed; copy it again, or take another backup", file)
	case errors.Is(err, backup.ErrRelease):
		return c.fail("%s 出自另一个版本；请用那个版本或更新的版本恢复", "%s is of another release; restore it with that one or a later one", file)
	}
	return err
}

// revive unpacks a backup into a folder and begins its new life there.
func (c *call) revive(ctx context.Context, f io.Reader, size int64, fresh string) (j restoredJSON, err error) {
	root, err := os.OpenRoot(fresh)
	if err != nil {
		return j, err
	}
	h, err := backup.Unpack(f, size, root)
	if err = errors.Join(err, root.Close()); err != nil {
		return j, err
	}
	database := filepath.Join(fresh, databaseFile)
	if err := os.Rename(filepath.Join(fresh, copiedDatabase), database); err != nil {
		return j, fmt.Errorf("%w: %w", backup.ErrDamaged, err)
	}
	if sound, err := sqlite.Sound(ctx, database); err != nil {
		return j, err
	} else if !sound {
		return j, backup.ErrDamaged
	}
	k, err := readKeys(fresh)
	if err != nil {
		return j, fmt.Errorf("%w: %w", backup.ErrDamaged, err)
	}
	if !bytes.Equal(k.public(), ed25519.PublicKey(h.Server)) {
		return j, backup.ErrDamaged
	}
	s, err := c.openIn(ctx, fresh, k)
	if err != nil {
		return j, err
	}
	r, err := s.store.Restore(ctx, h.At())
	if err == nil {
		err = s.access.Audit(ctx, store.Note{Act: "restore", Subject: h.At().UTC().Format(time.RFC3339)})
	}
	return restoredJSON{MadeAt: r.Made.UTC(), RestoredAt: r.At.UTC()}, errors.Join(err, s.store.Close())
}

// exchange sets what is in the data folder aside and puts what is fresh in its
// place. Keys go first and come last: a cut in between leaves a folder that no
// command opens, and restore run again finishes it.
func (c *call) exchange(ctx context.Context, fresh string) (aside string, err error) {
	old, err := filepath.Glob(filepath.Join(c.data, databaseFile+"*"))
	if err != nil {
		return "", err
	}
	if keys := filepath.Join(c.data, keysFolder); isDir(keys) {
		old = append([]string{keys}, old...)
	}
	if len(old) > 0 {
		if aside, err = c.asideFolder(); err != nil {
			return "", err
		}
		for _, path := range old {
			if err := os.Rename(path, filepath.Join(aside, filepath.Base(path))); err != nil {
				return aside, err
			}
		}
		syncFolder(aside)
		syncFolder(c.data)
	}
	if err := c.keepBlobs(ctx, filepath.Join(fresh, blobsFolder), filepath.Join(c.data, blobsFolder)); err != nil {
		return aside, err
	}
	for _, name := range []string{databaseFile, keysFolder} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(c.data, name)); err != nil {
			return aside, err
		}
		syncFolder(c.data)
	}
	return aside, nil
}

// keepBlobs moves the files of a backup beside those that are there. A name is of one
// content: which of two it is does not matter, and none goes. What was damaged when the
// backup was made stays where it may not take a sound one's place.
func (c *call) keepBlobs(ctx context.Context, from, to string) error {
	fresh, err := files.Open(from)
	if err != nil {
		return err
	}
	var bad []blob.Hash
	_, err = fresh.Verify(ctx, func(h blob.Hash) { bad = append(bad, h) })
	for _, h := range bad {
		if err == nil {
			_, err = fresh.Aside(h)
		}
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	if len(bad) > 0 && !c.json {
		c.tell("备份里有 %d 个文件在备份时就已损坏，没有恢复", "%d files of the backup were damaged when it was made, and are not restored", len(bad))
	}
	return moveBlobs(from, to)
}

func moveBlobs(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "??", "*"))
	if err != nil {
		return err
	}
	for _, path := range files {
		dir := filepath.Join(to, filepath.Base(filepath.Dir(path)))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			return err
		}
		syncFolder(dir)
	}
	return nil
}

// asideFolder makes the folder for what was there before.
func (c *call) asideFolder() (string, error) {
	base := filepath.Join(c.data, "before-restore-"+c.now().UTC().Format("20060102T150405Z"))
	for n := 1; ; n++ {
		dir := base
		if n > 1 {
			dir = fmt.Sprintf("%s-%d", base, n)
		}
		if err := os.Mkdir(dir, 0o700); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// syncFolder makes names last; Windows cannot, and needs not.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
