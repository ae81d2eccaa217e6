package web

import (
	"errors"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// linkRows is how many of the records that name a record its page lists.
const linkRows = 10

type recordView struct {
	rec      *store.Record
	form     *form.Form // nil: of a later release
	label    string
	fields   []fieldLine
	empty    []string
	marks    []merge.Mark
	disputes []*dispute
	others   []*dispute // settled by policy, can be taken back
	links    []link
	history  []event
	feed     store.Report
	full     bool   // masked fields are shown
	masked   bool   // there are some
	by       string // who wrote most of the fields
	said     string // what was done, and whether it was
	done     bool
	edits    bool // whoever looks may edit it
	steps    *stepBar
	came     *inspected // of an inspection
	thread   *thread    // of an issue
	money    *store.FundSum
	// elsewhere are the other villages that have it.
	elsewhere []elsewhereView
	joined    []ref // where what it says, or said, may stand as well; for whoever erases
}

// fieldLine is a field with its value, and who wrote it.
type fieldLine struct {
	name, label string
	value       string
	refs        []ref
	photos      []photo
	by          string
	doubt       string // conflict, proposal or proposed
	marks       []string
}

// ref is a record that a field names.
type ref struct {
	label, href string // href "": it is not here
}

// link is a list of records that name this one.
type link struct {
	typ     record.Type
	title   string
	rows    []store.Row
	columns []*form.Field
	count   int
	all     string
}

// event is one change of the history.
type event struct {
	entry  store.Entry
	when   string
	who    string
	device string
	reason string
	came   string // when it was received, and whether it is in a backup
	first  bool
	sets   []set
}

// set is what a change did to one register.
type set struct {
	name     string
	old, now string
	had      bool // there was something before
}

func (w *Site) recordKey(p *page) (*store.Record, error) {
	id, err := record.ParseID(p.r.PathValue("id"))
	if err != nil {
		return nil, errNowhere
	}
	village := record.Village(p.r.PathValue("village"))
	if !p.sight.Reaches(village) {
		return nil, store.ErrNotFound
	}
	rec, err := w.store.Record(p.ctx, village, id)
	if err == nil {
		p.hideIn(rec)
	}
	return rec, err
}

func (w *Site) record(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	v, err := w.recordView(p, rec, false)
	if err != nil {
		return reply{}, err
	}
	if said := p.r.URL.Query().Get("said"); slices.Contains(saidOfRecords, said) {
		v.said, v.done = p.T("edit.said."+said), slices.Contains(saidDone, said)
	}
	return show(recordPage(p, v))
}

// saidOfRecords is what a page of a record may say of what was done.
var saidOfRecords = []string{"edited", "same", "void", "unvoid", "moved", "reason", "step", "note", "self", "created", "reply", "reply.bad", "entered", "left", "members", "gone"}

// saidDone are those of them that say that it was done.
var saidDone = []string{"edited", "void", "unvoid", "step", "created", "reply", "entered", "members"}

// recordInFull shows a record with its masked fields in full, once the reason
// is in the audit.
func (w *Site) recordInFull(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	reason := strings.TrimSpace(p.r.PostForm.Get("reason"))
	if reason == "" {
		return goTo(href(rec.Key))
	}
	if err := w.access.Audit(p.ctx, store.Note{Act: "view", Subject: string(rec.Type) + " " + rec.ID.String(), Reason: clip(reason, 500)}); err != nil {
		return reply{}, err
	}
	p.still = true // the address of this page shows less
	return w.showRecord(p, rec, true)
}

// eraseRecord erases a record's content by law.
func (w *Site) eraseRecord(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	reason := strings.TrimSpace(p.r.PostForm.Get("reason"))
	if reason == "" || p.r.PostForm.Get("sure") == "" {
		return goTo(href(rec.Key) + "#erase")
	}
	if _, err = w.review.Erase(p.ctx, rec.Type, rec.ID, clip(reason, 500), p.writer()); err != nil {
		return reply{}, err
	}
	return goTo(href(rec.Key))
}

func (w *Site) showRecord(p *page, rec *store.Record, full bool) (reply, error) {
	v, err := w.recordView(p, rec, full)
	if err != nil {
		return reply{}, err
	}
	return show(recordPage(p, v))
}

func (w *Site) recordView(p *page, rec *store.Record, full bool) (*recordView, error) {
	row := rowOf(rec)
	if err := p.gather([]store.Row{row}); err != nil {
		return nil, err
	}
	v := &recordView{rec: rec, form: w.forms.Form(rec.Type), label: p.label(&row), full: full}
	p.title, p.at = v.label, records
	j, err := w.store.JSON(p.ctx, rec, p.lang)
	if err != nil {
		return nil, err
	}
	v.marks = slices.DeleteFunc(j.Marks, func(m merge.Mark) bool { return p.hides(rec.Type, m.Path) })
	if v.feed, err = w.store.Reported(p.ctx, rec.Village); err != nil {
		return nil, err
	}
	if err := w.fields(p, v); err != nil {
		return nil, err
	}
	if err := w.disputesOf(p, v); err != nil {
		return nil, err
	}
	if err := w.links(p, v); err != nil {
		return nil, err
	}
	if v.history, err = w.history(p, v); err != nil {
		return nil, err
	}
	if p.may(access.Erase) {
		joined, err := w.review.Joined(p.ctx, rec)
		if err != nil {
			return nil, err
		}
		for _, id := range joined {
			v.joined = append(v.joined, p.ref(record.Key{Village: rec.Village, Type: rec.Type, ID: id}))
		}
	}
	if v.elsewhere, err = w.elsewhere(p, rec); err != nil {
		return nil, err
	}
	v.steps = p.steps(rec)
	if v.thread, err = w.thread(p, rec); err != nil {
		return nil, err
	}
	v.withoutThread()
	switch rec.Type {
	case "inspection":
		t, err := w.tally(p, rec.Key, rec.View.Fields)
		if err != nil {
			return nil, err
		}
		v.came = &t
	case "project":
		sum, err := w.store.FundSum(p.ctx, rec.Key)
		if err != nil {
			return nil, err
		}
		v.money = &sum
	}
	_, v.edits = p.editor(v.form)
	v.edits = v.edits && !rec.View.Erased && rec.View.Left == ""
	return v, nil
}

// fields shows the fields in the order of the form, then those it does not
// know.
func (w *Site) fields(p *page, v *recordView) error {
	rec := v.rec
	var names []string
	var calculated map[string]record.Value
	if v.form != nil {
		calculated = v.form.Calculate(rec.View.Fields, store.Day(rec.View.Updated))
		for _, fd := range v.form.Fields {
			if !p.sight.Shows(fd) {
				continue
			}
			names = append(names, fd.Name)
			v.masked = v.masked || fd.Masked && rec.View.Fields[fd.Name] != ""
		}
	}
	for name := range rec.View.Fields {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		l := fieldLine{name: name, label: p.pathName(rec.Type, record.Path(name))}
		value := rec.View.Fields[name]
		var fd *form.Field
		if v.form != nil {
			fd = v.form.Field(name)
		}
		if fd != nil && fd.Kind == form.Calculate {
			value = calculated[name]
		}
		switch {
		case value == "" && len(rec.View.Conflicts[record.Path(name)]) == 0:
			if fd == nil || fd.Kind != form.Calculate {
				v.empty = append(v.empty, l.label)
			}
			continue
		case fd != nil && fd.Refers != "":
			l.refs = p.refs(rec.Village, fd, value)
		case fd != nil && fd.Masked && v.full:
			l.value, _ = value.Text()
		default:
			l.value = p.pathText(rec.Key, record.Path(name), value)
		}
		var err error
		if l.photos, err = w.photos(p, rec.Key, fd, value); err != nil {
			return err
		}
		l.by = p.writtenBy(rec, name)
		switch {
		case len(rec.View.Conflicts[record.Path(name)]) > 0:
			l.doubt = "conflict"
		case slices.Contains(rec.View.Proposed, name):
			l.doubt = "proposed"
		case len(rec.View.Proposals[record.Path(name)]) > 0:
			l.doubt = "proposal"
		}
		for _, m := range v.marks {
			if string(m.Path) == name && m.Code != "proposed" {
				l.marks = append(l.marks, m.Text)
			}
		}
		v.fields = append(v.fields, l)
	}
	v.common()
	return nil
}

// common takes what most fields say of who wrote them out of the lines.
func (v *recordView) common() {
	times := map[string]int{}
	for _, l := range v.fields {
		if times[l.by]++; times[l.by] > max(times[v.by], 2) {
			v.by = l.by
		}
	}
	for i := range v.fields {
		if v.by != "" && v.fields[i].by == v.by && v.fields[i].doubt == "" {
			v.fields[i].by = ""
		}
	}
}

// writtenBy says who wrote the value that is shown, and when.
func (p *page) writtenBy(rec *store.Record, name string) string {
	var last merge.Sibling
	for path, r := range rec.State {
		if field, _ := path.Field(); field != name || path.IsProposal() && len(rec.State[path.Standing()].Siblings) > 0 {
			continue
		}
		for _, s := range r.Siblings {
			if s.At >= last.At {
				last = s
			}
		}
	}
	if last.Author == "" {
		return ""
	}
	return p.T("by", last.Author, p.when(last.At))
}

func (p *page) refs(v record.Village, fd *form.Field, value record.Value) []ref {
	var list []ref
	for _, text := range value.Texts() {
		r := ref{label: text}
		if id, err := record.ParseID(text); err == nil {
			r = p.ref(record.Key{Village: v, Type: fd.Refers, ID: id})
		}
		list = append(list, r)
	}
	return list
}

func (p *page) ref(k record.Key) ref {
	r := ref{label: p.named(k.Village, k.Type, k.ID.String(), 1)}
	if p.lookup(k) != nil {
		r.href = href(k)
	}
	return r
}

// links lists what names the record.
func (w *Site) links(p *page, v *recordView) error {
	found, err := w.store.Referring(p.ctx, v.rec.Key, linkRows)
	if err != nil {
		return err
	}
	for _, r := range found {
		if err := p.gather(r.Rows); err != nil {
			return err
		}
		l := link{typ: r.Form.Type, title: r.Form.Title.In(p.lang), rows: r.Rows, count: r.Count}
		for _, fd := range p.columnsOf(r.Form, nil) {
			if fd != r.Field && !fd.Masked {
				l.columns = append(l.columns, fd)
			}
		}
		if r.Count > len(r.Rows) {
			l.all = address("/records/"+string(r.Form.Type), "village", string(v.rec.Village), "w."+r.Field.Name, v.rec.ID.String())
		}
		v.links = append(v.links, l)
	}
	return nil
}

// history shows every change, newest first, with what each replaced.
func (w *Site) history(p *page, v *recordView) ([]event, error) {
	entries, err := w.store.History(p.ctx, v.rec.Village, v.rec.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	for i := range entries {
		body := &entries[i].Change.Body
		*body = slices.DeleteFunc(*body, func(write record.Write) bool { return p.hides(v.rec.Type, write.Path) })
	}
	said := map[record.Dot]map[record.Path]record.Value{}
	for _, e := range entries {
		m := map[record.Path]record.Value{}
		for _, write := range e.Change.Body {
			m[write.Path] = write.Value
		}
		said[e.Dot] = m
	}
	var list []event
	for i := range entries {
		e := &entries[i]
		ev := event{entry: *e, when: p.when(e.At), who: e.Change.Author, device: p.device(e.Device), reason: e.Change.Reason(), came: p.cameText(e)}
		if e.Device == store.OfficeDevice && e.Change.Via() != "" {
			ev.device = p.T("left.brought", p.village(e.Change.Via()))
		}
		if ev.who == "" {
			ev.who = p.village(v.rec.Village)
		}
		ev.sets, ev.first = w.sets(p, v, e, said)
		list = append(list, ev)
	}
	return list, nil
}

// sets tells what a change did, in the order of the form; what it did to the
// elements of one multiple choice is one line. first tells the change that
// created the record.
func (w *Site) sets(p *page, v *recordView, e *store.Entry, said map[record.Dot]map[record.Path]record.Value) (list []set, first bool) {
	body := slices.Clone(e.Change.Body)
	slices.SortStableFunc(body, func(a, b record.Write) int { return v.place(a.Path) - v.place(b.Path) })
	added, dropped := map[string][]string{}, map[string][]string{}
	for _, write := range body {
		if write.Path == record.Source {
			first = true
			continue
		}
		name, element := write.Path.Field()
		if fd := v.field(write.Path); fd != nil && element != "" {
			word := p.fieldText(v.rec.Village, fd, record.Text(element), 1)
			if write.Value == record.True {
				added[name] = append(added[name], word)
			} else {
				dropped[name] = append(dropped[name], word)
			}
			line := set{name: fd.Label.In(p.lang), now: p.elements(added[name], dropped[name])}
			if n := len(list); n > 0 && list[n-1].name == line.name {
				list[n-1] = line
			} else {
				list = append(list, line)
			}
			continue
		}
		s := set{name: p.pathName(v.rec.Type, write.Path), now: w.historyText(p, v, write.Path, write.Value)}
		var olds []string
		for _, o := range write.Observed {
			if old, known := said[o][write.Path]; known {
				if text := w.historyText(p, v, write.Path, old); !slices.Contains(olds, text) {
					olds = append(olds, text)
				}
			}
		}
		s.old, s.had = strings.Join(olds, p.T("history.and")), len(olds) > 0
		list = append(list, s)
	}
	return list, first
}

// field finds the form's field of a register; nil where it has none.
func (v *recordView) field(path record.Path) *form.Field {
	if v.form == nil {
		return nil
	}
	return v.form.PathField(path)
}

// place is that of a register's field in the form.
func (v *recordView) place(path record.Path) int {
	if fd := v.field(path); fd != nil {
		return slices.Index(v.form.Fields, fd)
	}
	return -1
}

// elements says which were added and which taken out.
func (p *page) elements(added, dropped []string) string {
	var parts []string
	if len(added) > 0 {
		parts = append(parts, p.T("history.add", p.list(added)))
	}
	if len(dropped) > 0 {
		parts = append(parts, p.T("history.drop", p.list(dropped)))
	}
	return strings.Join(parts, p.T("history.and"))
}

func (w *Site) historyText(p *page, v *recordView, path record.Path, value record.Value) string {
	if v.full && v.form != nil {
		if fd := v.form.PathField(path); fd != nil && fd.Masked {
			if s, ok := value.Text(); ok {
				return s
			}
		}
	}
	return p.pathText(v.rec.Key, path, value)
}
