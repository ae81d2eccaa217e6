package picture

import (
	"bytes"
	"math"
	"testing"
)

// taken gives a photo as a camera writes it, with where it was taken and more.
func taken(t *testing.T, kind string, turn int, at *place) []byte {
	t.Helper()
	j, p := plain()
	switch kind {
	case "jpeg":
		return withBlock(join(j[:2], segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00"+secret), segment(0xfe, secret), j[2:]), block(turn, at))
	case "png":
		return withBlock(join(p[:33], chunk("tEXt", secret), p[33:]), block(turn, at))
	}
	t.Fatal(kind)
	return nil
}

// Where a photo was taken stays in it where that is asked for, to a centimetre, and
// nowhere else; and nothing stays with it.
func TestPlace(t *testing.T) {
	none := math.NaN()
	for name, at := range map[string]*place{
		"here":     {25.812345678, 114.987654321, 312.5, 271.25},
		"no more":  {25.8, 114.9, none, none},
		"far away": {-33.999999, -0.5, -3, none},
		"nowhere":  nil,
	} {
		for _, kind := range []string{"jpeg", "png"} {
			raw := taken(t, kind, 6, at)
			for _, asked := range []bool{false, true} {
				p, err := Shrink(bytes.NewReader(raw), Options{Place: asked})
				if err != nil {
					t.Fatal(err)
				}
				bare, ok := Bare(raw, p.Beside)
				if !ok || p.Placed != (asked && at != nil) {
					t.Errorf("%s, %s, asked %v: placed %v, bare %v", name, kind, asked, p.Placed, ok)
				}
				for what, file := range map[string][]byte{"small": p.JPEG, "as it came": bare, "thumbnail": p.Thumbnail} {
					if bytes.Contains(file, []byte(secret)) {
						t.Errorf("%s, %s: %s still has what the camera wrote", name, kind, what)
					}
					format, turn := "jpeg", 1
					if what == "as it came" {
						format, turn = kind, 6
					}
					got := exif(bytes.NewReader(file), format)
					if got.turn != turn || !got.taken.IsZero() {
						t.Errorf("%s, %s: %s is turned %d, taken %v", name, kind, what, got.turn, got.taken)
					}
					want := at
					if !asked || what == "thumbnail" {
						want = nil
					}
					if (got.place == nil) != (want == nil) {
						t.Errorf("%s, %s, asked %v: %s was taken %+v", name, kind, asked, what, got.place)
					} else if want != nil && !near(*got.place, *want) {
						t.Errorf("%s, %s: %s was taken %+v, want %+v", name, kind, what, *got.place, *want)
					}
				}
				if corners(decode(t, p.JPEG)) != "brkg" {
					t.Errorf("%s, %s: the wrong way up", name, kind)
				}
			}
		}
	}
}

func near(a, b place) bool {
	same := func(x, y, by float64) bool { return math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= by }
	return same(a.lat, b.lat, 1e-7) && same(a.lon, b.lon, 1e-7) && same(a.height, b.height, 0.01) && same(a.direction, b.direction, 0.01)
}

// Each row is what a camera wrote that is no place.
func TestNoPlace(t *testing.T) {
	good := func() (map[string]float64, map[string]string) {
		return map[string]float64{"GPSLatitude": 25, "GPSLongitude": 114}, map[string]string{"GPSLatitudeRef": "N", "GPSLongitudeRef": "E"}
	}
	if n, s := good(); placeOf(n, s) == nil {
		t.Error("a good one is none")
	}
	for name, spoil := range map[string]func(map[string]float64, map[string]string){
		"no width":         func(n map[string]float64, _ map[string]string) { delete(n, "GPSLatitude") },
		"before it knew":   func(n map[string]float64, _ map[string]string) { n["GPSLatitude"], n["GPSLongitude"] = 0, 0 },
		"half of it":       func(n map[string]float64, _ map[string]string) { n["GPSLongitude"] = 0 },
		"beyond the pole":  func(n map[string]float64, _ map[string]string) { n["GPSLatitude"] = 91 },
		"round the earth":  func(n map[string]float64, _ map[string]string) { n["GPSLongitude"] = 181 },
		"no number":        func(n map[string]float64, _ map[string]string) { n["GPSLatitude"] = math.NaN() },
		"north of nothing": func(_ map[string]float64, s map[string]string) { s["GPSLatitudeRef"] = "" },
	} {
		n, s := good()
		if spoil(n, s); placeOf(n, s) != nil {
			t.Errorf("%s: it is taken for a place", name)
		}
	}
}

// A photo as it came is kept only if what the camera wrote can be taken out of it.
func TestBare(t *testing.T) {
	for _, raw := range []string{"", "II*\x00" + secret, "\x00\x00\x00\x18ftypheic" + secret, "\xff\xd8\xff", "BM" + secret} {
		if out, ok := Bare([]byte(raw), nil); ok {
			t.Errorf("%q became %q", raw, out)
		}
	}
	webp := join([]byte("RIFF\x00\x00\x00\x00WEBP"), piece("VP8X", "\x24\x00\x00\x00\x00\x00\x00\x00\x00\x00"), piece("VP8 ", "even"), piece("EXIF", secret))
	out, ok := Bare(webp, block(3, nil))
	if !ok || bytes.Contains(out, []byte(secret)) || out[20] != 0x28 || !bytes.HasSuffix(out, piece("EXIF", string(block(3, nil)))) {
		t.Errorf("a WebP became %q, %v", out, ok)
	}
	if got := exif(bytes.NewReader(out), "webp"); got.turn != 3 {
		t.Errorf("which way is up: %d", got.turn)
	}
}
