package store

import (
	"testing"

	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Files are delivered by the server's receipts in a reply, and by nothing else that is in
// one: not another file's, not of another life of its data, not of before the file was
// found missing there.
func TestTakeHeld(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	x := addBlob(t, s, content(1000))
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{5}, Cursor: 1})
	receipt := func(size uint64) blob.Receipt {
		r := blob.Receipt{Hash: x.Hash, Size: size, Received: clock.At0(t0)}
		r.Seal(serverKey)
		return r
	}
	good := receipt(uint64(x.Size))
	unsigned := good
	unsigned.Sig = nil
	other := blob.Receipt{Hash: blob.Hash{9}, Size: 5, Received: clock.At0(t0)}
	other.Seal(serverKey)
	delivered := func() bool {
		t.Helper()
		b, err := s.Blob(x.Hash)
		if err != nil {
			t.Fatal(err)
		}
		return b.Delivered
	}
	bundle := func(n uint64) {
		t.Helper()
		if _, err := s.SetDevice(ctx, func(d *Device) { d.Bundles = n }); err != nil {
			t.Fatal(err)
		}
	}
	bundle(1)
	for name, h := range map[string]wire.HeldFiles{
		"nothing":               {Village: code, Epoch: wire.Epoch{5}},
		"of another life":       {Village: code, Epoch: wire.Epoch{4}, Receipts: []blob.Receipt{good}},
		"of another village":    {Village: "369999000009", Epoch: wire.Epoch{5}, Receipts: []blob.Receipt{good}},
		"unsigned":              {Village: code, Epoch: wire.Epoch{5}, Receipts: []blob.Receipt{unsigned}},
		"of another size":       {Village: code, Epoch: wire.Epoch{5}, Receipts: []blob.Receipt{receipt(9)}},
		"of another file":       {Village: code, Epoch: wire.Epoch{5}, Receipts: []blob.Receipt{other}},
		"its small picture all": {Village: code, Epoch: wire.Epoch{5}, Smalls: []blob.Hash{{9}}},
	} {
		if n, err := s.TakeHeld(ctx, 1, h); n != 0 || err != nil || delivered() {
			t.Errorf("%s: %d delivered, %v", name, n, err)
		}
	}
	held := wire.HeldFiles{Village: code, Epoch: wire.Epoch{5}, Receipts: []blob.Receipt{good}, Smalls: []blob.Hash{x.Hash}}
	if n, err := s.TakeHeld(ctx, 1, held); n != 1 || err != nil || !delivered() {
		t.Fatalf("%d delivered, %v", n, err)
	}
	if b, err := s.Blob(x.Hash); err != nil || !b.SmallSent || b.Backed {
		t.Errorf("%+v, %v", b, err)
	}
	held.Backed = t0 + 1
	if n, err := s.TakeHeld(ctx, 1, held); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
	if b, err := s.Blob(x.Hash); err != nil || !b.Backed {
		t.Errorf("in a backup: %+v, %v", b, err)
	}
	// The office has lost it and somebody adds it again: the old reply is of yesterday.
	addBlob(t, s, content(1000))
	if n, err := s.TakeHeld(ctx, 1, held); n != 0 || err != nil || delivered() {
		t.Errorf("the reply of before: %d delivered, %v", n, err)
	}
	bundle(2)
	if n, err := s.TakeHeld(ctx, 2, held); n != 1 || err != nil || !delivered() {
		t.Errorf("the reply to the next: %d delivered, %v", n, err)
	}
	// A restored server may lack it.
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{7}, Cursor: 1})
	if n, err := s.TakeHeld(ctx, 2, held); n != 0 || err != nil || delivered() {
		t.Errorf("after the server was restored: %d delivered, %v", n, err)
	}
}

// A bundle that has files tells how many of them have no receipt.
func TestBundleFate(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	b := Bundle{Serial: 1, Name: "a.zcb"}
	var all []Blob
	for i := range 3 {
		x := addBlob(t, s, content(1000+i))
		all = append(all, x)
		b.Bring(code, x.Hash)
	}
	b.Bring("369999000002", all[0].Hash) // of a village that is here no more
	if err := s.Bundled(ctx, b, nil); err != nil {
		t.Fatal(err)
	}
	for want := 3; ; want-- {
		bs, err := s.Bundles()
		if err != nil || len(bs) != 1 || bs[0].Files != 4 || bs[0].Fate.FilesWaiting != want || bs[0].Done() != (want == 0) {
			t.Fatalf("%+v, %v; want %d waiting", bs, err, want)
		}
		if want == 0 {
			break
		}
		if err := s.Mark(ctx, code, all[want-1].Hash, func(b *Blob) { b.Delivered = true }); err != nil {
			t.Fatal(err)
		}
	}
}

// Small pictures of others' photos are kept where a record here shows them, once, and do
// not make the photo one that is here.
func TestKeepSmalls(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	own := addBlob(t, s, content(1000))
	theirs, nobodys := blob.Hash{7}, blob.Hash{8}
	save(t, s, Edit{Type: "visit", Fields: map[string]record.Value{"photos": record.Set([]string{blob.Name(theirs, "jpg"), own.FileName()})}})
	list := []SmallPicture{{theirs, "jpg", []byte("small")}, {nobodys, "jpg", []byte("small")}, {own.Hash, "jpg", []byte("another")}}
	for _, want := range []int{1, 0} {
		if n, err := s.KeepSmalls(ctx, code, list); n != want || err != nil {
			t.Errorf("%d kept, %v; want %d", n, err, want)
		}
	}
	b, err := s.Blob(theirs)
	if err != nil || !b.Small || b.Here || b.Own || b.Wanted || b.Kind != "jpg" {
		t.Errorf("%+v, %v", b, err)
	}
	if got, err := s.SmallBlob(theirs); err != nil || string(got) != "small" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := s.SmallBlob(own.Hash); err != nil || string(got) != "small"+canary {
		t.Errorf("its own became %q, %v", got, err)
	}
	if _, err := s.SmallBlob(nobodys); err == nil {
		t.Error("one that no record shows is kept")
	}
	if faults, _, err := s.CheckBlobs(ctx, false); err != nil || len(faults) != 0 {
		t.Errorf("missing: %+v, %v", faults, err)
	}
}
