package xlsform

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"zhucun/shared/edition"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// The sheets of a workbook, and the files that they become.
const (
	survey     = "survey"
	choices    = "choices"
	settings   = "settings"
	exitLines  = "exit_lines"
	indicators = "indicators"
)

const (
	zh = "::中文 (zh)"
	en = "::English (en)"
)

// Draft is what a workbook would have published.
type Draft struct {
	// Type is the form that it has; empty where it has none.
	Type record.Type
	// Edition is what would be published, behind the one it was read over.
	Edition *edition.Edition
	// Differences are what would be otherwise; some may be refused (form.Differences).
	Differences []form.Difference
	// Rules tells of exit lines and indicators that would be otherwise.
	Rules bool
}

// Refused tells a draft that cannot be published.
func (d *Draft) Refused() bool {
	return slices.ContainsFunc(d.Differences, func(x form.Difference) bool { return x.Refused != form.Label{} })
}

// Empty tells a draft that changes nothing.
func (d *Draft) Empty() bool { return len(d.Differences) == 0 && !d.Rules }

// mistake is a *form.Mistake of a sheet.
func mistake(name string, row int, zh, en string, args ...any) error {
	return form.Mistaken(name, row, zh, en, args...)
}

// Read reads a workbook over what is published now. before are all editions that were
// published, for no field may come back as another kind. The error is a *sheet.Error or a
// *form.Mistake, whose File is the name of the sheet.
func Read(ctx context.Context, r io.ReaderAt, size int64, now *edition.Edition, before []*edition.Edition) (*Draft, error) {
	book, err := sheet.Open(r, size)
	if err != nil {
		return nil, err
	}
	old, _, err := now.Load()
	if err != nil {
		return nil, err
	}
	under, err := form.BuiltinTables().With(now.Forms)
	if err != nil {
		return nil, err
	}
	w := &workbook{under: under, old: old, forms: form.Tables{}, rules: figure.Tables{}, rows: map[string][]int{}}
	if err := w.read(ctx, book); err != nil {
		return nil, err
	}
	next, err := now.Next(w.forms, w.rules)
	if err == nil {
		_, _, err = next.Load()
	}
	if err != nil {
		return nil, w.place(err, under)
	}
	if next, err = w.countUp(now, next); err != nil {
		return nil, w.place(err, under)
	}
	d, err := Check(next, now, before)
	if err != nil {
		return nil, w.place(err, under)
	}
	d.Type = w.typ
	return d, nil
}

// Check gives the draft that an edition is over what is published now. before are all
// editions that were published: no field comes back as another kind.
func Check(next, now *edition.Edition, before []*edition.Edition) (*Draft, error) {
	old, oldRules, err := now.Load()
	if err != nil {
		return nil, err
	}
	forms, rules, err := next.Load()
	if err != nil {
		return nil, err
	}
	d := &Draft{Edition: next, Differences: form.Differences(old, forms, form.Builtin())}
	d.Rules = !slices.Equal(oldRules.Lines, rules.Lines) || !slices.Equal(oldRules.Indicators, rules.Indicators)
	for _, e := range before {
		was, _, err := e.Load()
		if err != nil {
			continue // of a later release
		}
		for _, x := range form.Differences(was, forms, form.Builtin()) {
			if x.Column != "type" || x.Field == "" {
				continue
			}
			if f := old.Form(x.Type); f != nil && f.Field(x.Field) != nil {
				continue // said above
			}
			if !slices.Contains(d.Differences, x) {
				d.Differences = append(d.Differences, x)
			}
		}
	}
	return d, nil
}

// workbook is what was read so far.
type workbook struct {
	typ   record.Type
	under form.Tables
	old   *form.Set
	forms form.Tables
	rules figure.Tables
	// rows has the workbook's row of each row of a sheet that was taken, behind the header.
	rows map[string][]int
}

// place puts a mistake where it stands in the workbook.
func (w *workbook) place(err error, under form.Tables) error {
	var m *form.Mistake
	if !errors.As(err, &m) {
		return err
	}
	name := strings.TrimSuffix(m.File, ".csv")
	at := m.Row - 2
	switch name {
	case string(w.typ):
		name = survey
	case choices:
		// Lists that are replaced stand behind all others.
		at -= kept(under[choices+".csv"], w.forms[choices+".csv"])
	case settings:
		at = 0
	}
	where := *m
	where.File = name
	if where.Row > 0 {
		where.Row = 0
		if rows := w.rows[name]; at >= 0 && at < len(rows) {
			where.Row = rows[at]
		}
	}
	return &where
}

// kept counts the rows of lists that another table does not have.
func kept(under, over []byte) int {
	lists := map[string]bool{}
	for _, r := range table(over) {
		lists[r[0]] = true
	}
	n := 0
	for _, r := range table(under) {
		if !lists[r[0]] {
			n++
		}
	}
	return n
}

// table gives the rows of a file behind its header, in which the first column is first.
func table(raw []byte) [][]string {
	all, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff")))).ReadAll()
	if err != nil || len(all) == 0 {
		return nil
	}
	return all[1:]
}

// countUp counts the versions up of the forms that would be otherwise than before, and only
// of those.
func (w *workbook) countUp(now, next *edition.Edition) (*edition.Edition, error) {
	forms, _, err := next.Load()
	if err != nil {
		return nil, err
	}
	lists := map[string]bool{}
	changed := map[record.Type]bool{}
	for _, d := range form.Differences(w.old, forms, form.Builtin()) {
		if d.Type != "" {
			changed[d.Type] = true
		} else {
			lists[d.List] = true
		}
	}
	full, err := form.BuiltinTables().With(next.Forms)
	if err != nil {
		return nil, err
	}
	all, err := csv.NewReader(bytes.NewReader(full[settings+".csv"])).ReadAll()
	if err != nil {
		return nil, err
	}
	version := slices.Index(all[0], "version")
	rows := [][]string{all[0]}
	for _, f := range forms.Forms() {
		uses := slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return lists[fd.List] })
		if !uses && !changed[f.Type] {
			continue
		}
		i := slices.IndexFunc(all, func(r []string) bool { return r[0] == string(f.Type) })
		n := uint64(1)
		if was := w.old.Form(f.Type); was != nil {
			n = was.Version + 1
		}
		all[i][version] = strconv.FormatUint(n, 10)
		rows = append(rows, all[i])
	}
	if len(rows) == 1 {
		return next, nil
	}
	last := *now
	e, err := last.Next(next.Forms, next.Rules)
	if err != nil {
		return nil, err
	}
	e.Forms, err = e.Forms.With(form.Tables{settings + ".csv": csvOf(rows)})
	return e, err
}

func csvOf(rows [][]string) []byte {
	var b bytes.Buffer
	_ = csv.NewWriter(&b).WriteAll(rows) // into memory
	return b.Bytes()
}
