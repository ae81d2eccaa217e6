package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/agent/syncclient"
	"zhucun/shared/bundle"
)

func (c *call) bundleCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: c.say("没有网络时用文件传送：导出数据包、收取答复", "Without a network, by file: write a bundle, take a reply"),
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.usage(c.say("没有命令 bundle %s。有 bundle export 文件 和 bundle take 文件", "There is no command bundle %s; there are bundle export FILE and bundle take FILE", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(c.bundleExportCmd(), c.bundleTakeCmd())
	return cmd
}

func (c *call) bundleExportCmd() *cobra.Command {
	var photos, size string
	var previews int
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: c.say("把服务器还没有确认的内容写成一个文件（只有服务器能读），装不下时写成编了号的几个；FILE 是文件夹时自动取名", "Write what the server has not acknowledged into a file that only the server can read, or numbered files where one is not enough; in a folder it gets a name of its own"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			carry := syncclient.Carry{Smalls: uint64(max(previews, 0)) << 20}
			switch photos {
			case "fit":
			case "all":
				carry.Files = syncclient.FilesAll
			case "none":
				carry.Files = syncclient.FilesNone
			default:
				return c.usage(c.say("--photos 是 fit、all 或 none，“%s”不是", "--photos is fit, all or none; %q is not", photos))
			}
			if size != "" {
				var err error
				if carry.Size, err = sizeOf(size); err != nil {
					return c.usage(c.say("--size 写成 20M 这样，1M 到 1G，“%s”不行", "--size is like 20M, from 1M to 1G; %q is not", size))
				}
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				path := c.path(args[0])
				if dir := filepath.Dir(path); !isDir(dir) {
					return c.fail(c.say("没有文件夹 %s。请先插好 U 盘，或换一个位置", "There is no folder %s. Put in the stick, or choose another place", dir))
				}
				m := c.meter()
				made, err := a.sync.Export(cmd.Context(), path, carry, func(done, left uint64) {
					m.show(float64(done)/float64(max(done+left, 1)), c.say("已打包 %d/%d", "%d of %d packed", done, done+left))
				})
				m.end()
				// What was written before a failure is there, and good.
				if perr := c.exported(made, err == nil); err == nil {
					err = perr
				}
				var there *fs.PathError
				if errors.Is(err, fs.ErrExist) && errors.As(err, &there) {
					return c.fail(c.say("%s 已经存在，没有覆盖；请换一个文件名，或先把它移到别处", "%s is there already and was not overwritten; choose another name, or move it away first", there.Path))
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&photos, "photos", "fit", c.say("照片等文件：fit 装得下的一起带，all 全带，none 不带（旧的服务器也能收）", "photos and other files: fit takes along what fits, all takes all, none takes none (for older servers too)"))
	cmd.Flags().StringVar(&size, "size", "", c.say("每个文件最大多少，如 20M；不写时 20M，带全部照片时 1G", "how large a file gets, like 20M; 20M where it is not given, 1G with all photos"))
	cmd.Flags().IntVar(&previews, "previews", 0, c.say("请答复里带上别人照片的预览图，最多多少 MB", "ask for small pictures of the records in the reply, so many MB at most"))
	return cmd
}

// sizeOf reads a size in bytes, with K, M or G behind it.
func sizeOf(text string) (int64, error) {
	unit := int64(1)
	digits := strings.TrimRight(strings.ToUpper(text), "KMGB")
	switch strings.TrimSuffix(strings.ToUpper(text[len(digits):]), "B") {
	case "":
	case "K":
		unit = 1 << 10
	case "M":
		unit = 1 << 20
	case "G":
		unit = 1 << 30
	default:
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err == nil && (n*unit < syncclient.MinSize || n*unit > bundle.MaxSize) {
		err = strconv.ErrRange
	}
	return n * unit, err
}

// exported tells which files were written and, where that is all of them, what to do
// with them.
func (c *call) exported(made []syncclient.Exported, all bool) error {
	for _, e := range made {
		if c.json {
			if err := c.print(e); err != nil {
				return err
			}
			continue
		}
		c.write(c.say("已写入 %s：%d 条修改，%s\n", "Wrote %s: %d changes, %s\n", e.File, e.Changes, syncclient.Size(int64(e.Bytes))))
		if e.Files > 0 {
			c.write(c.say("  其中照片等文件 %d 个\n", "  with %d photos and other files\n", e.Files))
		}
		if e.Unread > 0 {
			c.write(c.say("  %d 个读不出来，没有装入；运行 verify 看是哪些\n", "  %d cannot be read and are not in it; verify tells which\n", e.Unread))
		}
	}
	if !all || c.json {
		return nil
	}
	if len(made) > 0 {
		if e := made[len(made)-1]; e.FilesLeft > 0 {
			if e.FilesSize > 0 {
				c.write(c.say("还有 %d 个照片或文件（%s）比每个文件的大小还大，没有装入：联网后自动送出，或用 --photos all --size %dM 再导出一次\n",
					"%d photos and other files (%s) are larger than a file may get and are not in it: they go by themselves when there is a network, or export again with --photos all --size %dM\n", e.FilesLeft, syncclient.Size(e.FilesLeftBytes), e.FilesSize>>20))
			} else {
				c.write(c.say("还有 %d 个照片或文件（%s）没有装入：联网后自动送出，或加上 --photos all 全部写成文件\n",
					"%d photos and other files (%s) are not in it: they go by themselves when there is a network, or into files with --photos all\n", e.FilesLeft, syncclient.Size(e.FilesLeftBytes)))
			}
		}
	}
	if len(made) > 1 {
		c.write(c.say("一个文件装不下，共 %d 个。每个都可以单独带去，先后不限，丢了哪个都不要紧：没确认的下次还会导出\n",
			"It did not fit into one file; there are %d. Each can travel alone, in any order, and none must arrive: what is not acknowledged is exported again\n", len(made)))
	}
	c.write(c.say("请用 U 盘、邮件或微信交给办公室，或交给有网络的电脑用 bundle take 带去；收到答复文件后，在本机运行 bundle take。确认以前，内容仍算未送达\n",
		"Give it to the office by stick, mail or messenger, or to a laptop with a network (bundle take); when the reply file is here, run bundle take. Until then nothing counts as delivered\n"))
	for _, e := range made {
		if name := filepath.Base(e.File); !plainName(name) {
			c.write(c.say("提示：文件名 %s 在邮件或微信里可能被改动；用英文字母加 %s 最稳妥\n", "Note: mail or messengers may change the name %s; letters and %s are safest\n", name, bundle.Ext))
		}
	}
	return nil
}

// plainName tells a name that mail and messengers leave alone: ASCII and one
// extension, which is ours.
func plainName(name string) bool {
	stem, ok := strings.CutSuffix(name, bundle.Ext)
	return ok && stem != "" && !strings.ContainsFunc(stem, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (c *call) bundleTakeCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "take FILE",
		Short: c.say("收取给本机的答复；别人的文件代为保管，下次同步时送到服务器", "Take a reply to this laptop; somebody else's file is kept and goes to the server with the next sync"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				// Before it is opened: that would wait for ever on a pipe.
				info, err := os.Stat(c.path(args[0]))
				if err != nil {
					return err
				}
				if !info.Mode().IsRegular() {
					return c.fail(c.say("%s 不是普通文件，请换一个文件", "%s is not a regular file; choose another", args[0]))
				}
				f, err := os.Open(c.path(args[0]))
				if err != nil {
					return err
				}
				defer f.Close()
				m := c.meter()
				t, err := a.sync.Collect(cmd.Context(), f, func(done, all int) {
					m.show(float64(done)/float64(max(all, 1)), c.say("已收取 %d/%d", "%d of %d taken", done, all))
				})
				m.end()
				revoked := errors.Is(err, syncclient.ErrRevoked)
				if err != nil && !revoked {
					return err
				}
				if t.Carried {
					a.sync.Now()
				}
				switch {
				case c.json:
					if perr := c.print(t); perr != nil {
						return perr
					}
				case t.Carried:
					c.write(c.say("这个文件不是给本机的，已代为保管，下次同步时送到服务器；服务器的答复会放在\n  %s\n请带回给它的主人。若它是给别的电脑的答复，请拿到那台电脑上收取\n",
						"The file is not for this laptop. It is kept and goes to the server with the next sync; the answer will be at\n  %s\nto be carried back. If it is a reply to another laptop, take it there\n", t.Reply))
				default:
					c.write(c.say("已收取：确认送达 %d 条，收到 %d 条记录；还有 %d 条未送达\n", "Taken: %d changes acknowledged, %d records came; %d still pending\n", t.Acknowledged, t.Records, t.Pending))
					if t.Files+t.FilesPending > 0 {
						c.write(c.say("照片等文件：确认送达 %d 个，还有 %d 个未送达\n", "Photos and other files: %d acknowledged, %d still pending\n", t.Files, t.FilesPending))
					}
					if t.Previews > 0 {
						c.write(c.say("收到 %d 张照片的预览图\n", "Small pictures of %d photos came\n", t.Previews))
					}
					if t.More {
						c.write(c.say("办公室还有内容没装下：请再导出一个数据包送去，或联网同步一次，就能接着收到\n", "The office has more than one reply can carry: send it another bundle, or sync once, and it goes on from here\n"))
					}
				}
				return err
			})
		},
	}
}
