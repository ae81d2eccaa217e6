package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A folder that cannot be written to and a disk that is full are said in one
// sentence, with what to do, by every command.
func TestDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Fatalf("mount a small disk (as root?): %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := &shell{T: t, data: filepath.Join(dir, "data")}
	must := func(args ...string) {
		t.Helper()
		if _, errs, status := s.run(args...); status != 0 {
			t.Fatalf("%v: %s", args, errs)
		}
	}
	must("init")
	commands := []string{
		"list household", "list household --json", "get household 01890000-0000-7000-8000-000000000000", "conflicts", "quarantine list", "village list",
		"village add 369999000001 清源村", "device list", "verify", "export household --format csv --out -", "serve --listen 127.0.0.1:0",
	}
	check := func(says string) {
		t.Helper()
		for _, command := range commands {
			_, errs, status := s.run(strings.Fields(command)...)
			if status != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, says) {
				t.Errorf("%s: %d, %q; want %q", command, status, errs, says)
			}
		}
	}
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	check("是只读的，无法写入；请检查")
	if _, errs, status := (&shell{T: t, data: filepath.Join(dir, "other")}).run("init"); status != 1 || !strings.Contains(errs, "只读") {
		t.Errorf("init: %d, %q", status, errs)
	}
	remount(0)
	must("village", "list")

	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	ballast.Close()
	check("磁盘")
	// An export onto it names the file that was asked for.
	elsewhere, out := &shell{T: t, data: t.TempDir()}, filepath.Join(dir, "户.csv")
	elsewhere.run("init")
	if _, errs, status := elsewhere.run("export", "household", "--format", "csv", "--out", out); status != 1 || errs != "磁盘已满，无法写入 "+out+"；请腾出空间后再试\n" {
		t.Errorf("export: %d, %q", status, errs)
	}
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	must("verify")
}
