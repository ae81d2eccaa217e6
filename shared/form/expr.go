package form

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/shared/record"
)

// Limits of an expression: its length in bytes and how deep it nests.
const (
	maxExpr  = 2000
	maxNests = 40
)

// Expr is a compiled expression in a subset of XLSForm's language:
//
//	'text' "text" 12.5      literals
//	.  ${name}              the field's own answer, another field's
//	= != < <= > >=          compare numbers exactly, everything else as text
//	+ - * div mod           decimals, exactly
//	and or ( )
//	selected(s, code) count-selected(s) string-length(t) regex(t, 'pattern')
//	today() date(t) number(t) round(n, places) not(b) true() false()
//	if(b, x, y) coalesce(x, y, …)
//	id_number(t) id_birth_date(t) id_sex(t) age(date)     our own
//
// A comparison with an empty answer is false, except with the empty literal,
// which asks whether there is an answer; arithmetic with an empty answer is empty, and so
// is division by zero. regex searches, so its patterns carry ^ and $. Evaluation
// always ends and never fails.
type Expr struct {
	source string
	root   node
}

// String gives the expression as it was written.
func (e *Expr) String() string {
	if e == nil {
		return ""
	}
	return e.source
}

// parse compiles an expression. known tells which fields there are.
func parse(source string, known func(name string) bool) (*Expr, error) {
	if len(source) > maxExpr {
		return nil, wrong("表达式超过 %d 字节", "expression longer than %d bytes", maxExpr)
	}
	if !utf8.ValidString(source) {
		return nil, wrong("表达式不是 UTF-8 编码", "expression is not UTF-8")
	}
	p := &parser{src: source, known: known}
	p.next()
	root := p.or()
	if p.err == nil && p.tok != tokEnd {
		p.fail("这里不能写 %q", "unexpected %q", p.text)
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Expr{source, root}, nil
}

type token uint8

const (
	tokEnd    token = iota
	tokText         // a literal; text is what stands between the quotes
	tokNumber       // text is the digits
	tokField        // text is the name
	tokName         // a function, or and, or, div, mod
	tokSymbol       // everything else; "." too
	tokBad
)

type parser struct {
	src   string
	pos   int
	tok   token
	text  string
	depth int
	known func(string) bool
	err   error
}

func (p *parser) fail(zh, en string, args ...any) {
	if p.err == nil {
		p.err = wrong(zh, en, args...)
	}
	p.tok, p.text = tokBad, ""
}

// next reads one token; after a mistake it stands still.
func (p *parser) next() {
	if p.err != nil {
		return
	}
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
	rest := p.src[p.pos:]
	take := func(t token, text string, n int) { p.tok, p.text, p.pos = t, text, p.pos+n }
	switch {
	case rest == "":
		take(tokEnd, "", 0)
	case rest[0] == '\'' || rest[0] == '"':
		end := strings.IndexByte(rest[1:], rest[0])
		if end < 0 {
			p.fail("引号没有结束", "text without closing quote")
			return
		}
		take(tokText, rest[1:1+end], end+2)
	case isDigit(rest[0]) || rest[0] == '.' && len(rest) > 1 && isDigit(rest[1]):
		n, points := 0, 0
		for n < len(rest) && (isDigit(rest[n]) || rest[n] == '.') {
			if rest[n] == '.' {
				points++
			}
			n++
		}
		if points > 1 || rest[n-1] == '.' {
			p.fail("%q 不是数", "%q is not a number", rest[:n])
			return
		}
		take(tokNumber, rest[:n], n)
	case strings.HasPrefix(rest, "${"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			p.fail("${ 没有 }", "${ without }")
			return
		}
		take(tokField, strings.TrimSpace(rest[2:end]), end+1)
	case isLetter(rest[0]):
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n]) || rest[n] == '-' || rest[n] == ':') {
			n++
		}
		take(tokName, rest[:n], n)
	default:
		n := 1
		if len(rest) > 1 && rest[1] == '=' && strings.IndexByte("!<>", rest[0]) >= 0 {
			n = 2
		}
		if !slices.Contains(symbols, rest[:n]) {
			p.fail("%q 不在支持的写法之中", "%q is not in the subset", clip(rest))
			return
		}
		take(tokSymbol, rest[:n], n)
	}
}

var symbols = []string{"=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "(", ")", ",", "."}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// take goes past the operator or symbol s if it is next.
func (p *parser) take(s string) bool {
	if (p.tok != tokSymbol && p.tok != tokName) || p.text != s {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(s string) {
	if !p.take(s) && p.err == nil {
		if p.tok == tokEnd {
			p.fail("末尾缺 %q", "%q missing at the end", s)
		} else {
			p.fail("是 %q，应为 %q", "%q where %q was expected", p.text, s)
		}
	}
}

func (p *parser) or() node {
	if p.depth++; p.depth > maxNests {
		p.fail("嵌套超过 %d 层", "nested deeper than %d", maxNests)
		return nil
	}
	defer func() { p.depth-- }()
	left := p.and()
	for p.take("or") {
		left = &logic{left, p.and(), true}
	}
	return left
}

func (p *parser) and() node {
	left := p.equality()
	for p.take("and") {
		left = &logic{left, p.equality(), false}
	}
	return left
}

func (p *parser) equality() node {
	left := p.relation()
	for {
		op := opEq
		switch {
		case p.take("="):
		case p.take("!="):
			op = opNe
		default:
			return left
		}
		right := p.relation()
		switch {
		case isBlank(right):
			left = &blank{left, op == opEq}
		case isBlank(left):
			left = &blank{right, op == opEq}
		default:
			left = &comparison{left, right, op}
		}
	}
}

func (p *parser) relation() node {
	left := p.sum()
	for {
		var op op
		switch {
		case p.take("<"):
			op = opLt
		case p.take("<="):
			op = opLe
		case p.take(">"):
			op = opGt
		case p.take(">="):
			op = opGe
		default:
			return left
		}
		left = &comparison{left, p.sum(), op}
	}
}

func (p *parser) sum() node {
	left := p.product()
	for {
		var op op
		switch {
		case p.take("+"):
			op = opAdd
		case p.take("-"):
			op = opSub
		default:
			return left
		}
		left = &arithmetic{left, p.product(), op}
	}
}

func (p *parser) product() node {
	left := p.unary()
	for {
		var op op
		switch {
		case p.take("*"):
			op = opMul
		case p.take("div"):
			op = opDiv
		case p.take("mod"):
			op = opMod
		default:
			return left
		}
		left = &arithmetic{left, p.unary(), op}
	}
}

func (p *parser) unary() node {
	negative := false
	for p.take("-") {
		negative = !negative
	}
	n := p.primary()
	if negative {
		return &arithmetic{&literal{integer(0)}, n, opSub}
	}
	return n
}

func (p *parser) primary() node {
	switch tok, text := p.tok, p.text; {
	case p.err != nil:
		return nil
	case tok == tokText:
		p.next()
		return &literal{operand{kind: isText, s: text}}
	case tok == tokNumber:
		p.next()
		if text[0] == '.' {
			text = "0" + text
		}
		v, err := record.Number(text)
		if err != nil {
			p.fail("%q 不是数", "%q is not a number", clip(text))
			return nil
		}
		return &literal{recall(v)}
	case tok == tokField:
		p.next()
		if !p.known(text) {
			p.fail("没有字段 ${%s}", "unknown field ${%s}", clip(text))
		}
		return &answer{text}
	case p.take("."):
		return self{}
	case p.take("("):
		n := p.or()
		p.expect(")")
		return n
	case tok == tokName:
		p.next()
		return p.call(text)
	case tok == tokEnd:
		p.fail("表达式没有写完", "expression ends too early")
	default:
		p.fail("这里不能写 %q", "unexpected %q", text)
	}
	return nil
}

// function is what an expression may call: with at least min and at most max
// arguments, any number where max is 0 and min is not.
type function struct {
	min, max int
	run      func(*env, []node) operand
}

func (p *parser) call(name string) node {
	f, ok := functions[name]
	if !ok {
		p.fail("函数 %q 不在支持的写法之中", "function %q is not in the subset", clip(name))
		return nil
	}
	p.expect("(")
	var args []node
	if !p.take(")") {
		for {
			args = append(args, p.or())
			if !p.take(",") {
				break
			}
		}
		p.expect(")")
	}
	if p.err != nil {
		return nil
	}
	if len(args) < f.min || len(args) > f.max && (f.max > 0 || f.min == 0) {
		p.fail("函数 %q 不接受 %d 个参数", "function %q does not take %d arguments", name, len(args))
		return nil
	}
	if name != "regex" {
		return &call{f.run, args}
	}
	pattern, ok := args[1].(*literal)
	if !ok || pattern.value.kind != isText {
		p.fail("regex：式样应是引号里的文字", "regex: the pattern must be a text in quotes")
		return nil
	}
	re, err := regexp.Compile(pattern.value.s)
	if err != nil {
		p.fail("regex：%v", "regex: %v", err)
		return nil
	}
	return &match{args[0], re}
}

func isBlank(n node) bool {
	l, ok := n.(*literal)
	return ok && l.value.kind == isText && l.value.s == ""
}

// clip keeps what a message quotes short.
func clip(s string) string {
	r := []rune(s)
	if len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
