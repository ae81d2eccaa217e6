package kin

import (
	"slices"
	"strings"

	"zhucun/shared/record"
)

// The changes.
const (
	Split = "split" // some make a household of their own
	Move  = "move"  // some go to a household that is here
	Join  = "join"  // all do, and the household ends
	Head  = "head"  // another one is its head
)

// Person is somebody of the household.
type Person struct {
	ID            record.ID
	Name          record.Value
	Relation, Sex string
	Goes          bool
	Becomes       string // the relation to the head of then
}

// Change is a change of who is of a household.
type Change struct {
	Do     string
	People []Person
	To     record.ID // the household where they go
	Head   record.ID // of the new household, or the new one of this
	Stay   record.ID // the head of those who stay
}

// Leaving and Staying are the people that go and those that do not.
func (c *Change) Leaving() []Person { return c.some(true) }
func (c *Change) Staying() []Person { return c.some(false) }

func (c *Change) some(goes bool) (out []Person) {
	for _, x := range c.People {
		if x.Goes == goes {
			out = append(out, x)
		}
	}
	return out
}

// Headless tells whether the head goes and others stay.
func (c *Change) Headless() bool {
	return len(c.Staying()) > 0 && slices.ContainsFunc(c.Leaving(), func(x Person) bool { return x.Relation == "head" })
}

// Resettled are those whose relation to the head has to be said anew.
func (c *Change) Resettled() []Person {
	if c.Do == Head || c.Do == Join || c.Headless() {
		return c.People
	}
	return c.Leaving()
}

// Person finds one of them; nil where there is none of the id.
func (c *Change) Person(id record.ID) *Person {
	if i := slices.IndexFunc(c.People, func(x Person) bool { return x.ID == id }); i >= 0 {
		return &c.People[i]
	}
	return nil
}

// Fields gives what is written to the record of somebody who is resettled; day and why are
// of those that go.
func (c *Change) Fields(x Person, day, why record.Value) map[string]record.Value {
	fields := map[string]record.Value{"relation": record.Text(x.Becomes)}
	if x.Goes {
		fields["household"], fields["change_type"], fields["change_date"] = record.Text(c.To.String()), why, day
	}
	return fields
}

// HeadOfRest gives the name of the head that the household has then; Null where it keeps
// the one that it has.
func (c *Change) HeadOfRest() record.Value {
	id := record.ID{}
	switch {
	case c.Do == Head:
		id = c.Head
	case c.Headless():
		id = c.Stay
	}
	if x := c.Person(id); x != nil {
		return x.Name
	}
	return record.Null
}

// Registered are the answers that a household which splits off has from the one that
// it was of, as long as nobody says otherwise.
var Registered = []string{"poverty_attr", "poverty_status", "registered_date", "main_cause", "helper_name", "helper_phone"}

// Founded gives the answers of a household that splits off: keep, from is the one that it
// was of, registered as that is.
func (c *Change) Founded(group string, keep bool, from map[string]record.Value) map[string]record.Value {
	fields := map[string]record.Value{"head_name": record.Null, "group_name": record.Text(group)}
	if x := c.Person(c.Head); x != nil {
		fields["head_name"] = x.Name
	}
	for _, name := range Registered {
		if v := from[name]; keep && v != "" {
			fields[name] = v
		}
	}
	return fields
}

// Becomes is what somebody is to a new head, by what both were to the old one; "" where
// that does not tell.
func Becomes(head, x Person) string {
	parent := func(male, female string) string {
		switch x.Sex {
		case "male":
			return male
		case "female":
			return female
		}
		return ""
	}
	switch head.Relation {
	case "spouse":
		in := map[string]string{"male": "wifes", "female": "husbands"}[head.Sex] // whose parents they were
		switch x.Relation {
		case "head":
			return "spouse"
		case "son", "daughter", "daughter_in_law", "son_in_law", "sons_son", "sons_daughter", "daughters_son", "daughters_daughter":
			return x.Relation
		case "father", "mother":
			if in != "" {
				return in + "_" + x.Relation
			}
		case "wifes_father", "husbands_father":
			return "father"
		case "wifes_mother", "husbands_mother":
			return "mother"
		}
	case "son", "daughter":
		switch x.Relation {
		case "head", "spouse":
			return parent("father", "mother")
		case "son", "daughter":
			return "other" // brothers and sisters have no code
		case "daughter_in_law":
			if head.Relation == "son" {
				return "spouse"
			}
		case "son_in_law":
			if head.Relation == "daughter" {
				return "spouse"
			}
		case "sons_son", "sons_daughter":
			if head.Relation == "son" {
				return strings.TrimPrefix(x.Relation, "sons_")
			}
		case "daughters_son", "daughters_daughter":
			if head.Relation == "daughter" {
				return strings.TrimPrefix(x.Relation, "daughters_")
			}
		}
	}
	return ""
}
