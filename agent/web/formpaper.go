package web

import (
	"slices"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// formPaper is a form on paper: filled from a record, or blank with what is known filled in.
// What has no answer is there to be written by hand.
type formPaper struct {
	paper
	known []entryOf // of a household, what whoever goes there wants to know
	parts []paperPart
	signs []string
}

// paperPart is a part of a form under its heading.
type paperPart struct {
	title string
	rows  []paperRow
}

// paperRow is a question with its answer, or with room for one: boxes to tick, or lines.
type paperRow struct {
	label, value string
	boxes        []string
	lines        int
	photos       []photo
	wide         bool
}

// entryOf is a word and what belongs to it.
type entryOf struct{ label, value string }

const (
	// maxBoxes is up to how many choices are printed to be ticked: more are written.
	maxBoxes = 24
	// proseLines is how many lines there are for what somebody is to tell in own words,
	// fewLines for what somebody may.
	proseLines, fewLines = 3, 2
)

// printForms prints a form: of a record (id), for a household or many (household, of),
// or blank.
func (w *Site) printForms(p *page) (reply, error) {
	p.onPapers()
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	q := p.r.URL.Query()
	j := &job[*formPaper]{title: p.formTitle(f), back: pageLink{"/print", p.T("print.back")}}
	switch {
	case q.Has("id"):
		id, err := record.ParseID(q.Get("id"))
		if err != nil {
			return reply{}, errNowhere
		}
		r, err := w.store.Get(f.Type, id)
		if err != nil {
			return reply{}, err
		}
		j.back = pageLink{"/record/" + string(f.Type) + "/" + id.String(), p.T("print.back.record")}
		each(j, []store.Record{r}, func(r store.Record) (*formPaper, error) { return w.formPaper(p, f, &r) })
	case (q.Has("household") || q.Has("of")) && f.Field("household") != nil:
		houses, back, err := w.asked(p, func(*house) bool { return true })
		if err != nil {
			return reply{}, err
		}
		j.how, j.back = p.T("print.sheet.how", len(houses)), back
		each(j, houses, func(id record.ID) (*formPaper, error) {
			r, err := w.store.Get(householdType, id)
			if err != nil {
				return nil, err
			}
			blank := blankOf(f, r.Key.Village)
			blank.View.Fields["household"] = record.Text(id.String())
			return w.formPaper(p, f, &blank)
		})
	default:
		code, err := p.someVillage()
		if err != nil {
			return reply{}, err
		}
		each(j, []store.Record{blankOf(f, code)}, func(r store.Record) (*formPaper, error) { return w.formPaper(p, f, &r) })
	}
	return w.papers(p, j.title, formPapersPage(p, j))
}

// blankOf is a record of which nothing is known but its village.
func blankOf(f *form.Form, code record.Village) store.Record {
	return store.Record{Key: record.Key{Village: code, Type: f.Type}, View: merge.View{Fields: map[string]record.Value{}}, Way: merge.Delivered}
}

// formTitle names a form on paper.
func (p *page) formTitle(f *form.Form) string {
	if f.Type == visitType {
		return p.T("print.visit")
	}
	return f.Title.In(p.lang)
}

// formPaper makes the paper of a record, which has no id where the form is blank.
func (w *Site) formPaper(p *page, f *form.Form, r *store.Record) (*formPaper, error) {
	x := &formPaper{paper: paper{what: p.formTitle(f), village: p.place(r.Key.Village), period: p.T("print.blank"), void: r.View.Void}}
	blank := r.Key.ID.IsZero()
	if !blank {
		x.use(r)
		x.period = p.T("print.made", strings.Join(r.View.Authors, p.T("list.between")), p.moment(r.View.Created.Milli()))
	}
	if err := w.knownOf(p, x, f, r); err != nil {
		return nil, err
	}
	asked := f.Relevant(r.View.Fields, p.today)
	results := f.Calculate(r.View.Fields, p.today)
	for _, fd := range f.Fields {
		if fd.HiddenFrom(string(p.device.Assigned.Role)) {
			continue
		}
		if len(x.parts) == 0 || fd.Section != (form.Label{}) {
			x.parts = append(x.parts, paperPart{title: fd.Section.In(p.lang)})
		}
		part := &x.parts[len(x.parts)-1]
		row, err := w.paperRow(p, x, f, fd, r, results[fd.Name])
		if err != nil {
			return nil, err
		}
		// A place and a photo are nothing to write by hand, and of a record that is filled
		// in nobody asks what its other answers rule out.
		empty := row.value == "" && len(row.photos) == 0
		if empty && (fd.Kind == form.Image || fd.Kind == form.Geopoint || !blank && !asked[fd.Name]) {
			continue
		}
		part.rows = append(part.rows, row)
	}
	x.parts = slices.DeleteFunc(x.parts, func(s paperPart) bool { return len(s.rows) == 0 })
	for _, part := range x.parts {
		part.fill()
	}
	if f.Field("household") != nil {
		x.signs = append(x.signs, p.T("print.sign.house"))
	}
	if f.Type == visitType {
		x.signs = append(x.signs, p.T("print.sign.visitor"))
	} else {
		x.signs = append(x.signs, p.T("print.sign.writer"))
	}
	return x, nil
}

func (w *Site) paperRow(p *page, x *formPaper, f *form.Form, fd *form.Field, r *store.Record, result record.Value) (row paperRow, err error) {
	row = paperRow{label: fd.Label.In(p.lang), value: x.onPaper(p, f, r, fd.Name)}
	if result != "" && row.value == "" {
		row.value = p.shown(fd, result)
	}
	row.wide = fd.Shape() == prose || fd.Many()
	if fd.Kind == form.Image {
		row.photos, row.value = w.photos(p, fd, r.View.Fields[fd.Name]), ""
		row.photos = slices.DeleteFunc(row.photos, func(x photo) bool { return x.img == "" })
		return row, nil
	}
	if row.value != "" {
		return row, nil
	}
	if row.boxes, err = w.boxes(p, fd, r.Key.Village); err != nil {
		return row, err
	}
	width := 0
	for _, b := range row.boxes {
		width += 2 + len([]rune(b))
	}
	row.wide = row.wide || width > 18
	if fd.Shape() == prose && fd.Required {
		row.lines = proseLines
	} else if fd.Shape() == prose {
		row.lines = fewLines
	}
	return row, nil
}

// fill makes a question wide that would have none beside it.
func (s paperPart) fill() {
	alone := -1
	for i := range s.rows {
		switch {
		case !s.rows[i].wide && alone < 0:
			alone = i
		case !s.rows[i].wide:
			alone = -1
		case alone >= 0:
			s.rows[alone].wide, alone = true, -1
		}
	}
	if alone >= 0 {
		s.rows[alone].wide = true
	}
}

// boxes are the choices of a field, to be ticked; none where they are too many.
func (w *Site) boxes(p *page, fd *form.Field, code record.Village) (words []string, err error) {
	for _, c := range fd.Choices {
		words = append(words, c.Label.In(p.lang))
	}
	if fd.Refers == teamType {
		targets, _, err := w.targets(p, fd, code, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range targets {
			words = append(words, o.label)
		}
	}
	if len(words) > maxBoxes {
		words = nil
	}
	return words, nil
}

// knownOf says beside a visit of a household what whoever goes there wants to know.
func (w *Site) knownOf(p *page, x *formPaper, f *form.Form, r *store.Record) error {
	id, err := record.ParseID(first(r.View.Fields["household"].Texts()))
	if f.Type != visitType || err != nil {
		return nil
	}
	snap, err := p.wholly()
	if err != nil {
		return err
	}
	h := snap.byID(id)
	if h == nil {
		return nil
	}
	x.known = append(x.known, entryOf{p.T("print.phone"), h.phone}, entryOf{p.T("print.number"), h.no})
	if !r.Key.ID.IsZero() {
		return nil
	}
	if h.last != "" {
		x.known = append(x.known, entryOf{p.T("due.last"), p.day(h.last)})
	}
	if h.promise.words != "" {
		x.known = append(x.known, entryOf{p.T("print.promised", p.day(h.promise.made)), veil(h.promise.words)})
	}
	if h.promise.due != "" {
		x.known = append(x.known, entryOf{p.T("visit.again"), p.day(h.promise.due)})
	}
	return nil
}
