package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
)

// Note is what an act leaves in the audit.
type Note struct {
	// Who acted; "" is whom the context names.
	Who string
	// Act is a word of the audit's own, "" for no note at all.
	Act string
	// Subject says what it was done to, Reason why.
	Subject, Reason string
}

// Audit is a note as it stands in the chain.
type Audit struct {
	Number                    uint64
	At                        time.Time
	Who, Act, Subject, Reason string
	Hash                      [sha256.Size]byte
}

// CommandLine and Itself are who acts where nobody has signed in: whoever is at
// the server's command line, and the server by itself.
const (
	CommandLine = "command line"
	Itself      = "server"
)

type by struct{}

// By gives a context in which who acts: notes are in that name.
func By(ctx context.Context, who string) context.Context { return context.WithValue(ctx, by{}, who) }

func actor(ctx context.Context) string {
	who, _ := ctx.Value(by{}).(string)
	return cmp.Or(who, Itself)
}

// metaAudit keeps the end of the chain: its number in eight bytes, its hash.
const metaAudit = "audit"

// chainEnd is the last note of the chain.
type chainEnd struct {
	number uint64
	hash   [sha256.Size]byte
}

func (e *chainEnd) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, e.number), e.hash[:]...)
}

func (e *chainEnd) read(b []byte) error {
	if len(b) != 8+sha256.Size {
		return errors.New("the end of the audit is damaged")
	}
	e.number = binary.BigEndian.Uint64(b)
	copy(e.hash[:], b[8:])
	return nil
}

// Link gives the note's hash: SHA-256 over it and the hash of the one before it,
// each text with its length before it.
func (a *Audit) Link(before [sha256.Size]byte) [sha256.Size]byte {
	var b []byte
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text("zhucun audit note 1")
	b = binary.AppendUvarint(b, a.Number)
	b = append(b, before[:]...)
	b = binary.AppendVarint(b, a.At.UnixMilli())
	for _, s := range []string{a.Who, a.Act, a.Subject, a.Reason} {
		text(s)
	}
	return sha256.Sum256(b)
}

// note appends notes to the audit, in the transaction of what they are about. The
// chain's end is locked first: two transactions cannot give one number. The end
// is signed with it.
func (t *tx) note(s *Store, at time.Time, notes ...*Note) error {
	notes = slices.DeleteFunc(slices.Clone(notes), func(n *Note) bool { return n.Act == "" })
	if len(notes) == 0 {
		return nil
	}
	end, err := t.lockAudit()
	if err != nil {
		return err
	}
	for _, n := range notes {
		a := Audit{At: at, Who: cmp.Or(n.Who, actor(t.ctx)), Act: n.Act, Subject: n.Subject, Reason: n.Reason}
		if err := t.link(&end, a); err != nil {
			return err
		}
	}
	if err := t.setMeta(metaAudit, end.bytes()); err != nil {
		return err
	}
	// Whoever can write to the database but has not the key could else make the notes
	// behind the last signature anew.
	return t.signAudit(s, end, true)
}

func (t *tx) lockAudit() (end chainEnd, err error) {
	var b []byte
	err = t.row(`UPDATE meta SET value = value WHERE key = $1 RETURNING value`, metaAudit).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return end, t.setMeta(metaAudit, end.bytes())
	} else if err != nil {
		return end, err
	}
	return end, end.read(b)
}

func (t *tx) link(end *chainEnd, a Audit) error {
	a.Number = end.number + 1
	a.At = time.UnixMilli(a.At.UnixMilli())
	*end = chainEnd{a.Number, a.Link(end.hash)}
	return t.exec(`INSERT INTO audit(number, at, who, act, subject, reason, hash) VALUES($1, $2, $3, $4, $5, $6, $7)`,
		a.Number, a.At.UnixMilli(), a.Who, a.Act, a.Subject, a.Reason, end.hash[:])
}

// auditHead is the end of the chain as the server signed it on a day.
type auditHead struct {
	end       chainEnd
	day       string
	signature []byte
}

func (h *auditHead) message() []byte { return append(h.end.bytes(), h.day...) }

// signAudit signs the end of the chain where anything is new; not anew, once a day.
func (t *tx) signAudit(s *Store, end chainEnd, anew bool) error {
	h := auditHead{end: end, day: Day(clock.At0(s.now()))}
	var number uint64
	var day string
	err := t.row(`SELECT number, day FROM audit_head ORDER BY number DESC LIMIT 1`).Scan(&number, &day)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if end.number <= number || !anew && day == h.day {
		return nil
	}
	h.signature = identity.Sign(s.Key, identity.AuditHead, h.message())
	// One a day is kept, its last.
	if err := t.exec(`DELETE FROM audit_head WHERE day = $1`, h.day); err != nil {
		return err
	}
	return t.exec(`INSERT INTO audit_head(number, day, hash, signature) VALUES($1, $2, $3, $4)`, end.number, h.day, end.hash[:], h.signature)
}

// SignAudit signs the end of the audit where that was not done today; anew, where
// there are notes that no signature covers.
func (s *Store) SignAudit(ctx context.Context, anew bool) error {
	return s.change(ctx, func(t *tx) error {
		end, err := t.lockAudit()
		if err != nil || end.number == 0 {
			return err
		}
		return t.signAudit(s, end, anew)
	})
}

// chainNotes makes the notes of before there was a chain its first ones.
func (s *Store) chainNotes(ctx context.Context) error {
	return s.change(ctx, func(t *tx) error {
		t.from = nil
		have, err := s.engine.Columns(t.ctx, t.Tx, "audit_before")
		if err != nil || len(have) == 0 {
			return err
		}
		var old []Audit
		if err := t.rows(func(r *sql.Rows) error {
			var a Audit
			var at int64
			err := r.Scan(&at, &a.Who, &a.Act, &a.Subject, &a.Reason)
			a.At = time.UnixMilli(at)
			old = append(old, a)
			return err
		}, `SELECT at, who, act, subject, reason FROM audit_before ORDER BY audit_id`); err != nil {
			return err
		}
		end, err := t.lockAudit()
		if err != nil {
			return err
		}
		for _, a := range old {
			if err := t.link(&end, a); err != nil {
				return err
			}
		}
		if err := t.setMeta(metaAudit, end.bytes()); err != nil {
			return err
		}
		if len(old) > 0 {
			if err := t.signAudit(s, end, false); err != nil {
				return err
			}
		}
		return t.exec(`DROP TABLE audit_before`)
	})
}

// AddAudit keeps a note of its own: of a look, before what it is about is shown.
func (s *Store) AddAudit(ctx context.Context, n Note) error {
	if err := s.change(ctx, func(t *tx) error { return t.note(s, s.Now(), &n) }); err != nil {
		return fmt.Errorf("note in the audit: %w", err)
	}
	return nil
}

// AuditQuery asks for notes: those before a number (0: the last), of an act, by
// somebody, from a time on and before another (zero: any), at most so many.
type AuditQuery struct {
	Before      uint64
	Act, Who    string
	From, Until time.Time
	Limit       int
}

// Audits lists the notes, the newest first.
func (s *Store) Audits(ctx context.Context, q AuditQuery) ([]Audit, error) {
	where, args := `number < $1`, []any{int64(1<<63 - 1), q.Limit}
	if q.Before > 0 {
		args[0] = q.Before
	}
	for column, value := range map[string]string{"act": q.Act, "who": q.Who} {
		if value != "" {
			args = append(args, value)
			where += fmt.Sprintf(` AND %s = $%d`, column, len(args))
		}
	}
	for bound, at := range map[string]time.Time{"at >= ": q.From, "at < ": q.Until} {
		if !at.IsZero() {
			args = append(args, at.UnixMilli())
			where += fmt.Sprintf(` AND %s$%d`, bound, len(args))
		}
	}
	var list []Audit
	err := s.look(ctx, func(t *tx) error {
		t.from = nil // the texts come in either order
		return t.audits(func(a Audit) error {
			list = append(list, a)
			return nil
		}, where+` ORDER BY number DESC LIMIT $2`, args...)
	})
	return list, err
}

func (t *tx) audits(each func(Audit) error, rest string, args ...any) error {
	return t.rows(func(r *sql.Rows) error {
		var a Audit
		var at int64
		var hash []byte
		if err := r.Scan(&a.Number, &at, &a.Who, &a.Act, &a.Subject, &a.Reason, &hash); err != nil {
			return err
		}
		a.At = time.UnixMilli(at)
		if copy(a.Hash[:], hash) != len(hash) {
			a.Hash = [sha256.Size]byte{}
		}
		return each(a)
	}, `SELECT number, at, who, act, subject, reason, hash FROM audit WHERE `+rest, args...)
}

// AuditChain is what looking through the whole audit found.
type AuditChain struct {
	// Notes there are, Signed how many of them the last signature covers, of the
	// day SignedOn; "" where nothing is signed yet.
	Notes    uint64 `json:"notes"`
	Signed   uint64 `json:"signed"`
	SignedOn string `json:"signed_on"`
	Faults   int    `json:"faults"`
}

// CheckAudit looks through the whole audit: every note's number and hash, every
// signature over an end that it had, and the end that is noted now.
func (s *Store) CheckAudit(ctx context.Context, report func(form.Label)) (AuditChain, error) {
	var sum AuditChain
	fault := func(zh, en string, args ...any) {
		sum.Faults++
		report(said(zh, en, args...))
	}
	err := s.look(ctx, func(t *tx) error {
		heads := map[uint64]auditHead{}
		last := auditHead{}
		if err := t.rows(func(r *sql.Rows) error {
			var h auditHead
			var hash []byte
			if err := r.Scan(&h.end.number, &h.day, &hash, &h.signature); err != nil {
				return err
			}
			copy(h.end.hash[:], hash)
			if !identity.Verify(s.Key.Public().(ed25519.PublicKey), identity.AuditHead, h.message(), h.signature) {
				fault("审计 %s 的末尾（第 %d 条）不是本服务器签的", "the audit's end of %s, note %d, is not signed by the server", h.day, h.end.number)
			}
			heads[h.end.number], last = h, h
			return nil
		}, `SELECT number, day, hash, signature FROM audit_head ORDER BY number`); err != nil {
			return err
		}
		var end, noted chainEnd
		if err := t.audits(func(a Audit) error {
			if a.Number != end.number+1 {
				fault("审计缺第 %d 条", "note %d of the audit is missing", end.number+1)
			}
			// From here on it is the chain of what is there: one fault, not all that follow.
			if hash := a.Link(end.hash); hash != a.Hash {
				fault("审计第 %d 条被改动过", "note %d of the audit is not what was noted", a.Number)
			}
			end = chainEnd{a.Number, a.Hash}
			sum.Notes++
			if h, signed := heads[a.Number]; signed {
				if h.end.hash != a.Hash {
					fault("审计第 %d 条不是 %s 签名时的那一条", "note %d of the audit is not the one that was signed on %s", a.Number, h.day)
				}
				delete(heads, a.Number)
			}
			return nil
		}, `number > 0 ORDER BY number`); err != nil {
			return err
		}
		for _, number := range slices.Sorted(maps.Keys(heads)) {
			fault("审计第 %d 条（%s 已签名）缺失", "note %d of the audit, signed on %s, is missing", number, heads[number].day)
		}
		var b []byte
		if err := t.row(`SELECT value FROM meta WHERE key = $1`, metaAudit).Scan(&b); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		} else if err == nil && noted.read(b) != nil || !bytes.Equal(noted.bytes(), end.bytes()) {
			fault("审计到第 %d 条为止，登记的末尾却是第 %d 条", "the audit ends with note %d, and is noted to end with %d", end.number, noted.number)
		}
		sum.Signed, sum.SignedOn = last.end.number, last.day
		return nil
	})
	return sum, err
}
