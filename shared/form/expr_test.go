package form

import (
	"strings"
	"testing"

	"zhucun/shared/record"
)

// The record that the expressions below are evaluated over; "." is 12.50.
var sample = map[string]record.Value{
	"n": "7", "d": "0.1", "big": "12345678901234567890.5", "neg": "-3", "zero": "0",
	"code": `"illness"`, "num": `"42"`, "lead": `"007"`, "day": `"2017-05-23"`, "words": `"a b c"`, "hanzi": `"王小明"`,
	"set": `["dung","wood"]`, "odd": `["a\"b","c"]`, "place": "[115.8,28.6]", "cleared": "null", "none": "[]", "flag": "true",
	"id": `"369999198503070018"`,
}

func known(name string) bool { return sample[name] != "" || name == "missing" }

func TestEval(t *testing.T) {
	tests := []struct {
		expr string
		want record.Value
	}{
		// Literals, the answer itself, other answers.
		{`'x'`, `"x"`}, {`"it's"`, `"it's"`}, {`12.50`, `12.5`}, {`.5`, `0.5`}, {`.`, `12.5`}, {`${n}`, `7`}, {`${ code }`, `"illness"`},
		{`${set}`, `["dung","wood"]`}, {`${missing}`, `null`}, {`${cleared}`, `null`},

		// Numbers are exact.
		{`${d} + 0.2 = 0.3`, `true`}, {`${d} * 3 = 0.3`, `true`}, {`1 div 3 * 3 = 1`, `true`}, {`${big} + 0.5`, `12345678901234567891`},
		{`1 - 2 - 3`, `-4`}, {`2 + 3 * 4`, `14`}, {`(2 + 3) * 4`, `20`}, {`7 mod 3`, `1`}, {`-7 mod 3`, `-1`}, {`5.5 mod 2`, `1.5`},
		{`-${neg}`, `3`}, {`--2`, `2`}, {`1 div 3`, `0.333333333333`}, {`10 div 4`, `2.5`}, {`${num} + 1`, `43`},
		// No number is no result.
		{`1 div 0`, `null`}, {`1 mod 0`, `null`}, {`${missing} + 1`, `null`}, {`1 - ${cleared}`, `null`}, {`${code} + 1`, `null`}, {`${set} * 2`, `null`},

		// Comparisons: numbers by value, texts and dates as texts.
		{`${n} = 7.0`, `true`}, {`${num} = 42`, `true`}, {`${lead} = '7'`, `false`}, {`${lead} = 7`, `true`}, {`${num} < '100'`, `true`},
		{`${day} >= '2017-05-23'`, `true`}, {`${day} < '2017-06-01'`, `true`}, {`${day} <= today()`, `true`}, {`today()`, `"2020-01-31"`},
		{`${code} != 'land'`, `true`}, {`${code} = 5`, `false`}, {`${code} != 5`, `true`}, {`${code} > 5`, `false`}, {`${set} = 'dung wood'`, `true`},
		{`${big} > 12345678901234567890`, `true`}, {`${neg} < ${zero}`, `true`}, {`1 < 2 = true()`, `true`}, {`${flag} = true()`, `true`},
		// An empty answer compares with nothing but the empty text.
		{`${missing} = 'x'`, `false`}, {`${missing} != 'x'`, `false`}, {`${missing} < 5`, `false`}, {`${missing} >= 5`, `false`},
		{`${missing} = ${cleared}`, `false`}, {`${missing} != false()`, `false`}, {`${missing} = ''`, `true`}, {`'' != ${missing}`, `false`},
		{`${code} = ''`, `false`}, {`${code} != ''`, `true`}, {`${none} = ''`, `true`}, {`${zero} = ''`, `false`}, {`${place} != ''`, `true`},

		// Conditions.
		{`true() and false()`, `false`}, {`true() or false()`, `true`}, {`false() or false() and true()`, `false`}, {`not(${missing})`, `true`},
		{`${zero} or ${missing}`, `false`}, {`${code} and ${set}`, `true`}, {`if(${n} > 5, 'many', 'few')`, `"many"`}, {`if(${missing}, 1, 2)`, `2`},
		{`coalesce(${missing}, ${cleared}, ${n})`, `7`}, {`coalesce(${missing}, '')`, `null`},

		// Several codes: a list, or a text with spaces.
		{`selected(${set}, 'wood')`, `true`}, {`selected(${set}, 'woo')`, `false`}, {`selected(${words}, 'b')`, `true`}, {`selected(${missing}, 'b')`, `false`},
		{`selected(${set}, '')`, `false`}, {`selected(${set}, ${missing})`, `false`}, {`selected(${odd}, 'c')`, `true`}, {`selected(${code}, ${code})`, `true`},
		{`count-selected(${set})`, `2`}, {`count-selected(${odd})`, `2`}, {`count-selected(${missing})`, `0`}, {`count-selected(${words})`, `3`},

		// Texts.
		{`string-length(${hanzi})`, `3`}, {`string-length(${missing})`, `0`}, {`string-length(.)`, `4`}, {`regex(${day}, '^\d{4}-')`, `true`},
		{`regex(${hanzi}, '小')`, `true`}, {`regex(${missing}, '^$')`, `false`}, {`regex(${n}, '^7$')`, `true`},

		// Numbers and dates from text; rounding half away from zero.
		{`number('3.0')`, `3`}, {`number('x')`, `null`}, {`number(' 3 ')`, `3`}, {`round(2.345, 2)`, `2.35`}, {`round(-2.345, 2)`, `-2.35`}, {`round(2.5)`, `3`},
		{`round(1 div 3, 2)`, `0.33`}, {`round(1, 99)`, `null`}, {`round(2.345, 1 + 1)`, `2.35`}, {`round(${missing}, 2)`, `null`}, {`date('2017/5/3')`, `"2017-05-03"`},
		{`date('soon')`, `null`},

		// Our own.
		{`age('2010-01-31')`, `10`}, {`age('2010-02-01')`, `9`}, {`age('2020-01-31')`, `0`}, {`age('2021-01-01')`, `null`}, {`age(${missing}) < 1`, `false`},
		{`id_number('11010519491231002X')`, `true`}, {`id_number('110105194912310021')`, `false`}, {`id_number(${missing})`, `false`},
		{`id_birth_date('11010519491231002X')`, `"1949-12-31"`}, {`id_sex('11010519491231002X')`, `"female"`}, {`id_sex('1')`, `null`},
	}
	for _, tt := range tests {
		e, err := parse(tt.expr, known)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		x := e.root.eval(&env{values: sample, self: "12.5", today: "2020-01-31"})
		if got := x.value(); got != tt.want {
			t.Errorf("%s = %s; want %s", tt.expr, got, tt.want)
		}
		if e.String() != tt.expr {
			t.Errorf("%s prints as %s", tt.expr, e)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ expr, reason string }{
		{``, "ends too early"},
		{`1 +`, "ends too early"},
		{`(1`, `")" missing`},
		{`1 2`, `unexpected "2"`},
		{`1 == 2`, `unexpected "="`},
		{`'abc`, "closing quote"},
		{`${nowhere} = 1`, "unknown field ${nowhere}"},
		{`${n = 1`, "${ without }"},
		{`foo(1)`, `function "foo" is not in the subset`},
		{`jr:choice-name('a', 'b')`, `function "jr:choice-name" is not in the subset`},
		{`code`, `function "code" is not in the subset`},
		{`today(1)`, "does not take 1"},
		{`selected(.)`, "does not take 1"},
		{`if(1, 2)`, "does not take 2"},
		{`round(1, 2, 3)`, "does not take 3"},
		{`coalesce(1)`, "does not take 1"},
		{`regex(., '[')`, "regex: "},
		{`regex(., ${code})`, "text in quotes"},
		{`regex(., '(?=x)')`, "regex: "},
		{`1.2.3 = 1`, "not a number"},
		{`../a`, `unexpected "."`},
		{`/data/a`, "not in the subset"},
		{`. ! 1`, "not in the subset"},
		{`. = “x”`, "not in the subset"},
		{strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100), "nested deeper"},
		{strings.Repeat("1 + ", 600) + "1", "longer than"},
	}
	for _, tt := range tests {
		e, err := parse(tt.expr, known)
		if err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, %v; want %q", tt.expr, e, err, tt.reason)
		}
	}
}

// Whatever parses can be evaluated, and gives a canonical value.
func FuzzExpr(f *testing.F) {
	for _, form := range Builtin().Forms() {
		for _, fd := range form.Fields {
			for _, e := range []*Expr{fd.Relevant, fd.Constraint, fd.Calculation, fd.RequiredWhen, fd.Issue} {
				if e != nil {
					f.Add(e.String())
				}
			}
		}
	}
	f.Add(`round((${n} - ${big}) div ${neg} mod 3, 2) >= -1 or coalesce(${missing}, .) = ''`)
	f.Fuzz(func(t *testing.T, source string) {
		e, err := parse(source, func(string) bool { return true })
		if err != nil {
			return
		}
		for _, self := range sample {
			x := e.root.eval(&env{values: sample, self: self, today: "2020-01-31"})
			if v := x.value(); !v.Canonical() {
				t.Errorf("%s gives %s", source, v)
			}
		}
	})
}
