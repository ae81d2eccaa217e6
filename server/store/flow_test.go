package store_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/record"
)

// issueLine is an issue as the plain answer knows it.
type issueLine struct {
	village, id, state, due, owner, severity string
}

func (i issueLine) place() string { return cmp.Or(i.due, "9999-12-31") + " " + i.village + " " + i.id }

// Whatever is asked, the pages give every record that fits once and in order, and the
// counts are theirs; also where a page is cut short after each look.
func TestFlowing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	o := newOffice(t, "甲", "乙", "丙")
	var all []issueLine
	states := []string{"open", "doing", "submitted", "returned", "closed", "closed", ""}
	for range 120 {
		i := issueLine{village: []string{"甲", "乙", "丙"}[r.IntN(3)], state: states[r.IntN(len(states))], owner: []string{"王", "李"}[r.IntN(2)], severity: []string{"1", "2", "3"}[r.IntN(3)]}
		fields := "description=漏雨 owner=" + i.owner + " severity=" + i.severity
		if i.state != "" {
			fields += " issue_status=" + i.state
		}
		if r.IntN(6) > 0 {
			i.due = fmt.Sprintf("2017-05-%02d", 1+r.IntN(20))
			fields += " due_date=" + i.due
		}
		i.id = o.put(record.Village(i.village), "issue", fields).String()
		all = append(all, i)
	}
	o.put("甲", "task", "target=修路 task_status=doing due=2017-05-01")
	const day = "2017-05-11"
	for _, villages := range [][]record.Village{nil, {"乙"}, {"甲", "丙"}} {
		for _, among := range [][]string{nil, {"open", "doing", "submitted", "returned"}, {"closed"}} {
			for _, late := range []string{"", day} {
				for _, where := range [][]store.Condition{nil, {{Field: "owner", Value: "李"}, {Field: "severity", Value: "3"}}} {
					q := store.FlowQuery{Type: "issue", Villages: villages, States: among, Before: late, Where: where}
					fits := func(i issueLine) bool {
						return (villages == nil || slices.Contains(villages, record.Village(i.village))) && (among == nil || slices.Contains(among, i.state)) &&
							(late == "" || i.due != "" && i.due < late && i.state != "closed") && (where == nil || i.owner == "李" && i.severity == "3")
					}
					var want []string
					byState, overdue := map[string]int{}, 0
					for _, i := range all {
						if fits(i) {
							want = append(want, i.place())
						}
						if (villages == nil || slices.Contains(villages, record.Village(i.village))) && (where == nil || i.owner == "李" && i.severity == "3") {
							if byState[i.state]++; i.due != "" && i.due < day && i.state != "closed" {
								overdue++
							}
						}
					}
					slices.Sort(want)
					for _, limit := range []int{1, 7, 500} {
						for _, hurry := range []bool{false, true} {
							back := func() {}
							if hurry {
								back = store.SetWindow(3, 0)
							}
							got, pages := o.flowing(q, limit)
							back()
							if !slices.Equal(got, want) {
								t.Fatalf("%+v, %d a page, hurry %v:\n%s\nwant\n%s", q, limit, hurry, strings.Join(got, "\n"), strings.Join(want, "\n"))
							}
							if limit == 500 && !hurry && pages != 1 {
								t.Errorf("%d pages where one would do", pages)
							}
						}
					}
					counts, n, err := o.FlowCounts(t.Context(), q, day, 1000)
					if err != nil || n.N != overdue || n.More {
						t.Errorf("%+v: %+v overdue, %v; want %d", q, n, err, overdue)
					}
					for _, c := range counts {
						if c.N != byState[c.State] || c.More {
							t.Errorf("%+v: %+v, want %d", q, c, byState[c.State])
						}
					}
					if few, _, _ := o.FlowCounts(t.Context(), q, day, 1); slices.ContainsFunc(few, func(c store.FlowCount) bool {
						return c.N != min(byState[c.State], 1) || c.More != (byState[c.State] > 1)
					}) {
						t.Errorf("%+v: up to one: %+v of %v", q, few, byState)
					}
				}
			}
		}
	}
	if _, err := o.Flowing(t.Context(), store.FlowQuery{Type: "household", Limit: 1}); err != store.ErrNotFound {
		t.Error("households have states:", err)
	}
}

// flowing reads all pages of a query, as places.
func (o *office) flowing(q store.FlowQuery, limit int) (rows []string, pages int) {
	o.t.Helper()
	q.Limit = limit
	for pages = 1; pages < 3000; pages++ {
		l, err := o.Flowing(o.t.Context(), q)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, r := range l.Rows {
			due, _ := r.Fields["due_date"].Text()
			rows = append(rows, issueLine{village: string(r.Village), id: r.ID.String(), due: due}.place())
		}
		if len(l.Rows) > limit {
			o.t.Fatal(len(l.Rows))
		}
		if l.Next == (store.Place{}) {
			return rows, pages
		}
		q.After = l.Next
	}
	o.t.Fatal("the pages have no end")
	return nil, 0
}
