package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/pack"
	"zhucun/shared/record"
	"zhucun/shared/wire/blocksort"
)

// visit is one change as it travels, with text of n characters.
func visit(n int) record.Change {
	var text strings.Builder
	for i := 0; text.Len() < 3*n; i++ {
		fmt.Fprintf(&text, "第%d家种了%d亩油茶，缺水。", i*i%97, i%13)
	}
	return record.Change{Record: record.ID{1, 2}, Type: "visit", Time: 1 << 57, Author: "王队员", Form: 1, Body: []record.Write{
		{Path: "findings", Value: record.Text(text.String()), Observed: []record.Dot{{Stream: record.Stream{1}, Seq: 7}}},
		{Path: "household", Value: record.Text(record.ID{9}.String())},
		{Path: "topics/road", Value: record.True},
	}}
}

func segment(n int) []byte {
	s := journal.Segment{Stream: record.Stream{1, 0xFF}, From: 8, Changes: []record.Change{visit(n)}, Sig: bytes.Repeat([]byte{0xA5, 7}, 32)}
	return s.Encode()
}

func state(n int) []byte {
	c := visit(n)
	s := merge.Apply(merge.State{}, merge.Frontier{}, merge.Applied{Dot: record.Dot{Stream: record.Stream{1}, Seq: 1}, At: 5, Author: c.Author}, c.Body)
	return s.Encode()
}

func request(n int) *Sync {
	return &Sync{
		Version: Version, Runs: []clock.Run{{From: 5, Correction: -7}}, Budget: 1 << 20, Assigned: 3, Pending: 12, Agent: "1.0",
		Villages: []Push{{
			Village: "369999000001", Epoch: Epoch{1, 0xFF}, Cursor: 1 << 40, After: 1<<40 + 1,
			Streams: []Own{{Stream: record.Stream{1}, Head: 9, Acked: 8}}, Segments: [][]byte{segment(n), segment(n / 2)},
		}, {Village: "369999000002"}},
	}
}

func answer(n int) *Synced {
	return &Synced{
		Version: Version, Time: 1 << 40, Next: 60,
		Assigned: &Assignment{Serial: 4, Villages: []Village{{Code: "369999000001", Name: "上村", Township: "下镇"}}, Role: identity.TeamMember, Profiles: []string{"王队员"}},
		Villages: []Pull{{
			Village: "369999000001", Epoch: Epoch{1}, From: 1, Cursor: 2, More: true, Denied: true,
			Receipts: []journal.Receipt{{Stream: record.Stream{1}, From: 1, Seq: 9, Received: 5, Floor: 4, Runs: []clock.Run{{From: 1, Correction: 2}},
				Quarantined: []journal.Quarantined{{Seq: 3, Reason: "role", Detail: "status"}}, Sig: []byte{1}}},
			Refused: []Refused{{Stream: record.Stream{1}, From: 10, Code: RefusedGap, Head: 8}},
			Records: []State{{ID: record.ID{1}, Type: "visit", State: state(n)}}, Heads: []StreamHead{{Stream: record.Stream{1}, Seq: 9}},
		}},
	}
}

// messages are one of each kind, all fields set, and with one of them in every
// way of packing.
func messages() map[string]any {
	return map[string]any{
		"enrol":             &Enrol{Version: Version, Code: [8]byte{1, 0xFE}, Secret: [16]byte{2}, Key: bytes.Repeat([]byte{3}, 32), Agent: "1.0"},
		"enrolled":          &Enrolled{Device: "d", Token: "t", Server: []byte{1}, Numbers: []byte{2}, Assigned: *answer(0).Assigned, Time: -1},
		"fault":             &Fault{Code: FaultBusy, Text: "稍后再试"},
		"sync, empty":       &Sync{Version: Version},
		"sync, one visit":   request(80),
		"sync, long":        request(30_000),
		"synced, empty":     &Synced{Version: Version},
		"synced, one visit": answer(80),
		"synced, long":      answer(30_000),
		"noise":             &Enrol{Key: noise},
	}
}

var noise = func() (b []byte) {
	for i := range 100 {
		sum := sha256.Sum256([]byte{byte(i)})
		b = append(b, sum[:]...)
	}
	return b
}()

func TestRoundTrip(t *testing.T) {
	ways := map[byte]bool{}
	for name, m := range messages() {
		for _, e := range []Effort{Quick, Thrifty} {
			packed, err := Encode(m, e)
			if err != nil {
				t.Fatal(err)
			}
			ways[packed[len(magic)]] = true
			got := reflect.New(reflect.TypeOf(m).Elem()).Interface()
			if err := Decode(bytes.NewReader(packed), int64(len(packed)), got); err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("%s, effort %d: got %+v, %v\nwant %+v", name, e, got, err, m)
			}
		}
	}
	if want := map[byte]bool{packPlain: true, packZstd: true, packDict: true, packSort: true}; !reflect.DeepEqual(ways, want) {
		t.Errorf("the messages were packed in the ways %v, want %v", ways, want)
	}
}

func TestSyncCarriesTheClock(t *testing.T) {
	m := request(80)
	packed, err := EncodeSync(m, Thrifty)
	if err != nil {
		t.Fatal(err)
	}
	SetClock(packed, -62_135_596_800_000) // a laptop in the year 1
	got, _, err := UnmarshalSync(packed, MaxUnpacked, nil)
	m.Clock = -62_135_596_800_000
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, m)
	}
	for n := range clockSize + 1 {
		if _, _, err := UnmarshalSync(packed[:n], MaxUnpacked, nil); !errors.Is(err, ErrForeign) {
			t.Errorf("cut after %d bytes: %v, want ErrForeign", n, err)
		}
	}
}

// Each row is an answer that looks like success and is not ours.
func TestForeign(t *testing.T) {
	tests := []struct{ name, body string }{
		{"nothing", ""},
		{"a portal", "<!DOCTYPE html><html><head><meta http-equiv=\"refresh\" content=\"0;url=http://10.0.0.1/login\"></head></html>"},
		{"a portal in capitals", "<HTML><BODY>请登录</BODY></HTML>"},
		{"a portal with a byte order mark", "\ufeff<html>"},
		{"JSON", `{"code":0}`},
		{"gzip", "\x1f\x8b\x08\x00"},
		{"our first letters", "ZC"},
		{"our letters and no more", string(magic[:])},
		{"zstd", "\x28\xb5\x2f\xfd\x04\x00"},
	}
	for _, tt := range tests {
		for _, m := range []any{new(Enrolled), new(Synced), new(Sync), new(Fault)} {
			if err := Decode(strings.NewReader(tt.body), MaxAnswer, m); !errors.Is(err, ErrForeign) {
				t.Errorf("%s as %T: %v, want ErrForeign", tt.name, m, err)
			}
		}
	}
}

// A message that was cut off anywhere is damaged, never a shorter one.
func TestTruncated(t *testing.T) {
	for name, m := range messages() {
		for _, e := range []Effort{Quick, Thrifty} {
			packed, err := Encode(m, e)
			if err != nil {
				t.Fatal(err)
			}
			step := 1 + len(packed)/2000*16 // every byte of a short one
			for n := 0; n < len(packed); n += step {
				got := reflect.New(reflect.TypeOf(m).Elem()).Interface()
				if err := Unmarshal(packed[:n], MaxUnpacked, got); !errors.Is(err, ErrMessage) && !errors.Is(err, ErrForeign) {
					t.Fatalf("%s, effort %d, cut after %d of %d bytes: %v", name, e, n, len(packed), err)
				}
			}
			if err := Unmarshal(append(slices.Clone(packed), 0), MaxUnpacked, reflect.New(reflect.TypeOf(m).Elem()).Interface()); err == nil && packed[len(magic)] != packSort {
				t.Errorf("%s, effort %d: a byte too many goes unnoticed", name, e)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	packed, err := Encode(request(80), Thrifty)
	if err != nil {
		t.Fatal(err)
	}
	limit := int64(len(packed))
	if err := Decode(bytes.NewReader(packed), limit, new(Sync)); err != nil {
		t.Errorf("as large as the limit: %v", err)
	}
	if err := Decode(bytes.NewReader(packed), limit-1, new(Sync)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte over the limit: %v, want ErrTooLarge", err)
	}
	// The rest of a stream without end is not read.
	endless := &counter{}
	if err := Decode(endless, 1000, new(Sync)); !errors.Is(err, ErrTooLarge) || endless.n > 4096 {
		t.Errorf("a stream without end: %v after %d bytes", err, endless.n)
	}
	broken := errors.New("link is down")
	if err := Decode(io.MultiReader(bytes.NewReader(packed[:20]), &counter{err: broken}), limit, new(Sync)); !errors.Is(err, broken) {
		t.Errorf("a broken link: %v", err)
	}
}

type counter struct {
	n   int
	err error
}

func (c *counter) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.n += len(b)
	return len(b), nil
}

// Each row is a few bytes that unpack into more than the reader takes, packed in
// some way. They are refused without having been unpacked.
func TestBombs(t *testing.T) {
	zeros := func(opts ...zstd.EOption) []byte {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, opts...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeroReader{}, 80<<20); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	const limit = 64 << 10
	tests := []struct {
		name string
		how  byte
		body []byte
	}{
		{"zstd", packZstd, zeros()},
		{"zstd with a large window", packZstd, zeros(zstd.WithWindowSize(64 << 20))},
		{"zstd that says how much", packZstd, enc.EncodeAll(make([]byte, 80<<20), nil)},
		{"zstd that lies", packZstd, []byte("\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x00\x00")},
		// Within the limit as it is unpacked, and beyond it when made long.
		{"characters", packDict, enc.EncodeAll(bytes.Repeat([]byte{comma}, limit/3+1), nil)},
		{"zstd with the dictionary", packDict, enc.EncodeAll(make([]byte, 80<<20), nil)},
		{"bzip2", packSort, blocksort.Append(nil, make([]byte, 2*limit))},
		{"nothing packed", packPlain, make([]byte, limit+1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := Unmarshal(slices.Concat(magic[:], []byte{tt.how}, tt.body), limit, new(Enrol))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("%v, want ErrTooLarge", err)
			}
			// The decoders' own tables among it, which are made once.
			if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
				t.Errorf("took %d MB", took>>20)
			}
		})
	}
}

// comma is the first of the characters that are made short in one byte.
const comma = 0xD2

// The same for bzip2, which is slow to unpack: with a limit of its own.
func TestSortedBomb(t *testing.T) {
	const limit = 100_000
	for size, want := range map[int]error{limit: nil, limit + 1: ErrTooLarge, 40 * limit: ErrTooLarge} {
		got, err := unpack(packSort, blocksort.Append(nil, make([]byte, size)), nil, limit)
		if !errors.Is(err, want) || cap(got) > limit+limit/4 {
			t.Errorf("%d zeros: %v, want %v; %d bytes of memory", size, err, want, cap(got))
		}
	}
	if got, err := unpack(packSort, blocksort.Append(nil, bytes.Repeat([]byte{comma}, limit/3+1)), nil, limit); !errors.Is(err, ErrTooLarge) {
		t.Errorf("characters beyond the limit when made long: %d bytes, %v", len(got), err)
	}
}

// What is said of a request's size before it is unpacked is no less than what it
// comes to, and what it comes to is told.
func TestSyncSize(t *testing.T) {
	for _, e := range []Effort{Quick, Thrifty} {
		for n := range 8 {
			m := request(n * n * n)
			raw, err := encMode.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			packed, err := EncodeSync(m, e)
			if err != nil {
				t.Fatal(err)
			}
			_, size, err := UnmarshalSync(packed, MaxUnpacked, nil)
			if err != nil || size != len(raw) {
				t.Errorf("%d bytes are told as %d, %v", len(raw), size, err)
			}
			if bound := SyncSize(packed, MaxUnpacked); bound < size {
				t.Errorf("packed in the way %d: %d bytes, said to be at most %d", packed[clockSize+len(magic)], size, bound)
			}
			if _, _, err := UnmarshalSync(packed, len(raw)-1, nil); !errors.Is(err, ErrTooLarge) {
				t.Errorf("one byte beyond the limit: %v", err)
			}
		}
	}
	for n := range clockSize + len(magic) + 1 {
		if size := SyncSize(make([]byte, n), MaxUnpacked); size != 0 {
			t.Errorf("%d bytes of no message are said to be %d", n, size)
		}
	}
}

// A list of empty things is a byte for each, and thirty in memory.
func TestLongLists(t *testing.T) {
	m := &Sync{Villages: []Push{{Village: "1", Segments: make([][]byte, maxList+1)}}}
	packed, err := EncodeSync(m, Thrifty)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := UnmarshalSync(packed, MaxUnpacked, nil); !errors.Is(err, ErrMessage) {
		t.Errorf("%d segments: %v", maxList+1, err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestOtherRelease(t *testing.T) {
	if err := Unmarshal([]byte("ZC\xb7\x7f\x00\xa0"), MaxUnpacked, new(Sync)); !errors.Is(err, ErrRelease) {
		t.Errorf("a later version: %v, want ErrRelease", err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(pack.Dictionary+1, []byte("another release's dictionary")))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Plain(request(80))
	if err != nil {
		t.Fatal(err)
	}
	if err := Unmarshal(enc.EncodeAll(plain, append(magic[:], packDict)), MaxUnpacked, new(Sync)); !errors.Is(err, ErrRelease) {
		t.Errorf("another dictionary: %v, want ErrRelease", err)
	}
	if err := Unmarshal(append(magic[:], packSort+1, 0xA0), MaxUnpacked, new(Sync)); !errors.Is(err, ErrMessage) {
		t.Errorf("an unknown way of packing: %v, want ErrMessage", err)
	}
}

// What a later release adds is passed over; what contradicts itself is not.
func TestKeys(t *testing.T) {
	tests := []struct {
		name string
		body string // CBOR in hexadecimal
		ok   bool
	}{
		{"a key more", "a3" + "0001" + "0405" + "1863" + "6161", true},
		{"a key more, with things in it", "a2" + "0001" + "1863" + "a1" + "01" + "82" + "01" + "43010203", true},
		{"a text key more", "a2" + "0001" + "636e6577" + "f5", true},
		{"a key twice", "a2" + "0001" + "0002", false},
		{"a tag", "a1" + "00" + "c001", false},
		{"length not known", "bf" + "0001" + "ff", false},
		{"a key of another kind", "a1" + "00" + "6161", false},
		{"nested too deep", "a2" + "0001" + "1863" + strings.Repeat("81", 40) + "01", false},
		{"a list that says it is longer than it is", "a1" + "03" + "9b00000000ffffffff", false},
		{"two messages", "a1" + "0001" + "a1" + "0001", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := hex.DecodeString(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			var m Sync
			err = Unmarshal(slices.Concat(magic[:], []byte{packPlain}, body), MaxUnpacked, &m)
			if (err == nil) != tt.ok || tt.ok && m.Version != 1 || !tt.ok && !errors.Is(err, ErrMessage) {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

// fuzz feeds any bytes to a decoder: refused, or read and written back the same.
func fuzz[M any](f *testing.F, kinds ...string) {
	all := messages()
	for _, kind := range kinds {
		for _, e := range []Effort{Quick, Thrifty} {
			packed, err := Encode(all[kind], e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packed)
		}
		raw, err := encMode.Marshal(all[kind])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(slices.Concat(magic[:], []byte{packPlain}, raw))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(M)
		if err := Unmarshal(b, MaxUnpacked, m); err != nil {
			return
		}
		raw, err := encMode.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again := new(M)
		if err := Unmarshal(slices.Concat(magic[:], []byte{packPlain}, raw), MaxUnpacked, again); err != nil {
			t.Fatalf("%x written anew is refused: %v", b, err)
		}
		if second, err := encMode.Marshal(again); err != nil || !bytes.Equal(raw, second) {
			t.Errorf("%x is written as %x, then as %x, %v", b, raw, second, err)
		}
	})
}

func FuzzSync(f *testing.F)     { fuzz[Sync](f, "sync, empty", "sync, one visit") }
func FuzzSynced(f *testing.F)   { fuzz[Synced](f, "synced, empty", "synced, one visit") }
func FuzzEnrol(f *testing.F)    { fuzz[Enrol](f, "enrol") }
func FuzzEnrolled(f *testing.F) { fuzz[Enrolled](f, "enrolled") }
