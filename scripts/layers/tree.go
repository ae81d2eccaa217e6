package layers

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Root returns the folder with the product's go.mod, from any folder below it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(b, []byte("module "+module+"\n")) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod of module %s here or above", module)
		}
		dir = up
	}
}

// Tree reads all Go files below root that belong to its module.
func Tree(root string) ([]File, error) {
	var out []File
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && ignored(name, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := Parse(filepath.ToSlash(rel), src)
		if err != nil {
			return err
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

// ignored are the folders that the go command passes over: by their name, or
// because another module begins there.
func ignored(name, base string) bool {
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

// Parse reads one Go file; name is its path from the top.
func Parse(name string, src []byte) (File, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return File{}, err
	}
	f := File{Path: name, Package: tree.Name.Name, Doc: tree.Doc != nil, Lines: bytes.Count(src, []byte("\n"))}
	timeName := ""
	for _, spec := range tree.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return File{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		f.Imports = append(f.Imports, imp)
		if imp == "time" {
			timeName = "time"
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || timeName == "" {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == timeName && sel.Sel.Name == "Now" {
			f.Now = append(f.Now, set.Position(sel.Pos()).Line)
		}
		return true
	})
	return f, nil
}

// Top returns the names in the repository's first folder: those that git
// tracks, so that what somebody has lying about does not count, or all where
// there is no git.
func Top(root string) ([]string, error) {
	var names []string
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		cmd := exec.Command("git", "ls-files", "-z")
		cmd.Dir = root
		if list, err := cmd.Output(); err == nil {
			for _, file := range strings.Split(strings.Trim(string(list), "\x00"), "\x00") {
				if first, _, _ := strings.Cut(file, "/"); first != "" {
					names = append(names, first)
				}
			}
			return once(names), nil
		}
	}
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		if e.Name() != "bin" { // the README's build command makes it
			names = append(names, e.Name())
		}
	}
	return names, err
}
