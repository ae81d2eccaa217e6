package merge

import (
	"maps"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Mask leaves the last four characters of every value of the masked fields, wherever the
// record has them: in the answers to questions and in the history too.
func (j *JSON) Mask(f *form.Form) {
	if f == nil {
		return
	}
	hides := func(p record.Path) bool {
		if about, asked := p.Asked(); asked {
			p = about // the words may say it too
		}
		fd := f.PathField(p)
		return fd != nil && fd.Masked
	}
	j.Fields = maps.Clone(j.Fields) // they may be the view's own
	for name, v := range j.Fields {
		if hides(record.Path(name)) {
			j.Fields[name] = Masked(v)
		}
	}
	for _, claims := range []map[record.Path][]Claim{j.Conflicts, j.Proposals, j.Others} {
		for p, list := range claims {
			for i := range list {
				if hides(p) {
					list[i].Value = Masked(list[i].Value)
				}
			}
		}
	}
	for p, q := range j.Questions {
		for i := range q.Answers {
			if hides(p) {
				q.Answers[i].Value = Masked(q.Answers[i].Value)
			}
		}
	}
	for i := range j.History {
		for p, v := range j.History[i].Set {
			if hides(p) {
				j.History[i].Set[p] = Masked(v)
			}
		}
	}
}

// Masked gives the value of a masked field as it is shown.
func Masked(v record.Value) record.Value {
	if v == "" || v.IsNull() {
		return v
	}
	if s, ok := v.Text(); ok {
		return record.Text(form.Mask(s))
	}
	return record.Text(form.Mask(string(v)))
}
