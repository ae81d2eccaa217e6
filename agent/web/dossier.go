package web

import (
	"cmp"
	"slices"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// dossier is a household's file on paper: all that is known of it, for the village's own
// cabinet. Numbers are on it as screens show them, by their last four signs.
type dossier struct {
	paper
	head     string
	profile  []entryOf
	people   *peopleTable
	incomes  []*years
	measures []measure
	issues   []issueLine
	promises []promised
	visits   []visit
}

// peopleTable is a household's people: the columns that somebody has an answer in.
type peopleTable struct {
	heads []string
	rows  [][]string
}

// promised is what was promised on a visit, and whether it is still to be done.
type promised struct {
	day, words, again, by string
	open                  bool
}

// personFields are what a household's file says of its people, in this order.
var personFields = []string{"full_name", "relation", "sex", "birth_date", "id_number", "education", "school", "health", "labour", "work_place", "medical_ins", "dibao", "change_type"}

// yearsAside is how many years of income stand side by side on paper.
const yearsAside = 6

// printDossiers prints the files of one household or of many.
func (w *Site) printDossiers(p *page) (reply, error) {
	p.onPapers()
	houses, back, err := w.asked(p, func(*house) bool { return true })
	if err != nil {
		return reply{}, err
	}
	j := &job[*dossier]{title: p.T("print.file"), how: p.T("print.file.how", len(houses)), back: back}
	each(j, houses, func(id record.ID) (*dossier, error) { return w.dossier(p, id) })
	return w.papers(p, j.title, dossiersPage(p, j))
}

func (w *Site) dossier(p *page, id record.ID) (*dossier, error) {
	f := w.forms.Form(householdType)
	r, err := w.store.Get(householdType, id)
	if err != nil {
		return nil, err
	}
	d := &dossier{paper: paper{what: p.T("print.file"), village: p.place(r.Key.Village), period: p.asOf(), void: r.View.Void}, head: w.titleOf(p, &r)}
	d.use(&r)
	asked := f.Relevant(r.View.Fields, p.today)
	for _, fd := range f.Fields {
		value := d.onPaper(p, f, &r, fd.Name)
		if fd.Kind != form.Image && (value != "" || asked[fd.Name] && fd.Kind != form.Geopoint) && !fd.HiddenFrom(string(p.device.Assigned.Role)) {
			d.profile = append(d.profile, entryOf{fd.Label.In(p.lang), value})
		}
	}
	say := func(f *form.Form, r *store.Record, name string) string { return d.onPaper(p, f, r, name) }
	for _, f := range w.forms.Forms() {
		if !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.Refers == householdType }) {
			continue
		}
		found, err := w.referring(id, f.Type)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(r store.Record) bool { return r.View.Void })
		issues, err := w.issueLines(p, d.head, found, say)
		if err != nil {
			return nil, err
		}
		d.issues = append(d.issues, issues...)
		switch f.Type {
		case personType:
			d.people = w.listPeople(p, d, f, found)
		case incomeType:
			d.incomes = w.allYears(p, f, found, say)
		case measureType:
			d.measures = w.measures(p, f, found, say)
		case visitType:
			d.visits = w.visits(p, f, found, say)
			if err := w.promises(p, d, id); err != nil {
				return nil, err
			}
		default:
			continue
		}
		for i := range found {
			d.use(&found[i])
		}
	}
	d.issues = slices.DeleteFunc(d.issues, func(i issueLine) bool { return i.void })
	slices.SortStableFunc(d.issues, openFirst)
	for _, i := range d.issues {
		d.late += boolInt(i.way != merge.Delivered && i.way != filesWait)
	}
	return d, nil
}

// listPeople is the table of a household's people, the head first and then the oldest,
// those who have left last.
func (w *Site) listPeople(p *page, d *dossier, f *form.Form, found []store.Record) *peopleTable {
	found = slices.Clone(found)
	text := func(r *store.Record, name string) string { t, _ := r.View.Fields[name].Text(); return t }
	slices.SortStableFunc(found, func(a, b store.Record) int {
		return cmp.Or(boolInt(hasLeft(&a))-boolInt(hasLeft(&b)), boolInt(text(&b, "relation") == "head")-boolInt(text(&a, "relation") == "head"),
			strings.Compare(bornOn(f, &a, p.today), bornOn(f, &b, p.today)))
	})
	l := &peopleTable{rows: make([][]string, len(found))}
	for _, name := range personFields {
		fd := f.Field(name)
		if fd == nil || fd.HiddenFrom(string(p.device.Assigned.Role)) {
			continue
		}
		column, some := make([]string, len(found)), false
		for i := range found {
			column[i] = d.onPaper(p, f, &found[i], name)
			if worked := f.Calculate(found[i].View.Fields, p.today)[name]; column[i] == "" && worked != "" {
				column[i] = p.shown(fd, worked)
			}
			some = some || column[i] != ""
		}
		if !some && !fd.Required {
			continue
		}
		l.heads = append(l.heads, fd.Label.In(p.lang))
		for i := range column {
			l.rows[i] = append(l.rows[i], column[i])
		}
	}
	return l
}

// allYears are the incomes of all years, so many side by side.
func (w *Site) allYears(p *page, f *form.Form, found []store.Record, say sayer) (out []*years) {
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b store.Record) int {
		return strings.Compare(p.shownOf(f, &a, "year"), p.shownOf(f, &b, "year"))
	})
	for some := range slices.Chunk(found, yearsAside) {
		out = append(out, w.years(p, f, some, len(some), say))
	}
	return out
}

// promises lists what was promised on visits: the last one is open until somebody was
// met again.
func (w *Site) promises(p *page, d *dossier, id record.ID) error {
	snap, err := p.wholly()
	if err != nil {
		return err
	}
	for _, v := range d.visits {
		if v.promised == "" && v.again == "" {
			continue
		}
		h := snap.byID(id)
		d.promises = append(d.promises, promised{v.day, v.promised, v.again, v.by, h != nil && h.promise.visit == v.key.ID})
	}
	return nil
}
