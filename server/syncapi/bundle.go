package syncapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"zhucun/server/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// NotTaken says why a bundle is not taken and what to do, as one sentence.
type NotTaken struct{ Zh, En string }

func (e *NotTaken) Error() string { return e.En }

var (
	errRevoked = &NotTaken{"这台电脑已被停用，数据包里也没有它的新内容。要继续使用，请给它重新登记", "This laptop is revoked, and the bundle has no new work of it; enrol it anew to go on with it"}
	notWhole   = &NotTaken{"文件已损坏，与写出时不一样；请重新复制，或让对方重新导出", "The file is damaged: it is not as it was written; copy it again or have it exported anew"}
	// What is wrong with a file, by the errors of package bundle and of unpacking.
	notTaken = []struct {
		err error
		say *NotTaken
	}{
		{bundle.ErrForeign, &NotTaken{"这不是数据包（电脑上用 bundle export 写出，名称以 .zcb 结尾）；请核对文件", "This is not a bundle (bundle export on a laptop writes them; their names end in .zcb); check which file it is"}},
		{bundle.ErrPartial, &NotTaken{"文件没有复制完整，后面缺了一部分；请重新复制后再收", "The file was only partly copied: its end is missing; copy it again"}},
		{bundle.ErrDamaged, notWhole},
		{bundle.ErrOther, &NotTaken{"这个文件不是给这台服务器的：可能是给某台电脑的答复（拿到那台电脑上收取），或是给别的服务器的", "The file is not for this server: it is a reply to a laptop (take it there) or for another server"}},
		{bundle.ErrForged, &NotTaken{"签名与登记的电脑不符，没有收取；请查清文件来自哪里", "The file is not signed by the laptop it says it is from; nothing was taken; find out where it comes from"}},
		{bundle.ErrRelease, &NotTaken{"数据包出自更新的版本；请先更新服务器", "The bundle is of a later release; bring the server up to date first"}},
		{bundle.ErrTooLarge, &NotTaken{"文件超过数据包的上限，没有收取；请核对文件", "The file is larger than a bundle can be; check which file it is"}},
		{store.ErrNotFound, &NotTaken{"数据包来自这里没有登记的电脑；请用 device list 核对，或给它发放登记码", "The bundle is from a laptop that is not enrolled here; see device list, or issue a code for it"}},
	}
)

// Bundle is what came of a bundle.
type Bundle struct {
	Device store.Device
	Serial uint64
	// Made is when, by the laptop's clock corrected as far as it could.
	Made time.Time
	// Entries counts what is newly in the log, Quarantined those of them that were
	// not applied, Refused the segments that were not taken.
	Entries, Quarantined, Refused int
	// Files counts those that are newly here, FilesLeft those that were not taken.
	Files, FilesLeft int
	// Reply is a file for the device, with all that it is owed; Cut says that it
	// is owed more than one file can have, and gets the rest with the next.
	Reply []byte
	Cut   bool
}

// Bundle takes a bundle as the sync that it is, any number of times, with the files in
// it, and makes the reply. progress, if not nil, is told how many of the messages and
// files are taken. The error is a *NotTaken where the file is the reason.
func (h *Handler) Bundle(ctx context.Context, file io.ReadSeeker, arrived time.Time, progress func(done, all int)) (*Bundle, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	// Its messages are here once as they came and once decrypted; files are read piece by
	// piece.
	size = min(size, bundle.MaxFile)
	if err := room(ctx, h.bodies, size); err != nil {
		return nil, err
	}
	defer h.bodies.Release(size)
	var d store.Device
	server := h.store.Key.Public().(ed25519.PublicKey)
	b, err := bundle.OpenFile(file, identity.BundleOf, h.store.Key, func(b *bundle.Bundle) (key ed25519.PublicKey, err error) {
		if !server.Equal(ed25519.PublicKey(b.Server)) {
			return nil, bundle.ErrOther
		}
		d, err = h.store.Device(ctx, b.Device)
		return d.Key, err
	})
	for _, n := range notTaken {
		if errors.Is(err, n.err) {
			return nil, n.say
		}
	}
	if err != nil {
		return nil, err
	}
	t := &taking{h: h, d: &d, arrived: arrived, made: min(b.Made, arrived.UnixMilli()), places: map[record.Village]*place{}}
	t.Bundle = Bundle{Device: d, Serial: b.Serial, Made: time.UnixMilli(t.made)}
	if progress == nil {
		progress = func(int, int) {}
	}
	all := len(b.Parts) + len(b.Files)
	for i, part := range b.Parts {
		if err := t.message(ctx, part); err != nil {
			return nil, err
		}
		progress(i+1, all)
	}
	if err := t.files(ctx, b, func(done int) { progress(len(b.Parts)+done, all) }); errors.Is(err, bundle.ErrDamaged) {
		return nil, notWhole // it changed since it was opened: what is taken is taken
	} else if err != nil {
		return nil, err
	}
	return &t.Bundle, t.reply(ctx, b.Bundle)
}

// taking is a bundle being taken.
type taking struct {
	h       *Handler
	d       *store.Device
	arrived time.Time
	made    int64 // ms since 1970
	places  map[record.Village]*place
	// assigned is the serial of the assignment that the device has.
	assigned uint64
	// backed tells that it asks what is in a backup, rewound that it does not know of
	// the present life of the data.
	backed, rewound bool
	// reads is what pages the device reads (wire.Sync.Reads).
	reads uint64
	// held is what is here of the files that it brings or asks for.
	held []wire.HeldFiles
	Bundle
}

// place is where the device stands in a village: as the bundle says, and then as it
// will once it has taken what the reply has so far.
type place struct {
	push  wire.Push
	taken store.Taken
	done  bool
}

// message takes one message of the bundle. Each is checked as one that came by
// itself.
func (t *taking) message(ctx context.Context, part bundle.Part) error {
	m, size, err := t.h.message(ctx, part.Message, part.Size, nil)
	if err == nil {
		defer t.h.unpacked.Release(size)
		err = check(t.d, m)
	}
	var f *fault
	if errors.As(err, &f) {
		if f.Code == wire.FaultVersion {
			return &NotTaken{"数据包出自另一个版本；请把服务器和电脑更新到同一版本", "The bundle is of another release; bring server and laptop to the same one"}
		}
		return &NotTaken{"数据包里有无法读取的内容（" + f.Text + "）；请让对方更新程序后重新导出", "The bundle has something in it that cannot be read (" + f.Text + "); have it exported anew by an agent that is up to date"}
	}
	if err != nil {
		return err
	}
	t.assigned, t.backed, t.reads = m.Assigned, t.backed || m.Backed, m.Reads
	// How long it was on its way nobody knows, so its arrival says nothing of the
	// clock: what the device knew of it when it read it does.
	offset := t.made - m.Clock
	for i := range m.Villages {
		p := &m.Villages[i]
		taken, err := t.h.take(ctx, t.d, m, p, t.arrived, offset)
		if err != nil {
			return fmt.Errorf("device %s, village %s: %w", t.d.ID, p.Village, err)
		}
		t.rewound = t.rewound || t.h.rewound(p)
		t.Entries += taken.Entries
		t.Quarantined += taken.Quarantined
		t.Refused += len(taken.Refused)
		at := t.places[p.Village]
		if at == nil {
			at = &place{push: *p}
			// A copy: what is unpacked goes when this message is done.
			at.push.Segments, at.push.Proofs, at.push.Streams = nil, nil, slices.Clone(p.Streams)
			t.places[p.Village] = at
		}
		at.taken.Refused = append(at.taken.Refused, taken.Refused...)
		for stream, seq := range taken.Agreed {
			if at.taken.Agreed == nil {
				at.taken.Agreed = map[record.Stream]uint64{}
			}
			at.taken.Agreed[stream] = max(at.taken.Agreed[stream], seq)
		}
	}
	return t.heard(ctx, m, offset)
}

// heard notes the contact, as of when the bundle was made, unless something later
// has been heard.
func (t *taking) heard(ctx context.Context, m *wire.Sync, offset int64) error {
	known, err := t.h.store.Contacts(ctx)
	if err != nil {
		return err
	}
	at := time.UnixMilli(t.made)
	for _, p := range m.Villages {
		later := slices.ContainsFunc(known, func(c store.Contact) bool {
			return c.Device == t.d.ID && c.Village == p.Village && c.Seen.After(at)
		})
		if !later && !denied(t.d, p.Village) {
			t.h.heard(t.d, m, p.Village, at, offset)
		}
	}
	return nil
}

// reply makes the file that has what the device would have been answered, request
// by request, until it had everything.
func (t *taking) reply(ctx context.Context, b *bundle.Bundle) error {
	answer := &bundle.Bundle{Device: t.d.ID, Server: b.Server, Serial: b.Serial}
	if t.d.Revoked() {
		answer.Fault = wire.FaultRevoked
	} else {
		// Of a village that was assigned since, it cannot have asked.
		for _, v := range t.d.Villages {
			if t.places[v] == nil {
				t.places[v] = &place{push: wire.Push{Village: v}}
			}
		}
	}
	var villages []*place
	for _, at := range t.places {
		villages = append(villages, at)
	}
	slices.SortFunc(villages, func(a, b *place) int { return strings.Compare(string(a.push.Village), string(b.push.Village)) })
	pictures := &smalls{left: int64(min(b.Smalls, maxSmalls))}
	receipts, filled := 0, 0
	for first := true; !t.Cut; first = false {
		m, err := t.answer(ctx, villages, first)
		if err != nil {
			return err
		}
		if len(m.Villages) == 0 && !first {
			break
		}
		for i := range m.Villages {
			receipts += len(m.Villages[i].Receipts)
		}
		if first {
			m.Files = t.held
			for i := range m.Files {
				receipts += len(m.Files[i].Receipts)
			}
		}
		if pictures.left > 0 {
			for i := range m.Villages {
				if err := pictures.add(ctx, t.h.store, &m.Villages[i]); err != nil {
					return err
				}
			}
		}
		m.LayOut(t.reads)
		packed, err := wire.Encode(m, wire.Quick)
		if err != nil {
			return err
		}
		size, err := wire.Size(m)
		if err != nil {
			return err
		}
		if filled += len(packed); filled > t.h.fill && !first {
			t.Cut = true
			break
		}
		t.Cut = !answer.Add(bundle.Part{Message: packed, Size: size})
	}
	if t.d.Revoked() && receipts == 0 && t.Refused == 0 && !t.rewound {
		return errRevoked
	}
	answer.Made = t.h.store.Now().UnixMilli()
	answer.Files = pictures.files
	var file bytes.Buffer
	_, err := bundle.Write(&file, answer, identity.ReplyOf, t.h.store.Key, t.d.Key, pictures.open)
	t.Reply = file.Bytes()
	return err
}

// answer is what the device is owed next.
func (t *taking) answer(ctx context.Context, villages []*place, first bool) (*wire.Synced, error) {
	m := &wire.Synced{Version: wire.Version}
	budget := t.h.part
	for _, at := range villages {
		if at.done {
			continue
		}
		pull, ok, err := t.h.page(ctx, t.d, &at.push, at.taken, budget, first && t.backed)
		if err != nil {
			return nil, fmt.Errorf("device %s, village %s: %w", t.d.ID, at.push.Village, err)
		}
		if ok {
			m.Villages = append(m.Villages, pull)
		}
		for _, rec := range pull.Records {
			budget = max(0, budget-len(rec.State))
		}
		at.follow(&pull)
	}
	if first && t.assigned != t.d.Serial {
		a, err := t.h.access.Assignment(ctx, t.d)
		if err != nil {
			return nil, err
		}
		m.Assigned = &a
	}
	m.Time = t.h.store.Now().UnixMilli()
	return m, nil
}

// follow puts the place where the device will be when it has taken the answer.
func (at *place) follow(p *wire.Pull) {
	at.taken.Refused = nil // said once
	for i := range at.push.Streams {
		o := &at.push.Streams[i]
		o.Acked = lastOf(p.Receipts, *o)
	}
	at.done = !p.More && len(p.Receipts) == 0
	switch {
	case p.Denied:
		at.push.Epoch = p.Epoch
	case p.More:
		if at.push.Epoch != p.Epoch {
			at.push.Epoch, at.push.Cursor = p.Epoch, 0
		}
		at.push.After = p.Cursor
	default:
		at.push.Epoch, at.push.Cursor, at.push.After = p.Epoch, p.Cursor, 0
	}
}

// lastOf gives the last entry of a stream that receipts are given for.
func lastOf(receipts []journal.Receipt, o wire.Own) uint64 {
	for _, r := range receipts {
		if r.Stream == o.Stream {
			o.Acked = max(o.Acked, r.Seq)
		}
	}
	return o.Acked
}

// carried takes a bundle that somebody else's laptop brings.
func (h *Handler) carried(w http.ResponseWriter, r *http.Request, arrived time.Time) (any, error) {
	courier, err := h.device(r)
	if err != nil {
		return nil, err
	}
	if courier.Revoked() {
		return nil, refuse(http.StatusForbidden, wire.FaultRevoked, "the office has revoked this laptop")
	}
	call, err := h.door.enter(courier.ID, http.NewResponseController(w))
	if err != nil {
		return nil, err
	}
	defer h.door.leave(call)
	var file io.ReadSeeker
	if id := r.Header.Get(wire.BundleUpload); id != "" {
		f, err := h.brought(r.Context(), &courier, id)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		file = f
		call.arrived()
	} else {
		body, done, err := h.body(w, r, bundle.MaxFile, call)
		if err != nil {
			return nil, err
		}
		defer done()
		file = bytes.NewReader(body)
	}
	b, err := h.Bundle(r.Context(), file, arrived, nil)
	var not *NotTaken
	if errors.As(err, &not) {
		return nil, refuse(http.StatusBadRequest, wire.FaultBundle, not.En)
	} else if err != nil {
		return nil, err
	}
	h.log.Info("a bundle was brought", "device", b.Device.ID, "serial", b.Serial, "entries", b.Entries, "by", courier.ID)
	return b.Reply, nil
}

// brought opens a bundle that a courier has brought in parts.
func (h *Handler) brought(ctx context.Context, courier *store.Device, id string) (*os.File, error) {
	gone := refuse(http.StatusNotFound, wire.FaultMessage, "the bundle is not here any more; bring it anew")
	if h.store.Files == nil {
		return nil, gone
	}
	u, err := h.store.Upload(ctx, wire.BundleUploads, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Device != courier.ID {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	if at, err := h.store.Files.Arrived(id); err != nil {
		return nil, err
	} else if at < u.Size {
		return nil, refuse(http.StatusConflict, wire.FaultMessage, "not all of the bundle has come")
	}
	return h.store.Files.OpenArriving(id)
}

// Note is what the audit has of a bundle that was taken.
func (b *Bundle) Note() store.Note {
	return store.Note{Act: "bundle", Subject: fmt.Sprintf("%s %s %d", b.Device.ID, b.Device.Name, b.Serial)}
}
