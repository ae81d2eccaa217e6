package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/form"
)

// auditRows is how many notes of the audit a page shows.
const auditRows = 100

// acts are what the audit can be asked for, in the order of the list.
var acts = []string{"signin", "refused", "refusedmore", "signouts", "signout", "view", "export", "masked", "conflict", "proposal", "undo", "late", "same", "apart", "unsame", "ask", "unask", "accept", "reject", "edit", "step", "create", "notice", "void", "unvoid", "transfer", "members", "erase", "writeoff", "close",
	"village", "code", "enrolled", "revoke", "regrant", "profile", "assign", "account", "token", "untoken", "read", "webhook", "rewebhook", "unwebhook", "password", "factor", "nofactor", "recovery", "recover", "offline", "photos", "require", "stepsaway", "publish", "bundle", "backup", "backuptest", "backupfile", "restore", "restored"}

type auditView struct {
	ask         store.AuditQuery
	from, until string // days, as asked for
	notes       []store.Audit
	more        bool
	chain       store.AuditChain
}

func (w *Site) audit(p *page) (reply, error) {
	p.title, p.at = p.T("nav.audit"), auditReport
	// Each look reads the whole audit; nobody watches it.
	p.still = true
	get := p.r.URL.Query().Get
	v := &auditView{ask: store.AuditQuery{Act: get("act"), Who: strings.TrimSpace(get("who")), Limit: auditRows + 1}}
	var err error
	if before := get("before"); before != "" {
		if v.ask.Before, err = strconv.ParseUint(before, 10, 63); err != nil {
			return reply{}, errAsked
		}
	}
	v.from, v.until = get("from"), get("until")
	if v.ask.From, err = askedDay(v.from); err != nil {
		return reply{}, err
	}
	if v.ask.Until, err = askedDay(v.until); err != nil {
		return reply{}, err
	}
	if v.until != "" {
		v.ask.Until = v.ask.Until.AddDate(0, 0, 1) // the whole of that day
	}
	if v.notes, err = w.store.Audits(p.ctx, v.ask); err != nil {
		return reply{}, err
	}
	if v.more = len(v.notes) > auditRows; v.more {
		v.notes = v.notes[:auditRows]
	}
	v.chain, err = w.store.CheckAudit(p.ctx, func(what form.Label) { w.opt.Log.Error("audit", "fault", what.En) })
	if err != nil {
		return reply{}, err
	}
	return show(auditPage(p, v))
}

// askedDay reads a day of an address, where Beijing's begins; zero where there is none.
func askedDay(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, beijing)
	if err != nil {
		return t, errAsked
	}
	return t, nil
}

// href is the page of these notes before a number, 0 for the newest.
func (v *auditView) href(act, who string, before uint64) string {
	query := []string{"act", act, "who", who, "from", v.from, "until", v.until}
	if before > 0 {
		query = append(query, "before", strconv.FormatUint(before, 10))
	}
	return address("/audit", query...)
}

func (v *auditView) older() string {
	return v.href(v.ask.Act, v.ask.Who, v.notes[len(v.notes)-1].Number)
}

// chainText says in one line whether the chain checks, and what is signed.
func (p *page) chainText(c *store.AuditChain) string {
	said := p.T("audit.whole", number(int(c.Notes)))
	if c.Faults > 0 {
		said = p.T("audit.broken", number(c.Faults))
	}
	if c.SignedOn == "" {
		return said + " " + p.T("audit.unsigned")
	}
	return said + " " + p.T("audit.signed", number(int(c.Signed)), c.SignedOn)
}

// act says what a note of the audit is about.
func (p *page) act(act string) string {
	if slices.Contains(acts, act) {
		return p.T("audit." + act)
	}
	return act
}

// actor says who acted.
func (p *page) actor(who string) string {
	if name, program := strings.CutPrefix(who, access.ByToken); program {
		return p.T("audit.program", name)
	}
	switch rest, line := strings.CutPrefix(who, store.CommandLine); {
	case line:
		return p.T("audit.commandline") + rest
	case who == store.Itself:
		return p.T("audit.itself")
	case who == "?":
		return p.T("audit.unknown")
	}
	return who
}
