package web

import (
	"net/http"
	"strconv"

	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// here is where the page can be asked for again.
func (p *page) here() string {
	// What was asked for and cannot be had may be anything, and is not to stand on the
	// page that says so.
	if p.r.Method == http.MethodGet && !p.refused {
		return p.r.URL.RequestURI()
	}
	return "/"
}

// badge counts what waits in an area.
func (p *page) badge(area string) int {
	switch area {
	case conflicts:
		return p.toDecide()
	case quarantine:
		return p.toSort()
	}
	return 0
}

// entered tells a village that the office has entered.
func (p *page) entered(code record.Village) bool {
	_, there := p.find(code)
	return there
}

func (p *page) orUnnamed(s string) string {
	if s == "" {
		return p.T("unnamed")
	}
	return s
}

func (v *overdueView) pageHref(from int) string { return v.href(v.village, from) }

func sizeOf(choices []form.Choice) string { return strconv.Itoa(min(len(choices), 8)) }

// asideReason says why a segment was set aside.
func (p *page) asideReason(code string) string {
	switch code {
	case wire.RefusedFork, wire.RefusedDamaged, wire.RefusedForged, wire.RefusedVillage:
		return p.T("aside." + code)
	}
	return code
}
