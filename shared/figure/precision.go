package figure

import (
	"strconv"

	"zhucun/shared/record"
)

// The five precisions, by their place in Figures.
const (
	Target  = iota // the households that count, and who of them is recorded right
	Project        // projects that serve an indicator or somebody
	Fund           // payments that are documented and covered
	Measure        // this year's measures that the household has confirmed
	Outcome        // this year's exits that were checked, signed, and are above the line
)

type measure struct {
	year, confirmed string
}

func (v *Village) addMeasure(_ record.ID, a answers) {
	v.measures = append(v.measures, measure{a.year("year"), a.text("confirmed_date")})
}

func (v *Village) addExitCheck(_ record.ID, a answers) {
	of := yearOf{a.id("household"), a.year("year")}
	all := a.text("household_signed") == "yes"
	for _, name := range []string{"income", "food", "clothing", "water", "education", "medical", "housing"} {
		all = all && a.text(name) == "yes"
	}
	// Of two checks both have to say so.
	if before, ok := v.checks[of]; ok {
		all = all && before
	}
	v.checks[of] = all
}

// precision gives the five precisions as of the period's last day, in its year.
func (v *Village) precision(p Period) [5]Ratio {
	var r [5]Ratio
	year := p.Year()
	heads, doubtful := v.roster(p.To)
	for id, h := range v.households {
		if !Active(h.status) {
			continue
		}
		_, earned := v.incomes[yearOf{id, before(year)}]
		r[Target].count(h.cause != "" && h.attr != "" && heads[id] == 1 && !doubtful[id] && earned)
		if h.status == "exited" && h.exitYear == year {
			r[Outcome].count(v.checks[yearOf{id, year}] && v.above(id, year))
		}
	}
	for _, pr := range v.projects {
		r[Project].count(pr.serves)
	}
	r[Fund] = v.payments(p.To)
	for _, m := range v.measures {
		if m.year == year {
			r[Measure].count(m.confirmed != "" && m.confirmed <= p.To)
		}
	}
	return r
}

// roster gives how many heads each household has on a day, and which have a member
// whose number is not valid or is somebody else's too.
func (v *Village) roster(on string) (heads map[record.ID]int, doubtful map[record.ID]bool) {
	heads, doubtful = map[record.ID]int{}, map[record.ID]bool{}
	first := map[string]record.ID{}
	for i := range v.persons {
		p := &v.persons[i]
		if p.head {
			heads[p.household]++
		}
		if !p.identified(on) {
			doubtful[p.household] = true
		}
		if p.number == "" {
			continue
		}
		if other, ok := first[p.number]; ok {
			doubtful[p.household], doubtful[other] = true, true
		}
		first[p.number] = p.household
	}
	return heads, doubtful
}

// above tells whether a household's net income a head is above the exit line of the
// year.
func (v *Village) above(id record.ID, year string) bool {
	in, ok := v.incomes[yearOf{id, year}]
	line, known := v.rules.line(year)
	return ok && known && in.members > 0 && yuan(in.net)/in.members > line
}

// before gives the year before.
func before(year string) string {
	n, err := strconv.Atoi(year)
	if err != nil {
		return ""
	}
	return strconv.Itoa(n - 1)
}
