package dataset

import "strings"

// node is a piece of a clause template: text as it stands, a slot for a word,
// or a choice among sequences of nodes.
type node struct {
	text string
	slot string
	alts [][]node
	// optional marks a sequence that may be left out.
	optional bool
}

// parseAll reads one template a line. A template that is not well formed
// panics: the templates are constants of this package.
func parseAll(lines string) [][]node {
	var out [][]node
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		p := parser{rest: strings.TrimSpace(line)}
		nodes := p.sequence("")
		if p.rest != "" {
			panic("dataset: template " + line)
		}
		out = append(out, nodes)
	}
	return out
}

type parser struct{ rest string }

// sequence reads up to one of the stopping characters, which it leaves.
func (p *parser) sequence(stop string) []node {
	var out []node
	for p.rest != "" && !strings.Contains(stop, p.rest[:1]) {
		switch p.rest[0] {
		case '[':
			p.rest = p.rest[1:]
			out = append(out, node{alts: [][]node{p.sequence("]")}, optional: true})
			p.rest = p.rest[1:]
		case '(':
			var alts [][]node
			for p.rest[0] != ')' {
				p.rest = p.rest[1:]
				alts = append(alts, p.sequence("|)"))
			}
			p.rest = p.rest[1:]
			out = append(out, node{alts: alts})
		case '{':
			slot, rest, _ := strings.Cut(p.rest[1:], "}")
			p.rest = rest
			out = append(out, node{slot: slot})
		default:
			// The special characters are ASCII and can be no part of a
			// Chinese one, so bytes will do.
			end := strings.IndexAny(p.rest, "[({"+stop)
			if end < 0 {
				end = len(p.rest)
			}
			out = append(out, node{text: p.rest[:end]})
			p.rest = p.rest[end:]
		}
	}
	return out
}
