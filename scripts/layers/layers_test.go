package layers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTree holds the repository to its rules.
func TestTree(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := Tree(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found: the rules would hold of anything")
	}
	top, err := Top(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range append(Check(files), CheckTop(top)...) {
		t.Error(breach)
	}
}

// Each row is a tree with one fault, or with none where want is empty, and the
// words that name the fault.
func TestPlantedBreaches(t *testing.T) {
	// in makes a file that obeys every rule but for what the row is about.
	in := func(path string, imports ...string) File {
		dir := filepath.ToSlash(filepath.Dir(path))
		return File{Path: path, Package: filepath.Base(dir), Doc: true, Lines: 10, Imports: imports}
	}
	with := func(f File, change func(*File)) File { change(&f); return f }
	tests := []struct {
		name  string
		files []File
		want  []string
	}{
		{"a whole tree that obeys", []File{
			in("agent/main.go", "zhucun/agent/cli", "os"),
			in("agent/cli/cli.go", "zhucun/agent/web", "zhucun/agent/store", "zhucun/shared/wire"),
			in("agent/web/pages/entry.go", "zhucun/agent/web"),
			in("agent/web/web.go", "zhucun/agent/web/pages", "zhucun/agent/syncclient", "time"),
			in("server/main.go", "zhucun/server/cli"),
			in("server/syncapi/push.go", "zhucun/server/review", "zhucun/server/store", "zhucun/shared/wire"),
			in("server/store/store.go", "zhucun/server/store/sqlite"),
			in("server/store/sqlite/sqlite.go", "zhucun/server/store", "modernc.org/sqlite", "modernc.org/sqlite/lib"),
			in("server/store/sqlite/sqlite_test.go", "zhucun/server/store/storetest", "modernc.org/sqlite"),
			in("server/store/storetest/storetest.go", "zhucun/server/store", "testing"),
			in("shared/wire/wire.go", "zhucun/shared/journal", "net/url", "time"),
			in("shared/clock/clock_test.go", "os", "zhucun/shared/clock", "text/template"),
			in("scripts/sim/sim.go", "zhucun/agent/store", "zhucun/server/store/storetest", "zhucun/scripts/dataset"),
		}, nil},

		{"scripts imported", []File{in("agent/web/web.go", "zhucun/scripts/dataset")}, []string{"agent/web/web.go imports scripts/dataset", "nothing imports scripts"}},
		{"scripts imported by a test", []File{in("shared/merge/merge_test.go", "zhucun/scripts/dataset")}, []string{"nothing imports scripts"}},
		{"agent imports server", []File{in("agent/cli/cli.go", "zhucun/server/store")}, []string{"agent may not import server"}},
		{"server imports agent", []File{in("server/syncapi/api_test.go", "zhucun/agent/syncclient")}, []string{"server may not import agent"}},
		{"server imports agent's main", []File{in("server/cli/cli.go", "zhucun/agent")}, []string{"server may not import agent"}},
		{"shared imports agent", []File{in("shared/wire/wire.go", "zhucun/agent/store")}, []string{"shared may not import agent"}},
		{"shared imports server", []File{in("shared/wire/wire.go", "zhucun/server/store")}, []string{"shared may not import server"}},

		{"upward in agent", []File{in("agent/store/store.go", "zhucun/agent/inbox")}, []string{"in the order of agent, inbox is above store"}},
		{"upward in server", []File{in("server/access/access.go", "zhucun/server/review")}, []string{"review is above access"}},
		{"upward in shared", []File{in("shared/clock/clock.go", "zhucun/shared/identity")}, []string{"identity is above clock"}},
		{"upward in a test", []File{in("shared/record/record_test.go", "zhucun/shared/merge")}, []string{"merge is above record"}},
		{"upward from a package inside", []File{in("server/store/sqlite/sqlite.go", "zhucun/server/access")}, []string{"access is above store"}},
		{"main imported", []File{in("agent/cli/cli.go", "zhucun/agent")}, []string{"main is above cli"}},
		{"storetest in the product", []File{in("server/store/store.go", "zhucun/server/store/storetest")}, []string{"storetest is for tests"}},

		{"no line in the order", []File{in("agent/photos/photos.go")}, []string{"agent/photos: give it a line in the order and say why"}},
		{"no line, in a folder without main", []File{in("shared/shared.go")}, []string{"shared: give it a line"}},
		{"a fifth folder", []File{in("tools/gen/gen.go")}, []string{"tools/gen: packages live in"}},
		{"a Go file at the top", []File{in("main.go")}, []string{"packages live in"}},

		{"shared opens files", []File{in("shared/bundle/bundle.go", "os")}, []string{"shared/bundle/bundle.go imports os"}},
		{"shared starts programs", []File{in("shared/bundle/bundle.go", "os/exec")}, []string{"imports os/exec"}},
		{"shared calls out", []File{in("shared/wire/wire.go", "net/http")}, []string{"imports net/http"}},
		{"shared dials", []File{in("shared/wire/wire.go", "net")}, []string{"imports net:"}},
		{"shared looks at the clock", []File{with(in("shared/clock/clock.go", "time"), func(f *File) { f.Now = []int{12} })}, []string{"shared/clock/clock.go:12: time.Now"}},

		{"html/template", []File{in("server/web/web.go", "html/template")}, []string{"server/web/web.go imports html/template"}},
		{"text/template in scripts", []File{in("scripts/dataset/gen/main.go", "text/template")}, []string{"imports text/template"}},
		{"two files use the driver", []File{
			in("server/store/sqlite/a.go", "modernc.org/sqlite"), in("server/store/sqlite/b.go", "modernc.org/sqlite/lib"),
		}, []string{"a.go and server/store/sqlite/b.go import modernc.org/sqlite: one file does"}},

		{"package util", []File{in("scripts/util/x.go")}, []string{"scripts/util: a package is named after its one idea"}},
		{"package common inside", []File{in("server/web/common/x.go")}, []string{"server/web/common: a package is named"}},
		{"clause helpers", []File{with(in("scripts/sim/x.go"), func(f *File) { f.Package = "helpers" })}, []string{"scripts/sim: a package is named"}},
		{"no package comment", []File{with(in("shared/form/form.go"), func(f *File) { f.Doc = false })}, []string{"shared/form: no package comment"}},
		{"the comment is in a test", []File{
			with(in("shared/form/form.go"), func(f *File) { f.Doc = false }), in("shared/form/form_test.go"),
		}, []string{"shared/form: no package comment"}},
		{"tests alone, with a comment", []File{in("scripts/e2e/e2e_test.go")}, nil},
		{"too long", []File{with(in("server/web/web.go"), func(f *File) { f.Lines = 700 })}, []string{"server/web/web.go has 700 lines"}},
		{"just short enough", []File{with(in("server/web/web.go"), func(f *File) { f.Lines = 699 })}, nil},
		{"long, but a test", []File{with(in("server/web/web_test.go"), func(f *File) { f.Lines = 2000 })}, nil},
		{"long, but generated", []File{with(in("server/web/page_templ.go"), func(f *File) { f.Lines = 2000 })}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Check(tt.files)
			if len(tt.want) == 0 && len(got) > 0 || len(tt.want) > 0 && len(got) != 1 {
				t.Fatalf("found %q, want %q", got, tt.want)
			}
			for _, words := range tt.want {
				if !strings.Contains(got[0], words) {
					t.Errorf("found %q, want %q in it", got[0], words)
				}
			}
		})
	}
}

func TestPlantedAtTheTop(t *testing.T) {
	if got := CheckTop([]string{"agent", "server", "shared", "scripts", "go.mod", "go.sum", "README.md", ".ci", ".gitignore"}); len(got) > 0 {
		t.Errorf("found %q in what belongs there", got)
	}
	got := CheckTop([]string{"go.mod", "docs", "Makefile"})
	if len(got) != 2 || !strings.HasPrefix(got[0], "docs:") || !strings.HasPrefix(got[1], "Makefile:") {
		t.Errorf("found %q, want docs and Makefile", got)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, src string
		want      File
	}{
		{
			"all there is to know", "// Package a is documented.\npackage a\n\nimport (\n\t\"os\"\n\tx \"net\"\n)\n",
			File{Package: "a", Doc: true, Lines: 7, Imports: []string{"os", "net"}},
		},
		// Passing the function on is reading the clock, only later.
		{
			"time.Now called and passed", "package a\n\nimport \"time\"\n\nvar t = time.Now()\nvar f = time.Now\n",
			File{Package: "a", Lines: 6, Imports: []string{"time"}, Now: []int{5, 6}},
		},
		{
			"under another name", "package a\n\nimport wall \"time\"\n\nvar t = wall.Now()\n",
			File{Package: "a", Lines: 5, Imports: []string{"time"}, Now: []int{5}},
		},
		{"somebody else's Now", "package a\n\nvar t = time.Now()\n", File{Package: "a", Lines: 3}},
		{"a comment apart from the clause", "// Licence.\n\npackage a\n", File{Package: "a", Lines: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("shared/a/a.go", []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if got.Package != want.Package || got.Doc != want.Doc || got.Lines != want.Lines || !slices.Equal(got.Imports, want.Imports) || !slices.Equal(got.Now, want.Now) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Which files are read decides what the rules mean.
func TestTreeReadsWhatGoBuilds(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                         "module zhucun\n",
		"agent/main.go":                  "package main\n",
		"agent/service_windows.go":       "package main\n",
		"agent/web/testdata/broken.go":   "not Go",
		"agent/_old/old.go":              "not Go",
		".tmp/x.go":                      "not Go",
		"scripts/tools/go.mod":           "module zhucun/scripts/tools\n",
		"scripts/tools/tools.go":         "not Go",
		"shared/clock/clock_test.go":     "package clock_test\n",
		"shared/clock/.#clock.go":        "not Go",
		"server/web/page.templ":          "not Go",
		"server/store/sqlite/0001_a.sql": "not Go",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Tree(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Path)
	}
	want := []string{"agent/main.go", "agent/service_windows.go", "shared/clock/clock_test.go"}
	if !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}

	// Without git, everything that lies there counts.
	top, err := Top(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{".tmp", "agent", "go.mod", "scripts", "server", "shared"}; !slices.Equal(top, want) {
		t.Errorf("top %q, want %q", top, want)
	}
}

// A line that appears twice, or says nothing, orders nothing.
func TestOrder(t *testing.T) {
	for folder, lines := range order {
		seen := map[string]bool{}
		for _, l := range lines {
			if seen[l.name] || l.why == "" {
				t.Errorf("%s: line %s is there twice or gives no reason", folder, l.name)
			}
			seen[l.name] = true
		}
	}
}
