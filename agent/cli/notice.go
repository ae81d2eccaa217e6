package cli

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/agent/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

func (c *call) noticeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notice",
		Short: c.say("办公室发下来的通知和政策文件", "Notices and policy documents of the office"),
		Args:  c.words(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.noticeListCmd(), c.noticeReadCmd())
	return cmd
}

// noticeJSON is a notice as it is on the laptop.
type noticeJSON struct {
	Village record.Village `json:"village"`
	ID      string         `json:"id"`
	Title   string         `json:"title"`
	Text    string         `json:"text"`
	State   string         `json:"state"`
	Sent    string         `json:"sent_on"`
	ReadBy  string         `json:"read_by,omitempty"`
	ReadOn  string         `json:"read_on,omitempty"`
	Files   []string       `json:"files"`
}

func (c *call) noticeListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: c.say("列出通知，没看的在前", "List them, those still to be read first"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reads(cmd.Context(), func(a *agent) error {
				var list []noticeJSON
				f := a.forms.Form("notice")
				if f == nil {
					return nil
				}
				err := a.store.Each("", f.Type, func(r store.Record) bool {
					text := func(name string) string { s, _ := r.View.Fields[name].Text(); return s }
					if !r.View.Void {
						list = append(list, noticeJSON{r.Key.Village, r.Key.ID.String(), text("title"), text("text"), text("notice_state"), text("sent_on"), text("read_by"), merge.ReadOn(f, r.View.Fields), r.View.Fields["files"].Texts()})
					}
					return true
				})
				slices.SortStableFunc(list, func(a, b noticeJSON) int {
					return cmp.Or(strings.Compare(a.ReadOn, b.ReadOn), strings.Compare(b.Sent, a.Sent))
				})
				for _, n := range list {
					if c.json {
						err = errors.Join(err, c.print(n))
						continue
					}
					said := c.say("还没有看", "not read yet")
					if n.ReadOn != "" {
						said = c.say("本村 %s 已阅", "the village has read it on %s", n.ReadOn)
					}
					c.write(n.ID + " " + n.Sent + " " + n.Title + " " + said + "\n")
				}
				return err
			})
		},
	}
}

func (c *call) noticeReadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   c.say("read 通知编号", "read NOTICE"),
		Short: c.say("告诉办公室本村看过了：只说哪一天，不说是谁", "Tell the office that the village has read it: on which day, and not who"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				id, err := record.ParseID(args[0])
				if err != nil {
					return c.usage(c.say("“%s”不是通知编号；用 notice list 查看", "%q is not a notice's id; notice list shows them", args[0]))
				}
				err = a.store.ReadNotice(cmd.Context(), record.Key{Type: "notice", ID: id}, a.today())
				if errors.Is(err, store.ErrNotFound) {
					return c.fail(c.say("没有这份通知；用 notice list 查看", "There is no such notice; notice list shows them"))
				}
				return err
			})
		},
	}
}
