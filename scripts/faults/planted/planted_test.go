package planted

import (
	"bytes"
	"os"
	"testing"
)

// Every bug can be planted and builds; where there is time, every one is caught.
func TestPlanted(t *testing.T) {
	bugs, err := Read(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 20 {
		t.Errorf("%d bugs, want 20 at least", len(bugs))
	}
	table, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bugs {
		if !bytes.Contains(table, []byte(b.Name)) || !bytes.Contains(table, []byte(b.What)) {
			t.Errorf("%s is not in the table of doc.go", b.Name)
		}
	}
	tree, err := Copy("../../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bugs {
		t.Run(b.Name, func(t *testing.T) {
			if os.Getenv("ZHUCUN_LONG") != "" {
				if r, err := tree.Try(t.Context(), b); err != nil {
					t.Fatal(err)
				} else if r.Test == "" {
					t.Errorf("not caught: %s\n%s", b.What, r.Said)
				}
				return
			}
			if err := tree.Plant(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if err := tree.Build(t.Context(), b); err != nil {
				t.Error(err)
			}
			if err := tree.Pull(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A bug that no test sees is not called caught, and one that cannot be planted is
// an error.
func TestUncaught(t *testing.T) {
	dir := t.TempDir()
	const head = "What: nothing is wrong\nCaught-by: ./shared/clock TestObserve\n\n"
	for name, patch := range map[string]string{
		"01-harmless": "--- /dev/null\n+++ b/shared/clock/more.go\n@@ -0,0 +1 @@\n+package clock\n",
		"02-foreign":  "--- a/shared/clock/doc.go\n+++ b/shared/clock/doc.go\n@@ -1 +1 @@\n-what is not there\n+at all\n",
	} {
		if err := os.WriteFile(dir+"/"+name+".patch", []byte(head+patch), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bugs, err := Read(dir)
	if err != nil || len(bugs) != 2 {
		t.Fatalf("%d bugs, %v", len(bugs), err)
	}
	tree, err := Copy("../../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := tree.Try(t.Context(), bugs[0]); err != nil || r.Test != "" {
		t.Errorf("caught by %q, %v", r.Test, err)
	}
	if _, err := tree.Try(t.Context(), bugs[1]); err == nil {
		t.Error("what cannot be planted was tried")
	}
}
