package form

import (
	"errors"
	"fmt"
)

// Mistake is what is wrong with the tables that forms are made of: where it stands, and
// what it is, in both languages.
type Mistake struct {
	File string
	Row  int // the header being 1; 0 where it is no row's
	What Label
}

// Error says it in English, behind the place.
func (m *Mistake) Error() string {
	if m.Row == 0 {
		return m.File + ": " + m.What.En
	}
	return fmt.Sprintf("%s row %d: %s", m.File, m.Row, m.What.En)
}

// fault is a mistake whose place is not known yet.
type fault Label

func (f *fault) Error() string { return f.En }

// wrong makes a fault; both texts get the same arguments.
func wrong(zh, en string, args ...any) error {
	return &fault{fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...)}
}

// in puts the column in front of a fault.
func in(column string, err error) error {
	what := whatOf(err)
	return &fault{column + "：" + what.Zh, column + ": " + what.En}
}

// whatOf gives what an error says in both languages.
func whatOf(err error) Label {
	var f *fault
	if errors.As(err, &f) {
		return Label(*f)
	}
	return Label{err.Error(), err.Error()}
}

// Mistaken makes a mistake for tables of other packages; both texts get the same arguments.
func Mistaken(file string, row int, zh, en string, args ...any) *Mistake {
	return &Mistake{file, row, Label{fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...)}}
}

func mistaken(file string, row int, err error) error {
	return &Mistake{file, row, whatOf(err)}
}
