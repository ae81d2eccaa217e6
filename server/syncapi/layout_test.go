package syncapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// travelled is an answer with its pages as they are on the line.
type travelled wire.Synced

// A laptop gets pages in columns once it says that it reads them, by sync and by
// file; one of an older release gets rows, and both the same records.
func TestPagesAsTheLaptopReadsThem(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	var seg []byte
	for i := range 250 {
		seg = a.write(i)
	}
	if _, f := a.sync(wire.Push{Village: village, Streams: a.own(0), Segments: [][]byte{seg}}); f != nil {
		t.Fatal(f)
	}
	var first []wire.State
	for _, reads := range []uint64{0, wire.ReadsColumns} {
		m := &wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village}}, Assigned: b.serial, Reads: reads}
		packed, err := wire.EncodeSync(m, wire.Thrifty)
		h.ok(err)
		wire.SetClock(packed, time.Now().UnixMilli())
		bySync := new(travelled)
		if f := h.post(wire.SyncPath, b.who.Token, packed, bySync); f != nil {
			t.Fatal(f)
		}
		size, err := wire.Size(m)
		h.ok(err)
		file, err := bundle.Seal(func() *bundle.Bundle {
			x := &bundle.Bundle{Device: b.who.Device, Server: h.key.Public().(ed25519.PublicKey), Serial: 1, Made: time.Now().UnixMilli()}
			x.Add(bundle.Part{Message: packed, Size: size})
			return x
		}(), identity.BundleOf, b.key, h.key.Public().(ed25519.PublicKey))
		h.ok(err)
		taken, err := h.door.Bundle(context.Background(), bytes.NewReader(file), time.Now(), nil)
		h.ok(err)
		reply := b.open(taken.Reply)[0].Villages[0]
		if len(reply.Records) != 250 || first != nil && !reflect.DeepEqual(reply.Records, first) {
			t.Errorf("reads %d: a reply of %d records", reads, len(reply.Records))
		}
		first = reply.Records
		opened, err := bundle.Open(taken.Reply, identity.ReplyOf, b.key, func(*bundle.Bundle) (ed25519.PublicKey, error) {
			return h.key.Public().(ed25519.PublicKey), nil
		})
		h.ok(err)
		byFile := new(travelled)
		h.ok(wire.Unmarshal(opened.Parts[0].Message, opened.Parts[0].Size, byFile))
		for way, m := range map[string]*travelled{"sync": bySync, "file": byFile} {
			if p := m.Villages[0]; len(p.Page) > 0 != (reads > 0) || len(p.Records) > 0 != (reads == 0) {
				t.Errorf("reads %d, by %s: %d bytes of columns, %d rows", reads, way, len(p.Page), len(p.Records))
			}
		}
	}
}

// A laptop that reads mixed answers gets them, with what the server takes, and sends
// mixed requests then; one of an earlier release neither gets nor is told of any.
func TestMixed(t *testing.T) {
	const magic, mixed = 4, 4 // wire's DESIGN.md
	h := newHouse(t)
	a := h.laptop("王队员")
	for i, tt := range []struct {
		reads uint64
		how   wire.Effort
		mixed bool
		takes uint64
	}{{0, wire.Thrifty, false, 0}, {wire.ReadsColumns, wire.Thrifty, false, 0}, {wire.ReadsMixed, wire.Thrifty, true, wire.TakesShort}, {wire.ReadsMixed, wire.Mixed, true, 0}} {
		seg := a.write(i)
		m := &wire.Sync{Version: wire.Version, Assigned: a.serial, Reads: tt.reads, Villages: []wire.Push{{Village: village, Streams: a.own(uint64(i)), Segments: [][]byte{seg}}}}
		b, err := wire.EncodeSync(m, tt.how)
		h.ok(err)
		wire.SetClock(b, time.Now().UnixMilli())
		path, header, token := wire.SyncPath, "Authorization", "Bearer "+a.who.Token
		if tt.how == wire.Mixed {
			path, header, token = wire.ShortPath, wire.TokenHeader, a.who.Token
		}
		r, err := http.NewRequest("POST", h.server.URL+path, bytes.NewReader(b))
		h.ok(err)
		r.Header.Set(header, token)
		resp, err := http.DefaultClient.Do(r)
		h.ok(err)
		got, err := io.ReadAll(resp.Body)
		h.ok(err)
		resp.Body.Close()
		answer := new(wire.Synced)
		if err := wire.DecodeAnswer(bytes.NewReader(got), wire.MaxAnswer, m, answer); err != nil {
			t.Fatalf("%+v: %v", tt, err)
		}
		if (got[magic] == mixed) != tt.mixed || answer.Takes != tt.takes || len(answer.Villages) != 1 || len(answer.Villages[0].Receipts) != 1 {
			t.Errorf("%+v: packed as %d, %+v", tt, got[magic], answer)
		}
	}
}
