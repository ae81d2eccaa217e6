package review

import (
	"context"
	"errors"
	"maps"
	"slices"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Review decides over a store.
type Review struct{ store *store.Store }

// New gives the review of a store.
func New(s *store.Store) *Review { return &Review{s} }

// The errors of decisions.
var (
	// ErrDecided: what was to be decided on no longer stands.
	ErrDecided = store.ErrDecided
	// ErrNothing: there is nothing to decide.
	ErrNothing = merge.ErrNothing
	// ErrForm: the record's type is of a later release.
	ErrForm = errors.New("this release does not know the type of this record")
	// ErrVillage: the village of a quarantined entry has not been entered.
	ErrVillage = errors.New("the village is not entered")
	// ErrLong: the reason has more than store.MaxReason characters.
	ErrLong = errors.New("the reason is too long")
)

// Item is something that waits, as it is shown to whoever decides.
type Item struct {
	store.Review
	// Record is the record it is in, Label the line by which a person knows it,
	// Field what the register is called.
	Record *store.Record
	Label  string
	Field  string
	// Question is what the office has asked about it; nil where it has not.
	Question *merge.Question
	// Claims are the values that stand against each other, oldest first, with a
	// proposal's standing value before it.
	Claims []merge.Sibling
}

// List gives what waits in the villages (none means all), of one kind or, with an
// empty one, conflicts and proposals.
func (r *Review) List(ctx context.Context, lang form.Lang, kind store.Kind, villages ...record.Village) ([]Item, error) {
	waiting, err := r.store.Reviews(ctx, villages...)
	if kind == store.Question {
		waiting, err = r.store.Questions(ctx, villages...)
	}
	if err != nil {
		return nil, err
	}
	var items []Item
	for _, w := range waiting {
		if kind != "" && kind != store.Question && w.Kind != kind {
			continue
		}
		item, err := r.item(ctx, w, lang)
		if errors.Is(err, store.ErrNotFound) {
			continue // decided while we looked
		} else if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (r *Review) item(ctx context.Context, w store.Review, lang form.Lang) (Item, error) {
	item := Item{Review: w}
	var err error
	if item.Record, err = r.store.Record(ctx, w.Village, w.ID); err != nil {
		return item, err
	}
	view := &item.Record.View
	if item.Claims = view.Conflicts[w.Path]; w.Kind == store.Proposal {
		item.Claims = slices.Concat(item.Record.State[w.Path].Siblings, view.Proposals[w.Path])
	}
	item.Question = view.Questions[w.Path]
	item.Field = r.Field(w.Type, w.Path, lang)
	item.Label, err = r.Label(ctx, item.Record, lang)
	return item, err
}

// Field gives what a register is called.
func (r *Review) Field(t record.Type, p record.Path, lang form.Lang) string {
	switch p {
	case record.Life:
		return form.Label{Zh: "是否作废", En: "Void or not"}.In(lang)
	case record.Source:
		return form.Label{Zh: "来源", En: "Source"}.In(lang)
	case record.Left:
		return form.Label{Zh: "迁往", En: "Moved to"}.In(lang)
	}
	if p.Links() {
		return form.Label{Zh: "同一对象", En: "Same as"}.In(lang)
	}
	if about, asked := p.Asked(); asked && p.IsProposal() {
		return r.Field(t, about, lang) + form.Label{Zh: "（对问题的答复）", En: " (to the question)"}.In(lang)
	} else if asked {
		return r.Field(t, about, lang) + form.Label{Zh: "（办公室的问题）", En: " (question of the office)"}.In(lang)
	}
	f := r.store.Forms().Form(t)
	if f == nil {
		return string(p)
	}
	fd := f.PathField(p)
	if fd == nil {
		return string(p)
	}
	label := fd.Label.In(lang)
	if _, element := p.Field(); element != "" {
		if c, ok := fd.Choice(element); ok {
			element = c.Label.In(lang)
		}
		label += " " + element
	}
	if p.IsProposal() {
		label += form.Label{Zh: "（建议）", En: " (proposal)"}.In(lang)
	}
	return label
}

// Label gives the line by which a person knows a record: its title fields, with
// the titles of the records that they name.
func (r *Review) Label(ctx context.Context, rec *store.Record, lang form.Lang) (string, error) {
	return r.label(ctx, rec, lang, 2)
}

func (r *Review) label(ctx context.Context, rec *store.Record, lang form.Lang, depth int) (string, error) {
	f := r.store.Forms().Form(rec.Type)
	if f == nil {
		return rec.ID.String(), nil
	}
	line := ""
	for _, name := range f.Titles {
		fd, v := f.Field(name), rec.View.Fields[name]
		if fd == nil || v == "" {
			continue
		}
		word := fd.Show(v, lang)
		if text, ok := v.Text(); ok && fd.Kind == form.RefOne && depth > 0 {
			id, err := record.ParseID(text)
			if err != nil {
				continue
			}
			other, err := r.store.Record(ctx, rec.Village, id)
			if errors.Is(err, store.ErrNotFound) {
				continue // it has not come yet
			} else if err != nil {
				return "", err
			}
			if word, err = r.label(ctx, other, lang, depth-1); err != nil {
				return "", err
			}
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line == "" {
		line = f.Title.In(lang)
	}
	return line, nil
}

// Show gives a value of a register as a person reads it.
func (r *Review) Show(t record.Type, p record.Path, v record.Value, lang form.Lang) string {
	if _, asked := p.Asked(); asked {
		switch said := merge.Said(p, v); said.Kind {
		case merge.SaidClosed:
			return form.Label{Zh: "不再问：", En: "no longer asked: "}.In(lang) + said.Words
		case merge.SaidBack:
			return form.Label{Zh: "撤回了决定", En: "took the decision back"}.In(lang)
		case merge.SaidAnswer:
			if said.Words == "" {
				return form.Label{Zh: "已答", En: "answered"}.In(lang)
			}
			return said.Words
		default:
			return said.Words
		}
	}
	switch {
	case p == record.Life && v == merge.Alive:
		return form.Label{Zh: "有效", En: "alive"}.In(lang)
	case p == record.Life && merge.Erases(v):
		return form.Label{Zh: "已由办公室擦除", En: "erased by the office"}.In(lang)
	case p == record.Life:
		return form.Label{Zh: "作废", En: "void"}.In(lang)
	case v.IsNull():
		return form.Label{Zh: "（清空）", En: "(cleared)"}.In(lang)
	}
	if f := r.store.Forms().Form(t); f != nil {
		if fd := f.PathField(p); fd != nil {
			return fd.Show(v, lang)
		}
	}
	if s, ok := v.Text(); ok {
		return s
	}
	return string(v)
}

// Parse reads a value for a register as a person types it. For _life it is
// alive, or anything else for void. A *form.ValueError, ErrForm.
func (r *Review) Parse(t record.Type, p record.Path, text string) (record.Value, error) {
	p = p.Standing()
	if p == record.Life {
		if text == "alive" {
			return merge.Alive, nil
		}
		return record.Text("void"), nil
	}
	f := r.store.Forms().Form(t)
	if f == nil {
		return "", ErrForm
	}
	fd := f.PathField(p)
	if fd == nil {
		return "", ErrNothing
	}
	if _, element := p.Field(); element != "" {
		return record.Bool(text == "true"), nil
	}
	return fd.CanonText(text)
}

// Waiting gives the item as commands print it.
func (it *Item) Waiting() merge.Waiting {
	return merge.Waiting{
		Village: it.Village, Type: it.Type, ID: it.ID.String(), Record: it.ID.String(), Path: it.Path, Kind: string(it.Kind), Title: it.Label,
		Value: it.Record.View.Fields[string(it.Path)], Values: it.claims(), Since: it.Since.String(), Question: it.Question.JSON(), MayDecide: true,
	}
}

// claims are those of the item, as commands print them.
func (it *Item) claims() []merge.Claim {
	list := make([]merge.Claim, 0, len(it.Claims))
	for _, c := range it.Claims {
		v := c.Value
		if it.Path == record.Life && v != merge.Alive {
			v = record.Text("void")
		}
		list = append(list, merge.Claim{Value: v, Dot: c.Dot.String(), Author: c.Author, At: c.At})
	}
	return list
}

// Decision settles one register.
type Decision struct {
	Village record.Village
	Record  record.ID
	Path    record.Path
	// Take names the value that shall stand by the change that wrote it. Where it
	// is zero Value shall stand, canonical; for _life Alive or anything else for
	// void, whose reason is then Reason.
	Take  record.Dot
	Value record.Value
	// Shown are the changes whose values the person was shown: under the
	// register, for _life in the whole record. None means those that stand now.
	Shown  []record.Dot
	Reason string
	By     merge.Writer
}

// Decide settles what waits under a register and gives the change that does.
// ErrDecided, ErrNothing, ErrForm, ErrLeft, store.ErrNotFound, a *merge.Refusal.
func (r *Review) Decide(ctx context.Context, d Decision) (record.Dot, error) {
	var dot record.Dot
	err := r.store.Desk(ctx, d.Village, func(desk *store.Desk) (err error) {
		dot, err = r.decide(desk, d)
		return err
	})
	return dot, err
}

// decide writes nothing where it gives one of Decide's errors.
func (r *Review) decide(desk *store.Desk, d Decision) (record.Dot, error) {
	var none record.Dot
	d.Path = d.Path.Standing()
	rec, err := desk.Record(d.Record)
	if err != nil {
		return none, err
	}
	f := r.store.Forms().Form(rec.Type)
	if f == nil {
		return none, ErrForm
	}
	shown, err := d.shown(rec)
	if err != nil {
		return none, err
	}
	if d.Path == record.Life && d.Value != merge.Alive {
		d.Value = record.Text(d.Reason)
	}
	value, err := shown.Choose(f, d.Path, d.Take, d.Value)
	switch {
	case errors.Is(err, merge.ErrNotLive):
		return none, ErrDecided
	case err != nil:
		return none, err
	case d.Path == record.Life && value == merge.Alive && rec.View.Left != "":
		return none, ErrLeft // it would live in two villages
	}
	body, err := merge.Decide(f, shown, d.By, d.Path, value)
	if err != nil {
		return none, err
	}
	act := "conflict"
	if len(rec.View.Conflicts[d.Path]) == 0 && len(rec.View.Proposals[d.Path]) > 0 {
		act = "proposal"
	}
	// Whoever decides does not wait for an answer any more.
	if closed, err := merge.Close(f, rec.State, d.Path); err == nil {
		body = append(body, closed)
		record.SortBody(body)
	}
	dot, err := desk.Write(change(rec.ID, rec.Type, d.By, d.Reason, body))
	if err == nil {
		desk.Note(store.Note{Act: act, Subject: subject(rec.Type, rec.ID) + " " + string(d.Path), Reason: d.Reason})
	}
	return dot, err
}

// subject names a record in the audit.
func subject(t record.Type, id record.ID) string { return string(t) + " " + id.String() }

// shown gives the state as the person was shown it: without what has come since
// and would otherwise be replaced, or be named as seen, by this decision.
// ErrDecided: what was shown is gone, or nothing waits any more. ErrNothing.
func (d *Decision) shown(rec *store.Record) (merge.State, error) {
	claims := rec.State.Claims(d.Path)
	waits := len(rec.View.Conflicts[d.Path]) > 0 || len(rec.View.Proposals[d.Path]) > 0
	switch {
	case len(claims) == 0:
		return nil, ErrNothing
	// What a policy put behind can be taken back without anything waiting.
	case !waits && (d.Take.IsZero() || len(claims) < 2):
		return nil, ErrDecided
	case len(d.Shown) == 0:
		return rec.State, nil
	}
	seen := map[record.Dot]bool{}
	for _, dot := range d.Shown {
		seen[dot] = true
	}
	shown := maps.Clone(rec.State)
	for p, r := range shown {
		// Whether a record is void is decided on all that it says.
		if p.Standing() == d.Path || d.Path == record.Life {
			r.Siblings = slices.DeleteFunc(slices.Clone(r.Siblings), func(s merge.Sibling) bool { return !seen[s.Dot] })
			shown[p] = r
		}
	}
	left := shown.Claims(d.Path)
	// Other fields of the record may have changed: that the decision has not
	// seen the new values is all that follows.
	gone := d.Path != record.Life && slices.ContainsFunc(d.Shown, func(dot record.Dot) bool {
		return !slices.ContainsFunc(left, func(s merge.Sibling) bool { return s.Dot == dot })
	})
	if gone || len(left) == 0 {
		return nil, ErrDecided
	}
	return shown, nil
}

// change makes the change of a decision, with its reason.
func change(id record.ID, t record.Type, by merge.Writer, reason string, body []record.Write) record.Change {
	c := record.Change{Record: id, Type: t, Author: by.Author, Body: body}
	if reason != "" {
		c.SetReason(reason)
	}
	return c
}

// Accept takes a quarantined entry after all and gives the change that says its
// content anew; zero where its author has replaced all of it since. ErrDecided,
// ErrVillage, ErrLong, store.ErrNotFound, store.ErrOtherType, store.ErrErased,
// store.ErrServers.
func (r *Review) Accept(ctx context.Context, d record.Dot, reason string, by merge.Writer) (record.Dot, error) {
	if utf8.RuneCountInString(reason) > store.MaxReason {
		return record.Dot{}, ErrLong
	}
	q, _, err := r.store.QuarantinedEntry(ctx, d)
	if err != nil {
		return record.Dot{}, err
	}
	villages, err := r.store.Villages(ctx)
	if err != nil {
		return record.Dot{}, err
	}
	if !slices.ContainsFunc(villages, func(v store.Village) bool { return v.Code == q.Village }) {
		return record.Dot{}, ErrVillage
	}
	var issued record.Dot
	err = r.store.Desk(ctx, q.Village, func(desk *store.Desk) error {
		desk.Note(store.Note{Act: "accept", Subject: subject(q.Type, q.Record) + " " + d.String(), Reason: reason})
		issued, err = desk.Accept(d, by.Author, reason)
		return err
	})
	return issued, err
}

// Reject decides that a quarantined entry stays out. ErrDecided, ErrLong,
// store.ErrNotFound.
func (r *Review) Reject(ctx context.Context, d record.Dot, reason string, by merge.Writer) error {
	if utf8.RuneCountInString(reason) > store.MaxReason {
		return ErrLong
	}
	q, _, err := r.store.QuarantinedEntry(ctx, d)
	if err != nil {
		return err
	}
	return r.store.Desk(ctx, q.Village, func(desk *store.Desk) error {
		desk.Note(store.Note{Act: "reject", Subject: subject(q.Type, q.Record) + " " + d.String(), Reason: reason})
		return desk.Reject(d, by.Author, reason)
	})
}

// Why says in words why an entry is in quarantine.
func (r *Review) Why(q *store.Quarantined, lang form.Lang) string {
	f := r.store.Forms().Form(q.Type)
	field := q.Detail
	var fd *form.Field
	if f != nil {
		if fd = f.PathField(record.Path(q.Detail)); fd != nil {
			field = fd.Label.In(lang)
		}
	}
	var l form.Label
	switch q.Reason {
	case store.ReasonRevoked:
		l = form.Label{Zh: "电脑已停用", En: "the laptop is revoked"}
	case store.ReasonVillage:
		l = form.Label{Zh: "这台电脑没有分配到这个村", En: "the laptop is not assigned to the village"}
	case store.ReasonUnseen:
		l = form.Label{Zh: "“" + field + "”要替换的内容，写的人当时不可能看到过", En: "it replaces in " + field + " what its author cannot have seen"}
	case store.ReasonType:
		l = form.Label{Zh: "编号相同的记录是另一种表", En: "a record of another type has this id"}
	case store.ReasonLost:
		l = form.Label{Zh: "服务器从备份恢复时丢了这一条，是在别的电脑上找回来的", En: "the server lost it when it was restored from a backup; another laptop still had it"}
	case store.ReasonErased:
		l = form.Label{Zh: "这条记录的内容已由办公室依法擦除", En: "the office has erased the record by law"}
	case store.ReasonFull:
		l = form.Label{Zh: "这条记录的内容已经太多", En: "the record has as much in it as a record may have"}
	case merge.RefusedRole:
		l = form.Label{Zh: "这个角色不能填写这种表", En: "the role may not write records of this type"}
	case merge.RefusedOwner:
		l = form.Label{Zh: "“" + field + "”由乡镇或办公室确定", En: field + " is for the township or the office to decide"}
	case store.ReasonAuthor: // and merge.RefusedAuthor: the detail tells which
		if fd != nil {
			l = form.Label{Zh: "“" + field + "”由记录的作者确定", En: field + " is for the record's author to decide"}
			break
		}
		if q.Detail == string(record.Life) {
			l = form.Label{Zh: "作废由记录的作者或第一书记决定", En: "to declare it void is for its author or the first secretary"}
			break
		}
		l = form.Label{Zh: "“" + q.Detail + "”没有在这台电脑上登记", En: q.Detail + " is not registered on the laptop"}
	default:
		l = form.Label{Zh: q.Reason, En: q.Reason}
	}
	return l.In(lang)
}
