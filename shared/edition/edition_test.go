package edition

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"zhucun/shared/figure"
	"zhucun/shared/form"
)

// table is the form of visits with something otherwise.
func table(t testing.TB, old, new string) []byte {
	raw := form.BuiltinTables()["visit.csv"]
	if !bytes.Contains(raw, []byte(old)) {
		t.Fatalf("%q is not in the form", old)
	}
	return bytes.Replace(raw, []byte(old), []byte(new), 1)
}

// Editions lie one over the other; what one says holds until another says it anew.
func TestNext(t *testing.T) {
	none := &Edition{}
	if raw, err := none.Encode(); err != nil || raw != nil {
		t.Errorf("no edition is %x, %v", raw, err)
	}
	one, err := none.Next(form.Tables{"visit.csv": table(t, "答应办的事", "承诺")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lists := []byte("list_name,name,label::中文 (zh),label::English (en)\ncrop,rice,稻,rice\n")
	two, err := one.Next(form.Tables{"choices.csv": lists}, figure.Tables{"exit_lines.csv": []byte("year,yuan\n2016,3000\n")})
	if err != nil {
		t.Fatal(err)
	}
	three, err := two.Next(form.Tables{"choices.csv": bytes.Replace(lists, []byte("crop,rice,稻,rice"), []byte("herd,pig,猪,pig"), 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := three.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := Decode(raw)
	if err != nil || read.Number != 3 {
		t.Fatal(read, err)
	}
	set, rules, err := read.Load()
	if err != nil || set.Form("visit").Field("promised").Label.Zh != "承诺" || len(set.Choices("crop")) != 1 || len(set.Choices("herd")) != 1 || len(set.Choices("yes_no")) != 2 ||
		len(rules.Lines) != 1 || len(rules.Indicators) != 9 {
		t.Errorf("%v, %v, %v", set.Form("visit").Field("promised").Label, rules, err)
	}
	if form.Builtin().Form("visit").Field("promised").Label.Zh != "答应办的事" || len(figure.Builtin().Lines) == 1 {
		t.Error("the program's own were changed")
	}
}

// What no program of this release reads is told by file and row.
func TestMistakes(t *testing.T) {
	for name, e := range map[string]*Edition{
		"visit.csv row 2: unknown type":         {Number: 1, Forms: form.Tables{"visit.csv": table(t, "select_one_from_file", "select_one_from_afar")}},
		"flood.csv: no row in":                  {Number: 1, Forms: form.Tables{"flood.csv": table(t, "户", "户")}},
		"exit_lines.csv row 2: ":                {Number: 1, Rules: figure.Tables{"exit_lines.csv": []byte("year,yuan\n2016,much\n")}},
		"indicators.csv row 1: the columns are": {Number: 1, Rules: figure.Tables{"indicators.csv": []byte("a,b,c,d\n")}},
	} {
		var m *form.Mistake
		if _, _, err := e.Load(); !errors.As(err, &m) || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%v; want %s", err, name)
		}
	}
}

// Whatever comes is an edition or none; what is one is the same when it is written again.
func FuzzDecode(f *testing.F) {
	raw, err := (&Edition{Number: 2, Forms: form.Tables{"visit.csv": table(f, "户", "户")}, Rules: figure.BuiltinTables()}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{0xa1, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := Decode(raw)
		if err != nil {
			if !errors.Is(err, ErrUnread) {
				t.Error(err)
			}
			return
		}
		_, _, _ = e.Load()
		again, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(again); err != nil || back.Number != e.Number || len(back.Forms) != len(e.Forms) {
			t.Errorf("%v, %v", back, err)
		}
	})
}
