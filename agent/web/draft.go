package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"zhucun/agent/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// begin opens an empty form: it makes its draft and goes there, so that going
// back and reloading find the same one.
func (w *Site) begin(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	if !p.device.Enrolled() {
		return reply{}, store.ErrNotEnrolled
	}
	if !p.may(f) {
		return reply{}, errRole
	}
	v := record.Village(p.r.URL.Query().Get("village"))
	if id, err := record.ParseID(p.r.URL.Query().Get("household")); err == nil {
		if r, err := w.store.Get(householdType, id); err == nil {
			v = r.Key.Village
		}
	}
	if v == "" && p.manyVillages() {
		p.title = f.Title.In(p.lang)
		return show(villagePage(p, p.title, func(code string) string {
			q := p.r.URL.Query()
			q.Set("village", code)
			return p.r.URL.Path + "?" + q.Encode()
		}))
	}
	assigned, err := p.device.Village(v)
	if err != nil {
		return reply{}, errAsked
	}
	d := store.Draft{Type: f.Type, Village: assigned.Code}
	if d.Values, err = w.firstAnswers(p, f, d.Village); err != nil {
		return reply{}, err
	}
	return w.openDraft(p, d)
}

// edit opens the form of a record as it is now.
func (w *Site) edit(p *page) (reply, error) {
	f, id, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	if !p.may(f) {
		return reply{}, errRole
	}
	r, err := w.store.Get(f.Type, id)
	if err != nil {
		return reply{}, err
	}
	shown, err := w.store.Shown(f.Type, id)
	if err != nil {
		return reply{}, err
	}
	return w.openDraft(p, store.Draft{Type: f.Type, Village: r.Key.Village, Record: id, State: shown.Encode()})
}

func (w *Site) openDraft(p *page, d store.Draft) (reply, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, err
	}
	d.ID, d.Author, d.Opened = id.String(), p.author, w.store.Now()
	if err := w.forgetUntouched(p); err != nil {
		return reply{}, err
	}
	if err := w.store.KeepDraft(p.r.Context(), d); err != nil {
		return reply{}, err
	}
	return goTo("/draft/" + d.ID)
}

// untouchedLife is how long a form that was opened and not typed in is kept, in
// ms: somebody may have it on the screen all that time.
const untouchedLife = 14 * 24 * 3600 * 1000

func (w *Site) forgetUntouched(p *page) error {
	drafts, err := w.store.Drafts()
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if d.Typed == 0 && d.Opened < w.store.Now()-untouchedLife {
			if err := w.store.DropDraft(p.r.Context(), d.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// resume shows the form of a draft.
func (w *Site) resume(p *page) (reply, error) {
	d, err := w.store.Draft(p.r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return w.afterDraft(p)
	}
	if err != nil {
		return reply{}, err
	}
	e, err := w.entry(d)
	if err != nil {
		return reply{}, err
	}
	return w.showForm(p, e, http.StatusOK, "")
}

// afterDraft leads on from a draft that is no longer there: to the record that
// came of it, if one did.
func (w *Site) afterDraft(p *page) (reply, error) {
	if id, err := record.ParseID(p.r.PathValue("id")); err == nil {
		if r, err := w.store.Get("", id); err == nil {
			return goTo(w.home(&r) + "saved=" + string(r.Key.Type) + "/" + id.String())
		}
	}
	return reply{}, &fault{status: http.StatusGone, what: "error.draft", next: "error.draft.next"}
}

// home is the page on which a record is shown among its own: its household's,
// or the record's, ready for a query.
func (w *Site) home(r *store.Record) string {
	if r.Key.Type == householdType {
		return "/household/" + r.Key.ID.String() + "?"
	}
	if id, err := record.ParseID(first(r.View.Fields["household"].Texts())); err == nil && w.store.Exists(householdType, id) {
		return "/household/" + id.String() + "?"
	}
	return "/record/" + string(r.Key.Type) + "/" + r.Key.ID.String() + "?"
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// filledIn is what the page of a form shows.
type filledIn struct {
	*entry
	controls []*control
	missing  []option // labels of required fields without an answer, by their ids
	heading  string
	house    *house // that the form is about, if it is about one
	due      due
	notice   string
	// proposals explains the fields that this person may only propose.
	proposals string
	others    []store.Draft // drafts of the same record
	serial    int
}

func (w *Site) showForm(p *page, e *entry, status int, notice string) (reply, error) {
	controls, err := w.controls(p, e)
	if err != nil {
		return reply{}, err
	}
	fi := &filledIn{entry: e, controls: controls, notice: notice, serial: serialOf(e.draft)}
	for _, c := range controls {
		if c.proposes && fi.proposals == "" {
			fi.proposals = p.mayOnlyPropose(e.form, e.shown, record.Path(c.fd.Name))
		}
	}
	_, missing := e.remarks(p)
	for _, name := range missing {
		fi.missing = append(fi.missing, option{value: "f-" + name, label: e.form.Field(name).Label.In(p.lang)})
	}
	snap, err := w.cache.get()
	if err != nil {
		return reply{}, err
	}
	about := e.draft.Record
	if e.form.Type != householdType {
		about, _ = record.ParseID(first(e.typed["household"]))
	}
	if fi.house = snap.byID[about]; fi.house != nil {
		fi.due = snap.dueOf(fi.house, p.today)
	}
	fi.heading = w.headingOf(p, fi)
	p.title, p.at = fi.heading, "find"
	drafts, err := w.store.Drafts()
	if err != nil {
		return reply{}, err
	}
	for _, d := range drafts {
		if d.Typed > 0 && d.ID != e.draft.ID && d.Type == e.draft.Type && d.Record == e.draft.Record &&
			slices.Equal(d.Values["household"], e.draft.Values["household"]) {
			fi.others = append(fi.others, d)
		}
	}
	return reply{status: status, body: formPage(p, fi)}, nil
}

func (w *Site) headingOf(p *page, fi *filledIn) string {
	title := fi.form.Title.In(p.lang)
	switch {
	case fi.form.Type == visitType && fi.fresh() && fi.house != nil:
		return p.T("form.visit", fi.house.name)
	case fi.fresh():
		return p.T("form.new", title)
	case fi.house != nil && fi.form.Type == householdType:
		return p.T("form.edit", fi.house.title())
	}
	r := store.Record{Key: record.Key{Village: fi.draft.Village, Type: fi.form.Type, ID: fi.draft.Record}, View: fi.view}
	return p.T("form.edit", w.titleOf(p, &r))
}

// serialField holds, among a draft's values, the number of the last keep: one
// that overtakes another on its way must not be undone by it.
const serialField = "_serial"

func serialOf(d store.Draft) int {
	n, _ := strconv.Atoi(first(d.Values[serialField]))
	return n
}

// kept is what the script learns when it has kept a draft.
type kept struct {
	At      string               `json:"at"`
	Asked   map[string]bool      `json:"asked"`
	Unread  map[string]string    `json:"unread"`
	Marks   map[string][]string  `json:"marks"`
	Missing [][2]string          `json:"missing"`
	Offers  map[string][2]string `json:"offers"`
	Gone    bool                 `json:"gone,omitempty"`
	// Serial is that of the last keep, where this one came too late.
	Serial int `json:"serial,omitempty"`
}

// keep makes durable what was typed so far and says how it reads.
func (w *Site) keep(p *page) (reply, error) {
	// A keep that is late must not bring back the draft of a form that was saved.
	w.saving.Lock()
	defer w.saving.Unlock()
	e, err := w.posted(p, true)
	if errors.Is(err, store.ErrNotFound) {
		return reply{status: http.StatusGone, data: kept{Gone: true}}, nil
	}
	if errors.Is(err, errOvertaken) {
		return reply{status: http.StatusConflict, data: kept{Serial: serialOf(e.draft)}}, nil
	}
	if err != nil {
		return reply{}, err
	}
	e.draft.Typed = w.store.Now()
	if err := w.store.KeepDraft(p.r.Context(), e.draft); err != nil {
		return reply{}, err
	}
	k := kept{At: p.now.Format("15:04:05"), Asked: e.asked(p.today), Unread: map[string]string{}, Missing: [][2]string{}, Offers: map[string][2]string{}}
	for name, why := range e.unread {
		k.Unread[name] = why.In(p.lang)
	}
	var missing []string
	k.Marks, missing = e.remarks(p)
	for _, name := range missing {
		k.Missing = append(k.Missing, [2]string{"f-" + name, e.form.Field(name).Label.In(p.lang)})
	}
	for name, v := range e.form.Calculate(e.now, p.today) {
		fd := e.form.Field(name)
		k.Offers[name] = [2]string{rawOf(fd, v)[0], p.shown(fd, v)}
	}
	return reply{data: k}, nil
}

// errOvertaken says that a later keep came before this one.
var errOvertaken = errors.New("a later keep came first")

// posted is the form of the draft that a POST names, with what it brings. Of a
// keep that another one overtook nothing is taken: errOvertaken.
func (w *Site) posted(p *page, keep bool) (*entry, error) {
	body := p.r.PostForm
	if body.Get("_end") == "" {
		return nil, errAsked // cut short: what is missing would read as cleared
	}
	d, err := w.store.Draft(p.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	e, err := w.entry(d)
	if err != nil {
		return nil, err
	}
	serial, _ := strconv.Atoi(body.Get("_serial"))
	if keep && serial <= serialOf(d) {
		return e, errOvertaken
	}
	e.take(body)
	e.draft.Values[serialField] = []string{strconv.Itoa(max(serial, serialOf(d)))}
	if who := body.Get("_author"); slices.Contains(p.device.Assigned.Profiles, who) {
		e.draft.Author = who
	}
	return e, nil
}

// save makes a record of a draft.
func (w *Site) save(p *page) (reply, error) {
	w.saving.Lock()
	defer w.saving.Unlock()
	e, err := w.posted(p, false)
	if errors.Is(err, store.ErrNotFound) {
		return w.afterDraft(p)
	}
	if err != nil {
		return reply{}, err
	}
	nothing := e.fresh() && len(e.touched) == 0
	if len(e.unread) > 0 || nothing {
		e.draft.Typed = w.store.Now()
		if err := w.store.KeepDraft(p.r.Context(), e.draft); err != nil {
			return reply{}, err
		}
		notice := p.T("form.unread", len(e.unread))
		if nothing && len(e.unread) == 0 {
			notice = p.T("form.nothing")
		}
		return w.showForm(p, e, http.StatusUnprocessableEntity, notice)
	}
	saved, err := w.store.Save(p.r.Context(), e.edit(p.today))
	var refusal *merge.Refusal
	if errors.As(err, &refusal) {
		return reply{}, errRole
	}
	if err != nil {
		return reply{}, err
	}
	w.cache.note(saved[0].Key)
	w.sync.Now()
	r, err := w.store.Get(saved[0].Key.Type, saved[0].Key.ID)
	if err != nil {
		return reply{}, err
	}
	what := "saved="
	if !saved[0].Changed {
		what = "same="
	}
	return goTo(w.home(&r) + what + string(r.Key.Type) + "/" + r.Key.ID.String())
}

// drop throws a draft away.
func (w *Site) drop(p *page) (reply, error) {
	w.saving.Lock()
	defer w.saving.Unlock()
	d, err := w.store.Draft(p.r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return goTo("/")
	}
	if err != nil {
		return reply{}, err
	}
	if err := w.store.DropDraft(p.r.Context(), d.ID); err != nil {
		return reply{}, err
	}
	if !d.Record.IsZero() {
		return goTo("/record/" + string(d.Type) + "/" + d.Record.String())
	}
	return goTo("/")
}

// draftLine is a draft in a list.
type draftLine struct {
	id, kind, title, excerpt, typed string
}

// drafts lists what was begun and not saved.
func (w *Site) draftLines(p *page) ([]draftLine, error) {
	drafts, err := w.store.Drafts()
	if err != nil {
		return nil, err
	}
	var out []draftLine
	for _, d := range drafts {
		if d.Typed == 0 {
			continue
		}
		e, err := w.entry(d)
		if err != nil {
			w.opt.Log.Warn("draft cannot be shown", "draft", d.ID, "error", err)
			continue
		}
		l := draftLine{id: d.ID, kind: e.form.Title.In(p.lang), typed: p.moment(d.Typed)}
		r := store.Record{Key: record.Key{Village: d.Village, Type: d.Type, ID: d.Record}, View: merge.View{Fields: e.now}}
		l.title = w.titleOf(p, &r)
		for _, fd := range e.form.Fields {
			if t := first(e.typed[fd.Name]); shapeOf(fd) == prose && t != "" && d.Values[fd.Name] != nil {
				l.excerpt = clip(t, 30)
				break
			}
		}
		out = append(out, l)
	}
	return out, nil
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
