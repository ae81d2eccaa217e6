package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"zhucun/scripts/badlink"
	"zhucun/scripts/rig"
)

// edit is what a laptop writes on one household.
type edit struct {
	by           *rig.Laptop
	id           string
	field, value string
}

// clash has both laptops of the shared village change four households without
// seeing each other: fields on which a person must decide, one whose later
// value counts, and different fields that merge by themselves.
func (s *story) clash(ctx context.Context) error {
	ids := s.fresh(4)
	if len(ids) < 4 {
		return fmt.Errorf("the data has %d households to change, want 4", len(ids))
	}
	s.settled, s.decided, s.asked = ids[0], ids[1], ids[2]
	merged := ids[3]
	edits := []edit{
		{s.first, merged, "phone", "12900000001"},
		{s.first, s.settled, "house_risk", "c"}, {s.second, s.settled, "house_risk", "d"},
		{s.first, s.decided, "group_name", "上坪组"}, {s.second, s.decided, "group_name", "下坪组"},
		{s.first, s.asked, "house_structure", "brick_concrete"}, {s.second, s.asked, "house_structure", "adobe"},
		{s.first, merged, "road_type", "gravel"}, {s.second, merged, "water_source", "protected"},
	}
	later := edit{s.second, merged, "phone", "12900000002"}
	for _, l := range []*rig.Laptop{s.first, s.second} {
		l.Link.Set(badlink.Weather{Down: true})
	}
	for _, e := range append(edits, later) {
		if e == later {
			// Laptops know the server's time to a fraction of a second; on which
			// of two edits is the later one they should not have to guess.
			time.Sleep(2 * time.Second)
		}
		if _, err := e.by.Put(ctx, "household", e.id, e.field+"="+e.value); err != nil {
			return err
		}
	}
	for _, l := range []*rig.Laptop{s.first, s.second} {
		l.Link.Set(badlink.Weather{})
	}
	for _, l := range []*rig.Laptop{s.first, s.second, s.first} {
		if err := s.synced(ctx, l, time.Minute, false); err != nil {
			return err
		}
	}
	s.truth.set("household", merged, "road_type", "gravel")
	s.truth.set("household", merged, "water_source", "protected")
	s.truth.set("household", merged, "phone", "12900000002")
	s.truth.leave(s.settled, "house_risk", "c", "d")
	s.truth.leave(s.decided, "group_name", "上坪组", "下坪组")
	s.truth.leave(s.asked, "house_structure", "brick_concrete", "adobe")

	var r rig.Record
	if err := s.server.JSON(ctx, &r, "get", "household", merged); err != nil {
		return err
	}
	s.say("同一户的不同字段，两边写的都在；两个电话取后写的 %v，先写的仍可查看",
		"different fields of one household, both kept; of two phone numbers the later one counts, %v, and the other stays to be seen", r.Fields["phone"])
	earlier := r.Others["phone"]
	if !slices.ContainsFunc(earlier, func(c rig.Claim) bool { return c.Value == "12900000001" }) {
		return fmt.Errorf("household %s: the earlier phone number is not to be seen at the office", merged)
	}
	for _, side := range []struct {
		p      *rig.Program
		zh, en string
	}{
		{&s.server.Program, "办公室看到的冲突：", "in conflict, as the office sees it:"},
		{&s.first.Program, "电脑1看到的：", "as laptop 1 sees it:"},
		{&s.second.Program, "电脑2看到的：", "as laptop 2 sees it:"},
	} {
		s.say(side.zh, side.en)
		for _, w := range []struct{ id, path string }{{s.settled, "house_risk"}, {s.decided, "group_name"}, {s.asked, "house_structure"}} {
			claims, err := s.conflict(ctx, side.p, w.id, w.path)
			if err != nil {
				return err
			}
			s.against(w.path, claims)
		}
	}
	return nil
}

// fresh gives households of the shared village on which every value that clash
// writes is a new one.
func (s *story) fresh(n int) (ids []string) {
	for _, h := range s.households[s.shared] {
		f := h.Fields
		switch {
		case slices.Contains([]string{"c", "d"}, f.Text("house_risk")):
		case slices.Contains([]string{"brick_concrete", "adobe"}, f.Text("house_structure")):
		case f.Text("road_type") == "gravel", f.Text("water_source") == "protected":
		default:
			if ids = append(ids, h.ID); len(ids) == n {
				return ids
			}
		}
	}
	return ids
}

// conflict gives the values that stand against each other in a field, and
// checks that both laptops' are there with their authors.
func (s *story) conflict(ctx context.Context, p *rig.Program, id, path string) ([]rig.Claim, error) {
	var r rig.Record
	if err := p.JSON(ctx, &r, "get", "household", id); err != nil {
		return nil, err
	}
	claims := r.Conflicts[path]
	slices.SortFunc(claims, func(a, b rig.Claim) int { return strings.Compare(a.At, b.At) })
	if len(claims) != 2 || claims[0].Author != s.first.Name || claims[1].Author != s.second.Name {
		return nil, fmt.Errorf("household %s: %s should have the values of %s and %s, and has %+v", id, path, s.first.Name, s.second.Name, claims)
	}
	return claims, nil
}

// settle decides one conflict at the office and one on the second laptop; the
// third stays for whoever browses.
func (s *story) settle(ctx context.Context) error {
	claims, err := s.conflict(ctx, &s.server.Program, s.settled, "house_risk")
	if err != nil {
		return err
	}
	if _, err := s.server.Do(ctx, "resolve", s.settled, "house_risk", "--take", claims[1].Dot, "--reason", "已派人现场核实"); err != nil {
		return err
	}
	s.truth.set("household", s.settled, "house_risk", claims[1].Value)
	delete(s.truth.open, s.settled+" house_risk")
	s.say("办公室决定（理由：已派人现场核实）：", "the office decides, with its reason:")
	s.against("house_risk", claims[1:])

	if claims, err = s.conflict(ctx, &s.second.Program, s.decided, "group_name"); err != nil {
		return err
	}
	if _, err := s.second.Do(ctx, "resolve", s.decided, "group_name", "--take", claims[0].Dot); err != nil {
		return err
	}
	s.truth.set("household", s.decided, "group_name", claims[0].Value)
	delete(s.truth.open, s.decided+" group_name")
	s.say("电脑2上决定：", "decided on laptop 2:")
	s.against("group_name", claims[:1])

	for _, l := range []*rig.Laptop{s.second, s.first, s.third, s.township} {
		if err := s.synced(ctx, l, time.Minute, false); err != nil {
			return err
		}
	}
	s.say("第三处（房屋结构）留给您：可在办公室页面或电脑1、2的页面上处理", "the third, on the house structure, is left to you: decide it at the office or on laptop 1 or 2")
	return nil
}
