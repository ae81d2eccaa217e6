package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mozillazg/go-pinyin"

	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// find measures the laptop's search with 50,000 households, 100,000 people and 200,000
// visits: what a key costs, as a browser asks, beside going through all visits for a word;
// what the agent has in memory; and how soon it answers after the start.
func find(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("find")
	if err != nil {
		return err
	}
	defer done()
	codes := makeSet(1, 6, -1, -1).villages
	srv, err := office(ctx, r, codes...)
	if err != nil {
		return err
	}
	l, err := r.Laptop(ctx, srv, "laptop", "甲", identity.Office, codes...)
	if err != nil {
		return errors.Join(err, srv.Stop())
	}
	defer l.Close()
	// Without a server, or the sync would compete.
	if err := srv.Stop(); err != nil {
		return err
	}
	big, err := fill(ctx, l, len(codes), 50_000, 100_000, 200_000)
	if err != nil {
		return err
	}
	if err := l.Run(ctx, ""); err != nil {
		return err
	}
	v, err := enter(ctx, l)
	if err != nil {
		return err
	}
	records := fmt.Sprintf("%d records", big.n)
	start := time.Now()
	if _, err := v.page(ctx, "/"); err != nil {
		return err
	}
	b.add(result{What: "first page after the start, " + records, Value: time.Since(start).Seconds(), Unit: "s", Target: 3, Beside: "made while they are being read, and says so"})
	// While they are being read whoever looks is answered all the same.
	meanwhile := laps{}
	for {
		body, took, err := v.look(ctx, "王")
		if err != nil {
			return err
		}
		meanwhile.add("王", took)
		if !bytes.Contains(body, []byte("data-reading")) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.add(result{What: "until all of it is found, " + records, Value: time.Since(start).Seconds(), Unit: "s", Beside: "a key meanwhile: " + meanwhile.String()})
	m, err := l.Memory()
	if err != nil {
		return err
	}
	b.add(result{What: "agent memory, " + records + ", while they are read", Value: float64(m.Peak) / mb, Unit: "MB", Target: 150, Beside: fmt.Sprintf("at the end %d MB, %d MB without file pages", m.Resident/mb, m.Own/mb)})

	if err := l.ClearPeak(); err != nil {
		return err
	}
	all := laps{}
	first := laps{}
	used, err := l.CPU()
	if err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(big.queries)) {
		some := laps{}
		for i, q := range big.queries[kind] {
			_, took, err := v.look(ctx, q)
			if err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
			if some.add(q, took); len([]rune(q)) == 1 {
				first.add(q, took)
			}
			all.add(q, took)
			// Whoever types has something saved now and then.
			if i%100 == 99 {
				if _, err := l.Do(ctx, "put", "visit", "--id", big.visit, "findings=谷仓边的磨盘还在，说过"+fmt.Sprint(i)); err != nil {
					return err
				}
			}
		}
		b.add(result{What: "find by " + kind + ", p99", Value: some.at(99), Unit: "ms", Target: 50, Beside: some.String()})
	}
	now, err := l.CPU()
	if err != nil {
		return err
	}
	cpu := (now - used) / time.Duration(len(all.took))
	b.add(result{What: "find, the first key, p99", Value: first.at(99), Unit: "ms", Target: 50, Beside: first.String()})
	b.add(result{What: "find, every key, p99", Value: all.at(99), Unit: "ms", Target: 50, Beside: all.String()})
	b.add(result{What: "find, CPU a key", Value: float64(cpu.Microseconds()) / 1000, Unit: "ms", Target: 10, Beside: "the saves in between with it"})
	body, _, err := v.look(ctx, "磨盘还在")
	if err != nil {
		return err
	}
	if !bytes.Contains(body, []byte("<mark>磨盘还在</mark>")) {
		b.faults = append(b.faults, "what was saved last is not found")
	}
	if m, err = l.Memory(); err != nil {
		return err
	}
	b.add(result{What: "agent memory, " + records + ", while somebody looks", Value: float64(m.Peak) / mb, Unit: "MB", Target: 150, Beside: fmt.Sprintf("at the end %d MB, %d MB without file pages", m.Resident/mb, m.Own/mb)})
	start = time.Now()
	if _, err := l.Do(ctx, "list", "visit", "--text", "磨盘还在", "--json"); err != nil {
		return err
	}
	plain := time.Since(start)
	b.add(result{What: "find a key ÷ going through all visits for a word", Value: all.at(50) / 1000 / plain.Seconds(), Target: 0.01, Beside: fmt.Sprintf("%.1f ms against %.1f s", all.at(50), plain.Seconds())})
	return nil
}

// laps are how long answers took.
type laps struct {
	took    []time.Duration
	slowest string
}

func (l *laps) add(q string, took time.Duration) {
	if len(l.took) == 0 || took > slices.Max(l.took) {
		l.slowest = q
	}
	l.took = append(l.took, took)
}

// at gives a percentile in milliseconds.
func (l *laps) at(percent int) float64 {
	sorted := slices.Sorted(slices.Values(l.took))
	return float64(sorted[min(len(sorted)-1, len(sorted)*percent/100)].Microseconds()) / 1000
}

func (l *laps) String() string {
	return fmt.Sprintf("%d keys, p50 %.1f ms, the longest %.0f ms: %s", len(l.took), l.at(50), l.at(100), l.slowest)
}

// enter opens a laptop's pages.
func enter(ctx context.Context, l *rig.Laptop) (*visitor, error) {
	var opened struct{ Link string }
	if err := l.JSON(ctx, &opened, "open", "--print"); err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{Client: http.Client{Jar: jar}}
	resp, err := v.Get(opened.Link)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	to, root, ok := strings.Cut(resp.Header.Get("Refresh"), "url=")
	if !ok {
		return nil, fmt.Errorf("the link leads nowhere: %s %s", resp.Status, to)
	}
	u, err := resp.Request.URL.Parse(root)
	if err != nil {
		return nil, err
	}
	v.base = strings.TrimSuffix(u.String(), "/")
	return v, nil
}

var tokenField = regexp.MustCompile(`name="_token" value="([^"]*)"`)

// page reads a page, and the token that its forms have.
func (v *visitor) page(ctx context.Context, path string) ([]byte, error) {
	body, err := v.read(ctx, path)
	if m := tokenField.FindSubmatch(body); m != nil {
		v.token = html.UnescapeString(string(m[1]))
	}
	return body, err
}

// look asks for what somebody has typed so far, as the page's script does.
func (v *visitor) look(ctx context.Context, q string) ([]byte, time.Duration, error) {
	fields := url.Values{"_token": {v.token}, "q": {q}, "part": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+"/find", strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	start := time.Now()
	resp, err := v.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return body, time.Since(start), err
}

// many are the records of a large laptop, and what is looked for among them.
type many struct {
	n       int
	visit   string // the last, to be written anew
	queries map[string][]string
}

// pullPage is how many records a page of them has.
const pullPage = 2000

// fill gives a laptop records as if they had come from its office, with an ID number for
// everybody.
func fill(ctx context.Context, l *rig.Laptop, villages, households, people, visits int) (m *many, err error) {
	v, err := vault.Open(l.Data, filepath.Join(filepath.Dir(l.Data), "config", "zhucun"))
	if err != nil {
		return nil, err
	}
	key, err := v.Key(nil)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(l.Data, store.Options{Key: key, NoSync: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m = &many{queries: map[string][]string{}}
	kinds := map[string]map[string]bool{}
	sample := func(kind, q string, every int) {
		if kinds[kind] == nil {
			kinds[kind] = map[string]bool{}
		}
		if n := m.n; n%every == 0 && q != "" && len(kinds[kind]) < 600 {
			kinds[kind][q] = true
		}
	}
	open := map[record.Village]*wire.Pull{}
	cursor := map[record.Village]uint64{}
	forms := form.Builtin()
	stream := record.Stream{1}
	give := func(v record.Village) error {
		p := open[v]
		open[v] = &wire.Pull{Village: v, Epoch: wire.Epoch{1}}
		if p != nil && len(p.Records) > 0 {
			p.From = cursor[v]
			cursor[v] += uint64(len(p.Records))
			p.Cursor, p.Heads = cursor[v], []wire.StreamHead{{Stream: stream, Seq: cursor[v]}}
			if _, err := s.Take(ctx, p); err != nil {
				return err
			}
			return s.Fold(ctx, v)
		}
		return nil
	}
	left := people
	err = dataset.Walk(dataset.Options{Seed: 1, Villages: villages, Households: households, Visits: visits, Changes: -1}, dataset.Sink{
		Record: func(r dataset.Record) error {
			id, err := record.ParseID(r.ID)
			if err != nil {
				return err
			}
			f := forms.Form(record.Type(r.Type))
			values := map[string]record.Value{}
			for _, x := range r.Fields {
				raw, err := json.Marshal(x.Value)
				if err != nil {
					return err
				}
				if values[x.Name], err = f.Field(x.Name).Canon(raw); err != nil {
					return fmt.Errorf("%s %s: %w", r.Type, x.Name, err)
				}
			}
			text := func(name string) string { t, _ := values[name].Text(); return t }
			switch r.Type {
			case "household":
				m.names(sample, text("head_name"))
				phone := text("phone")
				sample("phone", phone[max(0, len(phone)-4):], 11)
				sample("group", text("group_name"), 97)
			case "person":
				if left--; left < 0 {
					return nil
				}
				number := numberFor(text("birth_date"), m.n, text("sex") == "male")
				values["id_number"] = record.Text(number)
				sample("last four", number[14:], 23)
				sample("first digits", number[14:14+1+m.n%3], 23)
			case "visit":
				m.visit = r.ID
				words := []rune(text("findings"))
				if at := m.n % max(1, len(words)-4); at+4 <= len(words) {
					sample("words", string(words[at:at+2]), 29)
					sample("words", string(words[at:at+3]), 31)
					sample("words", string(words[at:at+4]), 37)
				}
			}
			v := record.Village(r.Village)
			if open[v] == nil {
				if err := give(v); err != nil {
					return err
				}
			}
			p := open[v]
			seq := cursor[v] + uint64(len(p.Records)) + 1
			body, err := merge.Compose(f, merge.State{}, nil, merge.Writer{Author: "甲", Role: identity.Office}, values)
			if err != nil {
				return err
			}
			state := merge.Apply(merge.State{}, nil, merge.Applied{Dot: record.Dot{Stream: stream, Seq: seq}, At: clock.Time(time.Date(2024, 12, 1, 0, 0, 0, 0, time.UTC).UnixMilli() << 16), Author: "甲"}, body)
			p.Records = append(p.Records, wire.State{ID: id, Type: f.Type, State: state.Encode()})
			if m.n++; len(p.Records) == pullPage {
				return give(v)
			}
			return nil
		},
	})
	for v := range open {
		if err == nil {
			err = give(v)
		}
	}
	for kind, set := range kinds {
		m.queries[kind] = slices.Sorted(maps.Keys(set))
	}
	for c := 'a'; c <= 'z'; c++ {
		m.queries["initials"] = append(m.queries["initials"], string(c))
	}
	for c := '0'; c <= '9'; c++ {
		m.queries["first digits"] = append(m.queries["first digits"], string(c))
	}
	counts, cerr := s.Counts()
	total := 0
	for _, n := range counts {
		total += n
	}
	if err = errors.Join(err, cerr); err == nil && total != m.n {
		err = fmt.Errorf("%d records are there of %d", total, m.n)
	}
	return m, err
}

// names samples what somebody types who looks for a name.
func (m *many) names(sample func(kind, q string, every int), name string) {
	runes := []rune(name)
	for n := range runes {
		sample("name", string(runes[:n+1]), 17)
	}
	args := pinyin.NewArgs()
	initials, whole := "", ""
	for _, r := range runes {
		if s := pinyin.SinglePinyin(r, args); len(s) > 0 {
			initials += s[0][:1]
			whole += s[0]
		}
	}
	for n := range initials {
		sample("initials", initials[:n+1], 7)
	}
	for n := range min(4, len(whole)) {
		sample("pinyin", whole[:n+1], 13)
	}
	sample("pinyin", whole, 13)
}

// numberFor makes an ID number up.
func numberFor(born string, n int, male bool) string {
	if len(born) != 10 {
		born = "1970-01-01"
	}
	order := n % 500 * 2
	if male {
		order++
	}
	digits := "369999" + strings.ReplaceAll(born, "-", "") + fmt.Sprintf("%03d", order)
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(digits[i]-'0') * w
	}
	return digits + string("10X98765432"[sum%11])
}
