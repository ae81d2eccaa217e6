package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Copied is a copy of the database: of which life, and how far each stream is
// in it.
type Copied struct {
	Epoch wire.Epoch
	// Made is when the copy was begun.
	Made  time.Time
	heads map[record.Village][]wire.StreamHead
}

// Changes is how many changes are in it.
func (c *Copied) Changes() int {
	n := 0
	for _, heads := range c.heads {
		for _, h := range heads {
			n += int(h.Seq)
		}
	}
	return n
}

// Copy writes the whole database as of one moment into a file that is not there
// yet. Others write on meanwhile.
func (s *Store) Copy(ctx context.Context, file string) (Copied, error) {
	c := Copied{Made: s.Now(), heads: map[record.Village][]wire.StreamHead{}}
	err := s.engine.Copy(ctx, file, func(copied *sql.DB) error {
		var epoch []byte
		if err := copied.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'epoch'`).Scan(&epoch); err != nil {
			return err
		}
		copy(c.Epoch[:], epoch)
		rows, err := copied.QueryContext(ctx, `SELECT village_id, stream_id, head_seq FROM stream`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var v record.Village
			var id []byte
			var h wire.StreamHead
			if err := rows.Scan(&v, &id, &h.Seq); err != nil {
				return err
			}
			copy(h.Stream[:], id)
			c.heads[v] = append(c.heads[v], h)
		}
		return rows.Err()
	})
	return c, err
}

// Backed notes that a copy is a backup that is safely stored: laptops may learn
// that they need not keep what is in it. A copy of an earlier life of the data says
// nothing of this one.
func (s *Store) Backed(ctx context.Context, c Copied) error {
	if c.Epoch != s.epoch {
		return nil
	}
	for v, heads := range c.heads {
		if err := s.change(ctx, func(t *tx) error {
			for _, h := range heads {
				if err := t.exec(`UPDATE stream SET backed = $3 WHERE village_id = $1 AND stream_id = $2 AND backed < $3`, v, h.Stream[:], h.Seq); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("note what is in the backup: %w", err)
		}
	}
	// What was received just then may be noted behind the copy.
	at := c.Made.Add(-time.Minute)
	return s.SetMeta(ctx, metaFilesBacked, binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli())))
}

// metaFilesBacked is until when the files were received that are in a backup.
const metaFilesBacked = "files_backed"

// FilesBacked tells until when files were received that are in a backup; zero where
// there is none.
func (s *Store) FilesBacked(ctx context.Context) (at time.Time, err error) {
	raw, err := s.Meta(ctx, metaFilesBacked)
	if err == nil && len(raw) == 8 {
		at = time.UnixMilli(int64(binary.BigEndian.Uint64(raw)))
	}
	return at, err
}

// Restored says that the data began anew from a backup, which was made at Made.
type Restored struct {
	Made time.Time `json:"made"`
	At   time.Time `json:"at"`
}

// metaRestored keeps Restored in the table meta until somebody has confirmed it.
const metaRestored = "restored"

// metaAnew is there since data first came out of a backup: there may be streams of which
// it knows nothing, and others have seen entries.
const metaAnew = "anew"

// Restore begins a new life of data that came out of a backup, before anybody
// uses it: a new epoch, nobody signed in, no open enrolment code, no token. What laptops
// name that was lost is looked for in them (stream.rewound). Every device is told its
// assignment again: it may have had a later one, of a number that would be given
// again.
func (s *Store) Restore(ctx context.Context, made time.Time) (Restored, error) {
	r := Restored{Made: made, At: s.Now()}
	note, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	var epoch wire.Epoch
	if _, err := io.ReadFull(s.Random, epoch[:]); err != nil {
		return r, err
	}
	err = s.change(ctx, func(t *tx) error {
		for _, text := range []string{
			`DELETE FROM session`,
			`UPDATE stream SET rewound = 1, backed = head_seq`,
		} {
			if err := t.exec(text); err != nil {
				return err
			}
		}
		// Seconds are beyond any count, and those of an earlier restore.
		if err := t.exec(`UPDATE device SET serial = CASE WHEN serial < $1 THEN $1 ELSE serial + 1 END`, r.At.Unix()); err != nil {
			return err
		}
		if err := t.exec(`UPDATE code SET expires_at = $1 WHERE used_by IS NULL AND expires_at > $1`, r.At.UnixMilli()-1); err != nil {
			return err
		}
		// Which were revoked since, nobody knows.
		if err := t.exec(`UPDATE token SET revoked = $1 WHERE revoked = 0`, r.At.UnixMilli()); err != nil {
			return err
		}
		return errors.Join(t.setMeta("epoch", epoch[:]), t.setMeta(metaRestored, note), t.setMeta(metaAnew, []byte{1}))
	})
	if err == nil {
		s.epoch, s.anew = epoch, true
	}
	return r, err
}

// Restored tells of a restore that nobody has confirmed yet; nil when there is none.
func (s *Store) Restored(ctx context.Context) (*Restored, error) {
	raw, err := s.Meta(ctx, metaRestored)
	if raw == nil {
		return nil, err
	}
	r := new(Restored)
	return r, json.Unmarshal(raw, r)
}

// ConfirmRestored notes that somebody has seen to what a restore asks for. ErrNotFound:
// nothing waits for that.
func (s *Store) ConfirmRestored(ctx context.Context) error {
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`DELETE FROM meta WHERE key = $1`, metaRestored)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}
