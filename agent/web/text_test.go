package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources gives the package's files but tests and what is generated.
func sources(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(raw)
	}
	return out
}

func TestTextsAreCompleteAndUsed(t *testing.T) {
	verb := regexp.MustCompile(`%(\[\d\])?[sd]`)
	numbered := regexp.MustCompile(`\[\d\]`)
	for id, text := range texts {
		if text.zh == "" || text.en == "" {
			t.Errorf("%s: lacks a language", id)
		}
		zh, en := verb.FindAllString(text.zh, -1), verb.FindAllString(text.en, -1)
		// Where a language numbers its arguments it may use them in another order,
		// and need not use them all.
		if !numbered.MatchString(text.zh+text.en) && !slices.Equal(zh, en) {
			t.Errorf("%s: %v in Chinese, %v in English", id, zh, en)
		}
	}

	used := map[string]bool{}
	literal := regexp.MustCompile(`"([a-z]+(?:\.[A-Za-z_]+)*\.?)"`)
	called := regexp.MustCompile(`\bT\("([^"]+)"(\s*\+)?`)
	for _, pattern := range []string{"*.go", "*.templ"} {
		for name, source := range sources(t, pattern) {
			if strings.HasPrefix(name, "text") || strings.HasSuffix(name, "_templ.go") {
				continue
			}
			for _, m := range called.FindAllStringSubmatch(source, -1) {
				if _, known := texts[m[1]]; !known && m[2] == "" {
					t.Errorf("%s: no text %s", name, m[1])
				}
			}
			for _, m := range literal.FindAllStringSubmatch(source, -1) {
				if _, known := texts[m[1]]; known {
					used[m[1]] = true
				} else if strings.HasSuffix(m[1], ".") {
					for id := range texts {
						used[id] = used[id] || strings.HasPrefix(id, m[1])
					}
				}
			}
		}
	}
	for id := range texts {
		if !used[id] {
			t.Errorf("%s: nothing uses it", id)
		}
	}
}

// What the templates write by themselves is markup and signs, never words.
func TestNoTextInTemplates(t *testing.T) {
	written := regexp.MustCompile(`templruntime\.WriteString\(templ_7745c5c3_Buffer, \d+, "((?:[^"\\]|\\.)*)"\)`)
	spoken := regexp.MustCompile(`(?:title|alt|placeholder|aria-label)=\\"[^\\]`)
	letters := regexp.MustCompile(`[\p{L}]+`)
	tags := regexp.MustCompile(`<[^>]*>`)
	files := sources(t, "*_templ.go")
	if len(files) == 0 {
		t.Fatal("no templates found")
	}
	for name, source := range files {
		var all strings.Builder
		for _, m := range written.FindAllStringSubmatch(source, -1) {
			if spoken.MatchString(m[1]) {
				t.Errorf("%s: a literal that is read out: %s", name, m[1])
			}
			all.WriteString(m[1])
		}
		if words := letters.FindAllString(tags.ReplaceAllString(all.String(), " "), -1); len(words) > 0 {
			t.Errorf("%s: text outside the table: %q", name, words)
		}
	}
	// The script's texts come with the page.
	for name, source := range sources(t, "assets/*.js") {
		if han := regexp.MustCompile(`\p{Han}`).FindString(source); han != "" {
			t.Errorf("%s: %s", name, han)
		}
	}
}
