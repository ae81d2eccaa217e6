package api

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

const (
	first  = record.Village("369999000001")
	second = record.Village("369999000002")

	number  = "11010519491231002X"
	account = "6222020000000000018"
)

// office is a store with some records, and the API of it.
type office struct {
	*testing.T
	store  *store.Store
	access *access.Access
	api    *API
	server *httptest.Server
	wall   time.Time
	tokens map[string]string // by name
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, wall: time.Date(2026, 6, 1, 9, 0, 0, 0, beijing), tokens: map[string]string{}}
	dir := t.TempDir()
	files, err := blob.Open(filepath.Join(dir, "blobs"))
	o.ok(err)
	t.Cleanup(func() { files.Close() })
	_, key, err := ed25519.GenerateKey(nil)
	o.ok(err)
	o.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "zhucun.db"), store.Options{Key: key, Now: func() time.Time { return o.wall }, Random: rand.Reader, Files: files})
	o.ok(err)
	t.Cleanup(func() { o.store.Close() })
	o.access = access.New(o.store)
	o.access.Cost = access.Cost{Passes: 1, Memory: 8, Lanes: 1}
	for code, name := range map[record.Village]string{first: "清源村", second: "竹山村"} {
		o.ok(o.access.AddVillage(t.Context(), store.Village{Code: code, Name: name, Township: "石桥镇"}))
	}
	o.api = New(o.store, o.access, Options{URL: "https://office.example"})
	o.server = httptest.NewServer(o.api.Handler())
	o.api.opt.URL = o.server.URL
	t.Cleanup(o.server.Close)
	return o
}

func (o *office) ok(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// put writes a record as the office does, not having seen what others wrote.
func (o *office) put(v record.Village, typ record.Type, id string, fields map[string]string) record.ID {
	o.Helper()
	rid, err := record.ParseID(id)
	o.ok(err)
	f := form.Builtin().Form(typ)
	values := map[string]record.Value{}
	for name, typed := range fields {
		value, err := f.Field(name).CanonText(typed)
		if err != nil {
			o.Fatalf("%s: %v", name, err)
		}
		values[name] = value
	}
	o.wall = o.wall.Add(time.Minute)
	o.ok(o.store.Desk(context.Background(), v, func(d *store.Desk) error {
		body, err := merge.Compose(f, nil, nil, merge.Writer{Author: "王书记", Role: identity.Office}, values)
		if err != nil {
			return err
		}
		_, err = d.Write(record.Change{Record: rid, Type: typ, Author: "王书记", Form: f.Version, Body: body})
		return err
	}))
	return rid
}

// id makes the id of the n-th record.
func id(n int) string {
	const hex = "0123456789abcdef"
	return "01900000-0000-7000-8000-0000000000" + string(hex[n/16]) + string(hex[n%16])
}

// filled has households, persons with numbers and illnesses, and a conflict.
func filled(t *testing.T) *office {
	t.Helper()
	o := newOffice(t)
	for i := range 5 {
		v := first
		if i >= 3 {
			v = second
		}
		o.put(v, "household", id(i), map[string]string{"head_name": []string{"李大山", "王小明", "赵'一", "钱二", "孙三"}[i], "group_name": "一组", "poverty_status": []string{"new", "exited", "unexited", "exited", "new"}[i],
			"bank_account": account, "house_risk": "c", "arable_mu": []string{"1.5", "2", "", "10", "0.25"}[i], "fuel": "wood power", "registered_date": "2017-05-23", "location": "115.5, 28.25"})
	}
	o.put(first, "household", id(0), map[string]string{"main_cause": "illness", "bank_account": "6222020000000004444"})
	o.put(first, "household", id(0), map[string]string{"main_cause": "skill"})
	o.put(first, "person", id(16), map[string]string{"household": id(0), "full_name": "李大山", "id_number": number, "health": "disabled", "sex": "male"})
	o.put(second, "person", id(17), map[string]string{"household": id(3), "full_name": "钱二", "id_number": "440524188001010014", "health": "chronic"})
	return o
}

// token makes a token of a role, called as the role is.
func (o *office) token(n access.NewToken) string {
	o.Helper()
	if n.Days == 0 {
		n.Days = 30
	}
	if n.Name == "" {
		n.Name = string(n.Role)
	}
	if o.tokens[n.Name] == "" {
		token, _, err := o.access.AddToken(o.Context(), n)
		o.ok(err)
		o.tokens[n.Name] = token
	}
	return o.tokens[n.Name]
}

// roles makes a token of each role.
func (o *office) roles() {
	for _, r := range access.TokenRoles {
		n := access.NewToken{Role: r}
		if r == identity.SponsorUnit {
			n.Villages = []record.Village{first}
		}
		o.token(n)
	}
}

// reply is what a request came to.
type reply struct {
	status int
	head   http.Header
	body   string
}

func (o *office) get(token, path string, head ...string) reply {
	o.Helper()
	return o.do(http.MethodGet, token, path, head...)
}

func (o *office) do(method, token, path string, head ...string) reply {
	o.Helper()
	if !strings.HasPrefix(path, "http") {
		path = o.server.URL + path
	}
	r, err := http.NewRequestWithContext(o.Context(), method, path, nil)
	o.ok(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	o.wall = o.wall.Add(time.Second) // the pace is for those who mean ill
	resp, err := http.DefaultClient.Do(r)
	o.ok(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	o.ok(err)
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// read reads an answer into what is given.
func (o *office) read(token, path string, into any) {
	o.Helper()
	a := o.get(token, path)
	if a.status != http.StatusOK {
		o.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	o.ok(json.Unmarshal([]byte(a.body), into))
}
