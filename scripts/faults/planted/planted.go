package planted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bug is one that was planted, as its file tells.
type Bug struct {
	Name string // NN-name, of the file
	What string // what is wrong, in a line
	// Package and Args are what go test is given for the tests that must fail.
	Package string
	Args    []string
	Files   []string // that it changes
	path    string
}

// Read reads the bugs of a folder, in the order of their names. A file's first two
// lines say what it is and which tests must fail, the rest is a patch:
//
//	What: receipts are believed without their signature
//	Caught-by: ./agent/store TestDeliveredFollowsFromReceipts
func Read(dir string) ([]Bug, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var bugs []Bug
	for _, path := range files {
		b, err := read(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		bugs = append(bugs, b)
	}
	return bugs, nil
}

func read(path string) (Bug, error) {
	b := Bug{Name: strings.TrimSuffix(filepath.Base(path), ".patch")}
	var err error
	if b.path, err = filepath.Abs(path); err != nil {
		return b, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return b, err
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if what, ok := strings.CutPrefix(line, "What: "); ok {
			b.What = what
		} else if by, ok := strings.CutPrefix(line, "Caught-by: "); ok {
			words := strings.Fields(by)
			if len(words) < 2 {
				return b, errors.New("it names no test")
			}
			b.Package, b.Args = words[0], append([]string{"-run", "^(" + words[1] + ")$"}, words[2:]...)
		} else if file, ok := strings.CutPrefix(line, "+++ b/"); ok {
			b.Files = append(b.Files, file)
		}
	}
	if b.What == "" || b.Package == "" || len(b.Files) == 0 {
		return b, errors.New("it does not say what it is, which tests must fail, or change a file")
	}
	return b, nil
}

// Tree is a copy of the source, to plant bugs in.
type Tree struct{ dir string }

// Copy copies the source at root into the folder dir.
func Copy(root, dir string) (*Tree, error) {
	t := &Tree{dir}
	for _, part := range []string{"agent", "server", "shared", "scripts"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, fs.FileMode(0o600)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// run runs a command in the tree and gives what it said.
func (t *Tree) run(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = t.dir
	// Not the repository that the copy may lie in.
	c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(t.dir), "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args[:2], " "), err, out)
	}
	return out, err
}

// Plant puts the bug in.
func (t *Tree) Plant(ctx context.Context, b Bug) error {
	_, err := t.run(ctx, "git", "apply", b.path)
	return err
}

// Pull takes the bug out.
func (t *Tree) Pull(ctx context.Context, b Bug) error {
	_, err := t.run(ctx, "git", "apply", "-R", b.path)
	return err
}

// Build builds what the bug changes: a bug that the compiler finds is none. Paths
// are left out of what is built, so that what is not changed was built before.
func (t *Tree) Build(ctx context.Context, b Bug) error {
	args := []string{"go", "build", "-trimpath"}
	for _, file := range b.Files {
		if dir := "./" + filepath.ToSlash(filepath.Dir(file)); !slices.Contains(args, dir) {
			args = append(args, dir)
		}
	}
	if len(args) == 4 {
		args = append(args[:3], "-o", os.DevNull, args[3])
	}
	_, err := t.run(ctx, args...)
	return err
}

// Result is what came of a bug.
type Result struct {
	Test string // the first that failed; empty where none did
	Took time.Duration
	Said []byte
}

// failed finds a test that failed; an inner one says more than the outer.
var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// ErrSound says that the tests that must fail do so, or cannot be run, without
// the bug.
var ErrSound = errors.New("the tests fail without the bug")

// Try plants the bug, runs the tests that must fail, and takes it out again.
func (t *Tree) Try(ctx context.Context, b Bug) (r Result, err error) {
	test := append([]string{"go", "test", "-trimpath", "-vet=off"}, append([]string{b.Package}, b.Args...)...)
	if out, err := t.run(ctx, test...); err != nil || bytes.Contains(out, []byte("no tests to run")) {
		return r, fmt.Errorf("%w: %s%w", ErrSound, out, err)
	}
	if err := t.Plant(ctx, b); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.Pull(context.WithoutCancel(ctx), b)) }()
	if err := t.Build(ctx, b); err != nil {
		return r, err
	}
	begun := time.Now()
	out, terr := t.run(ctx, test...)
	r.Took, r.Said = time.Since(begun), out
	if all := failed.FindAllSubmatch(out, -1); terr != nil && len(all) > 0 {
		r.Test = string(all[len(all)-1][1])
		for _, m := range all {
			if strings.HasPrefix(string(m[1]), r.Test) {
				r.Test = string(m[1])
			}
		}
	}
	return r, ctx.Err()
}
