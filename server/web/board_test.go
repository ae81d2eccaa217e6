package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// hear has a laptop be heard of as of some time ago.
func (l *laptop) hear(ago time.Duration, c store.Contact) {
	l.f.t.Helper()
	d, err := l.f.store.Device(l.f.t.Context(), l.device.ID)
	if err != nil {
		l.f.t.Fatal(err)
	}
	c.Village, c.Device, c.Seen = d.Villages[0], d.ID, l.f.now().Add(-ago)
	l.f.store.Heard(c)
}

var boardNames = regexp.MustCompile(`<th scope="row">\s*<a href="/devices/[^"]+">([^<]+)</a>`)

// boarded are the laptops of a page of the board, in its order.
func boarded(a answer) string {
	var list []string
	for _, m := range boardNames.FindAllStringSubmatch(a.body, -1) {
		list = append(list, m[1])
	}
	return strings.Join(list, " ")
}

// The board tells laptops that are bad from those of which nothing is known, and orders
// them by any column with the unknown ones last, whichever way.
func TestBoard(t *testing.T) {
	f := newFixture(t, small...)
	const day = 24 * time.Hour
	one, two := f.codes()[0], f.codes()[1]
	f.laptop("甲", identity.TeamMember, one).hear(time.Hour, store.Contact{Agent: "0.10", Assigned: 1, Pending: 2, Room: 20 << 30})
	f.laptop("乙", identity.TeamMember, one).hear(20*day, store.Contact{Agent: "0.9", Assigned: 1, Pending: 7, Room: 192 << 20})
	f.laptop("丙", identity.VillageClerk, two).hear(3*day, store.Contact{Agent: "dev", Offset: -int64(2 * day / time.Millisecond)})
	f.laptop("丁", identity.TeamMember, two) // never heard of
	gone := f.laptop("戊", identity.TeamMember, one)
	gone.hear(5*day, store.Contact{Agent: "9.9", Assigned: 1})
	if _, err := f.access.Revoke(t.Context(), gone.device.ID); err != nil {
		t.Fatal(err)
	}
	late := f.laptop("己", identity.TeamMember, one, two)
	if _, err := f.access.AddProfile(t.Context(), late.device.ID, "庚"); err != nil {
		t.Fatal(err)
	}
	late.hear(2*time.Hour, store.Contact{Agent: "0.10", Assigned: 1})
	v := f.as("office")
	for query, want := range map[string]string{
		"":                          "乙 丙 己、庚 甲 丁",
		"sort=seen&down=1":          "甲 己、庚 丙 乙 丁",
		"sort=backlog&down=1":       "乙 甲 ",
		"sort=version":              "乙 ",
		"only=silent":               "乙",
		"only=silent&days=3":        "乙 丙",
		"only=never":                "丁",
		"only=backlog":              "乙 甲",
		"only=clock":                "丙",
		"only=full":                 "乙", // of those that do not say how much is free nothing is known
		"sort=room":                 "乙 甲 ",
		"only=old":                  "乙", // a revoked laptop's version makes nobody's old
		"only=behind":               "己、庚",
		"only=revoked":              "戊",
		"village=" + string(two):    "丙 己、庚 丁",
		"q=" + url.QueryEscape("庚"): "己、庚",
		"q=" + url.QueryEscape("没有这个人"): "",
	} {
		a := v.get("/devices?" + query)
		got := boarded(a)
		if a.status != http.StatusOK || !strings.HasPrefix(got+" ", want) || !strings.HasSuffix(want, " ") && got != want {
			t.Errorf("%s: %d, %q; want %q", query, a.status, got, want)
		}
	}
	for _, bad := range []string{"sort=nonsense", "only=nonsense", "days=0", "days=x", "days=99999", "after=nonsense", "village=nowhere"} {
		if a := v.get("/devices?" + bad); a.status != http.StatusBadRequest && a.status != http.StatusNotFound {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	// Of a laptop that was never heard of nothing is claimed.
	page := v.get("/devices?only=never").body
	row := page[strings.Index(page, "<tbody>"):strings.Index(page, "</tbody>")]
	if n := strings.Count(row, texts["board.unknown"].zh); n != 5 || strings.Contains(row, `"warn"`) {
		t.Errorf("%d unknown\n%s", n, row)
	}
}

// A long board is gone through once, page by page, whatever it is ordered by.
func TestBoardPages(t *testing.T) {
	f := newFixture(t, small...)
	for i := range 2*boardRows + 7 {
		l := f.laptop(fmt.Sprintf("队员%03d", i), identity.TeamMember, f.codes()[i%2])
		if i%3 > 0 {
			l.hear(time.Duration(i%5)*time.Hour, store.Contact{Agent: "0.1", Pending: uint64(i % 4), Assigned: uint64(i % 2)})
		}
	}
	v := f.as("admin")
	more := regexp.MustCompile(`<p class="pager"><a class="button" href="([^"]+)"`)
	for by := range boardSorts {
		for _, down := range []string{"", "&down=1"} {
			seen, pages := map[string]bool{}, 0
			for next := "/devices?sort=" + by + down; next != ""; pages++ {
				a := v.get(next)
				for _, name := range strings.Fields(boarded(a)) {
					if seen[name] {
						t.Errorf("%s%s: %s twice", by, down, name)
					}
					seen[name] = true
				}
				if next = ""; more.MatchString(a.body) {
					next = strings.ReplaceAll(more.FindStringSubmatch(a.body)[1], "&amp;", "&")
				}
			}
			if len(seen) != 2*boardRows+7 || pages != 3 {
				t.Errorf("%s%s: %d laptops on %d pages", by, down, len(seen), pages)
			}
		}
	}
}

// What a revoked laptop still holds is said as far as it is known.
func TestLaptopPage(t *testing.T) {
	f := newFixture(t, small...)
	l := f.laptop("甲", identity.TeamMember, f.codes()[0])
	path := "/devices/" + string(l.device.ID)
	v := f.as("office")
	if a := v.get("/devices/nobody"); a.status != http.StatusNotFound {
		t.Errorf("a laptop that there is none of: %d", a.status)
	}
	if a := v.post(path+"/revoke", v.get(path), url.Values{"sure": {"1"}}); a.path != path || !strings.Contains(a.body, texts["laptop.unordered"].zh) {
		t.Errorf("%s\n%s", a.path, a.body)
	}
	f.pass(time.Minute)
	l.hear(0, store.Contact{})
	if a := v.get(path); !strings.Contains(a.body, "已通知它清除内容") || strings.Contains(a.body, texts["laptop.unordered"].zh) {
		t.Error("the order that went out is not said\n", a.body)
	}
	if a := v.post(path+"/regrant", v.get(path), nil); a.path != path || !strings.Contains(a.body, texts["device.revoke"].zh) {
		t.Errorf("%s", a.path)
	}
	// Villages that it no longer has may still lie on it.
	l.hear(time.Minute, store.Contact{})
	if _, err := f.access.Assign(t.Context(), l.device.ID, []record.Village{f.codes()[1]}); err != nil {
		t.Fatal(err)
	}
	if a := v.get(path); !strings.Contains(a.body, texts["laptop.had"].zh) || !strings.Contains(a.body, small[0].Name) {
		t.Errorf("%s", a.body)
	}
}

func TestVersionNumber(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		less bool
	}{{"0.9", "0.10", true}, {"v1.2.3", "1.2.4", true}, {"1.2", "1.2.0", false}, {"0.1", "0.1", false}} {
		a, ok1 := versionNumber(tt.a)
		b, ok2 := versionNumber(tt.b)
		if !ok1 || !ok2 || slices.Compare(a[:], b[:]) < 0 != tt.less {
			t.Errorf("%s before %s: %v", tt.a, tt.b, !tt.less)
		}
	}
	for _, s := range []string{"", "dev", "1.2.3.4", "1.-2", "1..2", "99999999999999999999"} {
		if _, ok := versionNumber(s); ok {
			t.Errorf("%q can be compared", s)
		}
	}
}
