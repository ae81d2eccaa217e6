package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
)

const (
	here  = "0190a3f2-0000-7000-8000-000000000001"
	there = "0190a3f2-0000-7000-8000-000000000002"
)

// lister stands in for a program: whatever it is asked, it prints these lines.
func lister(t *testing.T, lines ...string) *rig.Program {
	t.Helper()
	script := filepath.Join(t.TempDir(), "lister")
	text := "#!/bin/sh\ncat <<'END'\n" + strings.Join(lines, "\n") + "\nEND\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return &rig.Program{Binary: script}
}

// household is a line that list prints.
func household(id, fields, conflicts string) string {
	return fmt.Sprintf(`{"village":"v","type":"household","id":%q,"fields":{%s},"conflicts":{%s},"proposals":{},"life":"alive"}`, id, fields, conflicts)
}

// Each row is what an office lists where it should hold two households, and the
// words that name what is wrong with it; none where nothing is.
func TestCompare(t *testing.T) {
	const first, second = `"head_name":"王二","arable_mu":2,"fuel":["gas","wood"]`, `"head_name":"李四"`
	const waits = `"group_name":[{"value":"甲组","dot":"a"},{"value":"乙组","dot":"b"}]`
	good := household(there, second+`,"group_name":"乙组"`, waits)
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"right", []string{household(here, first, ""), good}, ""},
		{"codes in another order", []string{household(here, `"head_name":"王二","arable_mu":2.0,"fuel":["wood","gas"]`, ""), good}, ""},
		{"one missing", []string{good}, here + ": not there"},
		{"one twice", []string{household(here, first, ""), household(here, first, ""), good}, "listed twice"},
		{"one that nobody made", []string{household(here, first, ""), household(strings.ReplaceAll(here, "1", "7"), first, ""), good}, "nobody made it"},
		{"another value", []string{household(here, strings.Replace(first, "王二", "王三", 1), ""), good}, "head_name is 王三, not 王二"},
		{"a field missing", []string{household(here, `"head_name":"王二","fuel":["gas","wood"]`, ""), good}, "arable_mu is <nil>, not 2"},
		{"a field that nobody wrote", []string{household(here, first+`,"phone":"1"`, ""), good}, "phone is 1, and nobody wrote that"},
		{"a conflict that nobody made", []string{household(here, first, strings.ReplaceAll(waits, "group", "head")), good}, "head_name has the values"},
		{"a conflict that is gone", []string{household(here, first, ""), household(there, second+`,"group_name":"乙组"`, "")}, "group_name should wait for a decision"},
		{"a value of a conflict lost", []string{household(here, first, ""), household(there, second+`,"group_name":"乙组"`, `"group_name":[{"value":"乙组","dot":"b"}]`)}, "[乙组] to decide on"},
		{"void", []string{strings.Replace(household(here, first, ""), "alive", "void", 1), good}, "it is void"},
		{"in another village", []string{strings.Replace(household(here, first, ""), `"v"`, `"w"`, 1), good}, "in village w, not v"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			truth := newTruth()
			for id, fields := range map[string]dataset.Fields{
				here:  {{Name: "head_name", Value: "王二"}, {Name: "arable_mu", Value: 2.0}, {Name: "fuel", Value: []string{"gas", "wood"}}},
				there: {{Name: "head_name", Value: "李四"}, {Name: "group_name", Value: "甲组"}},
			} {
				if err := truth.add(dataset.Record{Village: "v", Type: "household", ID: id, Fields: fields}); err != nil {
					t.Fatal(err)
				}
			}
			truth.leave(there, "group_name", "甲组", "乙组")
			err := truth.compare(t.Context(), lister(t, tt.lines...), "household")
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestDiffer(t *testing.T) {
	office := map[string]string{"household a": "1", "visit b": "2"}
	for laptop, want := range map[*map[string]string]string{
		{"household a": "1", "visit b": "2"}:                    "",
		{"household a": "1"}:                                    "visit b: not on the laptop",
		{"household a": "1", "visit b": "3"}:                    "visit b: the laptop shows 3, the office 2",
		{"household a": "1", "visit b": "2", "household c": ""}: "household c: on the laptop only",
	} {
		err := differ(office, *laptop)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: got %v, want %q", *laptop, err, want)
		}
	}
}
