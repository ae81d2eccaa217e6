package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
)

// contents are the files of a folder, but for what a lock leaves behind.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockFile {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *shell) must(args ...string) string {
	s.Helper()
	out, errs, status := s.run(args...)
	if status != 0 {
		s.Fatalf("%v: %d, %s", args, status, errs)
	}
	return out
}

// A backup restored into a folder that is not there yet is the same server: its
// keys, villages and account. What was in a folder is set aside, each time anew.
func TestRestore(t *testing.T) {
	dir := t.TempDir()
	s := &shell{T: t, data: filepath.Join(dir, "data"), lang: form.En}
	s.must("init")
	s.must("village", "add", "369999000001", "清源村")
	file := filepath.Join(dir, "a.zsb")
	var made backupJSON
	if err := json.Unmarshal([]byte(s.must("backup", file, "--json")), &made); err != nil || made.File != file || made.Bytes == 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != made.Bytes || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("beside the backup: %v, %v", list, err)
	}
	if !strings.Contains(s.must("backup", file), "as secret as the server") {
		t.Error("nothing says how secret it is")
	}
	if !strings.HasSuffix(strings.TrimSpace(s.must("backup", dir, "--json")), `Z"}`) {
		t.Error("a folder gets no file")
	}
	key := contents(t, filepath.Join(s.data, keysFolder))
	s.must("village", "add", "369999000002", "后来村")

	other := &shell{T: t, data: filepath.Join(dir, "deep", "other"), lang: form.En}
	var j restoredJSON
	if err := json.Unmarshal([]byte(other.must("restore", file, "--json")), &j); err != nil || j.Aside != "" {
		t.Errorf("%+v, %v", j, err)
	}
	if got := contents(t, filepath.Join(other.data, keysFolder)); got[identityFile] == "" || got[identityFile] != key[identityFile] {
		t.Error("it is another server")
	}
	if out := other.must("village", "list"); !strings.Contains(out, "清源村") || strings.Contains(out, "后来村") {
		t.Errorf("villages: %s", out)
	}
	if _, errs, _ := other.run("device", "list"); !strings.Contains(errs, "must be revoked again") {
		t.Errorf("device list says %q", errs)
	}
	if list, err := os.ReadDir(other.data); err != nil || len(list) != 4 {
		t.Errorf("the folder holds %v, %v", list, err)
	}

	before := contents(t, s.data)
	asides := map[string]bool{}
	for range 2 {
		if err := json.Unmarshal([]byte(s.must("restore", file, "--json")), &j); err != nil || j.Aside == "" || asides[j.Aside] {
			t.Fatalf("%+v, %v", j, err)
		}
		asides[j.Aside] = true
	}
	found := false
	for dir := range asides {
		old := contents(t, dir)
		found = found || old[databaseFile] == before[databaseFile] && old[filepath.Join(keysFolder, identityFile)] == key[identityFile]
	}
	if !found {
		t.Error("what was there is lost")
	}
	s.must("verify")
}

// Whatever is refused is refused with one sentence, and nothing is touched.
func TestRestoreRefused(t *testing.T) {
	dir := t.TempDir()
	s := &shell{T: t, data: filepath.Join(dir, "data")}
	s.must("init")
	file := filepath.Join(dir, "a.zsb")
	s.must("backup", file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.must("verify") // it leaves what it finds
	before := contents(t, s.data)
	refused := func(what, says string, b []byte) {
		t.Helper()
		name := filepath.Join(dir, "bad")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		missing := &shell{T: t, data: filepath.Join(dir, "missing")}
		for _, to := range []*shell{s, missing} {
			if _, errs, status := to.run("restore", name); status != 1 || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s: %d, %q", what, status, errs)
			}
		}
		if _, err := os.Stat(missing.data); err == nil {
			t.Errorf("%s made a folder", what)
		}
	}
	for i := 0; i < len(whole); i += 1 + len(whole)/97 {
		b := bytes.Clone(whole)
		b[i] ^= 4
		refused("a flipped byte", "", b)
		refused("a cut", "", whole[:i])
	}
	refused("a cut", "没有复制完整", whole[:len(whole)-1])
	refused("something else", "不是服务器的备份", []byte("PK\x03\x04 and more of a workbook, longer than a hash"))
	refused("a later release", "另一个版本", append([]byte("zhucun backup 3\n"), whole[16:]...))
	release, err := sqlite.Lock(t.Context(), filepath.Join(s.data, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, status := s.run("restore", file); status != 1 || !strings.Contains(errs, "先停掉它") {
		t.Errorf("beside a server: %d, %q", status, errs)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := s.run("restore", dir); status != 1 || !strings.Contains(errs, "不是普通文件") {
		t.Errorf("a folder: %d, %q", status, errs)
	}
	if _, errs, status := s.run("backup", filepath.Join(s.data, databaseFile)); status != 1 || !strings.Contains(errs, "不是备份") {
		t.Errorf("over the database: %d, %q", status, errs)
	}
	if _, errs, status := s.run("backup", filepath.Join(dir, "nowhere", "a.zsb")); status != 1 || !strings.Contains(errs, "没有文件夹") {
		t.Errorf("into no folder: %d, %q", status, errs)
	}
	for name, b := range contents(t, s.data) {
		if before[name] != b {
			t.Errorf("%s was touched", name)
		}
	}
	if after := contents(t, s.data); len(after) != len(before) {
		t.Errorf("the folder holds %d files, held %d", len(after), len(before))
	}
}

// A backup that was cut off has left the database in the clear: the next into that folder
// removes it, and nothing that may be under way.
func TestBackupClears(t *testing.T) {
	dir := t.TempDir()
	s := &shell{T: t, data: filepath.Join(dir, "data"), lang: form.En}
	s.must("init")
	left, made := filepath.Join(dir, ".zhucun-backup-1"), filepath.Join(dir, ".zhucun-backup-2")
	for _, folder := range []string{left, made} {
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, copiedDatabase), []byte("names"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	s.must("backup", filepath.Join(dir, "b.zsb"))
	list, err := filepath.Glob(filepath.Join(dir, ".zhucun-backup-*"))
	if err != nil || len(list) != 1 || list[0] != made {
		t.Errorf("there are %v, %v", list, err)
	}
}
