package web

import (
	"strconv"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// The map has no tiles from outside: it is the places themselves, a scale and north. The
// server draws it, so that it needs no script, and a mark of several leads to a map of
// their surroundings.

type mapView struct {
	store.Report
	month      figure.Period
	village    record.Village // "" where villages are shown
	next, prev string
	box        mapBox // what is asked for, where part
	part       bool
	marks      []mapMark // what is on the map, the worst first
	spots      []mapSpot
	outside    int       // of those that have a place, how many are outside of the part
	lost       []mapMark // without a place, or with one that cannot be
	counts     map[mapShape]int
	sum        figure.Ratio // of all villages
	one        bool         // the only village in sight
	behind     int
	scale      mapScale
}

// mapShape tells marks apart without colour.
type mapShape string

const (
	full  mapShape = "full"  // visited in the month; a village: nine in ten
	half  mapShape = "half"  // visited before; a village: half
	empty mapShape = "empty" // never visited; a village: less
	blank mapShape = "blank" // a village without a figure, a household that counts in none
	mixed mapShape = "mixed" // several households, not alike
)

// order has first what somebody should look at.
func (s mapShape) order() int { return strings.Index("empty half full blank mixed", string(s)) }

func mapHref(v record.Village, month, box string) string {
	return address("/map", "month", month, "village", string(v), "in", box)
}

// mapOf shows villages, or the households of one to those who may see records: where
// somebody lives is no total.
func (w *Site) mapOf(p *page) (reply, error) {
	p.title, p.at, p.draws = p.T("map.title"), leaders, true
	month, err := p.askedMonth()
	if err != nil {
		return reply{}, err
	}
	v := &mapView{month: month, village: p.asked("village"), prev: later(month.Name, -1), next: later(month.Name, 1), one: p.sight.Village != "", box: noBox()}
	if in := p.r.URL.Query().Get("in"); in != "" {
		if v.box, v.part = parseBox(in); !v.part {
			return reply{}, errAsked
		}
	}
	switch {
	case v.village == "":
		err = w.mapVillages(p, v)
	case !p.may(access.SeeRecords):
		return reply{}, errRole
	default:
		err = w.mapHouses(p, v)
	}
	if err != nil {
		return reply{}, err
	}
	v.lay()
	return show(mapPage(p, v))
}

// mapVillages marks the villages by their coverage.
func (w *Site) mapVillages(p *page, v *mapView) error {
	trend, err := w.store.Trend(p.ctx, store.FigureQuery{Periods: []figure.Period{v.month}, Closed: true, Patience: patience})
	if err != nil {
		return err
	}
	places, err := w.store.VillagePlaces(p.ctx)
	if err != nil {
		return err
	}
	v.Report, v.behind = trend.Report, trend.Months[0].Behind
	rows := make(map[record.Village]store.TrendRow, len(v.Fresh))
	for i, f := range v.Fresh {
		rows[f.Village] = trend.Months[0].Rows[i]
	}
	for _, k := range p.known {
		r := rows[k.Code]
		m := mapMark{name: k.Name, coverage: r.Coverage, shape: coverageShape(r.Coverage), to: figuresHref(k.Code, v.month.Name)}
		m.says = p.coverageSaid(r.Coverage)
		if p.may(access.SeeRecords) {
			m.to = mapHref(k.Code, v.month.Name, "")
		}
		m.Point, m.placed = places[k.Code]
		v.sum = v.sum.And(r.Coverage)
		v.marks = append(v.marks, m)
	}
	return nil
}

func (p *page) coverageSaid(r figure.Ratio) string {
	if _, ok := r.Percent(); !ok {
		return p.T("map.village.blank")
	}
	return p.T("map.coverage", percent(r), number(int(r.Part)), number(int(r.Of)))
}

func coverageShape(r figure.Ratio) mapShape {
	f, ok := r.Percent()
	switch {
	case !ok:
		return blank
	case f >= 90:
		return full
	case f >= 50:
		return half
	}
	return empty
}

// mapHouses marks the households of a village by their last visit.
func (w *Site) mapHouses(p *page, v *mapView) error {
	v.At = w.store.Now()
	list, err := w.store.HousePlaces(p.ctx, v.village, v.month.To)
	if err != nil {
		return err
	}
	hidden, unnamed := p.hides("household", "location") || p.hides("visit", "location"), p.hides("household", "head_name")
	for _, h := range list {
		m := mapMark{Point: h.Point, placed: h.Known && !hidden, name: h.Head, to: href(record.Key{Village: v.village, Type: "household", ID: h.ID})}
		if m.name == "" || unnamed {
			m.name = p.T("unnamed")
		}
		switch {
		case !h.Counts:
			m.shape, m.says = blank, p.T("map.house.blank")
		case h.Last == "":
			m.shape, m.says = empty, p.T("map.house.empty")
		case h.Last >= v.month.From:
			m.shape, m.says = full, p.T("map.visited", p.day(h.Last))
		default:
			m.shape, m.says = half, p.T("map.visited.before", p.day(h.Last))
		}
		v.marks = append(v.marks, m)
	}
	return nil
}

func (s mapScale) said(p *page) string {
	if s.metres >= 1000 {
		return p.T("map.km", number(s.metres/1000))
	}
	return p.T("map.m", strconv.Itoa(s.metres))
}

// spotLabel says what a spot is to whoever hears or points at it.
func (v *mapView) spotLabel(p *page, s *mapSpot) string {
	if len(s.marks) == 1 {
		return p.T("map.one", s.marks[0].name, s.marks[0].says)
	}
	if v.village == "" {
		return p.T("map.many.villages", number(len(s.marks)), p.coverageSaid(s.coverage()))
	}
	counts := map[mapShape]int{}
	for _, m := range s.marks {
		counts[m.shape]++
	}
	var words []string
	for _, k := range v.keys() {
		if n := counts[k]; n > 0 {
			words = append(words, p.T("map.count", v.keyText(p, k), number(n)))
		}
	}
	return p.T("map.many.houses", number(len(s.marks)), p.list(words))
}

// spotHref leads to the village or household, or to a map of the surroundings of several;
// those that stand at one place are told apart in the list beneath it.
func (v *mapView) spotHref(s *mapSpot) string {
	if len(s.marks) == 1 {
		return s.marks[0].to
	}
	to := mapHref(v.village, v.month.Name, s.box.grown().text())
	if p := project(s.box.grown()); len(spots(&p, s.marks)) == 1 {
		to += "#shown"
	}
	return to
}

// keys are the shapes of single marks, in the order of the key.
func (v *mapView) keys() []mapShape { return []mapShape{full, half, empty, blank} }

func (v *mapView) keyText(p *page, s mapShape) string {
	if v.village == "" {
		return p.T("map.village." + string(s))
	}
	return p.T("map.house." + string(s))
}

// merged tells that some marks are of several, unlike that some of these are not alike.
func (v *mapView) merged() (some, unlike bool) {
	for i := range v.spots {
		s := &v.spots[i]
		some = some || len(s.marks) > 1
		unlike = unlike || s.shape(v.village) == mixed
	}
	return some, unlike
}

// mapOf says what the map is of.
func (v *mapView) mapOf(p *page) string {
	if v.village == "" {
		return p.T("charts.all")
	}
	return p.village(v.village)
}

// choice tells whether there are villages to choose from.
func (v *mapView) choice(p *page) bool { return !v.one && p.may(access.SeeRecords) }

// mapListed bounds the lists beneath the map, as a part of the map has a list of its own;
// one of up to mapOpen is open from the start.
const mapListed, mapOpen = 300, 40

func (v *mapView) shown() []mapMark {
	if len(v.marks) > mapListed {
		return nil
	}
	return v.marks
}

func (v *mapView) lostShown() []mapMark { return v.lost[:min(len(v.lost), mapListed)] }

// why says why a mark is not on the map.
func (m *mapMark) why(p *page) string {
	if m.far {
		return p.T("map.lost.far")
	}
	return p.T("map.lost.none")
}

// nothing says why there is nothing to draw.
func (v *mapView) nothing(p *page) string {
	if v.part {
		return p.T("map.none.here")
	}
	if v.village != "" {
		return p.T("map.none.houses")
	}
	return p.T("map.none.villages")
}
