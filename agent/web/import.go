package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zhucun/agent/inbox"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// importPath is where a table is uploaded.
const importPath = "/import/file"

// heldFor is how long a table that was looked at is kept for somebody to say yes to.
const heldFor = time.Hour

// held is the one table that somebody is looking at: in memory, and nowhere else.
type held struct {
	mu    sync.Mutex
	id    string
	name  string
	from  string // its name in the drop folder, where it lies there
	raw   []byte
	opt   inbox.TableOptions
	look  *looked
	drop  *time.Timer
	done  []*imported // the last few
	rows  int         // how many of the one under way are done
	doing bool
}

// looked is what would come of it, as it was last shown.
type looked struct {
	rep   inbox.TableReport
	lines *inbox.Report // of a file of JSON lines, which has no columns
	err   error
}

// imported is what came of one that was taken.
type imported struct {
	id, name string
	rep      inbox.TableReport
	lines    *inbox.Report
	err      error
	told     []byte // the report of its rows
	kept     bool   // its file lies in the drop folder still
}

// put keeps a table in place of the one before.
func (h *held) put(name, from string, raw []byte) {
	h.id, h.name, h.from, h.raw, h.look = rand.Text(), name, from, raw, nil
	h.opt = inbox.TableOptions{}
	h.opt.File = name
	if h.drop != nil {
		h.drop.Stop()
	}
	id := h.id
	h.drop = time.AfterFunc(heldFor, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.id == id {
			h.forget()
		}
	})
}

func (h *held) forget() {
	if h.drop != nil {
		h.drop.Stop()
	}
	h.id, h.name, h.from, h.raw, h.look, h.opt = "", "", "", nil, nil, inbox.TableOptions{}
}

// begin says false where one is being looked at or taken already.
func (h *held) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.doing {
		return false
	}
	h.doing, h.rows = true, 0
	return true
}

func (h *held) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doing = false
}

func (h *held) at(rows int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows = rows
}

// importView is the page.
type importView struct {
	said    string
	held    *held
	look    *looked
	done    *imported
	waiting []inbox.Waits
}

func (w *Site) importPage(p *page) (reply, error) {
	q := p.r.URL.Query()
	w.held.mu.Lock()
	i := slices.IndexFunc(w.held.done, func(d *imported) bool { return d.id == q.Get("done") })
	var done *imported
	if i >= 0 {
		done = w.held.done[i]
	}
	w.held.mu.Unlock()
	return w.showImport(p, done, "")
}

func (w *Site) showImport(p *page, done *imported, said string) (reply, error) {
	p.title, p.at = p.T("import.title"), "records"
	if !p.device.Enrolled() {
		return reply{}, errUnenrolled
	}
	v := &importView{said: said, done: done}
	var err error
	if v.waiting, err = inbox.Waiting(w.store.Dir()); err != nil {
		return reply{}, err
	}
	w.held.mu.Lock()
	defer w.held.mu.Unlock()
	if w.held.id != "" && done == nil {
		v.held, v.look = &w.held, w.held.look
	}
	// It is written while the lock is held: nobody changes what it shows meanwhile.
	var body bytes.Buffer
	if err := importBody(p, v).Render(p.r.Context(), &body); err != nil {
		return reply{}, err
	}
	a := reply{body: written(body.String())}
	if said != "" {
		a.status = http.StatusUnprocessableEntity
	}
	return a, nil
}

// uploadTable takes a file from the browser and shows what would come of it.
func (w *Site) uploadTable(p *page) (reply, error) {
	// What is not read, the browser must still be able to send: it reads no answer before.
	defer io.Copy(io.Discard, p.r.Body)
	part, ok := p.r.Body.(*multipart.Part)
	if !ok || part.FileName() == "" {
		return w.showImport(p, nil, p.T("import.nofile"))
	}
	return w.lookAt(p, filepath.Base(strings.ReplaceAll(part.FileName(), `\`, "/")), "", part)
}

// openWaiting shows what would come of a file in the drop folder.
func (w *Site) openWaiting(p *page) (reply, error) {
	name := p.r.PostForm.Get("name")
	f, err := inbox.OpenWaiting(w.store.Dir(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return w.showImport(p, nil, p.T("import.gone"))
	}
	if err != nil {
		return reply{}, err
	}
	defer f.Close()
	return w.lookAt(p, name, name, f)
}

func (w *Site) lookAt(p *page, name, from string, r io.Reader) (reply, error) {
	if !strings.EqualFold(filepath.Ext(name), ".jsonl") && !inbox.IsTable(name) {
		return w.showImport(p, nil, p.T("import.kind"))
	}
	raw, err := io.ReadAll(io.LimitReader(r, sheet.MaxFile+1))
	if err != nil {
		return reply{}, err
	}
	if len(raw) > sheet.MaxFile {
		return w.showImport(p, nil, p.T("import.large"))
	}
	if !w.held.begin() {
		return w.showImport(p, nil, p.T("import.wait"))
	}
	defer w.held.end()
	w.held.mu.Lock()
	w.held.put(name, from, raw)
	w.held.mu.Unlock()
	if err := w.preview(p); err != nil {
		return reply{}, err
	}
	return goTo("/import")
}

// preview looks at the table that is held, as somebody has decided so far.
func (w *Site) preview(p *page) error {
	w.held.mu.Lock()
	id, raw, o, name := w.held.id, w.held.raw, w.held.opt, w.held.name
	w.held.mu.Unlock()
	look, err := w.read(p.r.Context(), p, raw, name, o, true, nil)
	if err != nil {
		return err
	}
	w.held.mu.Lock()
	defer w.held.mu.Unlock()
	if w.held.id == id {
		w.held.look = look
	}
	return nil
}

// read looks at a file or takes it. What is wrong with the file is in what it gives;
// the error is one of the laptop's.
func (w *Site) read(ctx context.Context, p *page, raw []byte, name string, o inbox.TableOptions, preview bool, told *inbox.Told) (*looked, error) {
	o.Preview, o.Lang, o.Author, o.Told, o.Progress = preview, p.lang, p.author, told, w.held.at
	look := &looked{}
	if strings.EqualFold(filepath.Ext(name), ".jsonl") {
		rep, err := inbox.JSONL(ctx, w.store, w.forms, inbox.LineOptions{Type: o.Type, Village: o.Village, Author: p.author, Lang: p.lang, Preview: preview}, bytes.NewReader(raw))
		look.lines, look.err = &rep, err
	} else {
		look.rep, look.err = inbox.Table(ctx, w.store, w.forms, bytes.NewReader(raw), int64(len(raw)), o)
	}
	if look.err != nil && !aboutFile(look.err) {
		return nil, look.err
	}
	return look, nil
}

// aboutFile tells an error that says something of a file, from one of the laptop.
func aboutFile(err error) bool {
	var row *inbox.RowError
	var noTable *table.Error
	var noSheet *sheet.Error
	return errors.As(err, &row) || errors.As(err, &noTable) || errors.As(err, &noSheet) || errors.Is(err, inbox.ErrColumns)
}

// decide takes what was chosen on the page: to look again, to take it, or to let it be.
func (w *Site) decideImport(p *page) (reply, error) {
	f := p.r.PostForm
	if !w.held.begin() {
		return w.showImport(p, nil, p.T("import.wait"))
	}
	defer w.held.end()
	w.held.mu.Lock()
	same := w.held.id != "" && w.held.id == f.Get("id")
	if same && f.Get("do") == "drop" {
		w.held.forget()
		w.held.mu.Unlock()
		return goTo("/import")
	}
	changed := same && w.chosen(f)
	look := w.held.look
	w.held.mu.Unlock()
	switch {
	case !same:
		return w.showImport(p, nil, p.T("import.other"))
	case changed || f.Get("do") != "take":
		if err := w.preview(p); err != nil {
			return reply{}, err
		}
		if f.Get("do") == "take" {
			return w.showImport(p, nil, p.T("import.changed"))
		}
		return goTo("/import")
	case look == nil || look.err != nil || look.rep.Open > 0:
		return w.showImport(p, nil, p.T("import.open"))
	}
	return w.takeTable(p)
}

// chosen puts what was chosen on the page into the options of the table that is held,
// and tells whether that is anything else than before.
func (w *Site) chosen(f url.Values) bool {
	h := &w.held
	o := h.opt
	o.Type, o.Sheet, o.Hidden = record.Type(f.Get("type")), f.Get("sheet"), f.Get("hidden") != ""
	if w.forms.Form(o.Type) == nil {
		o.Type = ""
	}
	if v := record.Village(f.Get("village")); v != "" {
		o.Village = v
	}
	// Of another sheet, or another type, the columns are other ones.
	o.Map = map[string]string{}
	sameType, sameSheet := o.Type == h.opt.Type, o.Sheet == h.opt.Sheet
	if h.look != nil && h.look.rep.Form != nil {
		sameType, sameSheet = sameType || o.Type == h.look.rep.Type, sameSheet || o.Sheet == h.look.rep.Sheet
	}
	if sameType && sameSheet {
		for i, c := range h.columns() {
			target, there := f["c."+strconv.Itoa(i)]
			if !there || c.Heading == "" {
				continue
			}
			switch {
			case target[0] != c.Field || c.How == table.Guessed:
				o.Map[c.Heading] = target[0]
			default:
				if old, ok := h.opt.Map[c.Heading]; ok {
					o.Map[c.Heading] = old
				}
			}
		}
	}
	same := o.Type == h.opt.Type && o.Sheet == h.opt.Sheet && o.Hidden == h.opt.Hidden && o.Village == h.opt.Village && len(o.Map) == len(h.opt.Map)
	for k, v := range o.Map {
		same = same && h.opt.Map[k] == v
	}
	h.opt = o
	return !same
}

// columns are those of the table that is held, as they were last shown.
func (h *held) columns() []inbox.TableColumn {
	if h.look == nil {
		return nil
	}
	return h.look.rep.Columns
}

// maxImported is how many tables that were taken can be shown again.
const maxImported = 4

func (w *Site) takeTable(p *page) (reply, error) {
	w.held.mu.Lock()
	raw, o, name, from := w.held.raw, w.held.opt, w.held.name, w.held.from
	w.held.mu.Unlock()
	var report bytes.Buffer
	told := inbox.NewTold(&report, p.lang)
	look, err := w.read(p.r.Context(), p, raw, name, o, false, told)
	if err != nil {
		return reply{}, err
	}
	d := &imported{id: rand.Text(), name: name, rep: look.rep, lines: look.lines, err: look.err}
	if there, err := told.Close(); there && err == nil {
		d.told = report.Bytes()
	}
	if d.kept = from != ""; d.kept && d.err == nil && d.total().NotTaken == 0 {
		if err := inbox.Settle(w.store.Dir(), from); err != nil {
			w.opt.Log.Error("a table that was taken stays where it was", "file", from, "error", err)
		} else {
			d.kept = false
		}
	}
	w.held.mu.Lock()
	if d.err == nil {
		w.held.forget()
	}
	w.held.done = append(w.held.done, d)
	w.held.done = w.held.done[max(0, len(w.held.done)-maxImported):]
	w.held.mu.Unlock()
	if d.total().New+d.total().Changed > 0 {
		w.sync.Now()
	}
	return goTo("/import?done=" + d.id)
}

func (d *imported) total() *inbox.Report {
	if d.lines != nil {
		return d.lines
	}
	return &d.rep.Report
}

// importReport gives the report of a table's rows.
func (w *Site) importReport(p *page) (reply, error) {
	w.held.mu.Lock()
	defer w.held.mu.Unlock()
	i := slices.IndexFunc(w.held.done, func(d *imported) bool { return d.id == p.r.PathValue("id") })
	if i < 0 || w.held.done[i].told == nil {
		return reply{}, errNowhere
	}
	d := w.held.done[i]
	name := strings.TrimSuffix(d.name, filepath.Ext(d.name)) + inbox.ReportEnd(p.lang)
	return reply{send: func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
		rw.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q; filename*=UTF-8''%s", plainly(name), url.PathEscape(name)))
		rw.Write(d.told)
	}}, nil
}

// importProgress tells the script how far it is.
func (w *Site) importProgress(p *page) (reply, error) {
	w.held.mu.Lock()
	defer w.held.mu.Unlock()
	text := ""
	if w.held.doing && w.held.rows > 0 {
		text = p.T("import.progress", number(uint64(w.held.rows)))
	}
	return reply{data: map[string]any{"text": text, "percent": 0}}, nil
}

// said is what is wrong with the file, as a sentence.
func (l *looked) said(p *page) string {
	if l.err == nil || errors.Is(l.err, inbox.ErrColumns) {
		return ""
	}
	return inbox.Say(l.err, p.lang)
}

// sheets are those to choose from.
func (l *looked) sheets() []string {
	var e *table.Error
	if errors.As(l.err, &e) {
		return e.Sheets
	}
	if l.rep.Form != nil && len(l.rep.Others) > 0 {
		return append([]string{l.rep.Sheet}, l.rep.Others...)
	}
	return nil
}

// types are those that may be written here, the one that the table is of chosen.
func (v *importView) types(p *page) []option {
	chosen := v.held.opt.Type
	if v.look != nil && v.look.rep.Form != nil {
		chosen = v.look.rep.Type
	}
	var out []option
	for _, f := range p.site.forms.Forms() {
		if p.may(f) {
			out = append(out, option{value: string(f.Type), label: f.Title.In(p.lang), chosen: f.Type == chosen})
		}
	}
	return out
}

// targets are where a column may go.
func targetsOf(p *page, f *form.Form, c *inbox.TableColumn) []option {
	var out []option
	add := func(target string) {
		out = append(out, option{value: target, label: inbox.TargetLabel(p.site.forms, f, target, p.lang), chosen: c.Field == target})
	}
	add(table.LeaveOut)
	for _, fd := range f.Fields {
		if !table.Target(p.site.forms, f.Type, fd.Name) {
			continue
		}
		add(fd.Name)
		if fd.Kind == form.RefOne {
			for _, o := range table.Tells(p.site.forms.Form(fd.Refers)) {
				add(fd.Name + "." + o.Name)
			}
		}
	}
	add(table.Village)
	return out
}

// needsVillage tells that it must be said which village the rows are of.
func (v *importView) needsVillage(p *page) bool {
	return p.manyVillages() && (v.look == nil || !slices.ContainsFunc(v.look.rep.Columns, func(c inbox.TableColumn) bool { return c.Field == table.Village }))
}

// where says in which sheet the table is, in which rows its headings, and its unit.
func (l *looked) where(p *page) string {
	var parts []string
	if l.rep.Sheet != "" {
		parts = append(parts, p.T("import.sheet", l.rep.Sheet))
	}
	if l.rep.Head[0] == l.rep.Head[1] {
		parts = append(parts, p.T("import.head", l.rep.Head[0]))
	} else {
		parts = append(parts, p.T("import.heads", l.rep.Head[0], l.rep.Head[1]))
	}
	if l.rep.Unit != "" {
		parts = append(parts, p.T("import.unit", l.rep.Unit))
	}
	return strings.Join(parts, p.T("list.between"))
}

// shownColumns are those of which there is something to say, with their places.
func (l *looked) shownColumns() []int {
	var out []int
	for i, c := range l.rep.Columns {
		if c.Filled || c.Field != "" && c.Field != table.LeaveOut {
			out = append(out, i)
		}
	}
	return out
}

// maxImportRows is how many rows of a kind the page lists; the report has all.
const maxImportRows = 50

// total is what would come of the rows.
func (l *looked) total() *inbox.Report {
	if l.lines != nil {
		return l.lines
	}
	return &l.rep.Report
}

// takeWords are those of the button that takes the table.
func takeWords(p *page, l *looked) string {
	n := l.total().New + l.total().Changed
	if n == 0 {
		return p.T("import.take.none")
	}
	return p.T("import.take", number(uint64(n)))
}

// openColumn tells a column of which somebody has to say where it goes.
func openColumn(c *inbox.TableColumn) bool {
	open := table.Column{How: c.How, Filled: c.Filled}
	return open.Open()
}

// howWords says what is to be known of where a column goes; nothing where it goes by its
// heading.
func howWords(p *page, c *inbox.TableColumn) string {
	var parts []string
	if c.How != table.ByHeading {
		parts = append(parts, inbox.HowWords(c.How, p.lang))
	}
	if c.Times != "" {
		parts = append(parts, p.T("import.times", c.Times))
	}
	return strings.Join(parts, p.T("list.between"))
}

func columnName(p *page, c *inbox.TableColumn) string {
	if c.Heading == "" {
		return p.T("import.nameless")
	}
	return c.Heading
}

func samplesOf(p *page, c *inbox.TableColumn) string {
	if len(c.Samples) == 0 {
		return p.T("import.empty")
	}
	return strings.Join(c.Samples, p.T("list.between"))
}
