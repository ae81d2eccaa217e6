package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/record"
)

// quarantineRows is how many entries one page shows.
const quarantineRows = 20

type quarantineView struct {
	village record.Village
	entries []quarantined
	total   int
	asides  []store.SetAside
	report  store.Report
	said    string // why what was asked could not be done
}

// quarantined is an entry in quarantine, with what it says.
type quarantined struct {
	store.Quarantined
	title  string
	href   string // of the record, "" where there is none
	kind   string
	why    string
	device string
	when   string
	at     string
	sets   []set
}

func (w *Site) quarantine(p *page) (reply, error) { return w.showQuarantine(p, 0, "") }

func (w *Site) showQuarantine(p *page, status int, said string) (reply, error) {
	if p.fetched() {
		return reply{status: status, body: outcomeFault(p, said)}, nil
	}
	p.title, p.at = p.T("nav.quarantine"), quarantine
	v := &quarantineView{village: p.asked("village"), said: said}
	var ask []record.Village
	if v.village != "" {
		ask = append(ask, v.village)
	}
	list, err := w.store.Quarantine(p.ctx, ask...)
	if err != nil {
		return reply{}, err
	}
	v.total = len(list)
	for _, q := range list[:min(quarantineRows, len(list))] {
		e, err := w.quarantined(p, q)
		if err != nil {
			return reply{}, err
		}
		v.entries = append(v.entries, e)
	}
	if v.asides, err = w.store.SetAsides(p.ctx, ask...); err != nil {
		return reply{}, err
	}
	if v.report, err = w.store.Reported(p.ctx, v.village); err != nil {
		return reply{}, err
	}
	return reply{status: status, body: quarantinePage(p, v)}, nil
}

func (w *Site) quarantined(p *page, q store.Quarantined) (quarantined, error) {
	k := record.Key{Village: q.Village, Type: q.Type, ID: q.Record}
	it := quarantined{Quarantined: q, why: w.review.Why(&q, p.lang), device: p.device(q.Device), when: p.when(q.Received), kind: string(q.Type)}
	if f := w.forms.Form(q.Type); f != nil {
		it.kind = f.Title.In(p.lang)
	}
	_, e, err := w.store.QuarantinedEntry(p.ctx, q.Dot)
	if err != nil {
		return it, err
	}
	it.at = p.when(e.At)
	rec, err := w.store.Record(p.ctx, q.Village, q.Record)
	switch {
	case err == nil:
		row := rowOf(rec)
		it.title, it.href = p.label(&row), href(rec.Key)
	case errors.Is(err, store.ErrNotFound):
		it.title = p.T("quarantine.new")
	default:
		return it, err
	}
	for _, write := range e.Change.Body {
		if write.Path == record.Source {
			continue
		}
		s := set{name: p.pathName(q.Type, write.Path), now: p.pathText(k, write.Path, write.Value)}
		if rec != nil {
			if old := rec.View.Fields[string(write.Path.Standing())]; old != "" {
				s.old, s.had = p.pathText(k, write.Path, old), true
			}
		}
		it.sets = append(it.sets, s)
	}
	return it, nil
}

// decideQuarantine accepts or rejects an entry.
func (w *Site) decideQuarantine(p *page) (reply, error) {
	get := p.r.PostForm.Get
	// The list is shown again as it was asked for.
	if back, err := url.Parse(get("back")); err == nil && !p.fetched() {
		p.r.URL.RawQuery = back.RawQuery
	}
	dot, err := record.ParseDot(get("id"))
	if err != nil {
		return reply{}, errAsked
	}
	reason := strings.TrimSpace(get("reason"))
	if reason == "" {
		return w.showQuarantine(p, http.StatusUnprocessableEntity, p.T("quarantine.noreason"))
	}
	switch get("do") {
	case "accept":
		_, err = w.review.Accept(p.ctx, dot, reason, p.writer())
	case "reject":
		err = w.review.Reject(p.ctx, dot, reason, p.writer())
	default:
		return reply{}, errAsked
	}
	switch {
	case errors.Is(err, review.ErrDecided):
		said := p.T("quarantine.decided.plain")
		if q, _, err := w.store.QuarantinedEntry(p.ctx, dot); err == nil {
			said = p.T("quarantine.decided", q.DecidedBy, p.when(q.DecidedAt), p.T("quarantine."+q.Decision), q.Why)
		}
		return w.showQuarantine(p, http.StatusConflict, said)
	case errors.Is(err, review.ErrLong):
		return w.showQuarantine(p, http.StatusUnprocessableEntity, p.T("quarantine.long", store.MaxReason))
	case errors.Is(err, review.ErrVillage):
		return w.showQuarantine(p, http.StatusConflict, p.T("quarantine.novillage"))
	case errors.Is(err, store.ErrErased):
		return w.showQuarantine(p, http.StatusConflict, p.T("quarantine.erased"))
	case errors.Is(err, store.ErrServers):
		return w.showQuarantine(p, http.StatusConflict, p.T("quarantine.servers"))
	case errors.Is(err, store.ErrOtherType):
		return w.showQuarantine(p, http.StatusConflict, p.T("quarantine.othertype"))
	case err != nil:
		return reply{}, err
	}
	if p.fetched() {
		q, _, err := w.store.QuarantinedEntry(p.ctx, dot)
		if err != nil {
			return reply{}, err
		}
		e, err := w.quarantined(p, q)
		if err != nil {
			return reply{}, err
		}
		return w.outcome(p, 0, &outcome{title: e.title, href: e.href, said: p.T("quarantine." + q.Decision)})
	}
	if strings.HasPrefix(get("back"), "/conflicts") {
		return goTo(withDone(p.back(), "said", "held"))
	}
	return goTo(address("/quarantine", "village", string(p.asked("village"))))
}
