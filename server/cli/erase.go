package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/record"
)

func (c *call) eraseCommand() *cobra.Command {
	var reason, by string
	cmd := c.command("erase TYPE ID --reason R [--by ADMIN]", "依法擦除一条记录的内容，各处都删，不能恢复", "erase a record's content by law, everywhere and for good", 2, 2,
		func(ctx context.Context, args []string) error {
			id, err := record.ParseID(args[1])
			if err != nil {
				return c.usage("“%s”不是记录编号", "%q is not a record's id", args[1])
			}
			if strings.TrimSpace(reason) == "" {
				return c.usage("要用 --reason 写明依据（会送到各台电脑，不要写姓名）", "The grounds are needed, as --reason (every laptop gets them: name nobody)")
			}
			return c.with(ctx, func(s *server) error { return c.erase(ctx, s, record.Type(args[0]), id, reason, by) })
		})
	cmd.Flags().StringVar(&reason, "reason", "", c.say("依据，会留下记录并送到各台电脑，不要写姓名", "the grounds; noted in the audit and sent to every laptop, so name nobody"))
	cmd.Flags().StringVar(&by, "by", firstLogin, c.say("以哪个管理员账号的名义", "in the name of which administrator's account"))
	return cmd
}

type erasedJSON struct {
	ID       string           `json:"id"`
	Type     record.Type      `json:"type"`
	Villages []record.Village `json:"villages"`
	Changes  int              `json:"changes"`
	Segments int              `json:"segments"`
	SetAside int              `json:"set_aside"` // segments that were set aside, in which it is erased
	Views    int              `json:"views"`     // saved lists that looked for it, and were dropped
	Unread   int              `json:"unread"`    // damaged ones, of which nobody can tell
	Forgot   bool             `json:"forgotten"` // the database's files have nothing of it any more
	Joined   []string         `json:"joined"`    // records in which what it said may stand as well
}

func (c *call) erase(ctx context.Context, s *server, typ record.Type, id record.ID, reason, by string) error {
	w, err := c.writer(ctx, s, by, access.Erase)
	if err != nil {
		return err
	}
	ctx = store.By(ctx, inName(by))
	e, err := s.review.Erase(ctx, typ, id, reason, w)
	if errors.Is(err, store.ErrNotFound) {
		return c.fail("没有 %s %s；请核对表名和编号", "There is no %s %s; check type and id", typ, id)
	} else if err != nil {
		return err
	}
	j := erasedJSON{id.String(), typ, append([]record.Village{}, e.Villages...), e.Changes, e.Segments, e.SetAside, e.Views, e.Unread, e.Forgotten, []string{}}
	for _, id := range e.Joined {
		j.Joined = append(j.Joined, id.String())
	}
	if c.json {
		return c.print(j)
	}
	if len(j.Villages) == 0 {
		c.tell("这条记录以前已经擦除", "The record was erased before")
	} else {
		c.tell("已擦除 %d 次修改的内容；各台电脑下次同步时随之擦除", "Erased what %d changes said; the laptops follow when they sync", j.Changes)
		c.tell("以前的备份和导出的文件里还有，请另行销毁", "Older backups and exported files still have it; destroy those as well")
	}
	if j.SetAside > 0 {
		c.tell("从搁置的 %d 段上传里也擦去了", "Erased it from %d uploads that had been set aside as well", j.SetAside)
	}
	if j.Views > 0 {
		c.tell("有 %d 个存下的列表是按它的姓名或号码查的，也删去了", "Removed %d saved lists that looked for it by name or number", j.Views)
	}
	if j.Unread > 0 {
		c.tell("另有 %d 段搁置的上传已损坏，看不出里面有没有", "%d other uploads that were set aside are damaged; whether it is in them nobody can tell", j.Unread)
	}
	for _, id := range j.Joined {
		c.tell("它曾与 %s 合并为一条，那里可能也有它的文字；请看一看，该擦除的也要擦除", "It was joined with %s, where its text may stand as well: look at that, and erase it too if it must go", id)
	}
	if !j.Forgot {
		c.tell("正有人读取，数据库的日志文件稍后由运行中的服务器清除；没有运行时请再运行一次本命令", "Somebody is reading: the running server clears the database's log file later; where none runs, run this once more")
	}
	return nil
}
