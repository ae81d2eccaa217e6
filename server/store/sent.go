package store

import (
	"context"
	"database/sql"
	"fmt"

	"zhucun/shared/record"
)

// noticeType is the type of what the office sends down: in each village a record, all of
// one notice with the same number, a UUIDv7.
const noticeType record.Type = "notice"

// Sent is a notice as it stands over all villages.
type Sent struct {
	No string
	// Row is that of the first village that has it: in each it says the same.
	Row
	Villages int // that it was sent to
	Read     int // of those, that say that it was read there
}

// indexNotices makes the index by which notices are found and counted.
func (p *table) indexNotices(t *tx) error {
	if p.form.Type != noticeType || p.form.Field("notice_no") == nil || p.form.Field("read_on") == nil {
		return nil
	}
	return t.exec(`CREATE INDEX IF NOT EXISTS form_notice_no ON form_notice(notice_no, village_id, read_on)`)
}

// Notices gives what was sent, the newest first, from the number behind before on ("" is
// the top), and the number where the next page begins.
func (s *Store) Notices(ctx context.Context, before string, limit int) (list []Sent, next string, err error) {
	p := s.tables()[noticeType]
	if p == nil {
		return nil, "", ErrNotFound
	}
	err = s.look(ctx, func(t *tx) error {
		list, next = nil, ""
		// From one number to the one below it, along the index: what lies between are
		// the rows of the villages.
		for at := before; ; {
			var no sql.NullString
			text, args := `SELECT max(notice_no) FROM form_notice WHERE notice_no < $1`, []any{at}
			if at == "" {
				text, args = `SELECT max(notice_no) FROM form_notice WHERE $1 = $1`, []any{""}
			}
			if err := t.row(text, args...).Scan(&no); err != nil || no.String == "" {
				return err
			}
			if len(list) == limit {
				next = at
				return nil
			}
			n, err := s.sent(t, p, no.String)
			if err != nil {
				return err
			}
			list, at = append(list, n), no.String
		}
	})
	return list, next, err
}

// Notice gives one. ErrNotFound.
func (s *Store) Notice(ctx context.Context, no string) (n Sent, err error) {
	p := s.tables()[noticeType]
	if p == nil {
		return n, ErrNotFound
	}
	err = s.look(ctx, func(t *tx) error {
		n, err = s.sent(t, p, no)
		return err
	})
	return n, found(err)
}

func (s *Store) sent(t *tx, p *table, no string) (n Sent, err error) {
	n.No = no
	if err := t.row(`SELECT count(*), count(read_on) FROM form_notice WHERE notice_no = $1`, no).Scan(&n.Villages, &n.Read); err != nil {
		return n, err
	}
	n.Row, err = p.scan(t.row(fmt.Sprintf(`SELECT %s FROM form_notice f WHERE f.notice_no = $1 ORDER BY f.village_id LIMIT 1`, p.columns()), no))
	return n, err
}

// NoticeIn gives the records of a notice in the villages behind one, by their codes.
func (s *Store) NoticeIn(ctx context.Context, no string, after record.Village, limit int) (rows []Row, err error) {
	p := s.tables()[noticeType]
	if p == nil {
		return nil, ErrNotFound
	}
	err = s.look(ctx, func(t *tx) error {
		rows = nil
		return t.rows(func(r *sql.Rows) error {
			row, err := p.scan(r)
			rows = append(rows, row)
			return err
		}, fmt.Sprintf(`SELECT %s FROM form_notice f WHERE f.notice_no = $1 AND f.village_id > $2 ORDER BY f.village_id LIMIT %d`, p.columns(), limit), no, after)
	})
	return rows, err
}
