package web

import (
	"cmp"
	"slices"
	"strconv"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

func readNumber(s string) (uint64, error) { return strconv.ParseUint(s, 10, 63) }

// fillControl puts into a control what stands in it, and what there is to choose from.
func (w *Site) fillControl(p *page, v *editView, c *control, typed []string, by merge.Writer) (err error) {
	fd := c.fd
	c.typed = first(typed)
	if c.typed == form.Cleared {
		c.typed = ""
	}
	if fd.Masked {
		if value := v.rec.View.Fields[fd.Name]; value != "" {
			c.stands = fd.Show(value, p.lang)
		}
	}
	switch {
	case fd.Kind == form.Image:
		if c.photos, err = w.photos(p, v.rec.Key, fd, record.List(typed)); err != nil {
			return err
		}
		for i, name := range typed {
			c.options = append(c.options, option{value: name, label: p.T("photo.alt", c.label, i+1), chosen: true})
		}
		// What was there and was taken out on this form can be put back.
		for _, name := range v.rec.View.Fields[fd.Name].Texts() {
			if !slices.Contains(typed, name) {
				c.options = append(c.options, option{value: name, label: p.T("photo.alt", c.label, len(c.options)+1)})
				more, err := w.photos(p, v.rec.Key, fd, record.List([]string{name}))
				if err != nil {
					return err
				}
				c.photos = append(c.photos, more...)
			}
		}
	case len(fd.Choices) > 0:
		for _, choice := range fd.Choices {
			c.options = append(c.options, option{choice.Name, choice.Label.In(p.lang), slices.Contains(typed, choice.Name)})
		}
		for _, t := range typed {
			if _, listed := fd.Choice(t); !listed {
				c.options = append(c.options, option{t, t, true})
			}
		}
	case fd.Refers != "":
		if c.options, err = w.targets(p, v.rec.Village, fd, typed); err != nil {
			return err
		}
	}
	c.notes = p.fieldNotes(v.rec, fd)
	at := record.Path(fd.Name)
	c.proposes = merge.Permit(v.form, v.rec.Type, v.rec.State, by, []record.Write{{Path: at, Observed: v.rec.State.Observed(at)}}) != nil
	return nil
}

// targets gives the records that a reference may name: the valid ones of the village, and
// behind them what is named already.
func (w *Site) targets(p *page, v record.Village, fd *form.Field, typed []string) ([]option, error) {
	l, err := w.store.Browse(p.ctx, store.Browse{Type: fd.Refers, Village: v, Where: []store.Condition{{Field: "life", Value: "alive"}}, Limit: maxTargets})
	if err != nil {
		return nil, err
	}
	if err := p.gather(l.Rows); err != nil {
		return nil, err
	}
	var list []option
	for i := range l.Rows {
		id := l.Rows[i].ID.String()
		list = append(list, option{id, p.label(&l.Rows[i]), slices.Contains(typed, id)})
	}
	slices.SortStableFunc(list, func(a, b option) int { return cmp.Compare(a.label, b.label) })
	for _, t := range typed {
		if !slices.ContainsFunc(list, func(o option) bool { return o.value == t }) {
			list = append(list, option{t, p.named(v, fd.Refers, t, 1), true})
		}
	}
	return list, nil
}

// fieldNotes says what others say of a field: values that stand against each other, and
// proposals.
func (p *page) fieldNotes(rec *store.Record, fd *form.Field) (notes []string) {
	at := record.Path(fd.Name)
	for _, s := range rec.View.Conflicts[at] {
		notes = append(notes, p.T("edit.contradicts", s.Author, p.when(s.At), p.pathText(rec.Key, at, s.Value)))
	}
	for _, s := range rec.View.Proposals[at] {
		notes = append(notes, p.T("edit.proposes", s.Author, p.when(s.At), p.pathText(rec.Key, at, s.Value)))
	}
	return notes
}

// movedText says what somebody else has written in a field meanwhile.
func (p *page) movedText(rec *store.Record, fd *form.Field) string {
	value := rec.View.Fields[fd.Name]
	said := p.T("unnamed")
	if value != "" && !value.IsNull() {
		said = p.fieldText(rec.Village, fd, value, 1)
	}
	return p.T("edit.moved.field", p.writtenBy(rec, fd.Name), said)
}

// wide tells the controls that take the whole width of the form.
func (c *control) wide() bool {
	return c.shape == form.Prose || c.shape == form.Checks || c.shape == form.Files || c.shape == form.Radio && len(c.options) > 4
}

// group tells the controls that are several inputs under one legend.
func (c *control) group() bool {
	return c.shape == form.Radio || c.shape == form.Checks || c.shape == form.Files
}

// describedBy names what a reader of the screen is to hear with the control.
func (c *control) describedBy() string {
	if c.hint != "" {
		return c.id + "-hint " + c.id + "-say"
	}
	return c.id + "-say"
}

// inputType is the type of a control of one line.
func (c *control) inputType() string {
	if c.shape == form.Day {
		return "date"
	}
	return "text"
}

// mode is the keyboard to offer.
func (c *control) mode() string {
	switch c.fd.Kind {
	case form.Integer:
		return "numeric"
	case form.Decimal:
		return "decimal"
	}
	return "text"
}
