package form

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"zhucun/shared/record"
)

// env is what an expression is evaluated over. The values are by field name,
// as a record's registers resolve.
type env struct {
	values map[string]record.Value
	self   record.Value
	today  string
}

// holds evaluates e as a condition.
func (e *Expr) holds(v *env) bool {
	x := e.root.eval(v)
	return x.truth()
}

// node is one part of a compiled expression.
type node interface{ eval(*env) operand }

type kind uint8

const (
	isEmpty kind = iota
	isText
	isNumber
	isBool
	isList // several codes, kept as they are recorded
)

// operand is a value during evaluation.
type operand struct {
	kind kind
	b    bool
	s    string       // text
	i    int64        // number, where r is nil
	r    *big.Rat     // number; never changed once made
	list record.Value // canonical array
}

func word(s string) operand {
	if s == "" {
		return operand{}
	}
	return operand{kind: isText, s: s}
}
func boolean(b bool) operand  { return operand{kind: isBool, b: b} }
func integer(i int64) operand { return operand{kind: isNumber, i: i} }

func rational(r *big.Rat) operand {
	if r.IsInt() && r.Num().IsInt64() {
		return integer(r.Num().Int64())
	}
	return operand{kind: isNumber, r: r}
}

// recall brings a recorded value into an expression.
func recall(v record.Value) operand {
	if v == "" || v.IsNull() {
		return operand{}
	}
	switch v[0] {
	case '"':
		s, _ := v.Text()
		return word(s)
	case 't', 'f':
		return boolean(v == record.True)
	case '[':
		return operand{kind: isList, list: v}
	case '{':
		return operand{}
	}
	return plain(string(v))
}

// plain reads digits with an optional sign and point; anything else is empty.
func plain(s string) operand {
	if !plainNumber(s) {
		return operand{}
	}
	if len(s) <= 18 && strings.IndexByte(s, '.') < 0 {
		i, _ := strconv.ParseInt(s, 10, 64)
		return integer(i)
	}
	if r, ok := new(big.Rat).SetString(s); ok {
		return rational(r)
	}
	return operand{}
}

// plainNumber is quick and strict: most texts that are compared are dates.
func plainNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	points := 0
	for i := 0; i < len(s); i++ {
		switch {
		case isDigit(s[i]):
		case s[i] == '.' && i > 0 && i < len(s)-1 && points == 0:
			points++
		default:
			return false
		}
	}
	return s != "" && len(s) <= 90
}

func (x *operand) empty() bool { return x.kind == isEmpty || x.kind == isText && x.s == "" }

func (x *operand) truth() bool {
	switch x.kind {
	case isBool:
		return x.b
	case isNumber:
		return x.r == nil && x.i != 0 || x.r != nil && x.r.Sign() != 0
	}
	return !x.empty()
}

// text gives what the operand reads as: codes are separated by spaces.
func (x *operand) text() string {
	switch x.kind {
	case isText:
		return x.s
	case isNumber:
		s, _ := x.value().Number()
		return s
	case isBool:
		return strconv.FormatBool(x.b)
	case isList:
		return strings.Join(x.list.Texts(), " ")
	}
	return ""
}

// number gives the operand as a number; it is empty where there is none.
func (x *operand) number() operand {
	switch x.kind {
	case isNumber:
		return *x
	case isText:
		return plain(strings.TrimSpace(x.s))
	}
	return operand{}
}

func (x *operand) rat() *big.Rat {
	if x.r != nil {
		return x.r
	}
	return new(big.Rat).SetInt64(x.i)
}

// value brings a result back into a record. A number that does not end is cut
// after twelve decimals; one longer than a record can hold is no value.
func (x *operand) value() record.Value {
	switch x.kind {
	case isText:
		return record.Text(x.s)
	case isBool:
		return record.Bool(x.b)
	case isList:
		return x.list
	case isNumber:
		if x.r == nil {
			return record.Value(strconv.FormatInt(x.i, 10))
		}
		if v, err := record.Number(x.r.FloatString(decimals(x.r))); err == nil {
			return v
		}
	}
	return record.Null
}

func decimals(r *big.Rat) int {
	if n, exact := r.FloatPrec(); exact && n <= 40 {
		return n
	}
	return 12
}

type literal struct{ value operand }

func (n *literal) eval(*env) operand { return n.value }

type self struct{}

func (self) eval(e *env) operand { return recall(e.self) }

type answer struct{ name string }

func (n *answer) eval(e *env) operand { return recall(e.values[n.name]) }

type logic struct {
	left, right node
	or          bool
}

func (n *logic) eval(e *env) operand {
	x := n.left.eval(e)
	if x.truth() == n.or {
		return boolean(n.or)
	}
	x = n.right.eval(e)
	return boolean(x.truth())
}

// blank asks whether there is an answer.
type blank struct {
	arg  node
	want bool
}

func (n *blank) eval(e *env) operand {
	x := n.arg.eval(e)
	return boolean(x.empty() == n.want)
}

type op uint8

const (
	opEq op = iota
	opNe
	opLt
	opLe
	opGt
	opGe
	opAdd
	opSub
	opMul
	opDiv
	opMod
)

type comparison struct {
	left, right node
	op          op
}

func (n *comparison) eval(e *env) operand {
	x, y := n.left.eval(e), n.right.eval(e)
	if x.empty() || y.empty() {
		return boolean(false)
	}
	equality := n.op == opEq || n.op == opNe
	if equality && (x.kind == isBool || y.kind == isBool) {
		return boolean((x.truth() == y.truth()) == (n.op == opEq))
	}
	if !equality || x.kind == isNumber || y.kind == isNumber {
		a, b := x.number(), y.number()
		switch {
		case a.kind == isNumber && b.kind == isNumber:
			return boolean(n.op.wants(compareNumbers(&a, &b)))
		case x.kind == isNumber || y.kind == isNumber:
			return boolean(n.op == opNe) // a number beside what is none
		}
	}
	return boolean(n.op.wants(strings.Compare(x.text(), y.text())))
}

func compareNumbers(a, b *operand) int {
	if a.r == nil && b.r == nil {
		switch {
		case a.i < b.i:
			return -1
		case a.i > b.i:
			return 1
		}
		return 0
	}
	return a.rat().Cmp(b.rat())
}

// wants tells whether the comparison holds when its sides compare as c.
func (o op) wants(c int) bool {
	switch o {
	case opEq:
		return c == 0
	case opNe:
		return c != 0
	case opLt:
		return c < 0
	case opLe:
		return c <= 0
	case opGt:
		return c > 0
	}
	return c >= 0
}

type arithmetic struct {
	left, right node
	op          op
}

func (n *arithmetic) eval(e *env) operand {
	x, y := n.left.eval(e), n.right.eval(e)
	x, y = x.number(), y.number()
	if x.kind != isNumber || y.kind != isNumber {
		return operand{}
	}
	a, b, r := x.rat(), y.rat(), new(big.Rat)
	switch n.op {
	case opAdd:
		return rational(r.Add(a, b))
	case opSub:
		return rational(r.Sub(a, b))
	case opMul:
		return rational(r.Mul(a, b))
	}
	if b.Sign() == 0 {
		return operand{}
	}
	r.Quo(a, b)
	if n.op == opMod { // has the sign of the dividend
		whole := new(big.Int).Quo(r.Num(), r.Denom())
		r.Sub(a, r.Mul(b, new(big.Rat).SetInt(whole)))
	}
	return rational(r)
}

type match struct {
	arg node
	re  *regexp.Regexp
}

func (n *match) eval(e *env) operand {
	x := n.arg.eval(e)
	return boolean(!x.empty() && n.re.MatchString(x.text()))
}

type call struct {
	run  func(*env, []node) operand
	args []node
}

func (n *call) eval(e *env) operand { return n.run(e, n.args) }

var functions = map[string]function{
	"selected":       {2, 2, selected},
	"count-selected": {1, 1, countSelected},
	"string-length": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		return integer(int64(utf8.RuneCountInString(x.text())))
	}},
	"regex": {2, 2, nil}, // compiled by the parser
	"today": {0, 0, func(e *env, _ []node) operand { return word(e.today) }},
	"not": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		return boolean(!x.truth())
	}},
	"true":  {0, 0, func(*env, []node) operand { return boolean(true) }},
	"false": {0, 0, func(*env, []node) operand { return boolean(false) }},
	"if": {3, 3, func(e *env, a []node) operand {
		if x := a[0].eval(e); x.truth() {
			return a[1].eval(e)
		}
		return a[2].eval(e)
	}},
	"coalesce": {2, 0, func(e *env, a []node) operand {
		for _, n := range a {
			if x := n.eval(e); !x.empty() {
				return x
			}
		}
		return operand{}
	}},
	"number": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		return x.number()
	}},
	"date": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		d, _ := readDate(x.text())
		return word(d)
	}},
	"round": {1, 2, round},
	"age": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		return years(x.text(), e.today)
	}},
	"id_number": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		return boolean(checkID(x.text()) == idGood)
	}},
	"id_birth_date": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		birth, _ := fromID(x.text())
		return word(birth)
	}},
	"id_sex": {1, 1, func(e *env, a []node) operand {
		x := a[0].eval(e)
		_, sex := fromID(x.text())
		return word(sex)
	}},
}

// selected tells whether a code is among several.
func selected(e *env, a []node) operand {
	set, code := a[0].eval(e), a[1].eval(e)
	want := code.text()
	if want == "" {
		return boolean(false)
	}
	found := false
	set.each(func(c string) { found = found || c == want })
	return boolean(found)
}

func countSelected(e *env, a []node) operand {
	set := a[0].eval(e)
	var n int64
	set.each(func(string) { n++ })
	return integer(n)
}

// each calls f for every code: of a list, or of a text with spaces between.
func (x *operand) each(f func(string)) {
	if x.kind != isList {
		for c := range strings.FieldsSeq(x.text()) {
			f(c)
		}
		return
	}
	eachText(x.list, f)
}

// eachText calls f for every text of a canonical array. Codes need no
// decoding, and almost every array holds codes.
func eachText(v record.Value, f func(string)) {
	if strings.IndexByte(string(v), '\\') >= 0 {
		for _, c := range v.Texts() {
			f(c)
		}
		return
	}
	rest := string(v)
	for {
		_, after, ok := strings.Cut(rest, `"`)
		if !ok {
			return
		}
		var code string
		if code, rest, ok = strings.Cut(after, `"`); !ok {
			return
		}
		f(code)
	}
}

// round rounds half away from zero, as money is rounded.
func round(e *env, a []node) operand {
	x := a[0].eval(e)
	x = x.number()
	places := integer(0)
	if len(a) == 2 {
		p := a[1].eval(e)
		places = p.number()
	}
	if x.kind != isNumber || places.kind != isNumber || places.r != nil || places.i < 0 || places.i > 12 {
		return operand{}
	}
	r, ok := new(big.Rat).SetString(x.rat().FloatString(int(places.i)))
	if !ok {
		return operand{}
	}
	return rational(r)
}

// years gives the full years between two dates; empty unless both are dates
// in order.
func years(from, to string) operand {
	if len(from) != 10 || len(to) != 10 || from > to {
		return operand{}
	}
	a, err1 := strconv.Atoi(from[:4])
	b, err2 := strconv.Atoi(to[:4])
	if err1 != nil || err2 != nil {
		return operand{}
	}
	n := b - a
	if to[5:] < from[5:] {
		n--
	}
	return integer(int64(n))
}
