package record

import (
	"testing"

	"pgregory.net/rapid"
)

// Each row is a JSON text as it may arrive and the one spelling it has here.
func TestParseValue(t *testing.T) {
	tests := []struct{ in, want string }{
		{`"a"`, `"a"`},
		{` "\u738b小<&>" `, `"王小<&>"`},
		{`"a\/b\n\u0001"`, `"a/b\n\u0001"`},
		{`1.50`, `1.5`},
		{`-0.0`, `0`},
		{`1.2e3`, `1200`},
		{`12e-4`, `0.0012`},
		{`100`, `100`},
		{`[114.212892, 29.10]`, `[114.212892,29.1]`},
		{`{"b":1,"a":[true,null]}`, `{"a":[true,null],"b":1}`},
		// A number as wide as a disk is not a number.
		{`1e999`, ``},
		{`1e99999999999`, ``},
		{`01`, ``},
		{`"a" "b"`, ``},
		{`[[[[[[[[[[1]]]]]]]]]]`, ``},
		{"\"\xff\"", ``},
		{``, ``},
	}
	for _, tt := range tests {
		got, err := ParseValue([]byte(tt.in))
		if string(got) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseValue(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestValueOfText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		v := Text(s)
		if !v.Canonical() {
			t.Fatalf("Text(%q) = %s is not canonical", s, v)
		}
		if got, ok := v.Text(); !ok || got != s {
			t.Fatalf("Text(%q).Text() = %q, %v", s, got, ok)
		}
	})
}

// The short way to tell a canonical value says what the long one says.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`"王"`, `"a"b"`, `"\n"`, "\"\n\"", "\"\xff\"", `"`, `""`, `true`, `1.0`, `null`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseValue([]byte(s))
		if want := err == nil && string(w) == s; Value(s).Canonical() != want {
			t.Errorf("%q: canonical %v, want %v", s, !want, want)
		}
	})
}

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{`"王"`, `1.50e2`, `[1,"a",{"b":null}]`, `-0`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := ParseValue(raw)
		if err != nil {
			return
		}
		// Canonical form is a fixed point: read again, it is itself.
		if w, err := ParseValue([]byte(v)); err != nil || w != v {
			t.Errorf("%q gives %q, which gives %q, %v", raw, v, w, err)
		}
	})
}

func TestDotText(t *testing.T) {
	d := Dot{Stream{1, 2, 3}, 42}
	if got, err := ParseDot(d.String()); err != nil || got != d {
		t.Errorf("ParseDot(%s) = %v, %v", d, got, err)
	}
	for _, s := range []string{"", "x", "01:1", Dot{Seq: 0}.String(), Stream{}.String(), Stream{}.String() + ":-1"} {
		if got, err := ParseDot(s); err == nil {
			t.Errorf("ParseDot(%q) = %v, want an error", s, got)
		}
	}
}
