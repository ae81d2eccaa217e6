package store

import (
	"testing"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// Each row is how many days after the last contact a laptop's clock stands, and
// what was written before: a clock set back hides nothing, and one that is off by
// years locks nobody out.
func TestLapsed(t *testing.T) {
	const day = 24 * 3600 * 1000
	tests := []struct {
		name    string
		allowed uint64
		clock   int64 // days after the last contact
		wrote   int64 // a save so many days after it, 0 for none
		days    int
		want    bool
	}{
		{"no limit", 0, 300, 0, 0, false},
		{"within it", 30, 29, 0, 29, false},
		{"beyond it", 30, 31, 0, 31, true},
		{"set back after a save", 30, 2, 40, 40, true},
		{"set back before the contact", 30, -3000, 0, 0, false},
		{"a dead battery's year ahead", 30, 4000, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wall := int64(1_500_000_000_000)
			contact := wall
			s := open(t, t.TempDir(), &wall)
			if _, err := s.SetDevice(ctx, func(d *Device) {
				d.ID, d.LastSync = "device", contact
				d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: code}}, Role: identity.TeamMember, Profiles: []string{"王队员"}, OfflineDays: tt.allowed}
			}); err != nil {
				t.Fatal(err)
			}
			if tt.wrote > 0 {
				wall = contact + tt.wrote*day + 1000
				save(t, s, Edit{Type: "visit", Fields: fields("findings", "走访")})
			}
			wall = contact + tt.clock*day + 1000
			if days, lapsed, err := s.Lapsed(); err != nil || lapsed != tt.want || tt.allowed > 0 && tt.want && days != tt.days {
				t.Errorf("out of contact for %d days, lapsed %v, %v; want %d, %v", days, lapsed, err, tt.days, tt.want)
			}
		})
	}
}
