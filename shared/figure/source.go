package figure

import (
	"cmp"
	"slices"
)

// Source is the money of one source of funds.
type Source struct {
	Code     string  `json:"source"`   // of the code list; "" where none is recorded
	Received float64 `json:"received"` // yuan
	Paid     float64 `json:"paid"`     // yuan, less what was returned
}

// sourcesOf gives the money up to the end of a period by where it came from, by code.
// Together they are what Projects.Payment is of.
func (v *Village) sourcesOf(p Period) []Source {
	type sums struct{ received, paid int64 } // fen
	of := map[string]*sums{}
	for _, f := range v.funds {
		if f.date > p.To {
			continue
		}
		s := of[f.source]
		if s == nil {
			s = &sums{}
			of[f.source] = s
		}
		switch f.direction {
		case "received":
			s.received += f.amount
		case "paid":
			s.paid += f.amount
		case "returned":
			s.paid -= f.amount
		}
	}
	list := make([]Source, 0, len(of))
	for code, s := range of {
		list = append(list, Source{code, yuan(s.received), yuan(s.paid)})
	}
	slices.SortFunc(list, func(a, b Source) int { return cmp.Compare(a.Code, b.Code) })
	return list
}

// andSources gives both lists together, by code.
func andSources(a, b []Source) []Source {
	list := slices.Clone(a)
	for _, s := range b {
		i, found := slices.BinarySearchFunc(list, s.Code, func(x Source, code string) int { return cmp.Compare(x.Code, code) })
		if !found {
			list = slices.Insert(list, i, Source{Code: s.Code})
		}
		list[i].Received += s.Received
		list[i].Paid += s.Paid
	}
	return list
}
