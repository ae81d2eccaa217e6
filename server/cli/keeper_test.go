package cli

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"database/sql"

	"zhucun/server/store"
	"zhucun/shared/form"
)

// keeping is a server with what keeps its backups, as serve has it.
func keeping(t *testing.T) (*shell, *keeper) {
	t.Helper()
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data"), lang: form.En}
	s.must("init")
	s.must("village", "add", "369999000001", "清源村")
	c := &call{data: s.data, lang: form.En, now: time.Now, log: slog.New(slog.DiscardHandler), out: os.Stderr, err: os.Stderr}
	running, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k := newKeeper(t.Context(), c, running)
	t.Cleanup(func() {
		k.close()
		if err := running.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, k
}

// done waits for what is under way, and gives how it ended.
func (k *keeper) done(t *testing.T) (failed bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); k.Job().Under; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not end")
		}
	}
	return k.Job().Failed
}

func (k *keeper) backups(t *testing.T) []store.Backup {
	t.Helper()
	list, err := k.s.store.Backups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A backup is made beside a server that runs, and restored beside it to be tried: what is
// damaged is found, and the server's own data is not touched.
func TestKeeper(t *testing.T) {
	s, k := keeping(t)
	if !k.Make("admin") || k.done(t) {
		t.Fatal("no backup was made")
	}
	list := k.backups(t)
	if len(list) != 1 || filepath.Dir(list[0].File) != filepath.Join(s.data, backupsFolder) || list[0].Bytes == 0 || !list[0].Tested.IsZero() || list[0].Good() {
		t.Fatalf("%+v", list)
	}
	if notes, err := k.s.store.Audits(t.Context(), store.AuditQuery{Act: "backup", Limit: 3}); err != nil || len(notes) != 1 || notes[0].Who != "admin" {
		t.Errorf("the audit has %+v, %v", notes, err)
	}
	epoch := k.s.store.Epoch()
	if !k.Try("admin", list[0]) || k.done(t) {
		t.Fatal("it was not tried")
	}
	list = k.backups(t)
	if !list[0].Good() || list[0].Result.Villages != 1 {
		t.Errorf("%+v", list[0])
	}
	if left, _ := filepath.Glob(filepath.Join(s.data, tryFolder)); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	if r, err := k.s.store.Restored(t.Context()); r != nil || err != nil || k.s.store.Epoch() != epoch {
		t.Errorf("the server itself was restored: %+v, %v", r, err)
	}
	if notes, err := k.s.store.Audits(t.Context(), store.AuditQuery{Act: "backuptest", Limit: 3}); err != nil || len(notes) != 1 || !strings.HasSuffix(notes[0].Subject, ".zsb ok") {
		t.Errorf("the audit has %+v, %v", notes, err)
	}
	// By command, on the same file.
	var r store.Tried
	if err := json.Unmarshal([]byte(s.must("backup", list[0].File, "--test", "--json")), &r); err != nil || r != list[0].Result {
		t.Errorf("%+v, %v", r, err)
	}
	whole, err := os.ReadFile(list[0].File)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 1
	if err := os.WriteFile(list[0].File, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if !k.Try("admin", list[0]) || !k.done(t) {
		t.Error("a damaged one is good")
	}
	if got := k.backups(t)[0]; got.Good() || got.Result.Failed != store.FailedDamaged {
		t.Errorf("%+v", got)
	}
	if _, errs, status := s.run("backup", list[0].File, "--test"); status != 1 || !strings.Contains(errs, "damaged") {
		t.Errorf("%d, %s", status, errs)
	}
	if err := os.Remove(list[0].File); err != nil {
		t.Fatal(err)
	}
	if !k.Try("admin", list[0]) || !k.done(t) || k.backups(t)[0].Result.Failed != store.FailedGone {
		t.Errorf("%+v", k.backups(t)[0])
	}
}

// A backup whose data is not what its log says is whole as a file and not good.
func TestTriedTampered(t *testing.T) {
	s, k := keeping(t)
	db, err := sql.Open("sqlite", filepath.Join(s.data, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE audit SET subject = 'x' WHERE number = (SELECT min(number) FROM audit)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !k.Make("admin") || k.done(t) {
		t.Fatal("no backup was made")
	}
	if !k.Try("admin", k.backups(t)[0]) || k.done(t) {
		t.Fatal("it was not tried")
	}
	if got := k.backups(t)[0]; got.Good() || got.Result.Faults == 0 || got.Result.Failed != "" {
		t.Errorf("%+v", got)
	}
}

// Of two at once the second waits for nobody and is told so; at the end of the server what
// is under way is given up and not taken for done.
func TestKeeperOneAtATime(t *testing.T) {
	_, k := keeping(t)
	begun, end := make(chan struct{}), make(chan struct{})
	k.begin(k.Job(), func() error { close(begun); <-end; return nil })
	<-begun
	if k.Make("admin") || k.Try("admin", store.Backup{}) {
		t.Error("two at once")
	}
	close(end)
	if k.done(t) {
		t.Error("it failed")
	}
	k.close()
	if k.Make("admin") || len(k.backups(t)) != 0 {
		t.Error("it begins at the end")
	}
}
