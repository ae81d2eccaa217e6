package odata

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/record"
)

// ParseFilter reads $filter.
func ParseFilter(s *Set, text string) (*store.Test, error) {
	if len(text) > maxText {
		return nil, wrong("$filter 太长", "$filter is too long")
	}
	if !utf8.ValidString(text) {
		return nil, wrong("$filter 不是 UTF-8", "$filter is not UTF-8")
	}
	p := &parser{set: s, rest: text}
	t, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, p.expected("and 或 or", "and or or")
	}
	return &t, nil
}

// ParseKey reads the key of an address: what stands between the parentheses.
func ParseKey(s *Set, text string) (*store.Test, error) {
	all := store.Test{Op: store.OpAnd}
	p := &parser{set: s, rest: text}
	if len(text) > maxText || !utf8.ValidString(text) {
		return nil, wrong("主键写法不对", "The key cannot be read")
	}
	seen := map[string]bool{}
	for {
		name := p.word()
		prop := s.Property(name)
		if prop == nil || !prop.Key || seen[name] || !p.take("=") {
			return nil, wrong("主键应如 %s(%s)", "The key is like %s(%s)", s.Name, keyLike(s))
		}
		seen[name] = true
		v, err := p.literal(operand{prop: prop, kind: prop.Kind})
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, wrong("主键不能为空", "A key is not null")
		}
		all.Tests = append(all.Tests, store.Test{Op: store.OpEqual, Left: prop.Column, Values: []any{v}})
		if p.space(); p.rest == "" {
			break
		}
		if !p.take(",") {
			return nil, p.expected("逗号", "a comma")
		}
		p.space()
	}
	for i := range s.Properties {
		if s.Properties[i].Key && !seen[s.Properties[i].Name] {
			return nil, wrong("主键应如 %s(%s)", "The key is like %s(%s)", s.Name, keyLike(s))
		}
	}
	return &all, nil
}

func keyLike(s *Set) string {
	var parts []string
	for _, p := range s.Properties {
		if p.Key {
			parts = append(parts, p.Name+map[Kind]string{String: "='…'"}[p.Kind]+map[Kind]string{ID: "=0189a3f2-…"}[p.Kind])
		}
	}
	return strings.Join(parts, ",")
}

// parser goes through a text from the front.
type parser struct {
	set          *Set
	rest         string
	tests, depth int
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

func (p *parser) take(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) expected(zh, en string) error {
	at := p.rest
	if at == "" {
		return &Error{Zh: "$filter 不完整，后面应有" + zh, En: "$filter ends where " + en + " should come"}
	}
	return &Error{Zh: "$filter 里“" + clip(at) + "”处应为" + zh, En: "$filter should have " + en + " at " + strconv.Quote(clip(at))}
}

// word reads a name or literal that is not in quotation marks.
func (p *parser) word() string {
	n := strings.IndexAny(p.rest, " \t(),='")
	if n < 0 {
		n = len(p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

// peek gives the next word and leaves it there.
func (p *parser) peek() string {
	p.space()
	rest := p.rest
	w := p.word()
	p.rest = rest
	return w
}

func (p *parser) or() (store.Test, error)  { return p.chain("or", store.OpOr, p.and) }
func (p *parser) and() (store.Test, error) { return p.chain("and", store.OpAnd, p.not) }

func (p *parser) chain(word string, op store.Op, part func() (store.Test, error)) (store.Test, error) {
	t, err := part()
	if err != nil {
		return t, err
	}
	list := []store.Test{t}
	for p.peek() == word {
		p.word()
		if t, err = part(); err != nil {
			return t, err
		}
		list = append(list, t)
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return store.Test{Op: op, Tests: list}, nil
}

func (p *parser) not() (store.Test, error) {
	if p.depth++; p.depth > maxDepth {
		return store.Test{}, wrong("$filter 的层次太多", "$filter is nested too deep")
	}
	defer func() { p.depth-- }()
	if p.peek() == "not" {
		p.word()
		t, err := p.not()
		return store.Test{Op: store.OpNot, Tests: []store.Test{t}}, err
	}
	if p.space(); p.take("(") {
		t, err := p.or()
		if err == nil {
			if p.space(); !p.take(")") {
				err = p.expected("右括号", "a closing parenthesis")
			}
		}
		return t, err
	}
	return p.compare()
}

var calls = map[string]store.Op{"contains": store.OpContains, "startswith": store.OpStartsWith, "endswith": store.OpEndsWith}

var signs = map[string]store.Op{"eq": store.OpEqual, "ne": store.OpUnequal, "gt": store.OpGreater, "ge": store.OpAtLeast, "lt": store.OpLess, "le": store.OpAtMost}

// turned is the sign of a comparison that was written the other way round.
var turned = map[store.Op]store.Op{store.OpEqual: store.OpEqual, store.OpUnequal: store.OpUnequal, store.OpGreater: store.OpLess, store.OpAtLeast: store.OpAtMost, store.OpLess: store.OpGreater, store.OpAtMost: store.OpAtLeast}

func (p *parser) compare() (store.Test, error) {
	if p.tests++; p.tests > maxTests {
		return store.Test{}, wrong("$filter 的条件太多，最多 %d 个", "$filter has more than %d conditions", maxTests)
	}
	name := p.peek()
	if op, is := calls[name]; is {
		return p.call(op)
	}
	// A literal first: it is read when it is known with what it is compared.
	if first := p.rest; p.startsLiteral(name) {
		if err := p.skipLiteral(); err != nil {
			return store.Test{}, err
		}
		p.space()
		op, is := signs[p.word()]
		if !is {
			return store.Test{}, p.expected("eq、gt 等比较", "a comparison such as eq")
		}
		o, err := p.operand()
		if err != nil {
			return store.Test{}, err
		}
		v, err := (&parser{set: p.set, rest: first}).literal(o)
		return store.Test{Op: turned[op], Left: o.column(), Values: []any{v}}, err
	}
	o, err := p.operand()
	if err != nil {
		return store.Test{}, err
	}
	p.space()
	before := p.rest
	sign := p.word()
	if sign == "in" {
		return p.in(o)
	}
	op, is := signs[sign]
	if !is {
		if o.kind == Boolean && (sign == "" || sign == "and" || sign == "or") {
			p.rest = before
			return store.Test{Op: store.OpEqual, Left: o.column(), Values: []any{true}}, nil
		}
		p.rest = before
		return store.Test{}, p.expected("eq、gt 等比较", "a comparison such as eq")
	}
	v, err := p.literal(o)
	return store.Test{Op: op, Left: o.column(), Values: []any{v}}, err
}

func (p *parser) in(o operand) (store.Test, error) {
	t := store.Test{Op: store.OpIn, Left: o.column()}
	if p.space(); !p.take("(") {
		return t, p.expected("左括号", "an opening parenthesis")
	}
	for {
		v, err := p.literal(o)
		if err != nil {
			return t, err
		}
		if t.Values = append(t.Values, v); len(t.Values) > maxIn {
			return t, wrong("in 后面最多 %d 个值", "in has at most %d values", maxIn)
		}
		p.space()
		if p.take(")") {
			return t, nil
		}
		if !p.take(",") {
			return t, p.expected("逗号或右括号", "a comma or a closing parenthesis")
		}
	}
}

// call reads contains, startswith or endswith, which may be compared with true or false.
func (p *parser) call(op store.Op) (store.Test, error) {
	p.word()
	t := store.Test{Op: op}
	if p.space(); !p.take("(") {
		return t, p.expected("左括号", "an opening parenthesis")
	}
	o, err := p.operand()
	if err != nil {
		return t, err
	}
	if o.kind != String {
		return t, wrong("%s 只能用于文本", "%s is for texts", string(op))
	}
	if p.space(); !p.take(",") {
		return t, p.expected("逗号", "a comma")
	}
	v, err := p.literal(o)
	if err != nil {
		return t, err
	}
	if v == nil {
		return t, wrong("%s 要有文本", "%s needs a text", string(op))
	}
	t.Left, t.Values = o.column(), []any{v}
	if p.space(); !p.take(")") {
		return t, p.expected("右括号", "a closing parenthesis")
	}
	sign := p.peek()
	if sign != "eq" && sign != "ne" {
		return t, nil
	}
	p.word()
	p.space()
	switch yes := p.word(); {
	case yes != "true" && yes != "false":
		return t, p.expected("true 或 false", "true or false")
	case (yes == "true") == (sign == "eq"):
		return t, nil
	}
	return store.Test{Op: store.OpNot, Tests: []store.Test{t}}, nil
}

// operand is a property, and what is made of it.
type operand struct {
	prop *Property
	kind Kind
	call string
}

func (o *operand) column() store.Operand {
	c := o.prop.Column
	c.Call = o.call
	return c
}

func (p *parser) operand() (operand, error) {
	p.space()
	name := p.word()
	if name == "" {
		return operand{}, p.expected("属性", "a property")
	}
	if p.take("(") {
		o := operand{call: name}
		switch name {
		case "tolower", "toupper", "trim", "length", "year", "month", "day":
		default:
			return o, missing("不支持函数 %s", "The function %s is not supported", clip(name))
		}
		p.space()
		inner := p.word()
		if o.prop = p.set.Property(inner); o.prop == nil {
			return o, unknown(p.set, inner)
		}
		switch o.kind = o.prop.Kind; name {
		case "year", "month", "day":
			if o.kind != Date {
				return o, missing("%s 只能用于日期", "%s is for dates", name)
			}
			o.kind = Int
		default:
			if o.kind != String {
				return o, wrong("%s 只能用于文本", "%s is for texts", name)
			}
			if name == "length" {
				o.kind = Int
			}
		}
		if p.space(); !p.take(")") {
			return o, p.expected("右括号", "a closing parenthesis")
		}
		return o, p.may(o)
	}
	o := operand{prop: p.set.Property(name)}
	if o.prop == nil {
		return o, unknown(p.set, name)
	}
	o.kind = o.prop.Kind
	return o, p.may(o)
}

func (p *parser) may(o operand) error {
	if o.prop.Column == (store.Operand{}) {
		return wrong("不能按 %s 查找", "Nothing can be looked for by %s", o.prop.Name)
	}
	return nil
}

// startsLiteral tells a literal from a property or a function.
func (p *parser) startsLiteral(word string) bool {
	if p.space(); strings.HasPrefix(p.rest, "'") {
		return true
	}
	return word == "null" || word == "true" || word == "false" || word != "" && (word[0] >= '0' && word[0] <= '9' || word[0] == '-')
}

func (p *parser) skipLiteral() error {
	if strings.HasPrefix(p.rest, "'") {
		_, err := p.text()
		return err
	}
	p.word()
	return nil
}

// text reads a text in quotation marks, in which two stand for one.
func (p *parser) text() (string, error) {
	if !p.take("'") {
		return "", p.expected("引号里的文本", "a text in quotation marks")
	}
	var b strings.Builder
	for {
		part, rest, ok := strings.Cut(p.rest, "'")
		if !ok {
			return "", wrong("$filter 里的引号没有结束", "A text of $filter does not end")
		}
		b.WriteString(part)
		if p.rest = rest; !p.take("'") {
			return b.String(), nil
		}
		b.WriteByte('\'')
	}
}

// literal reads a value to compare an operand with.
func (p *parser) literal(o operand) (any, error) {
	p.space()
	quoted := strings.HasPrefix(p.rest, "'")
	var text string
	if quoted {
		var err error
		if text, err = p.text(); err != nil {
			return nil, err
		}
	} else if text = p.word(); text == "null" {
		return nil, nil
	}
	bad := func(zh, en string) error {
		return &Error{Zh: "“" + clip(text) + "”不是" + zh + "，不能和 " + o.prop.Name + " 比较", En: strconv.Quote(clip(text)) + " is not " + en + ", and cannot be compared with " + o.prop.Name}
	}
	switch o.kind {
	case String:
		if !quoted {
			return nil, bad("引号里的文本", "a text in quotation marks")
		}
		return text, nil
	case Int, Double:
		if quoted {
			return nil, bad("数字", "a number")
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		n, err := strconv.ParseFloat(text, 64)
		// Inf, NaN and 0x1p-2 are no numbers of OData.
		if err != nil || strings.Trim(text, "0123456789+-.eE") != "" {
			return nil, bad("数字", "a number")
		}
		return n, nil
	case Date:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, bad("日期（2017-05-23）", "a date (2017-05-23)")
		}
		return text, nil
	case Moment:
		t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
		if err != nil {
			t, err = time.Parse(time.DateOnly, text)
		}
		if err != nil {
			return nil, bad("时间（2017-05-23T08:00:00Z）", "a time (2017-05-23T08:00:00Z)")
		}
		return t.UnixMilli(), nil
	case ID:
		id, err := record.ParseID(strings.ToLower(text))
		if err != nil {
			return nil, bad("编号（0189a3f2-…）", "an id (0189a3f2-…)")
		}
		return id.String(), nil
	case Boolean:
		if quoted || text != "true" && text != "false" {
			return nil, bad("true 或 false", "true or false")
		}
		return text == "true", nil
	}
	return nil, bad("", "")
}
