package wire

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire/page"
)

// travelled is an answer as it is on the line: with its pages as they are.
type travelled Synced

func (m *Synced) clone() *Synced {
	c := *m
	c.Villages = append([]Pull(nil), m.Villages...)
	return &c
}

// long is an answer with n visits of one village, and one in another.
func long(n int) *Synced {
	m := &Synced{Version: Version, Time: 1 << 40, Villages: []Pull{{Village: "1", Cursor: 7, More: true}, {Village: "2", Cursor: 8, Records: []State{{ID: record.ID{5}, Type: "visit", State: state(9)}}}}}
	for i := range n {
		c := visit(i % 50)
		c.Body[1].Value = record.Text(record.ID{byte(i % 7)}.String())
		s := merge.Apply(merge.State{}, merge.Frontier{}, merge.Applied{Dot: record.Dot{Stream: record.Stream{1}, Seq: uint64(i + 1)}, At: 5, Author: c.Author}, c.Body)
		m.Villages[0].Records = append(m.Villages[0].Records, State{ID: record.ID{1, 2, byte(i >> 8), byte(i)}, Type: "visit", State: s.Encode()})
	}
	return m
}

// A device gets its records in columns if it reads them and it is worth it, in rows
// otherwise, and has the same in the end.
func TestLayOut(t *testing.T) {
	for _, tt := range []struct {
		records int
		reads   uint64
		columns bool
	}{{400, ReadsColumns, true}, {400, ReadsColumns + 1, true}, {400, 0, false}, {10, ReadsColumns, false}, {0, ReadsColumns, false}} {
		t.Run(fmt.Sprint(tt.records, " read by ", tt.reads), func(t *testing.T) {
			m := long(tt.records)
			rows, err := Size(m)
			if err != nil {
				t.Fatal(err)
			}
			laid := m.clone()
			laid.LayOut(tt.reads)
			size, err := Size(laid)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Encode(laid, Quick)
			if err != nil {
				t.Fatal(err)
			}
			var on travelled
			if err := Unmarshal(b, MaxUnpacked, &on); err != nil {
				t.Fatal(err)
			}
			if p := &on.Villages[0]; len(p.Page) > 0 != tt.columns || len(p.Records) > 0 == (tt.columns || tt.records == 0) || len(on.Villages[1].Page) > 0 {
				t.Errorf("%d records and %d bytes in columns travel, and %d bytes of the other village's", len(p.Records), len(p.Page), len(on.Villages[1].Page))
			}
			got := new(Synced)
			if err := Unmarshal(b, size, got); err != nil {
				t.Fatalf("in %d bytes, %d as rows: %v", size, rows, err)
			}
			if !reflect.DeepEqual(got, m) {
				t.Error("other records come than were sent")
			}
			if tt.columns {
				if err := Unmarshal(b, size-1, new(Synced)); !errors.Is(err, ErrTooLarge) {
					t.Errorf("in a byte less: %v", err)
				}
			}
		})
	}
}

// What no server of ours sends is refused, and what a later one sends told apart.
func TestLayOutDamaged(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(p *Pull)
		want error
	}{
		{"a later layout", func(p *Pull) { p.Page[0]++ }, ErrRelease},
		{"cut off", func(p *Pull) { p.Page = p.Page[:len(p.Page)/2] }, ErrMessage},
		{"both ways at once", func(p *Pull) { p.Records = []State{{ID: record.ID{1}}} }, ErrMessage},
		{"more than a reader takes", func(p *Pull) {
			huge := make([]page.Record, 600)
			for i := range huge {
				huge[i] = page.Record{ID: record.ID{1}, Type: "visit", State: make([]byte, 1<<17)}
			}
			p.Page = page.Append(nil, huge)
		}, ErrTooLarge},
	} {
		m := long(400)
		m.LayOut(ReadsColumns)
		tt.do(&m.Villages[0])
		b, err := Encode(m, Quick)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal(b, MaxUnpacked, new(Synced)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
