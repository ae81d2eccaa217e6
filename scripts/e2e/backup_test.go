package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A backup is taken beside a running agent, is for its owner only, shows nothing of
// what is in it, and is restored once the agent has ended: then laptop and office have
// everything, what was written after the backup and delivered among it, and what is
// written after the restoration.
func TestBackup(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	put := func(text string) string { return w.put(t, "visit", "findings="+text, "--data", "a") }
	want := []string{put("备份以前送出的走访")}
	w.must(t, "zhucun-agent", "sync", "--data", "a")
	want = append(want, put("备份时还没送出的走访"))
	if err := w.agent("a"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.path("stick"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.must(t, "zhucun-agent", "backup", "stick/a.zcbackup", "--data", "a", "--json")
	info, err := os.Stat(w.path("stick/a.zcbackup"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	raw, err := os.ReadFile(w.path("stick/a.zcbackup"))
	if err != nil || !strings.HasPrefix(string(raw), "zhucun backup 2\n") || strings.Contains(string(raw), "走访") {
		t.Errorf("%.40q, %v", raw, err)
	}
	w.refused(t, "", 1, "已经存在", "is there already", "zhucun-agent", "backup", "stick/a.zcbackup", "--data", "a")
	w.refused(t, "", 1, "没有文件夹", "There is no folder", "zhucun-agent", "backup", "nowhere/a.zcbackup", "--data", "a")
	if out := w.must(t, "zhucun-agent", "backup", "stick", "--data", "a"); !strings.Contains(out, ".zcbackup") {
		t.Error(out)
	}
	if left, err := filepath.Glob(w.path("*/.zhucun-*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	w.refused(t, "", 1, "程序正在运行", "The agent is running", "zhucun-agent", "restore", "stick/a.zcbackup", "--data", "a")
	if code, err := w.procs["a"].stop(); err != nil || code != 0 {
		t.Fatal(code, err)
	}
	delete(w.procs, "a")
	want = append(want, put("备份以后送出的走访"))
	w.must(t, "zhucun-agent", "sync", "--data", "a")

	// What is no whole backup is refused, and nothing is touched.
	before, err := os.ReadFile(w.path("a/records.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut": raw[:len(raw)-1], "flipped": append(append([]byte{}, raw[:9000]...), append([]byte{raw[9000] ^ 4}, raw[9001:]...)...), "foreign": []byte("hello"), "longer": append(append([]byte{}, raw...), 0)} {
		if err := os.WriteFile(w.path("stick/"+name), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		w.refused(t, "", 1, "没有动现有的数据", "nothing here was touched", "zhucun-agent", "restore", "stick/"+name, "--data", "a")
		if now, err := os.ReadFile(w.path("a/records.db")); err != nil || string(now) != string(before) {
			t.Fatalf("%s: the store was touched: %v", name, err)
		}
	}

	out := w.must(t, "zhucun-agent", "restore", "stick/a.zcbackup", "--data", "a", "--json")
	aside, _, err := at(out, ".aside")
	if err != nil || aside == "" {
		t.Fatal(out, err)
	}
	if kept, err := os.ReadFile(w.path("a/" + aside)); err != nil || string(kept) != string(before) {
		t.Errorf("what was there is not kept as it was: %v", err)
	}
	want = append(want, put("恢复以后写的走访"))
	has := func(program, data string) {
		t.Helper()
		out := w.must(t, program, "list", "visit", "--data", data, "--json")
		for _, id := range want {
			if strings.Count(out, `"`+id+`"`) != 1 {
				t.Errorf("%s has %s %d times", data, id, strings.Count(out, `"`+id+`"`))
			}
		}
		if n := len(lines(out)); n != len(want) {
			t.Errorf("%s has %d visits, want %d", data, n, len(want))
		}
	}
	w.must(t, "zhucun-agent", "sync", "--data", "a")
	has("zhucun-agent", "a")
	has("zhucun-server", "office")
	if out := w.must(t, "zhucun-agent", "verify", "--data", "a", "--json"); !strings.Contains(out, `"ok":true`) {
		t.Error(out)
	}
	w.must(t, "zhucun-server", "verify", "--data", "office")

	// On a computer that has nothing: the same user's key is here, so it opens.
	w.must(t, "zhucun-agent", "restore", "stick/a.zcbackup", "--data", "other")
	if out := w.must(t, "zhucun-agent", "list", "visit", "--data", "other"); !strings.Contains(out, want[0]) || !strings.Contains(out, want[1]) {
		t.Error(out)
	}
	// And where another laptop's data is, that is kept with its vault.
	if err := w.laptop("c", bamboo, "team_member", "赵队员"); err != nil {
		t.Fatal(err)
	}
	out = w.must(t, "zhucun-agent", "restore", "stick/a.zcbackup", "--data", "c", "--json")
	if vault, _, err := at(out, ".vault_aside"); err != nil || vault == "" {
		t.Error(out, err)
	}
	if out := w.must(t, "zhucun-agent", "status", "--data", "c", "--json"); !strings.Contains(out, "王书记") {
		t.Error(out)
	}
}
