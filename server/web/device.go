package web

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// ttls are how long a code can be made to work, in hours.
var ttls = []int{24, 72, 168, 720}

// enrolView is what codes are issued with.
type enrolView struct {
	said   string // why what was asked could not be done
	name   string
	role   identity.Role
	chosen []record.Village
	codes  []store.Code // not used yet
}

func (w *Site) enrolPage(p *page) (reply, error) { return w.showEnrol(p, 0, &enrolView{}) }

func (w *Site) showEnrol(p *page, status int, v *enrolView) (reply, error) {
	p.title, p.at, p.still = p.T("device.issue"), devices, true
	var err error
	if v.codes, err = w.openCodes(p); err != nil {
		return reply{}, err
	}
	return reply{status: status, body: enrolPage(p, v)}, nil
}

// openCodes gives the enrolment codes that can still be used.
func (w *Site) openCodes(p *page) ([]store.Code, error) {
	codes, err := w.store.Codes(p.ctx)
	return slices.DeleteFunc(codes, func(c store.Code) bool { return c.UsedBy != "" || !p.now.Before(c.Expires) }), err
}

// sentence gives an error that people can read; "" for any other.
func (p *page) sentence(err error) string {
	var name *access.NameError
	switch {
	case errors.As(err, &name):
		return form.Label{Zh: name.Zh, En: name.En}.In(p.lang)
	case errors.Is(err, access.ErrGranted):
		return p.T("device.granted")
	case errors.Is(err, access.ErrRevoked):
		return p.T("device.already")
	case errors.Is(err, store.ErrTaken):
		return p.T("account.taken")
	}
	return ""
}

// newCode issues an enrolment code and shows it, this once.
func (w *Site) newCode(p *page) (reply, error) {
	get := p.r.PostForm
	v := &enrolView{name: strings.TrimSpace(get.Get("name")), role: identity.Role(get.Get("role"))}
	for _, code := range get["village"] {
		v.chosen = append(v.chosen, record.Village(code))
	}
	hours := 72
	for _, h := range ttls {
		if get.Get("ttl") == fmt.Sprint(h) {
			hours = h
		}
	}
	ttl := time.Duration(hours) * time.Hour
	code, err := w.access.NewCode(p.ctx, access.Laptop{Villages: v.chosen, Role: v.role, Name: v.name, TTL: ttl,
		URL: w.opt.URL, Pin: identity.PinOf(w.store.Key.Public().(ed25519.PublicKey))})
	if said := p.sentence(err); said != "" {
		v.said = said
		return w.showEnrol(p, http.StatusUnprocessableEntity, v)
	} else if err != nil {
		return reply{}, err
	}
	p.title, p.at, p.still = p.T("code.title"), devices, true
	text := code.String()
	picture, size, err := qrPath(text, qr.AlphaNumeric)
	if err != nil {
		return reply{}, err
	}
	return show(codePage(p, &codeView{text: groups(text), plain: text, name: v.name, role: v.role, villages: v.chosen,
		until: p.moment(p.now.Add(ttl)), qr: picture, size: size}))
}

type codeView struct {
	text, plain, name string
	role              identity.Role
	villages          []record.Village
	until             string
	qr                string // the path of the QR code, in squares
	size              int
}

// groups puts a dash after every fifth character, for reading aloud.
func groups(code string) string {
	prefix, rest, _ := strings.Cut(code, "-")
	var b strings.Builder
	b.WriteString(prefix)
	for len(rest) > 0 {
		n := min(5, len(rest))
		b.WriteString("-" + rest[:n])
		rest = rest[n:]
	}
	return b.String()
}

// qrPath draws a text as a QR code: a path of runs of dark squares. Medium
// correction; an enrolment code is made of what alphanumeric mode has.
func qrPath(text string, mode qr.Encoding) (string, int, error) {
	code, err := qr.Encode(text, qr.M, mode)
	if err != nil {
		return "", 0, fmt.Errorf("QR code: %w", err)
	}
	size := code.Bounds().Dx()
	var b strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			run := 0
			for x+run < size && dark(code.At(x+run, y).RGBA()) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x, y, run, run)
				x += run
			}
		}
	}
	return b.String(), size, nil
}

func dark(r, _, _, _ uint32) bool { return r < 0x8000 }

// slipSteps are what whoever holds a slip does on the laptop; they stand on it in both
// languages, as it may be somebody else who reads it.
var slipSteps = []string{"slip.start", "slip.enter", "slip.passphrase", "slip.keep"}

// textIn gives a text in a language, whatever the page's is.
func textIn(lang form.Lang, id string) string {
	return (&page{lang: lang}).T(id)
}

func langCode(lang form.Lang) string { return (&page{lang: lang}).code() }
