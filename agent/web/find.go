package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"zhucun/agent/finder"
	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// findView is the list of households.
type findView struct {
	q       string
	village record.Village
	visit   bool // to pick one for a visit
	onlyDue bool
	lines   []foundLine
	// names are all households of a village that has few, by group; groups are those of
	// one that has many, of which one may be looked at: group.
	names  []houseGroup
	groups []finder.Group
	group  *string
	total  int
	about  bool // total is the most that there may be
	from   int  // how many come before those that are listed
	next   int  // from of the page behind; 0 for none
	read   int  // how much of the store has been read, in percent
}

type houseGroup struct {
	name   string
	houses []foundLine
}

// foundLine is a household in the list, with what it was found by.
type foundLine struct {
	finder.House
	// due is what the lists know of it; nil while they do not know it yet.
	due      *due
	people   []finder.Member
	excerpts []excerpt
}

// excerpt is a piece of what was written about a visit.
type excerpt struct {
	id    record.ID
	day   string
	parts []finder.Part
}

// How many households a page lists: of those that were found so many as one sees at
// once. Up to maxNames a village's are all shown by group.
const (
	maxFound = 20
	maxLined = 60
	maxNames = 300
)

func (w *Site) find(p *page) (reply, error) {
	v, err := w.found(p, p.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	if v.read < 100 {
		p.again = p.r.URL.RequestURI()
	}
	return show(findPage(p, v))
}

// found gives the households that an address of this page asks for.
func (w *Site) found(p *page, query url.Values) (*findView, error) {
	p.title, p.at = p.T("nav.find"), "find"
	v := &findView{q: w.searches.words(query.Get("s")), visit: query.Get("for") == "visit", onlyDue: query.Get("show") == "due", village: record.Village(query.Get("village"))}
	if v.visit {
		p.title = p.T("find.visit")
	}
	v.from, _ = strconv.Atoi(query.Get("from"))
	v.from = max(0, v.from)
	if id := query.Get("group"); query.Has("group") {
		// One of an earlier run is none.
		if group := w.searches.words(id); group != "" || id == "" {
			v.group = &group
		}
	}
	snap, err := p.snapshot()
	if err != nil {
		return nil, err
	}
	index, read := w.cache.finder()
	v.read = read
	if p.manyVillages() && v.village == "" && v.q == "" && !v.onlyDue {
		v.village = p.device.Assigned.Villages[0].Code
	}
	if !p.manyVillages() && len(p.device.Assigned.Villages) > 0 && v.q == "" {
		v.village = p.device.Assigned.Villages[0].Code
	}
	if v.onlyDue {
		dues := snap.dues(p.counted())
		if v.village != "" {
			dues = slices.DeleteFunc(dues, func(d due) bool { return d.village != v.village })
		}
		v.total = len(dues)
		v.from = min(v.from, len(dues))
		to := min(v.from+maxLined, len(dues))
		for _, d := range dues[v.from:to] {
			v.lines = append(v.lines, foundLine{House: d.found(), due: &d})
		}
		if to < len(dues) {
			v.next = to
		}
		return v, nil
	}
	q := finder.Query{Words: v.q, Village: v.village, Group: v.group, From: v.from, Count: maxFound}
	for _, a := range p.device.Assigned.Villages {
		q.Villages = append(q.Villages, a.Code)
	}
	named := false
	if v.q == "" {
		q.Count = maxLined
		v.groups = index.Groups(v.village)
		all := 0
		for _, g := range v.groups {
			all += g.Count
		}
		if named = all <= maxNames; named {
			q.Count, q.From, q.Group = maxNames, 0, nil
		}
	}
	res, days, err := w.search(index, q)
	if err != nil {
		return nil, err
	}
	v.total, v.about, v.next = res.Total, res.About, res.Next
	var lines []foundLine
	for _, h := range res.Hits {
		l := foundLine{House: h.House, people: h.People}
		if known := snap.byID(h.House.ID); known != nil {
			d := snap.dueOf(known, p.counted())
			l.due = &d
		}
		for _, e := range h.Excerpts {
			l.excerpts = append(l.excerpts, excerpt{e.Visit, days[e.Visit], e.Parts})
		}
		lines = append(lines, l)
	}
	if !named {
		v.lines = lines
		return v, nil
	}
	for _, l := range lines {
		if n := len(v.names); n == 0 || v.names[n-1].name != l.Group {
			v.names = append(v.names, houseGroup{name: l.Group})
		}
		g := &v.names[len(v.names)-1]
		g.houses = append(g.houses, l)
	}
	v.groups = nil
	return v, nil
}

// search finds households, and gives the days of the visits that were read for it.
func (w *Site) search(index *finder.Index, q finder.Query) (res finder.Result, days map[record.ID]string, err error) {
	days = map[record.ID]string{}
	err = w.store.Reading(func(get func(record.Type, record.ID) (store.Record, error)) error {
		res = index.Find(q, func(visit record.ID) []string {
			w.cache.reads.Add(1)
			r, err := get(visitType, visit)
			if err != nil || r.Gone || r.View.Void {
				return nil
			}
			days[visit], _ = r.View.Fields["visit_date"].Text()
			return w.cache.texts(&r)
		})
		return nil
	})
	return res, days, err
}

// link is the address of the same list with something else in place of what it has.
func (v *findView) link(w *Site, set ...string) string {
	q := url.Values{}
	if id := w.searches.keep(v.q); id != "" {
		q.Set("s", id)
	}
	if v.visit {
		q.Set("for", "visit")
	}
	if v.onlyDue {
		q.Set("show", "due")
	}
	if v.village != "" {
		q.Set("village", string(v.village))
	}
	if v.group != nil {
		q.Set("group", w.searches.keep(*v.group))
	}
	for i := 0; i+1 < len(set); i += 2 {
		value := set[i+1]
		if set[i] == "group" {
			value = w.searches.keep(value)
		}
		if q.Set(set[i], value); value == "" && set[i] != "group" {
			q.Del(set[i])
		}
		if set[i] == "village" {
			q.Del("group")
		}
	}
	if len(q) == 0 {
		return "/find"
	}
	return "/find?" + q.Encode()
}

// whole is the address of the list without a group.
func (v *findView) whole(w *Site) string {
	all := *v
	all.group = nil
	return all.link(w)
}

// open is where a household in the list leads.
func (v *findView) open(l foundLine) string {
	if v.visit {
		return "/record/visit/new?household=" + l.ID.String()
	}
	return "/household/" + l.ID.String()
}

// only gives the household that alone was found, and nothing more is to come.
func (v *findView) only() *foundLine {
	if v.q == "" || v.total != 1 || v.about || v.read < 100 || len(v.lines) != 1 {
		return nil
	}
	return &v.lines[0]
}

// look takes a search, and leads to what it found, or gives it to the script.
func (w *Site) look(p *page) (reply, error) {
	body := p.r.PostForm
	q := url.Values{}
	if id := w.searches.keep(strings.TrimSpace(body.Get("q"))); id != "" {
		q.Set("s", id)
	}
	for _, name := range []string{"for", "village"} {
		if v := body.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	if body.Get("part") == "options" {
		return w.options(p)
	}
	to := "/find"
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	v, err := w.found(p, q)
	switch {
	case err != nil:
		return reply{}, err
	case body.Get("part") != "":
		return reply{body: findResults(p, v), here: to}, nil
	case v.visit && v.only() != nil: // whoever looks for one to visit has found it
		return goTo(v.open(*v.only()))
	}
	return goTo(to)
}

// maxChoices is up to how many households a form lists all of a village's; of more it
// lists some, and those that are looked for.
const maxChoices = 300

// houseOptions gives the households that a form may name: those of a village, or of many
// the ones that were found, and which are chosen already. more tells that there are others.
func (w *Site) houseOptions(p *page, v record.Village, chosen []string, words string, but record.ID) (out []option, more bool, err error) {
	if _, err := p.snapshot(); err != nil {
		return nil, false, err
	}
	index, read := w.cache.finder()
	q := finder.Query{Village: v, Count: maxChoices}
	if all := index.Find(finder.Query{Village: v}, nil); all.Total > maxChoices {
		q.Words, q.Count, more = words, maxFound, true
	}
	res, _, err := w.search(index, q)
	if err != nil {
		return nil, false, err
	}
	for _, h := range res.Hits {
		if id := h.House.ID.String(); h.House.ID != but {
			out = append(out, option{value: id, label: calledHouse(h.House), chosen: slices.Contains(chosen, id)})
		}
	}
	for _, t := range chosen {
		id, err := record.ParseID(t)
		if err != nil || slices.ContainsFunc(out, func(o option) bool { return o.value == t }) {
			continue
		}
		if r, err := w.store.Get(householdType, id); err == nil {
			out = append(out, option{value: t, label: w.titleOf(p, &r), chosen: true})
		}
	}
	return out, more || read < 100, nil
}

func calledHouse(h finder.House) string {
	return (&house{name: h.Name, group: h.Group, no: h.No}).title()
}

// options gives the script the households that a form may name and that have the words.
func (w *Site) options(p *page) (reply, error) {
	list, _, err := w.houseOptions(p, record.Village(p.r.PostForm.Get("village")), nil, p.r.PostForm.Get("q"), record.ID{})
	if err != nil {
		return reply{}, err
	}
	out := [][2]string{}
	for _, o := range list {
		out = append(out, [2]string{o.value, o.label})
	}
	return reply{data: out}, nil
}

// lookAttrs tell the script where to look for the households that a list has not.
func lookAttrs(p *page, more bool, v record.Village) templ.Attributes {
	if !more {
		return nil
	}
	return templ.Attributes{"data-find": string(p.url("/find")), "data-village": string(v), "data-token": p.token}
}

// houseWords are what is looked for in a form's list of households where no script runs.
func houseWords(p *page, name string) string {
	if p.r.Method != "POST" {
		return ""
	}
	return p.r.PostForm.Get("look." + name)
}

// seeks tells that a form was sent to look for a household, and not to be saved.
func seeks(p *page) bool { return p.r.PostForm.Get("_look") != "" }

// foundWords says how many there are, and which of them are listed.
func (p *page) foundWords(v *findView) string {
	listed := len(v.lines)
	say := func(parts ...string) string {
		if p.lang == form.En {
			return strings.Join(parts, " ")
		}
		return strings.Join(parts, "")
	}
	these := p.T("find.these", v.from+1, v.from+listed)
	switch {
	case v.onlyDue && p.doubt() != "":
		return p.later()
	case v.onlyDue && v.total == 0:
		return p.T("today.nodue")
	case v.total == 0 && v.q != "":
		return p.T("find.nothing", v.q)
	case v.total == 0 && v.read < 100:
		return ""
	case v.total == 0:
		return p.T("find.empty")
	case v.onlyDue && listed == v.total:
		return p.T("find.due", v.total)
	case v.onlyDue:
		return say(p.T("find.due", v.total), these)
	case len(v.names) > 0 || listed == v.total && !v.about:
		return p.T("find.count", v.total)
	case v.about && v.q != "":
		return say(p.T("find.about", v.total), these, p.T("find.narrow"))
	case v.q != "":
		return say(p.T("find.count", v.total), these, p.T("find.narrow"))
	}
	return say(p.T("find.count", v.total), these, p.T("find.type"))
}

// foundName is the head's name, or the household's number where that is missing.
func (p *page) foundName(l foundLine) string {
	return p.houseName(&house{name: l.Name, no: l.No})
}
