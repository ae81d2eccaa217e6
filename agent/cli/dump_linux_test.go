package cli

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A crash leaves no memory on the disk. The test's own process is left as it is.
func TestNoDumps(t *testing.T) {
	if os.Getenv("ZHUCUN_DUMP_CHILD") != "" {
		noDumps()
		var core syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_CORE, &core)
		dumpable, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
		if err == nil && core == (syscall.Rlimit{}) && dumpable == 0 {
			os.Stdout.WriteString("none")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoDumps$")
	cmd.Env = append(os.Environ(), "ZHUCUN_DUMP_CHILD=1")
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "none") {
		t.Errorf("%s, %v", said, err)
	}
}
