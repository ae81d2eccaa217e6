package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// What people install is made twice, in two copies of the source, and is the same; it is
// whole by its sums, and what comes out of each package runs.
func TestRelease(t *testing.T) {
	t.Parallel()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(in, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = in, append(os.Environ(), "SOURCE_DATE_EPOCH=1495500000")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	// The other copy lies elsewhere, and all of it is of now.
	other := filepath.Join(dir, "copy")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"agent", "server", "shared", "scripts"} {
		if err := os.CopyFS(filepath.Join(other, part), os.DirFS(filepath.Join(top, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(top, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	target := "linux/" + runtime.GOARCH
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	run(top, filepath.Join(top, "scripts/release"), "--only", target, "--only", "windows/amd64", "--out", one)
	run(other, filepath.Join(other, "scripts/release"), "--only", target, "--only", "windows/amd64", "--out", two)
	sums, err := os.ReadFile(filepath.Join(one, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(two, "SHA256SUMS")); err != nil || !bytes.Equal(sums, again) {
		t.Errorf("made twice it is\n%s\nand\n%s%v", sums, again, err)
	}
	run(one, "sha256sum", "--check", "--strict", "SHA256SUMS")

	version := strings.TrimSpace(run(top, "sed", "-n", `s/^const Version = "\(.*\)"$/\1/p`, "agent/cli/cli.go"))
	found := func(pattern string) string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(one, pattern))
		if err != nil || len(list) != 1 {
			t.Fatalf("%s is %v, %v", pattern, list, err)
		}
		return list[0]
	}
	runs := func(program string) {
		t.Helper()
		if out := run(dir, program, "--help"); !strings.Contains(out, filepath.Base(program)) {
			t.Errorf("%s says %s", program, out)
		}
	}
	into := filepath.Join(dir, "unpacked")
	if err := os.Mkdir(into, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"zhucun-agent", "zhucun-server"} {
		folder := name + "-" + version + "-linux-" + runtime.GOARCH
		run(into, "tar", "xzf", found(folder+".tar.gz"))
		runs(filepath.Join(into, folder, name))
		var bom struct {
			Components []struct{ Name, Purl string } `json:"components"`
		}
		raw, err := os.ReadFile(found(folder + ".cdx.json"))
		if err != nil || json.Unmarshal(raw, &bom) != nil {
			t.Fatal(err)
		}
		licences, err := os.ReadFile(filepath.Join(into, folder, "LICENSES.txt"))
		if err != nil || len(bom.Components) < 10 {
			t.Fatalf("%s has %d components, %v", name, len(bom.Components), err)
		}
		for _, c := range bom.Components {
			if c.Name != "std" && !strings.Contains(string(licences), c.Name+" ") {
				t.Errorf("%s has %s, and not its licence", name, c.Name)
			}
		}
	}
	run(into, "dpkg-deb", "-x", found("*.deb"), "deb")
	// What it takes once it is installed is told by the files' sizes alone.
	takes := int64(0)
	if err := filepath.WalkDir(filepath.Join(into, "deb", "usr"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			takes++
			return err
		}
		info, err := e.Info()
		if err == nil {
			takes += (info.Size() + 1023) / 1024
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if said := strings.TrimSpace(run(into, "dpkg-deb", "-f", found("*.deb"), "Installed-Size")); said != strconv.FormatInt(takes, 10) {
		t.Errorf("the package says that it takes %s KiB, and takes %d", said, takes)
	}
	runs(filepath.Join(into, "deb/usr/bin/zhucun-agent"))
	run(into, "unzip", "-q", found("*-windows-amd64.zip"))
	if b, err := os.ReadFile(filepath.Join(into, "zhucun-agent-"+version+"-windows-amd64", "zhucun-agent.exe")); err != nil || !bytes.HasPrefix(b, []byte("MZ")) {
		t.Errorf("the zip for Windows has no program: %v", err)
	}
	if readme, err := os.ReadFile(filepath.Join(into, "zhucun-agent-"+version+"-windows-amd64", "使用说明 README.txt")); err != nil || !bytes.HasPrefix(readme, []byte("\ufeff驻村通\r\n")) {
		t.Errorf("what Windows shows of the instructions begins with %.20q, %v", readme, err)
	}
}
