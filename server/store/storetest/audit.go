package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// notes gives the audit from its first note on.
func (w *World) notes(q store.AuditQuery) []store.Audit {
	w.Helper()
	q.Limit = 1000
	list, err := w.Audits(w.ctx(), q)
	w.ok(err)
	slices.Reverse(list)
	return list
}

// Chain checks the audit and gives what is there.
func (w *World) Chain() store.AuditChain {
	w.Helper()
	sum, err := w.CheckAudit(w.ctx(), func(what form.Label) { w.Errorf("audit: %s", what.En) })
	w.ok(err)
	return sum
}

// Notes are numbered, chained and signed; of each day the last signature is kept.
func auditChain(w *World) {
	if got := w.Chain(); got != (store.AuditChain{}) {
		w.Errorf("before the first note: %+v", got)
	}
	w.ok(w.SignAudit(w.ctx(), true))
	note := func(who string) {
		w.ok(w.AddAudit(store.By(w.ctx(), who), store.Note{Act: "view", Subject: "visit", Reason: "复核"}))
	}
	day := func() string { return time.UnixMilli(w.Clock).In(time.FixedZone("", 8*3600)).Format(time.DateOnly) }
	signed := func(number uint64, on string) {
		w.Helper()
		if got := w.Chain(); got.Signed != number || got.SignedOn != on {
			w.Errorf("signed up to %d on %s; want %d on %s", got.Signed, got.SignedOn, number, on)
		}
	}
	first := day()
	note("a")
	note("b")
	w.ok(w.SignAudit(w.ctx(), false))
	signed(2, first)
	w.Clock += 24 * 3600_000
	w.ok(w.SignAudit(w.ctx(), false))
	signed(2, first)
	note("a")
	signed(3, day())
	w.ok(w.SignAudit(w.ctx(), true))
	signed(3, day())
	w.Clock += 24 * 3600_000
	w.ok(w.SignAudit(w.ctx(), true))
	signed(3, first[:8]+fmt.Sprintf("%02d", w.time().In(time.FixedZone("", 8*3600)).Day()-1))
	note("b")
	signed(4, day())

	for _, tt := range []struct {
		q    store.AuditQuery
		want []uint64
	}{
		{store.AuditQuery{}, []uint64{1, 2, 3, 4}},
		{store.AuditQuery{Before: 3}, []uint64{1, 2}},
		{store.AuditQuery{Who: "b"}, []uint64{2, 4}},
		{store.AuditQuery{Who: "b", Act: "view", Before: 4}, []uint64{2}},
		{store.AuditQuery{Act: "export"}, nil},
	} {
		var got []uint64
		for _, a := range w.notes(tt.q) {
			got = append(got, a.Number)
		}
		if !slices.Equal(got, tt.want) {
			w.Errorf("%+v gives the notes %v, want %v", tt.q, got, tt.want)
		}
	}
	if list, err := w.Audits(w.ctx(), store.AuditQuery{Limit: 3}); err != nil || len(list) != 3 || list[0].Number != 4 {
		w.Errorf("the last three: %+v, %v", list, err)
	}
	if w.Whole().Audit.Notes != 4 {
		w.Error("Verify does not look through the audit")
	}
}

// An act and its note are stored together or not at all.
func auditTogether(w *World) {
	wrong := errors.New("no")
	ctx := store.By(w.ctx(), "boss")
	n := func(act string) *store.Note { return &store.Note{Act: act, Subject: "x"} }
	device := store.Device{ID: "d", Key: make([]byte, 32), TokenHash: []byte{1}, Role: identity.TeamMember}
	use := func(give *store.Device, miss bool, err error) func(store.Code, *store.Device) (*store.Device, bool, error) {
		return func(store.Code, *store.Device) (*store.Device, bool, error) { return give, miss, err }
	}
	w.ok(w.AddVillage(ctx, store.Village{Code: "369999000009"}, n("village")))
	if err := w.AddVillage(ctx, store.Village{Code: "369999000009"}, n("village again")); !errors.Is(err, store.ErrTaken) {
		w.Error(err)
	}
	w.ok(w.AddAccount(ctx, store.Account{ID: "1", Login: "x"}, n("account")))
	if err := w.AddAccount(ctx, store.Account{ID: "2", Login: "x"}, n("account again")); !errors.Is(err, store.ErrTaken) {
		w.Error(err)
	}
	w.ok(w.ChangeAccount(ctx, "x", func(*store.Account) error { return nil }, n("password"), n("")))
	if err := w.ChangeAccount(ctx, "x", func(*store.Account) error { return wrong }, n("password again")); !errors.Is(err, wrong) {
		w.Error(err)
	}
	w.ok(w.AddCode(ctx, store.Code{ID: "c", SecretHash: []byte{1}}, n("code")))
	if err := w.AddCode(ctx, store.Code{ID: "c", SecretHash: []byte{1}}, n("code again")); err == nil {
		w.Error("one code twice")
	}
	w.ok(w.UseCode(ctx, "c", use(nil, true, nil), n("missed")))
	if err := w.UseCode(ctx, "c", use(nil, false, wrong), n("refused")); !errors.Is(err, wrong) {
		w.Error(err)
	}
	w.ok(w.UseCode(ctx, "c", use(&device, false, nil), n("enrolled")))
	_, err := w.ChangeDevice(ctx, "d", func(*store.Device) error { return nil }, n("revoke"))
	w.ok(err)
	if _, err := w.ChangeDevice(ctx, "d", func(*store.Device) error { return wrong }, n("revoke again")); !errors.Is(err, wrong) {
		w.Error(err)
	}
	w.ok(w.SetMeta(ctx, "k", []byte{1}, n("require")))
	write := func(d *store.Desk) error {
		d.Note(*n("conflict"))
		_, err := d.Write(record.Change{Record: ID(1), Type: "visit", Author: "boss", Body: New("visit", ID(1), nil).Body})
		return err
	}
	w.ok(w.Desk(ctx, Code, write))
	if err := w.Desk(ctx, Code, func(d *store.Desk) error { return errors.Join(write(d), wrong) }); !errors.Is(err, wrong) {
		w.Error(err)
	}
	var got []string
	for _, a := range w.notes(store.AuditQuery{Who: "boss"}) {
		got = append(got, a.Act)
	}
	if want := []string{"village", "account", "password", "code", "enrolled", "revoke", "require", "conflict"}; !slices.Equal(got, want) {
		w.Errorf("noted %v, want %v", got, want)
	}

	// Where no note can be made nothing is done either.
	end, err := w.Meta(ctx, "audit")
	w.ok(err)
	w.ok(w.SetMeta(ctx, "audit", []byte("damaged")))
	before, err := w.Heads(ctx)
	w.ok(err)
	if err := w.Desk(ctx, Code, write); err == nil {
		w.Error("decided without a note")
	}
	if after, err := w.Heads(ctx); err != nil || !slices.Equal(after, before) {
		w.Errorf("it was written all the same: %v, %v, %v", before, after, err)
	}
	if _, err := w.ChangeDevice(ctx, "d", func(d *store.Device) error { d.RevokedAt = w.time(); return nil }, n("revoke")); err == nil {
		w.Error("revoked without a note")
	}
	if d, err := w.Device(ctx, "d"); err != nil || d.Revoked() {
		w.Errorf("it is revoked all the same, %v", err)
	}
	w.ok(w.SetMeta(ctx, "audit", end))
	w.Whole()
}
