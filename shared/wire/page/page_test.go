package page

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

func idFrom(r *rand.Rand) (id record.ID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	if v := r.IntN(6); v > 0 {
		id[6], id[8] = id[6]&15|byte(3+v)<<4, id[8]&0x3f|0x80
	}
	return id
}

// values has each kind of value, and beside each what is nearly of it.
var values = []record.Value{
	record.Null, record.True, record.False, `"met"`, `"met"`, `""`, `"老刘今年种了六亩一季稻"`, `"a\"b\u0001"`, "\"\x00\x01\x02\"", "\"\xff\xfe\"", `"`, ``, `"open`,
	`"2023-11-18"`, `"2023-11-19"`, `"2023-02-29"`, `"0000-01-01"`, `"9999-12-31"`, `"12023-11-18"`,
	`"d475ba6d-3f9c-58ce-9875-9f89037812d9"`, `"D475ba6d-3f9c-58ce-9875-9f89037812d9"`, `"d475ba6d-3f9c-58ce-9875-9f89037812dg"`, `"018be0e1-311e-729c-af14-ebb0aa2e1160"`,
	`[113.825003,28.040467]`, `[113.825,28]`, `[-0.5,0]`, `[-0,0]`, `[113.8250031,28]`, `[113.82500,28]`, `[1001,0]`, `[1,2,3]`, `[]`, `["a","b"]`, `{"a":1}`,
	`0`, `-1`, `5.9`, `-0.05`, `-0`, `00`, `+1`, `1e3`, `12.`, `.5`, `0.123456789`, `99999999999999999`, `123456789012345678`, `5.90`,
	`"3699990000010004"`, `"3699990000010005"`, `"0699990000010005"`, `"+699990000010005"`, `"12492539708"`, `"36999900000100041"`, `"369999000001000412"`,
}

func init() {
	for n := range 3 {
		values = append(values, record.Text(strings.Repeat("a", maxKnown-1+n)))
	}
}

// More texts of a path than are known again, each twice.
func TestManyTexts(t *testing.T) {
	var records []Record
	for i := range 2*maxTexts + 400 {
		s := merge.State{"name": {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: record.Stream{1}, Seq: uint64(i + 1)}, Value: record.Text(fmt.Sprint("t", i%(maxTexts+100)))}}}}
		records = append(records, Record{record.ID{byte(i >> 8), byte(i)}, "visit", s.Encode()})
	}
	got, err := Read(Append(nil, records), sizeOf(records))
	if err == nil {
		err = same(records, got)
	}
	if err != nil {
		t.Error(err)
	}
}

// stateOf makes a state as merging leaves them: mostly one change and a value a
// register, now and then several, with dots in clouds.
func stateOf(r *rand.Rand, streams []record.Stream) merge.State {
	s := merge.State{}
	changes := make([]merge.Sibling, 1+r.IntN(1+r.IntN(4)))
	for i := range changes {
		changes[i] = merge.Sibling{
			Dot: record.Dot{Stream: streams[r.IntN(len(streams))], Seq: 1 + r.Uint64N(1<<r.IntN(40))},
			At:  clock.Time(r.Uint64N(1 << 62)), Unmeasured: r.IntN(5) == 0, Author: []string{"甲", "乙", "", "\x00"}[r.IntN(4)],
		}
	}
	for i := range r.IntN(20) {
		p := record.Path([]string{"findings", "household", "location", "visit_date", "visitors/", "topics/", "phone~", "topics/a~"}[r.IntN(8)])
		switch {
		case strings.HasSuffix(string(p), "/") && r.IntN(2) == 0:
			p += record.Path(idFrom(r).String())
		case strings.HasSuffix(string(p), "/"):
			p += record.Path(fmt.Sprint("/a"[r.IntN(2):], i))
		}
		reg := merge.Register{}
		seen := map[record.Dot]bool{}
		for range 1 + r.IntN(1+r.IntN(3)) {
			sib := changes[r.IntN(len(changes))]
			if sib.Value = values[r.IntN(len(values))]; !seen[sib.Dot] {
				reg.Siblings = append(reg.Siblings, sib)
			}
			seen[sib.Dot] = true
		}
		for range r.IntN(1 + r.IntN(3)) {
			reg.Cloud = append(reg.Cloud, record.Dot{Stream: streams[r.IntN(len(streams))], Seq: 1 + r.Uint64N(1000)})
		}
		reg.Cloud = record.SortDots(reg.Cloud)
		s[p] = reg
	}
	return s
}

func same(a, b []Record) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d records come back as %d", len(a), len(b))
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Type != b[i].Type || !bytes.Equal(a[i].State, b[i].State) {
			return fmt.Errorf("record %d: %s %s %q comes back as %s %s %q", i, a[i].Type, a[i].ID, a[i].State, b[i].Type, b[i].ID, b[i].State)
		}
	}
	return nil
}

func sizeOf(records []Record) (n int) {
	for _, r := range records {
		n += len(r.State)
	}
	return n
}

// Whatever states there are, and whatever is none, comes back byte for byte.
func TestComesBack(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		streams := make([]record.Stream, 1+r.IntN(4))
		for i := range streams {
			streams[i] = record.Stream(idFrom(r))
		}
		var records []Record
		for range r.IntN(40) {
			rec := Record{idFrom(r), record.Type([]string{"visit", "household", "\x00", ""}[r.IntN(4)]), stateOf(r, streams).Encode()}
			switch r.IntN(12) {
			case 0:
				rec.State = rec.State[:r.IntN(len(rec.State))]
			case 1:
				rec.State = bytes.Clone(rec.State)
				rec.State[r.IntN(len(rec.State))] ^= 1 << r.IntN(8)
			case 2:
				rec.State = append([]byte{2}, rec.State...)
			}
			records = append(records, rec)
		}
		if len(records) > 2 {
			records[1].ID = records[0].ID
		}
		p := Append(nil, records)
		if Size(p) != sizeOf(records) {
			t.Fatalf("seed %d: it says %d bytes of %d", seed, Size(p), sizeOf(records))
		}
		got, err := Read(p, sizeOf(records))
		if err == nil {
			err = same(records, got)
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if n := sizeOf(records); n > 0 {
			if _, err := Read(p, n-1); !errors.Is(err, ErrTooLarge) {
				t.Fatalf("seed %d: a byte less than it has: %v", seed, err)
			}
		}
	}
}

// A state is laid out where it is one, or nothing is won.
func TestIsLaidOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	streams := []record.Stream{record.Stream(idFrom(r))}
	var s state
	for range 200 {
		if b := stateOf(r, streams).Encode(); !s.parse(b) {
			t.Fatalf("%q is taken for no state", b)
		}
	}
}

// More names than a page has: what is over travels as it is.
func TestManyNames(t *testing.T) {
	stream := record.Stream{1}
	var records []Record
	for i := range 40 {
		s := merge.State{}
		for j := range 200 {
			s[record.Path(fmt.Sprint("f", i, "_", j))] = merge.Register{Siblings: []merge.Sibling{{Dot: record.Dot{Stream: stream, Seq: 1}, Value: "1"}}}
		}
		records = append(records, Record{record.ID{byte(i)}, "visit", s.Encode()})
	}
	got, err := Read(Append(nil, records), sizeOf(records))
	if err == nil {
		err = same(records, got)
	}
	if err != nil {
		t.Error(err)
	}
}

func someRecords(seed uint64) []Record {
	r := rand.New(rand.NewPCG(seed, 3))
	streams := []record.Stream{record.Stream(idFrom(r)), record.Stream(idFrom(r))}
	var records []Record
	for range 12 {
		records = append(records, Record{idFrom(r), "visit", stateOf(r, streams).Encode()})
	}
	return records
}

// Whatever is read gives an error or no more than the limit.
func FuzzRead(f *testing.F) {
	f.Add(Append(nil, nil))
	for seed := range uint64(4) {
		f.Add(Append(nil, someRecords(seed)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		if got, err := Read(b, limit); err == nil && sizeOf(got) > limit {
			t.Errorf("%d bytes, at most %d wanted", sizeOf(got), limit)
		}
	})
}

// The same past the packing, which a fuzzer does not get through: columns with any
// byte changed, and any column of another length.
func TestDamagedColumns(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := fill(someRecords(seed))
		for range 150 {
			other := *w
			other.columns = nil
			for i := range other.fixed {
				other.fixed[i] = bytes.Clone(w.fixed[i])
			}
			for _, c := range w.columns {
				d := new(column)
				for i := range c.parts {
					d.parts[i] = bytes.Clone(c.parts[i])
				}
				other.columns = append(other.columns, d)
			}
			for range 1 + r.IntN(3) {
				col := &other.fixed[r.IntN(fixedColumns)]
				if r.IntN(2) == 0 {
					col = &other.columns[r.IntN(len(other.columns))].parts[r.IntN(eachColumn)]
				}
				switch n := len(*col); {
				case n == 0 || r.IntN(4) == 0:
					*col = append(*col, byte(r.Uint32()))
				case r.IntN(4) == 0:
					*col = (*col)[:r.IntN(n)]
				default:
					(*col)[r.IntN(n)] = byte(r.Uint32())
				}
			}
			const limit = 1 << 16
			if got, err := Read(other.pack(nil, w.size), limit); err == nil && sizeOf(got) > limit {
				t.Fatalf("seed %d: %d bytes", seed, sizeOf(got))
			} else if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

// A form that says much, a text that is long, and columns that point at them a
// thousand times: no more is made of it than the page says.
func TestBomb(t *testing.T) {
	s := merge.State{}
	for i := range 100 {
		s[record.Path(fmt.Sprint(strings.Repeat("p", 500), i))] = merge.Register{Cloud: []record.Dot{{Stream: record.Stream{1}, Seq: 1}}}
	}
	rec := Record{record.ID{1}, "visit", s.Encode()}
	var records []Record
	for range 4000 {
		records = append(records, rec)
	}
	p := Append(nil, records)
	if n := sizeOf(records); n < 100<<20 || len(p) > 200_000 {
		t.Fatalf("%d bytes in %d", n, len(p))
	}
	if _, err := Read(p, 64<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	w := fill(records)
	lie := w.pack(nil, 1000)
	if n := testing.AllocsPerRun(1, func() {
		if _, err := Read(lie, 64<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("%v, want ErrDamaged", err)
		}
	}); n > 1000 {
		t.Errorf("%v allocations", n)
	}
}

func TestLaterLayout(t *testing.T) {
	p := Append(nil, someRecords(1))
	p[0]++
	if _, err := Read(p, 1<<20); !errors.Is(err, ErrLayout) {
		t.Errorf("%v, want ErrLayout", err)
	}
}

// Pages are read by other releases than wrote them: another layout is another number.
func TestLayoutIsTheReleasedOne(t *testing.T) {
	const want = "e3eb8b8b9474ea2eb15a63071e8721b0fc557cf2d40e7c2401ca459ad7655ae2"
	p := Append(nil, someRecords(1))
	if got := fmt.Sprintf("%x", sha256.Sum256(p)); got != want {
		t.Errorf("the page's hash is %s, not %s", got, want)
	}
}
