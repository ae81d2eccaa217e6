package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

const (
	profileType   record.Type = "village"
	indicatorType record.Type = "indicator_value"
)

// villageView is the page of a village: its profile by year, and the nine indicators by
// which it may leave the register, of one year.
type villageView struct {
	code       record.Village
	name       string
	year       string
	years      []string // that something is known of, the newest first
	profile    *years
	indicators []indicatorLine
	met        int
	write      bool // may write the profile
}

// indicatorLine is an indicator: what the records make of it, what somebody checked, and
// what follows.
type indicatorLine struct {
	code, name, rule string
	measured, from   string // the figure, and the numbers that it comes from
	makes            figure.State
	checked          []checkedLine
	state            figure.State
	write            string // where somebody enters a check
}

// checkedLine is what somebody entered.
type checkedLine struct {
	recordLine
	value, evidence, by string
}

// maxProfiles is how many years stand side by side.
const maxProfiles = 4

// village shows a village and its indicators.
func (w *Site) village(p *page) (reply, error) {
	q := p.r.URL.Query()
	assigned, err := p.device.Village(record.Village(cmp.Or(q.Get("village"), p.firstVillage())))
	if err != nil {
		return reply{}, errAsked
	}
	p.title, p.at = p.T("village.title"), "records"
	v := &villageView{code: assigned.Code, name: assigned.Name, write: p.may(w.forms.Form(profileType))}
	facts, tallies, village, err := w.facts(v.code)
	if err != nil {
		return reply{}, err
	}
	for _, r := range slices.Concat(facts, tallies) {
		if y := cmp.Or(dayOf(&r, "data_year"), dayOf(&r, "year")); y != "" && !slices.Contains(v.years, y) {
			v.years = append(v.years, y)
		}
	}
	slices.Sort(v.years)
	slices.Reverse(v.years)
	v.year = q.Get("year")
	if !slices.Contains(v.years, v.year) {
		v.year = p.now.Format("2006")
		if len(facts) > 0 {
			v.year = dayOf(&facts[0], "data_year")
		} else if len(v.years) > 0 {
			v.year = v.years[0]
		}
	}
	v.profile = w.profiles(p, facts)
	w.judge(p, v, facts, tallies, village)
	return show(villageFactsPage(p, v))
}

// facts reads what the indicators are made of: the profiles, the newest year first, what
// was checked, and the village as the figures see it, without the checks.
func (w *Site) facts(code record.Village) (facts, tallies []store.Record, village *figure.Village, err error) {
	village = figure.New(w.store.Rules())
	for _, t := range []record.Type{profileType, householdType, personType, indicatorType} {
		err := w.store.Each(code, t, func(r store.Record) bool {
			switch {
			case r.View.Void:
				return true
			case t == indicatorType:
				tallies = append(tallies, r)
				return true
			case t == profileType:
				facts = append(facts, r)
			}
			village.Add(t, r.Key.ID, r.View.Fields)
			return true
		})
		if err != nil {
			return nil, nil, nil, err
		}
	}
	slices.SortStableFunc(facts, func(a, b store.Record) int {
		return strings.Compare(dayOf(&b, "data_year"), dayOf(&a, "data_year"))
	})
	return facts, tallies, village, nil
}

// profiles puts the latest years side by side, the newest first. A row in which all are
// empty is left out.
func (w *Site) profiles(p *page, facts []store.Record) *years {
	f := w.forms.Form(profileType)
	y := &years{form: f, write: p.may(f)}
	facts = facts[:min(len(facts), maxProfiles)]
	for i := range facts {
		y.heads = append(y.heads, yearHead{w.line(p, &facts[i]), dayOf(&facts[i], "data_year")})
	}
	for _, fd := range f.Fields {
		if fd.Name == "data_year" || fd.Kind == form.Image {
			continue
		}
		one, some := yearRow{label: fd.Label.In(p.lang)}, false
		for i := range facts {
			value := p.shownOf(f, &facts[i], fd.Name)
			one.values = append(one.values, value)
			some = some || value != ""
		}
		if some {
			y.rows = append(y.rows, one)
		}
	}
	return y
}

// judge works out the indicators of the year: as the records make them, and as somebody
// checked them, which decides.
func (w *Site) judge(p *page, v *villageView, facts, tallies []store.Record, village *figure.Village) {
	f, known := w.forms.Form(indicatorType), map[string]figure.IndicatorMade{}
	for _, i := range village.Indicators(v.year) {
		known[i.Code] = i
	}
	for i := range tallies {
		r := &tallies[i]
		var apart []record.Value
		for _, side := range r.View.Conflicts[record.Path(figure.Contested.Field)] {
			apart = append(apart, side.Value)
		}
		village.AddApart(indicatorType, r.Key.ID, r.View.Fields, figure.Contested.Field, apart)
	}
	write := p.may(f)
	for _, i := range village.Indicators(v.year) {
		made := known[i.Code]
		l := indicatorLine{code: i.Code, rule: p.ruleWord(i.Figure), state: i.State, makes: made.Measured, measured: p.measuredWord(made), from: w.fromWord(p, i.Figure, v.year, facts, village)}
		if c, ok := f.Field("indicator").Choice(i.Code); ok {
			l.name = c.Label.In(p.lang)
		}
		for j := range tallies {
			r := &tallies[j]
			if code, _ := r.View.Fields["indicator"].Text(); code != i.Code || dayOf(r, "year") != v.year {
				continue
			}
			value := p.shownOf(f, r, "value")
			switch value {
			case "yes":
				value = p.T("village.met")
			case "no":
				value = p.T("village.unmet")
			}
			l.checked = append(l.checked, checkedLine{w.line(p, r), value, p.shownOf(f, r, "evidence"), p.shownOf(f, r, "checked_by")})
		}
		if write && len(l.checked) == 0 {
			l.write = "/record/indicator_value/new?" + url.Values{"village": {string(v.code)}, "year": {v.year}, "indicator": {i.Code}}.Encode()
		}
		v.met += boolInt(l.state == figure.Met)
		v.indicators = append(v.indicators, l)
	}
}

// stateWord is how an indicator stands.
func (p *page) stateWord(s figure.State) string {
	switch s {
	case figure.Met:
		return p.T("village.met")
	case figure.Unmet:
		return p.T("village.unmet")
	}
	return p.T("village.pending")
}

// ruleWord says what an indicator asks for.
func (p *page) ruleWord(of string) string {
	rule := "village.rule." + of
	if _, known := texts[rule]; !known {
		return of
	}
	return p.T(rule)
}

// measuredWord is what the records make of an indicator, "" where they do not say.
func (p *page) measuredWord(i figure.IndicatorMade) string {
	n, err := strconv.ParseFloat(i.Value, 64)
	if err != nil {
		return ""
	}
	switch i.Figure {
	case "headcount", "paved":
		return p.T("village.percent", strconv.FormatFloat(n, 'f', 2, 64))
	case "unsafe_water", "without_power", "unsafe_houses":
		return p.T("village.houses", int(n))
	case "collective_income":
		return p.T("village.yuan", thousands(i.Value))
	}
	return p.stateWord(i.Measured)
}

// fromWord gives the numbers that a figure comes from.
func (w *Site) fromWord(p *page, of, year string, facts []store.Record, village *figure.Village) string {
	f := w.forms.Form(profileType)
	at := slices.IndexFunc(facts, func(r store.Record) bool { return dayOf(&r, "data_year") <= year })
	said := func(names ...string) string {
		var parts []string
		for _, name := range names {
			value := p.T("value.none")
			if at >= 0 {
				value = cmp.Or(p.shownOf(f, &facts[at], name), value)
			}
			parts = append(parts, p.T("path.element", f.Field(name).Label.In(p.lang), value))
		}
		if at >= 0 {
			parts = append(parts, p.T("village.of", dayOf(&facts[at], "data_year")))
		}
		return strings.Join(parts, p.T("list.dot"))
	}
	switch of {
	case "headcount":
		r := village.Of(figure.Period{From: year + "-01-01", To: year + "-12-31"}).Register.Headcount
		if r.Of == 0 {
			return said("population")
		}
		return p.T("village.from.headcount", int(r.Part), thousands(strconv.Itoa(int(r.Of))))
	case "paved":
		return said("nv25_paved", "nv25")
	case "broadband":
		return said("broadband")
	case "services":
		return said("clinic", "culture_room")
	case "waste_service":
		return said("waste_service")
	case "collective_income":
		return said("collective_income")
	}
	return p.T("village.from.ledger")
}
