package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// today is the date in Beijing by the corrected clock.
func (a *agent) today() string {
	return time.UnixMilli(a.store.Now()).In(beijing).Format(time.DateOnly)
}

var beijing = time.FixedZone("CST", 8*3600)

// calculate adds to a record what its form works out. What a form merely offers
// for a field is left out: nobody has said it.
func calculate(f *form.Form, r store.Record, today string) {
	if !slices.ContainsFunc(f.Fields, calculated) {
		return
	}
	for name, v := range f.Calculate(r.View.Fields, today) {
		if calculated(f.Field(name)) {
			r.View.Fields[name] = v
		}
	}
}

func calculated(fd *form.Field) bool { return fd.Kind == form.Calculate }

// shown gives a record as it is printed.
func (c *call) shown(a *agent, f *form.Form, r store.Record, today string) merge.JSON {
	calculate(f, r, today)
	j := r.View.JSON(r.Key, r.Way, r.View.Marks(f, today, c.lang, a.store.Exists))
	j.Bundled, j.Rejected = r.Bundled, r.Rejected
	return j
}

func (c *call) getCmd() *cobra.Command {
	var history bool
	cmd := &cobra.Command{
		Use:   "get TYPE ID [--history]",
		Short: c.say("显示一条记录", "Show a record"),
		Args:  c.words(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := c.id(args[1])
			if err != nil {
				return err
			}
			return c.reads(cmd.Context(), func(a *agent) error {
				f, err := inbox.Form(a.forms, record.Type(args[0]))
				if err != nil {
					return err
				}
				r, err := a.store.Get(f.Type, id)
				if err != nil {
					return err
				}
				j := c.shown(a, f, r, a.today())
				if history {
					if j.History, err = a.store.History(f.Type, id); err != nil {
						return err
					}
				}
				if c.json {
					return c.print(j)
				}
				d, err := a.store.Device()
				if err != nil {
					return err
				}
				waiting, err := a.store.WaitingBlobs()
				if err != nil {
					return err
				}
				c.show(f, r, j, waiting)
				if history && others(d, j) {
					c.write(c.say("  别人的修改，本机只知道现在还有效的部分；全部历史在办公室。\n", "  Of what others changed, only what still stands is known here; the office has the whole history.\n"))
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&history, "history", false, c.say("连同修改历史", "with its history"))
	return cmd
}

// show prints a record for a person.
func (c *call) show(f *form.Form, r store.Record, j merge.JSON, waiting map[blob.Hash]bool) {
	c.printf("%s  %s  %s\n", f.Title.In(c.lang), j.ID, c.way(f, &r, waiting))
	if j.Erased {
		c.write(c.say("内容已由办公室依法擦除：%s\n", "Erased by the office, by law: %s\n", j.Reason))
	} else if j.Left != "" {
		c.write(c.say("已迁往 %s：%s\n", "Moved to %s: %s\n", j.Left, j.Reason))
	} else if j.Life == "void" {
		c.write(c.say("已作废：%s\n", "Void: %s\n", j.Reason))
	}
	for _, fd := range f.Fields {
		v, ok := j.Fields[fd.Name]
		text := fd.Show(v, c.lang)
		if p := record.Path(fd.Name); slices.Contains(r.View.Proposed, fd.Name) {
			// Nothing stands yet: one proposal is told here, several below.
			proposals := j.Proposals[p]
			if ok = len(proposals) == 1; ok {
				text += c.say("（%s 的建议，待确认）", " (proposed by %s, to be confirmed)", proposals[0].Author)
				delete(j.Proposals, p)
			}
		}
		if ok {
			c.printf("  %s  %s\n", pad(fd.Label.In(c.lang), 20), text)
		}
	}
	for _, kind := range []struct {
		title string
		at    map[record.Path][]merge.Claim
	}{
		{c.say("不一致，待决定", "In conflict, to be decided"), j.Conflicts},
		{c.say("建议", "Proposed"), j.Proposals},
		{c.say("另有的值", "Other values"), j.Others},
	} {
		for _, p := range sortedPaths(kind.at) {
			c.printf("  %s: %s (%s)\n", kind.title, c.label(f, p), p)
			c.claims(f, p, kind.at[p], j.Reason)
		}
	}
	for _, m := range j.Marks {
		// The form's own marks begin with the label; that a value is proposed is
		// told with it.
		label := c.label(f, m.Path)
		switch {
		case m.Code == "proposed":
		case strings.HasPrefix(m.Text, label):
			c.printf("  ! %s\n", m.Text)
		default:
			c.printf("  ! %s\n", label+c.say("：", ": ")+m.Text)
		}
	}
	for _, e := range j.History {
		text := c.set(f, e.Set)
		if e.Erased {
			text = c.erased()
		}
		if a := e.Aside; a != nil {
			text += "  " + c.aside(a)
		}
		c.printf("  %s  %s  %s\n", e.At.Std().In(beijing).Format("2006-01-02 15:04"), e.Author, text)
	}
}

// erased stands for what a change said that the office has erased.
func (c *call) erased() string { return c.say("（内容已依法擦除）", "(erased by law)") }

// others tells whether people of other laptops had a hand in the record: of
// what they changed, this one knows what still stands.
func others(d store.Device, j merge.JSON) bool {
	other := func(name string) bool { return !slices.Contains(d.Assigned.Profiles, name) }
	return slices.ContainsFunc(j.Authors, other) || slices.ContainsFunc(j.History, func(e merge.Event) bool { return other(e.Author) })
}

func sortedPaths[V any](m map[record.Path]V) []record.Path {
	var ps []record.Path
	for p := range m {
		ps = append(ps, p)
	}
	slices.Sort(ps)
	return ps
}

// way says how far a record has come; waiting are the files that the server has not.
func (c *call) way(f *form.Form, r *store.Record, waiting map[blob.Hash]bool) string {
	switch {
	case r.Bundled:
		return c.say("[已装入数据包，未确认]", "[in a bundle, not confirmed]")
	case r.Rejected:
		return c.say("[未采纳，见 quarantine list]", "[rejected, see quarantine list]")
	}
	switch r.Way {
	case merge.Local:
		return c.say("[未送出]", "[not sent yet]")
	case merge.Sent:
		return c.say("[已发出，未确认]", "[sent, not confirmed]")
	case merge.Delivered:
		if store.ShowsAny(f, r.View, waiting) {
			return c.say("[照片还没送达]", "[photos not delivered]")
		}
		return c.say("[已送达]", "[delivered]")
	case merge.Quarantined:
		return c.say("[被搁置]", "[set aside]")
	}
	return r.Way
}

// pad fills a text to a width in terminal columns; Han characters take two.
func pad(s string, width int) string {
	w := 0
	for _, r := range s {
		w++
		if r > 0x2e80 {
			w++
		}
	}
	return s + strings.Repeat(" ", max(width-w, 0))
}

func (c *call) listCmd() *cobra.Command {
	var where []string
	var text, village string
	cmd := &cobra.Command{
		Use:   "list TYPE [--where field=value]… [--text 王小]",
		Short: c.say("列出记录", "List records"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.pairs("--where ", where); err != nil {
				return err
			}
			return c.reads(cmd.Context(), func(a *agent) error {
				f, err := inbox.Form(a.forms, record.Type(args[0]))
				if err != nil {
					return err
				}
				fits, err := c.filter(a, f, where, text)
				if err != nil {
					return err
				}
				if err := a.village(record.Village(village)); err != nil {
					return err
				}
				waiting, err := a.store.WaitingBlobs()
				if err != nil {
					return err
				}
				n, today := 0, a.today()
				var perr error
				err = a.store.Each(record.Village(village), f.Type, func(r store.Record) bool {
					if cmd.Context().Err() != nil {
						perr = cmd.Context().Err()
						return false
					}
					if calculate(f, r, today); !fits(r) {
						return true
					}
					n++
					if c.json {
						perr = c.print(c.shown(a, f, r, today))
						return perr == nil
					}
					note := ""
					switch {
					case r.View.Void && r.View.Left != "":
						note = c.say("  已迁出", "  moved away")
					case r.View.Void:
						note = c.say("  已作废", "  void")
					case len(r.View.Conflicts) > 0:
						note = c.say("  有冲突", "  conflict")
					}
					c.printf("%s  %s  %s%s\n", r.Key.ID, pad(title(f, r.View, c.lang), 30), c.way(f, &r, waiting), note)
					return true
				})
				if !c.json && err == nil {
					c.write(c.say("共 %d 条\n", "%d records\n", n))
				}
				return cmp.Or(err, perr)
			})
		},
	}
	cmd.Flags().StringArrayVar(&where, "where", nil, c.say("字段=值，可多次", "field=value, may be repeated"))
	cmd.Flags().StringVar(&text, "text", "", c.say("含有这段文字", "containing this text"))
	cmd.Flags().StringVar(&village, "village", "", c.say("只看这个村", "of this village only"))
	return cmd
}

// village refuses a code that is neither one of the laptop's villages nor one of
// which it still holds records.
func (a *agent) village(code record.Village) error {
	if code == "" {
		return nil
	}
	st, err := a.store.Status()
	if err != nil || slices.ContainsFunc(st.Villages, func(v store.VillageStatus) bool { return v.Code == code }) {
		return err
	}
	d, err := a.store.Device()
	switch {
	case err != nil:
		return err
	case !d.Enrolled():
		return store.ErrNotEnrolled
	}
	_, err = d.Village(code)
	return err
}

// title is what a record is called in a list.
func title(f *form.Form, v merge.View, lang form.Lang) string {
	var parts []string
	for _, name := range f.Titles {
		if fd := f.Field(name); fd != nil && v.Fields[name] != "" {
			parts = append(parts, fd.Show(v.Fields[name], lang))
		}
	}
	return strings.Join(parts, " ")
}

// filter reads the conditions of list.
func (c *call) filter(a *agent, f *form.Form, where []string, text string) (func(store.Record) bool, error) {
	type condition struct {
		name  string
		value record.Value
		many  bool
	}
	var conditions []condition
	for _, w := range where {
		name, value, _ := strings.Cut(w, "=")
		fd, err := inbox.Field(f, name)
		if err != nil {
			return nil, err
		}
		v, err := fd.CanonText(value)
		if fd.Kind == form.Calculate && value != "" {
			if v, err = record.Number(value); err != nil {
				err = c.fail(c.say("%s：“%s”不是数字", "%s: %q is not a number", name, value))
			}
		}
		if err != nil {
			return nil, err
		}
		conditions = append(conditions, condition{name, v, fd.Many()})
	}
	return func(r store.Record) bool {
		for _, w := range conditions {
			has := r.View.Fields[w.name]
			switch {
			case w.value.IsNull():
				if has != "" && !has.IsNull() {
					return false
				}
			case w.many:
				for _, code := range w.value.Texts() {
					if !slices.Contains(has.Texts(), code) {
						return false
					}
				}
			case has != w.value:
				return false
			}
		}
		if text == "" {
			return true
		}
		for name, v := range r.View.Fields {
			if fd := f.Field(name); fd != nil && !fd.Masked && strings.Contains(fd.Show(v, c.lang), text) {
				return true
			}
		}
		return false
	}, nil
}

func (c *call) syncCmd() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "sync [--wait 60s]",
		Short: c.say("现在同步一次", "Sync once, now"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				ctx, cancel := context.WithTimeout(cmd.Context(), wait)
				defer cancel()
				stop := c.follow(ctx, a.sync)
				r, err := a.sync.Once(ctx)
				stop()
				if c.json {
					if perr := c.print(r); perr != nil {
						return perr
					}
				} else if !errors.Is(err, store.ErrNotEnrolled) {
					c.write(c.say("送出 %d，收到 %d；上行 %d 字节，下行 %d 字节，往返 %d 次；还有 %d 条未送达\n",
						"%d sent, %d received; %d bytes up, %d bytes down, %d round trips; %d still pending\n", r.Pushed, r.Pulled, r.BytesUp, r.BytesDown, r.RoundTrips, r.Pending))
				}
				for i := range r.Unread {
					fmt.Fprintln(c.err, r.Unread[i].Sentence(a.forms, c.lang))
				}
				if err != nil {
					return c.ended(ctx, r, err)
				}
				if n := r.Blobs - len(r.Unread); n > 0 && !c.json {
					c.write(c.say("还有 %d 张照片或文件没有送达\n", "%d photos or files are not delivered yet\n", n))
				}
				if r.Originals > 0 && !c.json {
					c.write(c.say("还有 %d 张原图没有送到，排在最后传\n", "%d originals of photos are not delivered yet; they go last\n", r.Originals))
				}
				if r.Pending > 0 || r.Blobs > 0 {
					return errFailed
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 60*time.Second, c.say("最多等多久", "how long to try"))
	return cmd
}

// ended gives why a sync did not come to its end. One that ran out of time half
// way has done well: it says how far it came.
func (c *call) ended(ctx context.Context, r syncclient.Report, err error) error {
	if ctx.Err() == nil || r.Pushed+r.Pulled == 0 || failed(err) {
		return err
	}
	return c.fail(c.say("时间到了，还没有做完：已送达 %d，收到 %d，还有 %d 条未送达。内容都在本机，下次同步接着送",
		"Time is up before all was done: %d delivered, %d received, %d still pending. Everything is kept here, and the next sync goes on from there", r.Pushed, r.Pulled, r.Pending))
}

func (c *call) conflictsCmd() *cobra.Command {
	var proposals bool
	cmd := &cobra.Command{
		Use:   "conflicts [--proposals]",
		Short: c.say("列出待决定的不一致", "List the conflicts that wait to be decided"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reads(cmd.Context(), func(a *agent) error {
				d, err := a.store.Device()
				if err != nil {
					return err
				}
				n, hidden := 0, 0
				var perr error
				err = a.store.Reviews(func(r store.Record) bool {
					f := a.forms.Form(r.Key.Type)
					if f == nil {
						return true
					}
					for _, item := range waiting(f, r, d, c.lang) {
						if item.Kind == "proposal" && !proposals {
							hidden++
							continue
						}
						n++
						if c.json {
							if perr = c.print(item); perr != nil {
								return false
							}
							continue
						}
						kind := c.say("不一致", "conflict")
						if item.Kind == "proposal" {
							kind = c.say("建议", "proposal")
						}
						c.printf("%s %s · %s %s · %s (%s)\n", item.Record, item.Path, f.Title.In(c.lang), item.Title, c.label(f, item.Path), kind)
						if q := item.Question; q != nil {
							c.printf("    %s\n", c.asked(q))
						}
						c.claims(f, item.Path, item.Values, r.View.Reason)
					}
					return true
				})
				if !c.json && err == nil {
					c.write(c.say("共 %d 处待决定\n", "%d to decide\n", n))
					if hidden > 0 {
						c.write(c.say("另有 %d 处建议，用 conflicts --proposals 查看\n", "%d more are proposals; conflicts --proposals lists them\n", hidden))
					}
				}
				return cmp.Or(err, perr)
			})
		},
	}
	cmd.Flags().BoolVar(&proposals, "proposals", false, c.say("连同待决定的建议", "with the proposals that wait"))
	return cmd
}

// waiting gives the registers of a record that wait for a person.
func waiting(f *form.Form, r store.Record, d store.Device, lang form.Lang) []merge.Waiting {
	j := r.View.JSON(r.Key, r.Way, nil)
	var items []merge.Waiting
	for kind, m := range map[string]map[record.Path][]merge.Claim{"conflict": j.Conflicts, "proposal": j.Proposals} {
		for _, p := range sortedPaths(m) {
			may := false
			for _, profile := range d.Assigned.Profiles {
				w := merge.Writer{Author: profile, Role: d.Assigned.Role}
				may = may || merge.Permit(f, f.Type, r.State, w, []record.Write{{Path: p}}) == nil
			}
			items = append(items, merge.Waiting{
				Village: r.Key.Village, Type: r.Key.Type, ID: r.Key.ID.String(), Record: r.Key.ID.String(), Path: p, Kind: kind,
				Title: title(f, r.View, lang), Value: j.Fields[string(p)], Values: m[p], MayDecide: may,
			})
			if q := j.Questions[p]; q != nil && q.State == merge.Asked {
				items[len(items)-1].Question = q
			}
		}
	}
	slices.SortFunc(items, func(a, b merge.Waiting) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Path, b.Path)) })
	return items
}

func (c *call) verifyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: c.say("检查数据文件、本机的记录链和照片等文件", "Check the data file, this laptop's chains, and its photos and other files"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.inspects = true
			err := c.with(cmd.Context(), false, func(a *agent) error {
				rep, err := a.store.Verify(c.live == nil && c.inspector)
				if err != nil {
					return err
				}
				broken, files, err := a.store.CheckBlobs(cmd.Context(), false)
				if errors.Is(err, store.ErrDamaged) { // what is known of files cannot be read
					rep.Faults = append(rep.Faults, err.Error())
				} else if err != nil {
					return err
				}
				for i := range broken {
					if !broken[i].Preview {
						files++
					}
					rep.Faults = append(rep.Faults, broken[i].Sentence(a.forms, c.lang))
				}
				if c.json {
					if err := c.print(map[string]any{"ok": len(rep.Faults) == 0, "records": rep.Records, "entries": rep.Entries, "files": files, "faults": rep.Faults}); err != nil {
						return err
					}
				} else {
					for _, f := range rep.Faults {
						c.printf("%s\n", f)
					}
					c.write(c.say("检查了 %d 条记录、%d 次修改，发现 %d 处问题\n", "checked %d records and %d changes: %d faults\n", rep.Records, rep.Entries, len(rep.Faults)))
					if files+len(broken) > 0 {
						c.write(c.say("检查了 %d 张照片或文件，%d 张丢失或损坏\n", "checked %d photos or files: %d are missing or damaged\n", files, len(broken)))
					}
				}
				if len(rep.Faults) == len(broken) && len(broken) > 0 {
					return errFailed // it is said what to do
				}
				if len(rep.Faults) > 0 {
					return c.fail(c.say("数据有损坏。请不要删除，联系办公室", "The data is damaged. Do not delete it; ask the office"))
				}
				return nil
			})
			if errors.Is(err, store.ErrDamaged) && c.json {
				return errors.Join(c.print(map[string]any{"ok": false, "records": 0, "entries": 0, "faults": []string{err.Error()}}), err)
			}
			return err
		},
	}
}
