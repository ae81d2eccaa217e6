package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"zhucun/scripts/rig"
)

// ledger is what a laptop was promised: text by id, and texts of rows whose ids
// nobody was told.
type ledger struct {
	ids   map[string]string
	texts map[string]bool
}

func newLedger() *ledger { return &ledger{map[string]string{}, map[string]bool{}} }

// visit is one as get and list print it.
type visit struct {
	ID     string
	State  string
	Fields struct{ Findings string }
}

// visits gives what list says by id.
func visits(t *testing.T, p *rig.Program) map[string]visit {
	t.Helper()
	all, err := rig.All[visit](t.Context(), p, "list", "visit")
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]visit{}
	for _, v := range all {
		by[v.ID] = v
	}
	return by
}

// kept wants all that was promised, and each text once.
func (l *ledger) kept(t *testing.T, where string, have map[string]visit) {
	t.Helper()
	for id, text := range l.ids {
		if got := have[id].Fields.Findings; got != text {
			t.Errorf("%s: %s was printed for %q, and reads %q", where, id, text, got)
		}
	}
	often := map[string]int{}
	for _, v := range have {
		often[v.Fields.Findings]++
	}
	for text := range l.texts {
		if often[text] == 0 {
			t.Errorf("%s: %q was taken and is not there", where, text)
		}
	}
	for text, n := range often {
		if n > 1 {
			t.Errorf("%s: %q is there %d times", where, text, n)
		}
	}
}

// sound wants a verify without a fault.
func sound(t *testing.T, p *rig.Program) {
	t.Helper()
	if out, err := p.Do(t.Context(), "verify"); err != nil {
		t.Fatalf("%s: %v %s", filepath.Base(p.Data), err, out)
	}
}

// plain wants of a command that failed that it said why to a person.
func plain(t *testing.T, at string, err error) {
	t.Helper()
	var failed *rig.Failure
	if err == nil {
		return
	}
	if !errors.As(err, &failed) {
		t.Error(err)
		return
	}
	han := strings.ContainsFunc(failed.Said, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	if failed.Status != 1 || strings.Contains(failed.Said, "\n") || !han {
		t.Errorf("%s: exit status %d, said %s", at, failed.Status, failed.Said)
	}
}

// ids reads what put has printed.
func ids(t *testing.T, out []byte) (all []string) {
	t.Helper()
	for line := range bytes.Lines(out[:bytes.LastIndexByte(out, '\n')+1]) {
		var v struct{ ID string }
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("put printed %q", out)
		}
		all = append(all, v.ID)
	}
	return all
}

// delivered wants at the office what a laptop shows as delivered.
func delivered(t *testing.T, at string, l *rig.Laptop, s *rig.Server) {
	t.Helper()
	have := visits(t, &s.Program)
	for id, v := range visits(t, &l.Program) {
		if v.State == "delivered" && have[id].Fields.Findings != v.Fields.Findings {
			t.Errorf("%s: %s is shown as delivered, and the office has %q", at, id, have[id].Fields.Findings)
		}
	}
}
