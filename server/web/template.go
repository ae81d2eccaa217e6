package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"zhucun/server/access"
	"zhucun/server/export"
	"zhucun/server/review"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// isTemplate tells an address to which a department's own sheet is uploaded.
func isTemplate(address string) bool {
	return strings.HasPrefix(address, "/export/") && path.Base(address) == "template"
}

// fillTemplate fills a list into a sheet that was uploaded. What stands before the file in
// the form is the list's conditions, and the reason for numbers in full.
func (w *Site) fillTemplate(p *page) (reply, error) {
	said := map[string]string{}
	for _, name := range []string{"query", "reason"} {
		part, err := p.parts.NextPart()
		if err != nil || part.FormName() != name {
			io.Copy(io.Discard, p.r.Body)
			return reply{}, errAsked
		}
		value, err := io.ReadAll(io.LimitReader(part, maxBody))
		if err != nil {
			return reply{}, errAsked
		}
		said[name] = strings.TrimSpace(string(value))
	}
	file, err := w.upload(p)
	if errors.Is(err, io.EOF) {
		return reply{}, &fault{http.StatusUnprocessableEntity, "template.nofile", "template.how"}
	} else if err != nil {
		io.Copy(io.Discard, p.r.Body)
		return reply{}, err
	}
	defer file.Close()
	select {
	case w.uploads <- struct{}{}:
		defer func() { <-w.uploads }()
	default:
		return reply{}, errBusy
	}
	template, err := io.ReadAll(io.LimitReader(file, sheet.MaxFile+1))
	if err != nil {
		return reply{}, err
	}
	q, err := url.ParseQuery(said["query"])
	if err != nil || len([]rune(said["reason"])) > review.MaxWhy {
		return reply{}, errAsked
	}
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	o, name, err := w.order(p, f, q)
	if err != nil {
		return reply{}, err
	}
	if said["reason"] != "" {
		if !p.may(access.Unmask) {
			return reply{}, errRole
		}
		o.Unmask = &export.Unmask{Who: p.account.Login, Reason: said["reason"]}
	}
	out, err := w.newSpool(0)
	if err != nil {
		return reply{}, err
	}
	_, err = w.export.Fill(p.ctx, out, template, o)
	var bad *sheet.Error
	switch {
	case errors.As(err, &bad):
		err = &fault{http.StatusUnprocessableEntity, "template.bad", "template.how"}
	case errors.Is(err, export.ErrTemplate):
		err = &fault{http.StatusUnprocessableEntity, "template.none", "template.how"}
	case errors.Is(err, export.ErrMany):
		err = &fault{http.StatusUnprocessableEntity, "template.many", "template.how"}
	}
	if err != nil {
		return reply{}, errors.Join(err, out.Close())
	}
	return out.send("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", name+".xlsx")
}
