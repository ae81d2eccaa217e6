package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"

	"github.com/spf13/cobra"
)

func (c *call) getCommand() *cobra.Command {
	history := false
	cmd := c.command("get TYPE ID [--history]", "显示一条记录", "show a record", 2, 2, func(ctx context.Context, args []string) error {
		return c.with(ctx, func(s *server) error { return c.get(ctx, s, args[0], args[1], history) })
	})
	cmd.Flags().BoolVar(&history, "history", false, c.say("连同全部修改历史", "with every change that was made to it"))
	return cmd
}

func (c *call) get(ctx context.Context, s *server, typ, text string, history bool) error {
	id, err := record.ParseID(text)
	if err != nil {
		return c.usage("“%s”不是记录编号（形如 0189a3f2-…，36个字符）", "%q is not a record's id (0189a3f2-…, 36 characters)", text)
	}
	rec, err := s.store.Get(ctx, record.Type(typ), id)
	if errors.Is(err, store.ErrNotFound) {
		if _, err := c.form(s, typ); err != nil {
			return err
		}
		return c.fail("没有 %s %s；可能还没有上传到服务器，或编号有误", "There is no %s %s; perhaps it has not come in yet, or the id is wrong", typ, text)
	} else if err != nil {
		return err
	}
	j, err := s.store.JSON(ctx, rec, c.lang)
	if err != nil {
		return err
	}
	var entries []store.Entry
	if history {
		if entries, err = s.store.History(ctx, rec.Village, rec.ID); err != nil {
			return err
		}
		for i := range entries {
			j.History = append(j.History, entries[i].Event())
		}
	}
	if c.json {
		return c.print(j)
	}
	return c.showRecord(ctx, s, rec, &j, entries)
}

// form gives the form of a type.
func (c *call) form(s *server, typ string) (*form.Form, error) {
	if f := s.store.Forms().Form(record.Type(typ)); f != nil {
		return f, nil
	}
	if near := s.store.Forms().Nearest(typ); near != "" {
		return nil, c.usage("没有“%s”这种记录，是不是 %s？", "There is no record type %q; did you mean %s?", typ, near)
	}
	var types []string
	for _, f := range s.store.Forms().Forms() {
		types = append(types, string(f.Type))
	}
	return nil, c.usage("没有“%s”这种记录；现在有 %s", "There is no record type %q; there are %s", typ, strings.Join(types, c.say("、", ", ")))
}

// showRecord writes a record for people: a line a field.
func (c *call) showRecord(ctx context.Context, s *server, rec *store.Record, j *merge.JSON, entries []store.Entry) error {
	label, err := s.review.Label(ctx, rec, c.lang)
	if err != nil {
		return err
	}
	title := string(rec.Type)
	f := s.store.Forms().Form(rec.Type)
	if f != nil {
		title = f.Title.In(c.lang)
	}
	c.tell("%s：%s", "%s: %s", title, label)
	var t table
	t.heads = []string{c.say("字段", "field"), c.say("内容", "value")}
	for _, name := range fieldOrder(f, rec.View.Fields) {
		note := ""
		if len(rec.View.Conflicts[record.Path(name)]) > 0 {
			note = c.say("  （有冲突，待处理）", "  (conflict, to be decided)")
		} else if len(rec.View.Proposals[record.Path(name)]) > 0 {
			note = c.say("  （有修改建议）", "  (proposal waiting)")
		}
		t.add(s.review.Field(rec.Type, record.Path(name), c.lang), s.review.Show(rec.Type, record.Path(name), rec.View.Fields[name], c.lang)+note)
	}
	if err := c.show(&t, "（没有内容）", "(nothing in it)"); err != nil {
		return err
	}
	for _, m := range j.Marks {
		text := m.Text
		if m.Code == "proposed" || m.Code == "dangling" {
			text = s.review.Field(rec.Type, m.Path, c.lang) + c.say("：", ": ") + text
		}
		c.tell("注意：%s", "Note: %s", text)
	}
	state := c.say("有效", "alive")
	if rec.View.Void {
		state = c.say("已作废：", "void: ") + rec.View.Reason
	}
	if rec.View.Left != "" {
		state = c.say("已迁往 "+string(rec.View.Left)+"：", "moved to "+string(rec.View.Left)+": ") + rec.View.Reason
	}
	c.tell("%s；村 %s；编号 %s；最近修改 %s", "%s; village %s; id %s; last change %s", state, rec.Village, rec.ID, c.time(rec.View.Updated.Std()))
	for _, e := range entries {
		line := []string{}
		for _, w := range e.Change.Body {
			line = append(line, s.review.Field(rec.Type, w.Path, c.lang)+"="+fit(s.review.Show(rec.Type, w.Path, w.Value, c.lang), 40))
		}
		fmt.Fprintf(c.out, "%s  %s  %s  %s\n", c.time(e.At.Std()), e.Change.Author, strings.Join(line, c.say("，", ", ")), e.Dot)
		if reason := e.Change.Reason(); reason != "" {
			c.tell("    理由：%s", "    reason: %s", reason)
		}
	}
	return nil
}

// fieldOrder gives the fields that have a value, in the order of the form, then
// those it does not know.
func fieldOrder(f *form.Form, fields map[string]record.Value) []string {
	var names []string
	if f != nil {
		for _, fd := range f.Fields {
			if _, there := fields[fd.Name]; there {
				names = append(names, fd.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (c *call) listCommand() *cobra.Command {
	var villages, where []string
	cmd := c.command("list TYPE [--village CODE] [--where FIELD=VALUE]…", "列出记录", "list records", 1, 1, func(ctx context.Context, args []string) error {
		return c.with(ctx, func(s *server) error {
			q, _, err := c.query(ctx, s, args[0], villages, where)
			if err != nil {
				return err
			}
			return c.list(ctx, s, q)
		})
	})
	cmd.Flags().StringSliceVar(&villages, "village", nil, c.say("只看这个村", "only this village"))
	cmd.Flags().StringArrayVar(&where, "where", nil, c.say("条件，可写多个", "a condition; may be repeated"))
	return cmd
}

// query reads which records are meant, and gives the form of their type.
func (c *call) query(ctx context.Context, s *server, typ string, villages, where []string) (q store.Query, f *form.Form, err error) {
	q.Type = record.Type(typ)
	if f, err = c.form(s, typ); err != nil {
		return q, nil, err
	}
	for _, w := range where {
		field, value, ok := strings.Cut(w, "=")
		if !ok || field == "" {
			return q, nil, c.usage("--where 应写成 字段=值，例如 poverty_status=new", "--where is FIELD=VALUE, as in poverty_status=new")
		}
		q.Where = append(q.Where, store.Condition{Field: field, Value: value})
	}
	q.Villages, err = c.villages(ctx, s, villages)
	return q, f, err
}

// villages reads the codes that --village was given; none means all. A village
// of which there is neither name nor record is a wrong usage: an empty answer
// would say that it has nothing.
func (c *call) villages(ctx context.Context, s *server, codes []string) ([]record.Village, error) {
	if len(codes) == 0 {
		return nil, nil
	}
	named, err := s.store.Villages(ctx)
	if err != nil {
		return nil, err
	}
	heads, err := s.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		if !slices.ContainsFunc(named, func(v store.Village) bool { return v.Code == h.Village }) {
			named = append(named, store.Village{Code: h.Village})
		}
	}
	var list []record.Village
	for _, code := range codes {
		code = strings.TrimSpace(code)
		if !slices.ContainsFunc(named, func(v store.Village) bool { return string(v.Code) == code }) {
			if near := nearest(code, named); near.Code != "" {
				return nil, c.usage("没有代码为“%s”的村，是不是 %s %s？", "There is no village %q; did you mean %s %s?", code, near.Code, near.Name)
			}
			return nil, c.usage("没有代码为“%s”的村；用 village list 查看", "There is no village %q; village list shows them", code)
		}
		list = append(list, record.Village(code))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// nearest gives the village that was perhaps meant: the one of that name, or
// whose code is the same but for two characters next to each other.
func nearest(code string, villages []store.Village) (best store.Village) {
	least := 3
	for _, v := range villages {
		if v.Name == code {
			return v
		}
		a, b := code, string(v.Code)
		for a != "" && b != "" && a[0] == b[0] {
			a, b = a[1:], b[1:]
		}
		for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
			a, b = a[:len(a)-1], b[:len(b)-1]
		}
		if n := max(len(a), len(b)); n < least && 3*n < len(v.Code) {
			best, least = v, n
		}
	}
	return best
}

func (c *call) list(ctx context.Context, s *server, q store.Query) error {
	t := table{heads: []string{c.say("编号", "id"), c.say("村", "village"), c.say("名称", "name"), c.say("最近修改", "last change"), ""}}
	for rec, err := range s.store.Records(ctx, q) {
		if err != nil {
			return c.condition(err)
		}
		if c.json {
			j, err := s.store.JSON(ctx, rec, c.lang)
			if err != nil {
				return err
			}
			if err := c.print(j); err != nil {
				return err
			}
			continue
		}
		label, err := s.review.Label(ctx, rec, c.lang)
		if err != nil {
			return err
		}
		note := ""
		switch {
		case rec.View.Void:
			note = c.say("已作废", "void")
		case len(rec.View.Conflicts) > 0:
			note = c.say("有冲突", "conflict")
		}
		t.add(rec.ID.String(), string(rec.Village), fit(label, 50), c.time(rec.View.Updated.Std()), note)
	}
	return c.show(&t, "没有这样的记录", "There are no such records")
}

// condition makes a condition that cannot be asked a wrong usage.
func (c *call) condition(err error) error {
	var bad *store.ConditionError
	if errors.As(err, &bad) {
		return &usageError{c.sentence(err)}
	}
	return err
}

func (c *call) conflictsCommand() *cobra.Command {
	var villages []string
	var proposals bool
	cmd := c.command("conflicts [--village CODE]", "列出待处理的冲突", "list the conflicts that wait", 0, 0, func(ctx context.Context, _ []string) error {
		kind := store.Conflict
		if proposals {
			kind = ""
		}
		return c.with(ctx, func(s *server) error {
			in, err := c.villages(ctx, s, villages)
			if err != nil {
				return err
			}
			return c.conflicts(ctx, s, kind, in)
		})
	})
	cmd.Flags().BoolVar(&proposals, "proposals", false, c.say("连同建议", "with the proposals"))
	cmd.Flags().StringSliceVar(&villages, "village", nil, c.say("只看这个村", "only this village"))
	return cmd
}

func (c *call) conflicts(ctx context.Context, s *server, kind store.Kind, villages []record.Village) error {
	items, err := s.review.List(ctx, c.lang, kind, villages...)
	if err != nil {
		return err
	}
	for i := range items {
		it := &items[i]
		if c.json {
			if err := c.print(it.Waiting()); err != nil {
				return err
			}
			continue
		}
		kind := c.say("冲突", "conflict")
		if it.Kind == store.Proposal {
			kind = c.say("建议", "proposal")
		}
		fmt.Fprintf(c.out, "%s %s · %s · %s (%s)\n", it.ID, it.Path, it.Label, it.Field, kind)
		c.asked(s, it)
		t := table{heads: []string{"  " + c.say("内容", "value"), c.say("填写人", "author"), c.say("时间", "time"), c.say("取用（--take）", "--take")}}
		for _, claim := range it.Claims {
			t.add("  "+fit(s.review.Show(it.Type, it.Path, claim.Value, c.lang), 40), claim.Author, c.time(claim.At.Std()), claim.Dot.String())
		}
		if err := c.show(&t, "", ""); err != nil {
			return err
		}
	}
	if len(items) == 0 && !c.json {
		c.tell("没有待处理的冲突", "Nothing waits")
	}
	return nil
}

func (c *call) resolveCommand() *cobra.Command {
	var take, value, reason, by string
	cmd := c.command("resolve RECORD PATH (--take DOT | --value V) --reason R", "处理一个冲突或建议", "decide on a conflict or proposal", 2, 2, nil)
	f := cmd.Flags()
	f.StringVar(&take, "take", "", c.say("取用这一个（conflicts 中列出）", "take this one (conflicts lists them)"))
	f.StringVar(&value, "value", "", c.say("或填写这个值，空为清空", "or this value; empty clears"))
	f.StringVar(&reason, "reason", "", c.say("理由", "the reason"))
	f.StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.Changed("take") == f.Changed("value") || reason == "" {
			return c.usage("要用 --take 或 --value 之一，并写明 --reason", "One of --take and --value is needed, and --reason")
		}
		return c.with(cmd.Context(), func(s *server) error {
			return c.resolve(cmd.Context(), s, args[0], args[1], take, value, reason, by)
		})
	}
	return cmd
}

func (c *call) resolve(ctx context.Context, s *server, id, path, take, value, reason, by string) error {
	rid, err := record.ParseID(id)
	if err != nil {
		return c.usage("“%s”不是记录编号", "%q is not a record's id", id)
	}
	d := review.Decision{Record: rid, Path: record.Path(path), Reason: reason}
	if take != "" {
		if d.Take, err = record.ParseDot(take); err != nil {
			return c.usage("“%s”不是 conflicts 列出的取用编号", "%q is none of the dots that conflicts lists", take)
		}
	}
	if d.By, err = c.writer(ctx, s, by, access.Decide); err != nil {
		return err
	}
	rec, err := s.store.Find(ctx, rid)
	if errors.Is(err, store.ErrNotFound) {
		return c.fail("没有记录 %s；用 conflicts 查看待处理的", "There is no record %s; conflicts lists what waits", id)
	} else if err != nil {
		return err
	}
	if rec, err = c.waitingIn(ctx, s, rec, d.Path); err != nil {
		return err
	}
	d.Village = rec.Village
	if take == "" {
		if d.Value, err = s.review.Parse(rec.Type, d.Path, value); err != nil {
			return err
		}
	}
	// What a policy put behind can be taken, and what has no value is nothing that
	// could wait; of the rest people are told what stands.
	p, view := d.Path.Standing(), &rec.View
	name, _ := p.Field()
	if value, stands := view.Fields[name]; stands && len(view.Conflicts[p])+len(view.Proposals[p]) == 0 && (take == "" || len(view.Others[p]) == 0) {
		return c.fail("“%s”没有待处理的冲突或建议，现在的值是“%s”；用 conflicts 查看待处理的，用 get --history 查看谁改过", "%q has no conflict or proposal to decide on; its value is %q. conflicts lists what waits, get --history who changed what",
			s.review.Field(rec.Type, p, c.lang), s.review.Show(rec.Type, record.Path(name), value, c.lang))
	}
	dot, err := s.review.Decide(store.By(ctx, inName(by)), d)
	if errors.Is(err, review.ErrLeft) {
		return c.fail("它已迁往 %[1]s，不能在两个村同时有效；用 transfer %[2]s --to %[1]s 把后来填的带过去，或用 --value void 不带", "It has moved to %[1]s and cannot live in two villages; transfer %[2]s --to %[1]s takes what was written late after it, --value void leaves it", rec.View.Left, id)
	} else if err != nil {
		return err
	}
	if c.json {
		return c.print(map[string]string{"dot": dot.String()})
	}
	c.tell("已处理，下次同步时送到各台电脑", "Decided; the laptops get it when they sync")
	return nil
}

// writer is in whose name something is done: an account that may.
func (c *call) writer(ctx context.Context, s *server, login string, to access.Action) (merge.Writer, error) {
	a, err := s.store.Account(ctx, login)
	if errors.Is(err, store.ErrNotFound) {
		return merge.Writer{}, c.fail("没有账号“%s”", "There is no account %q", login)
	} else if err != nil {
		return merge.Writer{}, err
	}
	if !access.May(a.Roles, to) {
		lacks := identity.Office
		if to == access.Erase {
			lacks = identity.Admin
		}
		return merge.Writer{}, c.fail("账号“%s”没有“%s”角色，不能这样做", "Account %q does not have the role %q and may not do this", login, s.store.Forms().RoleLabel(lacks).In(c.lang))
	}
	return merge.Writer{Author: login, Role: identity.Office}, nil
}

func (c *call) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "quarantine", Short: c.say("隔离区：列表、接受、驳回", "the quarantine: list, accept, reject")}
	var villages []string
	list := c.command("list [--village CODE]", "列出隔离的修改", "list the quarantined changes", 0, 0, func(ctx context.Context, _ []string) error {
		return c.with(ctx, func(s *server) error {
			in, err := c.villages(ctx, s, villages)
			if err != nil {
				return err
			}
			return c.listQuarantine(ctx, s, in)
		})
	})
	list.Flags().StringSliceVar(&villages, "village", nil, c.say("只看这个村", "only this village"))
	cmd.AddCommand(list,
		c.quarantineDecision("accept ID [--reason R]", "接受：照原作者和时间记入", "accept: record it with its author and time", false),
		c.quarantineDecision("reject ID --reason R", "驳回", "reject", true))
	return cmd
}

func (c *call) quarantineDecision(use, zh, en string, reject bool) *cobra.Command {
	var reason, by string
	cmd := c.command(use, zh, en, 1, 1, func(ctx context.Context, args []string) error {
		d, err := record.ParseDot(args[0])
		if err != nil {
			return c.usage("“%s”不是 quarantine list 列出的编号", "%q is none of the ids that quarantine list shows", args[0])
		}
		if reject && reason == "" {
			return c.usage("驳回要用 --reason 写明理由", "A rejection needs its --reason")
		}
		if n := utf8.RuneCountInString(reason); n > store.MaxReason {
			return c.usage("理由最多 %d 个字，现在有 %d 个；请写短一些", "A reason has up to %d characters, and this has %d; shorten it", store.MaxReason, n)
		}
		return c.with(ctx, func(s *server) error { return c.decideQuarantine(ctx, s, d, reason, by, reject) })
	})
	cmd.Flags().StringVar(&reason, "reason", "", c.say("理由", "the reason"))
	cmd.Flags().StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	return cmd
}

func (c *call) decideQuarantine(ctx context.Context, s *server, d record.Dot, reason, by string, reject bool) error {
	w, err := c.writer(ctx, s, by, access.Decide)
	if err != nil {
		return err
	}
	ctx = store.By(ctx, inName(by))
	out := map[string]string{"id": d.String(), "decision": store.Rejected}
	if reject {
		err = s.review.Reject(ctx, d, reason, w)
	} else {
		var issued record.Dot
		issued, err = s.review.Accept(ctx, d, reason, w)
		if out["decision"] = store.Accepted; !issued.IsZero() {
			out["dot"] = issued.String()
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c.fail("隔离区里没有 %s；用 quarantine list 查看", "There is no %s in quarantine; quarantine list shows what is", d)
	case errors.Is(err, store.ErrOtherType):
		return c.fail("编号相同的记录是另一种表，不能接受；请联系填写人另建一条", "The id belongs to a record of another type; ask the author to enter it anew")
	case errors.Is(err, store.ErrServers):
		return c.fail("这条说记录已擦除或已迁走，只有服务器能这么说，不能接受；请驳回", "It says that the record was erased or has moved, which only the server says; reject it")
	case errors.Is(err, review.ErrVillage):
		return c.fail("这个村还没有添加；先用 village add 添加再接受", "The village is not entered; add it with village add first")
	case err != nil:
		return err
	}
	if c.json {
		return c.print(out)
	}
	if reject {
		c.tell("已驳回", "Rejected")
	} else if out["dot"] == "" {
		c.tell("已接受；其中内容已被作者后来的修改取代", "Accepted; its author has replaced all of it since")
	} else {
		c.tell("已接受", "Accepted")
	}
	return nil
}

type quarantineJSON struct {
	ID       string                       `json:"id"`
	Village  record.Village               `json:"village"`
	Device   identity.Device              `json:"device"`
	Reason   string                       `json:"reason"`
	Detail   string                       `json:"detail"`
	Record   string                       `json:"record"`
	Type     record.Type                  `json:"type"`
	Author   string                       `json:"author"`
	At       string                       `json:"at"`
	Received string                       `json:"received_at"`
	Set      map[record.Path]record.Value `json:"set"`
}

func (c *call) listQuarantine(ctx context.Context, s *server, villages []record.Village) error {
	list, err := s.store.Quarantine(ctx, villages...)
	if err != nil {
		return err
	}
	if c.json {
		n := 0
		for e, err := range s.store.QuarantinedEntries(ctx, list) {
			if err != nil {
				return err
			}
			q := list[n]
			if err := c.print(quarantineJSON{q.Dot.String(), q.Village, q.Device, q.Reason, q.Detail, q.Record.String(), q.Type, q.Author, e.At.String(), q.Received.String(), e.Event().Set}); err != nil {
				return err
			}
			n++
		}
		return nil
	}
	t := table{heads: []string{c.say("编号", "id"), c.say("填写人", "author"), c.say("记录", "record"), c.say("原因", "reason"), c.say("收到", "received")}}
	for i := range list {
		q := &list[i]
		t.add(q.Dot.String(), q.Author, string(q.Type)+" "+q.Record.String(), s.review.Why(q, c.lang), c.time(q.Received.Std()))
	}
	return c.show(&t, "隔离区是空的", "The quarantine is empty")
}

func (c *call) verifyCommand() *cobra.Command {
	return c.command("verify", "核对：重放全部日志并与存储比较", "replay the whole log and compare it with what is stored", 0, 0, func(ctx context.Context, _ []string) error {
		return c.with(ctx, func(s *server) error {
			faults := []store.Fault{}
			sum, data, files, err := s.verify(ctx, func(f store.Fault) {
				if len(faults) < maxFaults {
					faults = append(faults, f)
				}
			})
			if err != nil {
				return err
			}
			if c.json {
				err = c.print(struct {
					store.Verified
					Files int           `json:"files"`
					List  []store.Fault `json:"list"`
				}{sum, files, faults})
			} else {
				for _, f := range faults {
					where := string(f.Village)
					if where == "" {
						where = c.say("审计", "audit")
					}
					fmt.Fprintf(c.out, "%s  %s\n", where, f.What.In(c.lang))
				}
				c.audited(&sum.Audit)
				c.tell("核对了 %d 个村、%d 条记录、%d 次修改（隔离 %d）、%d 个文件，发现 %d 处不符", "Checked %d villages, %d records, %d changes (%d quarantined), %d files: %d differences",
					sum.Villages, sum.Records, sum.Entries, sum.Quarantined, files, sum.Faults)
			}
			if err == nil && sum.Audit.Faults > 0 {
				err = c.fail("审计记录被改动过；请查清是谁能动数据文件，并从备份恢复", "The audit was tampered with; find out who can touch the data file, and restore a backup")
			} else if err == nil && data == 0 && sum.Faults > 0 {
				err = c.fail("有文件损坏或缺失；请在有原件的电脑上重新添加，或从备份里找回", "Files are damaged or missing; add them again on a laptop that has the originals, or find them in a backup")
			} else if err == nil && sum.Faults > 0 {
				err = c.fail("数据与日志不符；请停用服务器并从备份恢复", "The data is not what the log says; stop the server and restore a backup")
			}
			return err
		})
	})
}

// verify looks through all that a server keeps. data is how many of the faults are not of
// files.
func (s *server) verify(ctx context.Context, report func(store.Fault)) (sum store.Verified, data, files int, err error) {
	if sum, err = s.store.Verify(ctx, report); err != nil {
		return sum, 0, 0, err
	}
	if err := s.access.CheckAccounts(ctx, func(what form.Label) {
		sum.Faults++
		report(store.Fault{What: what})
	}); err != nil {
		return sum, 0, 0, err
	}
	data = sum.Faults
	files, err = s.store.VerifyBlobs(ctx, func(f store.Fault) {
		sum.Faults++
		report(f)
	})
	return sum, data, files, err
}

// audited says how the audit stands.
func (c *call) audited(a *store.AuditChain) {
	signed := c.say("还没有签名", "nothing is signed yet")
	if a.SignedOn != "" {
		signed = fmt.Sprintf(c.say("已签名到第 %d 条（%s）", "signed up to note %d (on %s)"), a.Signed, a.SignedOn)
	}
	if a.Faults > 0 {
		c.tell("审计 %d 条，有改动（%d 处不符），%s", "Audit: %d notes, tampered with (%d differences), %s", a.Notes, a.Faults, signed)
		return
	}
	c.tell("审计 %d 条，首尾相连，%s", "Audit: %d notes, the chain holds, %s", a.Notes, signed)
}

// maxFaults bounds what verify lists of data that is damaged all over; the
// count is whole.
const maxFaults = 200
