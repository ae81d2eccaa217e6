package web

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

func markAt(name string, lon, lat float64) mapMark {
	return mapMark{name: name, to: "/" + name, Point: store.Point{Lon: lon, Lat: lat}, placed: true, shape: full}
}

// What is east is right, what is north is above, and a kilometre is as long both ways.
func TestProjection(t *testing.T) {
	p := project(mapBox{115, 25.9, 115.2, 26.1})
	x, y := p.place(store.Point{Lon: 115.1, Lat: 26})
	if x != mapWidth/2 || y != mapHeight/2 {
		t.Errorf("the middle is at %v, %v", x, y)
	}
	east, _ := p.place(store.Point{Lon: 115.1 + 1000/(degree*math.Cos(26*math.Pi/180)), Lat: 26})
	_, north := p.place(store.Point{Lon: 115.1, Lat: 26 + 1000.0/degree})
	if km := east - x; math.Abs(km-(y-north)) > .01 || math.Abs(km-1000*p.unit) > .01 {
		t.Errorf("a kilometre is %v units east, %v north, %v by the scale", km, y-north, 1000*p.unit)
	}
	for _, lon := range []float64{115, 115.2} {
		for _, lat := range []float64{25.9, 26.1} {
			x, y := p.place(store.Point{Lon: lon, Lat: lat})
			if x < mapEdge-1 || x > mapWidth-mapEdge+1 || y < mapEdge-1 || y > mapHeight-mapEdge+1 {
				t.Errorf("the corner %v, %v is at %v, %v", lon, lat, x, y)
			}
		}
	}
	if s := p.scale(); s.metres != 5000 || math.Abs(s.units-5000*p.unit) > .01 || s.units > mapWidth/4 {
		t.Errorf("the scale is %+v", s)
	}
}

// One place has a map of a size, none has none, and what cannot be right is listed.
func TestMapBounds(t *testing.T) {
	tests := []struct {
		name        string
		village     record.Village
		marks       []mapMark
		spots, lost int
	}{
		{"none", "", nil, 0, 0},
		{"one", "", []mapMark{markAt("a", 115, 26)}, 1, 0},
		{"no place", "", []mapMark{{name: "a"}}, 0, 1},
		// Latitude and longitude the wrong way round, and places that nobody entered.
		{"swapped", "", []mapMark{markAt("a", 115, 26), markAt("b", 26, 115), markAt("c", 0, 0)}, 1, 2},
		// Villages lie all over the country, and none beyond the 180th meridian.
		{"far apart", "", []mapMark{markAt("a", 75, 39), markAt("b", 130, 47), markAt("c", -179.9, 40), markAt("d", 179.9, 40)}, 2, 2},
		// Households lie in their village.
		{"another county", "v", []mapMark{markAt("a", 115, 26), markAt("b", 115.01, 26.01), markAt("c", 115.5, 26)}, 2, 1},
		{"together", "v", []mapMark{markAt("a", 115, 26), markAt("b", 115, 26), markAt("c", 115.02, 26)}, 2, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &mapView{village: tt.village, marks: slices.Clone(tt.marks)}
			v.lay()
			if len(v.spots) != tt.spots || len(v.lost) != tt.lost || len(v.marks)+len(v.lost) != len(tt.marks) {
				t.Fatalf("%d spots of %d marks and %d lost, want %d spots and %d lost", len(v.spots), len(v.marks), len(v.lost), tt.spots, tt.lost)
			}
			for _, s := range v.spots {
				if !(s.x >= 0 && s.x <= mapWidth && s.y >= 0 && s.y <= mapHeight) {
					t.Errorf("%s is at %v, %v", s.marks[0].name, s.x, s.y)
				}
			}
			if tt.spots > 0 && !(v.scale.metres > 0 && v.scale.units > 0) {
				t.Errorf("the scale is %+v", v.scale)
			}
		})
	}
}

// A mark of several opens a map on which they are apart, until they cannot be.
func TestMapOpens(t *testing.T) {
	v := &mapView{village: "v", month: figure.Period{Name: "2024-12"}, marks: []mapMark{markAt("a", 115, 26), markAt("b", 115.0005, 26), markAt("c", 115.2, 26.1), markAt("d", 115.2, 26.1)}}
	v.lay()
	if len(v.spots) != 2 {
		t.Fatalf("%d spots", len(v.spots))
	}
	for _, s := range v.spots {
		to := v.spotHref(&s)
		at := regexp.MustCompile(`in=([^&#]*)`).FindStringSubmatch(to)
		if at == nil {
			t.Fatalf("it leads to %s", to)
		}
		box, ok := parseBox(strings.ReplaceAll(at[1], "%2C", ","))
		if !ok {
			t.Fatalf("%s has no part", to)
		}
		in := &mapView{village: "v", marks: slices.Clone(v.marks), part: true, box: box}
		in.lay()
		want := 2
		if s.marks[0].name >= "c" {
			want = 1
		}
		if len(in.marks) != 2 || in.outside != 2 || len(in.spots) != want || strings.HasSuffix(to, "#shown") != (want == 1) {
			t.Errorf("%s has %d marks in %d spots, %d outside", to, len(in.marks), len(in.spots), in.outside)
		}
	}
	for _, bad := range []string{"1,2,3", "2,1,1,2", "a,b,c,d", "NaN,1,2,3", "-1e9,1,2,3", "170,10,190,20"} {
		if b, ok := parseBox(bad); ok {
			t.Errorf("%s is %v", bad, b)
		}
	}
}

// places gives the first village a place and a household one of its own; of the second
// nobody knows where it is.
func (f *fixture) places() (own, visited, nowhere *store.Record) {
	f.t.Helper()
	v := small[0].Code
	l := f.laptop("登记员", identity.Office, f.codes()...)
	l.send(v, l.change(record.Key{Village: v, Type: "village", ID: record.ID{1: 8, 6: 0x70, 8: 0x80}}, nil, map[string]string{"data_year": "2024", "location": "115.83,26.08"}))
	own, visited = f.first(v, "household", 0), f.first(v, "household", 1)
	l.send(v, l.change(own.Key, own.State, map[string]string{"location": "115.8123,26.0711"}))
	house := record.Key{Village: v, Type: "household", ID: record.ID{1: 7, 6: 0x70, 8: 0x80}}
	l.send(v, l.change(house, nil, map[string]string{"head_name": "无址户", "poverty_status": "未脱贫"}))
	// Who telephones is somewhere else.
	l.send(v, l.change(record.Key{Village: v, Type: "visit", ID: record.ID{1: 6, 6: 0x70, 8: 0x80}}, nil,
		map[string]string{"household": house.ID.String(), "visit_date": "2024-12-20", "visit_mode": "phone", "visit_result": "met", "location": "115.82,26.08"}))
	return own, visited, f.get(house)
}

var markLinks = regexp.MustCompile(`(?s)<a href="([^"]+)"><title>([^<]+)</title>`)

// onMap gives what is drawn, and where each mark leads.
func onMap(body string) map[string]string {
	list := map[string]string{}
	for _, m := range markLinks.FindAllStringSubmatch(body, -1) {
		list[m[2]] = strings.ReplaceAll(m[1], "&amp;", "&")
	}
	return list
}

// Who may see records sees villages and the households of each; each of these is on the
// map or listed as not being there.
func TestMap(t *testing.T) {
	f := filled(t)
	own, visited, nowhere := f.places()
	v := small[0].Code
	office := f.as("office")
	page := office.get("/map?month=2024-12")
	if page.status != http.StatusOK {
		t.Fatalf("%d", page.status)
	}
	found := onMap(page.body)
	if len(found) != 1 {
		t.Errorf("on the map are %v", found)
	}
	for label, to := range found {
		if to != mapHref(v, "2024-12", "") || !strings.HasPrefix(label, small[0].Name+"：走访覆盖率 ") {
			t.Errorf("%s leads to %s", label, to)
		}
	}
	if _, lost, _ := strings.Cut(page.body, `class="lost"`); !strings.Contains(lost, small[1].Name) || !strings.Contains(lost, texts["map.lost.none"].zh) {
		t.Error("the village without a place is not listed")
	}
	houses := office.get("/map?month=2024-12&village=" + string(v))
	list, err := f.store.HousePlaces(t.Context(), v, "2024-12-31")
	if err != nil {
		t.Fatal(err)
	}
	here, lost, _ := strings.Cut(houses.body, `class="lost"`)
	_, shown, _ := strings.Cut(lost, `id="shown"`)
	lost, _, _ = strings.Cut(lost, `</section>`)
	for _, h := range list {
		to := href(record.Key{Village: v, Type: "household", ID: h.ID})
		if in, out := strings.Contains(shown, `"`+to+`"`), strings.Contains(lost, `"`+to+`"`); in == out || in != h.Known {
			t.Errorf("%s is on the map: %v, beside it: %v", h.Head, in, out)
		}
		switch h.ID {
		case own.ID:
			if h.Point != (store.Point{Lon: 115.8123, Lat: 26.0711}) {
				t.Errorf("its own place is %v", h.Point)
			}
		case visited.ID:
			if !h.Known || h.Last == "" {
				t.Errorf("it was visited: %+v", h)
			}
		case nowhere.ID:
			if h.Known || h.Last != "" {
				t.Errorf("it was telephoned: %+v", h)
			}
		}
	}
	marks := 0
	for label := range onMap(here) {
		n := 1
		if m := regexp.MustCompile(`^(\d+) 户：`).FindStringSubmatch(label); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		marks += n
	}
	if marks != len(list)-1 {
		t.Errorf("%d households are drawn of %d", marks, len(list))
	}
	for path, want := range map[string]int{"/map?month=2025-02": 400, "/map?in=1,2,3": 400, "/map?village=x": 404} {
		if a := office.get(path); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	if a := office.get("/map?in=100,30,101,31"); !strings.Contains(a.body, texts["map.none.here"].zh) || !strings.Contains(a.body, fmt.Sprintf(texts["map.outside"].zh, "1")) {
		t.Error("a part without anything does not say so")
	}
}

// A leader sees villages and sums: no household is drawn, named or led to.
func TestMapRoles(t *testing.T) {
	f := filled(t)
	f.places()
	f.account(identity.SponsorUnit)
	f.account(identity.Inspector)
	v, w := small[0].Code, small[1].Code
	leader := f.as("leader")
	pages := leader.get("/map?month=2024-12").body
	for label, to := range onMap(pages) {
		if to != figuresHref(v, "2024-12") {
			t.Errorf("%s leads a leader to %s", label, to)
		}
	}
	if len(onMap(pages)) != 1 || !strings.Contains(pages, small[1].Name) {
		t.Error("a leader does not see the villages")
	}
	for _, path := range []string{"/map?village=" + string(v), "/map?month=2024-12&in=115,26,116,27&village=" + string(v)} {
		a := leader.get(path)
		if pages += a.body; a.status != http.StatusForbidden || len(onMap(a.body)) > 0 {
			t.Errorf("a leader at %s: %d, %v", path, a.status, onMap(a.body))
		}
	}
	if strings.Contains(pages, "/record/") || strings.Contains(pages, "/map?month=2024-12&amp;village=") {
		t.Error("a leader is led to households")
	}
	for _, code := range []record.Village{v, w} {
		list, err := f.store.HousePlaces(t.Context(), code, "2025-01-09")
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range list {
			if strings.Contains(pages, h.Head) || strings.Contains(pages, h.ID.String()) {
				t.Errorf("a leader sees %s", h.Head)
			}
		}
	}
	if a := f.as("inspector").get("/map?village=" + string(w)); a.status != http.StatusOK || len(onMap(a.body)) == 0 {
		t.Errorf("an inspector sees %d, %v", a.status, onMap(a.body))
	}
	sponsor := f.as("sponsor_unit")
	if a := sponsor.get("/map"); a.status != http.StatusOK || len(onMap(a.body)) == 0 || strings.Contains(a.body, small[1].Name) || !strings.Contains(a.body, href(f.first(v, "household", 0).Key)) {
		t.Errorf("a sponsor unit at its village: %d", a.status)
	}
	if a := sponsor.get("/map?village=" + string(w)); a.status != http.StatusNotFound {
		t.Errorf("a sponsor unit at another village: %d", a.status)
	}
}

// A province of 3,000 villages is a page of bounded size, made fast, and no mark is lost.
func TestMapOfProvince(t *testing.T) {
	f := newFixture(t, small...)
	p := &page{site: f.site, r: &http.Request{}, now: f.now(), lang: form.Zh}
	v := &mapView{month: figure.Period{Name: "2024-12"}, prev: "2024-11", next: "2025-01"}
	for i := range 3000 {
		m := markAt(fmt.Sprintf("第%d村", i), 113+float64(i%60)/12+float64(i*i%7)/90, 24+float64(i/60)/9+float64(i%11)/99)
		m.coverage = figure.Ratio{Part: float64(i % 41), Of: 40}
		m.shape, m.says, m.to = coverageShape(m.coverage), p.coverageSaid(m.coverage), figuresHref(record.Village(fmt.Sprintf("36999900%04d", i)), "2024-12")
		v.marks = append(v.marks, m)
	}
	began := time.Now()
	v.lay()
	var out bytes.Buffer
	if err := mapPage(p, v).Render(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	n := 0
	for _, s := range v.spots {
		n += len(s.marks)
	}
	t.Logf("%d marks, %d bytes, %v", len(v.spots), out.Len(), took)
	if n != 3000 || len(onMap(out.String())) == 0 {
		t.Errorf("%d of 3000 villages are on the map", n)
	}
	if out.Len() > 150_000 {
		t.Errorf("the page has %d bytes", out.Len())
	}
	if took > 2*time.Second { // 20 ms on an idle machine
		t.Errorf("it took %v", took)
	}
}

// The map fits, is accessible, lies in its plane in both languages, and its marks are
// reached and followed by keys.
func TestMapFit(t *testing.T) {
	f := filled(t)
	f.places()
	l := f.laptop("登记员", identity.Office, f.codes()...)
	l.send(small[1].Code, l.change(record.Key{Village: small[1].Code, Type: "village", ID: record.ID{1: 5, 6: 0x70, 8: 0x80}}, nil, map[string]string{"data_year": "2024", "location": "115.86,26.03"}))
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	one := "/map?month=2024-12&village=" + string(small[0].Code)
	for _, lang := range []string{"zh", "en"} {
		for _, width := range []int64{1366, 360} {
			for name, path := range map[string]string{"map": "/map?month=2024-12", "map-village": one, "map-none": "/map?month=2024-12&in=100,30,101,31"} {
				do(t, ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(f.server.URL+path))
				looks(t, ctx, fmt.Sprintf("%s-%s-%d", name, lang, width))
				if out := js[string](t, ctx, `Array.from(document.querySelectorAll(".plane text, .plane use")).filter(function (e) {
					const a = e.getBoundingClientRect(), b = e.ownerSVGElement.getBoundingClientRect();
					return a.width && (a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1);
				}).map(function (e) { return e.textContent || e.getAttribute("href"); }).join(", ")`); out != "" {
					t.Errorf("outside of the plane: %s", out)
				}
			}
		}
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
	do(t, ctx, chromedp.Navigate(f.server.URL+one))
	for range 60 {
		if js[bool](t, ctx, "document.activeElement.closest('svg.map') !== null") {
			break
		}
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
	}
	if !js[bool](t, ctx, "document.activeElement.closest('svg.map') !== null") {
		t.Fatal("Tab comes to no mark")
	}
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "location.search.includes('in=') || location.pathname.startsWith('/record/')")
}
