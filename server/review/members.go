package review

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/kin"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Members is that somebody at the office changes who is of which household of a village.
type Members struct {
	Village record.Village
	Home    record.ID
	kin.Change
	// Founded are the answers of the household that splits off.
	Founded map[string]record.Value
	// Day and Why are what is written to whoever goes.
	Day, Why record.Value
	// Shown is the mark of the family as it was shown.
	Shown  string
	Reason string // must not be empty
	By     merge.Writer
}

// Family is a household with those of its people who have not left it.
type Family struct {
	Home   *store.Record
	People []*store.Record
	Mark   string
}

// reading gives records as of some moment: a Desk, or what is stored.
type reading interface {
	Record(record.ID) (*store.Record, error)
	Belonging(*store.Record) ([]record.ID, error)
}

type stored struct {
	ctx context.Context
	*store.Store
	village record.Village
}

func (s stored) Record(id record.ID) (*store.Record, error) {
	return s.Store.Record(s.ctx, s.village, id)
}
func (s stored) Belonging(r *store.Record) ([]record.ID, error) { return s.Store.Belonging(s.ctx, r) }

// Family gives the family of a household. store.ErrNotFound.
func (r *Review) Family(ctx context.Context, v record.Village, home record.ID) (*Family, error) {
	return r.family(stored{ctx, r.store, v}, home)
}

func (r *Review) family(desk reading, home record.ID) (*Family, error) {
	rec, err := desk.Record(home)
	if err != nil {
		return nil, err
	}
	f := &Family{Home: rec}
	ids, err := desk.Belonging(rec)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	mark := func(rec *store.Record) {
		for _, d := range rec.State.Dots() {
			h.Write([]byte(rec.ID.String() + d.String()))
		}
	}
	mark(rec)
	for _, id := range ids {
		x, err := desk.Record(id)
		if err != nil {
			return nil, err
		}
		if end, _ := x.View.Fields["change_type"].Text(); x.Type == "person" && !x.View.Void && !figure.Gone(end) {
			f.People = append(f.People, x)
			mark(x)
		}
	}
	f.Mark = hex.EncodeToString(h.Sum(nil)[:12])
	return f, nil
}

// SetMembers writes such a change, all of it or nothing, each record on what was shown.
// store.ErrMoved where the family says something else by now, ErrReason, ErrForm, ErrVoid
// where the household where they go is void, store.ErrNotFound, store.ErrTaken where the new
// household's record is there already, a *merge.Refusal.
func (r *Review) SetMembers(ctx context.Context, m Members) error {
	if strings.TrimSpace(m.Reason) == "" {
		return ErrReason
	}
	house, person := r.store.Forms().Form("household"), r.store.Forms().Form("person")
	if house == nil || person == nil {
		return ErrForm
	}
	return r.store.Desk(ctx, m.Village, func(desk *store.Desk) error {
		f, err := r.family(desk, m.Home)
		switch {
		case err != nil:
			return err
		case f.Mark != m.Shown:
			return store.ErrMoved
		}
		to, err := desk.Record(m.To)
		switch {
		case m.Do == kin.Split && err == nil:
			return store.ErrTaken
		case m.Do == kin.Split:
			if err := r.fill(desk, house, &store.Record{Key: record.Key{Village: m.Village, Type: "household", ID: m.To}}, m.Founded, m); err != nil {
				return err
			}
		case err != nil:
			return err
		case to.View.Void || to.Type != "household":
			return ErrVoid
		}
		for _, x := range m.Resettled() {
			i := slices.IndexFunc(f.People, func(p *store.Record) bool { return p.ID == x.ID })
			if i < 0 {
				return store.ErrMoved
			}
			if err := r.fill(desk, person, f.People[i], m.Fields(x, m.Day, m.Why), m); err != nil {
				return err
			}
		}
		if head := m.HeadOfRest(); !head.IsNull() {
			if err := r.fill(desk, house, f.Home, map[string]record.Value{"head_name": head}, m); err != nil {
				return err
			}
		}
		desk.Note(store.Note{Act: "members", Subject: subject("household", m.Home) + " " + m.Do + " " + m.To.String(), Reason: m.Reason})
		if m.Do != kin.Join {
			return nil
		}
		c := change(m.Home, "household", m.By, m.Reason, []record.Write{{Path: record.Life, Value: f.Home.State.Void(m.Reason), Observed: f.Home.State.Observed(record.Life)}})
		_, err = desk.Write(c)
		return err
	})
}

// fill writes the fields of a record that do not stand so yet; a record of which nothing is
// known is made.
func (r *Review) fill(desk *store.Desk, f *form.Form, rec *store.Record, fields map[string]record.Value, m Members) error {
	fields = maps.Clone(fields)
	maps.DeleteFunc(fields, func(name string, v record.Value) bool {
		return rec.View.Fields[name] == v && len(rec.View.Conflicts[record.Path(name)]) == 0
	})
	if len(fields) == 0 {
		return nil
	}
	body, err := merge.Compose(f, rec.State, rec.State.Authors(), m.By, fields)
	if err != nil || len(body) == 0 {
		return err
	}
	if len(rec.State) == 0 {
		body = append(body, record.Write{Path: record.Source, Value: record.Text("onsite")})
	}
	record.SortBody(body)
	if err := merge.Permit(f, f.Type, rec.State, m.By, body); err != nil {
		return err
	}
	_, err = desk.Write(change(rec.ID, f.Type, m.By, m.Reason, body))
	return err
}
