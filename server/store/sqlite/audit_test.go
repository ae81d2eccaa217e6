package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
)

// audited makes a store with notes over some days, each day's end signed, and a
// second connection to its file that knows nothing of chains.
func audited(t *testing.T, days, each int) (*storetest.World, func(text string, args ...any) int64) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	w := storetest.NewWorld(t, openAt(file))
	for range days {
		w.Clock += 24 * 3600_000
		for n := range each {
			w.Clock++
			if err := w.AddAudit(store.By(t.Context(), fmt.Sprint("who", n%3)), store.Note{Act: "view", Subject: fmt.Sprint("record ", n), Reason: "复核"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.SignAudit(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return w, func(text string, args ...any) int64 {
		r, err := db.Exec(text, args...)
		if err != nil {
			t.Fatal(text, err)
		}
		n, _ := r.RowsAffected()
		return n
	}
}

// faults counts what looking through the audit finds.
func faults(t *testing.T, w *storetest.World) int {
	sum, err := w.Verify(t.Context(), func(store.Fault) {})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Faults != sum.Audit.Faults {
		t.Errorf("%d faults, %d of them in the audit", sum.Faults, sum.Audit.Faults)
	}
	return sum.Audit.Faults
}

// Whatever is done to the notes behind the store's back is found, one of each
// kind; and as whoever did it knows how the chain is made, but has no key, also
// where the end that is noted was made to fit.
func TestAuditTampered(t *testing.T) {
	w, exec := audited(t, 3, 4) // notes 1 to 12; 4, 8 and 12 are signed
	for _, tt := range []string{
		`UPDATE audit SET at = at + 1 WHERE number = 2`,
		`UPDATE audit SET who = 'somebody' WHERE number = 2`,
		`UPDATE audit SET act = 'export' WHERE number = 2`,
		`UPDATE audit SET subject = '' WHERE number = 2`,
		`UPDATE audit SET reason = 'none' WHERE number = 12`,
		`UPDATE audit SET hash = zeroblob(32) WHERE number = 3`,
		`DELETE FROM audit WHERE number = 1`,
		`DELETE FROM audit WHERE number = 6`,
		`DELETE FROM audit WHERE number = 12`,
		`DELETE FROM audit`,
		`INSERT INTO audit SELECT 13, at, who, act, subject, reason, hash FROM audit WHERE number = 12`,
		`INSERT INTO audit SELECT 99, at, who, act, subject, reason, hash FROM audit WHERE number = 2`,
		`UPDATE audit SET number = CASE number WHEN 2 THEN -3 ELSE -2 END WHERE number IN (2, 3); UPDATE audit SET number = -number WHERE number < 0`,
		`UPDATE audit_head SET signature = zeroblob(64) WHERE number = 4`,
		`UPDATE audit_head SET day = '2030-01-01' WHERE number = 12`,
		`UPDATE audit_head SET hash = zeroblob(32) WHERE number = 8`,
		`UPDATE audit_head SET number = 7 WHERE number = 8`,
		`UPDATE meta SET value = zeroblob(40) WHERE key = 'audit'`,
		`DELETE FROM meta WHERE key = 'audit'`,
		`UPDATE meta SET value = 'x' WHERE key = 'audit'`,
	} {
		for _, table := range []string{"audit", "audit_head", "meta"} {
			exec(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
		}
		exec(tt)
		if n := faults(t, w); n == 0 {
			t.Errorf("not found: %s", tt)
		}
		for _, table := range []string{"audit", "audit_head", "meta"} {
			exec(`DELETE FROM ` + table)
			exec(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
			exec(`DROP TABLE kept_` + table)
		}
		if n := faults(t, w); n != 0 {
			t.Fatalf("%d faults after it was put back", n)
		}
	}
}

// rechain computes every hash and the noted end anew, as somebody would who knows
// how it is done and has no key.
func rechain(t *testing.T, w *storetest.World, exec func(string, ...any) int64) {
	list, err := w.Audits(t.Context(), store.AuditQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var hash [sha256.Size]byte
	var number uint64
	for _, a := range slices.Backward(list) {
		hash, number = a.Link(hash), a.Number
		exec(`UPDATE audit SET hash = $2 WHERE number = $1`, number, hash[:])
	}
	exec(`UPDATE meta SET value = $1 WHERE key = 'audit'`, append(binary.BigEndian.AppendUint64(nil, number), hash[:]...))
}

// Any change, deletion, insertion, reordering or cut behind the last signed end is
// found, also where the hashes from there on were computed anew.
func TestAuditProperty(t *testing.T) {
	w, exec := audited(t, 4, 5)
	for _, table := range []string{"audit", "audit_head", "meta"} {
		exec(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
	}
	const notes = 20
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.IntRange(1, notes).Draw(rt, "note")
		switch rapid.SampledFrom([]string{"change", "delete", "insert", "swap", "cut"}).Draw(rt, "how") {
		case "change":
			column := rapid.SampledFrom([]string{"who", "act", "subject", "reason"}).Draw(rt, "column")
			exec(`UPDATE audit SET `+column+` = `+column+` || $2 WHERE number = $1`, number, rapid.StringN(1, 4, -1).Draw(rt, "more"))
		case "delete":
			exec(`DELETE FROM audit WHERE number = $1`, number)
			exec(`UPDATE audit SET number = -number + 1 WHERE number > $1`, number)
			exec(`UPDATE audit SET number = -number WHERE number < 0`)
		case "insert":
			exec(`UPDATE audit SET number = -number - 1 WHERE number >= $1`, number)
			exec(`UPDATE audit SET number = -number WHERE number < 0`)
			exec(`INSERT INTO audit SELECT $1, at, who, act, subject, 'so', hash FROM kept_audit WHERE number = $1`, number)
		case "swap":
			other := rapid.IntRange(1, notes).Filter(func(n int) bool { return n != number }).Draw(rt, "other")
			exec(`UPDATE audit SET number = -number WHERE number IN ($1, $2)`, number, other)
			exec(`UPDATE audit SET number = CASE number WHEN -$1 THEN $2 ELSE $1 END WHERE number < 0`, number, other)
		case "cut":
			exec(`DELETE FROM audit WHERE number >= $1`, number)
		}
		if rapid.Bool().Draw(rt, "computed anew") {
			rechain(t, w, exec)
		}
		found := faults(t, w)
		for _, table := range []string{"audit", "audit_head", "meta"} {
			exec(`DELETE FROM ` + table)
			exec(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
		}
		if found == 0 {
			rt.Error("not found")
		}
	})
}

// The notes of a file from before there was a chain are its first ones.
func TestAuditBefore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("migrations/000[1-5]*.sql")
	if err != nil || len(all) != 5 {
		t.Fatal(all, err)
	}
	texts := []string{`CREATE TABLE migration(number BIGINT PRIMARY KEY, at BIGINT NOT NULL)`}
	for n, name := range all {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, strings.TrimSpace(string(b)), fmt.Sprintf(`INSERT INTO migration VALUES(%d, 0)`, n+1))
	}
	texts = append(texts, `INSERT INTO audit VALUES('2', 20, 'b', 'export', 'household', '核对'), ('1', 10, 'a', 'view', 'visit', '复核')`)
	for _, text := range texts {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(text, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w := storetest.NewWorld(t, func(tb testing.TB, o store.Options) *store.Store {
		s, err := Open(t.Context(), file, o)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	})
	list, err := w.Audits(t.Context(), store.AuditQuery{Limit: 9})
	if err != nil || len(list) != 2 || list[1].Who != "a" || list[1].Number != 1 || list[0].Reason != "核对" || list[0].At.UnixMilli() != 20 {
		t.Errorf("%+v, %v", list, err)
	}
	if sum := w.Chain(); sum.Notes != 2 || sum.Signed != 2 {
		t.Errorf("%+v", sum)
	}
}
