package web

import (
	"strconv"

	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/record"
)

// maxSampled bounds the households of an inspection that are added up.
const maxSampled = 1000

// inspected is what came of an inspection.
type inspected struct {
	Sampled               int
	Answered, Knows       int // of those who were asked about the measures
	Judged, Content       int // of those who were asked how satisfied they are
	Issues, Open, Overdue int
	rows                  []ledgerRow // the issues
}

// tally adds up what came of an inspection: the households that were sampled, and the
// issues that it names.
func (w *Site) tally(p *page, k record.Key, fields map[string]record.Value) (t inspected, err error) {
	l, err := w.store.Browse(p.ctx, store.Browse{Type: "inspection_sample", Village: k.Village,
		Where: []store.Condition{{Field: "inspection", Value: k.ID.String()}, {Field: "life", Value: "alive"}}, Limit: maxSampled})
	if err != nil {
		return t, err
	}
	for _, r := range l.Rows {
		t.Sampled++
		if knows, ok := r.Fields["knows_measures"].Text(); ok {
			if t.Answered++; knows == "yes" {
				t.Knows++
			}
		}
		if how, ok := r.Fields["satisfaction"].Text(); ok {
			if t.Judged++; how == "very" || how == "satisfied" {
				t.Content++
			}
		}
	}
	var ids []record.ID
	for _, text := range fields["issues"].Texts() {
		if id, err := record.ParseID(text); err == nil {
			ids = append(ids, id)
		}
	}
	f, course := w.forms.Form("issue"), flow.Of("issue")
	found, err := w.store.Rows(p.ctx, k.Village, "issue", ids...)
	if err != nil || f == nil || f.Field(course.State) == nil {
		return t, err
	}
	for _, id := range ids {
		r, here := found[id]
		if !here || r.Life == "void" {
			continue
		}
		line := ledgerRow{Row: r}
		line.state, line.due, line.late = p.standing(f, course, r.Fields)
		if state, _ := r.Fields[course.State].Text(); course.Open(state) {
			t.Open++
		}
		if line.late != "" {
			t.Overdue++
		}
		t.Issues++
		t.rows = append(t.rows, line)
	}
	return t, nil
}

// share says a part of those who were asked.
func (p *page) share(part, all int) string {
	if all == 0 {
		return "—"
	}
	return p.T("ledger.share", strconv.Itoa((200*part+all)/(2*all)), number(part), number(all))
}

// issuesText says how many issues there are, and how many of them are not done.
func (p *page) issuesText(t *inspected) string {
	switch {
	case t.Issues == 0:
		return number(0)
	case t.Overdue > 0:
		return p.T("inspect.issues.late", number(t.Issues), number(t.Open), number(t.Overdue))
	}
	return p.T("inspect.issues", number(t.Issues), number(t.Open))
}

// yuan shows an amount.
func yuan(n float64) string {
	s := strconv.FormatFloat(n, 'f', 2, 64)
	whole, cents := s[:len(s)-3], s[len(s)-3:]
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if cents == ".00" {
		cents = ""
	}
	return sign + whole + cents
}
