package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"zhucun/agent/syncclient"
	"zhucun/shared/form"
)

// How many files there are is said, and that each may travel alone, only where there
// are several; of what was written before a failure, that it is there. For scripts
// each file is a line.
func TestExported(t *testing.T) {
	one := []syncclient.Exported{{File: "stick/a.zcb", Serial: 1, Changes: 7, Bytes: 900}}
	two := []syncclient.Exported{{File: "stick/a-1.zcb", Serial: 1, Changes: 7, Left: 3, Bytes: 32 << 20}, {File: "stick/a-2.zcb", Serial: 2, Changes: 3, Bytes: 900}}
	tests := []struct {
		name string
		made []syncclient.Exported
		all  bool
		lang form.Lang
		want []string
		not  string
	}{
		{"one", one, true, form.Zh, []string{"stick/a.zcb：7 条修改，1 KB", "bundle take"}, "先后不限"},
		{"several", two, true, form.Zh, []string{"a-1.zcb：7 条修改，32.0 MB", "a-2.zcb：3 条修改，1 KB", "共 2 个", "先后不限"}, "提示"},
		{"several", two, true, form.En, []string{"there are 2", "in any order"}, "Note"},
		{"the second failed", two[:1], false, form.En, []string{"Wrote stick/a-1.zcb: 7 changes"}, "Give it to the office"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		if err := (&call{out: &out, lang: tt.lang}).exported(tt.made, tt.all); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in %s", tt.name, want, out.String())
			}
		}
		if strings.Contains(out.String(), tt.not) {
			t.Errorf("%s: %q in %s", tt.name, tt.not, out.String())
		}
	}
	var out bytes.Buffer
	if err := (&call{out: &out, json: true}).exported(two, true); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&out)
	for _, want := range two {
		var got syncclient.Exported
		if err := d.Decode(&got); err != nil || got != want {
			t.Errorf("%+v, want %+v, %v", got, want, err)
		}
	}
	if d.More() {
		t.Error("more than a line for each file")
	}
}

// Each row is a size as people write it, in bytes; 0 is none that a bundle can have.
func TestSizeOf(t *testing.T) {
	for text, want := range map[string]int64{
		"20M": 20 << 20, "20MB": 20 << 20, "1g": 1 << 30, "2048K": 2 << 20, "1048576": 1 << 20,
		"20": 0, "2G": 0, "M": 0, "-5M": 0, "20T": 0, "20MM": 0, "2 M": 0, "99999999999M": 0,
	} {
		if got, err := sizeOf(text); want == 0 && err == nil || want != 0 && (got != want || err != nil) {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

// What goes along and what stays behind is said of a bundle.
func TestExportedFiles(t *testing.T) {
	var out bytes.Buffer
	made := []syncclient.Exported{{File: "a.zcb", Changes: 1, Bytes: 9 << 20, Files: 3, FilesLeft: 2, FilesLeftBytes: 30 << 20, Unread: 1}}
	if err := (&call{out: &out, lang: form.En}).exported(made, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"with 3 photos", "1 cannot be read", "2 photos and other files (30.0 MB) are not in it", "--photos all"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	// Where all were asked for, that is not what helps.
	out.Reset()
	made[0].FilesSize = 22 << 20
	if err := (&call{out: &out, lang: form.En}).exported(made, true); err != nil || !strings.Contains(out.String(), "--photos all --size 22M") {
		t.Errorf("%v, %s", err, out.String())
	}
}
