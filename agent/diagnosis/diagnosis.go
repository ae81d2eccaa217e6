package diagnosis

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"time"

	"zhucun/agent/backup"
	"zhucun/agent/drive"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/shared/identity"
)

// Word is a word of a list that stands in the code; "other" for what is in none.
type Word string

func word[T ~string](s T, of ...T) Word {
	if s == "" || slices.Contains(of, s) {
		return Word(s)
	}
	return "other"
}

// id is the laptop's, where it looks like what the office draws.
func id(s identity.Device) Word {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') && r != '-' {
			return "other"
		}
	}
	if len(s) > 36 {
		return "other"
	}
	return Word(s)
}

// Moment is a time, in ms since 1970; 0 is never.
type Moment int64

// MarshalJSON writes it as people read it, in Beijing's time.
func (m Moment) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(time.UnixMilli(int64(m)).In(time.FixedZone("CST", 8*3600)).Format(time.RFC3339))
}

// Report is all that the file has.
type Report struct {
	Made    Moment  `json:"made"`
	Version Word    `json:"version"`
	System  System  `json:"system"`
	Laptop  Laptop  `json:"laptop"`
	Clock   Clock   `json:"clock"`
	Counts  Counts  `json:"counts"`
	Sizes   Sizes   `json:"sizes"`
	Backup  Backup  `json:"backup"`
	Past    Past    `json:"past"`
	Syncs   []Sync  `json:"syncs"`
	Verify  *Verify `json:"verify,omitempty"` // where it was asked for
}

// System is the machine.
type System struct {
	OS   Word `json:"os"`
	Arch Word `json:"arch"`
	CPUs int  `json:"cpus"`
}

// Laptop is what it is to the office, and what was chosen on it.
type Laptop struct {
	ID         Word `json:"id"`
	Enrolled   bool `json:"enrolled"`
	Role       Word `json:"role"`
	Profiles   int  `json:"profiles"`
	Pins       int  `json:"pins"`
	Protection Word `json:"protection"`
	Language   Word `json:"language"`
	Quiet      bool `json:"quiet"`
	Idle       int  `json:"idle_minutes"`
	PhotoSide  int  `json:"photo_side"`
}

// Clock is how the machine's stands to the office's.
type Clock struct {
	Skew     int64  `json:"skew_ms"` // to be added to the machine's
	Machine  Moment `json:"machine"`
	LastSync Moment `json:"last_sync"`
	Lapsed   int    `json:"out_of_contact_days"`
}

// Counts is how much there is.
type Counts struct {
	Records, Pending, Sent, Bundled, Delivered, Quarantined, Rejected, Conflicts, Proposals uint64
	Files                                                                                   int
	FileBytes                                                                               int64
	Originals, Drafts                                                                       int
	Villages                                                                                []Village
}

// Village is the same of one of the villages, which it does not name.
type Village struct {
	Records, Pending, Quarantined, Conflicts, Backed uint64
	Anew, Denied                                     bool
}

// Sizes is what takes room, in bytes.
type Sizes struct {
	store.Usage
	Free uint64 // on the disk; 0 where that is not known
}

// Backup is how those to another drive stand.
type Backup struct {
	Chosen, Auto bool
	Last, Tried  Moment
	Fault        Word
}

// Past is what has befallen the data.
type Past struct {
	Renewed        Moment
	Missing        uint64
	Rebuilt        Moment
	RebuiltSaved   uint64
	RebuiltMissing uint64
}

// Sync is one of the last syncs.
type Sync struct {
	At     Moment `json:"at"`
	Took   int64  `json:"took_ms"`
	Up     int64  `json:"bytes_up"`
	Down   int64  `json:"bytes_down"`
	Trips  int    `json:"round_trips"`
	Pushed uint64 `json:"pushed"`
	Pulled uint64 `json:"pulled"`
	Files  int    `json:"files"`
	Code   Word   `json:"error"`
}

// Verify is what a check found.
type Verify struct {
	Records uint64 `json:"records"`
	Entries uint64 `json:"entries"`
	Faults  int    `json:"faults"`
	Files   int    `json:"files"`
	Broken  int    `json:"broken_files"`
	Failed  bool   `json:"failed"` // it could not be done to its end
	// Cut tells that there was no more time: what is said is of what was read until then.
	Cut bool `json:"cut_off"`
}

// Of makes the report of a store. way is what unlocks it, version the agent's, which
// stands in the code; check has the data checked too, for as long as ctx has.
func Of(ctx context.Context, s *store.Store, way vault.Way, version string, check bool) (r Report, err error) {
	d, err := s.Device()
	if err != nil {
		return r, err
	}
	st, err := s.Status()
	if err != nil {
		return r, err
	}
	x, err := s.Settings()
	if err != nil {
		return r, err
	}
	people, err := s.Profiles()
	if err != nil {
		return r, err
	}
	u, err := s.Usage()
	if err != nil {
		return r, err
	}
	syncs, err := s.Syncs()
	if err != nil {
		return r, err
	}
	quiet, err := s.Quiet()
	if err != nil {
		return r, err
	}
	skew, err := s.Skew()
	if err != nil {
		return r, err
	}
	lapsed := 0
	if days, is, err := s.Lapsed(); err != nil {
		return r, err
	} else if is {
		lapsed = days
	}
	free, ferr := drive.Free(s.Dir())
	if ferr != nil {
		free = 0
	}
	pins := 0
	for _, p := range people {
		if p.HasPin() {
			pins++
		}
	}
	r = Report{
		Made: Moment(s.Now()), Version: Word(version), System: System{Word(runtime.GOOS), Word(runtime.GOARCH), runtime.NumCPU()},
		Laptop: Laptop{
			ID: id(d.ID), Enrolled: d.Enrolled(), Role: word(d.Assigned.Role, identity.Roles...), Profiles: len(d.Assigned.Profiles), Pins: pins,
			Protection: word(way, vault.Passphrase, vault.Keyring, vault.Unprotected), Language: word(d.Language, "zh", "en"), Quiet: quiet,
			Idle: int(x.IdleFor().Minutes()), PhotoSide: x.PhotoSide,
		},
		Clock: Clock{skew, Moment(s.Wall()), Moment(d.LastSync), lapsed},
		Counts: Counts{
			Records: st.Records, Pending: st.Pending, Sent: st.Sent, Bundled: st.Bundled, Delivered: st.Delivered, Quarantined: st.Quarantined, Rejected: st.Rejected,
			Conflicts: st.Conflicts, Proposals: st.Proposals, Files: st.Blobs, FileBytes: st.BlobBytes, Originals: st.Originals.Files, Drafts: u.Drafts,
		},
		Sizes:  Sizes{u, free},
		Backup: Backup{x.Drive.ID != "", x.Drive.Auto, Moment(x.Drive.Last), Moment(x.Drive.Tried), word(x.Drive.Fault, backup.FaultBad, backup.FaultFailed, backup.FaultFull, backup.FaultGone)},
		Past:   Past{Moment(st.Renewed), st.Missing, Moment(st.Rebuilt.At), st.Rebuilt.Saved, st.Rebuilt.Missing},
		Syncs:  []Sync{},
	}
	for _, v := range st.Villages {
		r.Counts.Villages = append(r.Counts.Villages, Village{v.Records, v.Pending, v.Quarantined, v.Conflicts, v.Backed, v.Anew, v.Denied})
	}
	for _, n := range syncs {
		r.Syncs = append(r.Syncs, Sync{Moment(n.At), n.Took, n.Up, n.Down, n.Trips, n.Pushed, n.Pulled, n.Files, word(n.Code, syncclient.Codes...)})
	}
	if check {
		r.Verify, err = verify(ctx, s)
	}
	return r, err
}

func verify(ctx context.Context, s *store.Store) (*Verify, error) {
	v := new(Verify)
	rep, err := s.VerifyWithin(ctx, true)
	v.Records, v.Entries, v.Faults = rep.Records, rep.Entries, len(rep.Faults)
	broken, read, berr := s.CheckBlobs(ctx, false)
	v.Files, v.Broken = read, len(broken)
	switch err := errors.Join(err, berr); {
	case errors.Is(err, context.Canceled):
		return v, err
	case errors.Is(err, context.DeadlineExceeded):
		v.Cut = true
	case err != nil:
		v.Failed = true
	}
	return v, nil
}

// Bytes is the file.
func (r *Report) Bytes() ([]byte, error) {
	raw, err := json.MarshalIndent(r, "", "  ")
	return append(raw, '\n'), err
}

// Name is what the file is called.
func (r *Report) Name() string {
	return "zhucun-diagnosis-" + time.UnixMilli(int64(r.Made)).In(time.FixedZone("CST", 8*3600)).Format("20060102-1504") + ".json"
}
