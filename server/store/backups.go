package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// Backup is one that was made.
type Backup struct {
	Made    time.Time
	File    string // where it was written
	Bytes   int64
	Changes int       // in it, of all villages
	Lost    int       // files that were missing or damaged and are not in it
	Tested  time.Time // when it was last tried; zero: never
	Result  Tried
}

// Tried is what came of restoring a backup into a folder of its own.
type Tried struct {
	Villages int `json:"villages"`
	Records  int `json:"records"`
	Changes  int `json:"changes"`
	Files    int `json:"files"`
	Faults   int `json:"faults"`
	// Failed says why it could not be restored at all: one of the Failed constants.
	Failed string `json:"failed,omitempty"`
}

// Why a backup could not be tried.
const (
	FailedGone    = "gone"    // the file is not there, or is another
	FailedDamaged = "damaged" // or cut off
	FailedRelease = "release" // of another release
	FailedRoom    = "room"    // the disk has no room to try it
	FailedOther   = "other"   // the log has it
)

// Good tells a backup that was tried and is what it should be.
func (b *Backup) Good() bool {
	return !b.Tested.IsZero() && b.Result.Failed == "" && b.Result.Faults == 0
}

// AddBackup notes a backup that is safely stored.
func (s *Store) AddBackup(ctx context.Context, b Backup) error {
	return s.change(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO backup(made, file, bytes, changes, lost) VALUES($1, $2, $3, $4, $5)
			ON CONFLICT(made) DO UPDATE SET file = excluded.file, bytes = excluded.bytes, changes = excluded.changes, lost = excluded.lost, tested = 0, result = '{}'`,
			b.Made.UnixMilli(), b.File, b.Bytes, b.Changes, b.Lost)
	})
}

// BackupTried notes what trying a backup gave. ErrNotFound: it is not a known one.
func (s *Store) BackupTried(ctx context.Context, made time.Time, r Tried, notes ...*Note) error {
	result, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`UPDATE backup SET tested = $2, result = $3 WHERE made = $1`, made.UnixMilli(), s.now(), string(result))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
}

// backupsShown is how many backups are listed.
const backupsShown = 100

// Backups gives the backups that were made, the latest first.
func (s *Store) Backups(ctx context.Context) ([]Backup, error) {
	var list []Backup
	err := s.look(ctx, func(t *tx) error {
		list = nil
		return t.rows(func(r *sql.Rows) error {
			var b Backup
			var made, tested int64
			var result string
			if err := r.Scan(&made, &b.File, &b.Bytes, &b.Changes, &b.Lost, &tested, &result); err != nil {
				return err
			}
			if b.Made = time.UnixMilli(made); tested > 0 {
				b.Tested = time.UnixMilli(tested)
			}
			list = append(list, b)
			return json.Unmarshal([]byte(result), &list[len(list)-1].Result)
		}, `SELECT made, file, bytes, changes, lost, tested, result FROM backup ORDER BY made DESC LIMIT $1`, backupsShown)
	})
	return list, err
}
