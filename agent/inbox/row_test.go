package inbox

import (
	"strings"
	"testing"

	"zhucun/shared/form"
)

// Each row is a line that has one key twice, and where the second ends: which
// of the two its writer meant nobody can tell.
func TestKeyTwice(t *testing.T) {
	forms := form.Builtin()
	for _, tt := range []struct{ name, line, want string }{
		{"in the fields", `{"fields":{"findings":"a","findings":"b"}}`, `"findings" is there twice (the second at byte 36)`},
		{"without fields", `{"findings":"a","findings":"b"}`, `"findings" is there twice (the second at byte 26)`},
		{"of the envelope", `{"id":"","fields":{},"id":""}`, `"id" is there twice`},
		{"written otherwise", `{"findings":"a","finding\u0073":"a"}`, `"findings" is there twice`},
		{"the same value", `{"findings":"a","findings":"a"}`, `"findings" is there twice`},
		{"in what get prints", `{"fields":{},"marks":[1,{"path":"a","path":"b"}]}`, `"path" is there twice`},
		{"without a name", `{"":1,"":2}`, `"" is there twice`},
		{"all that get prints", `{"fields":{},"questions":{},"in_bundle":true,"rejected":true,"erased":true,"history":[]}`, ""},
		{"in two objects", `{"fields":{"findings":"a"},"marks":[{"path":"a"},{"path":"b"}],"conflicts":{"findings":[]}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Line(forms, "visit", []byte(tt.line))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(Say(err, form.En), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
