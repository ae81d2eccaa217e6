package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"zhucun/agent/inbox"
	"zhucun/agent/table"
)

// tableFlags are the options of import that only tables have.
type tableFlags struct {
	sheet   string
	columns []string
	hidden  bool
}

// given tells that one of them was.
func (f *tableFlags) given() bool { return f.sheet != "" || len(f.columns) > 0 || f.hidden }

// importTable takes a workbook or a .csv, or shows what would come of it.
func (c *call) importTable(ctx context.Context, a *agent, f *os.File, size int64, o inbox.TableOptions, flags tableFlags) error {
	o.Sheet, o.Hidden, o.File, o.Lang, o.Map = flags.sheet, flags.hidden, f.Name(), c.lang, map[string]string{}
	for _, pair := range flags.columns {
		// A heading may have the sign in it, a field has none.
		i := strings.LastIndexByte(pair, '=')
		if i < 0 {
			return c.usage(c.say(`--map %q 应写成 "列名=字段"，不要的写 "列名=-"`, `--map %q should be "HEADING=FIELD", or "HEADING=-" to leave it out`, pair))
		}
		o.Map[pair[:i]] = pair[i+1:]
	}
	var told *inbox.ToldFile
	if !o.Preview {
		var err error
		if told, err = inbox.NewToldFile(filepath.Dir(f.Name()), c.lang); err != nil {
			told = nil
			fmt.Fprintln(c.err, c.say("文件旁边不能写入，没有逐行的报告", "Nothing can be written beside the file; there is no report of its rows"))
		} else {
			defer told.Drop()
			o.Told = told.Told
		}
	}
	rep, err := inbox.Table(ctx, a.store, a.forms, f, size, o)
	if told != nil && rep.Form != nil && !errors.Is(err, inbox.ErrColumns) {
		name, terr := told.Keep(f.Name())
		if terr != nil {
			fmt.Fprintln(c.err, c.say("逐行的报告没有写成（%s）", "The report of the rows could not be written (%s)", terr))
		}
		rep.File = name
	}
	open := errors.Is(err, inbox.ErrColumns)
	if c.json && rep.Form != nil {
		if perr := c.print(rep); perr != nil {
			return perr
		}
	} else if rep.Form != nil && (err == nil || open || rep.Rows > 0) {
		c.write(rep.Words(c.lang))
		if rep.File != "" {
			c.printf("%s\n", c.say("逐行的结果：%s", "Row by row: %s", rep.File))
		}
	}
	var noTable *table.Error
	switch {
	case open:
		return errFailed
	case errors.As(err, &noTable) && len(noTable.Sheets) > 0:
		return c.fail(noTable.Label.In(c.lang) + c.say("。用 --sheet 指明", ". Name it with --sheet"))
	case errors.As(err, &noTable) && noTable.Types:
		return c.fail(noTable.Label.In(c.lang) + c.say("：--type 种类", ": --type TYPE"))
	case err != nil && rep.New+rep.Changed > 0 && !o.Preview:
		return c.rest(err)
	case err != nil:
		return c.fail(inbox.Say(err, c.lang))
	case rep.NotTaken > 0 || rep.Preview && rep.Open > 0:
		return errFailed
	}
	return nil
}
