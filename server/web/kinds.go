package web

import (
	"slices"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// kindsView is the first page of the records: what there is, and one box for people.
type kindsView struct {
	groups []kindGroup
	text   string
	found  []foundKind
	behind int
}

type kindGroup struct {
	title string
	kinds []kind
}

type kind struct {
	form  *form.Form
	count int
}

// foundKind is what the box found of one type.
type foundKind struct {
	form    *form.Form
	rows    []store.Row
	columns []*form.Field
	all     string // where the rest is; "" where there is none
}

// foundTypes are what the box looks for, and foundRows how many of each it shows.
var foundTypes = []record.Type{"household", "person", "team_post", "project"}

const foundRows = 10

// maxText bounds what is looked for, in characters.
const maxText = 200

// kinds lists the types of records with how many there are, and finds people.
func (w *Site) kinds(p *page) (reply, error) {
	p.title, p.at = p.T("nav.records"), records
	v := &kindsView{text: strings.TrimSpace(p.r.URL.Query().Get("q"))}
	if len([]rune(v.text)) > maxText {
		return reply{}, errAsked
	}
	if v.text != "" {
		if err := w.find(p, v); err != nil {
			return reply{}, err
		}
	}
	counts, err := w.store.TypeCounts(p.ctx)
	if p.sight.Village != "" {
		counts, err = w.store.Counts(p.ctx, p.sight.Village)
	}
	if err != nil {
		return reply{}, err
	}
	for _, f := range w.forms.Forms() {
		title := f.Group.Label.In(p.lang)
		i := slices.IndexFunc(v.groups, func(g kindGroup) bool { return g.title == title })
		if i < 0 {
			i = len(v.groups)
			v.groups = append(v.groups, kindGroup{title: title})
		}
		v.groups[i].kinds = append(v.groups[i].kinds, kind{f, counts[f.Type]})
	}
	return show(kindsPage(p, v))
}

func (w *Site) find(p *page, v *kindsView) error {
	for _, t := range foundTypes {
		f := w.forms.Form(t)
		if f == nil {
			continue
		}
		l, err := w.store.Browse(p.ctx, store.Browse{Type: t, Village: p.sight.Village, Text: v.text, Shows: p.sight.Shows, Limit: foundRows})
		if err != nil {
			return err
		}
		v.behind = max(v.behind, l.Behind)
		if len(l.Rows) == 0 && !l.Partial {
			continue
		}
		if err := p.gather(l.Rows); err != nil {
			return err
		}
		k := foundKind{form: f, rows: l.Rows, columns: p.columnsOf(f, nil)}
		if l.Next != (store.Place{}) {
			k.all = address("/records/"+string(t), "q", v.text)
		}
		v.found = append(v.found, k)
	}
	return nil
}

// findWords says by what people are found; by the end of an ID number only where numbers
// are in sight.
func (p *page) findWords() string {
	if f := p.site.forms.Form("person"); f == nil || !p.sight.Shows(f.Field("id_number")) {
		return p.T("find.by")
	}
	return p.T("find.by.id")
}
