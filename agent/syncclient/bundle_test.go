package syncclient

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// sealedReply is a file for the laptop of s, made at that time.
func sealedReply(t *testing.T, s *store.Store, made int64, answers ...*wire.Synced) []byte {
	t.Helper()
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle.Bundle{Device: d.ID, Server: d.Server, Serial: 1, Made: made}
	for _, a := range answers {
		packed, err := wire.Encode(a, wire.Quick)
		if err != nil {
			t.Fatal(err)
		}
		size, err := wire.Size(a)
		if err != nil || !b.Add(bundle.Part{Message: packed, Size: size}) {
			t.Fatalf("not added: %v", err)
		}
	}
	file, err := bundle.Seal(b, identity.ReplyOf, serverKey, d.Private().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// readExported opens what the laptop wrote as the server does, and gives its
// messages.
func readExported(t *testing.T, s *store.Store, path string) (*bundle.Bundle, []*wire.Sync) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(file, identity.BundleOf, serverKey, func(*bundle.Bundle) (ed25519.PublicKey, error) {
		return d.Private().Public().(ed25519.PublicKey), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var messages []*wire.Sync
	for _, p := range b.Parts {
		m, n, err := wire.UnmarshalSync(p.Message, p.Size, nil)
		if err != nil || n != p.Size {
			t.Fatalf("%d bytes, said to be %d: %v", n, p.Size, err)
		}
		messages = append(messages, m)
	}
	return b, messages
}

// Every bundle has all that waits, a new serial, and the time as the laptop knows
// it, however wrong its clock is.
func TestExport(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	// The server's clock is a year ahead of the laptop's.
	if err := s.Measure(t.Context(), s.Wall()+365*24*3600*1000, s.Wall()); err != nil {
		t.Fatal(err)
	}
	visit(t, s)
	dir := t.TempDir()
	for serial := uint64(1); serial <= 2; serial++ {
		made, err := c.Export(t.Context(), dir, Carry{}, nil)
		if err != nil || len(made) != 1 {
			t.Fatal(made, err)
		}
		e := made[0]
		if filepath.Dir(e.File) != dir || !strings.HasSuffix(e.File, bundle.Ext) || e.Changes != serial || e.Left != 0 {
			t.Errorf("%+v", e)
		}
		if info, err := os.Stat(e.File); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		b, messages := readExported(t, s, e.File)
		if b.Serial != serial || len(messages) != 1 || len(messages[0].Villages[0].Segments) == 0 || messages[0].Agent != "test" {
			t.Errorf("bundle %d: %+v", b.Serial, messages)
		}
		if ahead := b.Made - time.Now().UnixMilli(); ahead < 364*24*3600*1000 {
			t.Errorf("made %d ms ahead of the laptop's clock", ahead)
		}
		visit(t, s)
	}
	// Nothing is left beside the files where a stick is full or pulled out.
	if _, err := c.Export(t.Context(), filepath.Join(dir, "no", "such.zcb"), Carry{}, nil); err == nil {
		t.Error("written into a folder that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
	if st, err := s.Status(); err != nil || st.Bundled != 2 || st.Pending != 3 {
		t.Errorf("%+v, %v", st, err)
	}
}

// What is more than one file has goes into several: each is a bundle by itself,
// whose changes go on where those of the one before end, and together they have
// everything once. One file that is enough has the very name that was asked for.
func TestExportSeveral(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	for i := range 40 {
		if _, err := s.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": record.Value(fmt.Sprintf("%q", rand.Text()+fmt.Sprint(i)))}}); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zcb")
	one, err := c.Export(t.Context(), path, Carry{}, nil)
	if err != nil || len(one) != 1 || one[0].File != path || one[0].Changes != 40 {
		t.Fatalf("%+v, %v", one, err)
	}
	c.part, c.fill = 300, 1500
	// What is there already is not written over, and nothing is left beside it.
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := c.Export(t.Context(), path, Carry{}, nil); !errors.Is(err, fs.ErrExist) || len(made) != 0 {
		t.Errorf("over an older file: %+v, %v", made, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the older file is another: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	if err := os.Rename(path, filepath.Join(dir, "a-1.zcb")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Export(t.Context(), path, Carry{}, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over the first of several: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "a-1.zcb")); err != nil {
		t.Fatal(err)
	}
	var told []uint64
	made, err := c.Export(t.Context(), path, Carry{}, func(done, left uint64) {
		if done+left != 40 {
			t.Errorf("%d packed and %d left", done, left)
		}
		told = append(told, done)
	})
	if err != nil || len(made) < 3 || told[len(told)-1] != 40 {
		t.Fatalf("%d files, told %v, %v", len(made), told, err)
	}
	next, left := uint64(1), uint64(40)
	for i, e := range made {
		b, messages := readExported(t, s, e.File)
		if e.File != filepath.Join(dir, fmt.Sprintf("a-%d.zcb", i+1)) || b.Serial != uint64(i+2) || e.Serial != b.Serial {
			t.Errorf("file %d is %+v, its serial %d", i+1, e, b.Serial)
		}
		for _, m := range messages {
			for _, raw := range m.Villages[0].Segments {
				seg, err := journal.Decode(raw)
				if err != nil || seg.From != next {
					t.Fatalf("a segment from %d, want %d, %v", seg.From, next, err)
				}
				next = seg.Last() + 1
			}
		}
		if left -= e.Changes; e.Left != left {
			t.Errorf("file %d leaves %d, want %d", i+1, e.Left, left)
		}
		if info, err := os.Stat(e.File); err != nil || info.Size() > 1500+4096 || info.Size() != int64(e.Bytes) {
			t.Errorf("file %d: %v, %v", i+1, info, err)
		}
	}
	if next != 41 || left != 0 {
		t.Errorf("the files have entries up to %d, %d are left", next-1, left)
	}
	bs, err := s.Bundles()
	if err != nil || len(bs) != 1+len(made) || bs[0].Name != filepath.Base(made[len(made)-1].File) || bs[0].Waiting() != bs[0].Changes {
		t.Errorf("remembered: %+v, %v", bs, err)
	}
	for _, b := range bs {
		n := uint64(0)
		for _, r := range b.Has {
			n += r.Last - r.After
		}
		if n != b.Changes {
			t.Errorf("bundle %d of %d changes is remembered to have %d", b.Serial, b.Changes, n)
		}
	}

	// Where the second cannot be written, the first is there, and good.
	stick := t.TempDir()
	if err := os.Mkdir(filepath.Join(stick, "b-2.zcb"), 0o700); err != nil {
		t.Fatal(err)
	}
	made, err = c.Export(t.Context(), filepath.Join(stick, "b.zcb"), Carry{}, nil)
	if err == nil || len(made) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, messages := readExported(t, s, made[0].File); len(messages) == 0 {
		t.Error("the first has nothing")
	}
	if left, err := os.ReadDir(stick); err != nil || len(left) != 2 {
		t.Errorf("half a file was left: %v, %v", left, err)
	}
}

// The page's bundles lie in the data folder until the server has everything that is
// in them, or there are too many; nothing else can be opened by a name.
func TestMake(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	visit(t, s)
	first, err := c.Make(t.Context(), Carry{}, nil)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	made, err := c.Bundles()
	if err != nil || len(made) != 1 || !made[0].Here || made[0].Name != filepath.Base(first[0].File) {
		t.Fatalf("%+v, %v", made, err)
	}
	f, err := c.OpenMade(made[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := bundle.Read(f)
	f.Close()
	if want, rerr := os.ReadFile(first[0].File); err != nil || rerr != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, %v", len(got), err, rerr)
	}
	inside := filepath.Join(s.Dir(), madeDir)
	if err := os.Symlink(filepath.Join(s.Dir(), "records.db"), filepath.Join(inside, "link.zcb")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "../records.db", "/etc/passwd", "link.zcb", "x.zcb", `..\records.db`, "./" + made[0].Name} {
		for where, open := range map[string]func(string) (*os.File, error){"made": c.OpenMade, "a reply": c.OpenReply} {
			if f, err := open(name); err == nil {
				f.Close()
				t.Errorf("%s was opened as %s", name, where)
			}
		}
	}
	// Receipts come; the next one takes the room.
	out, err := s.Outgoing(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(t.Context(), &acknowledge(t, s, &wire.Sync{Villages: []wire.Push{out[0].Push}}).Villages[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inside, ".zhucun-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	visit(t, s)
	if _, err := c.Make(t.Context(), Carry{}, nil); err != nil {
		t.Fatal(err)
	}
	if f, err := c.OpenMade(filepath.Base(first[0].File)); err == nil {
		f.Close()
		t.Error("a file of which the server has everything takes room")
	}
	for range maxMade + 1 {
		if _, err := c.Make(t.Context(), Carry{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	made, err = c.Bundles()
	here := 0
	for _, m := range made {
		if m.Here {
			here++
		}
	}
	if last := made[len(made)-1]; err != nil || len(made) != maxMade+3 || here != maxMade || !made[0].Here || last.Here || last.Fate.Delivered != 1 {
		t.Errorf("%d made, %d of them here, the first is %+v, %v", len(made), here, last, err)
	}
	if _, err := os.Stat(filepath.Join(inside, ".zhucun-123")); err == nil {
		t.Error("half a file of an earlier try was left")
	}
}

// A reply that did not have room for all says so, until the rest has come.
func TestReplyWithMore(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	page := func(from, cursor uint64, more bool) []byte {
		return sealedReply(t, s, time.Now().UnixMilli(), &wire.Synced{Version: wire.Version, Villages: []wire.Pull{{Village: village, Epoch: wire.Epoch{1}, From: from, Cursor: cursor, More: more}}})
	}
	first, rest := page(0, 5, true), page(5, 9, false)
	for i, tt := range []struct {
		file []byte
		more bool
	}{{first, true}, {rest, false}, {first, false}, {rest, false}} {
		got, err := c.Collect(t.Context(), bytes.NewReader(tt.file), nil)
		if err != nil || got.More != tt.more {
			t.Errorf("file %d: %+v, %v", i, got, err)
		}
		if i > 0 {
			continue
		}
		// The next bundle asks from where it ends.
		made, err := c.Export(t.Context(), t.TempDir(), Carry{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, messages := readExported(t, s, made[0].File); messages[0].Villages[0].After != 5 {
			t.Errorf("the next bundle asks for what comes after %d", messages[0].Villages[0].After)
		}
	}
	if bs, err := s.Bundles(); err != nil || bs[0].Answered == 0 {
		t.Errorf("the bundle is not answered: %+v, %v", bs, err)
	}
}

// Each row is what a reply of that age says, and what the laptop makes of it.
func TestReplyOfAnyAge(t *testing.T) {
	now := time.Now().UnixMilli()
	assigned := func(serial uint64) *wire.Assignment {
		return &wire.Assignment{Serial: serial, Villages: []wire.Village{{Code: village}, {Code: record.Village(fmt.Sprint(serial))}}, Role: identity.TeamMember, Profiles: []string{"王"}}
	}
	tests := []struct {
		name   string
		made   int64
		serial uint64
		want   uint64 // the assignment's serial then
	}{
		{"new", now + 60_000, 7, 7},
		{"old, with a higher serial", now - 60_000, 6, 6},
		{"old, with an older assignment", now - 60_000, 4, 5},
		{"new, with an older assignment", now + 60_000, 4, 5}, // it was on the way when another came
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := laptop(t, "http://127.0.0.1:1")
			if err := s.Assign(t.Context(), *assigned(5)); err != nil {
				t.Fatal(err)
			}
			if err := s.Measure(t.Context(), now, s.Wall()); err != nil {
				t.Fatal(err)
			}
			skew, err := s.Skew()
			if err != nil {
				t.Fatal(err)
			}
			file := sealedReply(t, s, tt.made, &wire.Synced{Version: wire.Version, Assigned: assigned(tt.serial), Time: tt.made})
			got, err := c.Collect(t.Context(), bytes.NewReader(file), nil)
			if err != nil || got.Carried || got.Serial != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			d, err := s.Device()
			if err != nil || d.Assigned.Serial != tt.want || d.LastSync != max(now, tt.made) {
				t.Errorf("assignment %d, last heard %d; want %d, %d; %v", d.Assigned.Serial, d.LastSync, tt.want, max(now, tt.made), err)
			}
			if after, err := s.Skew(); err != nil || after != skew {
				t.Errorf("a file told the time: %d became %d, %v", skew, after, err)
			}
		})
	}
}

// What the server lacked when it said so it may have by now: an old refusal makes
// nothing pending again, a new one does.
func TestOldRefusal(t *testing.T) {
	for _, age := range []time.Duration{time.Hour, -time.Hour} {
		c, s := laptop(t, "http://127.0.0.1:1")
		visit(t, s)
		out, err := s.Outgoing(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		a := acknowledge(t, s, &wire.Sync{Villages: []wire.Push{out[0].Push}})
		if _, err := s.Take(t.Context(), &a.Villages[0]); err != nil {
			t.Fatal(err)
		}
		now := time.Now().UnixMilli()
		if err := s.Measure(t.Context(), now, s.Wall()); err != nil {
			t.Fatal(err)
		}
		gap := &wire.Synced{Version: wire.Version, Villages: []wire.Pull{{
			Village: village, Epoch: wire.Epoch{1}, From: 1, Cursor: 1,
			Refused: []wire.Refused{{Stream: out[0].Push.Streams[0].Stream, From: 2, Code: wire.RefusedGap}},
		}}}
		got, err := c.Collect(t.Context(), bytes.NewReader(sealedReply(t, s, now-age.Milliseconds(), gap)), nil)
		want := uint64(0)
		if age < 0 {
			want = 1
		}
		if err != nil || got.Pending != want {
			t.Errorf("a refusal %v old: %d pending, want %d, %v", age, got.Pending, want, err)
		}
	}
}

// Whatever is not a whole file is refused, and what is not for this laptop is
// carried: once, as it is, and no more than there is room for.
func TestCarry(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	other, so := laptop(t, "http://127.0.0.1:1")
	visit(t, so)
	made, err := other.Export(t.Context(), t.TempDir(), Carry{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(made[0].File)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(file) {
		if _, err := c.Collect(t.Context(), bytes.NewReader(file[:n]), nil); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(file))
		}
	}
	if b, err := c.Courier(); err != nil || len(b.Waiting) != 0 {
		t.Errorf("%v kept of what was refused, %v", b, err)
	}
	for range 3 {
		got, err := c.Collect(t.Context(), bytes.NewReader(file), nil)
		if err != nil || !got.Carried || filepath.Dir(got.Reply) != filepath.Join(s.Dir(), courierDir, repliesDir) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if b, err := c.Courier(); err != nil || len(b.Waiting) != 1 || b.Waiting[0].Size != int64(len(file)) {
		t.Errorf("%v wait, %v", b, err)
	}
	for i := 0; ; i++ {
		_, err := c.Collect(t.Context(), bytes.NewReader(sealedReply(t, so, int64(i), &wire.Synced{Time: 1})), nil)
		if errors.Is(err, ErrBurdened) && i == maxCarried-1 {
			break
		}
		if err != nil || i > maxCarried {
			t.Fatalf("file %d: %v", i, err)
		}
	}
	// What the laptop made itself is for others to take.
	visit(t, s)
	made, err = c.Export(t.Context(), t.TempDir(), Carry{}, nil)
	if err != nil || len(made) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	mine, err := os.ReadFile(made[0].File)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Collect(t.Context(), bytes.NewReader(mine), nil); !errors.Is(err, ErrOwn) {
		t.Errorf("its own bundle: %v", err)
	}
	// Where there is no room it says so, before it writes any of the file; and what was
	// carried already is there.
	c.room = func(dir string) (uint64, uint64, error) {
		if dir != s.Dir() {
			t.Errorf("it looks at the disk of %s", dir)
		}
		return spared + uint64(len(file)) - 1, 100 << 30, nil
	}
	if _, err := c.Collect(t.Context(), bytes.NewReader(file), nil); !errors.Is(err, ErrNoRoom) {
		t.Errorf("without room: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir(), comingIn)); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	c.room = func(string) (uint64, uint64, error) { return spared + uint64(len(file)), 100 << 30, nil }
	if got, err := c.Collect(t.Context(), bytes.NewReader(file), nil); err != nil || !got.Carried {
		t.Errorf("with just enough room: %+v, %v", got, err)
	}
	// A link that was put there leads nowhere.
	if err := os.Symlink(t.TempDir(), filepath.Join(s.Dir(), courierDir, "x.zcb")); err == nil {
		if b, err := c.Courier(); err != nil || len(b.Waiting) != maxCarried {
			t.Errorf("%d files wait, %v", len(b.Waiting), err)
		}
	}
}

// Each row is what the server answers to a file that is carried, and what becomes
// of the file.
func TestDeliver(t *testing.T) {
	_, owner := laptop(t, "http://127.0.0.1:1")
	fault := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			reply(w, &wire.Fault{Code: code, Text: "not for this server"})
		}
	}
	good := sealedReply(t, owner, 1, &wire.Synced{Time: 1})
	tests := []struct {
		name                      string
		serve                     http.HandlerFunc
		waiting, refused, replies int
	}{
		{"taken", func(w http.ResponseWriter, r *http.Request) { w.Write(good) }, 0, 0, 1},
		{"not taken", fault(http.StatusBadRequest, wire.FaultBundle), 0, 1, 0},
		{"busy", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, 1, 0, 0},
		{"failed", fault(http.StatusInternalServerError, wire.FaultServer), 1, 0, 0},
		{"a portal's page", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>log in</html>") }, 1, 0, 0},
		{"half an answer", func(w http.ResponseWriter, r *http.Request) { w.Write(good[:len(good)-1]) }, 1, 0, 0},
		{"an older server", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var brought []byte
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != wire.BundlePath {
					reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli()})
					return
				}
				brought, _ = io.ReadAll(r.Body)
				tt.serve(w, r)
			}))
			t.Cleanup(srv.Close)
			c, _ := laptop(t, srv.URL)
			file := sealedReply(t, owner, 2, &wire.Synced{Time: 2})
			if _, err := c.Collect(t.Context(), bytes.NewReader(file), nil); err != nil {
				t.Fatal(err)
			}
			r, err := c.Once(t.Context())
			b, cerr := c.Courier()
			if cerr != nil || len(b.Waiting) != tt.waiting || len(b.Refused) != tt.refused || len(b.Replies) != tt.replies || r.Carried != tt.replies {
				t.Errorf("%+v, %v; report %+v", b, cerr, r)
			}
			if (err == nil) != (tt.waiting == 0) {
				t.Errorf("the sync says %v", err)
			}
			if !bytes.Equal(brought, file) {
				t.Error("what was brought is not what was carried")
			}
			if tt.replies == 1 {
				if got, err := os.ReadFile(b.Replies[0].Path); err != nil || !bytes.Equal(got, good) {
					t.Errorf("the reply is not as the server wrote it: %v", err)
				}
			}
		})
	}
}
