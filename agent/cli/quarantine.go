package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"zhucun/agent/store"
	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

func (c *call) quarantineCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: c.say("被办公室搁置的改动：列表、看过了", "What the office set aside: list it, note that it was seen"),
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.usage(c.say("没有命令 quarantine %s。有 quarantine list 和 quarantine seen 记录编号", "There is no command quarantine %s; there are quarantine list and quarantine seen RECORD", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(c.quarantineListCmd(), c.quarantineSeenCmd())
	return cmd
}

// asideJSON is a change that was set aside and waits, for the office or for somebody
// here.
type asideJSON struct {
	Village record.Village               `json:"village"`
	Type    record.Type                  `json:"type"`
	Record  string                       `json:"record"`
	Title   string                       `json:"title"`
	Dot     string                       `json:"dot"`
	Author  string                       `json:"author"`
	At      clock.Time                   `json:"at"`
	Set     map[record.Path]record.Value `json:"set"`
	Aside   *merge.Aside                 `json:"set_aside"`
}

func (c *call) quarantineListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: c.say("列出被搁置的改动、原因和办公室的决定", "List what was set aside, why, and what the office decided"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reads(cmd.Context(), func(a *agent) error {
				n := 0
				var failed error
				err := a.store.Stuck(func(r store.Record) bool {
					var list []store.Aside
					if list, failed = a.store.Asides(r.Key.Type, r.Key.ID); failed != nil {
						return false
					}
					for i := range list {
						if list[i].Open() && failed == nil {
							n++
							failed = c.tellAside(a, &r, &list[i])
						}
					}
					return failed == nil
				})
				if err = errors.Join(failed, err); err == nil && n == 0 && !c.json {
					c.write(c.say("没有被搁置的改动。\n", "Nothing is set aside.\n"))
				}
				return err
			})
		},
	}
}

func (c *call) tellAside(a *agent, r *store.Record, x *store.Aside) error {
	f := a.forms.Form(r.Key.Type)
	set := map[record.Path]record.Value{}
	for _, w := range x.Change.Body {
		set[w.Path] = w.Value
	}
	at := clock.Time(x.Change.Time)
	if c.json {
		return c.print(asideJSON{r.Key.Village, r.Key.Type, r.Key.ID.String(), title(f, r.View, c.lang), x.Dot.String(), x.Change.Author, at, set, x.Event()})
	}
	c.printf("%s  %s\n", r.Key.ID, title(f, r.View, c.lang))
	text := c.set(f, set)
	if len(set) == 0 {
		text = c.erased()
	}
	c.printf("  %s  %s  %s\n", at.Std().In(beijing).Format("2006-01-02 15:04"), x.Change.Author, text)
	c.printf("  %s\n", c.aside(x.Event()))
	if x.Rejected() {
		c.write(c.say("  看过以后：zhucun-agent quarantine seen %s\n", "  once seen: zhucun-agent quarantine seen %s\n", r.Key.ID))
	}
	return nil
}

// aside says why a change was set aside, or what the office decided on it.
func (c *call) aside(a *merge.Aside) string {
	day := a.At.Std().In(beijing).Format("2006-01-02")
	switch a.Decision {
	case merge.Accepted:
		return c.say("（办公室先前搁置，%s %s 收下）", "(set aside by the office, taken in on %s by %s)", day, a.By)
	case merge.Rejected:
		return c.say("（办公室未采纳，%s %s：%s）", "(rejected by the office on %s by %s: %s)", day, a.By, a.Why)
	}
	return c.say("（办公室搁置：%s）", "(set aside by the office: %s)", store.Reason(a.Reason, c.lang))
}

func (c *call) quarantineSeenCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "seen RECORD",
		Short: c.say("记下已看过办公室为什么没有采纳；记录此后按办公室的内容显示", "Note that it was seen why the office rejected it; the record then reads as the office has it"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := c.id(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				var dots []record.Dot
				list, err := a.store.Asides("", id)
				if err != nil {
					return err
				}
				for i := range list {
					if list[i].Rejected() {
						dots = append(dots, list[i].Dot)
						if !c.json {
							c.printf("%s\n", c.aside(list[i].Event()))
						}
					}
				}
				n, err := a.store.Seen(cmd.Context(), "", id, dots...)
				if err != nil {
					return err
				}
				if n == 0 {
					return c.fail(c.say("这条记录没有未采纳的改动；用 quarantine list 查看", "Nothing of this record was rejected and unseen; quarantine list shows what is"))
				}
				if c.json {
					return c.print(map[string]any{"id": id.String(), "seen": n})
				}
				c.write(c.say("已记下 %d 处。\n", "%d noted.\n", n))
				return nil
			})
		},
	}
}
