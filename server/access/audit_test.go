package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// noted gives the audit, oldest first, as who, act and subject.
func (d *desk) noted(t *testing.T) []string {
	t.Helper()
	list, err := d.s.Audits(t.Context(), store.AuditQuery{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, a := range slices.Backward(list) {
		lines = append(lines, a.Who+" "+a.Act+" "+a.Subject)
	}
	return lines
}

// A flood of wrong passwords leaves some notes of each login in an hour and one
// that counts the others; whoever has no account has one name among them all.
func TestRefusalsBounded(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	if err := d.AddAccount(ctx, "admin", "long enough", []identity.Role{identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	flood := func(n int) {
		for i := range n {
			if _, err := d.SignIn(ctx, netip.IPv6Loopback(), "admin", "wrong password"); err == nil {
				t.Fatal("let in")
			}
			d.SignIn(ctx, netip.IPv6Loopback(), fmt.Sprint("who", i), "x")
			d.SignIn(ctx, netip.IPv6Loopback(), "a\nb", "x")
		}
	}
	flood(12)
	want := map[string]int{"server account admin admin": 1, "admin refused ": 5, "? refused ": 5}
	count := func() {
		t.Helper()
		got := map[string]int{}
		for _, line := range d.noted(t) {
			got[line]++
		}
		for line, n := range want {
			if got[line] != n {
				t.Errorf("%q is noted %d times, want %d; all: %v", line, got[line], n, got)
			}
		}
	}
	count()
	if err := d.NoteRefusals(ctx, false); err != nil {
		t.Fatal(err)
	}
	count()
	d.now = d.now.Add(time.Hour)
	d.SignIn(ctx, netip.IPv6Loopback(), "admin", "wrong password")
	want["admin refused "], want["admin refusedmore 7"] = 6, 1
	count()
	if err := d.NoteRefusals(ctx, false); err != nil {
		t.Fatal(err)
	}
	want["? refusedmore 19"] = 1
	count()
	// At the end all of them are noted.
	flood(6)
	if err := d.NoteRefusals(ctx, true); err != nil {
		t.Fatal(err)
	}
	want["admin refused "], want["admin refusedmore 2"], want["? refused "], want["? refusedmore 7"] = 10, 1, 10, 1
	count()
}

// Each row is something that is done to laptops, villages or accounts, and its note.
func TestActsNoted(t *testing.T) {
	d := newDesk(t)
	ctx := store.By(context.Background(), "boss")
	if err := d.AddVillage(ctx, store.Village{Code: "369999000007", Name: "新村"}); err != nil {
		t.Fatal(err)
	}
	code, err := d.NewCode(ctx, Laptop{Villages: []record.Village{"369999000007"}, Role: identity.TeamMember, Name: "王队员", TTL: time.Hour, URL: "https://x"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Enrol(context.Background(), &wire.Enrol{Code: code.ID, Secret: code.Secret, Key: key("王队员")})
	if err != nil {
		t.Fatal(err)
	}
	id := e.Device
	_, err1 := d.AddProfile(ctx, id, "李队员")
	_, err2 := d.Assign(ctx, id, []record.Village{"369999000001"})
	_, err3 := d.Revoke(ctx, id)
	_, again := d.Revoke(ctx, id)
	err4 := d.AddAccount(ctx, "leader", "long enough", []identity.Role{identity.Leader}, "")
	err5 := d.SetPassword(ctx, "leader", "long enough 2")
	err6 := d.SignOut(ctx, "leader")
	err7 := d.SignedIn(ctx, "leader")
	err8 := d.SetFactorRoles(ctx, []identity.Role{identity.Leader}, "厅领导")
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(again, ErrRevoked) {
		t.Error(again)
	}
	want := []string{
		"boss village 369999000007 新村",
		"boss code 王队员 team_member 369999000007",
		"王队员 enrolled " + string(id) + " 王队员",
		"boss profile " + string(id) + " 李队员",
		"boss assign " + string(id) + " 王队员 369999000007 → 369999000001",
		"boss revoke " + string(id) + " 王队员",
		"boss account leader leader",
		"boss password leader",
		"boss signouts leader",
		"leader signin leader",
		"boss require 厅领导",
	}
	got := d.noted(t)
	if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("noted\n%q, want\n%q", got, want)
	}
}
