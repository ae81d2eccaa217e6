package web

import (
	"net/http"
	"sync"

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
	r, err := diagnosis.Of(p.r.Context(), w.store, way, w.opt.Version, p.r.URL.Query().Get("check") != "")
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
	return show(diagnosisPage(p, string(raw)))
}

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
