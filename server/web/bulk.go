package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// bulkLooks is how many things that wait are looked at for one preview.
const bulkLooks = 2000

// bulksShown is how many of the last bulks the page shows, to be undone.
const bulksShown = 8

// bulkRules are the rules, in the order of their list. Those that name a role stand once
// for each role that writes on laptops.
var bulkRules = []review.Rule{review.Newer, review.Filled, review.ByRole, review.FillsEmpty, review.Proposed}

// bulkRoles are the roles by which a rule can choose.
var bulkRoles = []identity.Role{identity.VillageClerk, identity.FirstSecretary, identity.TeamMember, identity.TownshipOffice}

type bulkView struct {
	queue  queueView // its filters
	rule   review.Rule
	role   identity.Role
	lines  []bulkLine
	looked int
	more   bool // there may be others
	reason string
	unread string
	bulks  []bulkRow
	// What has just been done.
	id      string
	decided int
	undone  int
	skipped []bulkSkip
	ended   bool
}

// bulkLine is a decision as it is shown before it is taken.
type bulkLine struct {
	key          record.Key
	title, field string
	claims       []claim
	take         string
	item         string
}

type bulkSkip struct{ title, href, field, why string }

type bulkRow struct {
	store.Bulk
	when, rule string
}

// item carries a decision in a form.
func itemText(d *review.Decision) string {
	parts := []string{string(d.Village), d.Record.String(), string(d.Path), d.Take.String()}
	for _, dot := range d.Shown {
		parts = append(parts, dot.String())
	}
	return strings.Join(parts, " ")
}

func parseItem(text string) (d review.Decision, err error) {
	parts := strings.Fields(text)
	if len(parts) < 5 {
		return d, errAsked
	}
	d.Village, d.Path = record.Village(parts[0]), record.Path(parts[2])
	if d.Record, err = record.ParseID(parts[1]); err != nil {
		return d, errAsked
	}
	if d.Take, err = record.ParseDot(parts[3]); err != nil {
		return d, errAsked
	}
	if d.Shown, err = dotsOf(strings.Join(parts[4:], " ")); err != nil {
		return d, errAsked
	}
	return d, nil
}

// bulk shows what a rule would decide, at most so many at once.
func (w *Site) bulk(p *page) (reply, error) {
	v, err := w.bulkView(p, p.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	if v.rule != "" {
		if err := w.preview(p, v); err != nil {
			return reply{}, err
		}
	}
	return show(bulkPage(p, v))
}

func (w *Site) bulkView(p *page, q url.Values) (*bulkView, error) {
	p.title, p.at, p.works, p.still = p.T("bulk.title"), conflicts, true, true
	v := &bulkView{rule: review.Rule(q.Get("rule"))}
	if rule, role, by := strings.Cut(q.Get("rule"), "."); by {
		v.rule, v.role = review.Rule(rule), identity.Role(role)
	}
	if v.rule != "" && !slices.Contains(bulkRules, v.rule) || v.role != "" && !slices.Contains(bulkRoles, v.role) {
		return nil, errAsked
	}
	var err error
	if v.queue.ask, err = p.queueAsked(q); err != nil {
		return nil, err
	}
	v.queue.ask.Kind, v.queue.ask.After, v.queue.ask.Limit = v.rule.Of(), store.QueuePlace{}, review.MaxBulk
	if v.rule == "" {
		v.queue.ask.Kind = ""
	}
	bulks, err := w.store.Bulks(p.ctx, bulksShown)
	for _, b := range bulks {
		if b.Decided > 0 {
			v.bulks = append(v.bulks, bulkRow{b, p.moment(b.At), p.ruleName(b.Rule)})
		}
	}
	return v, err
}

// ruleText names a rule with its role.
func (v *bulkView) ruleText() string { return ruleText(v.rule, v.role) }

func ruleText(rule review.Rule, role identity.Role) string {
	if rule == review.ByRole || rule == review.Proposed {
		return string(rule) + "." + string(role)
	}
	return string(rule)
}

// ruleTexts are the rules as they can be chosen.
func ruleTexts() (list []string) {
	for _, rule := range bulkRules {
		if rule != review.ByRole && rule != review.Proposed {
			list = append(list, ruleText(rule, ""))
			continue
		}
		for _, role := range bulkRoles {
			list = append(list, ruleText(rule, role))
		}
	}
	return list
}

func (p *page) ruleName(text string) string {
	rule, role, by := strings.Cut(text, ".")
	if by {
		return p.T("rule."+rule, p.role(identity.Role(role)))
	}
	return p.T("rule." + rule)
}

// preview finds what the rule decides, from the beginning of what waits on.
func (w *Site) preview(p *page, v *bulkView) error {
	ask := v.queue.ask
	roleOf := func(village record.Village) func(record.Dot) identity.Role {
		return func(d record.Dot) identity.Role {
			writers, err := p.writersOf(village)
			if err != nil {
				return ""
			}
			if _, err := p.devices(); err != nil {
				return ""
			}
			return p.people[writers[d.Stream]].Role
		}
	}
	for {
		waits, counts, err := w.store.Queue(p.ctx, ask)
		if err != nil {
			return err
		}
		if v.looked == 0 {
			v.queue.count(p, counts)
		}
		for _, x := range waits {
			if v.more = len(v.lines) == review.MaxBulk || v.looked == bulkLooks; v.more {
				return nil
			}
			v.looked++
			rec, err := w.store.Record(p.ctx, x.Village, x.ID)
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			take, ok := v.rule.Choose(rec, x.Path, v.role, roleOf(x.Village))
			if !ok {
				continue
			}
			d := &review.Decision{Village: x.Village, Record: x.ID, Path: x.Path, Take: take.Dot}
			row := rowOf(rec)
			l := bulkLine{key: rec.Key, title: p.label(&row), field: p.pathName(rec.Type, x.Path), take: take.Dot.String()}
			for _, c := range rec.State.Claims(x.Path) {
				d.Shown = append(d.Shown, c.Dot)
			}
			standing := rec.State[x.Path].Siblings
			if x.Kind == store.Conflict {
				standing = rec.View.Conflicts[x.Path]
			}
			for _, c := range standing {
				l.claims = append(l.claims, w.claim(p, rec, x.Path, c, false, false))
			}
			for _, c := range rec.View.Proposals[x.Path] {
				l.claims = append(l.claims, w.claim(p, rec, x.Path, c, true, false))
			}
			l.item = itemText(d)
			v.lines = append(v.lines, l)
		}
		if len(waits) < ask.Limit {
			return nil
		}
		ask.After = waits[len(waits)-1].Place
	}
}

// decideBulk takes the decisions that were shown and left ticked.
func (w *Site) decideBulk(p *page) (reply, error) {
	form := p.r.PostForm
	v, err := w.bulkView(p, form)
	if err != nil {
		return reply{}, err
	}
	v.reason = strings.TrimSpace(form.Get("reason"))
	items := form["item"]
	if v.rule == "" || len(items) > review.MaxBulk {
		return reply{}, errAsked
	}
	if v.reason == "" || len(items) == 0 {
		v.unread = p.T("conflict.noreason")
		if len(items) == 0 {
			v.unread = p.T("bulk.none.ticked")
		}
		if err := w.preview(p, v); err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusUnprocessableEntity, body: bulkPage(p, v)}, nil
	}
	var list []review.Decision
	for _, text := range items {
		d, err := parseItem(text)
		if err != nil {
			return reply{}, err
		}
		list = append(list, d)
	}
	id, decided, skipped, err := w.review.DecideAll(p.ctx, v.ruleText(), v.reason, p.writer(), list)
	if err != nil {
		return reply{}, err
	}
	v.id, v.decided, v.ended = id, decided, true
	return w.bulkDone(p, v, skipped)
}

// undoBulk undoes a bulk.
func (w *Site) undoBulk(p *page) (reply, error) {
	undone, skipped, err := w.review.UndoAll(p.ctx, p.r.PostForm.Get("bulk"), p.T("undo.reason"), p.writer())
	if err != nil {
		return reply{}, err
	}
	v, err := w.bulkView(p, url.Values{})
	if err != nil {
		return reply{}, err
	}
	v.undone, v.ended = undone, true
	return w.bulkDone(p, v, skipped)
}

// bulkDone says what was done, and what was left out and why.
func (w *Site) bulkDone(p *page, v *bulkView, skipped []review.Skipped) (reply, error) {
	for _, s := range skipped {
		one := bulkSkip{title: s.Record.String(), why: p.T("bulk.moved")}
		rec, err := w.store.Record(p.ctx, s.Village, s.Record)
		switch {
		case err == nil:
			row := rowOf(rec)
			one.title, one.href, one.field = p.label(&row), href(rec.Key), p.pathName(rec.Type, s.Path)
		case !errors.Is(err, store.ErrNotFound):
			return reply{}, err
		}
		if errors.Is(s.Why, review.ErrForm) {
			one.why = p.T("error.form")
		}
		v.skipped = append(v.skipped, one)
	}
	bulks, err := w.bulkView(p, url.Values{})
	if err != nil {
		return reply{}, err
	}
	v.bulks = bulks.bulks
	return show(bulkPage(p, v))
}
