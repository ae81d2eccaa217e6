package merge

import (
	"slices"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// A receipt is what a laptop writes in a record of the office's: that it was read in the
// village, and on which day. It bears nobody's name, and is no change of what the record
// says; so every role may write it, and nobody anything else with it.

// Receipts tells whether a change consists of receipts alone.
func Receipts(f *form.Form, body []record.Write) bool {
	return f != nil && len(body) > 0 && !slices.ContainsFunc(body, func(w record.Write) bool {
		fd := f.PathField(w.Path)
		_, day := w.Path.Field()
		_, err := time.Parse(time.DateOnly, day)
		return fd == nil || !fd.Receipt || w.Path.IsProposal() || err != nil || w.Value != record.True || len(w.Observed) > 0
	})
}

// Receipt gives the change by which a village says that it read a record on a day; nothing
// where it has said so, or the form has no place for it.
func Receipt(f *form.Form, s State, day string) []record.Write {
	for _, fd := range f.Fields {
		if !fd.Receipt {
			continue
		}
		if ReadOn(f, Read(f, s).Fields) != "" {
			return nil
		}
		return []record.Write{{Path: record.Path(fd.Name).Element(day), Value: record.True}}
	}
	return nil
}

// ReadOn gives the first day on which a village says that it read a record; "" where it has
// not.
func ReadOn(f *form.Form, fields map[string]record.Value) string {
	for _, fd := range f.Fields {
		if days := fields[fd.Name].Texts(); fd.Receipt && len(days) > 0 {
			return slices.Min(days)
		}
	}
	return ""
}
