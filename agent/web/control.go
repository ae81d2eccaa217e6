package web

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// shape is how a field is asked.
type shape = form.Shape

const (
	line   = form.Line
	prose  = form.Prose
	date   = form.Day
	radio  = form.Radio
	choose = form.Choose
	checks = form.Checks
	files  = form.Files
	result = form.Result
)

// option is one choice of a control.
type option struct {
	value, label string
	chosen       bool
	photo        photo // of a file
}

// control is one field on the page.
type control struct {
	fd       *form.Field
	id, name string
	shape    shape
	label    string
	hint     string
	required bool
	asked    bool // to be shown where the script runs
	typed    string
	options  []option
	filter   bool // long enough to want a search box
	more     bool // there are other households, to be looked for in the village
	village  record.Village
	looks    string // what was looked for where no script runs
	mode     string // the keyboard to offer
	stands   string // of a masked field, what of it may be shown
	erased   bool   // a masked field that is to be cleared
	unread   string
	marks    []string
	notes    []string
	also     []string // what other windows wrote here
	proposes bool     // this person may only propose
	comes    string   // what a field that is worked out comes to
	offer    string   // what an empty field comes to by other answers
	before   string   // what stood in the same household's record of the year before
	fixed    string   // of a choice that the form began with: its words
	focus    bool     // where to begin
}

// section is a part of a form under one heading.
type section struct {
	id, title string
	controls  []*control
	missing   int // required answers that are not there
}

// sectionsOf divides a form as its table says.
func sectionsOf(p *page, controls []*control, missing []string) []*section {
	var out []*section
	for _, c := range controls {
		if len(out) == 0 || c.fd.Section != (form.Label{}) {
			out = append(out, &section{id: "part-" + strconv.Itoa(len(out)+1), title: c.fd.Section.In(p.lang)})
		}
		s := out[len(out)-1]
		s.controls = append(s.controls, c)
		s.missing += boolInt(slices.Contains(missing, c.fd.Name))
	}
	return out
}

// minSteps is from how many parts on a form has a list of them.
const minSteps = 3

// fill puts into the control what was typed in it before.
func (c *control) fill(typed []string) {
	c.typed = first(typed)
	for i := range c.options {
		c.options[i].chosen = slices.Contains(typed, c.options[i].value)
	}
}

// wide tells the controls that take the whole width of the form: long texts,
// and choices that would not stand in one line of half of it.
func (c *control) wide() bool {
	if c.shape != radio {
		return c.shape == prose || c.shape == checks || c.shape == files
	}
	width := 0
	for _, o := range c.options {
		width += 5
		for _, r := range o.label {
			if width++; r > unicode.MaxLatin1 {
				width++
			}
		}
	}
	return width > 50
}

// group tells the controls that are several inputs under one legend.
func (c *control) group() bool { return c.shape == radio || c.shape == checks }

// describedBy names what a reader of the screen is to hear with the control.
func (c *control) describedBy() string {
	by := c.id + "-say"
	if c.hint != "" {
		by = c.id + "-hint " + by
	}
	return by
}

// maxLoose is how many files that no record shows yet a form offers.
const maxLoose = 12

// minFilter is from how many choices on a search box helps.
const minFilter = 12

// controls makes the page's view of every field.
func (w *Site) controls(p *page, e *entry) ([]*control, error) {
	marks, _ := e.remarks(p)
	asked := e.asked(p.today)
	results := e.form.Calculate(e.now, p.today)
	year, before, err := w.yearBefore(p, e)
	if err != nil {
		return nil, err
	}
	var out []*control
	for _, fd := range e.form.Fields {
		c := &control{
			fd: fd, id: "f-" + fd.Name, name: "f." + fd.Name, shape: fd.Shape(),
			label: fd.Label.In(p.lang), hint: hintOf(p, fd), required: fd.Required, asked: asked[fd.Name],
			unread: e.unread[fd.Name].In(p.lang), marks: marks[fd.Name],
		}
		typed := e.typed[fd.Name]
		if len(typed) > 0 {
			c.typed = typed[0]
		}
		if fd.Masked {
			c.stands = fd.Show(e.view.Fields[fd.Name], p.lang)
			c.erased = c.typed == form.Cleared
			c.typed = strings.TrimPrefix(c.typed, form.Cleared)
		}
		switch {
		case fd.Kind == form.Integer:
			c.mode = "numeric"
		case fd.Kind == form.Decimal:
			c.mode = "decimal"
		case fd.Kind == form.Image:
			for _, name := range typed {
				x := w.photo(p, name, p.T("photo.alt", fd.Label.In(p.lang), len(c.options)+1))
				c.options = append(c.options, option{value: name, label: x.alt, chosen: true, photo: x})
			}
			loose, err := w.store.Loose()
			if err != nil {
				return nil, err
			}
			offers := w.offers(p, e, loose)
			for _, o := range offers[:min(len(offers), maxLoose)] {
				if !slices.Contains(typed, o.value) {
					c.options = append(c.options, o)
				}
			}
			c.typed = ""
		case len(fd.Choices) > 0:
			c.options = choicesOf(fd, typed, p.lang)
		case fd.Kind == form.RefOne || fd.Kind == form.RefMultiple:
			var err error
			if c.options, c.more, err = w.targets(p, fd, e.draft.Village, typed); err != nil {
				return nil, err
			}
			c.village, c.looks = e.draft.Village, houseWords(p, fd.Name)
		}
		c.filter = (c.more || len(c.options) >= minFilter) && (c.shape == choose || c.shape == checks && len(fd.Choices) == 0)
		switch v, there := results[fd.Name]; {
		case there && fd.Kind == form.Calculate:
			c.comes = p.shown(fd, v)
		case there:
			c.offer = p.T("form.offer", p.shown(fd, v))
		}
		if v := before[fd.Name]; v != "" && !v.IsNull() && (fd.Kind == form.Decimal || fd.Kind == form.Integer) && fd.Name != "year" {
			c.before = p.T("form.before", year, p.shown(fd, v))
		}
		if c.shape == choose && fd.Refers == householdType && e.fresh() && c.unread == "" {
			for _, o := range c.options {
				if o.chosen {
					c.fixed = o.label
				}
			}
		}
		c.proposes = p.mayOnlyPropose(e.form, e.shown, record.Path(fd.Name)) != ""
		c.notes = w.notes(p, e, fd)
		for _, typed := range e.also(fd) {
			c.also = append(c.also, p.T("form.also", w.typedWords(p, e, fd, typed)))
		}
		out = append(out, c)
	}
	if e.draft.Typed == 0 && e.fresh() {
		begin(out)
	}
	return out, nil
}

// begin puts the focus on the first question of a new form that has no answer yet.
func begin(controls []*control) {
	for _, c := range controls {
		chosen := slices.ContainsFunc(c.options, func(o option) bool { return o.chosen })
		if c.asked && c.shape != result && c.typed == "" && !chosen && c.stands == "" {
			c.focus = true
			return
		}
	}
}

// yearToAsk is the year that a new record is probably of: this one, but what a household
// is asked once a year is asked when the year is over, and one year after the other.
func (w *Site) yearToAsk(p *page, f *form.Form) (int, error) {
	year := p.now.Year()
	if !slices.Equal(f.Key, []string{"household", "year"}) {
		return year, nil
	}
	last := 0
	if id, err := record.ParseID(p.r.URL.Query().Get("household")); err == nil {
		found, err := w.referring(id, f.Type)
		if err != nil {
			return year, err
		}
		for _, r := range found {
			n, _ := r.View.Fields["year"].Number()
			if y, err := strconv.Atoi(n); err == nil && !r.View.Void {
				last = max(last, y)
			}
		}
	}
	if last < year-1 {
		return year - 1, nil
	}
	return year, nil
}

// yearBefore gives the last record of the same household for an earlier year than that
// of a new record, of the types that have one a year: what is asked again is easier to
// answer beside it.
func (w *Site) yearBefore(p *page, e *entry) (year string, fields map[string]record.Value, err error) {
	if !e.fresh() || !slices.Equal(e.form.Key, []string{"household", "year"}) {
		return "", nil, nil
	}
	id, err := record.ParseID(first(e.typed["household"]))
	if err != nil {
		return "", nil, nil
	}
	now, _ := e.now["year"].Number()
	found, err := w.referring(id, e.form.Type)
	for _, r := range found {
		if y, ok := r.View.Fields["year"].Number(); ok && !r.View.Void && y > year && (now == "" || y < now) {
			year, fields = y, r.View.Fields
		}
	}
	return year, fields, err
}

func hintOf(p *page, fd *form.Field) string {
	if h := fd.Hint.In(p.lang); h != "" {
		return h
	}
	switch fd.Kind {
	case form.Geopoint:
		return p.T("form.place")
	case form.Image:
		if fd.Placed {
			return p.T("form.files.placed")
		}
		return p.T("form.files")
	}
	return ""
}

// choicesOf gives a field's code list, and behind it codes that stand although
// this version does not list them.
func choicesOf(fd *form.Field, typed []string, lang form.Lang) []option {
	var out []option
	for _, c := range fd.Choices {
		out = append(out, option{value: c.Name, label: c.Label.In(lang), chosen: slices.Contains(typed, c.Name)})
	}
	for _, t := range typed {
		if _, listed := fd.Choice(t); !listed {
			out = append(out, option{value: t, label: t, chosen: true})
		}
	}
	return out
}

// targets gives the records that a reference may name: those of the village,
// and behind them what is named already although it is not here.
func (w *Site) targets(p *page, fd *form.Field, v record.Village, typed []string) (out []option, more bool, err error) {

	if fd.Refers == householdType {
		if out, more, err = w.houseOptions(p, v, typed, houseWords(p, fd.Name), record.ID{}); err != nil {
			return nil, false, err
		}
	} else {
		posted := map[string]bool{}
		err = w.store.Each(v, fd.Refers, func(r store.Record) bool {
			id := r.Key.ID.String()
			chosen := slices.Contains(typed, id)
			if end, _ := r.View.Fields["end_date"].Text(); !chosen && (r.View.Void || fd.Refers == teamType && end != "" && end < p.today) {
				return true
			}
			name, _ := r.View.Fields["person_name"].Text()
			posted[name] = true
			out = append(out, option{value: id, label: w.titleOf(p, &r), chosen: chosen})
			return len(out) < maxTargets
		})
		if err != nil {
			return nil, false, err
		}
		slices.SortStableFunc(out, func(a, b option) int { return cmp.Compare(a.label, b.label) })
		for _, name := range p.team(fd.Refers) {
			if id := store.PostOf(&p.device, v, name).String(); !posted[name] && !slices.ContainsFunc(out, func(o option) bool { return o.value == id }) {
				out = append(out, option{value: id, label: name, chosen: slices.Contains(typed, id)})
			}
		}
	}
	for _, t := range typed {
		if !slices.ContainsFunc(out, func(o option) bool { return o.value == t }) {
			out = append(out, option{value: t, label: p.T("ref.missing", short(t)), chosen: true})
		}
	}
	return out, more, nil
}

// team gives the people of this laptop who are offered where a form asks for the team,
// although nobody has entered their posts yet.
func (p *page) team(t record.Type) []string {
	if role := p.device.Assigned.Role; t != teamType || role != identity.TeamMember && role != identity.FirstSecretary {
		return nil
	}
	return p.device.Assigned.Profiles
}

// maxTargets bounds the choices of one control.
const maxTargets = 3000

func short(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}

// notes says what a person should know before touching a field: who decides
// it, what others propose, that values contradict each other.
func (w *Site) notes(p *page, e *entry, fd *form.Field) []string {
	var out []string
	path := record.Path(fd.Name)
	var sides []string
	for _, s := range e.view.Conflicts[path] {
		sides = append(sides, p.T("doubt.value", s.Author, p.shown(fd, s.Value), p.moment(s.At.Milli())))
	}
	if len(sides) > 0 {
		out = append(out, p.T("form.contradicts", strings.Join(sides, p.T("list.between"))))
	}
	if lone(&e.view, path) {
		return append(out, p.T("form.onlyproposed"))
	}
	for _, s := range e.view.Proposals[path] {
		out = append(out, p.T("form.proposes", s.Author, p.shown(fd, s.Value), p.moment(s.At.Milli())))
	}
	return out
}

// typedWords shows what was typed in a field as people read it.
func (w *Site) typedWords(p *page, e *entry, fd *form.Field, typed []string) string {
	if v, err := e.parse(fd, typed); err == nil {
		return p.shown(fd, v)
	}
	return strings.Join(typed, p.T("list.between"))
}

// mayOnlyPropose says who decides a field that this person may not decide.
func (p *page) mayOnlyPropose(f *form.Form, s merge.State, path record.Path) string {
	at := path.Standing()
	err := merge.Permit(f, f.Type, s, p.writer(), []record.Write{{Path: at, Observed: s.Observed(at)}})
	var refusal *merge.Refusal
	if !errors.As(err, &refusal) {
		return ""
	}
	switch refusal.Code {
	case merge.RefusedOwner:
		return p.T("only.owner")
	case merge.RefusedAuthor:
		if slices.Contains(s.Authors(), p.author) {
			return p.T("only.office")
		}
		return p.T("only.author", strings.Join(s.Authors(), p.T("list.between")))
	}
	return p.T("only.role")
}

// shown is a value as people read it, references by the titles of what they
// name.
func (p *page) shown(fd *form.Field, v record.Value) string {
	if v == "" || v.IsNull() {
		return p.T("value.none")
	}
	if fd == nil {
		return string(v)
	}
	switch fd.Kind {
	case form.RefOne, form.RefMultiple:
		var names []string
		for _, t := range v.Texts() {
			id, err := record.ParseID(t)
			if err != nil {
				names = append(names, t)
				continue
			}
			names = append(names, p.site.label(p, fd.Refers, id))
		}
		return strings.Join(names, p.T("list.between"))
	case form.Image:
		names := v.Texts()
		if t, ok := v.Text(); ok {
			names = []string{t}
		}
		for i, name := range names {
			if h, kind, ok := blob.ParseName(name); ok {
				names[i] = h.String()[:8] + "." + kind
			}
		}
		return strings.Join(names, p.T("list.between"))
	case form.Date:
		if d, ok := v.Text(); ok {
			return p.day(d)
		}
	case form.Decimal, form.Integer:
		if n, ok := v.Number(); ok && !strings.Contains(fd.Name, "year") {
			return thousands(n)
		}
	}
	return fd.Show(v, p.lang)
}

// thousands puts commas into numbers of five digits and more.
func thousands(n string) string {
	whole, frac, point := strings.Cut(n, ".")
	digits := strings.TrimPrefix(whole, "-")
	if len(digits) < 5 {
		return n
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	out := b.String()
	if strings.HasPrefix(whole, "-") {
		out = "-" + out
	}
	if point {
		out += "." + frac
	}
	return out
}

// label is the title of a record that another one names.
func (w *Site) label(p *page, t record.Type, id record.ID) string {
	if t == householdType {
		if snap, err := p.snapshot(); err == nil && snap.byID(id) != nil {
			return snap.byID(id).title()
		}
	}
	if title, known := p.labels[id]; known {
		return title
	}
	title := p.T("ref.missing", short(id.String()))
	if r, err := w.store.Get(t, id); err == nil {
		title = w.titleOf(p, &r)
	} else if name := p.unposted(t, id); name != "" {
		title = name
	}
	if p.labels == nil {
		p.labels = map[record.ID]string{}
	}
	p.labels[id] = title
	return title
}

// unposted is who of this laptop an id stands for whose post nobody has entered.
func (p *page) unposted(t record.Type, id record.ID) string {
	for _, v := range p.device.Assigned.Villages {
		for _, name := range p.team(t) {
			if store.PostOf(&p.device, v.Code, name) == id {
				return name
			}
		}
	}
	return ""
}

// titleOf is the line by which people know a record: its form's title fields.
func (w *Site) titleOf(p *page, r *store.Record) string {
	f := w.forms.Form(r.Key.Type)
	if f == nil {
		return short(r.Key.ID.String())
	}
	var parts []string
	for _, name := range f.Titles {
		fd := f.Field(name)
		v := r.View.Fields[name]
		if fd == nil || v == "" || v.IsNull() {
			continue
		}
		s := p.shown(fd, v)
		if runes := []rune(s); len(runes) > 40 {
			s = string(runes[:40]) + "…"
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return f.Title.In(p.lang) + " " + short(r.Key.ID.String())
	}
	if (r.Key.Type == householdType || r.Key.Type == teamType) && len(parts) == 2 {
		return parts[0] + "（" + parts[1] + "）"
	}
	return strings.Join(parts, " · ")
}

// firstAnswers are what stands in a new form: what the link says, today for the
// day that the record is of, and whoever is at the laptop where the team is asked.
func (w *Site) firstAnswers(p *page, f *form.Form, v record.Village) (map[string][]string, error) {
	values := map[string][]string{}
	for _, fd := range f.Fields {
		given := p.r.URL.Query()[fd.Name]
		switch {
		case fd.Kind == form.Calculate:
		case len(given) > 0:
			values[fd.Name] = given
		case p.doubt() != "" && (fd.Kind == form.Date || fd.Name == "year"):
		case fd.Kind == form.Date && fd.Required && fd.Policy == form.Author:
			values[fd.Name] = []string{p.today}
		case fd.Kind == form.Integer && fd.Name == "year":
			year, err := w.yearToAsk(p, f)
			if err != nil {
				return nil, err
			}
			values[fd.Name] = []string{strconv.Itoa(year)}
		case f.Type == incomeType && fd.Name == "members":
			if id, err := record.ParseID(p.r.URL.Query().Get("household")); err == nil {
				n, err := w.sizeOf(id)
				if err != nil {
					return nil, err
				}
				if n > 0 {
					values[fd.Name] = []string{strconv.Itoa(n)}
				}
			}
		case f.Type == issueType && (fd.Name == "issue_status" || fd.Name == "issue_source"):
			values[fd.Name] = []string{map[string]string{"issue_status": "open", "issue_source": "self"}[fd.Name]}
		case fd.Refers == teamType && fd.Required:
			if slices.Contains(p.team(teamType), p.author) {
				values[fd.Name] = []string{store.PostOf(&p.device, v, p.author).String()}
			}
			err := w.store.Each(v, teamType, func(r store.Record) bool {
				if name, _ := r.View.Fields["person_name"].Text(); name == p.author && !r.View.Void {
					values[fd.Name] = []string{r.Key.ID.String()}
				}
				return true
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}
