package web

import (
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// small makes a village of four households, of which three count: 王 with two people and
// 李 with one are poor, 赵 has exited; 孙 was struck off, and his house of grade D counts
// for nothing.
func (f *fixture) small() {
	f.t.Helper()
	f.role(identity.Office)
	add := func(t record.Type, fields map[string]string) record.ID {
		f.wall.Add(1000)
		return f.set(f.laptop, "杜旺火", t, record.ID{}, fields)
	}
	house := func(name, status, water, power, risk string, people int) {
		fields := map[string]string{"head_name": name, "poverty_status": status, "house_risk": risk}
		if water != "" {
			fields["water_safe"] = water
		}
		if power != "" {
			fields["power_living"] = power
		}
		id := add(householdType, fields)
		for range people {
			add(personType, map[string]string{"household": id.String(), "full_name": name})
		}
	}
	house("王一", "unexited", "yes", "yes", "a", 2)
	house("李二", "new", "yes", "", "unassessed", 1)
	house("赵三", "exited", "no", "yes", "c", 1)
	house("孙四", "cancelled", "no", "no", "d", 4)
	profile := func(year string, more map[string]string) {
		fields := map[string]string{"village_code": string(firstVillage.Code), "data_year": year, "population": "200", "nv25": "6", "broadband": "yes", "clinic": "yes", "waste_service": "no"}
		for name, value := range more {
			fields[name] = value
		}
		add(profileType, fields)
	}
	profile("2024", map[string]string{"nv25_paved": "5", "collective_income": "52000"})
	profile("2023", map[string]string{"nv25_paved": "6", "collective_income": "49999.99", "culture_room": "yes", "population": "100"})
}

// The indicators of a small village, worked out by hand. 2024: 3 poor of 200 are 1.5%; 5
// of 6 hamlets are paved; 赵 has no safe water and a house of grade C; of 李 nobody wrote
// whether there is power; nobody wrote of a culture room. 2023: 3 of 100 are 3%.
func TestIndicatorsOfASmallVillage(t *testing.T) {
	f := newFixture(t, false).enter()
	f.small()
	want := func(year string, lines ...string) {
		t.Helper()
		rows := listed(f.get("/village?year=" + year).body)
		if len(rows) < 9 {
			t.Fatalf("%s: %d indicators", year, len(rows))
		}
		for i, line := range lines {
			for _, part := range strings.Split(line, "|") {
				if !strings.Contains(rows[i], part) {
					t.Errorf("%s n%d: %q lacks %q", year, i+1, rows[i], part)
				}
			}
		}
	}
	for year, lines := range map[string][]string{
		"2024": {"1.50%|未脱贫 3 人，户籍人口 200 人", "83.33%|其中通水泥路：5|25户以上自然村：6", "1 户", "记录里还没有写全", "1 户", "通宽带：是", "文化活动室：（空）", "垃圾处理：否", "52,000 元"},
		"2023": {"3.00%|未脱贫 3 人，户籍人口 100 人", "100.00%", "1 户", "记录里还没有写全", "1 户", "通宽带：是", "文化活动室：是", "垃圾处理：否", "49,999.99 元"},
	} {
		want(year, lines...)
	}
	results := func(year string, count string, states ...string) {
		t.Helper()
		body := f.get("/village?year=" + year).body
		for i, row := range listed(body)[:9] {
			if !strings.HasSuffix(row, states[i]) {
				t.Errorf("%s n%d is %q, want %s", year, i+1, row, states[i])
			}
		}
		if !strings.Contains(bare(body), count) {
			t.Errorf("%s: does not say %s", year, count)
		}
	}
	results("2024", "达标 3 项，共 9 项", " 达标", "未达标", "未达标", "待核", "未达标", " 达标", "待核", "未达标", " 达标")
	results("2023", "达标 3 项，共 9 项", "未达标", " 达标", "未达标", "待核", "未达标", " 达标", " 达标", "未达标", "未达标")

	// A check decides, as a word or as the figure itself; two that differ leave it open, and
	// one of another year, or a void one, says nothing.
	check := func(year, indicator, value string) record.ID {
		f.wall.Add(1000)
		return f.set(f.laptop, "杜旺火", indicatorType, record.ID{}, map[string]string{"year": year, "indicator": indicator, "value": value, "evidence": "看了现场", "checked_by": "刘主任"})
	}
	check("2024", "n8", "yes")
	check("2024", "n9", "48000")
	check("2024", "n4", "yes")
	check("2024", "n6", "yes")
	check("2024", "n6", "no")
	check("2023", "n3", "yes")
	withdrawn := check("2024", "n5", "yes")
	if _, err := f.laptop.Save(t.Context(), store.Edit{Type: indicatorType, ID: withdrawn, Author: "杜旺火", Void: "看错了"}); err != nil {
		t.Fatal(err)
	}
	// The same record changed on two sides.
	apart := f.set(f.office, "宋芬娥", indicatorType, record.ID{}, map[string]string{"year": "2024", "indicator": "n2", "value": "yes"})
	f.pull()
	f.wall.Add(1000)
	f.set(f.office, "宋芬娥", indicatorType, apart, map[string]string{"value": "100"})
	f.set(f.laptop, "杜旺火", indicatorType, apart, map[string]string{"value": "no"})
	f.pull()
	results("2024", "达标 3 项，共 9 项", " 达标", "待核", "未达标", " 达标", "未达标", "待核", "待核", " 达标", "未达标")
	body := f.get("/village").body
	if got := bare(body); !contains(got, "2024年九项退出指标", "看了现场 刘主任", "48000", "村情，各年", "2024 未送出 2023") {
		t.Errorf("the page says %s", got)
	}
	if !strings.Contains(body, "/record/indicator_value/new?indicator=n1&amp;village="+string(firstVillage.Code)+"&amp;year=2024") || strings.Contains(body, "new?indicator=n8&amp;") {
		t.Error("what is not checked is not offered, or what is checked is")
	}

	// Who may not write them reads them.
	f.role(identity.TeamMember)
	if body := f.get("/village").body; strings.Contains(body, "/new?") || !contains(bare(body), "1.50%", "52,000") {
		t.Error("a member is asked to enter checks, or does not see the village")
	}
	if a := f.get("/village?village=369999000009"); a.status != 400 {
		t.Errorf("a village of others: %d", a.status)
	}
	f.lookOver(t, pageShown{"village", "/village"}, pageShown{"village-2023", "/village?year=2023"})
}
