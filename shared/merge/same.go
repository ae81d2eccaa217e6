package merge

import (
	"bytes"
	"slices"
	"strings"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Two records may tell of the same thing. What is said of that stands in both, each under
// the other's id (_same/ID): true where they are the same, false where they are not. So
// it travels with the records, and whoever has been told is not asked again.

// Likeness is what is known of whether two records are the same.
type Likeness uint8

const (
	Unsaid Likeness = iota // nobody has said, or both was said
	Same
	Apart
)

// LikenessOf gives what was said of two records.
func LikenessOf(a State, aID record.ID, b State, bID record.ID) Likeness {
	return saidBy(a[samePath(bID)], b[samePath(aID)])
}

// LikenessTo gives what one record says of another.
func (s State) LikenessTo(id record.ID) Likeness { return saidBy(s[samePath(id)]) }

func samePath(id record.ID) record.Path { return record.Same.Element(id.String()) }

func saidBy(rs ...Register) Likeness {
	same, apart := false, false
	for _, r := range rs {
		for _, sib := range r.Siblings {
			same = same || sib.Value == record.True
			apart = apart || sib.Value == record.False
		}
	}
	switch {
	case same == apart:
		return Unsaid
	case same:
		return Same
	}
	return Apart
}

// Others gives the records of which something is said in this one.
func (s State) Others() (ids []record.ID) {
	for p := range s {
		if _, element := p.Field(); p.Links() {
			if id, err := record.ParseID(element); err == nil {
				ids = append(ids, id)
			}
		}
	}
	slices.SortFunc(ids, func(a, b record.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// Joined gives the records of which this one says that they are the same as it, whoever
// says that they are not: what a join united stands in both until it is taken back.
func (s State) Joined() []record.ID {
	return slices.DeleteFunc(s.Others(), func(id record.ID) bool {
		return !slices.ContainsFunc(s[samePath(id)].Siblings, func(sib Sibling) bool { return sib.Value == record.True })
	})
}

// Keeps tells which of two records that are the same is kept: the one with the smaller
// id, whoever joins them and wherever, so that two people who do it apart do not each
// withdraw the other's.
func Keeps(a, b record.ID) bool { return bytes.Compare(a[:], b[:]) < 0 }

// Unite gives the answers of a record that change when another one is joined to it. Sets
// are united; of texts both are kept, the other's behind with its authors' names; what is
// empty takes the other's answer. Where both have one that cannot be both, the record's
// own stays, and the other's where it is.
func Unite(f *form.Form, kept, other View) map[string]record.Value {
	changed := map[string]record.Value{}
	for _, fd := range f.Fields {
		is, more := kept.Fields[fd.Name], other.Fields[fd.Name]
		if fd.Kind == form.Calculate || more == "" || more.IsNull() || is == more {
			continue
		}
		if len(kept.Conflicts[record.Path(fd.Name)])+len(kept.Proposals[record.Path(fd.Name)]) > 0 {
			continue // to write there would decide it
		}
		var to record.Value
		switch {
		case is == "" || is.IsNull():
			to = more
		case fd.Many():
			to = record.Set(append(is.Texts(), more.Texts()...))
		case fd.Kind == form.Text && len(fd.Choices) == 0:
			to = unite(is, more, other.Authors)
		default:
			continue
		}
		if to != is {
			changed[fd.Name] = to
		}
	}
	return changed
}

// unite puts a text behind another, unless it is there already.
func unite(is, more record.Value, authors []string) record.Value {
	a, _ := is.Text()
	b, _ := more.Text()
	if strings.Contains(a, b) {
		return is
	}
	return record.Text(a + behind(b, authors))
}

func behind(text string, authors []string) string {
	return "\n" + strings.Join(authors, "、") + "：" + text
}

// Part gives the answers of a record without what a join has put into them: those whose
// value, or proposal, the change that says so wrote and nobody has replaced since. It is
// what undoes the join.
func Part(f *form.Form, kept State, other View, id record.ID) map[string]record.Value {
	view := Read(f, kept)
	changed := map[string]record.Value{}
	out := map[string][]string{}
	for _, said := range kept[samePath(id)].Siblings {
		if said.Value != record.True {
			continue
		}
		for p, r := range kept {
			i := slices.IndexFunc(r.Siblings, func(s Sibling) bool { return s.Dot == said.Dot })
			fd := f.PathField(p)
			if i < 0 || fd == nil {
				continue
			}
			switch name, element := p.Field(); {
			case element != "":
				out[name] = append(out[name], element)
			case p.IsProposal():
				changed[name] = standing(kept[p.Standing()])
			case len(r.Siblings) > 1 || len(kept[p.Proposal()].Siblings) > 0:
				// Somebody wrote beside it: to write there would decide it.
			default:
				if own, ok := without(r.Siblings[i].Value, other.Fields[name], other.Authors); ok {
					changed[name] = own
				}
			}
		}
	}
	for name, elements := range out {
		changed[name] = record.Set(slices.DeleteFunc(view.Fields[name].Texts(), func(e string) bool { return slices.Contains(elements, e) }))
	}
	return changed
}

// standing is the value that a register shows; Null for none.
func standing(r Register) record.Value {
	if values := distinct(r.Siblings); len(values) > 0 {
		return values[len(values)-1].Value
	}
	return record.Null
}

// without takes a text off the end of another, as unite put it there, or all of it where
// there was nothing else; false where neither can be told, since the other was mended.
func without(is, more record.Value, authors []string) (own record.Value, ok bool) {
	if is == more {
		return record.Null, true
	}
	a, text := is.Text()
	b, _ := more.Text()
	before, cut := strings.CutSuffix(a, behind(b, authors))
	return record.Text(before), text && cut && b != ""
}
