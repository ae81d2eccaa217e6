package dataset

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// The first day of the visits. The register begins here too; the teams had
// come two months before.
var firstDay = time.Date(2023, 2, 6, 0, 0, 0, 0, time.UTC)

// Namespaces of the UUIDv5 ids.
var (
	householdSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:field-visits:household"))
	recordSpace    = uuid.MustParse("6f0d6b0e-0000-4000-8000-369999000000")
)

func named(space uuid.UUID, format string, args ...any) string {
	return uuid.NewSHA1(space, fmt.Appendf(nil, format, args...)).String()
}

// uuid7 is the id of something created at t: 48 bits of milliseconds, then
// chance.
func uuid7(r *draw, t time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], r.src.Uint64())
	binary.BigEndian.PutUint64(id[8:], r.src.Uint64())
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

func date(t time.Time) string { return t.Format(time.DateOnly) }

// village is a place with its people and its way of talking.
type village struct {
	Village
	no         int // from 1
	label      string
	lat, lng   float64
	hamlets    []string
	clans      []string // the surnames of the place
	people     []string // whom notes mention again and again
	words      map[string][]string
	team       []*post
	households []*household
}

// post is one member of the work team, who writes the notes.
type post struct {
	id, name, role, phone string
	writer                *writer
}

func makeVillages(r *draw, n int) []*village {
	out := make([]*village, n)
	for i := range out {
		v := &village{no: i + 1, label: fmt.Sprintf("V%02d", i+1), words: shuffledLexicon(r)}
		v.Code = fmt.Sprintf("3699990%05d", v.no)
		v.clans = shuffled(r, surnames)[:14]
		for range r.between(9, 22) {
			v.hamlets = append(v.hamlets, placeName(r))
		}
		for range 40 {
			v.people = append(v.people, personName(r, zipf(r, v.clans, 1.1, 1), randomSex(r)))
		}
		v.Name = placeName(r) + "村"
		v.Township = placeName(r) + pick(r, []string{"镇", "乡"})
		v.lat, v.lng = 24.6+r.float()*5.2, 113.7+r.float()*4.5
		v.makeTeam(r, r.between(4, 7))
		out[i] = v
	}
	return out
}

// makeTeam draws members of different names: a post's id comes from the name.
func (v *village) makeTeam(r *draw, n int) {
	for len(v.team) < n {
		name := randomName(r)
		if slices.ContainsFunc(v.team, func(p *post) bool { return p.name == name }) {
			continue
		}
		role := "member"
		if len(v.team) == 0 {
			role = "first_secretary"
		}
		v.team = append(v.team, &post{
			id: named(recordSpace, "post/%s/%s", v.label, name), name: name, role: role, phone: phone(r), writer: newWriter(r, v),
		})
	}
}

func (p *post) record(v *village) Record {
	return Record{v.Code, "team_post", p.id, Fields{
		{"person_name", p.name},
		{"team_role", p.role},
		{"unit", "省交通运输厅"},
		{"phone", p.phone},
		{"start_date", "2022-12-01"},
	}}
}

// shuffledLexicon is one order of preference over all words.
func shuffledLexicon(r *draw) map[string][]string {
	out := make(map[string][]string, len(lexicon))
	for _, slot := range slices.Sorted(maps.Keys(lexicon)) {
		out[slot] = shuffled(r, lexicon[slot])
	}
	return out
}

func placeName(r *draw) string {
	x := r.float()
	if x < 0.3 {
		return pick(r, surnames) + "家" + pick(r, placeLast)
	}
	name := pick(r, placeFirst)
	if x > 0.8 {
		name += pick(r, placeFirst)
	}
	return name + pick(r, placeLast)
}

func randomSex(r *draw) string {
	if r.chance(0.53) {
		return "male"
	}
	return "female"
}

func randomSurname(r *draw) string { return zipf(r, surnames, 0.9, 3) }

func randomName(r *draw) string { return personName(r, randomSurname(r), randomSex(r)) }

func personName(r *draw, surname, sex string) string {
	given := givenFemale
	if sex == "male" {
		given = givenMale
	}
	name := surname + pick(r, given)
	if r.chance(0.82) {
		name += pick(r, given)
	}
	return name
}

func phone(r *draw) string { return fmt.Sprintf("12%09d", r.between(0, 999999999)) }
