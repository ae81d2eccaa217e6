package clients

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/api"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

const village = record.Village("369999000001")

// records is an office with some records, and puts more.
type records struct {
	*testing.T
	store  *store.Store
	access *access.Access
}

func newRecords(t *testing.T) records {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "zhucun.db"), store.Options{Key: key, Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := records{t, s, access.New(s)}
	if err := r.access.AddVillage(t.Context(), store.Village{Code: village, Name: "清源村"}); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"李大山", "王小明", "赵大有", "钱二", "孙三"} {
		r.put("household", i, map[string]string{"head_name": name, "group_name": "一组", "poverty_status": []string{"new", "exited", "unexited"}[i%3], "arable_mu": []string{"1.5", "0.25"}[i%2],
			"fuel": "wood power", "location": "115.5, 28.25", "registered_date": "2017-05-23", "bank_account": "6222020000000000018"})
	}
	r.put("household", 0, map[string]string{"main_cause": "illness"}) // two who had not seen each other's
	r.put("household", 0, map[string]string{"main_cause": "skill"})
	r.put("person", 6, map[string]string{"household": id + "0", "full_name": "李大山", "id_number": "11010519491231002X", "health": "chronic disabled", "birth_date": "1949-12-31"})
	r.put("income", 7, map[string]string{"household": id + "0", "year": "2019", "wage": "12000.5", "members": "4"})
	r.put("visit", 8, map[string]string{"household": id + "0", "visit_date": "2019-05-01", "findings": "他说“一切都好”\n", "visit_mode": "home"})
	return r
}

// id is how the records' ids begin.
const id = "01900000-0000-7000-8000-00000000000"

func (r records) put(typ record.Type, n int, fields map[string]string) {
	r.Helper()
	ok := func(err error) {
		r.Helper()
		if err != nil {
			r.Fatal(err)
		}
	}
	rid, err := record.ParseID(id + strconv.Itoa(n))
	ok(err)
	f := form.Builtin().Form(typ)
	values := map[string]record.Value{}
	for name, typed := range fields {
		values[name], err = f.Field(name).CanonText(typed)
		ok(err)
	}
	body, err := merge.Compose(f, nil, nil, merge.Writer{Author: "王书记", Role: identity.Office}, values)
	ok(err)
	body = append(body, record.Write{Path: record.Source, Value: record.Text("onsite")})
	record.SortBody(body)
	ok(r.store.Desk(context.Background(), village, func(d *store.Desk) error {
		_, err := d.Write(record.Change{Record: rid, Type: typ, Author: "王书记", Form: f.Version, Body: body})
		return err
	}))
}

// serve serves them, and gives the token that reads them.
func (r records) serve() (url, token string) {
	r.Helper()
	server := httptest.NewServer(api.New(r.store, r.access, api.Options{URL: "http://127.0.0.1"}).Handler())
	r.Cleanup(server.Close)
	token, _, err := r.access.AddToken(r.Context(), access.NewToken{Name: "报表", Role: identity.Office, Days: 1})
	if err != nil {
		r.Fatal(err)
	}
	return server.URL, token
}

func TestStockClients(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing; scripts/test installs it", program)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "read.mjs"} {
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(program string, args ...string) []byte {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = dir
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", program, err, out, said.Bytes())
		}
		return out
	}
	run("npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
	url, token := newRecords(t).serve()
	var got struct {
		Faults        []string
		Answers, Sets int
		Asked         struct {
			Count int
			Rows  []map[string]string
		}
		Filtered, Names []string
	}
	out := run("node", "read.mjs", url, "报表", token)
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range got.Faults {
		t.Error(f)
	}
	forms := len(form.Builtin().Forms())
	// Every list, the four records with their histories, villages, figures and the description.
	if want := forms + 4*2 + 3; got.Answers != want || got.Sets != forms+1 {
		t.Errorf("%d answers, want %d; %d tables, want %d", got.Answers, want, got.Sets, forms+1)
	}
	if got.Asked.Count != 1 || len(got.Asked.Rows) != 1 || got.Asked.Rows[0]["head_name"] != "李大山" || got.Asked.Rows[0]["poverty_status_label"] != "新识别" || len(got.Asked.Rows[0]) != 3 {
		t.Errorf("asked: %+v", got.Asked)
	}
	if !slices.Equal(got.Filtered, []string{"王小明"}) || !slices.Equal(got.Names, []string{"孙三", "李大山", "王小明", "赵大有", "钱二"}) {
		t.Errorf("filtered %v, names %v", got.Filtered, got.Names)
	}
}
