package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// noticeJSON is a notice as commands print it: of each village the day on which it was
// read there, and nobody's name.
type noticeJSON struct {
	No       string            `json:"no"`
	Title    string            `json:"title"`
	State    string            `json:"state"`
	Sent     string            `json:"sent_on"`
	ReadBy   string            `json:"read_by,omitempty"`
	Villages int               `json:"villages"`
	Read     int               `json:"read"`
	ReadOn   map[string]string `json:"read_on,omitempty"`
}

func (c *call) noticeCommand() *cobra.Command {
	cmd := c.command("notice", "通知和政策文件：发给各村、查看哪些村已阅、撤回", "notices and policy documents: send, see where they were read, withdraw", 0, 0, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(c.noticeSendCommand(), c.noticeListCommand(), c.noticeWithdrawCommand())
	return cmd
}

func (c *call) noticeSendCommand() *cobra.Command {
	var title, text, readBy, by, township, kind string
	var files, villages []string
	cmd := c.command("send --title T --text T [--file F]… [--village CODE]… [--township T]", "发一份通知；不写村就发给全部村", "send a notice, to all villages where none is named", 0, 0, nil)
	f := cmd.Flags()
	f.StringVar(&title, "title", "", c.say("标题", "its title"))
	f.StringVar(&text, "text", "", c.say("内容", "its text"))
	f.StringVar(&kind, "kind", "notice", c.say("notice 通知，policy 政策文件", "notice or policy"))
	f.StringVar(&readBy, "read-by", "", c.say("请在这一天前阅读，如 2017-05-23", "the day to read it by, such as 2017-05-23"))
	f.StringSliceVar(&files, "file", nil, c.say("附件", "a file that goes along"))
	f.StringSliceVar(&villages, "village", nil, c.say("只发给这个村", "only to this village"))
	f.StringVar(&township, "township", "", c.say("只发给这个乡镇的村", "only to the villages of this township"))
	f.StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if title == "" || text == "" {
			return c.usage("要写 --title 和 --text", "--title and --text are needed")
		}
		return c.with(cmd.Context(), func(s *server) error {
			n := review.Notice{Fields: map[string]record.Value{}}
			var err error
			if n.By, err = c.writer(cmd.Context(), s, by, access.Notify); err != nil {
				return err
			}
			form := s.store.Forms().Form("notice")
			if form == nil {
				return review.ErrForm
			}
			var names []string
			for _, file := range files {
				b, err := keepFile(s, file)
				if err != nil {
					return err
				}
				n.Files = append(n.Files, b)
				names = append(names, blob.Name(b.Hash, b.Kind)+" "+filepath.Base(file))
			}
			today := store.Day(clock.At0(s.store.Now().UnixMilli()))
			for name, typed := range map[string]string{"title": title, "notice_kind": kind, "text": text, "read_by": readBy, "sent_on": today, "file_names": strings.Join(names, "\n")} {
				if typed == "" {
					continue
				}
				if n.Fields[name], err = form.Field(name).CanonText(typed); err != nil {
					return c.usage("%s：%v", "%s: %v", name, err)
				}
			}
			if len(n.Files) > 0 {
				var list []string
				for _, b := range n.Files {
					list = append(list, blob.Name(b.Hash, b.Kind))
				}
				n.Fields["files"] = record.Set(list)
			}
			to, err := c.noticeVillages(cmd.Context(), s, villages, township)
			if err != nil {
				return err
			}
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			n.No = record.ID(id)
			sent, err := s.review.Send(store.By(cmd.Context(), inName(by)), n, to)
			if err != nil {
				return err
			}
			if c.json {
				return c.print(map[string]any{"no": n.No.String(), "villages": sent})
			}
			c.tell("%s 已发给 %d 个村，各台电脑下次同步时收到", "%s is sent to %d villages; their laptops get it with their next sync", n.No, sent)
			return nil
		})
	}
	return cmd
}

// noticeVillages gives the villages that a notice is for.
func (c *call) noticeVillages(ctx context.Context, s *server, codes []string, township string) (to []record.Village, err error) {
	known, err := s.store.Villages(ctx)
	if err != nil {
		return nil, err
	}
	for _, code := range codes {
		if !slices.ContainsFunc(known, func(v store.Village) bool { return string(v.Code) == code }) {
			return nil, c.fail("没有村 %s；用 village list 查看", "There is no village %s; village list shows them", code)
		}
	}
	for _, v := range known {
		if (len(codes) == 0 || slices.Contains(codes, string(v.Code))) && (township == "" || v.Township == township) {
			to = append(to, v.Code)
		}
	}
	if len(to) == 0 {
		return nil, c.fail("没有这样的村；用 village list 查看", "There are no such villages; village list shows them")
	}
	return to, nil
}

// keepFile keeps a file among those that records show.
func keepFile(s *server, name string) (b store.Blob, err error) {
	f, err := os.Open(name)
	if err != nil {
		return b, err
	}
	defer f.Close()
	sum := sha256.New()
	if b.Size, err = io.Copy(sum, f); err != nil {
		return b, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return b, err
	}
	b.Hash, b.Kind = blob.Hash(sum.Sum(nil)), blob.Kind(name)
	return b, s.store.Files.Put(b.Hash, f)
}

func (c *call) noticeListCommand() *cobra.Command {
	return c.command("list", "列出发过的通知和已阅的村", "list what was sent, and where it was read", 0, 0, func(ctx context.Context, _ []string) error {
		return c.with(ctx, func(s *server) error {
			form := s.store.Forms().Form("notice")
			for before := ""; ; {
				list, next, err := s.store.Notices(ctx, before, 50)
				if err != nil {
					return err
				}
				for _, n := range list {
					text := func(name string) string { t, _ := n.Fields[name].Text(); return t }
					j := noticeJSON{No: n.No, Title: text("title"), State: text("notice_state"), Sent: text("sent_on"), ReadBy: text("read_by"), Villages: n.Villages, Read: n.Read, ReadOn: map[string]string{}}
					for after := record.Village(""); ; {
						rows, err := s.store.NoticeIn(ctx, n.No, after, 500)
						if err != nil {
							return err
						}
						for _, r := range rows {
							if day := merge.ReadOn(form, r.Fields); day != "" {
								j.ReadOn[string(r.Village)] = day
							}
							after = r.Village
						}
						if len(rows) == 0 {
							break
						}
					}
					if c.json {
						err = c.print(j)
					} else {
						_, err = fmt.Fprintf(c.out, "%s %s %s %s\n", j.No, j.Sent, j.Title, c.say(fmt.Sprintf("%d / %d 个村已阅", j.Read, j.Villages), fmt.Sprintf("read in %d of %d villages", j.Read, j.Villages)))
					}
					if err != nil {
						return err
					}
				}
				if before = next; next == "" {
					return nil
				}
			}
		})
	})
}

func (c *call) noticeWithdrawCommand() *cobra.Command {
	var reason, by string
	cmd := c.command("withdraw NO --reason R", "撤回一份通知", "withdraw a notice", 1, 1, nil)
	cmd.Flags().StringVar(&reason, "reason", "", c.say("为什么", "why"))
	cmd.Flags().StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.with(cmd.Context(), func(s *server) error {
			no, err := record.ParseID(args[0])
			if err != nil {
				return c.usage("“%s”不是通知编号；用 notice list 查看", "%q is not a notice's id; notice list shows them", args[0])
			}
			w, err := c.writer(cmd.Context(), s, by, access.Notify)
			if err != nil {
				return err
			}
			err = s.review.Withdraw(store.By(cmd.Context(), inName(by)), no, reason, w)
			if errors.Is(err, review.ErrReason) || errors.Is(err, review.ErrLong) {
				return c.usage("撤回要用 --reason 写明原因，最多 500 字", "Withdrawing needs --reason, of at most 500 characters")
			}
			if err == nil && !c.json {
				c.tell("已撤回", "Withdrawn")
			}
			return err
		})
	}
	return cmd
}
