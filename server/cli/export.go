package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"zhucun/server/access"
	"zhucun/server/export"
	"zhucun/server/store"
)

type exportOptions struct {
	format, out, reason, by string
	villages, where         []string
	unmask                  bool
}

func (c *call) exportCommand() *cobra.Command {
	var o exportOptions
	cmd := c.command("export TYPE --format jsonl|csv --out FILE [--village CODE] [--where FIELD=VALUE]… [--unmask --reason R]",
		"导出一种记录，供分析使用", "write the records of a type into a file", 1, 1, func(ctx context.Context, args []string) error {
			return c.export(ctx, args[0], &o)
		})
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "", c.say("格式：", "format: ")+export.Names(c.say("、", ", ")))
	f.StringVar(&o.out, "out", "", c.say("输出文件，- 为标准输出", "the file, - for standard output"))
	f.StringSliceVar(&o.villages, "village", nil, c.say("只看这个村", "only this village"))
	f.StringArrayVar(&o.where, "where", nil, c.say("条件，可写多个", "a condition; may be repeated"))
	f.BoolVar(&o.unmask, "unmask", false, c.say("证件号、银行账号等写全，要写明 --reason，并留下记录", "write ID and bank numbers in full; needs --reason and is noted in the audit"))
	f.StringVar(&o.reason, "reason", "", c.say("写全的理由", "the reason for --unmask"))
	f.StringVar(&o.by, "by", firstLogin, c.say("以哪个账号的名义", "in the name of which account"))
	return cmd
}

func (c *call) export(ctx context.Context, typ string, o *exportOptions) error {
	if o.format == "" || o.out == "" {
		return c.usage("需要 --format 和 --out，例如 export household --format csv --out 户.csv", "--format and --out are needed, as in export household --format csv --out households.csv")
	}
	format, err := export.ParseFormat(o.format)
	if err != nil {
		return c.usage("不能导出“%s”格式；现在有 %s", "There is no format %q; there are %s", o.format, export.Names(c.say("、", ", ")))
	}
	if o.unmask != (strings.TrimSpace(o.reason) != "") {
		return c.usage("--unmask 要同时用 --reason 写明理由", "--unmask and --reason go together")
	}
	return c.with(ctx, func(s *server) error {
		q, f, err := c.query(ctx, s, typ, o.villages, o.where)
		if err != nil {
			return err
		}
		order := export.Order{Format: format, Lang: c.lang, Query: q}
		if o.unmask {
			w, err := c.writer(ctx, s, o.by, access.Unmask)
			if err != nil {
				return err
			}
			order.Unmask = &export.Unmask{Who: inName(w.Author), Reason: o.reason}
		}
		var bad *store.ConditionError
		n := 0
		write := func(w io.Writer) (err error) {
			n, err = export.New(s.store, s.access).Write(ctx, w, order)
			return err
		}
		if o.out == "-" {
			err = write(c.out)
		} else {
			err = export.File(o.out, write)
		}
		switch {
		case errors.As(err, &bad):
			return c.condition(err)
		case err != nil || o.out == "-":
			return err
		case c.json:
			return c.print(map[string]any{"type": typ, "format": format, "out": o.out, "records": n})
		}
		c.tell("已导出%s %d 条到 %s", "%s: %d records in %s", f.Title.In(c.lang), n, o.out)
		return nil
	})
}
