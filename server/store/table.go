package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// table is the typed projection of one form: a row a record, a column a field.
// A row is a function of the record's state alone, so that Verify can compare
// and a new release of the form can fill its columns from what is there. The
// rules that ask for today's date are told that of the record's last change.
type table struct {
	form   *form.Form
	name   string
	fields []*form.Field
	// calculates tells a form with calculated fields.
	calculates bool
	upsert     string
	read       string
}

// The columns before those of the fields.
var ownColumns = []string{"village_id", "record_id", "life", "author", "created_at", "updated_at", "marks"}

func newTable(f *form.Form) *table {
	p := &table{form: f, name: "form_" + string(f.Type), fields: f.Fields}
	columns := slices.Clone(ownColumns)
	for _, fd := range f.Fields {
		p.calculates = p.calculates || fd.Kind == form.Calculate
		columns = append(columns, quote(fd.Name))
	}
	params, sets := make([]string, len(columns)), make([]string, 0, len(columns))
	for i, c := range columns {
		params[i] = "$" + strconv.Itoa(i+1)
		if i > 1 {
			sets = append(sets, c+" = excluded."+c)
		}
	}
	p.upsert = fmt.Sprintf(`INSERT INTO %s(%s) VALUES(%s) ON CONFLICT(village_id, record_id) DO UPDATE SET %s`,
		quote(p.name), strings.Join(columns, ", "), strings.Join(params, ", "), strings.Join(sets, ", "))
	p.read = fmt.Sprintf(`SELECT %s FROM %s WHERE village_id = $1`, strings.Join(columns[1:], ", "), quote(p.name))
	return p
}

// version changes whenever the rows must be made anew.
func (p *table) version() string {
	var b strings.Builder
	fmt.Fprint(&b, p.name, " ", p.form.Version)
	for _, fd := range p.fields {
		fmt.Fprint(&b, " ", fd.Name, " ", fd.Kind, " ", fd.Policy)
	}
	if w := p.flowOf(); w != nil {
		fmt.Fprint(&b, " by ", w.State, " ", w.Due, " ", w.Owner, " ", w.Verified)
	}
	return b.String()
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// columnType is the type of a field's column; what a field calculates is a
// number in all forms.
func columnType(fd *form.Field) string {
	switch {
	case fd.Many():
		return "TEXT"
	case fd.Kind == form.Integer:
		return "BIGINT"
	case fd.Kind == form.Decimal, fd.Kind == form.Calculate:
		return "DOUBLE PRECISION"
	}
	return "TEXT"
}

// makeTables makes or extends the tables of all forms, and makes the rows of
// changed forms anew.
func (s *Store) makeTables(ctx context.Context) error {
	var stale []*table
	err := s.change(ctx, func(t *tx) error {
		t.from, stale = nil, nil
		for _, f := range s.forms.Forms() {
			p := s.tables()[f.Type]
			old, err := s.makeTable(t, p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if old {
				stale = append(stale, p)
			}
		}
		return nil
	})
	if err != nil || len(stale) == 0 {
		return err
	}
	villages, err := s.Heads(ctx)
	if err != nil {
		return err
	}
	for _, v := range villages {
		if err := s.deriveAnew(ctx, v.Village, stale); err != nil {
			return err
		}
	}
	return s.change(ctx, func(t *tx) error {
		for _, p := range stale {
			if err := t.setMeta(p.name, []byte(p.version())); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) makeTable(t *tx, p *table) (stale bool, err error) {
	have, err := s.engine.Columns(t.ctx, t.Tx, p.name)
	if err != nil {
		return false, err
	}
	for _, fd := range p.fields {
		if slices.Contains(ownColumns, fd.Name) {
			return false, fmt.Errorf("field %s: the name is taken by a column of every table", fd.Name)
		}
	}
	if len(have) == 0 {
		// At once: a column added afterwards makes the engine read the whole
		// schema again.
		text := fmt.Sprintf(`CREATE TABLE %s(village_id TEXT NOT NULL, record_id TEXT NOT NULL, life TEXT NOT NULL, author TEXT NOT NULL,
			created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, marks TEXT NOT NULL`, quote(p.name))
		for _, fd := range p.fields {
			text += ", " + quote(fd.Name) + " " + columnType(fd)
			have = append(have, fd.Name)
		}
		if err := t.exec(text + `, PRIMARY KEY(village_id, record_id))`); err != nil {
			return false, err
		}
	}
	for _, fd := range p.fields {
		if !slices.Contains(have, fd.Name) {
			if err := t.exec(fmt.Sprintf(`ALTER TABLE %s ADD COLUMN %s %s`, quote(p.name), quote(fd.Name), columnType(fd))); err != nil {
				return false, err
			}
		}
		if fd.Kind == form.RefOne && !fd.Many() || p.form.Type == "visit" && fd.Name == "visit_date" {
			if err := t.exec(fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s(village_id, %s)`, quote(p.name+"_"+fd.Name), quote(p.name), quote(fd.Name))); err != nil {
				return false, err
			}
		}
	}
	// The order of the lists of all villages.
	name, _ := p.order()
	if err := t.exec(fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s(%s, village_id, record_id)`, quote(p.name+"_list"), quote(p.name), quote(name))); err != nil {
		return false, err
	}
	if err := errors.Join(p.indexFlow(t), p.indexNotices(t)); err != nil {
		return false, err
	}
	var before []byte
	_ = t.row(`SELECT value FROM meta WHERE key = $1`, p.name).Scan(&before) // none: the table is new
	return string(before) != p.version(), nil
}

// clear empties the columns of fields that the form no longer has: what is erased or
// hidden later must not stay there.
func (p *table) clear(t *tx, s *Store, v record.Village) error {
	have, err := s.engine.Columns(t.ctx, t.Tx, p.name)
	if err != nil {
		return err
	}
	var sets []string
	for _, c := range have {
		if p.form.Field(c) == nil && !slices.Contains(ownColumns, c) {
			sets = append(sets, quote(c)+" = NULL")
		}
	}
	if len(sets) == 0 {
		return nil
	}
	return t.exec(`UPDATE `+quote(p.name)+` SET `+strings.Join(sets, ", ")+` WHERE village_id = $1`, v)
}

// row gives the values of a record's row, in the order of the columns.
func (p *table) row(v record.Village, id string, view *merge.View) []any {
	day := Day(view.Updated)
	row := make([]any, 0, len(ownColumns)+len(p.fields))
	row = append(row, string(v), id, life(view), strings.Join(view.Authors, "、"), view.Created.Milli(), view.Updated.Milli(), p.marks(view, day))
	var calculated map[string]record.Value
	if p.calculates {
		calculated = p.form.Calculate(view.Fields, day)
	}
	for _, fd := range p.fields {
		if fd.Kind == form.Calculate {
			row = append(row, column(fd, calculated[fd.Name]))
			continue
		}
		row = append(row, column(fd, view.Fields[fd.Name]))
	}
	return row
}

func life(view *merge.View) string {
	if view.Void {
		return "void"
	}
	return "alive"
}

// marks gives the record's own marks as JSON; whether its references dangle
// depends on other records and is asked when it is read.
func (p *table) marks(view *merge.View, day string) string {
	if view.Erased {
		return "[]" // nobody can fill in what is missing
	}
	type mark struct {
		Path record.Path `json:"path"`
		Code string      `json:"code"`
	}
	var list []mark
	for _, m := range p.form.Check(view.Fields, day) {
		list = append(list, mark{m.Path, m.Code})
	}
	for _, name := range view.Self {
		list = append(list, mark{record.Path(name), merge.MarkVerifier})
	}
	for _, name := range view.Proposed {
		list = append(list, mark{record.Path(name), "proposed"})
	}
	if len(list) == 0 {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // a list of texts
	}
	return string(b)
}

// markOf is how a mark of a field begins in the column of marks; its first markOpens bytes
// are how every mark does.
func markOf(name string) string { return `"path":"` + name + `"` }

const markOpens = len(`"path":`)

// marked tells whether marks has one that is of no hidden field, as the condition on
// AttendedColumn does.
func marked(marks string, hidden []string) bool {
	for _, name := range hidden {
		marks = strings.ReplaceAll(marks, markOf(name), "")
	}
	return strings.Contains(marks, markOf("")[:markOpens])
}

// hiddenOf gives the fields that are not to be seen; a nil shows shows all.
func hiddenOf(f *form.Form, shows func(*form.Field) bool) (names []string) {
	if f == nil || shows == nil {
		return nil
	}
	for _, fd := range f.Fields {
		if !shows(fd) {
			names = append(names, fd.Name)
		}
	}
	return names
}

// column gives a field's value as its column holds it; nil for none and for
// what cannot stand there, which is marked.
func column(fd *form.Field, v record.Value) any {
	if v == "" || v == record.Null {
		return nil
	}
	switch columnType(fd) {
	case "BIGINT":
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		return nil
	case "DOUBLE PRECISION":
		if n, err := strconv.ParseFloat(string(v), 64); err == nil {
			return n
		}
		return nil
	}
	if s, ok := v.Text(); ok {
		return s
	}
	return string(v)
}

// milli gives the time that a column of milliseconds holds.
func milli(ms int64) clock.Time { return clock.At0(ms) }
