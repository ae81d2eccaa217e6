package main

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"zhucun/scripts/dataset"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// exchange is one small request, as it leaves a laptop after a save, and two
// answers: to that laptop its receipt, to another one the page with what was
// saved.
type exchange struct {
	request       *wire.Sync
	receipt, page *wire.Synced
}

// poll is the other laptop's request: it has nothing to say.
func (x *exchange) poll() *wire.Sync {
	p := x.request.Villages[0]
	return &wire.Sync{Version: wire.Version, Assigned: x.request.Assigned, Reads: wire.ReadsMixed, Villages: []wire.Push{{Village: p.Village, Epoch: p.Epoch, Cursor: p.Cursor}}}
}

// exchanges makes n of them from a data set, each about one record of the
// type: entered, or with edited, changed for the first time. seed keeps the
// keys of one sample apart from another's.
func exchanges(d *dataset.Data, typ string, n int, edited bool, seed uint64) ([]exchange, error) {
	names := map[string]string{} // of the persons, by team_post
	changes := map[string]dataset.Fields{}
	for _, c := range d.Changes {
		if changes[c.ID] == nil {
			changes[c.ID] = c.Set
		}
	}
	var about []dataset.Record
	for _, r := range d.Records {
		if r.Type == "team_post" {
			names[r.ID] = r.Fields.Text("person_name")
		}
		if r.Type == typ && (!edited || changes[r.ID] != nil) {
			about = append(about, r)
		}
	}
	if len(about) < n {
		return nil, fmt.Errorf("the data set has %d records of type %s, want %d", len(about), typ, n)
	}
	var out []exchange
	for i := range n {
		r := about[i*len(about)/n] // spread over all the days
		author := "王队员"
		if visitors, ok := r.Fields.Get("visitors").([]string); ok {
			author = names[visitors[0]]
		}
		var set dataset.Fields
		if edited {
			set = changes[r.ID]
		}
		x, err := newExchange(seed<<32|uint64(i), r, merge.Writer{Author: author, Role: identity.TeamMember}, set)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Type, r.ID, err)
		}
		out = append(out, x)
	}
	return out, nil
}

// newExchange makes the exchange about r by w; set, if there is any, is what w
// changes in it a day later.
func newExchange(n uint64, r dataset.Record, w merge.Writer, set dataset.Fields) (exchange, error) {
	var none exchange
	l := newLaptop(n, record.Village(r.Village))
	l.head = journal.Head{Seq: 100 + n%2000, Hash: journal.Hash(noise(n, "head", 32))}
	made := madeAt(r.ID) + clock.At0(int64(n%(8*3600*1000)))
	c, err := entered(r, w, made, "onsite")
	if err != nil {
		return none, err
	}
	before := merge.Frontier{l.stream: l.head.Seq}
	segment := l.segment(c)
	state := merge.Apply(merge.State{}, before, l.applied(c), c.Body)
	if len(set) > 0 {
		f := form.Builtin().Form(c.Type)
		edits, err := values(f, set)
		if err != nil {
			return none, err
		}
		c.Time = uint64(made + clock.At0(24*3600*1000))
		if c.Body, err = merge.Compose(f, state, state.Authors(), w, edits); err != nil {
			return none, err
		}
		before = merge.Frontier{l.stream: l.head.Seq}
		segment = l.segment(c)
		state = merge.Apply(state, before, l.applied(c), c.Body)
	}
	var epoch wire.Epoch
	copy(epoch[:], noise(n, "epoch", 8))
	now, cursor := clock.Time(c.Time)+clock.At0(2000), 1000+n%9000
	x := exchange{
		request: &wire.Sync{
			Version: wire.Version, Clock: now.Milli(), Budget: 1 << 20, Assigned: 1 + n%5, Agent: "1.0.0",
			Villages: []wire.Push{{
				Village: l.village, Epoch: epoch, Cursor: cursor,
				Streams:  []wire.Own{{Stream: l.stream, Head: l.head.Seq, Acked: segment.From - 1}},
				Segments: [][]byte{segment.Encode()},
			}},
		},
		receipt: &wire.Synced{Version: wire.Version, Time: now.Milli() + 300, Next: 60},
		page:    &wire.Synced{Version: wire.Version, Time: now.Milli() + 60_000, Next: 60},
	}
	receipt := journal.Receipt{Stream: l.stream, From: segment.From, Seq: segment.Last(), Received: now + clock.At0(200), Floor: clock.Time(c.Time) - clock.At0(3600*1000)}
	receipt.Seal(ed25519.NewKeyFromSeed(noise(n, "server", 32)), l.head.Hash)
	x.receipt.Villages = []wire.Pull{{Village: l.village, Epoch: epoch, Receipts: []journal.Receipt{receipt}, From: cursor, Cursor: cursor + 1}}
	x.page.Villages = []wire.Pull{{
		Village: l.village, Epoch: epoch, From: cursor, Cursor: cursor + 1,
		Records: []wire.State{{ID: c.Record, Type: c.Type, State: state.Encode()}},
		Heads:   []wire.StreamHead{{Stream: l.stream, Seq: l.head.Seq}},
	}}
	return x, nil
}

// applied is the laptop's last change as the server applies it.
func (l *laptop) applied(c record.Change) merge.Applied {
	return merge.Applied{Dot: record.Dot{Stream: l.stream, Seq: l.head.Seq}, At: clock.Time(c.Time), Author: c.Author}
}

// note is a visit in words that the data set's generator does not have.
func note(i int, findings, needs, promised string) dataset.Record {
	day := time.Date(2017, 3, 1, 2, 0, 0, 0, time.UTC).AddDate(0, 0, i*9)
	id := noise(uint64(i), "note", 16)
	for k := range 6 {
		id[k] = byte(day.UnixMilli() >> (40 - 8*k))
	}
	id[6], id[8] = id[6]&15|0x70, id[8]&0x3f|0x80
	f := dataset.Fields{
		{Name: "household", Value: record.ID(noise(uint64(i), "household", 16)).String()},
		{Name: "visit_date", Value: day.Format(time.DateOnly)},
		{Name: "visitors", Value: []string{record.ID(noise(uint64(i%5), "visitor", 16)).String()}},
		{Name: "visit_mode", Value: []string{"home", "home", "field", "phone"}[i%4]},
		{Name: "visit_result", Value: "met"},
		{Name: "visit_purpose", Value: [][]string{{"routine"}, {"verify", "income"}, {"policy"}, {"relief"}, {"follow_up"}}[i%5]},
		{Name: "findings", Value: findings},
		{Name: "knows_team", Value: "yes"},
		{Name: "knows_measures", Value: []string{"yes", "no"}[i%2]},
		{Name: "satisfaction", Value: []string{"very", "satisfied", "fair"}[i%3]},
		{Name: "location", Value: [2]float64{115 + float64(noise(uint64(i), "lon", 1)[0])/1000, 27 + float64(noise(uint64(i), "lat", 1)[0])/1000}},
	}
	if needs != "" {
		f = append(f, dataset.Field{Name: "needs", Value: needs})
	}
	if promised != "" {
		f = append(f, dataset.Field{Name: "promised", Value: promised})
	}
	return dataset.Record{Village: "369999000003", Type: "visit", ID: record.ID(id).String(), Fields: f}
}
