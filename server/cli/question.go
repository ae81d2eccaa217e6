package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"

	"github.com/spf13/cobra"
)

func (c *call) askCommand() *cobra.Command {
	var words, by string
	var withdraw bool
	cmd := c.command("ask RECORD PATH (--words W | --withdraw)", "把一处冲突或建议当作问题问工作队；答复就是决定", "send a conflict or proposal back to the team as a question; the answer is the decision", 2, 2, nil)
	f := cmd.Flags()
	f.StringVar(&words, "words", "", c.say("想问什么", "what to ask"))
	f.BoolVar(&withdraw, "withdraw", false, c.say("不问了；已有答复的，表示看过了", "take it back; where it is answered, note that it was seen"))
	f.StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if withdraw == (words != "") {
			return c.usage("要用 --words 写明想问什么，或用 --withdraw", "One of --words and --withdraw is needed")
		}
		return c.with(cmd.Context(), func(s *server) error {
			return c.ask(cmd.Context(), s, args[0], record.Path(args[1]).Standing(), words, by)
		})
	}
	return cmd
}

func (c *call) ask(ctx context.Context, s *server, id string, path record.Path, words, by string) error {
	rid, err := record.ParseID(id)
	if err != nil {
		return c.usage("“%s”不是记录编号", "%q is not a record's id", id)
	}
	a := review.Asking{Record: rid, Path: path, Words: words}
	if a.By, err = c.writer(ctx, s, by, access.Ask); err != nil {
		return err
	}
	rec, err := s.store.Find(ctx, rid)
	if errors.Is(err, store.ErrNotFound) {
		return c.fail("没有记录 %s；用 conflicts 查看待处理的", "There is no record %s; conflicts lists what waits", id)
	} else if err != nil {
		return err
	}
	if rec, err = c.waitingIn(ctx, s, rec, path); err != nil {
		return err
	}
	a.Village = rec.Village
	do := s.review.Ask
	if words == "" {
		do = s.review.Close
	}
	dot, err := do(store.By(ctx, inName(by)), a)
	switch {
	case errors.Is(err, merge.ErrWords):
		return c.usage("问题要有一到五百个字", "A question has 1 to 500 characters")
	case errors.Is(err, review.ErrNothing) && words == "":
		return c.fail("这一处没有问过，或者已经收起了；用 questions 查看问过的", "Nothing is asked there, or it was put away; questions lists what is")
	case errors.Is(err, review.ErrNothing):
		return c.fail("这一处没有待处理的冲突或建议；用 conflicts 查看待处理的", "Nothing waits there; conflicts lists what does")
	case err != nil:
		return err
	}
	devices, err := s.store.Devices(ctx)
	if err != nil {
		return err
	}
	names := s.review.Answerers(devices, rec, path)
	if names == nil {
		names = []string{}
	}
	if c.json {
		return c.print(map[string]any{"dot": dot.String(), "answerers": names})
	}
	switch {
	case words == "":
		c.tell("已收起，各台电脑下次同步时不再显示", "Put away; the laptops no longer show it once they sync")
	case len(names) == 0:
		c.tell("已问；但这个村现在没有哪台电脑上的人能定这一处", "Asked; but nobody at this village's laptops may decide it")
	default:
		c.tell("已问，各台电脑下次同步时收到；能答的有 %s", "Asked; the laptops get it when they sync; %s may answer", strings.Join(names, c.say("、", ", ")))
	}
	return nil
}

func (c *call) questionsCommand() *cobra.Command {
	var villages []string
	cmd := c.command("questions [--village CODE]", "列出问过工作队的，和他们的答复", "list what the team was asked, and what they answered", 0, 0, func(ctx context.Context, _ []string) error {
		return c.with(ctx, func(s *server) error {
			in, err := c.villages(ctx, s, villages)
			if err != nil {
				return err
			}
			return c.questions(ctx, s, in)
		})
	})
	cmd.Flags().StringSliceVar(&villages, "village", nil, c.say("只看这个村", "only this village"))
	return cmd
}

func (c *call) questions(ctx context.Context, s *server, villages []record.Village) error {
	items, err := s.review.List(ctx, c.lang, store.Question, villages...)
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
		fmt.Fprintf(c.out, "%s %s · %s · %s\n", it.ID, it.Path, it.Label, it.Field)
		c.asked(s, it)
	}
	if len(items) == 0 && !c.json {
		c.tell("没有问过的", "Nothing is being asked")
	}
	return nil
}

// asked says what was asked about something, and what came of it.
func (c *call) asked(s *server, it *review.Item) {
	q := it.Question
	if q == nil || !q.Open() {
		return
	}
	c.tell("  问：%s", "  asked: %s", q.Words)
	for _, a := range q.Answers {
		c.tell("  答：%s（%s，%s）%s", "  answered: %s (%s, %s) %s", s.review.Show(it.Type, it.Path, a.Value, c.lang), a.Author, c.time(a.At.Std()), a.Words)
	}
	if q.State == merge.Settled {
		c.tell("  没有回答，但已经定了", "  not answered, but decided meanwhile")
	}
}
