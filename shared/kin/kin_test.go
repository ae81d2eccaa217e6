package kin

import (
	"maps"
	"strings"
	"testing"

	"zhucun/shared/record"
)

// What somebody is to the new head, by what both were to the old one.
func TestBecomes(t *testing.T) {
	person := func(words string) Person {
		relation, sex, _ := strings.Cut(words, " ")
		return Person{Relation: relation, Sex: sex}
	}
	for _, tt := range []struct{ head, who, want string }{
		{"spouse female", "head male", "spouse"},
		{"spouse female", "son male", "son"},
		{"spouse female", "father male", "husbands_father"},
		{"spouse male", "mother female", "wifes_mother"},
		{"spouse female", "wifes_mother female", "mother"},
		{"son male", "head male", "father"},
		{"son male", "spouse female", "mother"},
		{"son male", "daughter_in_law female", "spouse"},
		{"son male", "sons_daughter female", "daughter"},
		{"daughter female", "sons_daughter female", ""},
		{"daughter female", "daughters_son male", "son"},
		{"other male", "head male", ""},
	} {
		if got := Becomes(person(tt.head), person(tt.who)); got != tt.want {
			t.Errorf("%s beside %s: %q, want %q", tt.who, tt.head, got, tt.want)
		}
	}
}

// Each row is a change, who has to say what they are to the head, and the head of those
// who stay.
func TestChange(t *testing.T) {
	people := func(goes string) (list []Person) {
		for i, relation := range []string{"head", "spouse", "son"} {
			list = append(list, Person{ID: record.ID{byte(i + 1)}, Name: record.Text(relation), Relation: relation, Goes: strings.Contains(goes, relation)})
		}
		return list
	}
	for _, tt := range []struct {
		do, goes, stay string
		again          int
		head           record.Value
	}{
		{Split, "son", "", 1, record.Null},
		{Split, "head son", "spouse", 3, `"spouse"`},
		{Move, "spouse", "", 1, record.Null},
		{Join, "head spouse son", "", 3, record.Null},
		{Head, "", "", 3, `"son"`},
	} {
		c := Change{Do: tt.do, People: people(tt.goes), Head: record.ID{3}, To: record.ID{9}}
		if tt.stay != "" {
			c.Stay = record.ID{2}
		}
		if n := len(c.Resettled()); n != tt.again || c.HeadOfRest() != tt.head {
			t.Errorf("%s of %q: %d are resettled, the head is %s", tt.do, tt.goes, n, c.HeadOfRest())
		}
	}
	c := Change{Do: Split, People: people("son"), Head: record.ID{3}, To: record.ID{9}}
	was := map[string]record.Value{"main_cause": `"illness"`, "phone": `"1"`}
	if got := c.Founded("三组", true, was); !maps.Equal(got, map[string]record.Value{"head_name": `"son"`, "group_name": `"三组"`, "main_cause": `"illness"`}) {
		t.Errorf("it is founded with %v", got)
	}
	if got := c.Fields(c.People[2], `"2017-05-23"`, `"split"`); len(got) != 4 || got["household"] != record.Text(record.ID{9}.String()) {
		t.Errorf("who goes gets %v", got)
	}
	if got := c.Fields(c.People[0], "", ""); len(got) != 1 {
		t.Errorf("who stays gets %v", got)
	}
}
