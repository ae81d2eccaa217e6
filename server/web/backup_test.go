package web

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// fakeBackups is done at once with what it begins; the true one is tested in cli.
type fakeBackups struct {
	f      *fixture
	folder string
	job    BackupJob
	result store.Tried
}

func (k *fakeBackups) Job() BackupJob { return k.job }
func (k *fakeBackups) Folder() string { return k.folder }

func (k *fakeBackups) Make(string) bool {
	if k.job.Under {
		return false
	}
	b := store.Backup{Made: k.f.now(), File: filepath.Join(k.folder, "zhucun-server-"+strconv.FormatInt(k.f.wall.Load(), 10)+".zsb"), Bytes: 6, Changes: 1234}
	if err := os.WriteFile(b.File, []byte("backup"), 0o600); err != nil {
		k.f.t.Error(err)
	}
	if err := k.f.store.AddBackup(k.f.t.Context(), b); err != nil {
		k.f.t.Error(err)
	}
	k.job = BackupJob{Since: k.f.now()}
	return true
}

func (k *fakeBackups) Try(_ string, b store.Backup) bool {
	if k.job.Under {
		return false
	}
	if err := k.f.store.BackupTried(k.f.t.Context(), b.Made, k.result); err != nil {
		k.f.t.Error(err)
	}
	k.job = BackupJob{Since: k.f.now(), Tries: b.Made}
	return true
}

func (k *fakeBackups) Open(b store.Backup) (*os.File, error) {
	f, err := os.Open(b.File)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return f, nil
}

// The page says what there is, what is wrong with it and what came of trying it.
func TestBackupPage(t *testing.T) {
	f := newFixture(t, small...)
	admin := f.as("admin")
	says := func(wants bool, ids ...string) {
		t.Helper()
		body := admin.get("/backup").body
		for _, id := range ids {
			text, _, _ := strings.Cut(texts[id].zh, "%")
			if text == "" {
				text = texts[id].zh[strings.LastIndex(texts[id].zh, "%s")+2:]
			}
			if strings.Contains(body, text) != wants {
				t.Errorf("%s is there: %v", id, !wants)
			}
		}
	}
	post := func(path string, form url.Values) answer {
		t.Helper()
		return admin.post(path, admin.get("/backup"), form)
	}
	says(true, "backup.never", "backup.list.none")
	post("/backup", nil)
	list, err := f.store.Backups(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	made := url.Values{"made": {strconv.FormatInt(list[0].Made.UnixMilli(), 10)}}
	says(true, "backup.untried", "backup.try.never", "backup.making.done")
	says(false, "backup.never")
	f.backups.result = store.Tried{Villages: 2, Records: 5, Changes: 7, Files: 1}
	post("/backup/try", made)
	says(true, "backup.trying.done")
	says(false, "backup.untried", "backup.try.never", "backup.bad")
	if body := admin.get("/backup").body; !strings.Contains(body, "2 个村、5 条记录、7 次修改、1 个文件都对") {
		t.Error("what was tried has no counts")
	}
	f.backups.result.Faults = 3
	post("/backup/try", made)
	says(true, "backup.bad")
	f.backups.result = store.Tried{Failed: store.FailedDamaged}
	post("/backup/try", made)
	says(true, "backup.bad", "backup.failed.damaged")
	f.backups.result = store.Tried{}
	post("/backup/try", made)
	f.pass(8 * 24 * time.Hour)
	admin = f.as("admin")
	says(true, "backup.old")
	post("/backup", nil)
	says(false, "backup.old", "backup.untried")
	f.pass(25 * 24 * time.Hour)
	admin = f.as("admin")
	post("/backup", nil)
	says(true, "backup.tried.old")
	f.backups.job.Under = true
	if a := post("/backup", nil); a.status != http.StatusConflict || !strings.Contains(a.body, texts["backup.busy"].zh) {
		t.Errorf("a second at once: %d", a.status)
	}
	says(true, "backup.making")
	f.backups.job.Under = false
	if err := os.Remove(list[0].File); err != nil {
		t.Fatal(err)
	}
	says(true, "backup.away")
	if a := post("/backup/try", url.Values{"made": {"1"}}); a.status != http.StatusNotFound {
		t.Errorf("one that nobody made: %d", a.status)
	}
}

// Every household is in a backup, in full: its file is only for who may see these, and who
// keeps backups; for a reason, which is noted before the first byte.
func TestBackupFile(t *testing.T) {
	f := newFixture(t, small...)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	admin, both := f.as("admin"), f.as("主任")
	both.post("/backup", both.get("/backup"), nil)
	list, err := f.store.Backups(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	form := url.Values{"made": {strconv.FormatInt(list[0].Made.UnixMilli(), 10)}, "reason": {"另存一份"}}
	notes := func() int {
		t.Helper()
		n, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "backupfile", Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		return len(n)
	}
	if a := admin.post("/backup/file", admin.get("/backup"), form); a.status != http.StatusForbidden || strings.Contains(admin.get("/backup").body, "/backup/file") || notes() != 0 {
		t.Errorf("an administrator gets %d, %d notes", a.status, notes())
	}
	without := url.Values{"made": form["made"]}
	if a := both.post("/backup/file", both.get("/backup"), without); a.status != http.StatusUnprocessableEntity || notes() != 0 {
		t.Errorf("without a reason: %d, %d notes", a.status, notes())
	}
	a := both.post("/backup/file", both.get("/backup"), form)
	if a.status != http.StatusOK || a.body != "backup" || !strings.Contains(a.header.Get("Content-Disposition"), filepath.Base(list[0].File)) || notes() != 1 {
		t.Errorf("%d %q, %d notes", a.status, a.body, notes())
	}
	if err := os.Remove(list[0].File); err != nil {
		t.Fatal(err)
	}
	if a := both.post("/backup/file", both.get("/backup"), form); a.status != http.StatusNotFound || notes() != 1 {
		t.Errorf("of what is gone: %d, %d notes", a.status, notes())
	}
}

// The page of backups fits, in both languages.
func TestBackupFit(t *testing.T) {
	f := newFixture(t, small...)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	f.backups.Make("")
	list, err := f.store.Backups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.backups.result = store.Tried{Villages: 2, Records: 12345, Changes: 65432, Files: 321}
	f.backups.Try("", list[0])
	f.pass(26 * time.Hour)
	f.backups.Make("")
	ctx := browser(t)
	signInBy(t, ctx, f, "主任")
	for _, lang := range []string{"zh", "en"} {
		for _, width := range []int64{1366, 360} {
			do(t, ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(f.server.URL+"/backup"))
			looks(t, ctx, strings.Join([]string{"backup", lang, strconv.Itoa(int(width))}, "-"))
		}
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}
