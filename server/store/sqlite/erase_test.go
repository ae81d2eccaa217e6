package sqlite

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/identity"
	"zhucun/shared/pack"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// holding tells which files of a folder hold the canary, as it is or in a packed
// segment that a table has.
func holding(t *testing.T, file string) (where []string) {
	t.Helper()
	files, err := filepath.Glob(file + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(storetest.Canary)) {
			where = append(where, filepath.Base(name))
		}
		// Segments lie packed; small ones whole on one page. Packed, the canary is
		// as good as there.
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			if i < 0 {
				break
			}
			at += i
			for end := at + 13; end <= min(at+3000, len(b)); end++ {
				if raw, err := pack.Unzip(b[at:end], wire.MaxUnpacked); err == nil && bytes.Contains(raw, []byte(storetest.Canary)) {
					where = append(where, filepath.Base(name)+" (packed)")
					break
				}
			}
			at++
		}
	}
	return where
}

// After an erasure no byte of it is in the database's files: not in the tables, not
// in what they no longer use, not in the log.
func TestErasedBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	w := storetest.NewWorld(t, openAt(file))
	u := storetest.NewBurden(w)
	if len(holding(t, file)) == 0 {
		t.Fatal("the canary was never there")
	}
	// Somebody reads as of before: the log cannot be emptied yet, and that is told.
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reading, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRow(`SELECT count(*) FROM record`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Erase(storetest.ID(1)); err != nil {
		t.Fatal(err)
	}
	if done, err := w.Forget(t.Context()); done || err != nil {
		t.Errorf("beside a reader it is forgotten: %v, %v", done, err)
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if done, err := w.Forget(t.Context()); !done || err != nil {
		t.Errorf("it is not forgotten: %v, %v", done, err)
	}
	if where := holding(t, file); len(where) != 0 {
		t.Errorf("the canary is still in %v", where)
	}
	u.WriteOn()
	if list, err := w.SetAsides(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("set aside: %+v, %v", list, err)
	}
	if where := holding(t, file); len(where) != 0 {
		t.Errorf("written on, the canary is in %v", where)
	}
	if done, err := w.Forget(t.Context()); !done || err != nil {
		t.Errorf("with nothing to forget: %v, %v", done, err)
	}
	w.Whole()
}

// Lists that somebody keeps, in which the record is looked for by its name or a number, go
// with it; lists of others, of its group and of other people stay.
func TestErasedViews(t *testing.T) {
	w := storetest.NewWorld(t, open)
	l := w.Laptop("王队员", identity.FirstSecretary)
	l.Write(storetest.New("household", storetest.ID(1), map[record.Path]record.Value{"head_name": `"李大山"`, "phone": `"13800004471"`, "group_name": `"三组"`, "bank_account": `"6222020000000009917"`}))
	l.Push()
	stay := map[string]string{"三组": "w.group_name=三组", "其他人": "q=王小明", "姓李的": "q=李", "危房": "w.house_risk=d", "姓": "q=li"}
	drop := map[string]string{"一": "q=李大山", "二": "q=三组+大山", "三": "q=lidashan", "四": "q=13800004471&life=alive", "五": "q=9917", "李大山家": "life=alive", "六": "w.head_name=李大山"}
	for _, set := range []map[string]string{stay, drop} {
		for name, query := range set {
			typ := record.Type("household")
			if name == "一" {
				typ = "visit"
			}
			if err := w.SaveView(t.Context(), store.SavedView{Login: "office", Type: typ, Name: name, Query: query}); err != nil {
				t.Fatal(err)
			}
		}
	}
	e, err := w.Erase(storetest.ID(1))
	if err != nil || e.Views != len(drop) {
		t.Errorf("%+v, %v", e, err)
	}
	for _, typ := range []record.Type{"household", "visit"} {
		left, err := w.SavedViews(t.Context(), "office", typ, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range left {
			if stay[v.Name] == "" {
				t.Errorf("%s is left: %s", v.Name, v.Query)
			}
			delete(stay, v.Name)
		}
	}
	if len(stay) > 0 {
		t.Errorf("went as well: %v", stay)
	}
}
