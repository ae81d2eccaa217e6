package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"zhucun/agent/backup"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
)

func (c *call) backupCmd() *cobra.Command {
	var always, never bool
	cmd := &cobra.Command{
		Use:   "backup [FILE]",
		Short: c.say("把本机的全部数据备份成一个文件（锁着的）；FILE 是文件夹时自动取名，不写就备份到选好的盘", "Write everything here into one file, locked as it is here; in a folder it gets a name of its own, without FILE it goes to the drive that was chosen"),
		Args:  c.words(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if always && (len(args) == 0 || never) || never && len(args) > 0 {
				return c.usage(c.say("用法：%s backup 文件或文件夹；backup 文件夹 --always；backup；backup --never", "Usage: %s backup FILE or FOLDER; backup FOLDER --always; backup; backup --never", cmd.Root().Name()))
			}
			return c.with(cmd.Context(), false, func(a *agent) (rerr error) {
				switch {
				case never:
					return c.forgetDrive(cmd.Context(), a)
				case always:
					if err := a.backups.Choose(cmd.Context(), c.path(args[0]), true); err != nil {
						return err
					}
				}
				v, err := vault.Open(a.dir, settings())
				if err != nil {
					return err
				}
				made := time.UnixMilli(a.store.Now())
				var m backup.Made
				if len(args) == 1 && !always {
					m, err = c.backupTo(a, v, c.path(args[0]), made)
				} else {
					m, err = a.backups.Now(cmd.Context())
				}
				if err != nil {
					return err
				}
				// What is in it of the files is as it is here.
				broken, _, cerr := a.store.CheckBlobs(cmd.Context(), true)
				for i := range broken {
					fmt.Fprintln(c.err, broken[i].Sentence(a.forms, c.lang))
				}
				defer func() {
					// The backup is whole all the same.
					if rerr == nil && cerr != nil {
						rerr = cerr
					} else if rerr == nil && len(broken) > 0 {
						rerr = errFailed
					}
				}()
				if c.json {
					return c.print(map[string]any{"file": m.File, "bytes": m.Bytes, "made": made.UTC().Format(time.RFC3339), "protection": v.Way(), "removed": m.Removed})
				}
				c.write(c.say("已备份到 %s：%s\n", "Wrote %s: %s\n", m.File, syncclient.Size(m.Bytes)))
				if v.Way() == vault.Passphrase {
					c.write(c.say("它用口令锁着：凭现在的口令，或办公室的恢复码，在任何电脑上都能恢复\n", "It is locked by the passphrase: with the present one, or the office's recovery code, it can be restored on any computer\n"))
				} else {
					c.write(c.say("它只能在这台电脑上打开；在别的电脑上恢复，要向办公室要恢复码\n", "It opens on this computer only; to restore it on another, ask the office for a recovery code\n"))
				}
				if always {
					c.write(c.say("以后程序运行着、插上这个盘，就自动备份：每天最多一次，留最近 %d 份（backup --never 取消）\n", "From now on a backup is made by itself when this drive appears and the agent runs: once a day at most, the last %d stay (backup --never ends that)\n", backup.Keep))
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&always, "always", false, c.say("以后插上这个文件夹所在的盘就自动备份", "and by itself whenever the drive with this folder appears"))
	cmd.Flags().BoolVar(&never, "never", false, c.say("不再自动备份；已有的备份不动", "no more by itself; the backups that are there stay"))
	return cmd
}

// backupTo makes a backup where somebody says.
func (c *call) backupTo(a *agent, v *vault.Vault, path string, made time.Time) (m backup.Made, err error) {
	if isDir(path) {
		path = filepath.Join(path, "zhucun-"+made.In(beijing).Format("20060102-150405")+backup.Ext)
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return m, c.fail(c.say("没有文件夹 %s。请先插好 U 盘，或换一个位置", "There is no folder %s. Put in the stick, or choose another place", dir))
	}
	note, err := v.Note()
	if err != nil {
		return m, err
	}
	m.File = path
	m.Bytes, err = a.store.Backup(path, note, nil)
	if errors.Is(err, os.ErrExist) {
		return m, c.fail(c.say("%s 已经存在，没有改动它。请换一个文件名", "%s is there already and was left as it is; choose another name", path))
	}
	return m, err
}

func (c *call) forgetDrive(ctx context.Context, a *agent) error {
	if err := a.backups.Forget(ctx); err != nil {
		return err
	}
	if c.json {
		return c.print(map[string]bool{"always": false})
	}
	c.write(c.say("不再自动备份；已有的备份都没有动\n", "No more backups by themselves; those that are there were not touched\n"))
	return nil
}

// keeper keeps the backups of a store in a data folder.
func keeper(s *store.Store, log *slog.Logger) *backup.Keeper {
	return backup.New(s, func() ([]byte, error) {
		v, err := vault.Open(s.Dir(), settings())
		if err != nil {
			return nil, err
		}
		return v.Note()
	}, log)
}

func (c *call) restoreCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: c.say("用备份文件恢复（先退出程序）；现有的数据留存，不会删除", "Restore from a backup file (stop the agent first); what is here is kept aside"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			busy := c.say("程序正在运行，不能恢复。请先退出 zhucun-agent run，再试一次", "The agent is running; stop zhucun-agent run first and try again")
			if c.live != nil {
				return c.fail(busy)
			}
			if _, ok := findRunning(c.data); ok {
				return c.fail(busy)
			}
			path := c.path(args[0])
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if !info.Mode().IsRegular() {
				return c.fail(c.say("%s 不是普通文件，请换一个文件", "%s is not a regular file; choose another", args[0]))
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			head, aside, oldVault, err := c.restore(f)
			if errors.Is(err, store.ErrBackup) {
				return c.fail(c.say("%s 不是备份文件，或不完整、有损坏；没有动现有的数据。请换一个备份", "%s is not a backup, or not a whole one; nothing here was touched. Choose another", args[0]))
			}
			if err != nil {
				return err
			}
			made := time.UnixMilli(head.Made)
			if c.json {
				return c.print(map[string]any{"made": made.UTC().Format(time.RFC3339), "aside": aside, "vault_aside": oldVault})
			}
			c.write(c.say("已恢复到 %s 的备份。之后已送达的内容，下次同步会取回\n", "Restored the backup of %s. What was delivered since comes back with the next sync\n", made.In(beijing).Format("2006-01-02 15:04")))
			if aside != "" {
				c.write(c.say("原来的数据留作 %s，没有删除\n", "What was here is kept as %s\n", filepath.Join(c.data, aside)))
			}
			return nil
		},
	}
}

// restore puts the backup from r in the place of the store, and its note in that of the
// vault's. Where it fails both are as they were; cut off between the two, the note that
// was there is found by its key (opened).
func (c *call) restore(r io.Reader) (head store.Head, aside, oldVault string, err error) {
	path := filepath.Join(c.data, storeFile)
	was, _ := os.Stat(path)
	var undo func() error
	head, aside, err = store.Restore(c.data, store.Options{}, r, func(head store.Head) error {
		has, err := vault.Open(c.data, settings())
		if err != nil && !errors.Is(err, vault.ErrNone) && !errors.Is(err, vault.ErrLost) {
			return err
		}
		oldVault, err = vault.Adopt(c.data, settings(), head.Vault)
		if err == nil || has != nil {
			undo = func() error { return vault.PutBack(c.data, has) }
		}
		return err
	})
	// An error may also be of what comes after: then the backup's store is in its place.
	if now, _ := os.Stat(path); err != nil && undo != nil && (was == nil && now == nil || os.SameFile(was, now)) {
		err = errors.Join(err, undo())
	}
	return head, aside, oldVault, err
}
