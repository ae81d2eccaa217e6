package web

import (
	"crypto/ed25519"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"zhucun/shared/clock"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// setAside sends what waits, of which the server sets everything aside, with the records
// as they stand without. It gives what the server has then, and its verdicts, to be
// completed and signed.
func (f *fixture) setAside() (has office, list []journal.Verdict, sign func(*journal.Verdict)) {
	f.t.Helper()
	d, err := f.laptop.Device()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := f.laptop.Outgoing(f.t.Context(), 1<<20)
	if err != nil || len(out) != 1 {
		f.t.Fatalf("%d villages to send, %v", len(out), err)
	}
	push := out[0].Push
	p := wire.Pull{Village: push.Village, Epoch: push.Epoch, From: push.Cursor, Cursor: push.Cursor + 1}
	hashes := map[record.Dot]journal.Hash{}
	has = office{}
	for _, raw := range push.Segments {
		seg, err := journal.Decode(raw)
		if err != nil {
			f.t.Fatal(err)
		}
		chain, err := seg.Open(d.Private().Public().(ed25519.PublicKey), push.Village, journal.Head{})
		if err != nil {
			f.t.Fatal(err)
		}
		r := journal.Receipt{Stream: seg.Stream, From: seg.From, Seq: seg.Last(), Received: clock.At0(f.wall.Load())}
		for i, c := range seg.Changes {
			v := journal.Verdict{Stream: seg.Stream, Seq: seg.From + uint64(i), By: "admin", At: clock.At0(f.wall.Load())}
			hashes[record.Dot{Stream: v.Stream, Seq: v.Seq}] = chain[i]
			list = append(list, v)
			r.Quarantined = append(r.Quarantined, journal.Quarantined{Seq: v.Seq, Reason: "village"})
			state := merge.State{}
			if at, err := f.office.Get(c.Type, c.Record); err == nil {
				state = at.State
			}
			p.Records = append(p.Records, wire.State{ID: c.Record, Type: c.Type, State: state.Encode()})
		}
		r.Seal(serverKey, chain[len(chain)-1])
		p.Receipts, has[seg.Stream] = append(p.Receipts, r), journal.Head{Seq: seg.Last(), Hash: chain[len(chain)-1]}
		p.Heads = append(p.Heads, wire.StreamHead{Stream: seg.Stream, Seq: seg.Last()})
	}
	p.Own = p.Heads
	f.take(&p)
	return has, list, func(v *journal.Verdict) { v.Seal(serverKey, hashes[record.Dot{Stream: v.Stream, Seq: v.Seq}]) }
}

func (f *fixture) take(p *wire.Pull) {
	f.t.Helper()
	if _, err := f.laptop.Take(f.t.Context(), p); err != nil {
		f.t.Fatal(err)
	}
	f.cursor[p.Village] = p.Cursor
}

// rejected is a household whose new phone the office has rejected, and a visit that it
// has rejected altogether.
func (f *fixture) rejected(house record.ID) (visit record.ID, has office) {
	f.t.Helper()
	f.set(f.laptop, "杜旺火", householdType, house, map[string]string{"phone": "13900139001"})
	visit = f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": house.String(), "visit_date": "2023-02-02", "findings": "写错了村的一次走访"})
	has, list, sign := f.setAside()
	at := f.cursor[firstVillage.Code]
	for i := range list {
		list[i].Feed = at + 1
		list[i].Why = []string{"原号码仍在用", "应记在邻村"}[i]
		sign(&list[i])
	}
	f.take(&wire.Pull{Village: firstVillage.Code, Epoch: wire.Epoch{1}, From: at, Cursor: at + 1, Verdicts: list})
	return visit, has
}

// Whoever wrote what the office rejected is told where they look first, sees why on the
// record, and says that they have seen it; nothing of it goes before.
func TestRejected(t *testing.T) {
	f := newFixture(t, true).enter()
	house := f.house(0).id
	visit, _ := f.rejected(house)
	if body := f.get("/").body; !strings.Contains(body, "2 处改动办公室没有采纳") {
		t.Error("the first page does not tell")
	}
	if body := f.get("/sync").body; !strings.Contains(body, "原号码仍在用") || !strings.Contains(body, "应记在邻村") {
		t.Error("the page of delivery does not tell why")
	}
	here := "/record/visit/" + visit.String()
	for path, words := range map[string][]string{
		"/household/" + house.String():        {"没有采纳", "admin", "原号码仍在用", "13900139001"},
		"/record/household/" + house.String(): {"没有采纳", "原号码仍在用", "13900139001"},
		here:                                  {"没有采纳", "应记在邻村", "写错了村的一次走访"},
	} {
		body := f.get(path).body
		for _, w := range words {
			if !strings.Contains(body, w) {
				t.Errorf("%s lacks %q", path, w)
			}
		}
		if !strings.Contains(body, "way-rejected") {
			t.Errorf("%s does not mark it", path)
		}
	}
	press := func(path string) answer {
		t.Helper()
		body := f.get(path).body
		form := url.Values{"do": {"seen"}}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="(_seen|aside)" value="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			form.Set(m[1], m[2])
		}
		if form.Get("aside") == "" {
			t.Fatalf("%s asks nothing", path)
		}
		return f.post(path, form)
	}
	if a := press(here); a.status != http.StatusOK || strings.Contains(a.body, `class="asides"`) || !strings.Contains(a.body, "写错了村的一次走访") || !strings.Contains(a.body, "应记在邻村") {
		t.Errorf("after the visit was seen: %d, or its history lacks what was written", a.status)
	}
	if a := f.get("/sync"); a.status != http.StatusOK || strings.Contains(a.body, "应记在邻村") || !strings.Contains(a.body, "原号码仍在用") {
		t.Errorf("the page of delivery then: %d", a.status)
	}
	if strings.Contains(f.get("/household/"+house.String()).body, "写错了村的一次走访") {
		t.Error("the visit is listed still")
	}
	if a := press("/record/household/" + house.String()); strings.Contains(a.body, `class="asides"`) || !strings.Contains(a.body, "没有采纳") {
		t.Error("after it was seen the record asks still, or its history tells nothing")
	}
	if r := f.record(householdType, house.String()); r.Way != merge.Delivered {
		t.Errorf("it is %s", r.Way)
	}
	if body := f.get("/").body; strings.Contains(body, "没有采纳") {
		t.Error("the first page tells still")
	}
	if a := f.post("/record/household/"+house.String(), url.Values{"do": {"seen"}, "aside": {"nonsense"}, "_seen": {seenOf(f.record(householdType, house.String()).State)}}); a.status != 422 && a.status != 400 {
		t.Errorf("nonsense seen: %d", a.status)
	}
}
