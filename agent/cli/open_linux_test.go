package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What other users of the machine can see of opening the page leads nowhere. The
// desktop's opener is a script here.
func TestBrowseHidesTheLink(t *testing.T) {
	bin, data := t.TempDir(), t.TempDir()
	told := filepath.Join(bin, "told")
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" > " + told + ".new\nmv " + told + ".new " + told + "\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("DISPLAY", ":0")
	const link = "http://127.0.0.1:8450/open?k=secret"
	browse(data, link)
	var raw []byte
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if raw, err = os.ReadFile(told); err == nil {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatal("the opener was not called")
		}
	}
	path := strings.TrimSpace(string(raw))
	if strings.Contains(path, "secret") {
		t.Fatalf("the opener was told %s", path)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(path) != data {
		t.Fatalf("%s: %v %v", path, info, err)
	}
	if page, err := os.ReadFile(path); err != nil || !strings.Contains(string(page), link) {
		t.Errorf("the page does not lead on: %s %v", page, err)
	}
	clearWayIn(data)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the page stays: %v", err)
	}
}
