package store

import (
	"strings"
	"testing"

	"zhucun/shared/identity"
)

// Whoever goes through all records, or changes one after the other, has some megabytes
// of the file in memory and not all of it.
func TestFilePagesAreLetGoOf(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	var edits []Edit
	for i := range 8_000 {
		// Each its own, or they would be packed to nothing.
		var b strings.Builder
		for n := range 700 {
			b.WriteRune(rune(0x4e00 + (i*7919+n*n*31+n*i)%8000))
		}
		edits = append(edits, Edit{Type: "visit", Fields: fields("findings", b.String())})
	}
	most := int64(0)
	look := func() { most = max(most, resident()) }
	begun := resident()
	for part := edits; len(part) > 0; part = part[100:] {
		if _, err := s.Save(ctx, part[:100]...); err != nil {
			t.Fatal(err)
		}
		look()
	}
	size, err := s.file.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	file := size.Size()
	size.Rollback()
	n := 0
	err = s.Each(code, "visit", func(Record) bool {
		if n++; n%100 == 0 {
			look()
		}
		return true
	})
	if err != nil || n != len(edits) {
		t.Fatalf("%d visits, %v", n, err)
	}
	if _, err := s.Verify(false); err != nil {
		t.Fatal(err)
	}
	look()
	const room = 12 << 20
	if file < 2*room {
		t.Fatalf("a file of %d MB shows nothing", file>>20)
	}
	if most > begun+room {
		t.Errorf("%d MB of files in memory, %d at the beginning; the data file has %d", most>>20, begun>>20, file>>20)
	}
}
