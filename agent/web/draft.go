package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"zhucun/agent/store"
	"zhucun/shared/form"
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
	if r.View.Erased {
		// Nothing can be saved there; its page says so.
		return goTo("/record/" + string(f.Type) + "/" + id.String())
	}
	shown, err := w.store.Shown(f.Type, id)
	if err != nil {
		return reply{}, err
	}
	return w.openDraft(p, store.Draft{Type: f.Type, Village: r.Key.Village, Record: id, State: shown.Encode()})
}

func (w *Site) openDraft(p *page, d store.Draft) (reply, error) {
	d.Author = p.author
	if err := w.newDraft(p, &d); err != nil {
		return reply{}, err
	}
	if err := w.forgetUntouched(p); err != nil {
		return reply{}, err
	}
	if err := w.store.KeepDraft(p.r.Context(), d); err != nil {
		return reply{}, err
	}
	return goTo("/draft/" + d.ID)
}

func (w *Site) newDraft(p *page, d *store.Draft) error {
	id, err := uuid.NewV7()
	d.ID, d.Opened = id.String(), w.store.Now()
	return err
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
		w.saving.Lock()
		defer w.saving.Unlock()
		return w.afterDraft(p)
	}
	if err != nil {
		return reply{}, err
	}
	if slices.Contains(p.device.Assigned.Profiles, d.Author) && !p.signs(d.Author) {
		p.stranger, p.author = d.Author, d.Author
		return w.ask(p)
	}
	e, err := w.entry(d)
	if err != nil {
		return reply{}, err
	}
	notice := ""
	switch p.r.URL.Query().Get("why") {
	case "both":
		notice = p.T("form.both")
	case "late":
		notice = p.T("form.late")
	}
	if said := p.r.URL.Query().Get("said"); said != "" {
		notice = w.searches.words(said)
	}
	return w.showForm(p, e, http.StatusOK, notice)
}

// afterDraft leads on from a draft that is no longer there: to the record that
// came of it, if one did.
func (w *Site) afterDraft(p *page) (reply, error) {
	if r := w.cameOf(p); r != nil {
		return goTo(w.home(r) + "saved=" + string(r.Key.Type) + "/" + r.Key.ID.String())
	}
	return reply{}, &fault{status: http.StatusGone, what: "error.draft", next: "error.draft.next"}
}

// ended is how a draft ended in this run of the agent: what it became, and the
// last that the window which ended it had sent.
type ended struct {
	record record.Key // zero where the draft was thrown away
	window string
	serial int
}

// end notes how a draft ended. What is forgotten is asked of the pages.
func (w *Site) end(draft string, e ended) {
	if len(w.ended) >= maxEnded {
		clear(w.ended)
	}
	w.ended[draft] = e
}

const maxEnded = 1000

// cameOf is the record that a draft became or was to change; nil when there is
// none.
func (w *Site) cameOf(p *page) *store.Record {
	draft := p.r.PathValue("id")
	_, _, of := ofPage(p.r.PostForm.Get("_of"))
	ids := []record.ID{w.ended[draft].record.ID, of}
	if id, err := record.ParseID(draft); err == nil {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if r, err := w.store.Get("", id); !id.IsZero() && err == nil {
			return &r
		}
	}
	return nil
}

// of says, for a page whose draft may be gone when it comes back, what it is
// about.
func (e *entry) of() string {
	of := string(e.draft.Type) + "/" + string(e.draft.Village)
	if !e.fresh() {
		of += "/" + e.draft.Record.String()
	}
	return of
}

func ofPage(of string) (t record.Type, v record.Village, id record.ID) {
	parts := strings.Split(of, "/")
	if len(parts) > 1 {
		t, v = record.Type(parts[0]), record.Village(parts[1])
	}
	if len(parts) > 2 {
		id, _ = record.ParseID(parts[2])
	}
	return t, v, id
}

// rescue makes a new draft of what somebody changed on a page whose draft was
// saved or thrown away: of an edit of the record that came of it, as it is now,
// or else of a new record. The error is store.ErrNotFound when the page brings
// nothing that is not there already.
func (w *Site) rescue(p *page, keep bool) (*entry, error) {
	body := p.r.PostForm
	t, v, _ := ofPage(body.Get("_of"))
	stood := stoodOf(body.Get("_stood"))
	serial, _ := strconv.Atoi(body.Get("_serial"))
	end, known := w.ended[p.r.PathValue("id")]
	late := end.window == body.Get("_window") && serial <= end.serial
	if f := w.forms.Form(t); f == nil || len(stood) == 0 || keep && known && (late || end.record.ID.IsZero()) {
		return nil, store.ErrNotFound
	}
	if _, err := p.device.Village(v); err != nil {
		return nil, store.ErrNotFound
	}
	d := store.Draft{Type: t, Village: v, Author: p.author}
	if who := body.Get("_author"); p.signs(who) {
		d.Author = who
	}
	if r := w.cameOf(p); r != nil {
		shown, err := w.store.Shown(r.Key.Type, r.Key.ID)
		if err != nil {
			return nil, err
		}
		d.Type, d.Village, d.Record, d.State = r.Key.Type, r.Key.Village, r.Key.ID, shown.Encode()
	}
	e, err := w.entry(d)
	if err != nil {
		return nil, err
	}
	changed := false
	for _, fd := range e.form.Fields {
		typed := fd.Posted(body)
		here := fd.Kind != form.Calculate && fd.Print(typed) != stood[fd.Name]
		if here || e.fresh() && fd.Kind != form.Calculate {
			e.put(fd, typed, body.Get("_window"))
		}
		changed = changed || here
	}
	e.read()
	for name, v := range e.touched {
		if e.said(name, v, d.Author) {
			delete(e.touched, name)
			delete(e.draft.Values, name)
		}
	}
	if !changed || len(e.touched)+len(e.unread) == 0 {
		return nil, store.ErrNotFound
	}
	return e, w.newDraft(p, &e.draft)
}

// said tells whether a person's value for a field stands in the record, if only
// as one of several or as a proposal.
func (e *entry) said(name string, v record.Value, author string) bool {
	by := func(s merge.Sibling) bool { return s.Author == author && s.Value == v }
	return slices.ContainsFunc(e.shown[record.Path(name)].Siblings, by) || slices.ContainsFunc(e.shown[record.Path(name).Proposal()].Siblings, by)
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
	sections []*section
	missing  []option // labels of required fields without an answer, by their ids
	both     []option // and of those that another window wrote too
	heading  string
	house    *house // that the form is about, if it is about one
	due      due
	notice   string
	// proposals explains the fields that this person may only propose.
	proposals string
	others    []store.Draft // drafts of the same record
	window    string
}

func (w *Site) showForm(p *page, e *entry, status int, notice string) (reply, error) {
	controls, err := w.controls(p, e)
	if err != nil {
		return reply{}, err
	}
	fi := &filledIn{entry: e, controls: controls, notice: notice, window: secret()[:12]}
	for _, c := range controls {
		if notice != "" && len(e.also(c.fd)) > 0 {
			fi.both = append(fi.both, option{value: c.id, label: c.label})
		}
		if c.proposes && fi.proposals == "" {
			fi.proposals = p.mayOnlyPropose(e.form, e.shown, record.Path(c.fd.Name))
		}
	}
	_, missing := e.remarks(p)
	fi.sections = sectionsOf(p, controls, missing)
	for _, name := range missing {
		fi.missing = append(fi.missing, option{value: "f-" + name, label: e.form.Field(name).Label.In(p.lang)})
	}
	snap, err := p.snapshot()
	if err != nil {
		return reply{}, err
	}
	about := e.draft.Record
	if e.form.Type != householdType {
		about, _ = record.ParseID(first(e.typed["household"]))
	}
	if fi.house = snap.byID(about); fi.house != nil {
		fi.due = snap.dueOf(fi.house, p.counted())
	}
	fi.heading = w.headingOf(p, fi)
	if p.title, p.at = fi.heading, "find"; fi.house == nil && e.form.Type != householdType {
		p.at = "records"
	}
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

// kept is what the script learns when it has kept a draft.
type kept struct {
	At      string              `json:"at"`
	Asked   map[string]bool     `json:"asked"`
	Unread  map[string]string   `json:"unread"`
	Marks   map[string][]string `json:"marks"`
	Missing [][2]string         `json:"missing"`
	Results map[string]string   `json:"results"` // of the fields that are worked out
	Offers  map[string]string   `json:"offers"`  // what empty fields come to by other answers
	// Also is what another window wrote of a field that this one wrote too.
	Also  map[string]string `json:"also"`
	Stood string            `json:"stood"` // for the page to say from now on
	Newer bool              `json:"newer"` // other windows wrote in other fields
	// To is the page of the draft that was made because the page's own is gone.
	To string `json:"to,omitempty"`
}

// keep makes durable what was typed so far and says how it reads.
func (w *Site) keep(p *page) (reply, error) {
	// A keep that is late must not bring back the draft of a form that was saved.
	w.saving.Lock()
	defer w.saving.Unlock()
	e, both, err := w.posted(p, true)
	to := ""
	if errors.Is(err, store.ErrNotFound) {
		if e, err = w.rescue(p, true); err == nil {
			to = string(p.url("/draft/" + e.draft.ID))
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return reply{status: http.StatusGone, data: struct{}{}}, nil
	case errors.Is(err, errOvertaken):
		return reply{status: http.StatusConflict, data: struct{}{}}, nil
	case err != nil:
		return reply{}, err
	}
	e.draft.Typed = w.store.Now()
	if err := w.store.KeepDraft(p.r.Context(), e.draft); err != nil {
		return reply{}, err
	}
	k := kept{At: p.now.Format("15:04:05"), Asked: e.asked(p.today), Unread: map[string]string{}, Missing: [][2]string{}, Results: map[string]string{}, Offers: map[string]string{}, Also: map[string]string{}, Stood: e.stoodNow(p.r.PostForm), To: to}
	for _, name := range both {
		fd := e.form.Field(name)
		k.Also[name] = p.T("form.also", w.typedWords(p, e, fd, e.typed[name]))
	}
	for _, fd := range e.form.Fields {
		if fd.Kind != form.Calculate && !slices.Contains(both, fd.Name) && !fd.SameTyped(fd.Posted(p.r.PostForm), e.typed[fd.Name]) {
			k.Newer = to == ""
		}
	}
	for name, why := range e.unread {
		k.Unread[name] = why.In(p.lang)
	}
	var missing []string
	k.Marks, missing = e.remarks(p)
	for _, name := range missing {
		k.Missing = append(k.Missing, [2]string{"f-" + name, e.form.Field(name).Label.In(p.lang)})
	}
	for name, v := range e.form.Calculate(e.now, p.today) {
		if fd := e.form.Field(name); fd.Kind == form.Calculate {
			k.Results[name] = p.shown(fd, v)
		} else {
			k.Offers[name] = p.T("form.offer", p.shown(fd, v))
		}
	}
	return reply{data: k}, nil
}

// errOvertaken says that a later keep of the same window came before this one.
var errOvertaken = errors.New("a later keep came first")

// posted is the form of the draft that a POST names, with what it brings, and
// the fields that another window wrote too. Of a keep that a later one of the
// same window overtook nothing is taken: errOvertaken; nor of such a save, but
// that saves what the later one kept.
func (w *Site) posted(p *page, keep bool) (e *entry, both []string, err error) {
	body := p.r.PostForm
	if body.Get("_end") == "" {
		return nil, nil, errAsked // cut short: what is missing would read as cleared
	}
	d, err := w.store.Draft(p.r.PathValue("id"))
	if err != nil {
		return nil, nil, err
	}
	if e, err = w.entry(d); err != nil {
		return nil, nil, err
	}
	at := atKey + body.Get("_window")
	last, _ := strconv.Atoi(first(d.Values[at]))
	serial, _ := strconv.Atoi(body.Get("_serial"))
	switch {
	case keep && serial <= last:
		return e, nil, errOvertaken
	case serial < last && body.Has("_window"):
		return e, nil, nil
	}
	both = e.take(body)
	e.draft.Values[at] = []string{strconv.Itoa(serial)}
	if who := body.Get("_author"); p.signs(who) {
		e.draft.Author = who
	}
	if !p.signs(e.draft.Author) {
		e.draft.Author = p.author // whoever goes on with somebody else's form signs it
	}
	return e, both, nil
}

// saved keeps what somebody wrote, notes it for the lists and lets it go on its way.
// errRole where that is not for this person to write.
func (w *Site) saved(p *page, edits ...store.Edit) ([]store.Saved, error) {
	saved, err := w.store.Save(p.r.Context(), edits...)
	var refusal *merge.Refusal
	if errors.As(err, &refusal) {
		return nil, errRole
	}
	if err != nil {
		return nil, err
	}
	for _, s := range saved {
		w.cache.note(s.Key)
		for _, k := range s.Born {
			w.cache.note(k)
		}
	}
	w.sync.Now()
	return saved, nil
}

// save makes a record of a draft.
func (w *Site) save(p *page) (reply, error) {
	w.saving.Lock()
	defer w.saving.Unlock()
	e, both, err := w.posted(p, false)
	why := "both"
	if errors.Is(err, store.ErrNotFound) {
		if e, err = w.rescue(p, false); errors.Is(err, store.ErrNotFound) {
			return w.afterDraft(p)
		}
		why = "late"
	}
	if err != nil {
		return reply{}, err
	}
	if seeks(p) {
		e.draft.Typed = w.store.Now()
		if err := w.store.KeepDraft(p.r.Context(), e.draft); err != nil {
			return reply{}, err
		}
		return w.showForm(p, e, http.StatusOK, "")
	}
	if why == "late" || len(both) > 0 {
		// Not saved before the person has seen what else there is.
		e.draft.Typed = w.store.Now()
		if err := w.store.KeepDraft(p.r.Context(), e.draft); err != nil {
			return reply{}, err
		}
		return goTo("/draft/" + e.draft.ID + "?why=" + why)
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
	saved, err := w.saved(p, e.edit(p.counted()))
	if err != nil {
		return reply{}, err
	}
	serial, _ := strconv.Atoi(p.r.PostForm.Get("_serial"))
	w.end(e.draft.ID, ended{saved[0].Key, p.r.PostForm.Get("_window"), serial})
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
	w.end(d.ID, ended{})
	if !d.Record.IsZero() {
		return goTo("/record/" + string(d.Type) + "/" + d.Record.String())
	}
	return goTo("/")
}

// draftLine is a draft in a list.
type draftLine struct {
	id, kind, title, excerpt, typed string
}

// draftLines lists what was begun and not saved.
//
// Those of colleagues who are registered here are theirs to finish: of them it gives how
// many there are, by name.
func (w *Site) draftLines(p *page) (out []draftLine, others map[string]int, err error) {
	drafts, err := w.store.Drafts()
	if err != nil {
		return nil, nil, err
	}
	others = map[string]int{}
	for _, d := range drafts {
		if d.Typed == 0 {
			continue
		}
		if d.Author != p.author && slices.Contains(p.device.Assigned.Profiles, d.Author) {
			others[d.Author]++
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
			if t := first(e.typed[fd.Name]); fd.Shape() == prose && t != "" && d.Values[fd.Name] != nil {
				l.excerpt = clip(t, 30)
				break
			}
		}
		out = append(out, l)
	}
	return out, others, nil
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
