package figure

import (
	"slices"
	"strconv"

	"zhucun/shared/record"
)

// State is how an indicator stands.
type State string

const (
	Met     State = "met"
	Unmet   State = "unmet"
	Pending State = "pending" // nobody has recorded what decides it, or people contradict each other
)

// IndicatorMade is an exit indicator of a village.
type IndicatorMade struct {
	Code   string `json:"code"`
	Figure string `json:"figure"` // what is measured
	State  State  `json:"state"`
	// Value is what decided, as recorded: a number, yes or no; "" where pending.
	Value string `json:"value"`
	// Checked tells that somebody checked it, whatever the records make of it.
	Checked bool `json:"checked"`
	// Measured is what the records make of it.
	Measured State `json:"measured"`
}

type tally struct {
	year, indicator, value string
}

func (v *Village) addTally(_ record.ID, a answers) {
	if a.text("value") != "" {
		v.tallies = append(v.tallies, tally{a.year("year"), a.text("indicator"), a.text("value")})
	}
}

// Indicators gives the exit indicators of a year, in the order of the rules: as
// checked in the year, else as the records make them.
func (v *Village) Indicators(year string) []IndicatorMade {
	list := make([]IndicatorMade, 0, len(v.rules.Indicators))
	for _, i := range v.rules.Indicators {
		made := IndicatorMade{Code: i.Code, Figure: i.Figure, State: Pending, Measured: Pending}
		if value, ok := measures[i.Figure](v, year); ok {
			made.Value = strconv.FormatFloat(value, 'f', -1, 64)
			made.Measured = stateOf(i.met(value))
			made.State = made.Measured
		}
		for _, t := range v.tallies {
			if t.year != year || t.indicator != i.Code {
				continue
			}
			state := judged(i, t.value)
			if made.Checked && state != made.State {
				made.State, made.Value = Pending, ""
				break
			}
			made.Checked, made.State, made.Value = true, state, t.value
		}
		list = append(list, made)
	}
	return list
}

// judged gives what a value says that somebody entered for an indicator.
func judged(i Indicator, value string) State {
	switch value {
	case "yes":
		return Met
	case "no":
		return Unmet
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return Pending
	}
	return stateOf(i.met(n))
}

func stateOf(met bool) State {
	if met {
		return Met
	}
	return Unmet
}

// measures are the figures that indicators are judged by, as the records have them;
// false where they do not say.
var measures = map[string]func(v *Village, year string) (float64, bool){
	// Percent of the population.
	"headcount": func(v *Village, year string) (float64, bool) {
		return v.register(Period{To: year + "-12-31"}).Headcount.Percent()
	},
	// Percent of the hamlets of 25 households and more; all, where there are none.
	"paved": func(v *Village, year string) (float64, bool) {
		p := v.profile(year)
		if p == nil || !p.hamlet || !p.pave && p.hamlets > 0 {
			return 0, false
		}
		if p.hamlets == 0 {
			return 100, true
		}
		return 100 * p.paved / p.hamlets, true
	},
	// Households that count.
	"unsafe_water":  lacking(func(h *household) string { return h.water }, "no"),
	"without_power": lacking(func(h *household) string { return h.power }, "no"),
	"unsafe_houses": lacking(func(h *household) string { return h.risk }, "c", "d", "none"),
	// Of the village: 1 where it has it, 0 where not; of services how many.
	"broadband":     has(func(p *profile) []string { return []string{p.broadband} }),
	"services":      has(func(p *profile) []string { return []string{p.clinic, p.culture} }),
	"waste_service": has(func(p *profile) []string { return []string{p.disposal} }),
	// Yuan of the year.
	"collective_income": func(v *Village, year string) (float64, bool) {
		if p := v.profile(year); p != nil && p.earned {
			return p.income, true
		}
		return 0, false
	},
}

// lacking counts the households that count of which bad news is recorded. While there
// is none, it is known only once all of them have an answer.
func lacking(answer func(*household) string, bad ...string) func(*Village, string) (float64, bool) {
	return func(v *Village, _ string) (float64, bool) {
		n, asked, all := 0, 0, 0
		for _, h := range v.households {
			if !Active(h.status) {
				continue
			}
			all++
			switch a := answer(h); {
			case a == "" || a == "unassessed":
			case slices.Contains(bad, a):
				n++
				asked++
			default:
				asked++
			}
		}
		return float64(n), n > 0 || all > 0 && asked == all
	}
}

// has counts what the village has; what it lacks decides, and else what is not
// recorded leaves it open.
func has(answers func(*profile) []string) func(*Village, string) (float64, bool) {
	return func(v *Village, year string) (float64, bool) {
		p := v.profile(year)
		if p == nil {
			return 0, false
		}
		n, open, no := 0, false, false
		for _, a := range answers(p) {
			switch a {
			case "yes":
				n++
			case "no":
				no = true
			default:
				open = true
			}
		}
		return float64(n), no || !open
	}
}
