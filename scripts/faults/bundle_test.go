package faults

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentstore "zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/server/access"
	serverstore "zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/syncapi"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Where a file has its checksum: it is over all the rest, and no secret, so below
// it everything must be noticed all the same.
const sumFrom, sumTo = 13, 29

// resummed gives a file the checksum that it would have.
func resummed(file []byte) []byte {
	sum := sha256.Sum256(append(bytes.Clone(file[:sumFrom]), file[sumTo:]...))
	copy(file[sumFrom:sumTo], sum[:16])
	return file
}

// spoilt gives each version of a file with one byte changed, with the checksum as
// it was and put right, and with each end missing.
func spoilt(file []byte, do func(how string, bad []byte)) {
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		do(fmt.Sprintf("byte %d flipped", i), bad)
		if i < sumFrom || i >= sumTo {
			do(fmt.Sprintf("byte %d flipped under a new checksum", i), resummed(bytes.Clone(bad)))
		}
		do(fmt.Sprintf("cut to %d bytes", i), bytes.Clone(file[:i]))
	}
	do("a byte more", append(bytes.Clone(file), 0))
}

// Nothing of a bundle or a reply that is not as it was written is accepted, by the
// same ways as the commands take; then the whole ones are.
func TestSpoiltBundles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	now := time.UnixMilli(1495500000000)
	server, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "server.db"), serverstore.Options{Key: key, Now: func() time.Time { return now }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := server.AddVillage(ctx, serverstore.Village{Code: bamboo, Name: "竹村", Created: now}); err != nil {
		t.Fatal(err)
	}
	laptop, err := agentstore.Open(t.TempDir(), agentstore.Options{Key: make([]byte, agentstore.KeySize), Wall: now.UnixMilli, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer laptop.Close()
	d, err := laptop.SetDevice(ctx, func(d *agentstore.Device) {
		d.ID, d.Token, d.Server, d.Numbers = "device1", "t", key.Public().(ed25519.PublicKey), []byte("numbers")
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: bamboo, Name: "竹村"}}, Role: identity.TeamMember, Profiles: []string{"李队员"}}
	})
	if err != nil {
		t.Fatal(err)
	}
	known := &serverstore.Device{ID: d.ID, Key: d.Private().Public().(ed25519.PublicKey), Name: "李队员", Role: identity.TeamMember, Profiles: []string{"李队员"},
		Villages: []record.Village{bamboo}, Serial: 1, TokenHash: []byte("t"), EnrolledAt: now}
	if err := server.AddCode(ctx, serverstore.Code{ID: "c", SecretHash: []byte{1}, Role: known.Role, Name: known.Name, Villages: known.Villages, Created: now, Expires: now}); err != nil {
		t.Fatal(err)
	}
	if err := server.UseCode(ctx, "c", func(serverstore.Code, *serverstore.Device) (*serverstore.Device, bool, error) {
		return known, false, nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		value := record.Text(fmt.Sprintf("第%d条走访：屋顶漏雨", i))
		if _, err := laptop.Save(ctx, agentstore.Edit{Type: "visit", Fields: map[string]record.Value{"findings": value}}); err != nil {
			t.Fatal(err)
		}
	}
	door := syncapi.New(server, access.New(server))
	client := syncclient.New(laptop, "faults", slog.New(slog.DiscardHandler))
	made, err := client.Export(ctx, filepath.Join(t.TempDir(), "stick.zcb"), syncclient.Carry{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(made[0].File)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	spoilt(file, func(how string, bad []byte) {
		n++
		if b, err := door.Bundle(ctx, bytes.NewReader(bad), now, nil); err == nil {
			t.Errorf("bundle, %s: %d entries were taken", how, b.Entries)
		}
	})
	if sum, err := server.Verify(ctx, func(serverstore.Fault) {}); err != nil || sum.Entries > 0 {
		t.Errorf("the office has %d entries of what it refused, %v", sum.Entries, err)
	}
	b, err := door.Bundle(ctx, bytes.NewReader(file), now, nil)
	if err != nil || b.Entries != 3 {
		t.Fatalf("the bundle itself is not taken: %v", err)
	}
	spoilt(b.Reply, func(how string, bad []byte) {
		n++
		// Below a checksum that is right a laptop cannot tell what is for somebody else
		// from what is damaged: that it keeps, unread, to hand it on.
		if c, err := client.Collect(ctx, bytes.NewReader(bad), nil); err == nil && (!c.Carried || !strings.HasSuffix(how, "checksum")) {
			t.Errorf("reply, %s: %+v was taken", how, c)
		}
	})
	if st, err := laptop.Status(); err != nil || st.Delivered > 0 || st.Pending != 3 {
		t.Errorf("%d are shown as delivered by replies that were refused, %v", st.Delivered, err)
	}
	if c, err := client.Collect(ctx, bytes.NewReader(b.Reply), nil); err != nil || c.Acknowledged != 3 {
		t.Errorf("the reply itself is not taken: %+v, %v", c, err)
	}
	t.Logf("%d spoilt files of a bundle of %d bytes and a reply of %d", n, len(file), len(b.Reply))
}

// The commands refuse a sample of the same, in a sentence each.
func TestSpoiltBundlesByCommand(t *testing.T) {
	t.Parallel()
	r := chance(t)
	rg, s := office(t)
	l := laptop(t, rg, s, "a")
	if _, err := l.Put(t.Context(), "visit", "", "findings=屋顶漏雨，已报危房改造"); err != nil {
		t.Fatal(err)
	}
	path, replyPath := filepath.Join(rg.Dir, "stick.zcb"), filepath.Join(rg.Dir, "reply.zcb")
	if _, err := l.Do(t.Context(), "bundle", "export", path); err != nil {
		t.Fatal(err)
	}
	sample := func(name string, take func(context.Context) error) {
		t.Helper()
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range of(8, 100) {
			bad := bytes.Clone(whole)
			if i%2 == 0 {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			} else {
				bad = bad[:r.IntN(len(bad))]
			}
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := take(t.Context()); err == nil {
				t.Errorf("spoilt file %d was taken", i)
			} else {
				plain(t, filepath.Base(name), err)
			}
		}
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sample(path, func(ctx context.Context) error {
		_, err := s.Do(ctx, "bundle", "take", path)
		return err
	})
	if n := len(visits(t, &s.Program)); n != 0 {
		t.Errorf("the office has %d visits of what it refused", n)
	}
	if _, err := s.Do(t.Context(), "bundle", "take", path, "--reply", replyPath); err != nil {
		t.Fatal(err)
	}
	sample(replyPath, func(ctx context.Context) error {
		_, err := l.Do(ctx, "bundle", "take", replyPath)
		return err
	})
	if st, err := l.Status(t.Context()); err != nil || st.Delivered != 0 {
		t.Errorf("%d are shown as delivered by replies that were refused, %v", st.Delivered, err)
	}
	var c struct{ Acknowledged int }
	if err := l.JSON(t.Context(), &c, "bundle", "take", replyPath); err != nil || c.Acknowledged != 1 {
		t.Errorf("the reply itself is not taken: %+v, %v", c, err)
	}
}
