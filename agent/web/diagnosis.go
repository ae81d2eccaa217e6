package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"zhucun/agent/diagnosis"
	"zhucun/agent/vault"
)

// shownReport is the diagnosis file that was shown last: it is saved as it was shown.
type shownReport struct {
	mu   sync.Mutex
	name string
	raw  []byte
}

// diagnosisPage shows the diagnosis file, all of it, before anybody saves it.
func (w *Site) diagnosisPage(p *page) (reply, error) {
	p.title, p.at = p.T("diag.title"), "settings"
	way := vault.Way("")
	if w.lock != nil {
		way = w.lock.Way()
	}
	ctx, cancel := context.WithTimeout(p.r.Context(), w.checks)
	defer cancel()
	r, err := diagnosis.Of(ctx, w.store, way, w.opt.Version, p.r.URL.Query().Get("check") != "")
	if err != nil {
		return reply{}, err
	}
	raw, err := r.Bytes()
	if err != nil {
		return reply{}, err
	}
	w.report.mu.Lock()
	w.report.name, w.report.raw = r.Name(), raw
	w.report.mu.Unlock()
	said := ""
	switch {
	case r.Verify == nil:
	case r.Verify.Cut:
		said = p.T("diag.cut", int(w.checks.Seconds()))
	case r.Verify.Failed || r.Verify.Faults+r.Verify.Broken > 0:
		said = p.T("diag.faults")
	default:
		said = p.T("diag.sound")
	}
	return show(diagnosisPage(p, said, string(raw)))
}

// checkTime is how long the data is checked for the diagnosis page at most.
const checkTime = 30 * time.Second

// diagnosisFile gives the file that was shown.
func (w *Site) diagnosisFile(*page) (reply, error) {
	w.report.mu.Lock()
	name, raw := w.report.name, w.report.raw
	w.report.mu.Unlock()
	if raw == nil {
		return goTo("/diagnosis")
	}
	return reply{send: func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		rw.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		rw.Write(raw)
	}}, nil
}
