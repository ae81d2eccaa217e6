package main

import (
	"fmt"
	"strings"

	"zhucun/scripts/rig"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// voice says things in Chinese, in English, or one beneath the other.
type voice struct{ zh, en bool }

var voices = map[string]voice{"zh": {zh: true}, "en": {en: true}, "both": {true, true}}

// say prints a line in each language; both take the same arguments in the same
// order.
func (v voice) say(zh, en string, args ...any) {
	if v.zh {
		fmt.Println("   " + fill(zh, args))
	}
	if v.en {
		fmt.Println("   " + fill(en, args))
	}
}

func fill(text string, args []any) string {
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// title opens a part.
func (v voice) title(n int, zh, en string) {
	switch {
	case v.zh && v.en:
		fmt.Printf("\n%d  %s  %s\n", n, zh, en)
	case v.zh:
		fmt.Printf("\n%d  %s\n", n, zh)
	default:
		fmt.Printf("\n%d  %s\n", n, en)
	}
}

// against prints the values of a household's field that stand against each
// other, with their authors.
func (v voice) against(path string, list []rig.Claim) {
	fd := form.Builtin().Form("household").Field(path)
	values := func(lang form.Lang) string {
		var out []string
		for _, c := range list {
			text, _ := c.Value.(string)
			out = append(out, fd.Show(record.Text(text), lang)+" ("+c.Author+")")
		}
		return strings.Join(out, "  |  ")
	}
	v.say("   "+fd.Label.Zh+"："+values(form.Zh), "   "+fd.Label.En+": "+values(form.En))
}

// thousands writes 12345 as 12,345.
func thousands[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes bytes for people.
func size(n int64) string {
	if n < 10<<10 {
		return thousands(n) + " B"
	}
	return thousands(n>>10) + " KB"
}
