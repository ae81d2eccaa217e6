package form

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"zhucun/shared/record"
)

// Difference is what one set of forms has otherwise than another.
type Difference struct {
	Type  record.Type // empty of a code list that stands by itself
	Field string      // empty of the form itself
	List  string      // of a code
	Code  string
	// Column is the column that differs, as in the tables; empty where the form, field or
	// code is new or gone.
	Column        string
	Before, After string
	// Refused says why it cannot be.
	Refused Label
}

// Gone and New tell of a form, field or code that only one of the sets has.
func (d *Difference) Gone() bool { return d.Column == "" && d.After == "" }
func (d *Difference) New() bool  { return d.Column == "" && d.Before == "" }

// Differences gives what a set has otherwise than the one before it, form by form in its
// order, then list by list. What cannot be is marked: a field may not become another kind
// of answer, and what the program was built with (base) stays, for reports and permissions
// read it. What is masked or hidden is unmasked and unhidden by nobody: not by another
// table, not by taking its field out, of which records still say what it held, and not by a
// calculation that copies it.
func Differences(before, after, base *Set) []Difference {
	var out []Difference
	for _, f := range after.Forms() {
		out = append(out, differ(before.Form(f.Type), f, base.Form(f.Type))...)
	}
	for _, f := range before.Forms() {
		if after.Form(f.Type) == nil {
			out = append(out, Difference{Type: f.Type, Before: f.Title.Zh, Refused: refusedForm})
		}
	}
	old, new, kept := before.now.Load().lists, after.now.Load().lists, base.now.Load().lists
	names := map[string]bool{}
	for name := range old {
		names[name] = true
	}
	for name := range new {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, differIn(name, old[name], new[name], kept[name])...)
	}
	return out
}

// What is said of what cannot be.
var (
	refusedKind   = Label{"已有的字段不能换类型：原来的答案会读不出来。请另起一个字段", "A field cannot become another kind: its answers could not be read. Add another field"}
	refusedGone   = Label{"报表和权限要用这个字段，不能去掉。不想再问，可以写 relevant = false()", "Reports and permissions read this field; it stays. To ask it no more, write false() as relevant"}
	refusedCode   = Label{"报表和权限要用这个代码，不能去掉", "Reports and permissions read this code; it stays"}
	refusedMerge  = Label{"这个字段由谁说了算（owner、author、union）不能改", "Who decides this field (owner, author, union) cannot be changed"}
	refusedHidden = Label{"法规要求遮盖或不给看的，不能放开", "What is masked or hidden by law stays so"}
	refusedRole   = Label{"谁能写、谁作主、用什么认同一条记录，由程序规定", "Who writes, who decides and what tells records apart is the program's"}
	refusedForm   = Label{"已发布的表不能去掉：它的记录会找不到", "A form that was published stays: its records could not be found"}
	refusedCopy   = Label{"这个算式会把遮盖或不给看的内容抄出来；这个字段也要同样遮盖、不给看", "This calculation copies what is masked or hidden; mask and hide this field alike"}
	refusedWork   = Label{"报表按这个算式计算，不能改", "Reports go by this calculation; it stays"}
)

func differ(old, f, base *Form) []Difference {
	if old == nil {
		out := []Difference{{Type: f.Type, After: f.Title.Zh}}
		for _, fd := range f.Fields {
			if copies(f, fd) {
				out = append(out, Difference{Type: f.Type, Field: fd.Name, Column: "calculation", After: fd.Calculation.String(), Refused: refusedCopy})
			}
		}
		return out
	}
	var out []Difference
	cell := func(field, column, before, after string, refused Label) {
		if before != after {
			out = append(out, Difference{Type: f.Type, Field: field, Column: column, Before: before, After: after, Refused: refused})
		}
	}
	both := func(field, column string, before, after Label) {
		cell(field, column+"::中文 (zh)", before.Zh, after.Zh, Label{})
		cell(field, column+"::English (en)", before.En, after.En, Label{})
	}
	when := func(is bool, why Label) Label {
		if is {
			return why
		}
		return Label{}
	}
	both("", "title", old.Title, f.Title)
	cell("", "group", old.Group.Name, f.Group.Name, Label{})
	cell("", "titles", strings.Join(old.Titles, " "), strings.Join(f.Titles, " "), Label{})
	for _, c := range []struct{ column, before, after string }{
		{"key", keys(old), keys(f)}, {"alike", alike(old), alike(f)},
		{"writers", strings.Join(old.Writers, " "), strings.Join(f.Writers, " ")}, {"owners", strings.Join(old.Owners, " "), strings.Join(f.Owners, " ")},
	} {
		cell("", c.column, c.before, c.after, when(base != nil, refusedRole))
	}
	for _, fd := range f.Fields {
		was := old.Field(fd.Name)
		if was == nil {
			out = append(out, Difference{Type: f.Type, Field: fd.Name, After: fd.Label.Zh, Refused: when(copies(f, fd), refusedCopy)})
			continue
		}
		var built *Field
		if base != nil {
			built = base.Field(fd.Name)
		}
		cell(fd.Name, "type", typeOf(was), typeOf(fd), refusedKind)
		both(fd.Name, "label", was.Label, fd.Label)
		both(fd.Name, "hint", was.Hint, fd.Hint)
		both(fd.Name, "section", was.Section, fd.Section)
		cell(fd.Name, "required", required(was), required(fd), Label{})
		cell(fd.Name, "relevant", was.Relevant.String(), fd.Relevant.String(), Label{})
		cell(fd.Name, "constraint", was.Constraint.String(), fd.Constraint.String(), when(was.IDNumber() != fd.IDNumber(), refusedKind))
		both(fd.Name, "constraint_message", was.Message, fd.Message)
		cell(fd.Name, "calculation", was.Calculation.String(), fd.Calculation.String(), when(built != nil && built.Kind == Calculate, refusedWork))
		if copies(f, fd) {
			// Also where the calculation is as it was, and what it reads is masked now.
			out = append(out, Difference{Type: f.Type, Field: fd.Name, Column: "calculation", Before: was.Calculation.String(), After: fd.Calculation.String(), Refused: refusedCopy})
		}
		cell(fd.Name, "issue", was.Issue.String(), fd.Issue.String(), Label{})
		if fd.Kind != Calculate && was.Kind != Calculate {
			cell(fd.Name, "merge", was.Policy.String(), fd.Policy.String(), when(decided(was.Policy) || decided(fd.Policy), refusedMerge))
		}
		cell(fd.Name, "mask", yes(was.Masked), yes(fd.Masked), when(was.Masked && !fd.Masked, refusedHidden))
		cell(fd.Name, "hidden", strings.Join(was.Hidden, " "), strings.Join(fd.Hidden, " "), when(!covers(fd.Hidden, was.Hidden), refusedHidden))
		cell(fd.Name, "parameters", placed(was), placed(fd), Label{})
	}
	for _, was := range old.Fields {
		if f.Field(was.Name) == nil {
			why := when(was.Masked || len(was.Hidden) > 0, refusedHidden)
			if base != nil && base.Field(was.Name) != nil {
				why = refusedGone
			}
			out = append(out, Difference{Type: f.Type, Field: was.Name, Before: was.Label.Zh, Refused: why})
		}
	}
	return out
}

// told are what may be worked out of a number and shown, though it is masked itself.
var told = regexp.MustCompile(`\b(id_sex|id_birth_date|id_number)\(\s*\$\{[^}]*\}\s*\)`)

var named = regexp.MustCompile(`\$\{\s*([a-z0-9_]+)\s*\}`)

// copies tells a field whose calculation takes from one that is masked or hidden what it
// shows itself. One by one is enough: what stands between must be masked and hidden too.
func copies(f *Form, fd *Field) bool {
	for _, m := range named.FindAllStringSubmatch(told.ReplaceAllString(fd.Calculation.String(), ""), -1) {
		if from := f.Field(m[1]); from != nil && (from.Masked && !fd.Masked || !covers(fd.Hidden, from.Hidden)) {
			return true
		}
	}
	return false
}

// decided tells a policy by which records are laid out, or permissions given.
func decided(p Policy) bool { return p == Owner || p == Author || p == Union }

func keys(f *Form) string {
	k := strings.Join(f.Key, " ")
	if f.Authored {
		k = strings.TrimSpace("_author " + k)
	}
	return k
}

func alike(f *Form) string {
	sets := make([]string, len(f.Alike))
	for i, s := range f.Alike {
		sets[i] = strings.Join(s, " ")
	}
	return strings.Join(sets, " | ")
}

// typeOf gives a field's type as its table has it.
func typeOf(fd *Field) string {
	switch fd.Kind {
	case SelectOne, SelectMultiple:
		return fd.Kind.String() + " " + fd.List
	case RefOne, RefMultiple:
		return fd.Kind.String() + " " + string(fd.Refers) + ".csv"
	}
	return fd.Kind.String()
}

func required(fd *Field) string {
	if fd.RequiredWhen != nil {
		return fd.RequiredWhen.String()
	}
	return yes(fd.Required)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

func placed(fd *Field) string {
	if fd.Placed {
		return "location=yes"
	}
	return ""
}

func covers(have, all []string) bool {
	return !slices.ContainsFunc(all, func(s string) bool { return !slices.Contains(have, s) })
}

// differIn tells what a code list has otherwise; base is the list of the program.
func differIn(name string, old, new, base *list) []Difference {
	var out []Difference
	choices := func(l *list) []Choice {
		if l == nil {
			return nil
		}
		return l.choices
	}
	find := func(l *list, code string) *Choice {
		if l == nil {
			return nil
		}
		if i, ok := l.byName[code]; ok {
			return &l.choices[i]
		}
		return nil
	}
	for _, c := range choices(new) {
		was := find(old, c.Name)
		if was == nil {
			d := Difference{List: name, Code: c.Name, After: c.Label.Zh}
			if name == roleList {
				d.Refused = refusedRole
			}
			out = append(out, d)
			continue
		}
		for _, x := range []struct{ column, before, after string }{
			{"label::中文 (zh)", was.Label.Zh, c.Label.Zh}, {"label::English (en)", was.Label.En, c.Label.En}, {"merge", review(was.Review), review(c.Review)},
		} {
			if x.before != x.after {
				out = append(out, Difference{List: name, Code: c.Name, Column: x.column, Before: x.before, After: x.after})
			}
		}
	}
	for _, c := range choices(old) {
		if find(new, c.Name) == nil {
			d := Difference{List: name, Code: c.Name, Before: c.Label.Zh}
			if find(base, c.Name) != nil {
				d.Refused = refusedCode
			}
			out = append(out, d)
		}
	}
	return append(out, reordered(name, old, new)...)
}

// reordered tells where the codes that both lists have stand in another order: it is what
// the policy max compares by.
func reordered(name string, old, new *list) []Difference {
	if old == nil || new == nil {
		return nil
	}
	var before, after []string
	for _, c := range old.choices {
		if _, ok := new.byName[c.Name]; ok {
			before = append(before, c.Name)
		}
	}
	for _, c := range new.choices {
		if _, ok := old.byName[c.Name]; ok {
			after = append(after, c.Name)
		}
	}
	if slices.Equal(before, after) {
		return nil
	}
	return []Difference{{List: name, Column: "order", Before: strings.Join(before, " "), After: strings.Join(after, " ")}}
}

func review(is bool) string {
	if is {
		return "review"
	}
	return ""
}
