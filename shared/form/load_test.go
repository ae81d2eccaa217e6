package form

import (
	"io/fs"
	"strings"
	"testing"
)

// small is the tables of forms without a mistake.
func small() Tables {
	return Tables{
		"settings.csv": []byte("form_id,version,title::中文 (zh),title::English (en),group,key,alike,titles,writers,owners\n" +
			"house,3,户,House,g,no,no | name,name,member office,office\n" +
			"note,1,记,Note,g,_author day,,day,member,\n"),
		"choices.csv": []byte("list_name,name,label::中文 (zh),label::English (en),also,merge\n" +
			"form_group,g,组,group,,\nrole,member,队员,member,,\nrole,office,办公室,office,,\n" +
			"stage,one,一,one,first,\nstage,two,二,two,,\nstage,stopped,停,stopped,,review\n"),
		"house.csv": []byte("\ufeff" + `type,name,label::中文 (zh),label::English (en),relevant,constraint,constraint_message::中文 (zh),constraint_message::English (en),required,calculation,merge,mask
text,no,编号,Number,,"regex(., '^\d+$')",数字,digits,,,owner,yes
text,name,名,Name,,,,,yes,,review,
integer,a,甲,A,${name} != '',. >= 0,不小于0,from 0,,,max,
calculate,twice,倍,Twice,,,,,,${a} * 2,,
select_one stage,stage,段,Stage,,,,,,,max,
`),
		"headings.csv": []byte("form_id,field,also\nhouse,no,号码 号\n"),
		"note.csv": []byte("type,name,label::中文 (zh),label::English (en),merge,parameters\ndate,day,日,Day,author,\n" +
			"select_one_from_file house.csv,house,户,House,author,\nimage,photos,照片,Photos,union,location=yes\n"),
	}
}

func TestLoad(t *testing.T) {
	s, err := Load(small())
	if err != nil {
		t.Fatal(err)
	}
	house, note := s.Form("house"), s.Form("note")
	if house.Version != 3 || house.Title.In(En) != "House" || len(house.Alike) != 2 || house.Authored || house.Field("a").Row != 4 {
		t.Errorf("house: %+v", house)
	}
	if !note.Authored || len(note.Key) != 1 || note.Field("house").Refers != "house" || !note.Field("photos").Many() || !note.Field("photos").Placed || note.Field("day").Placed {
		t.Errorf("note: %+v", note)
	}
}

// Each row plants one mistake in the folder above: in file, old becomes new.
// The error names file and row.
func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, file, old, new, want string }{
		{"heading of another field", "headings.csv", "号码", "名", `headings.csv row 2: heading "名" is that of another field`},
		{"heading twice", "headings.csv", "号码", "号", `headings.csv row 2: heading "号" is that of another field, or there twice`},
		{"heading of no field", "headings.csv", "no,", "nose,", `headings.csv row 2: no field "nose" in form "house"`},
		{"function", "house.csv", `. >= 0`, `foo(.)`, `house.csv row 4: constraint: function "foo" is not in the subset`},
		{"field", "house.csv", `${name} != ''`, `${nme} != ''`, `house.csv row 4: relevant: unknown field ${nme}`},
		{"arguments", "house.csv", `${a} * 2`, `not()`, `house.csv row 5: calculation: function "not" does not take 0 arguments`},
		{"regex", "house.csv", `^\d+$`, `^(\d+$`, "house.csv row 2: constraint: regex: error parsing"},
		{"syntax", "house.csv", `${a} * 2`, `${a} ** 2`, `house.csv row 5: calculation: unexpected "*"`},
		{"calculation of itself", "house.csv", `${a} * 2`, `${twice} * 2`, `house.csv row 5: calculation: unknown field ${twice}`},
		{"required", "house.csv", ",yes,,review", ",perhaps,,review", `house.csv row 3: required: function "perhaps"`},
		{"required calculation", "house.csv", ",,,,,,${a}", ",,,,,yes,${a}", "house.csv row 5: a calculate field"},
		{"type", "house.csv", "integer,a", "int,a", `house.csv row 4: unknown type "int"`},
		{"type and list", "house.csv", "integer,a", "integer stage,a", `house.csv row 4: type "integer" followed by "stage"`},
		{"list", "house.csv", "select_one stage", "select_one stages", `house.csv row 6: no list "stages" in choices.csv`},
		{"reference", "note.csv", "house.csv,", "home.csv,", `note.csv row 3: "home.csv" does not name a form's file`},
		{"name", "house.csv", "text,name", "text,Name", `house.csv row 3: name "Name"`},
		{"name twice", "house.csv", "text,name", "text,no", `house.csv row 3: field "no" twice`},
		{"no label", "house.csv", "名,Name", "名,", "house.csv row 3: label: both languages are needed"},
		{"no message", "house.csv", "不小于0,", ",", "house.csv row 4: constraint_message: both languages are needed"},
		{"policy", "house.csv", "review", "newest", `house.csv row 3: merge: "newest" is none of`},
		{"no policy", "house.csv", "review", "", `house.csv row 3: merge: "" is none of`},
		{"union of numbers", "house.csv", ",,,max,\ncalc", ",,,union,\ncalc", "house.csv row 4: merge: union does not go with integer"},
		{"greatest picture", "note.csv", "Photos,union", "Photos,max", "note.csv row 4: merge: max does not go with image"},
		{"owner of a form without owners", "note.csv", "Day,author", "Day,owner", "note.csv row 2: merge: owner, but settings.csv"},
		{"mask", "house.csv", "owner,yes", "owner,no", `house.csv row 2: mask: "no"`},
		{"parameters", "note.csv", "parameters\ndate,day,日,Day,author,", "parameters\ndate,day,日,Day,author,location=yes", `note.csv row 2: parameters: "location=yes"; an image`},
		{"picture's parameters", "note.csv", "location=yes", "max-pixels=99", `note.csv row 4: parameters: "max-pixels=99"; an image`},
		{"column", "house.csv", "relevant", "relevent", `house.csv row 1: column "relevent" is unknown`},
		{"column twice", "house.csv", "relevant", "name", `house.csv row 1: column "name" is unknown or there twice`},
		{"cells", "note.csv", "Day,author,", "Day", "note.csv row 2: wrong number of fields"},
		{"quote", "note.csv", "日", `"日`, "note.csv row 2: extraneous or missing"},
		{"version", "settings.csv", "house,3", "house,0", `settings.csv row 2: version: "0"`},
		{"form twice", "settings.csv", "note,1", "house,1", `settings.csv row 3: form "house" twice`},
		{"form's name", "settings.csv", "note,1", "no te,1", `settings.csv row 3: form_id "no te"`},
		{"title field", "settings.csv", ",name,member office", ",nam,member office", `settings.csv row 2: unknown field "nam"`},
		{"key", "settings.csv", "g,no,", "g,nr,", `settings.csv row 2: unknown field "nr"`},
		{"role", "settings.csv", "day,member", "day,membr", `settings.csv row 3: writers: unknown role "membr"`},
		{"owner that may not write", "settings.csv", "member office,office", "member,office", `settings.csv row 2: owners: "office" is not among`},
		{"group", "settings.csv", "Note,g", "Note,h", `settings.csv row 3: group: unknown code "h"`},
		{"no file", "settings.csv", "note,1", "memo,1", "memo.csv: it is missing"},
		{"file that nothing names", "settings.csv", "note,1,记,Note,g,_author day,,day,member,\n", "", "note.csv: no row in settings.csv"},
		{"code twice", "choices.csv", "stage,two", "stage,one", `choices.csv row 6: code "one" twice in list "stage"`},
		{"code", "choices.csv", "stage,two", "stage,two x", `choices.csv row 6: list_name "stage", name "two x"`},
		{"code's label", "choices.csv", "二,two", ",two", "choices.csv row 6: label: both languages"},
		{"code's merge", "choices.csv", "review", "max", `choices.csv row 7: merge: "max"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := small()
			text := string(dir[tt.file])
			if !strings.Contains(text, tt.old) {
				t.Fatalf("%q is not in %s", tt.old, tt.file)
			}
			dir[tt.file] = []byte(strings.Replace(text, tt.old, tt.new, 1))
			if _, err := Load(dir); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v; want %s", err, tt.want)
			}
		})
	}
}

// A folder of forms loads or is refused, whatever is in a file.
func FuzzLoad(f *testing.F) {
	for name, file := range small() {
		f.Add(name, file)
	}
	for _, name := range []string{"settings.csv", "choices.csv", "household.csv", "person.csv"} {
		raw, err := fs.ReadFile(data, "data/"+name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("house.csv", raw)
	}
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		dir := small()
		if dir[name] == nil {
			return
		}
		dir[name] = raw
		s, err := Load(dir)
		if err != nil {
			return
		}
		for _, form := range s.Forms() {
			form.Check(nil, "2020-01-31")
			form.Calculate(nil, "2020-01-31")
		}
	})
}
