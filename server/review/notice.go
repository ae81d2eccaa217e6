package review

import (
	"context"
	"errors"
	"slices"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// noticeType is the type of the record that a notice is in each village.
const noticeType record.Type = "notice"

// The states of a notice.
const (
	NoticeCurrent   = "current"
	NoticeWithdrawn = "withdrawn"
	NoticeReplaced  = "replaced"
)

// Notice is what the office sends to villages.
type Notice struct {
	// No is the same in all villages: a UUIDv7, so that numbers are in order of time.
	No record.ID
	// Fields are what it says in every village, canonical, but for its number and state.
	Fields map[string]record.Value
	Files  []store.Blob // that it shows, which lie in the store's files
	// Replaces is the number of the notice whose place it takes; the zero ID is none.
	Replaces record.ID
	By       merge.Writer
}

// NoticeID is the record of a notice in a village: to send it there twice sends it once.
func NoticeID(no record.ID, v record.Village) record.ID {
	return record.DerivedID(no, record.Path("notice/"+string(v)))
}

// Send puts a notice into the villages, one after the other, each with its files first, and
// gives in how many it is now. What is there already is left as it is: whoever was
// interrupted sends it again. ErrForm, ErrEmpty, a *merge.Refusal.
func (r *Review) Send(ctx context.Context, n Notice, villages []record.Village) (sent int, err error) {
	f := r.store.Forms().Form(noticeType)
	if f == nil {
		return 0, ErrForm
	}
	for _, v := range slices.Sorted(slices.Values(villages)) {
		if err := r.sendTo(ctx, f, &n, v); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

func (r *Review) sendTo(ctx context.Context, f *form.Form, n *Notice, v record.Village) error {
	for _, b := range n.Files {
		b.Village, b.Device = v, store.OfficeDevice
		// Of a village from which nothing has come yet there is no head; its record makes it.
		if _, err := r.store.TakeBlob(ctx, b); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	err := r.store.Desk(ctx, v, func(desk *store.Desk) error {
		c := &Create{Village: v, Type: noticeType, Record: NoticeID(n.No, v), By: n.By, Fields: map[string]record.Value{
			"notice_no": record.Text(n.No.String()), "notice_state": record.Text(NoticeCurrent)}}
		for name, value := range n.Fields {
			c.Fields[name] = value
		}
		switch _, err := desk.Record(c.Record); {
		case errors.Is(err, store.ErrNotFound):
			if err := create(desk, r.store, c); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		if n.Replaces.IsZero() {
			return nil
		}
		return turn(desk, f, NoticeID(n.Replaces, v), n.By, map[string]record.Value{"notice_state": record.Text(NoticeReplaced), "replaced_by": record.Text(n.No.String())}, "")
	})
	if err != nil {
		return err
	}
	for _, b := range n.Files {
		b.Village, b.Device = v, store.OfficeDevice
		if _, err := r.store.TakeBlob(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// turn writes fields of a notice in one village, if it is there and says otherwise.
func turn(desk *store.Desk, f *form.Form, id record.ID, by merge.Writer, fields map[string]record.Value, reason string) error {
	rec, err := desk.Record(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (rec.View.Erased || rec.View.Fields["notice_state"] == fields["notice_state"]) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := merge.Compose(f, rec.State, rec.State.Authors(), by, fields)
	if err != nil || len(body) == 0 {
		return err
	}
	state, _ := fields["notice_state"].Text()
	desk.Note(store.Note{Act: "notice", Subject: subject(noticeType, id) + " " + state, Reason: reason})
	_, err = desk.Write(change(id, noticeType, by, reason, body))
	return err
}

// Withdraw takes a notice back in every village that has it: it stays readable there, and
// says that it no longer holds, and why. ErrForm, ErrReason, ErrLong.
func (r *Review) Withdraw(ctx context.Context, no record.ID, reason string, by merge.Writer) error {
	f := r.store.Forms().Form(noticeType)
	switch {
	case f == nil:
		return ErrForm
	case strings.TrimSpace(reason) == "":
		return ErrReason
	case len([]rune(reason)) > MaxWhy:
		return ErrLong
	}
	for after := record.Village(""); ; {
		rows, err := r.store.NoticeIn(ctx, no.String(), after, 200)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := r.store.Desk(ctx, row.Village, func(desk *store.Desk) error {
				return turn(desk, f, row.ID, by, map[string]record.Value{"notice_state": record.Text(NoticeWithdrawn), "state_why": record.Text(reason)}, reason)
			}); err != nil {
				return err
			}
			after = row.Village
		}
	}
}
