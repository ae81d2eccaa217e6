package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const module = "zhucun"

// File is what the rules need to know of one Go file.
type File struct {
	Path    string // from the repository's top, with slashes
	Package string // as in its package clause
	Doc     bool   // has a package comment
	Lines   int
	Imports []string
	Now     []int // lines that name time.Now
}

func (f File) test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// generated files are as long as their source makes them.
func (f File) generated() bool { return strings.HasSuffix(f.Path, "_templ.go") }

// place says where a package stands: its folder, its line in the order, and
// the path below that.
type place struct{ folder, line, below string }

// placeOf splits a path from the repository's top. A folder with a main
// package is its line "main".
func placeOf(dir string) place {
	folder, rest, _ := strings.Cut(dir, "/")
	line, below, _ := strings.Cut(rest, "/")
	if line == "" {
		line = "main"
	}
	return place{folder, line, below}
}

func (p place) rank() int {
	return slices.IndexFunc(order[p.folder], func(l line) bool { return l.name == p.line })
}

// Check returns a sentence for each breach of a rule.
func Check(files []File) []string {
	var out []string
	for _, rule := range []func([]File) []string{
		checkPlaces, checkImports, checkShared, checkTemplates, checkDriver, checkNames, checkComments, checkLength,
	} {
		out = append(out, rule(files)...)
	}
	return out
}

// checkPlaces refuses packages that have no line in the order.
func checkPlaces(files []File) []string {
	var out []string
	for _, f := range files {
		dir := path.Dir(f.Path)
		p := placeOf(dir)
		if _, known := folders[p.folder]; !known {
			out = append(out, fmt.Sprintf("%s: packages live in agent, server, shared or scripts", dir))
			continue
		}
		if p.folder != "scripts" && p.rank() < 0 {
			out = append(out, fmt.Sprintf("%s: give it a line in the order and say why", dir))
		}
	}
	return once(out)
}

// checkImports refuses imports that run upward or sideways.
func checkImports(files []File) []string {
	var out []string
	for _, f := range files {
		from := placeOf(path.Dir(f.Path))
		for _, imp := range f.Imports {
			dir, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if why := refused(from, placeOf(dir), f.test()); why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", f.Path, dir, why))
			}
		}
	}
	return out
}

// refused says why from may not import to, or nothing.
func refused(from, to place, test bool) string {
	if to.folder == "scripts" {
		if from.folder == "scripts" {
			return ""
		}
		return "nothing imports scripts"
	}
	storetest := place{"server", "store", "storetest"}
	if to == storetest && from != storetest && !test && from.folder != "scripts" {
		return "storetest is for tests"
	}
	if from.folder != to.folder {
		if slices.Contains(folders[from.folder], to.folder) {
			return ""
		}
		return fmt.Sprintf("%s may not import %s", from.folder, to.folder)
	}
	a, b := from.rank(), to.rank()
	if a < 0 || b < 0 {
		return "" // refused by name already
	}
	if a > b {
		return fmt.Sprintf("in the order of %s, %s is above %s", from.folder, to.line, from.line)
	}
	return ""
}

// checkShared keeps disk, network and wall clock out of shared, so that all of
// it can be fuzzed and simulated.
func checkShared(files []File) []string {
	var out []string
	for _, f := range files {
		if f.test() || placeOf(path.Dir(f.Path)).folder != "shared" {
			continue
		}
		for _, imp := range f.Imports {
			if slices.Contains(sharedRefuses, imp) {
				out = append(out, fmt.Sprintf("%s imports %s: shared touches no disk and no network; pass in what it needs", f.Path, imp))
			}
		}
		for _, line := range f.Now {
			out = append(out, fmt.Sprintf("%s:%d: time.Now: shared is told the time", f.Path, line))
		}
	}
	return out
}

// checkTemplates keeps out the packages that make the linker keep every
// exported method of the program, 3.8 MB of them.
func checkTemplates(files []File) []string {
	var out []string
	for _, f := range files {
		for _, imp := range f.Imports {
			if !f.test() && (imp == "html/template" || imp == "text/template") {
				out = append(out, fmt.Sprintf("%s imports %s: pages are templ components", f.Path, imp))
			}
		}
	}
	return out
}

// checkDriver keeps the database driver behind one file, so that changing it
// is a change of one file.
func checkDriver(files []File) []string {
	const driver = "modernc.org/sqlite"
	var users []string
	for _, f := range files {
		if !f.test() && slices.ContainsFunc(f.Imports, func(imp string) bool { return imp == driver || strings.HasPrefix(imp, driver+"/") }) {
			users = append(users, f.Path)
		}
	}
	if len(users) < 2 {
		return nil
	}
	return []string{fmt.Sprintf("%s import %s: one file does", strings.Join(users, " and "), driver)}
}

// checkNames refuses names that say nothing.
func checkNames(files []File) []string {
	var out []string
	for _, f := range files {
		dir := path.Dir(f.Path)
		name := strings.TrimSuffix(f.Package, "_test")
		if slices.Contains(vagueNames, name) || slices.Contains(vagueNames, path.Base(dir)) {
			out = append(out, fmt.Sprintf("%s: a package is named after its one idea, not %s", dir, path.Base(dir)))
		}
	}
	return once(out)
}

// checkComments wants a package comment on every package; on one of tests
// alone it stands in a test file.
func checkComments(files []File) []string {
	has, onlyTests := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if !f.test() {
			onlyTests[path.Dir(f.Path)] = false
		} else if _, seen := onlyTests[path.Dir(f.Path)]; !seen {
			onlyTests[path.Dir(f.Path)] = true
		}
	}
	for _, f := range files {
		dir := path.Dir(f.Path)
		has[dir] = has[dir] || f.Doc && (!f.test() || onlyTests[dir])
	}
	var out []string
	for dir, ok := range has {
		if !ok {
			out = append(out, dir+": no package comment; doc.go says the idea and what holds")
		}
	}
	slices.Sort(out)
	return out
}

// checkLength refuses files that nobody reads in one go.
func checkLength(files []File) []string {
	var out []string
	for _, f := range files {
		if !f.test() && !f.generated() && f.Lines >= maxLines {
			out = append(out, fmt.Sprintf("%s has %d lines; under %d, please", f.Path, f.Lines, maxLines))
		}
	}
	return out
}

// CheckTop returns a sentence for each thing that does not belong into the
// repository's first folder.
func CheckTop(names []string) []string {
	var out []string
	for _, name := range names {
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			out = append(out, name+": the top of the repository holds only "+strings.Join(topLevel, ", "))
		}
	}
	return once(out)
}

// once drops repetitions and keeps the order.
func once(xs []string) []string {
	var out []string
	for _, x := range xs {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
