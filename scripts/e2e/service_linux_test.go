package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The agent is given into systemd's hands, which starts it: here one that notes what it is
// told, and starts what the unit says as systemd reads it.
func TestService(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	t.Cleanup(w.end)
	fake, home := w.path("fake"), w.path("home")
	for _, dir := range []string{fake, home} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// That there is an rpm-ostree tells a machine with systemd.
	for name, text := range map[string]string{
		"rpm-ostree": "#!/bin/sh\n",
		"systemctl":  "#!/bin/sh\necho \"$@\" >>" + w.path("told") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(fake, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	agent, err := exec.LookPath("zhucun-agent")
	if err != nil {
		t.Fatal(err)
	}
	run := func(systemd bool, args ...string) (string, int) {
		t.Helper()
		cmd := exec.Command(agent, append(args, "--data", "laptop folder", "--lang", "en")...)
		cmd.Dir, cmd.Env = w.dir, environment(w.dir)
		if systemd {
			for i, v := range cmd.Env {
				if path, ok := strings.CutPrefix(v, "PATH="); ok {
					cmd.Env[i] = "PATH=" + fake + ":" + path
				}
			}
		}
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	says := func(want string, code int, systemd bool, args ...string) {
		t.Helper()
		if out, got := run(systemd, args...); got != code || !strings.Contains(out, want) {
			t.Errorf("%v: status %d, says %q; want %d, %q", args, got, out, code, want)
		}
	}
	says("is an address of this machine", 2, true, "service", "install", "--listen", "0.0.0.0:8450")
	says("It does not start by itself", 1, true, "service", "remove")
	says("It runs, and will start by itself", 0, true, "service", "install", "--listen", "127.0.0.1:0")
	says("It starts by itself already", 1, true, "service", "install")
	file := filepath.Join(home, ".config/systemd/user/zhucun-agent.service")
	unit, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(unit)
	if start == nil || !regexp.MustCompile(`(?m)^Restart=on-failure$`).Match(unit) || !regexp.MustCompile(`(?m)^WantedBy=default\.target$`).Match(unit) || regexp.MustCompile(`(?m)^User=`).Match(unit) {
		t.Fatalf("the unit is\n%s", unit)
	}
	// A shell reads these words as systemd does.
	p, err := w.start("laptop", nil, false, "sh", "-c", "exec "+string(start[1]))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.spoke(p, "laptop"); err != nil {
		t.Fatalf("the unit is\n%s: %v", unit, err)
	}
	if out, code := run(true, "status", "--json"); code != 0 || !strings.Contains(out, `"pending":0`) {
		t.Errorf("what it started says %q, status %d", out, code)
	}
	says("It starts by itself no more", 0, true, "service", "remove")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the unit stays: %v", err)
	}
	told, err := os.ReadFile(w.path("told"))
	want := "enable --user zhucun-agent.service\ndaemon-reload --user\nstart --user zhucun-agent.service\nstop --user zhucun-agent.service\ndisable --user zhucun-agent.service\ndaemon-reload --user\n"
	if err != nil || string(told) != want {
		t.Errorf("systemd is told\n%s%v, want\n%s", told, err, want)
	}
	if _, err := os.Stat("/run/systemd/system"); os.IsNotExist(err) {
		says("has no systemd", 1, false, "service", "install")
	}
}
