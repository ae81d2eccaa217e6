package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/server/xlsform"
	"zhucun/shared/edition"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

func (c *call) formCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "form", Short: c.say("查看、下载和发布表格、代码清单和标准", "see, download and publish forms, code lists and rules")}
	list := c.command("list", "现在的各张表和发布过的", "the forms that hold, and what was published", 0, 0,
		func(ctx context.Context, _ []string) error {
			return c.with(ctx, func(s *server) error { return c.forms(ctx, s) })
		})
	export := c.command("export TYPE|rules FILE.xlsx", "下载一张表（rules 为代码清单、脱贫线和退出指标）", "write a form as a workbook (rules: code lists, exit lines, indicators)", 2, 2,
		func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error { return c.exportForm(ctx, s, args[0], args[1]) })
		})
	var note, by string
	var preview bool
	publish := c.command("publish FILE.xlsx [--preview] [--note N] [--by LOGIN]", "发布改好的工作簿；--preview 只看改了什么", "publish an edited workbook; --preview only shows what would change", 1, 1,
		func(ctx context.Context, args []string) error {
			return c.with(ctx, func(s *server) error { return c.publish(ctx, s, args[0], note, by, preview) })
		})
	publish.Flags().StringVar(&note, "note", "", c.say("改了什么、为什么，写进审计", "what was changed and why, for the audit"))
	publish.Flags().StringVar(&by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	publish.Flags().BoolVar(&preview, "preview", false, c.say("只看，不发布", "look, and publish nothing"))
	cmd.AddCommand(list, export, publish)
	return cmd
}

type formJSON struct {
	Type    record.Type `json:"type"`
	Title   string      `json:"title"`
	Version uint64      `json:"version"`
	Fields  int         `json:"fields"`
}

func (c *call) forms(ctx context.Context, s *server) error {
	for _, f := range s.store.Forms().Forms() {
		if c.json {
			if err := c.print(formJSON{f.Type, f.Title.In(c.lang), f.Version, len(f.Fields)}); err != nil {
				return err
			}
			continue
		}
		c.tell("%-18s 第 %d 版  %d 个字段  %s", "%-18s version %d  %d fields  %s", string(f.Type), f.Version, len(f.Fields), f.Title.In(c.lang))
	}
	if c.json {
		return nil
	}
	list, err := s.store.Editions(ctx)
	for _, e := range list {
		c.tell("第 %d 次发布  %s  %s  %s", "edition %d  %s  %s  %s", e.Number, e.At.UTC().Format("2006-01-02 15:04"), e.By, e.Note)
	}
	return err
}

// exportForm writes over no file.
func (c *call) exportForm(ctx context.Context, s *server, what, file string) (err error) {
	e, err := s.store.Edition(ctx)
	if err != nil {
		return err
	}
	if what != "rules" && s.store.Forms().Form(record.Type(what)) == nil {
		return c.fail("没有表 %s；form list 列出所有的表", "There is no form %s; form list has them all", what)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return c.fail("%s 已经有了；请换一个名字", "%s is there already; choose another name", file)
	} else if err != nil {
		return err
	}
	if what == "rules" {
		err = xlsform.WriteRules(f, e)
	} else {
		_, err = xlsform.WriteForm(f, e, record.Type(what))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

type publishedJSON struct {
	Edition uint64       `json:"edition"`
	Changes []changeJSON `json:"changes"`
	Rules   bool         `json:"rules"`
	Refused bool         `json:"refused"`
	Done    bool         `json:"published"`
}

type changeJSON struct {
	Type   record.Type `json:"type,omitempty"`
	Field  string      `json:"field,omitempty"`
	List   string      `json:"list,omitempty"`
	Code   string      `json:"code,omitempty"`
	Column string      `json:"column,omitempty"`
	Before string      `json:"before"`
	After  string      `json:"after"`
	Why    string      `json:"refused,omitempty"`
}

func (c *call) publish(ctx context.Context, s *server, file, note, by string, preview bool) error {
	if !preview {
		if _, err := c.writer(ctx, s, by, access.Publish); err != nil {
			return err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return c.fail("打不开 %s：%v", "%s cannot be opened: %v", file, err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	now, err := s.store.Edition(ctx)
	if err != nil {
		return err
	}
	list, err := s.store.Editions(ctx)
	if err != nil {
		return err
	}
	var before []*edition.Edition
	for _, e := range list {
		was, err := s.store.EditionOf(ctx, e.Number)
		if err != nil {
			return err
		}
		before = append(before, was)
	}
	d, err := xlsform.Read(ctx, f, size, now, before)
	var m *form.Mistake
	var bad *sheet.Error
	switch {
	case errors.As(err, &m) && m.Row > 0:
		return c.fail("%[1]s 表第 %[2]d 行：%[3]s。没有发布；改好再试", "sheet %[1]s, row %[2]d: %[3]s. Nothing was published; mend it and try again", m.File, m.Row, m.What.In(c.lang))
	case errors.As(err, &m):
		return c.fail("%[1]s 表：%[2]s。没有发布；改好再试", "sheet %[1]s: %[2]s. Nothing was published; mend it and try again", m.File, m.What.In(c.lang))
	case errors.As(err, &bad):
		return c.fail("%s", "%s", bad.Label.In(c.lang))
	case err != nil:
		return err
	}
	if d.Empty() {
		return c.fail("这个工作簿和现在的一样，没有要发布的", "The workbook is as things stand; there is nothing to publish")
	}
	j := publishedJSON{Edition: d.Edition.Number, Changes: []changeJSON{}, Rules: d.Rules, Refused: d.Refused()}
	for _, x := range d.Differences {
		j.Changes = append(j.Changes, changeJSON{x.Type, x.Field, x.List, x.Code, x.Column, x.Before, x.After, x.Refused.In(c.lang)})
	}
	if !j.Refused && !preview {
		switch err := s.store.Publish(ctx, d.Edition, inName(by), strings.TrimSpace(note)); {
		case errors.Is(err, store.ErrPublished):
			return c.fail("有人刚刚发布了新的一版；请下载现在的，重新改过再发布", "Somebody has just published another edition; download what holds now, change that and publish it")
		case err != nil:
			return err
		}
		j.Done = true
	}
	if c.json {
		if err := c.print(j); err != nil {
			return err
		}
	} else {
		for _, x := range j.Changes {
			where := strings.Trim(string(x.Type)+" "+x.Field+x.List+" "+x.Code, " ")
			c.tell("%s %s：%s → %s", "%s %s: %s → %s", where, x.Column, x.Before, x.After)
			if x.Why != "" {
				c.tell("  不能这样改：%s", "  this cannot be: %s", x.Why)
			}
		}
		if j.Rules {
			c.tell("脱贫线或退出指标有改动，报表将重算", "exit lines or indicators change: figures are worked out anew")
		}
	}
	switch {
	case j.Refused:
		return c.fail("没有发布：有不能改的地方，请改好再试", "Nothing was published: some of it cannot be; mend it and try again")
	case j.Done && !c.json:
		c.tell("已发布第 %d 版；各台电脑下次同步时收到", "Published edition %d; laptops take it with their next sync", j.Edition)
	}
	return nil
}
