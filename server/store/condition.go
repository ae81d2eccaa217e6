package store

import (
	"fmt"
	"strings"

	"zhucun/shared/form"
)

// Test is a condition that a row meets or does not: there is no third answer, a value
// that is not there is equal to none but nil.
type Test struct {
	Op Op
	// Of And and Or two or more, of Not one.
	Tests []Test
	// Of a comparison. Values are int64, float64, string, bool or nil.
	Left   Operand
	Values []any
}

// Op is what a Test asks.
type Op string

// The tests.
const (
	OpAnd        Op = "and"
	OpOr         Op = "or"
	OpNot        Op = "not"
	OpEqual      Op = "eq"
	OpUnequal    Op = "ne"
	OpGreater    Op = "gt"
	OpAtLeast    Op = "ge"
	OpLess       Op = "lt"
	OpAtMost     Op = "le"
	OpIn         Op = "in"
	OpContains   Op = "contains"
	OpStartsWith Op = "startswith"
	OpEndsWith   Op = "endswith"
)

// Operand is what a Test or an order looks at: a column of the form's table, by the name
// of a field or one of Columns, and what is made of it.
type Operand struct {
	Column string
	// Label asks for the Chinese label of the code.
	Label bool
	// Call is tolower, toupper, trim, length, year, month or day; "" is none.
	Call string
}

// The columns that each form's table has beside those of its fields.
const (
	VillageColumn  = "village"
	IDColumn       = "id"
	LifeColumn     = "life"
	AuthorColumn   = "authors"
	CreatedColumn  = "created_at"
	UpdatedColumn  = "updated_at"
	AttendedColumn = "marked"
)

var columnTexts = map[string]string{
	VillageColumn: "f.village_id", IDColumn: "f.record_id", LifeColumn: "f.life", AuthorColumn: "f.author",
	CreatedColumn: "f.created_at", UpdatedColumn: "f.updated_at", AttendedColumn: "f.marks",
}

// compiler makes statements' conditions out of tests; everything that came from outside
// goes into args.
type compiler struct {
	p      *table
	hidden []string // fields whose marks count for nothing
	args   []any
}

func (c *compiler) arg(v any) string {
	if b, is := v.(bool); is {
		v = int64(0)
		if b {
			v = int64(1)
		}
	}
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

// operand gives the expression of an operand. *ConditionError.
func (c *compiler) operand(o Operand) (string, error) {
	text, own := columnTexts[o.Column]
	if !own {
		fd := c.p.form.Field(o.Column)
		if fd == nil {
			return "", &ConditionError{Field: o.Column, Near: c.p.form.Nearest(o.Column)}
		}
		text = "f." + quote(fd.Name)
		switch {
		case o.Label:
			// The choices are the forms' own and few.
			var b strings.Builder
			b.WriteString("CASE " + text)
			for _, ch := range fd.Choices {
				fmt.Fprintf(&b, " WHEN %s THEN %s", literal(ch.Name), literal(ch.Label.In(form.Zh)))
			}
			text = b.String() + " ELSE " + text + " END"
		case fd.Many():
			// A set is kept as its JSON. An element with a quotation mark in it compares as that.
			text = fmt.Sprintf(`replace(replace(replace(%s, '["', ''), '"]', ''), '","', ';')`, text)
		}
	}
	if o.Column == AttendedColumn {
		for _, name := range c.hidden {
			text = fmt.Sprintf("replace(%s, %s, '')", text, literal(markOf(name)))
		}
		text = fmt.Sprintf("CASE WHEN replace(%s, %s, '') = %s THEN 0 ELSE 1 END", text, literal(markOf("")[:markOpens]), text)
	}
	switch o.Call {
	case "":
	case "tolower":
		text = "lower(" + text + ")"
	case "toupper":
		text = "upper(" + text + ")"
	case "trim", "length":
		text = o.Call + "(" + text + ")"
	case "year":
		text = "CAST(substr(" + text + ", 1, 4) AS INTEGER)"
	case "month":
		text = "CAST(substr(" + text + ", 6, 2) AS INTEGER)"
	case "day":
		text = "CAST(substr(" + text + ", 9, 2) AS INTEGER)"
	default:
		return "", &ConditionError{Field: o.Call}
	}
	return text, nil
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

var comparisons = map[Op]string{OpEqual: "=", OpUnequal: "<>", OpGreater: ">", OpAtLeast: ">=", OpLess: "<", OpAtMost: "<="}

func (c *compiler) test(t Test) (string, error) {
	switch t.Op {
	case OpAnd, OpOr:
		var parts []string
		for _, sub := range t.Tests {
			text, err := c.test(sub)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		return "(" + strings.Join(parts, map[Op]string{OpAnd: " AND ", OpOr: " OR "}[t.Op]) + ")", nil
	case OpNot:
		text, err := c.test(t.Tests[0])
		return "NOT " + text, err
	}
	left, err := c.operand(t.Left)
	if err != nil {
		return "", err
	}
	if sign := comparisons[t.Op]; sign != "" {
		v := t.Values[0]
		switch {
		case v == nil && t.Op == OpEqual:
			return "(" + left + " IS NULL)", nil
		case v == nil && t.Op == OpUnequal:
			return "(" + left + " IS NOT NULL)", nil
		case v == nil:
			return "(1 = 0)", nil // nothing is more or less than what is not there
		case t.Op == OpUnequal:
			return fmt.Sprintf("(%s IS NULL OR %s <> %s)", left, left, c.arg(v)), nil
		}
		return fmt.Sprintf("(%s IS NOT NULL AND %s %s %s)", left, left, sign, c.arg(v)), nil
	}
	switch t.Op {
	case OpIn:
		var among []string
		null := ""
		for _, v := range t.Values {
			if v == nil {
				null = " OR " + left + " IS NULL"
				continue
			}
			among = append(among, c.arg(v))
		}
		if len(among) == 0 {
			return "(1 = 0" + null + ")", nil
		}
		return fmt.Sprintf("((%s IS NOT NULL AND %s IN (%s))%s)", left, left, strings.Join(among, ", "), null), nil
	case OpContains:
		// LIKE takes A and a for the same on one engine and not on the other.
		part := c.arg(t.Values[0])
		return fmt.Sprintf("(%s IS NOT NULL AND (%s = '' OR replace(%s, %s, '') <> %s))", left, part, left, part, left), nil
	case OpStartsWith:
		part := c.arg(t.Values[0])
		return fmt.Sprintf("(%s IS NOT NULL AND substr(%s, 1, length(%s)) = %s)", left, left, part, part), nil
	case OpEndsWith:
		part := c.arg(t.Values[0])
		return fmt.Sprintf("(%s IS NOT NULL AND length(%s) >= length(%s) AND substr(%s, length(%s) - length(%s) + 1) = %s)", left, left, part, left, left, part, part), nil
	}
	return "", &ConditionError{Field: string(t.Op)}
}
