package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Each row is what happens to a laptop's disk after it has synced: work of both
// lives arrives, each once, and everybody reads the same at the end.
func TestImages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// with the note of where the store is, or the data folder alone
		whole bool
		// the copy goes on beside the original, or takes its place
		beside bool
	}{
		{"the data folder is set back", false, false},
		{"the whole disk is set back", true, false},
		{"the data folder is copied", false, true},
		{"the whole disk is copied", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := office(t, false, false)
			put := func(laptop, text string) string {
				return w.put(t, "visit", "findings="+text, "--data", laptop)
			}
			sync := func(laptop string) {
				t.Helper()
				if out := w.must(t, "zhucun-agent", "sync", "--data", laptop, "--json"); !strings.Contains(out, `"pending":0`) {
					t.Error(out)
				}
			}
			image := func(from, to string) {
				t.Helper()
				if err := os.RemoveAll(w.path(to)); err != nil {
					t.Fatal(err)
				}
				if err := os.CopyFS(w.path(to), os.DirFS(w.path(from))); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{put("a", "备份以前写的走访")}
			sync("a")
			put("a", "备份时还没送出的走访")
			image("a", "image")
			image("home", "image-home")
			want = append(want, put("a", "备份以后写的走访"))
			sync("a")
			other := "a"
			if tt.beside {
				other = "copy"
			}
			image("image", other)
			if tt.whole && !tt.beside {
				image("image-home", "home")
			}
			want = append(want, put(other, "恢复以后写的走访"), put(other, "恢复以后又写的走访"))
			sync(other)
			if tt.beside {
				want = append(want, put("a", "原来那台接着写的走访"))
				sync("a")
				sync(other)
			}
			sync("b")
			first := ""
			for _, reader := range [][]string{{"zhucun-server", "--data", "office"}, {"zhucun-agent", "--data", "a"}, {"zhucun-agent", "--data", "b"}, {"zhucun-agent", "--data", other}} {
				sync(other)
				out := w.must(t, append([]string{reader[0], "list", "visit", "--json"}, reader[1:]...)...)
				var texts []string
				for _, l := range lines(out) {
					id, _, err := at(l, ".id")
					if err != nil {
						t.Fatal(err)
					}
					text, _, err := at(l, ".fields.findings")
					if err != nil {
						t.Fatal(err)
					}
					texts = append(texts, id+text)
					if strings.Contains(l, `"conflicts":{"`) {
						t.Errorf("%v: a conflict: %s", reader, l)
					}
				}
				slices.Sort(texts)
				all := strings.Join(texts, "\n")
				for _, id := range want {
					if strings.Count(all, id) != 1 {
						t.Errorf("%v has %s %d times", reader, id, strings.Count(all, id))
					}
				}
				if len(texts) != len(want)+1 {
					t.Errorf("%v: %d visits, want %d", reader, len(texts), len(want)+1)
				}
				if first == "" {
					first = all
				} else if all != first {
					t.Errorf("%v reads\n%s\nthe office\n%s", reader, all, first)
				}
			}
			for _, laptop := range []string{"a", other} {
				if out := w.must(t, "zhucun-agent", "verify", "--data", laptop, "--json"); !strings.Contains(out, `"ok":true`) {
					t.Error(out)
				}
			}
			if out := w.must(t, "zhucun-agent", "status", "--data", other, "--json"); !strings.Contains(out, `"renewed_at"`) {
				t.Errorf("nobody is told: %s", out)
			}
			w.must(t, "zhucun-server", "verify", "--data", "office")
		})
	}
}
