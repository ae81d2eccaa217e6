package help

import (
	_ "embed"
	"strings"
	"sync"

	"zhucun/shared/form"
)

//go:embed zh.md
var zh string

//go:embed en.md
var en string

// Topic is one task: "# id title", and what follows.
type Topic struct {
	ID, Title string
	Blocks    []Block
}

// Block is a paragraph, or steps where it has several lines that are numbered.
type Block struct {
	Steps bool
	Lines [][]Span // one for a paragraph
}

// Span is a piece of text; To is where it leads, "" for nowhere: a path of the pages, or
// #id of another topic.
type Span struct{ Text, To string }

var texts = map[form.Lang]func() []Topic{
	form.Zh: sync.OnceValue(func() []Topic { return read(zh) }),
	form.En: sync.OnceValue(func() []Topic { return read(en) }),
}

// Topics gives all topics in a language.
func Topics(lang form.Lang) []Topic {
	if f := texts[lang]; f != nil {
		return f()
	}
	return texts[form.Zh]()
}

func read(text string) (all []Topic) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if head, ok := strings.CutPrefix(line, "# "); ok {
			id, title, _ := strings.Cut(head, " ")
			all = append(all, Topic{ID: id, Title: title})
			continue
		}
		if len(all) == 0 || line == "" {
			continue
		}
		t := &all[len(all)-1]
		number, rest, _ := strings.Cut(line, ". ")
		step := len(number) == 1 && number[0] >= '1' && number[0] <= '9'
		if !step {
			rest = line
		}
		if n := len(t.Blocks); step && number != "1" && n > 0 && t.Blocks[n-1].Steps {
			t.Blocks[n-1].Lines = append(t.Blocks[n-1].Lines, spans(rest))
			continue
		}
		t.Blocks = append(t.Blocks, Block{step, [][]Span{spans(rest)}})
	}
	return all
}

// spans divides a line at its links: [text](where).
func spans(line string) (out []Span) {
	for line != "" {
		before, rest, found := strings.Cut(line, "[")
		if before != "" {
			out = append(out, Span{Text: before})
		}
		if !found {
			break
		}
		text, rest, _ := strings.Cut(rest, "](")
		to, after, _ := strings.Cut(rest, ")")
		out, line = append(out, Span{text, to}), after
	}
	return out
}
