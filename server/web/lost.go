package web

import (
	"errors"
	"slices"
	"time"

	"zhucun/server/access"
	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// lostRows is how many households a lost laptop's report lists; the file has all.
const lostRows = 500

// lostView is what was on a laptop that is lost, as far as the office knows.
type lostView struct {
	laptopView
	villages []lostVillage
	sum      lostVillage
	// offline is how many days without contact lock a laptop, locks when this one does;
	// zero where it does not, or nothing is known.
	offline int
	locks   time.Time
	sealed  bool // it has handed in the key of its data
	columns []*form.Field
	rows    []store.Row
	more    bool
}

// lostVillage is what there is of a village.
type lostVillage struct {
	code                record.Village
	had                 bool // the laptop's no longer
	households, persons int
}

// held gives the villages whose data may lie on a laptop: also those it no longer has.
func held(l *store.Laptop) []record.Village { return slices.Concat(l.Villages, l.Had) }

// lost reports what was on a laptop; that it was asked for is in the audit first.
func (w *Site) lost(p *page) (reply, error) {
	l, err := w.readLaptop(p, identity.Device(p.r.PathValue("id")))
	if err != nil {
		return reply{}, err
	}
	v := &lostView{laptopView: *l}
	if err := w.access.Audit(p.ctx, store.Note{Who: p.account.Login, Act: "lost", Subject: l.laptop.Name + " " + string(l.laptop.ID)}); err != nil {
		return reply{}, err
	}
	if v.offline, err = w.access.OfflineDays(p.ctx); err != nil {
		return reply{}, err
	}
	if v.offline > 0 && v.laptop.Heard() {
		v.locks = v.laptop.Seen.Add(time.Duration(v.offline) * 24 * time.Hour)
	}
	if v.sealed, err = w.access.HasEscrow(p.ctx, l.laptop.ID); err != nil {
		return reply{}, err
	}
	stands, _, err := w.store.Stands(p.ctx)
	if err != nil {
		return reply{}, err
	}
	for i, code := range held(&l.laptop.Laptop) {
		x := lostVillage{code: code, had: i >= len(l.laptop.Villages)}
		if n := slices.IndexFunc(stands, func(s store.Stand) bool { return s.Village == code }); n >= 0 {
			x.households, x.persons = stands[n].All.Households, stands[n].All.Persons
		}
		v.villages = append(v.villages, x)
		v.sum.households += x.households
		v.sum.persons += x.persons
		if err := v.list(p, code); err != nil {
			return reply{}, err
		}
	}
	p.title, p.at, p.still = p.T("lost.title"), devices, true
	return show(lostPage(p, v))
}

// list adds the households of a village, for who may see them.
func (v *lostView) list(p *page, code record.Village) error {
	if !p.may(access.SeeRecords) || !p.sight.Reaches(code) {
		return nil
	}
	f := p.site.forms.Form("household")
	v.columns = p.columnsOf(f, nil)
	if v.more {
		return nil
	}
	l, err := p.site.store.Browse(p.ctx, store.Browse{Type: f.Type, Village: code, Shows: p.sight.Shows, Limit: lostRows - len(v.rows) + 1})
	v.rows = append(v.rows, l.Rows...)
	if len(v.rows) > lostRows {
		v.rows, v.more = v.rows[:lostRows], true
	}
	return err
}

// lostFile sends the households that were on a laptop, masked as on the pages.
func (w *Site) lostFile(p *page) (reply, error) {
	l, err := w.readLaptop(p, identity.Device(p.r.PathValue("id")))
	if err != nil {
		return reply{}, err
	}
	villages := held(&l.laptop.Laptop)
	// No village would mean all.
	if villages = slices.DeleteFunc(villages, func(v record.Village) bool { return !p.sight.Reaches(v) }); len(villages) == 0 {
		return reply{}, errGone
	}
	out, err := w.newSpool(0)
	if err != nil {
		return reply{}, err
	}
	if _, err := w.export.Write(p.ctx, out, export.Order{Format: export.CSV, Lang: p.lang,
		Query: store.Query{Type: "household", Villages: villages, Shows: p.sight.Shows}}); err != nil {
		return reply{}, errors.Join(err, out.Close())
	}
	return out.send("text/csv; charset=utf-8", "lost-"+fileName(string(l.laptop.ID))+"-"+p.now.Format("20060102-1504")+".csv")
}

// locksText says when a laptop locks itself for want of contact.
func (p *page) locksText(v *lostView) string {
	switch {
	case v.offline == 0:
		return p.T("lost.locks.never")
	case v.locks.IsZero():
		return p.T("board.unknown")
	case v.locks.After(p.now):
		return p.T("lost.locks.will", p.moment(v.locks))
	}
	return p.T("lost.locks.did", p.moment(v.locks))
}
