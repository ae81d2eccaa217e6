package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/record"
)

// elsewhereView tells of a record that another village has as well, and where it is now.
type elsewhereView struct {
	code    record.Village
	village string
	href    string
	left    bool // it has moved there from here; else it came from there
	behind  bool // and something of it is still here
	back    bool // it may be moved back there
}

// elsewhere gives the other villages that have a record and that whoever looks may see.
func (w *Site) elsewhere(p *page, rec *store.Record) (list []elsewhereView, err error) {
	others, err := w.store.Elsewhere(p.ctx, rec.Village, rec.ID)
	for _, o := range others {
		if !p.sight.Reaches(o.Village) || o.View.Left == "" && rec.View.Left == "" {
			continue
		}
		e := elsewhereView{code: o.Village, village: p.village(o.Village), href: href(o.Key), left: rec.View.Left == o.Village}
		if rec.View.Left != "" && !e.left {
			continue // it was there before
		}
		e.back = !e.left && o.View.Left == rec.Village && p.transfers(rec)
		list = append(list, e)
	}
	if rec.View.Left == "" || !p.may(access.Transfer) || err != nil {
		return list, err
	}
	bag, err := w.store.Baggage(p.ctx, rec.Village, "", rec.ID)
	for i := range list {
		list[i].behind = err == nil && len(bag.Records) > 0
	}
	return list, err
}

// transfers tells whether whoever is in may move a record, which is a household that is
// here.
func (p *page) transfers(rec *store.Record) bool {
	return p.may(access.Transfer) && rec.Type == "household" && !rec.View.Void
}

// transferView is a household that is to move, or what was written late to one that has.
type transferView struct {
	rec      *store.Record
	label    string
	late     bool
	check    bool // what goes along is shown, to be agreed to
	to       record.Village
	villages []store.Village
	reason   string
	mark     string
	goes     []kindCount
	files    int
	waits    int
	said     string
}

// kindCount is how many records of a kind go along.
type kindCount struct {
	title string
	n     int
}

// transfer shows and takes the pages of a transfer. Nothing is kept or written before the
// last of them.
func (w *Site) transfer(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	row := rowOf(rec)
	if err := p.gather([]store.Row{row}); err != nil {
		return reply{}, err
	}
	posted := p.r.PostForm
	v := &transferView{rec: rec, label: p.label(&row), late: rec.View.Left != "", reason: strings.TrimSpace(posted.Get("reason")), to: record.Village(posted.Get("to"))}
	if p.r.Method == http.MethodGet {
		v.to = record.Village(p.r.URL.Query().Get("to"))
	}
	if v.late {
		v.to = rec.View.Left
	} else if !p.transfers(rec) {
		return goTo(href(rec.Key))
	}
	all, err := w.store.Villages(p.ctx)
	if err != nil {
		return reply{}, err
	}
	v.villages = slices.DeleteFunc(all, func(x store.Village) bool { return x.Code == rec.Village })
	known := slices.ContainsFunc(v.villages, func(x store.Village) bool { return x.Code == v.to })
	p.title, p.at = p.T("transfer.title", v.label), records
	if v.late {
		p.title = p.T("transfer.late", v.label)
	}
	bag, err := w.store.Baggage(p.ctx, rec.Village, "", rec.ID)
	if err != nil {
		return reply{}, err
	}
	if len(bag.Records) == 0 {
		return goTo(href(rec.Key))
	}
	switch step := posted.Get("step"); {
	case step == "" || posted.Get("back") != "":
		return show(transferPage(p, v))
	case !known:
		v.said = p.T("transfer.lacks.to")
	case v.reason == "":
		v.said = p.T("transfer.lacks.reason")
	case len([]rune(v.reason)) > store.MaxReason-60:
		v.said = p.T("edit.long", store.MaxReason-60)
	case step == "check":
		v.check = true
		shown := cmp.Or(posted.Get("mark"), "none") // "" would be as it is now
		_, err := w.review.Transfer(p.ctx, review.Transfer{From: rec.Village, To: v.to, Record: rec.ID, Shown: shown, Reason: v.reason, By: p.writer()})
		switch {
		case errors.Is(err, store.ErrMoved):
			v.said = p.T("transfer.moved")
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrErased):
			return goTo(href(rec.Key))
		case err != nil:
			return reply{}, err
		default:
			return goTo(address(href(record.Key{Village: v.to, Type: rec.Type, ID: rec.ID}), "said", "entered"))
		}
	default:
		v.check = true
	}
	w.packed(p, v, bag)
	a := reply{body: transferPage(p, v)}
	if v.said != "" {
		p.still, a.status = true, http.StatusUnprocessableEntity
	}
	return a, nil
}

// transferHow says what the page is for.
func (p *page) transferHow(v *transferView) string {
	if v.late {
		return p.T("transfer.late.how")
	}
	return p.T("transfer.how")
}

// goesText says how much of what goes along.
func (p *page) goesText(v *transferView) string {
	var words []string
	for _, k := range v.goes {
		words = append(words, p.T("transfer.kind", k.title, strconv.Itoa(k.n)))
	}
	if v.files > 0 {
		words = append(words, p.T("transfer.files", strconv.Itoa(v.files)))
	}
	return p.list(words)
}

// packed shows what goes along, in the order of the forms.
func (w *Site) packed(p *page, v *transferView, bag *store.Baggage) {
	v.mark, v.files, v.waits = bag.Mark(), bag.Files(), bag.Waits()
	if v.late {
		v.waits = 0 // what is against each other is that it left
	}
	count := map[record.Type]int{}
	for i := range bag.Records {
		count[bag.Records[i].Type]++
	}
	for _, f := range w.forms.Forms() {
		if n := count[f.Type]; n > 0 {
			v.goes = append(v.goes, kindCount{f.Title.In(p.lang), n})
		}
	}
}
