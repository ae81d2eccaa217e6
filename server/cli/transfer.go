package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/record"
)

func (c *call) transferCommand() *cobra.Command {
	var to, reason, by string
	cmd := c.command("transfer HOUSEHOLD --to VILLAGE --reason R", "把一户连同人口、走访等全部资料迁到另一个村", "move a household with everything that is of it to another village", 1, 1,
		func(ctx context.Context, args []string) error {
			id, err := record.ParseID(args[0])
			if err != nil {
				return c.usage("“%s”不是记录编号", "%q is not a record's id", args[0])
			}
			if to == "" || strings.TrimSpace(reason) == "" {
				return c.usage("要用 --to 写明迁往哪个村，用 --reason 写明原因（两村的电脑都会看到）", "The village is needed, as --to, and the reason, as --reason (laptops of both villages get it)")
			}
			return c.with(ctx, func(s *server) error { return c.transfer(ctx, s, id, to, reason, by) })
		})
	f := cmd.Flags()
	f.StringVar(&to, "to", "", c.say("迁往哪个村（代码）；已迁过去的，把后来补报的也带过去", "the village's code; where it has moved already, what was written late goes after it"))
	f.StringVar(&reason, "reason", "", c.say("原因", "the reason"))
	f.StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	return cmd
}

type transferredJSON struct {
	ID      string              `json:"id"`
	From    record.Village      `json:"from"`
	To      record.Village      `json:"to"`
	Records int                 `json:"records"`
	Types   map[record.Type]int `json:"types"`
	Files   int                 `json:"files"`
}

func (c *call) transfer(ctx context.Context, s *server, id record.ID, code, reason, by string) error {
	w, err := c.writer(ctx, s, by, access.Transfer)
	if err != nil {
		return err
	}
	to, err := c.villages(ctx, s, []string{code})
	if err != nil {
		return err
	}
	rec, err := s.store.Find(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return c.fail("没有记录 %s；用 list household 查找", "There is no record %s; list household finds them", id)
	} else if err != nil {
		return err
	}
	t := review.Transfer{From: rec.Village, To: to[0], Record: id, Reason: reason, By: w}
	if t.From == t.To {
		if t.From, err = s.review.Behind(ctx, rec); err != nil {
			return err
		}
		if t.From == "" {
			return c.fail("%s 已经在 %s，没有落下的", "%s is of %s already, and nothing was left behind", id, code)
		}
	}
	done, err := s.review.Transfer(store.By(ctx, inName(by)), t)
	switch {
	case errors.Is(err, review.ErrLong):
		return c.fail("原因太长，最多 %d 个字", "The reason is too long; it has at most %d characters", store.MaxReason)
	case errors.Is(err, review.ErrVillage):
		return c.fail("没有登记村 %s；先用 village add", "Village %s is not entered; village add does that", code)
	case errors.Is(err, store.ErrNotFound):
		return c.fail("%s 在 %s 已没有可迁的", "Nothing of %s is left in %s to move", id, t.From)
	case err != nil:
		return err
	}
	if c.json {
		return c.print(transferredJSON{id.String(), t.From, t.To, done.Records, done.Types, done.Files})
	}
	c.tell("已从 %s 迁到 %s：%d 条记录，%d 个文件；两村的电脑下次同步时随之更新", "Moved from %s to %s: %d records, %d files; the laptops of both follow when they sync", t.From, t.To, done.Records, done.Files)
	return nil
}

// waitingIn gives the record where something waits under a path: one that has moved may
// have something of it left behind.
func (c *call) waitingIn(ctx context.Context, s *server, rec *store.Record, p record.Path) (*store.Record, error) {
	waits := func(r *store.Record) bool {
		return len(r.View.Conflicts[p.Standing()])+len(r.View.Proposals[p.Standing()]) > 0
	}
	if waits(rec) {
		return rec, nil
	}
	others, err := s.store.Elsewhere(ctx, rec.Village, rec.ID)
	if i := slices.IndexFunc(others, waits); err == nil && i >= 0 {
		return others[i], nil
	}
	return rec, err
}
