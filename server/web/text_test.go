package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every text is there in both languages with the same arguments, every id that
// the pages use is in the table, and nothing in the table is left over.
func TestTexts(t *testing.T) {
	verb := regexp.MustCompile(`%(\[\d\])?[a-z]`)
	for id, s := range texts {
		if s.zh == "" || s.en == "" {
			t.Errorf("%s: %q, %q", id, s.zh, s.en)
		}
		if strings.Contains(s.zh+s.en, "%[") {
			continue // each language takes what it needs
		}
		if a, b := verb.FindAllString(s.zh, -1), verb.FindAllString(s.en, -1); !slices.Equal(a, b) {
			t.Errorf("%s: arguments %v and %v", id, a, b)
		}
	}
	files, err := filepath.Glob("*.templ")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile(`"([a-z]+(?:\.[a-z_A-Z]+)*\.?)"`)
	asked := regexp.MustCompile(`T\("([^"]+)"`)
	used := map[string]bool{}
	for _, file := range append(files, more...) {
		if strings.HasSuffix(file, "_templ.go") || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "text") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asked.FindAllStringSubmatch(string(raw), -1) {
			if _, there := texts[m[1]]; !there && !strings.HasSuffix(m[1], ".") {
				t.Errorf("%s asks for %q", file, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(string(raw), -1) {
			used[m[1]] = true
		}
	}
	for id := range texts {
		begun := slices.ContainsFunc(slices.Collect(func(yield func(string) bool) {
			for u := range used {
				if strings.HasSuffix(u, ".") && !yield(u) {
					return
				}
			}
		}), func(u string) bool { return strings.HasPrefix(id, u) })
		if !used[id] && !begun {
			t.Errorf("nothing asks for %q", id)
		}
	}
	for _, a := range areas {
		if _, there := texts["nav."+a.name]; !there {
			t.Errorf("area %s has no name", a.name)
		}
	}
}
