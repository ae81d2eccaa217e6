package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"time"

	"github.com/bep/imagemeta"
)

// camera is what a camera says of a photo, as far as that is of use here.
type camera struct {
	turn  int // which way is up: EXIF's orientation, 1 to 8
	taken time.Time
	place *place // nil where it does not say
}

// place is where a photo was taken: degrees north and east, metres above the sea, and
// the degrees from north into which the camera looked; NaN where it does not say.
type place struct{ lat, lon, height, direction float64 }

// exif reads what a camera says.
func exif(r io.ReadSeeker, kind string) camera {
	s := camera{turn: 1}
	format, known := map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}[kind]
	if _, err := r.Seek(0, io.SeekStart); err != nil || !known {
		return s
	}
	const gps = "IFD0/GPSInfoIFD"
	number, text := map[string]float64{}, map[string]string{}
	imagemeta.Decode(imagemeta.Options{
		R: r, ImageFormat: format, Sources: imagemeta.EXIF, Timeout: 5 * time.Second,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool {
			return t.Tag == "Orientation" || t.Tag == "DateTimeOriginal" || t.Namespace == gps
		},
		HandleTag: func(t imagemeta.TagInfo) error {
			switch v := t.Value.(type) {
			case uint16:
				if t.Tag == "Orientation" && t.Namespace == "IFD0" && v >= 1 && v <= 8 {
					s.turn = int(v)
				}
			case uint8:
				number[t.Tag] = float64(v)
			case float64:
				number[t.Tag] = v
			case imagemeta.Rat[uint32]:
				number[t.Tag] = v.Float64()
			case string:
				if at, err := time.ParseInLocation("2006:01:02 15:04:05", v, time.UTC); err == nil && t.Tag == "DateTimeOriginal" {
					s.taken = at
				}
				text[t.Tag] = v
			}
			return nil
		},
	}) // what it cannot read of it is not there
	s.place = placeOf(number, text)
	return s
}

// placeOf reads where a photo was taken. A degree that is exactly nought is one that
// could not be read, or was written before the camera knew.
func placeOf(number map[string]float64, text map[string]string) *place {
	lat, lon := number["GPSLatitude"], number["GPSLongitude"]
	ns, ew := text["GPSLatitudeRef"], text["GPSLongitudeRef"]
	if !(lat > 0 && lat <= 90 && lon > 0 && lon <= 180) || ns != "N" && ns != "S" || ew != "E" && ew != "W" {
		return nil
	}
	p := &place{lat, lon, math.NaN(), math.NaN()}
	if ns == "S" {
		p.lat = -lat
	}
	if ew == "W" {
		p.lon = -lon
	}
	if h, ok := number["GPSAltitude"]; ok && h >= 0 && h < 1e5 {
		if p.height = h; number["GPSAltitudeRef"] == 1 {
			p.height = -h
		}
	}
	// Magnetic north is somewhere else.
	if d, ok := number["GPSImgDirection"]; ok && d >= 0 && d <= 360 && text["GPSImgDirectionRef"] != "M" {
		p.direction = d
	}
	return p
}

// block writes a TIFF block of Exif 2.3 with which way is up, and where; nil where there
// is nothing to say.
func block(turn int, p *place) []byte {
	type entry struct {
		tag, kind uint16
		count     uint32
		value     []byte // more than 4 bytes lie behind the table
	}
	be := binary.BigEndian
	table := func(at int, entries []entry) []byte {
		head := be.AppendUint16(nil, uint16(len(entries)))
		behind := at + 2 + 12*len(entries) + 4
		var rest []byte
		for _, e := range entries {
			head = be.AppendUint32(be.AppendUint16(be.AppendUint16(head, e.tag), e.kind), e.count)
			if len(e.value) <= 4 {
				head = append(head, append(bytes.Clone(e.value), 0, 0, 0, 0)[:4]...)
				continue
			}
			head = be.AppendUint32(head, uint32(behind+len(rest)))
			rest = append(rest, e.value...)
		}
		return append(be.AppendUint32(head, 0), rest...)
	}
	const kindByte, kindText, kindShort, kindLong, kindRatio = 1, 2, 3, 4, 5
	var top, gps []entry
	if turn > 1 {
		top = append(top, entry{0x0112, kindShort, 1, be.AppendUint16(nil, uint16(turn))})
	}
	if p != nil {
		ref := func(v float64, plus, minus string) []byte {
			if v < 0 {
				return []byte(minus + "\x00")
			}
			return []byte(plus + "\x00")
		}
		ratio := func(v float64) []byte {
			return be.AppendUint32(be.AppendUint32(nil, uint32(math.Round(math.Abs(v)*100))), 100)
		}
		// Degrees, minutes, and seconds to a ten thousandth, 3 mm.
		degrees := func(v float64) []byte {
			n := uint64(math.Round(math.Abs(v) * 36e6))
			b := be.AppendUint32(be.AppendUint32(nil, uint32(n/36e6)), 1)
			b = be.AppendUint32(be.AppendUint32(b, uint32(n/6e5%60)), 1)
			return be.AppendUint32(be.AppendUint32(b, uint32(n%6e5)), 1e4)
		}
		gps = []entry{
			{0, kindByte, 4, []byte{2, 3, 0, 0}},
			{1, kindText, 2, ref(p.lat, "N", "S")}, {2, kindRatio, 3, degrees(p.lat)},
			{3, kindText, 2, ref(p.lon, "E", "W")}, {4, kindRatio, 3, degrees(p.lon)},
		}
		if !math.IsNaN(p.height) {
			below := byte(0)
			if p.height < 0 {
				below = 1
			}
			gps = append(gps, entry{5, kindByte, 1, []byte{below}}, entry{6, kindRatio, 1, ratio(p.height)})
		}
		if !math.IsNaN(p.direction) {
			gps = append(gps, entry{16, kindText, 2, []byte("T\x00")}, entry{17, kindRatio, 1, ratio(p.direction)})
		}
		top = append(top, entry{0x8825, kindLong, 1, be.AppendUint32(nil, uint32(8+2+12*(len(top)+1)+4))})
	}
	if len(top) == 0 {
		return nil
	}
	b := append([]byte("MM\x00*"), 0, 0, 0, 8)
	b = append(b, table(len(b), top)...)
	if len(gps) > 0 {
		b = append(b, table(len(b), gps)...)
	}
	return b
}

// withBlock puts a TIFF block of Exif into a picture that has none: a JPEG, a PNG, or a
// WebP that can have one (VP8X). Into anything else, and where there is no block, nothing.
func withBlock(raw, tiff []byte) []byte {
	if len(tiff) == 0 {
		return raw
	}
	switch {
	case bytes.HasPrefix(raw, []byte{0xff, jpegSOI}):
		body := append([]byte("Exif\x00\x00"), tiff...)
		app := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(body)+2)), body...)
		return bytes.Join([][]byte{raw[:2], app, raw[2:]}, nil)
	case bytes.HasPrefix(raw, []byte(pngHead)) && len(raw) > len(pngHead)+25: // behind IHDR, which is first
		c := append(binary.BigEndian.AppendUint32(nil, uint32(len(tiff))), append([]byte("eXIf"), tiff...)...)
		c = binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
		at := len(pngHead) + 25
		return bytes.Join([][]byte{raw[:at], c, raw[at:]}, nil)
	case len(raw) > 21 && string(raw[8:16]) == "WEBPVP8X":
		c := append(binary.LittleEndian.AppendUint32([]byte("EXIF"), uint32(len(tiff))), tiff...)
		out := append(append(bytes.Clone(raw), c...), make([]byte, len(tiff)%2)...)
		out[20] |= 0x08
		binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
		return out
	}
	return raw
}

// Bare gives a photo as it came, of which Shrink gave beside: of what the camera wrote
// there is left in it which way is up and, where that was asked for, where it was taken.
// false: it is none of which this is known, or none was found in it.
func Bare(raw, beside []byte) ([]byte, bool) {
	bare, known := Strip(raw)
	if !known || bare == nil {
		return nil, false
	}
	return withBlock(bare, beside), true
}
