package api

import (
	"errors"
	"net/url"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// records is a page of records.
type records struct {
	Records []merge.JSON `json:"records"`
	// Next is the address of the next page, where there may be more now.
	Next string `json:"next,omitempty"`
	// Cursor, where one village was asked for, is where to go on later: with what changes
	// from now on.
	Cursor string `json:"cursor,omitempty"`
}

func (a *API) form(q *request) (*form.Form, error) {
	f := a.store.Forms().Form(record.Type(q.PathValue("type")))
	if f == nil {
		return nil, errNowhere
	}
	return f, nil
}

func (a *API) list(q *request) (*answer, error) {
	f, err := a.form(q)
	if err != nil {
		return nil, err
	}
	if err := q.knows("village", "updated_after", "where", "limit", "cursor", unmaskParameter); err != nil {
		return nil, err
	}
	reason, err := a.reason(q)
	if err != nil {
		return nil, err
	}
	ask := store.Feed{Type: f.Type, Patience: a.patience}
	if ask.Villages, err = a.in(q); err != nil {
		return nil, err
	}
	if ask.Where, err = q.where(f, reason != ""); err != nil {
		return nil, err
	}
	if ask.Since, err = q.since(); err != nil {
		return nil, err
	}
	if ask.Limit, err = q.limit(); err != nil {
		return nil, err
	}
	if ask.After, err = a.readCursor(q); err != nil {
		return nil, err
	}
	if err := a.note(q, string(f.Type), reason, ask.Villages); err != nil {
		return nil, err
	}
	found, next, more, err := a.store.Feed(q.Context(), ask)
	if err != nil {
		return nil, err
	}
	page := records{Records: make([]merge.JSON, 0, len(found))}
	for _, rec := range found {
		j, err := a.show(q, rec, reason != "")
		if err != nil {
			return nil, err
		}
		page.Records = append(page.Records, j)
	}
	if more {
		again := url.Values{}
		for name, values := range q.query {
			again[name] = values
		}
		again.Set("cursor", a.writeCursor(next))
		page.Next = version1 + string(f.Type) + "?" + again.Encode()
	}
	if len(ask.Villages) == 1 && next.Village != "" {
		page.Cursor = a.writeCursor(next)
	}
	return &answer{body: page}, nil
}

// show makes of a record what the token may see.
func (a *API) show(q *request, rec *store.Record, full bool) (merge.JSON, error) {
	f := a.store.Forms().Form(rec.Type)
	q.reader.Sight.Hide(f, rec)
	j, err := a.store.JSON(q.Context(), rec, q.lang)
	if err != nil {
		return j, err
	}
	j.Marks = slices.DeleteFunc(j.Marks, func(m merge.Mark) bool { return m.Path != "" && q.reader.Sight.Hides(f, m.Path) })
	if !full {
		j.Mask(f)
	}
	return j, nil
}

// find finds the record of an address in the villages that the token sees.
func (a *API) find(q *request) (*store.Record, string, error) {
	f, err := a.form(q)
	if err != nil {
		return nil, "", err
	}
	if err := q.knows("village", unmaskParameter); err != nil {
		return nil, "", err
	}
	reason, err := a.reason(q)
	if err != nil {
		return nil, "", err
	}
	id, err := record.ParseID(q.PathValue("id"))
	if err != nil {
		return nil, "", asked("id", "“%s”不是记录编号（形如 0189a3f2-…，36 个字符）", "%q is not a record's id (0189a3f2-…, 36 characters)", clip(q.PathValue("id")))
	}
	villages, err := a.in(q)
	if err != nil {
		return nil, "", err
	}
	// Of a record in several villages the one that was changed last.
	var best *store.Record
	if len(villages) == 0 {
		best, err = a.store.Find(q.Context(), id, f.Type)
	} else {
		for _, v := range villages {
			rec, err := a.store.Record(q.Context(), v, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, "", err
			}
			if rec.Type == f.Type && (best == nil || best.View.Updated < rec.View.Updated) {
				best = rec
			}
		}
	}
	if err == nil && best == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, "", err
	}
	what := string(f.Type)
	if reason != "" {
		what += " " + id.String()
	}
	return best, reason, a.note(q, what, reason, nil)
}

func (a *API) one(q *request) (*answer, error) {
	rec, reason, err := a.find(q)
	if err != nil {
		return nil, err
	}
	j, err := a.show(q, rec, reason != "")
	return &answer{body: j}, err
}

// history gives a record with every change that was made to it, the newest first.
func (a *API) history(q *request) (*answer, error) {
	rec, reason, err := a.find(q)
	if err != nil {
		return nil, err
	}
	entries, err := a.store.History(q.Context(), rec.Village, rec.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	j, err := a.show(q, rec, true)
	if err != nil {
		return nil, err
	}
	f := a.store.Forms().Form(rec.Type)
	j.History = []merge.Event{}
	for i := range entries {
		q.reader.Sight.HideEntry(f, &entries[i])
		j.History = append(j.History, entries[i].Event())
	}
	if reason == "" {
		j.Mask(f)
	}
	return &answer{body: j}, nil
}

// villages are those in sight.
type villages struct {
	Villages []village `json:"villages"`
}

type village struct {
	Code     record.Village `json:"code"`
	Name     string         `json:"name"`
	Township string         `json:"township"`
	// Feed is the number of the last change: while it stays, nothing has changed.
	Feed uint64 `json:"feed"`
	// Delivered is when a laptop last brought anything.
	Delivered clock.Time `json:"delivered_at,omitzero"`
}

func (a *API) villageList(q *request) ([]village, error) {
	named, err := a.store.Villages(q.Context())
	if err != nil {
		return nil, err
	}
	rep, err := a.store.Reported(q.Context(), "")
	if err != nil {
		return nil, err
	}
	list := []village{}
	for _, fresh := range rep.Fresh {
		if !q.reader.Reaches(fresh.Village) {
			continue
		}
		v := village{Code: fresh.Village, Feed: fresh.Feed, Delivered: fresh.Package}
		if i := slices.IndexFunc(named, func(n store.Village) bool { return n.Code == fresh.Village }); i >= 0 {
			v.Name, v.Township = named[i].Name, named[i].Township
		}
		list = append(list, v)
	}
	return list, nil
}

func (a *API) villages(q *request) (*answer, error) {
	if err := q.knows(); err != nil {
		return nil, err
	}
	list, err := a.villageList(q)
	return &answer{body: villages{Villages: list}}, err
}

// figuresOf is the figures of villages in a month.
type figuresOf struct {
	Month string `json:"month"`
	From  string `json:"from"`
	To    string `json:"to"`
	// Behind is how many villages have changed since their figures were worked out.
	Behind   int             `json:"behind"`
	Villages []villageFigure `json:"villages"`
}

type villageFigure struct {
	Village record.Village `json:"village"`
	Name    string         `json:"name"`
	// Figures is null while they are not worked out.
	Figures   *figure.Figures `json:"figures"`
	Feed      uint64          `json:"feed"` // that they are of
	Delivered clock.Time      `json:"delivered_at,omitzero"`
	// Closed is when the month was closed; then the figures are those of that moment.
	Closed clock.Time `json:"closed_at,omitzero"`
	// After tells that something was merged after that.
	After bool `json:"changed_after_closing,omitempty"`
}

func (a *API) figures(q *request) (*answer, error) {
	if err := q.knows("village", "month"); err != nil {
		return nil, err
	}
	today := store.Day(clock.At0(q.now.UnixMilli()))
	month := q.query.Get("month")
	if month == "" {
		month = today[:len("2017-05")]
	}
	period, err := figure.MonthOf(month, today)
	if err != nil {
		return nil, asked("month", "month 应如 2017-05，不能是以后的月份", "month is like 2017-05 and not to come")
	}
	in, err := a.in(q)
	if err != nil {
		return nil, err
	}
	ask := store.FigureQuery{Periods: []figure.Period{period}, Closed: true, Patience: a.patience / 4}
	if len(in) == 1 {
		ask.Village = in[0]
	}
	named, err := a.villageList(q)
	if err != nil {
		return nil, err
	}
	if err := a.note(q, "figures", "", nil); err != nil {
		return nil, err
	}
	tables, err := a.store.Figures(q.Context(), ask)
	if err != nil {
		return nil, err
	}
	out := figuresOf{Month: month, From: period.From, To: period.To, Villages: []villageFigure{}}
	for i := range tables[0].Rows {
		r := &tables[0].Rows[i]
		if len(in) > 0 && !slices.Contains(in, r.Village) {
			continue
		}
		v := villageFigure{Village: r.Village, Feed: r.Of, Delivered: r.Package, Closed: r.Closed, After: r.After()}
		if r.Known {
			if r.Exit == nil {
				r.Exit = []figure.IndicatorMade{}
			}
			v.Figures = &r.Figures
		}
		if !r.Known || r.Closed == 0 && r.Of != r.Fresh.Feed {
			out.Behind++
		}
		if n := slices.IndexFunc(named, func(n village) bool { return n.Code == r.Village }); n >= 0 {
			v.Name = named[n].Name
		}
		out.Villages = append(out.Villages, v)
	}
	return &answer{body: out}, nil
}
