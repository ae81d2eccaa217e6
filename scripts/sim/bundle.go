package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	agentstore "zhucun/agent/store"
	"zhucun/agent/syncclient"
	serverstore "zhucun/server/store"
	"zhucun/server/syncapi"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// parcel is a bundle on its way to the server.
type parcel struct {
	from   *laptop
	file   []byte
	pushes []wire.Push // what is in it
	// clear tells that the laptop's clock was known when it was made.
	clear bool
}

// enrol makes a device known to the server by its name, which bundles give.
func (w *world) enrol(d *serverstore.Device) error {
	ctx := context.Background()
	hash := sha256.Sum256([]byte(token(d.ID)))
	d.TokenHash = hash[:]
	d.EnrolledAt = time.UnixMilli(w.now)
	if err := w.server.AddCode(ctx, serverstore.Code{ID: string(d.ID), SecretHash: []byte{1}, Role: d.Role, Name: d.Name, Villages: d.Villages, Created: d.EnrolledAt, Expires: d.EnrolledAt}); err != nil {
		return err
	}
	return w.server.UseCode(ctx, string(d.ID), func(serverstore.Code, *serverstore.Device) (*serverstore.Device, bool, error) {
		return d, false, nil
	})
}

// token is what a device shows with every request.
func token(id identity.Device) string { return "token of " + string(id) }

// bundle is everything that happens to files: one is written, one of those on
// their way reaches the server, a reply reaches its laptop, or one gets lost. They
// come in any order, and come again.
func (l *laptop) bundle() error {
	w := l.w
	switch n := w.rnd.IntN(8); {
	case n < 3:
		return l.export()
	case n < 5 && len(w.parcels) > 0:
		return w.arrive(w.rnd.IntN(len(w.parcels)))
	case n == 5 && len(w.parcels) > 0:
		i := w.rnd.IntN(len(w.parcels))
		w.say("a bundle of %s is lost", w.parcels[i].from.name)
		w.parcels = slices.Delete(w.parcels, i, i+1)
		return nil
	case len(l.replies) == 0:
		return nil
	}
	i := w.rnd.IntN(len(l.replies))
	reply := l.replies[i]
	if w.rnd.IntN(3) == 0 { // lost behind that, or never to come again
		l.replies = slices.Delete(l.replies, i, i+1)
	}
	return l.collect(reply)
}

func (l *laptop) export() error {
	w := l.w
	ctx := context.Background()
	// As the store gives it, and not as the file has it: what the simulation knows
	// of the changes it learns on its own way.
	p := parcel{from: l, clear: l.jumps == l.measured}
	if err := l.store.Parts(ctx, 1<<20, func(part []agentstore.Outgoing) (bool, error) {
		for _, o := range part {
			p.pushes = append(p.pushes, o.Push)
		}
		return true, nil
	}); err != nil {
		return err
	}
	// One that a crash left behind was taken for no parcel.
	stick := filepath.Join(l.w.dir, "stick.zcb")
	if err := os.Remove(stick); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made, err := l.client.Export(ctx, stick, syncclient.Carry{}, nil)
	if err != nil {
		return err
	}
	if len(made) != 1 {
		return fmt.Errorf("%s made %d files of a few changes", l.name, len(made))
	}
	e := made[0]
	if p.file, err = os.ReadFile(e.File); err != nil {
		return err
	}
	w.say("%s wrote bundle %d of %d changes, %d left", l.name, e.Serial, e.Changes, e.Left)
	w.parcels = append(w.parcels, p)
	if len(w.parcels) > 8 {
		w.parcels = w.parcels[1:]
	}
	return nil
}

// arrive is a bundle reaching the office. It stays on the stick, and may come
// again.
func (w *world) arrive(i int) error {
	p := w.parcels[i]
	l := p.from
	b, err := w.door.Bundle(context.Background(), bytes.NewReader(p.file), time.UnixMilli(w.now), nil)
	var not *syncapi.NotTaken
	if errors.As(err, &not) && l.device.Revoked() {
		w.say("a bundle of %s has nothing new", l.name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("bundle of %s: %w", l.name, err)
	}
	if err := l.permittedFile(b.Reply); err != nil {
		return err
	}
	w.say("bundle %d of %s arrived: %d new, %d refused", b.Serial, l.name, b.Entries, b.Refused)
	if b.Quarantined > 0 && !w.orders && !w.rewinds || b.Refused > 0 && !l.doubtful && !w.rewinds {
		return fmt.Errorf("%d changes of %s quarantined, %d segments refused", b.Quarantined, l.name, b.Refused)
	}
	if !p.clear {
		l.blurred = true
	}
	if b.Refused > 0 {
		// Which of them only the reply says.
		l.blurred = true
	} else if err := l.dated(p); err != nil {
		return err
	}
	if len(l.replies) >= 4 {
		l.replies = l.replies[1:]
	}
	l.replies = append(l.replies, b.Reply)
	return nil
}

// dated notes what the server has taken of a bundle.
func (l *laptop) dated(p parcel) error {
	jumps, measured := l.jumps, l.measured
	l.jumps, l.measured = 0, 0 // as it was when the bundle was made, if that was clear
	var err error
	for i := range p.pushes {
		err = errors.Join(err, l.received(&p.pushes[i], nil))
	}
	l.jumps, l.measured = jumps, measured
	return err
}

func (l *laptop) collect(reply []byte) error {
	before, err := l.store.Status()
	if err != nil {
		return err
	}
	t, err := l.client.Collect(context.Background(), bytes.NewReader(reply), nil)
	if err != nil && !(errors.Is(err, syncclient.ErrRevoked) && l.device.Revoked()) {
		return err
	}
	if t.Carried {
		return errors.New("a laptop does not know a reply to itself")
	}
	after, err := l.store.Status()
	if err != nil {
		return err
	}
	if after.Renewed != before.Renewed {
		l.renewed()
	}
	l.w.say("%s took the reply to bundle %d: %d records, %d acknowledged, %d pending", l.name, t.Serial, t.Records, t.Acknowledged, t.Pending)
	return errors.Join(l.checkDelivered(), l.glance())
}
