package odata

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"zhucun/server/store"
)

// tree is the table of the tests.
var tree = Set{Name: "tree", Says: "树<&\"", Properties: []Property{
	{Name: "village", Kind: String, Key: true, Column: store.Operand{Column: "village"}},
	{Name: "id", Kind: ID, Key: true, Column: store.Operand{Column: "id"}},
	{Name: "name", Kind: String, Column: store.Operand{Column: "name"}},
	{Name: "name_label", Kind: String, Column: store.Operand{Column: "name", Label: true}},
	{Name: "height", Kind: Double, Column: store.Operand{Column: "height"}},
	{Name: "rings", Kind: Int, Column: store.Operand{Column: "rings"}},
	{Name: "planted", Kind: Date, Column: store.Operand{Column: "planted"}},
	{Name: "seen", Kind: Moment, Column: store.Operand{Column: "seen"}},
	{Name: "old", Kind: Boolean, Column: store.Operand{Column: "old"}},
	{Name: "secret", Kind: String},
}}

// write gives a test back as a text, its parentheses all there.
func write(t store.Test) string {
	switch t.Op {
	case store.OpAnd, store.OpOr:
		var parts []string
		for _, sub := range t.Tests {
			parts = append(parts, write(sub))
		}
		return "(" + strings.Join(parts, " "+string(t.Op)+" ") + ")"
	case store.OpNot:
		return "not " + write(t.Tests[0])
	}
	left := t.Left.Column
	if t.Left.Label {
		left += "!"
	}
	if t.Left.Call != "" {
		left = t.Left.Call + "(" + left + ")"
	}
	return fmt.Sprintf("%s %s %#v", left, t.Op, t.Values)
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]string{
		"name eq 'a'":                                `name eq []interface {}{"a"}`,
		"name eq 'it''s (a) and b'":                  `name eq []interface {}{"it's (a) and b"}`,
		"'a' eq name":                                `name eq []interface {}{"a"}`,
		"3 lt rings":                                 `rings gt []interface {}{3}`,
		"height ge -1.5":                             `height ge []interface {}{-1.5}`,
		"name eq null":                               `name eq []interface {}{interface {}(nil)}`,
		"null ne name":                               `name ne []interface {}{interface {}(nil)}`,
		"planted gt 2017-05-23":                      `planted gt []interface {}{"2017-05-23"}`,
		"seen lt 2017-05-23T08:00:00+08:00":          `seen lt []interface {}{1495497600000}`,
		"seen ge 2017-05-23T00:00:00.5Z":             `seen ge []interface {}{1495497600500}`,
		"id eq 01900000-0000-7000-8000-000000000001": `id eq []interface {}{"01900000-0000-7000-8000-000000000001"}`,
		"old":                                   `old eq []interface {}{true}`,
		"not old":                               `not old eq []interface {}{true}`,
		"old eq false and rings in (1, 2,null)": `(old eq []interface {}{false} and rings in []interface {}{1, 2, interface {}(nil)})`,
		"rings eq 1 or rings eq 2 and rings eq 3":        `(rings eq []interface {}{1} or (rings eq []interface {}{2} and rings eq []interface {}{3}))`,
		"(rings eq 1 or rings eq 2) and not(rings eq 3)": `((rings eq []interface {}{1} or rings eq []interface {}{2}) and not rings eq []interface {}{3})`,
		"contains(name,'b')":                             `name contains []interface {}{"b"}`,
		"contains(name,'b') eq true":                     `name contains []interface {}{"b"}`,
		"startswith(name, 'b') eq false":                 `not name startswith []interface {}{"b"}`,
		"endswith(tolower(name),'b') ne false":           `tolower(name) endswith []interface {}{"b"}`,
		"year(planted) eq 2017":                          `year(planted) eq []interface {}{2017}`,
		"length(name) gt 3":                              `length(name) gt []interface {}{3}`,
		"name_label eq '松'":                              `name! eq []interface {}{"松"}`,
		"  name   eq\t'a'  ":                             `name eq []interface {}{"a"}`,
	} {
		got, err := ParseFilter(&tree, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if write(*got) != want {
			t.Errorf("%s\n got %s\nwant %s", text, write(*got), want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{"", "name", "name eq", "name eq a", "name eq 'a", "name eq 'a' x", "eq 'a'", "nam eq 'a'", "name eq 1", "rings eq 'a'", "rings eq x", "rings eq Inf", "rings eq 0x10", "planted eq 2017-02-30",
		"planted eq 'x'", "seen eq 2017", "id eq 'x'", "old eq 'true'", "old eq 1", "secret eq 'a'", "contains(secret,'a')", "contains(rings,'a')", "contains(name)", "contains(name,null)", "contains(name,'a'", "rings in 1", "rings in ()",
		"rings in (1", "(rings eq 1", "rings eq 1)", "not", "and", "rings eq 1 and", "rings eq 1 rings eq 2", "substringof('a',name)", "rings add 1 eq 2", "tolower(rings) eq 'a'", "year(name) eq 1", "name eq rings", "\xff eq 'a'", "name eq '\xff'",
		strings.Repeat("(", 100) + "old" + strings.Repeat(")", 100), strings.Repeat("not ", 100) + "old", strings.Repeat("old or ", 200) + "old", "rings in (" + strings.Repeat("1,", 600) + "1)", strings.Repeat(" ", 9000) + "old"} {
		_, err := ParseFilter(&tree, text)
		var e *Error
		if !errors.As(err, &e) || e.Zh == "" || e.En == "" || strings.Contains(e.En+e.Zh, "%!") {
			t.Errorf("%.40q: %#v", text, err)
		}
	}
	for _, text := range []string{"", "x", "name down", "name asc desc", "secret", ",", "name,,rings", "name;rings", strings.Repeat("name,", 10) + "name"} {
		if _, err := ParseOrder(&tree, text); err == nil {
			t.Errorf("order %q is taken", text)
		}
	}
	for _, text := range []string{"x", "name,x", ",", "name eq"} {
		if _, err := ParseSelect(&tree, text); err == nil {
			t.Errorf("select %q is taken", text)
		}
	}
	for _, text := range []string{"", "1", "village='1'", "village='1',id=x", "village='1',village='1'", "id=01900000-0000-7000-8000-000000000001", "name='x'", "village=null,id=01900000-0000-7000-8000-000000000001"} {
		if _, err := ParseKey(&tree, text); err == nil {
			t.Errorf("key %q is taken", text)
		}
	}
	if _, err := ParseKey(&tree, "village='1',id=01900000-0000-7000-8000-000000000001"); err != nil {
		t.Error(err)
	}
}

func TestMetadata(t *testing.T) {
	raw := Metadata([]Set{tree})
	d := xml.NewDecoder(strings.NewReader(string(raw)))
	names := map[string]int{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if e, is := token.(xml.StartElement); is {
			names[e.Name.Local]++
		}
	}
	if names["Property"] != len(tree.Properties) || names["PropertyRef"] != 2 || names["EntitySet"] != 1 {
		t.Errorf("%v", names)
	}
	raw, err := MetadataJSON([]Set{tree})
	if err != nil || !json.Valid(raw) {
		t.Errorf("%v %s", err, raw)
	}
}

// Whatever comes is read or refused with a sentence; what is read is within its bounds and
// asks for nothing but what may be asked for.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"name eq 'a'", "not (rings in (1,2)) or contains(tolower(name),'''')", "seen lt 2017-05-23T08:00:00Z", "3 lt rings and old"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFilter(&tree, text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !utf8.ValidString(e.Zh) && utf8.ValidString(text) {
				t.Errorf("%v", err)
			}
			return
		}
		tests := 0
		var check func(store.Test)
		check = func(x store.Test) {
			for _, sub := range x.Tests {
				check(sub)
			}
			if len(x.Tests) == 0 {
				tests++
				if x.Left.Column == "" || x.Left.Column == "secret" || len(x.Values) == 0 {
					t.Errorf("%q asks %+v", text, x)
				}
			}
		}
		if check(*got); tests > maxTests {
			t.Errorf("%d tests", tests)
		}
		got.Holds(func(store.Operand) any { return nil })
	})
}
