package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func laptop(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) {
		d.ID, d.Token = "device", "token"
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: "369999000001"}}, Role: identity.Office, Profiles: []string{"王"}}
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// box opens the drop folder with short waits.
func box(t *testing.T, s *store.Store) *Box {
	t.Helper()
	b, err := New(s, form.Builtin(), func() form.Lang { return form.En }, InProcess, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.settled, b.look, b.rest = 200*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond
	return b
}

func run(t *testing.T, b *Box) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func visits(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	if err := s.Each("", "visit", func(store.Record) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 200 {
		if ok() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Each row is a file and where it ends: how many visits came of it, and what
// the text beside it says.
func TestFiles(t *testing.T) {
	tests := []struct {
		name, file, content string
		folder              string
		visits              int
		text                []string
	}{
		{"good rows", "a.jsonl", `{"type":"visit","fields":{"findings":"一"}}` + "\n" + `{"type":"visit","findings":"二"}` + "\n", Done, 2, nil},
		{"the last line without its end", "b.jsonl", `{"type":"visit","findings":"一"}`, Done, 1, nil},
		{"a mark of bytes first", "c.jsonl", "\ufeff" + `{"type":"visit","findings":"一"}` + "\r\n\r\n", Done, 1, nil},
		{"one bad row", "d.jsonl", `{"type":"visit","findings":"一"}` + "\n" + `{"type":"visit","finding":"二"}` + "\n" + `{"type":"visit","findings":"三"}`, Failed, 2, []string{"line 2", "findings", "3 rows: 2 new"}},
		{"half a row", "e.jsonl", `{"type":"visit","findings":"一"}` + "\n" + `{"type":"visit","fin`, Failed, 1, []string{"line 2", "whole JSON"}},
		{"a row not UTF-8", "f.jsonl", "{\"type\":\"visit\",\"findings\":\"\xce\xdd\"}\n" + `{"type":"visit","findings":"一"}`, Failed, 1, []string{"2 rows: 1 new", "line 1: not UTF-8"}},
		{"no row UTF-8", "g8.jsonl", strings.Repeat("{\"type\":\"visit\",\"findings\":\"\xce\xdd\"}\n", 9999), Failed, 0, []string{"\ufeffThis file is not UTF-8 text and no row of it was taken. Save it as .jsonl in UTF-8 and try again\n"}},
		{"UTF-16", "g16.jsonl", "\xff\xfe{\x00}\x00\n\x00{\x00}\x00", Failed, 0, []string{"not UTF-8 text"}},
		{"a first row longer than is looked at", "l.jsonl", `{"type":"visit","findings":"` + strings.Repeat("长", startSize) + `"}`, Done, 1, nil},
		{"a hundred thousand bad rows", "m.jsonl", strings.Repeat("x\n", 1e5), Failed, 0, []string{"100000 not taken", "line 1000: ", "99000 more rows"}},
		{"no type", "g.jsonl", `{"findings":"一"}`, Failed, 0, []string{"type"}},
		{"an unreadable value", "h.jsonl", `{"type":"visit","visit_date":"yesterday"}`, Failed, 0, []string{"line 1", "visit_date"}},
		{"another kind of file", "i.docx", "PK", Failed, 0, []string{".jsonl"}},
		{"empty", "j.jsonl", "", Done, 0, nil},
		{"a row too long", "k.jsonl", `{"type":"visit","findings":"` + strings.Repeat("长", MaxLine) + `"}` + "\n" + `{"type":"visit","findings":"一"}`, Failed, 1, []string{"line 1", "1 MB"}},
		{"a name that climbs", "..jsonl", `{"type":"visit"}`, "", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := laptop(t)
			b := box(t, s)
			if err := os.WriteFile(filepath.Join(b.dir, tt.file), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, b)
			if tt.folder == "" {
				time.Sleep(3 * b.settled)
				if !there(filepath.Join(b.dir, tt.file)) {
					t.Error("a hidden file was taken")
				}
				return
			}
			end := filepath.Join(b.dir, tt.folder, tt.file)
			until(t, "the file in "+tt.folder, func() bool { return there(end) })
			if got := visits(t, s); got != tt.visits {
				t.Errorf("%d visits, want %d", got, tt.visits)
			}
			raw, err := os.ReadFile(end + ".txt")
			if (err == nil) != (tt.folder == Failed) {
				t.Errorf("text beside it: %v", err)
			}
			if len(raw) > 1<<20 {
				t.Errorf("a text of %d bytes", len(raw))
			}
			for _, want := range tt.text {
				if !strings.Contains(string(raw), want) {
					t.Errorf("%q is not in %.300q", want, raw)
				}
			}
		})
	}
}

// A file that still grows waits; one of a name that is taken gets another.
func TestGrowingAndAgain(t *testing.T) {
	s := laptop(t)
	b := box(t, s)
	run(t, b)
	path := filepath.Join(b.dir, "slow.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		fmt.Fprintf(f, `{"type":"visit","findings":"第%d"}`+"\n", i)
		time.Sleep(b.settled / 2)
		if i < 9 && visits(t, s) > 0 {
			t.Fatal("taken while it grew")
		}
	}
	f.Close()
	until(t, "the whole file", func() bool { return visits(t, s) == 10 })
	until(t, "in done", func() bool { return there(filepath.Join(b.dir, Done, "slow.jsonl")) })
	raw, err := os.ReadFile(filepath.Join(b.dir, Done, "slow.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "again, beside the first", func() bool { return there(filepath.Join(b.dir, Done, "slow-2.jsonl")) })
	if got := visits(t, s); got != 10 {
		t.Errorf("%d visits after the same file again, want 10", got)
	}
}

// Each row is a name near what file systems take and under which the file and
// its text end. The second of that name ends beside the first.
func TestLongNames(t *testing.T) {
	han := func(n int) string { return strings.Repeat("长", n) }
	tests := []struct{ name, file, first, second string }{
		{"with room for all", han(81) + ".doc", han(81) + ".doc", han(81) + "-2.doc"},
		{"no room for the text", han(83) + ".doc", han(82) + ".doc", han(81) + "-2.doc"},
		{"no extension", strings.Repeat("x", maxName), strings.Repeat("x", 251), strings.Repeat("x", 249) + "-2"},
		{"an extension too long for one", "a." + strings.Repeat("x", 253), "a." + strings.Repeat("x", 249), "a." + strings.Repeat("x", 247) + "-2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := laptop(t)
			b := box(t, s)
			run(t, b)
			for _, want := range []string{tt.first, tt.second} {
				if err := os.WriteFile(filepath.Join(b.dir, tt.file), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
				end := filepath.Join(b.dir, Failed, want)
				until(t, "the file under "+want, func() bool { return there(end) })
				if !there(end + ".txt") {
					t.Error("no text beside it")
				}
			}
		})
	}
}

// A file that cannot be moved stays and leaves nothing behind; others are
// taken, and it follows once it can.
func TestCannotMove(t *testing.T) {
	s := laptop(t)
	b := box(t, s)
	failed := filepath.Join(b.dir, Failed)
	if err := os.Remove(failed); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(failed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a.doc": "x", "b.jsonl": `{"type":"visit","findings":"一"}`} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, b)
	until(t, "the other file in done", func() bool { return there(filepath.Join(b.dir, Done, "b.jsonl")) })
	if !there(filepath.Join(b.dir, "a.doc")) {
		t.Fatal("it is gone")
	}
	if err := os.Rename(failed, failed+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(failed, 0o700); err != nil {
		t.Fatal(err)
	}
	until(t, "the file in failed", func() bool { return there(filepath.Join(failed, "a.doc")) && there(filepath.Join(failed, "a.doc.txt")) })
}

// A table that was being read when the agent ended is not read again at its start: it
// lies in failed, with the reason.
func TestInterruptedTable(t *testing.T) {
	s := laptop(t)
	b := box(t, s)
	hand := filepath.Join(b.dir, inHand)
	if err := os.WriteFile(filepath.Join(hand, "a.csv"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	b = box(t, s)
	failed := filepath.Join(b.dir, Failed, "a.csv")
	if raw, err := os.ReadFile(failed + ".txt"); err != nil || !strings.Contains(string(raw), "cut off") || !there(failed) {
		t.Errorf("%q, %v", raw, err)
	}
	// One that is stopped in good order lies where it was dropped.
	if err := os.WriteFile(filepath.Join(b.dir, "b.csv"), []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.table(ctx, "b.csv", form.En); err == nil || !there(filepath.Join(b.dir, "b.csv")) {
		t.Errorf("%v, or it is gone", err)
	}
	if left, err := os.ReadDir(hand); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// A folder is left alone, which is said once: in failed, and in the log.
func TestFolder(t *testing.T) {
	s := laptop(t)
	b := box(t, s)
	var log strings.Builder
	b.log = slog.New(slog.NewTextHandler(&log, nil))
	row := filepath.Join(b.dir, "县里", "a.jsonl")
	if err := os.Mkdir(filepath.Dir(row), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(row, []byte(`{"type":"visit","findings":"一"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := b.pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(b.dir, Failed, "县里.txt"))
	if err != nil || !strings.Contains(string(text), "Drop the files themselves") {
		t.Errorf("%q %v", text, err)
	}
	// Nor is it said again by the next run.
	b.told = map[string]bool{}
	if _, err := b.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "folder=县里") {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	if left, err := os.ReadDir(filepath.Join(b.dir, Failed)); err != nil || len(left) != 1 {
		t.Errorf("in failed: %v %v", left, err)
	}
	if !there(row) || visits(t, s) != 0 {
		t.Error("it was not left alone")
	}
}

// A file that is written to all the time keeps no other waiting.
func TestOneGrowsForEver(t *testing.T) {
	s := laptop(t)
	b := box(t, s)
	run(t, b)
	f, err := os.Create(filepath.Join(b.dir, "growing.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.WriteFile(filepath.Join(b.dir, "whole.jsonl"), []byte(`{"type":"visit","findings":"一"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * b.settled); !there(filepath.Join(b.dir, Done, "whole.jsonl")); time.Sleep(b.look / 10) {
		if time.Now().After(end) {
			t.Fatalf("not taken in %s", 20*b.settled)
		}
		if _, err := f.WriteString("{}\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// The texts of bad rows are cut: each may quote what stands in it.
func TestBadTexts(t *testing.T) {
	s := laptop(t)
	row := `{"type":"visit","` + strings.Repeat("长", 1e5) + `":1}` + "\n"
	rep, err := JSONL(t.Context(), s, form.Builtin(), LineOptions{}, strings.NewReader(strings.Repeat(row, 5)))
	if err != nil || rep.NotTaken != 5 || len(rep.Bad) != 5 {
		t.Fatalf("%d of %d bad, %v", len(rep.Bad), rep.NotTaken, err)
	}
	if text := rep.Bad[4].Text; len(text) > maxBadText+len("…") || !utf8.ValidString(text) {
		t.Errorf("a text of %d bytes: %.100q", len(text), text)
	}
}

// What is dropped before the laptop is enrolled waits for it.
func TestWaitsForEnrolment(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := box(t, s)
	path := filepath.Join(b.dir, "a.jsonl")
	if err := os.WriteFile(path, []byte(`{"type":"visit"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, b)
	time.Sleep(4 * b.settled)
	if !there(path) {
		t.Error("taken, or thrown away, before anybody could say whose it is")
	}
}

func FuzzLine(f *testing.F) {
	forms := form.Builtin()
	for _, s := range []string{`{"type":"visit","fields":{"findings":"一"}}`, `{"id":"0186243b-022f-7adf-a494-21d3cd0bdb76","type":"household","head_name":"李"}`, `{"type":"visit","_life":"void: x"}`, `{"type":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := Line(forms, "", line)
		if err != nil {
			if Say(err, form.Zh) == "" || Say(err, form.En) == "" {
				t.Errorf("%q is refused without a word", line)
			}
			return
		}
		for name, v := range e.Fields {
			if !v.Canonical() {
				t.Errorf("%q: %s gives %q, which is not canonical", line, name, v)
			}
		}
		_ = record.Type(e.Type)
	})
}
