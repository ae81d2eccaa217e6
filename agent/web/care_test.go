package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/agent/backup"
	"zhucun/agent/store"
	"zhucun/shared/record"
)

// fakeBackups are backups on drives that are not there.
type fakeBackups struct {
	state   backup.State
	places  []backup.Place
	fails   error
	chosen  []string
	auto    bool
	started int
	overdue int
}

func (b *fakeBackups) State() backup.State    { return b.state }
func (b *fakeBackups) Places() []backup.Place { return b.places }
func (b *fakeBackups) Overdue() int           { return b.overdue }

func (b *fakeBackups) Choose(_ context.Context, folder string, auto bool) error {
	b.chosen, b.auto = append(b.chosen, folder), auto
	return b.fails
}

func (b *fakeBackups) Forget(context.Context) error { b.chosen = nil; return b.fails }

func (b *fakeBackups) Start(context.Context) error { b.started++; return b.fails }

// Where backups go is chosen among the drives that are there or written down; one that is
// being made is followed, and what went wrong is said where it was asked for.
func TestBackupPage(t *testing.T) {
	f := newFixture(t, true).enter()
	if strings.Contains(f.get("/settings").body, `id="backup"`) {
		t.Error("backups are offered where nobody makes any")
	}
	fake := &fakeBackups{places: []backup.Place{{Folder: `E:\zhucun-backup`, Free: 3 << 30}}}
	f.site.opt.Backups = fake
	set := func(pairs ...string) answer {
		v := url.Values{"part": {"backup"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return f.post("/settings", v)
	}
	f.wants("offered", f.get("/settings"), http.StatusOK, `value="E:\zhucun-backup" checked`, "3.0 GB", texts["backup.elsewhere"].zh)
	f.wants("nothing chosen", set("do", "choose", "place", "", "folder", "  "), http.StatusUnprocessableEntity, texts["backup.nofolder"].zh)
	f.wants("nothing asked", set(), http.StatusBadRequest)

	fake.state = backup.State{Busy: true, Done: 30 << 20, Of: 40 << 20}
	a := set("do", "choose", "place", `E:\zhucun-backup`, "auto", "1")
	f.wants("chosen", a, http.StatusOK, `value="75"`, "30.0 MB/40.0 MB")
	if a.path != backupPath || a.header.Get("Refresh") == "" || fake.started != 1 || !fake.auto || fake.chosen[0] != `E:\zhucun-backup` {
		t.Errorf("%s, %+v", a.path, fake)
	}
	set("do", "choose", "place", "", "folder", ` D:\备份 `)
	if fake.auto || fake.chosen[1] != `D:\备份` {
		t.Errorf("%+v", fake)
	}
	fake.state = backup.State{}
	if a := f.get(backupPath); a.path != "/settings?done=backup" {
		t.Errorf("when it is done it leads to %s", a.path)
	}
	for err, want := range map[error]string{backup.ErrAway: "没有插上", backup.ErrFolder: "不能写入", backup.ErrInside: "存放数据的文件夹", backup.ErrFull: "盘满了", backup.ErrNone: texts["backup.nofolder"].zh} {
		fake.fails = err
		f.wants(want, set("do", "choose", "folder", "/x"), http.StatusUnprocessableEntity, want, `value="/x"`)
		f.wants(want, set("do", "now"), http.StatusUnprocessableEntity, want)
	}
	fake.fails, fake.state = backup.ErrBusy, backup.State{Busy: true}
	if a := set("do", "now"); a.path != backupPath {
		t.Errorf("one that is being made leads to %s", a.path)
	}
	fake.fails = errors.New("something else")
	f.wants("what cannot be said", set("do", "now"), http.StatusInternalServerError)
	fake.fails = nil

	if err := f.laptop.SetSettings(t.Context(), func(x *store.Settings) {
		x.Drive = store.Drive{ID: "0123456789ab", Path: `E:\zhucun-backup`, Auto: true, Last: f.wall.Load() - 3600_000, Fault: backup.FaultGone}
	}); err != nil {
		t.Fatal(err)
	}
	f.wants("how it stands", f.get("/settings"), http.StatusOK, `E:\zhucun-backup`, "今天 08:30", "盘被拔掉了；以前的备份都还在", texts["backup.forget"].zh)
	if set("do", "forget"); fake.chosen != nil {
		t.Error("it was not forgotten")
	}
}

// The first page says that no backup was made for long, and that the disk is nearly full;
// else nothing.
func TestCareNotices(t *testing.T) {
	f := newFixture(t, true).enter()
	fake, free := &fakeBackups{}, uint64(600<<20)
	f.site.opt.Backups, f.site.opt.Free = fake, func(string) (uint64, error) { return free, nil }
	if body := f.get("/").body; strings.Contains(body, "磁盘快满了") || strings.Contains(body, "没有备份") {
		t.Error("it warns of nothing")
	}
	fake.overdue, free = 9, 300<<20
	f.wants("both", f.get("/"), http.StatusOK, "已有 9 天没有备份", "磁盘快满了，只剩 300.0 MB")
	f.wants("the settings", f.get("/settings"), http.StatusOK, "磁盘快满了，只剩 300.0 MB")
	f.site.opt.Free = func(string) (uint64, error) { return 0, errors.New("not known") }
	if body := f.get("/").body; strings.Contains(body, "磁盘快满了") {
		t.Error("it warns of what is not known")
	}
}

// Room is made of colleagues' photos and of nothing else.
func TestCleaning(t *testing.T) {
	f := newFixture(t, true).enter()
	own, err := f.laptop.AddBlob(t.Context(), firstVillage.Code, store.BlobNote{Kind: "jpg"}, pictureOf(t, 60), []byte("small"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(f.get("/settings").body, texts["store.clean.how"].zh) {
		t.Error("there is nothing to remove, and a button for it")
	}
	f.wants("what takes room", f.get("/settings"), http.StatusOK, texts["store.data"].zh, texts["store.own"].zh, texts["store.previews"].zh)

	theirs := pictureOf(t, 61)
	other, err := f.office.AddBlob(t.Context(), firstVillage.Code, store.BlobNote{Kind: "jpg"}, theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.set(f.office, "宋芬娥", visitType, record.ID{}, map[string]string{"photos": other.FileName()})
	f.pull()
	if err := f.laptop.Want(t.Context(), other.Hash, "jpg"); err != nil {
		t.Fatal(err)
	}
	if err := f.laptop.PutBlob(t.Context(), firstVillage.Code, other.Hash, strings.NewReader(string(theirs))); err != nil {
		t.Fatal(err)
	}
	f.wants("offered", f.get("/settings"), http.StatusOK, texts["store.clean.how"].zh)
	f.wants("done", f.post("/settings", url.Values{"part": {"store"}}), http.StatusOK, "删去了 1 张同事的照片")
	if b, err := f.laptop.Blob(own.Hash); err != nil || !b.Here {
		t.Errorf("the own one: %+v, %v", b, err)
	}
	if b, err := f.laptop.Blob(other.Hash); err != nil || b.Here {
		t.Errorf("the colleague's: %+v, %v", b, err)
	}
}

// A backup from the page to a folder, as a person makes it.
func TestBackupFromThePage(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.opt.Backups = backup.New(f.laptop, func() ([]byte, error) { return []byte("{}"), nil }, f.site.opt.Log)
	folder := t.TempDir()
	a := f.post("/settings", url.Values{"part": {"backup"}, "do": {"choose"}, "folder": {folder}, "auto": {"1"}})
	for until := time.Now().Add(time.Minute); a.path == backupPath && time.Now().Before(until); a = f.get(backupPath) {
		time.Sleep(10 * time.Millisecond)
	}
	f.wants("done", a, http.StatusOK, texts["set.done"].zh, folder)
	made, err := filepath.Glob(filepath.Join(folder, "zhucun-*"+backup.Ext))
	if err != nil || len(made) != 1 || store.CheckBackup(made[0]) != nil {
		t.Fatalf("%q, %v", made, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}
