package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Options says how much to make. A count of zero means its default; a negative
// one means none.
type Options struct {
	Seed       uint64 // 1
	Villages   int    // 6; at most 99,999, the codes have five digits for them
	Households int    // 2000, spread evenly over the villages
	Visits     int    // 20000, over 700 days
	// Changes counts what is drawn, 5000. About a quarter of it falls on
	// things that no field records, and is left out: some 3800 remain.
	Changes int
	Devices int // 8
}

func (o Options) withDefaults() Options {
	fill := func(n *int, otherwise int) { *n = max(0, cmp.Or(*n, otherwise)) }
	o.Seed = cmp.Or(o.Seed, 1)
	fill(&o.Villages, 6)
	fill(&o.Households, 2000)
	fill(&o.Visits, 20000)
	fill(&o.Changes, 5000)
	fill(&o.Devices, 8)
	return o
}

func (o Options) check() error {
	switch {
	case o.Villages == 0 || o.Villages > 99999:
		return fmt.Errorf("%d villages: want 1 to 99999", o.Villages)
	case o.Visits > 0 && o.Households == 0:
		return errors.New("visits without households: a visit is to a household")
	case o.Changes > 0 && o.Devices == 0:
		return errors.New("changes without devices: a change is made on a device")
	}
	return nil
}

// Data is a whole set in memory; the default one takes some 50 MB. Walk makes
// the same without holding it.
type Data struct {
	Villages []Village
	Records  []Record
	Changes  []Change
}

// Village is what the office registers before anything is recorded there.
type Village struct {
	Code     string `json:"code"`
	Name     string `json:"name"`
	Township string `json:"township"`
}

// Record is one team_post, household, person or visit.
type Record struct {
	Village string `json:"village"` // its code
	Type    string `json:"type"`
	ID      string `json:"id"` // UUIDv7 of a visit's creation, else UUIDv5
	Fields  Fields `json:"fields"`
}

// Change is what one save on one device sets on a record.
type Change struct {
	Device string  `json:"device"` // dev-01, dev-02, …
	At     string  `json:"at"`     // UTC, milliseconds
	Type   string  `json:"type"`
	ID     string  `json:"id"`
	Set    Fields  `json:"set"`
	Group  *int    `json:"group"` // nil for a change that nothing crosses
	Clash  *string `json:"clash"` // nil, FieldClash or RecordClash
}

// What Change.Clash points to.
const (
	FieldClash  = "field"
	RecordClash = "record"
)

// Sink takes what Walk makes, as it is made. A nil function drops it.
type Sink struct {
	Village func(Village) error
	Record  func(Record) error
	Change  func(Change) error
}

// Generate makes a whole set. It panics on options that contradict each other,
// such as visits without households: that is a mistake in the calling program.
func Generate(o Options) *Data {
	d := &Data{}
	err := Walk(o, Sink{
		Village: func(v Village) error { d.Villages = append(d.Villages, v); return nil },
		Record:  func(r Record) error { d.Records = append(d.Records, r); return nil },
		Change:  func(c Change) error { d.Changes = append(d.Changes, c); return nil },
	})
	if err != nil {
		panic("dataset: " + err.Error())
	}
	return d
}

// Walk makes the villages, then the records, then the changes, and passes each
// to the sink. It keeps the households and the visits that changes refer to,
// not the other visits. It stops at the sink's first error and returns it.
func Walk(o Options, s Sink) error {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return err
	}
	if s.Village == nil {
		s.Village = func(Village) error { return nil }
	}
	if s.Record == nil {
		s.Record = func(Record) error { return nil }
	}
	if s.Change == nil {
		s.Change = func(Change) error { return nil }
	}

	villages := makeVillages(newDraw(o.Seed, "villages"), o.Villages)
	for _, v := range villages {
		if err := s.Village(v.Village); err != nil {
			return err
		}
	}
	for _, v := range villages {
		for _, p := range v.team {
			if err := s.Record(p.record(v)); err != nil {
				return err
			}
		}
	}

	r := newDraw(o.Seed, "households")
	households := make([]*household, o.Households)
	for n := range households {
		v := villages[n%len(villages)]
		h := makeHousehold(r, v, n/len(villages)+1)
		households[n], v.households = h, append(v.households, h)
		for _, rec := range h.records() {
			if err := s.Record(rec); err != nil {
				return err
			}
		}
	}

	// Which visits will be changed is drawn first, so that only those need to
	// be kept while the others pass by.
	plan := planChanges(newDraw(o.Seed, "plan"), o)
	wanted := map[int]*visit{}
	for _, p := range plan {
		if p.onVisit {
			wanted[p.target] = nil
		}
	}
	n := 0
	err := eachVisit(newDraw(o.Seed, "visits"), o.Visits, villages, func(v *visit) error {
		if _, ok := wanted[n]; ok {
			wanted[n] = v
		}
		n++
		return s.Record(v.record())
	})
	if err != nil {
		return err
	}

	for _, c := range makeChanges(newDraw(o.Seed, "changes"), plan, households, wanted, o.Devices) {
		if err := s.Change(c); err != nil {
			return err
		}
	}
	return nil
}

// inhabited are the villages that have a household to visit.
func inhabited(villages []*village) []*village {
	return slices.DeleteFunc(slices.Clone(villages), func(v *village) bool { return len(v.households) == 0 })
}
