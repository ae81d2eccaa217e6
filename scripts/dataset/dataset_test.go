package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
)

// small is a set that every test can afford.
var small = Options{Seed: 7, Villages: 3, Households: 120, Visits: 900, Changes: 600, Devices: 4}

// written is the set as the three files' bytes, one after the other.
func written(t *testing.T, d *Data) string {
	t.Helper()
	var b bytes.Buffer
	for _, write := range []func() error{
		func() error { return d.WriteVillages(&b) },
		func() error { return d.WriteRecords(&b) },
		func() error { return d.WriteChanges(&b) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestSameOptionsSameBytes(t *testing.T) {
	first := written(t, Generate(small))
	if again := written(t, Generate(small)); again != first {
		t.Error("a second run wrote other bytes")
	}
	other := small
	other.Seed++
	if written(t, Generate(other)) == first {
		t.Error("another seed wrote the same bytes")
	}

	dir := t.TempDir()
	counts, err := WriteFiles(dir, small)
	if err != nil {
		t.Fatal(err)
	}
	var files strings.Builder
	for _, name := range []string{VillagesFile, RecordsFile, ChangesFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files.Write(b)
	}
	if files.String() != first {
		t.Error("WriteFiles wrote other bytes than Data")
	}
	if got := counts.Villages + counts.Records + counts.Changes; got != strings.Count(first, "\n") {
		t.Errorf("counts %+v add up to %d, the files have %d lines", counts, got, strings.Count(first, "\n"))
	}
}

// A test that needs more visits must not find other households.
func TestPartsAreDrawnApart(t *testing.T) {
	more := small
	more.Visits, more.Changes = 50, 20
	a, b := Generate(small), Generate(more)
	isRegister := func(r Record) bool { return r.Type != "visit" }
	n := slices.IndexFunc(a.Records, func(r Record) bool { return !isRegister(r) })
	x, err := json.Marshal(a.Records[:n])
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b.Records[:n])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Error("other counts of visits and changes made other teams, households or persons")
	}
}

func TestCounts(t *testing.T) {
	tests := []struct {
		name                                      string
		o                                         Options
		villages, households, visits, least, most int // least and most changes
		devices                                   int
	}{
		{"as asked", small, 3, 120, 900, 400, 520, 4},
		{"zero is the default", Options{Visits: 300, Changes: 100}, 6, 2000, 300, 60, 100, 0},
		{"negative is none", Options{Households: -1, Visits: -1, Changes: -1}, 6, 0, 0, 0, 0, 0},
		{"one device clashes with nobody", Options{Households: 9, Visits: 9, Changes: 200, Devices: 1}, 6, 9, 9, 130, 180, 1},
		// Four villages have no household; nobody can be visited there.
		{"fewer households than villages", Options{Households: 2, Visits: 40, Changes: -1}, 6, 2, 40, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Generate(tt.o)
			types, devices := map[string]int{}, map[string]bool{}
			for _, r := range d.Records {
				types[r.Type]++
			}
			for _, c := range d.Changes {
				devices[c.Device] = true
			}
			if len(d.Villages) != tt.villages || types["household"] != tt.households || types["visit"] != tt.visits {
				t.Errorf("%d villages, %d households, %d visits; want %d, %d, %d",
					len(d.Villages), types["household"], types["visit"], tt.villages, tt.households, tt.visits)
			}
			if n := len(d.Changes); n < tt.least || n > tt.most {
				t.Errorf("%d changes, want %d to %d", n, tt.least, tt.most)
			}
			if tt.devices > 0 && len(devices) != tt.devices {
				t.Errorf("devices %v, want %d", devices, tt.devices)
			}
			if tt.o.Devices == 1 {
				for _, c := range d.Changes {
					if c.Group != nil || c.Clash != nil {
						t.Fatalf("%+v clashes with itself", c)
					}
				}
			}
		})
	}
}

func TestContradictingOptions(t *testing.T) {
	tests := []struct {
		o    Options
		want string
	}{
		{Options{Villages: -1}, "villages"},
		{Options{Villages: 100_000}, "villages"},
		{Options{Households: -1}, "visits without households"},
		{Options{Devices: -1}, "changes without devices"},
	}
	for _, tt := range tests {
		if err := Walk(tt.o, Sink{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want one about %s", tt.o, err, tt.want)
		}
	}
}

func TestWalkStopsAtTheFirstError(t *testing.T) {
	full := fmt.Errorf("disk full")
	n := 0
	err := Walk(small, Sink{Record: func(Record) error {
		if n++; n == 10 {
			return full
		}
		return nil
	}})
	if err != full || n != 10 {
		t.Errorf("error %v after %d records, want %v after 10", err, n, full)
	}
}

func TestReferencesFollowWhatTheyName(t *testing.T) {
	d := Generate(small)
	villages := map[string]bool{}
	for _, v := range d.Villages {
		villages[v.Code] = true
	}
	seen := map[string]Record{}
	names := func(r Record, id, want string) {
		if x, ok := seen[id]; !ok || x.Type != want || x.Village != r.Village {
			t.Errorf("%s %s names %s %s: not before it in its village", r.Type, r.ID, want, id)
		}
	}
	order := []string{"team_post", "household", "person", "visit"}
	last := ""
	for _, r := range d.Records {
		if _, twice := seen[r.ID]; twice {
			t.Errorf("id %s twice", r.ID)
		}
		if !villages[r.Village] {
			t.Errorf("%s %s: village %s is not there", r.Type, r.ID, r.Village)
		}
		switch r.Type {
		case "person":
			names(r, r.Fields.Text("household"), "household")
		case "visit":
			names(r, r.Fields.Text("household"), "household")
			for _, id := range r.Fields.Get("visitors").([]string) {
				names(r, id, "team_post")
			}
			if r.ID <= last {
				t.Errorf("visit %s comes after %s", r.ID, last)
			}
			last = r.ID
		}
		if !slices.Contains(order, r.Type) {
			t.Errorf("type %s", r.Type)
		}
		seen[r.ID] = r
	}
	at := ""
	for _, c := range d.Changes {
		if seen[c.ID].Type != c.Type {
			t.Errorf("change of %s %s, which is a %q", c.Type, c.ID, seen[c.ID].Type)
		}
		if c.At < at {
			t.Errorf("change at %s after one at %s", c.At, at)
		}
		at = c.At
	}
}

// The fields that a record of each type always has, may have, and what their
// values look like.
func TestShape(t *testing.T) {
	phone := regexp.MustCompile(`^12\d{9}$`)
	day := regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	code := regexp.MustCompile(`^[a-z_]+$`)
	text := regexp.MustCompile(`^\p{Han}`)
	id := regexp.MustCompile(`^[0-9a-f-]{36}$`)
	yesNo := regexp.MustCompile(`^(yes|no)$`)
	number := regexp.MustCompile(`^\d+(\.\d+)?$`)
	shapes := map[string][]struct {
		field string
		must  bool
		value *regexp.Regexp
	}{
		"team_post": {
			{"person_name", true, text}, {"team_role", true, code}, {"unit", true, text}, {"phone", true, phone}, {"start_date", true, day},
		},
		"household": {
			{"household_no", true, regexp.MustCompile(`^369999\d{10}$`)},
			{"group_name", true, regexp.MustCompile(`组$`)},
			{"head_name", true, text},
			{"phone", true, phone},
			{"poverty_attr", true, code},
			{"poverty_status", true, code},
			{"registered_date", true, day},
			{"main_cause", true, code},
			{"house_structure", true, code},
			{"house_risk", true, regexp.MustCompile(`^[a-d]$`)},
			{"water_source", true, code},
			{"water_safe", true, yesNo},
			{"power_living", true, yesNo},
			{"road_type", true, code},
			{"arable_mu", true, number},
			{"helper_name", true, text},
			{"other_causes", false, code},
		},
		"person": {
			{"household", true, id},
			{"full_name", true, text},
			{"sex", true, regexp.MustCompile(`^(fe)?male$`)},
			{"birth_date", true, day},
			{"relation", true, code},
			{"ethnicity", true, regexp.MustCompile(`^01$`)},
			{"school", true, code},
			{"health", true, code},
			{"labour", true, code},
			{"work_place", true, code},
			{"medical_ins", true, yesNo},
			{"education", false, code},
		},
		"visit": {
			{"household", true, id},
			{"visit_date", true, day},
			{"visitors", true, id},
			{"visit_mode", true, code},
			{"visit_result", true, code},
			{"visit_purpose", true, code},
			{"findings", true, regexp.MustCompile(`。$`)},
			{"knows_team", true, yesNo},
			{"knows_measures", true, yesNo},
			{"satisfaction", true, code},
			{"location", true, number},
			{"needs", false, regexp.MustCompile(`。$`)},
			{"promised", false, regexp.MustCompile(`。$`)},
			{"follow_up", false, day},
		},
	}
	d := Generate(small)
	for _, r := range d.Records {
		rest := r.Fields
		for _, f := range shapes[r.Type] {
			if len(rest) == 0 || rest[0].Name != f.field {
				if f.must {
					t.Fatalf("%s %s: fields %v: want %s", r.Type, r.ID, rest, f.field)
				}
				continue
			}
			for _, s := range values(rest[0].Value) {
				if !f.value.MatchString(s) {
					t.Errorf("%s %s: %s is %q, want %s", r.Type, r.ID, f.field, s, f.value)
				}
			}
			rest = rest[1:]
		}
		if len(rest) > 0 {
			t.Errorf("%s %s: more fields: %v", r.Type, r.ID, rest)
		}

		u := uuid.MustParse(r.ID)
		if r.Type != "visit" {
			if u.Version() != 5 {
				t.Errorf("%s %s: version %d", r.Type, r.ID, u.Version())
			}
			continue
		}
		seconds, nanos := u.Time().UnixTime()
		if got := date(time.Unix(seconds, nanos).UTC()); u.Version() != 7 || got != r.Fields.Text("visit_date") {
			t.Errorf("visit %s: version %d of %s, visited %s", r.ID, u.Version(), got, r.Fields.Text("visit_date"))
		}
		if s := r.Fields.Text("follow_up"); s != "" && s <= r.Fields.Text("visit_date") {
			t.Errorf("visit %s: follow-up %s before the visit", r.ID, s)
		}
		for _, x := range []struct {
			field  string
			lo, hi int
		}{{"findings", 60, 300}, {"needs", 8, 120}, {"promised", 8, 120}} {
			if n := utf8.RuneCountInString(r.Fields.Text(x.field)); n > x.hi || n > 0 && n < x.lo {
				t.Errorf("visit %s: %s has %d characters", r.ID, x.field, n)
			}
		}
	}
	for _, v := range d.Villages {
		if !regexp.MustCompile(`^369999\d{6}$`).MatchString(v.Code) {
			t.Errorf("village code %s", v.Code)
		}
	}
}

func values(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case [2]float64:
		return []string{decimal(v[0]), decimal(v[1])}
	case float64:
		return []string{decimal(v)}
	default:
		return []string{v.(string)}
	}
}

// Clash is what conflict handling is measured against, so it must be true.
func TestClashesAreReal(t *testing.T) {
	groups := map[int][]Change{}
	for _, c := range Generate(small).Changes {
		if (c.Group == nil) != (c.Clash == nil) {
			t.Fatalf("%+v has one of group and clash", c)
		}
		if c.Group != nil {
			groups[*c.Group] = append(groups[*c.Group], c)
		}
	}
	found := map[string]int{}
	for n, g := range groups {
		if len(g) < 2 || len(g) > 3 {
			t.Errorf("group %d has %d changes", n, len(g))
		}
		devices, fields := map[string]bool{}, map[string]bool{}
		for _, c := range g {
			if c.ID != g[0].ID || *c.Clash != *g[0].Clash {
				t.Errorf("group %d: %s of %s beside %s of %s", n, *c.Clash, c.ID, *g[0].Clash, g[0].ID)
			}
			devices[c.Device] = true
			for _, f := range c.Set {
				fields[f.Name] = true
			}
		}
		if len(devices) != len(g) {
			t.Errorf("group %d: %d changes from %d devices", n, len(g), len(devices))
		}
		want := len(g[0].Set)
		if *g[0].Clash == RecordClash {
			want = 0
			for _, c := range g {
				want += len(c.Set)
			}
		}
		if len(fields) != want {
			t.Errorf("group %d is a clash of one %s, and changes %v", n, *g[0].Clash, fields)
		}
		found[*g[0].Clash]++
	}
	if found[FieldClash] < 20 || found[RecordClash] < 10 {
		t.Errorf("only %v", found)
	}
}

// Figures about sizes and links mean nothing on text that compresses better
// than what people write. Notes like these, a megabyte of them, make 3.7 : 1
// with zstd -19 and 3.3 with the encoder here at its best; a twentieth either
// way is let pass.
func TestNotesAreDense(t *testing.T) {
	var notes []byte
	err := Walk(Options{Visits: 2600, Changes: -1}, Sink{Record: func(r Record) error {
		if r.Type == "visit" {
			notes = append(append(notes, r.Fields.Text("findings")...), '\n')
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	ratio := float64(len(notes)) / float64(len(enc.EncodeAll(notes, nil)))
	t.Logf("%d bytes, %.2f : 1", len(notes), ratio)
	if ratio < 3.14 || ratio > 3.47 {
		t.Errorf("%d bytes of findings compress %.2f : 1", len(notes), ratio)
	}
}

// The lines are what an import reads, byte for byte.
func TestLines(t *testing.T) {
	group, clash := 4, FieldClash
	tests := []struct {
		name string
		line any
		want string
	}{
		{
			"village",
			Village{"369999000001", "李寨村", "太小港镇"},
			`{"code":"369999000001","name":"李寨村","township":"太小港镇"}`,
		},
		{"every kind of value", Record{"369999000001", "visit", "x", Fields{
			{"findings", "说<好>&\"行\""}, {"visitors", []string{"a", "b"}}, {"other_causes", []string{}}, {"location", [2]float64{114.212892, 29}}, {"arable_mu", 8.0},
		}}, `{"village":"369999000001","type":"visit","id":"x","fields":{"findings":"说<好>&\"行\"","visitors":["a","b"],"other_causes":[],"location":[114.212892,29.0],"arable_mu":8.0}}`},
		{
			"change alone",
			Change{Device: "dev-01", At: "2025-01-07T00:01:35.302Z", Type: "household", ID: "x", Set: Fields{{"phone", "12531068005"}}},
			`{"device":"dev-01","at":"2025-01-07T00:01:35.302Z","type":"household","id":"x","set":{"phone":"12531068005"},"group":null,"clash":null}`,
		},
		{
			"change in a group",
			Change{Device: "dev-02", At: "2025-01-07T00:01:35.302Z", Type: "visit", ID: "x", Set: Fields{{"needs", "路"}}, Group: &group, Clash: &clash},
			`{"device":"dev-02","at":"2025-01-07T00:01:35.302Z","type":"visit","id":"x","set":{"needs":"路"},"group":4,"clash":"field"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			l := NewLines(&b)
			if err := l.Write(tt.line); err != nil {
				t.Fatal(err)
			}
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want+"\n" {
				t.Errorf("got  %swant %s", b.String(), tt.want)
			}
		})
	}
}

// Every slot of every template has words to fill it.
func TestTemplates(t *testing.T) {
	var check func([]node)
	check = func(nodes []node) {
		for _, n := range nodes {
			special := slices.Contains([]string{"n", "mo_", "dt", "nm", "pl"}, n.slot)
			if n.slot != "" && !special && len(lexicon[n.slot]) == 0 {
				t.Errorf("no words for {%s}", n.slot)
			}
			if strings.ContainsAny(n.text, "[](){}|") {
				t.Errorf("text %q", n.text)
			}
			for _, a := range n.alts {
				check(a)
			}
		}
	}
	for _, set := range [][][]node{clauses, needClauses, promiseClauses} {
		for _, nodes := range set {
			check(nodes)
		}
	}
	if len(clauses) != 42 || len(needClauses) != 10 || len(promiseClauses) != 9 {
		t.Errorf("%d, %d, %d templates", len(clauses), len(needClauses), len(promiseClauses))
	}
}
