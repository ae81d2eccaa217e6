package figure

import (
	"cmp"
	"slices"

	"zhucun/shared/record"
)

type project struct {
	approved, invested int64 // fen
	planEnd, stage     string
	serves             bool // has an indicator or a beneficiary
}

func (v *Village) addProject(id record.ID, a answers) {
	v.projects[id] = &project{a.fen("approved"), a.fen("invested"), a.text("plan_end"), a.text("stage"),
		len(a["indicators"].Texts())+len(a["beneficiaries"].Texts()) > 0}
}

// late tells whether a project is late on a day: planned to be finished, and in a
// stage before completed. One that was stopped is not.
func (p *project) late(on string) bool {
	return p.planEnd != "" && on > p.planEnd && slices.Contains([]string{"idea", "approved", "tendered", "started", ""}, p.stage)
}

type fund struct {
	id        record.ID
	project   record.ID
	source    string
	direction string
	amount    int64 // fen
	date      string
	whole     bool // has document, date and payee
}

func (v *Village) addFund(id record.ID, a answers) {
	f := fund{id: id, project: a.id("project"), source: a.text("fund_source"), direction: a.text("direction"), amount: a.fen("amount"), date: a.text("fund_date")}
	f.whole = a.text("doc_no") != "" && f.date != "" && a.text("payee") != ""
	v.funds = append(v.funds, f)
}

// Projects are the projects of a village and their money.
type Projects struct {
	Number     int   `json:"number"`
	Late       int   `json:"late"`
	Completion Ratio `json:"completion"` // yuan invested, of those approved
	Payment    Ratio `json:"payment"`    // yuan paid and not returned, of those received
}

func (v *Village) projectsOf(p Period) Projects {
	t := Projects{Number: len(v.projects)}
	var approved, invested, received, paid int64
	for _, pr := range v.projects {
		approved, invested = approved+pr.approved, invested+pr.invested
		if pr.late(p.To) {
			t.Late++
		}
	}
	for _, f := range v.funds {
		switch {
		case f.date > p.To:
		case f.direction == "received":
			received += f.amount
		case f.direction == "paid":
			paid += f.amount
		case f.direction == "returned":
			paid -= f.amount
		}
	}
	t.Completion, t.Payment = Ratio{yuan(invested), yuan(approved)}, Ratio{yuan(paid), yuan(received)}
	return t
}

func (t Projects) and(o Projects) Projects {
	return Projects{t.Number + o.Number, t.Late + o.Late, t.Completion.And(o.Completion), t.Payment.And(o.Payment)}
}

// payments gives the payments up to a day that are documented and covered, of all: the
// project's payments up to and with one, less what was returned, are within what it
// has received by then and what was approved.
func (v *Village) payments(on string) Ratio {
	funds := slices.DeleteFunc(slices.Clone(v.funds), func(f fund) bool { return f.date > on })
	// Of one day what comes in is there before what goes out; what has no date comes first.
	slices.SortFunc(funds, func(a, b fund) int {
		return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(out(a.direction), out(b.direction)), compare(a.id, b.id))
	})
	type sums struct{ received, paid int64 }
	of := map[record.ID]sums{}
	var r Ratio
	for _, f := range funds {
		s := of[f.project]
		switch f.direction {
		case "received":
			s.received += f.amount
		case "returned":
			s.paid -= f.amount
		case "paid":
			s.paid += f.amount
			pr := v.projects[f.project]
			r.count(f.whole && pr != nil && s.paid <= s.received && s.paid <= pr.approved)
		}
		of[f.project] = s
	}
	return r
}

func out(direction string) int {
	if direction == "paid" {
		return 1
	}
	return 0
}
