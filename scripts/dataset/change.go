package dataset

import (
	"fmt"
	"slices"
	"time"
)

// What people correct, the likeliest first. An empty name is something that
// the records have no field for (photos, members' work): drawn, as the shares
// of the others rest on it, and left out.
var (
	householdFields = []string{"poverty_status", "", "phone", "house_structure", "water_source", "road_type", "main_cause", "group_name", "", ""}
	visitFields     = []string{"findings", "needs", "promised", "follow_up", "satisfaction", "", "visit_purpose", "", ""}
)

// planned is a change whose value is not yet known.
type planned struct {
	at      time.Time
	onVisit bool
	target  int // position among the households or the visits
	field   string
	device  int // -1: the one of the record's village
	group   int // 0: alone
	clash   string
}

// planChanges draws who changes what when: 78 in 100 alone, 12 the same field
// on two or three devices that do not see each other, 10 different fields of
// one record.
func planChanges(r *draw, o Options) []planned {
	if o.Households+o.Visits == 0 {
		return nil
	}
	devices := make([]int, o.Devices)
	for i := range devices {
		devices[i] = i
	}
	var out []planned
	t, group := firstDay.AddDate(0, 0, visitDays+1), 0
	for drawn := 0; drawn < o.Changes; {
		t = t.Add(time.Duration(r.between(5, 260)) * time.Second)
		p := planned{onVisit: o.Visits > 0 && r.chance(0.6), device: -1}
		fields := householdFields
		if p.onVisit {
			fields = visitFields
			p.target = r.zipfIndex(o.Visits, 0.1, 50)
		} else {
			p.target = r.between(0, o.Households-1)
		}
		field := zipf(r, fields, 0.6, 1)
		different := shuffled(r, fields)
		luck := r.float()
		n := 1
		if luck < 0.22 {
			n = 2
			if r.chance(0.15) {
				n = 3
			}
			n = min(n, o.Devices)
		}
		who := shuffled(r, devices)
		if n > 1 {
			group++
			p.group, p.clash = group, RecordClash
			if luck < 0.12 {
				p.clash = FieldClash
			}
		}
		for j := range n {
			p.at = t.Add(time.Duration(r.between(0, 59_999)) * time.Millisecond)
			p.field = field
			if n > 1 {
				p.device = who[j]
				p.at = p.at.Add(time.Duration(r.between(0, 600)) * time.Minute)
			}
			if p.clash == RecordClash {
				p.field = different[j]
			}
			if drawn++; drawn <= o.Changes && p.field != "" {
				out = append(out, p)
			}
		}
	}

	// Who is left alone in a group clashes with nobody.
	size := map[int]int{}
	for _, p := range out {
		size[p.group]++
	}
	for i := range out {
		if size[out[i].group] == 1 {
			out[i].group, out[i].clash = 0, ""
		}
	}
	slices.SortStableFunc(out, func(a, b planned) int { return a.at.Compare(b.at) })
	return out
}

// makeChanges gives each planned change its value. The plan's targets are
// positions in households and keys of visits.
func makeChanges(r *draw, plan []planned, households []*household, visits map[int]*visit, devices int) []Change {
	out := make([]Change, len(plan))
	for i, p := range plan {
		c := Change{At: p.at.Format("2006-01-02T15:04:05.000Z"), Type: "household"}
		var v *village
		if p.onVisit {
			x := visits[p.target]
			v, c.Type, c.ID, c.Set = x.village, "visit", x.id, visitValue(r, x, p.field)
		} else {
			x := households[p.target]
			v, c.ID, c.Set = x.village, x.id, householdValue(r, x, p.field)
		}
		device := p.device
		if device < 0 {
			device = (v.no - 1) % devices
		}
		c.Device = fmt.Sprintf("dev-%02d", device+1)
		if p.group > 0 {
			c.Group, c.Clash = &p.group, &p.clash
		}
		out[i] = c
	}
	return out
}

func householdValue(r *draw, h *household, field string) Fields {
	one := func(value any) Fields { return Fields{{field, value}} }
	switch field {
	case "poverty_status":
		return one(pick(r, slices.DeleteFunc(slices.Clone(statuses), func(s string) bool { return s == h.status })))
	case "phone":
		return one(phone(r))
	case "house_structure":
		return one(pick(r, houses))
	case "water_source":
		return one(pick(r, waters))
	case "road_type":
		return one(pick(r, roads))
	case "main_cause":
		main, others := splitCauses(shuffled(r, causeCodes)[:r.between(1, 3)])
		return Fields{{"main_cause", main}, {"other_causes", others}}
	case "group_name":
		return one(pick(r, h.village.hamlets) + "组")
	}
	panic("dataset: no value for " + field)
}

func visitValue(r *draw, v *visit, field string) Fields {
	one := func(value any) Fields { return Fields{{field, value}} }
	w := pick(r, v.village.team).writer
	switch field {
	case "findings":
		return one(amended(r, w, v.findings))
	case "needs":
		return one(w.need(r, 80))
	case "promised":
		return one(w.promise(r, 80))
	case "follow_up":
		return one(date(v.day.AddDate(0, 0, r.between(3, 90))))
	case "satisfaction":
		return one(satisfaction(r.between(1, 5)))
	case "visit_purpose":
		return one(pick(r, kinds).purposes)
	}
	panic("dataset: no value for " + field)
}

// amended is a note with a sentence added at its end or put in the place of
// some in its middle.
func amended(r *draw, w *writer, note string) string {
	old, add := []rune(note), []rune(w.note(r, 8, 40))
	var out []rune
	if r.chance(0.6) {
		out = slices.Concat(old, []rune("补记："), add)
	} else {
		half := len(old) / 2
		out = slices.Concat(old[:half], add, old[half+r.between(4, 20):])
	}
	return string(out[:min(len(out), 300)])
}
