package figure

import "zhucun/shared/record"

type issue struct {
	status, found, due, closed string
}

func (v *Village) addIssue(_ record.ID, a answers) {
	v.issues = append(v.issues, issue{a.text("issue_status"), a.text("found_date"), a.text("due_date"), a.text("closed_date")})
}

// over tells whether the issue is closed on a day.
func (i *issue) over(on string) bool { return i.status == "closed" && i.closed <= on }

// Issues are those of a village.
type Issues struct {
	Open    int   `json:"open"`
	Overdue int   `json:"overdue"` // of these
	Closure Ratio `json:"closure"` // closed, of those due in the period
}

func (v *Village) issuesOf(p Period) Issues {
	var t Issues
	for _, i := range v.issues {
		if i.found > p.To {
			continue
		}
		over := i.over(p.To)
		if !over {
			t.Open++
		}
		if !over && i.due != "" && p.To > i.due {
			t.Overdue++
		}
		if p.has(i.due) {
			t.Closure.count(over)
		}
	}
	return t
}

func (t Issues) and(o Issues) Issues {
	return Issues{t.Open + o.Open, t.Overdue + o.Overdue, t.Closure.And(o.Closure)}
}

// Opinion is what households answered.
type Opinion struct {
	Awareness    Ratio `json:"awareness"`    // those who know the measures, of those who answered
	Satisfaction Ratio `json:"satisfaction"` // those who are satisfied or very much so
}

func (o *Opinion) count(measures, satisfaction string) {
	if measures != "" {
		o.Awareness.count(measures == "yes")
	}
	if satisfaction != "" {
		o.Satisfaction.count(satisfaction == "very" || satisfaction == "satisfied")
	}
}

func (o Opinion) and(p Opinion) Opinion {
	return Opinion{o.Awareness.And(p.Awareness), o.Satisfaction.And(p.Satisfaction)}
}

func (v *Village) told(p Period) Opinion {
	var o Opinion
	for _, vi := range v.visits {
		if p.has(vi.date) {
			o.count(vi.measures, vi.satisfaction)
		}
	}
	return o
}

type sample struct {
	inspection             record.ID
	measures, satisfaction string
}

func (v *Village) addInspection(id record.ID, a answers) { v.inspections[id] = a.text("inspect_date") }

func (v *Village) addSample(_ record.ID, a answers) {
	v.samples = append(v.samples, sample{a.id("inspection"), a.text("knows_measures"), a.text("satisfaction")})
}

func (v *Village) sampled(p Period) Opinion {
	var o Opinion
	for _, s := range v.samples {
		if p.has(v.inspections[s.inspection]) {
			o.count(s.measures, s.satisfaction)
		}
	}
	return o
}
