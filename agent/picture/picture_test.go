package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// quarters is a picture whose corners tell which way is up: red, green over blue, black.
func quarters(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{A: 255}
			switch {
			case y < h/2 && x < w/2:
				c.R = 255
			case y < h/2:
				c.G = 255
			case x < w/2:
				c.B = 255
			}
			m.Set(x, y, c)
		}
	}
	return m
}

// shot is a JPEG as a camera writes it: with its orientation, when, and where.
func shot(t *testing.T, m image.Image, orientation uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	entry := func(d []byte, tag, kind uint16, count, value uint32) []byte {
		return le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(d, tag), kind), count), value)
	}
	tiff := append([]byte("II*\x00"), 8, 0, 0, 0)
	const exifAt, gpsAt, dateAt, latAt = 8 + 2 + 3*12 + 4, 8 + 2 + 3*12 + 4 + 2 + 12 + 4, 8 + 2 + 3*12 + 4 + 2*(2+12+4), 8 + 2 + 3*12 + 4 + 2*(2+12+4) + 20
	tiff = le.AppendUint16(tiff, 3)
	tiff = entry(tiff, 0x0112, 3, 1, uint32(orientation))
	tiff = entry(tiff, 0x8769, 4, 1, exifAt)
	tiff = entry(tiff, 0x8825, 4, 1, gpsAt)
	tiff = le.AppendUint32(tiff, 0)
	tiff = le.AppendUint32(entry(le.AppendUint16(tiff, 1), 0x9003, 2, 20, dateAt), 0)
	tiff = le.AppendUint32(entry(le.AppendUint16(tiff, 1), 0x0002, 5, 3, latAt), 0)
	tiff = append(tiff, "2017:05:23 14:05:06\x00"...)
	for _, n := range []uint32{29, 1, 7, 1, 4242, 100} {
		tiff = le.AppendUint32(tiff, n)
	}
	app := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(app)+2))...)
	return append(append(out, app...), b.Bytes()[2:]...)
}

func decode(t *testing.T, b []byte) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// corners says which colour is where, from the top left on, line by line.
func corners(m image.Image) string {
	b := m.Bounds()
	var s strings.Builder
	for _, p := range []image.Point{{b.Dx() / 4, b.Dy() / 4}, {3 * b.Dx() / 4, b.Dy() / 4}, {b.Dx() / 4, 3 * b.Dy() / 4}, {3 * b.Dx() / 4, 3 * b.Dy() / 4}} {
		r, g, bl, _ := m.At(p.X, p.Y).RGBA()
		switch {
		case r > 0x8000 && g < 0x4000:
			s.WriteByte('r')
		case g > 0x8000 && r < 0x4000:
			s.WriteByte('g')
		case bl > 0x8000:
			s.WriteByte('b')
		default:
			s.WriteByte('k')
		}
	}
	return s.String()
}

// A photo is made small and put the right way up; what the camera wrote beside it is gone.
func TestShrink(t *testing.T) {
	up := map[uint16]string{1: "rgbk", 2: "grkb", 3: "kbgr", 4: "bkrg", 5: "rbgk", 6: "brkg", 7: "kgbr", 8: "gkrb"}
	for orientation, want := range up {
		raw := shot(t, quarters(3000, 2000), orientation)
		p, err := Shrink(bytes.NewReader(raw), Options{})
		if err != nil {
			t.Fatal(err)
		}
		w, h := 1600, 1066
		if orientation >= 5 {
			w, h = h, w
		}
		m, small := decode(t, p.JPEG), decode(t, p.Thumbnail)
		if m.Bounds().Dx() != w || m.Bounds().Dy() != h || p.Width != w || p.Height != h {
			t.Errorf("%d: %v", orientation, m.Bounds())
		}
		if got := corners(m); got != want || corners(small) != want {
			t.Errorf("%d: %s, small %s, want %s", orientation, got, corners(small), want)
		}
		if b := small.Bounds(); max(b.Dx(), b.Dy()) != ThumbnailSide || len(p.Thumbnail) > 16<<10 {
			t.Errorf("%d: the small one is %v, %d bytes", orientation, b, len(p.Thumbnail))
		}
		if p.Taken.Format("2006-01-02 15:04:05") != "2017-05-23 14:05:06" {
			t.Errorf("%d: taken %v", orientation, p.Taken)
		}
		if bytes.Contains(p.JPEG, []byte("Exif")) || bytes.Contains(p.JPEG, binary.LittleEndian.AppendUint32(nil, 4242)) {
			t.Errorf("%d: what the camera wrote is kept", orientation)
		}
	}
}

// A small picture is not made larger, a transparent one lies on white.
func TestSmall(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	p, err := Shrink(bytes.NewReader(b.Bytes()), Options{Side: 800, Quality: 90})
	if err != nil || p.Width != 40 || p.Height != 30 {
		t.Fatalf("%+v, %v", p, err)
	}
	if r, g, bl, _ := decode(t, p.JPEG).At(20, 15).RGBA(); r < 0xf000 || g < 0xf000 || bl < 0xf000 {
		t.Errorf("what is transparent is %x %x %x", r, g, bl)
	}
	if !p.Taken.IsZero() {
		t.Errorf("taken %v", p.Taken)
	}
}

// What is no picture, or one too many, is told from one.
func TestForeign(t *testing.T) {
	raw := shot(t, quarters(300, 200), 1)
	huge := bytes.Clone(raw)
	// The frame's head says how large it is: after FF C0, length and depth.
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(huge[at+5:], 65000)
	binary.BigEndian.PutUint16(huge[at+7:], 65000)
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("一段文字"), "HEIC": []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
		"cut off": raw[:len(raw)/2], "a head alone": raw[:200], "too large": huge,
	} {
		if p, err := Shrink(bytes.NewReader(b), Options{}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, %v", name, p != nil, err)
		}
	}
}

// Whatever comes, it ends in a picture or in ErrForeign.
func FuzzShrink(f *testing.F) {
	var b bytes.Buffer
	png.Encode(&b, quarters(20, 10))
	f.Add(b.Bytes())
	b.Reset()
	jpeg.Encode(&b, quarters(20, 10), nil)
	f.Add(b.Bytes())
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if conf, _, err := image.DecodeConfig(bytes.NewReader(raw)); err == nil && conf.Width*conf.Height > 1<<20 {
			return // it takes too long here
		}
		p, err := Shrink(bytes.NewReader(raw), Options{})
		if err == nil && len(p.JPEG) == 0 || err != nil && !errors.Is(err, ErrForeign) {
			t.Errorf("%v, %v", p, err)
		}
	})
}
