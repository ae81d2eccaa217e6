package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// officeFailed is an enrolment that the server could not complete.
var officeFailed = form.Label{
	Zh: "连上了服务器，但它出了故障（例如磁盘已满），还没有登记。请告诉办公室，稍后用同一个登记码再试",
	En: "The server was reached but failed, as with a full disk, and the laptop is not enrolled yet. Tell the office and try the same code again later",
}

func (c *call) enrolCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "enrol CODE",
		Short: c.say("用办公室给的登记码登记这台电脑", "Enrol this laptop with the office's code"),
		Args:  c.words(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.makes = true
			return c.with(cmd.Context(), false, func(a *agent) error {
				ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
				defer cancel()
				d, err := a.sync.Enrol(ctx, strings.Join(args, ""))
				if failed(err) {
					return c.fail(officeFailed.In(c.lang))
				}
				if err != nil {
					return err
				}
				a.sync.Now()
				var villages []string
				for _, v := range d.Assigned.Villages {
					villages = append(villages, string(v.Code))
				}
				if c.json {
					return c.print(map[string]any{"device": d.ID, "villages": villages, "role": d.Assigned.Role, "profiles": d.Assigned.Profiles})
				}
				c.write(c.say("已登记：%s，村 %s\n", "Enrolled: %s, village %s\n", d.Assigned.Profiles[0], strings.Join(villages, ", ")))
				return nil
			})
		},
	}
}

func (c *call) putCmd() *cobra.Command {
	var id, author, village string
	var first int
	cmd := &cobra.Command{
		Use:   "put TYPE [--id ID] [--author NAME] [FIELD=VALUE…]",
		Short: c.say("保存记录；不给字段则从标准输入读 JSON 行", "Save a record; without fields, JSON lines from standard input"),
		Args:  c.words(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t := record.Type(args[0])
			if len(args) == 1 && id != "" {
				return c.usage(c.say("--id 要和 字段=值 一起用；从标准输入读时，编号写在每行的 id 里", "--id goes with FIELD=VALUE; lines on standard input carry their own \"id\""))
			}
			if len(args) == 1 {
				return c.putLines(cmd.Context(), t, lineOptions{record.Village(village), author, first})
			}
			var rid record.ID
			if id != "" {
				var err error
				if rid, err = c.id(id); err != nil {
					return err
				}
			}
			if err := c.pairs("", args[1:]); err != nil {
				return err
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				edit, err := inbox.Pairs(a.forms, t, args[1:])
				if err != nil {
					return err
				}
				edit.ID, edit.Author, edit.Village, edit.Issues = rid, author, record.Village(village), true
				saved, err := a.store.Save(cmd.Context(), edit)
				if err != nil {
					return err
				}
				return c.print(map[string]string{"id": saved[0].Key.ID.String()})
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", c.say("记录编号；已有则修改，没有则新建", "the record's id; changed if it is here, made if not"))
	cmd.Flags().StringVar(&author, "author", "", c.say("填写人，默认是登记的人", "who writes; by default whom the laptop was enrolled for"))
	cmd.Flags().StringVar(&village, "village", "", c.say("村代码，只有一个村时可省", "the village's code; not needed where there is one"))
	cmd.Flags().IntVar(&first, firstLineFlag, 1, "")
	cmd.Flags().Lookup(firstLineFlag).Hidden = true
	return cmd
}

// pairs refuses words that are not NAME=VALUE; option is what gave them.
func (c *call) pairs(option string, words []string) error {
	for _, w := range words {
		if !strings.Contains(w, "=") {
			return c.usage(c.say("%s%q 应写成 字段=值", "%s%q should be FIELD=VALUE", option, w))
		}
	}
	return nil
}

// id reads a record's id.
func (c *call) id(s string) (record.ID, error) {
	id, err := record.ParseID(s)
	if err != nil {
		return id, c.usage(c.say("%q 不是记录编号（8-4-4-4-12 位十六进制）", "%q is not a record id (8-4-4-4-12 hexadecimal digits)", s))
	}
	return id, nil
}

func (c *call) importCmd() *cobra.Command {
	var t, author, village string
	var preview bool
	var flags tableFlags
	cmd := &cobra.Command{
		Use:   "import FILE.(xlsx|csv|jsonl) [--type TYPE] [--preview]",
		Short: c.say("导入文件：好的行收下，坏的行列出", "Import a file: good rows are taken, bad ones listed"),
		Args:  c.words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), false, func(a *agent) error {
				if t != "" {
					if _, err := inbox.Form(a.forms, record.Type(t)); err != nil {
						return err
					}
				}
				// Before it is opened: that would wait for ever on a pipe.
				info, err := os.Stat(c.path(args[0]))
				lines := strings.ToLower(filepath.Ext(args[0])) == ".jsonl"
				switch {
				case err != nil:
					return err
				case info.IsDir():
					return c.fail(c.say("%s 是文件夹，请逐个导入里面的文件", "%s is a folder; import the files in it one by one", args[0]))
				case !lines && !inbox.IsTable(args[0]):
					return c.fail(c.say("只能导入 Excel 表格（.xlsx、.csv）或 .jsonl 文件（每行一条记录），不能导入 %s。请另存后再试", "Only workbooks (.xlsx, .csv) and .jsonl files (one record a line) can be imported, not %s; save it as one and try again", args[0]))
				case !info.Mode().IsRegular():
					return c.fail(c.say("%s 不是普通文件，请换一个文件", "%s is not a regular file; choose another", args[0]))
				case lines && flags.given():
					return c.usage(c.say("--sheet、--map、--hidden 只用于 Excel 表格", "--sheet, --map and --hidden are for workbooks"))
				}
				f, err := os.Open(c.path(args[0]))
				if err != nil {
					return err
				}
				defer f.Close()
				if !lines {
					o := inbox.TableOptions{Village: record.Village(village), Author: author, Preview: preview}
					o.Type = record.Type(t)
					return c.importTable(cmd.Context(), a, f, info.Size(), o, flags)
				}
				rep, err := inbox.JSONL(cmd.Context(), a.store, a.forms, inbox.LineOptions{Type: record.Type(t), Village: record.Village(village), Author: author, Lang: c.lang, Preview: preview}, f)
				if c.json {
					if perr := c.print(rep); perr != nil {
						return perr
					}
				} else if err == nil || rep.Rows > 0 {
					if preview {
						c.write(c.say("预览，还没有收：", "A preview; nothing was taken. "))
					}
					c.write(rep.Words(c.lang))
				}
				switch {
				case err != nil && rep.New+rep.Changed > 0 && !preview:
					return c.rest(err)
				case err != nil:
					return err
				}
				if rep.NotTaken > 0 {
					return errFailed
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&t, "type", "", c.say("记录种类，行内没有写明或看不出时", "type of record, where the rows do not say or it cannot be told"))
	cmd.Flags().StringVar(&author, "author", "", c.say("填写人", "who writes"))
	cmd.Flags().StringVar(&village, "village", "", c.say("村代码，只有一个村或表里有村时可省", "the village's code; not needed where there is one, or the table says it"))
	cmd.Flags().BoolVar(&preview, "preview", false, c.say("只看结果，不收", "show what would come of it, take nothing"))
	cmd.Flags().StringVar(&flags.sheet, "sheet", "", c.say("工作表的名称", "the sheet's name"))
	cmd.Flags().StringArrayVar(&flags.columns, "map", nil, c.say(`"列名=字段"，不要的列写 "列名=-"；可写多次，会记住`, `"HEADING=FIELD", or "HEADING=-" to leave it out; may come again, and is remembered`))
	cmd.Flags().BoolVar(&flags.hidden, "hidden", false, c.say("隐藏的行和列也收", "take hidden rows and columns too"))
	return cmd
}

func (c *call) resolveCmd() *cobra.Command {
	var take, value, author, words string
	cmd := &cobra.Command{
		Use:   "resolve RECORD PATH (--take DOT | --value V) [--words W]",
		Short: c.say("决定一处不一致或建议；编号、路径见 conflicts", "Decide a conflict or a proposal; conflicts lists records and paths"),
		Args:  c.words(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			chose := cmd.Flags().Changed("value")
			if chose == (take != "") {
				return c.usage(c.say("请用 --take 选一个值，或用 --value 给一个值。用法：%s", "Choose with --take or give a value with --value. Usage: %s", cmd.UseLine()))
			}
			id, err := c.id(args[0])
			if err != nil {
				return err
			}
			var dot record.Dot
			if take != "" {
				if dot, err = record.ParseDot(take); err != nil {
					return c.usage(c.say("--take %q 不是一个值的编号，编号见 conflicts", "--take %q does not name a value; conflicts prints the names", take))
				}
			}
			return c.with(cmd.Context(), false, func(a *agent) error {
				r, err := a.store.Get("", id)
				if errors.Is(err, store.ErrNotFound) {
					return c.fail(c.say("没有找到记录 %s。用 conflicts 查看待决定的，或先同步一次", "There is no record %s; conflicts lists what waits, or sync first", id))
				}
				if err != nil {
					return err
				}
				path := record.Path(args[1]).Standing()
				if q := r.View.Questions[path]; words != "" && (q == nil || q.State != merge.Asked) {
					return c.fail(c.say("这一处办公室没有问，--words 没有地方写；去掉它再试", "The office has not asked about this, so --words has no place; leave it out"))
				}
				f, err := inbox.Form(a.forms, r.Key.Type)
				if err != nil {
					return err
				}
				fd := f.PathField(path)
				if fd == nil && path != record.Life {
					name, _ := path.Field()
					if _, err := inbox.Field(f, name); err != nil {
						return err
					}
					return c.fail(c.say("%s 没有 %q，待决定的见 conflicts", "%s has no %q; conflicts lists what waits", r.Key.Type, path))
				}
				v := record.Text(value)
				switch {
				case take != "":
				case fd == nil && !utf8.ValidString(value):
					return c.fail(c.say("_life：文字编码不是 UTF-8，请另存为 UTF-8", "_life: the text is not UTF-8; save it as UTF-8"))
				case fd != nil:
					if v, err = fd.CanonText(value); err != nil {
						return err
					}
				}
				if _, err := a.store.Decide(cmd.Context(), store.Decision{Record: id, Path: path, Take: dot, Value: v, Author: author, Words: words}); err != nil {
					return err
				}
				if c.json {
					return c.print(map[string]any{"id": id.String(), "path": path, "resolved": true})
				}
				c.write(c.say("已决定。\n", "Decided.\n"))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&take, "take", "", c.say("取这个值（编号）", "take this value (its dot)"))
	cmd.Flags().StringVar(&value, "value", "", c.say("改成这个值", "set this value"))
	cmd.Flags().StringVar(&author, "author", "", c.say("谁决定", "who decides"))
	cmd.Flags().StringVar(&words, "words", "", c.say("办公室问过的，附一句话答复", "where the office has asked, a word to go with the answer"))
	return cmd
}
