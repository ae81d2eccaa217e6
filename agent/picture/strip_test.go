package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"reflect"
	"testing"
)

// secret stands for where a picture was taken.
const secret = "29 1 7 1 4242 100"

// segment is one of a JPEG.
func segment(marker byte, body string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
}

func chunk(kind, body string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), kind+body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func piece(kind, body string) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body))), body...)
	return append(b, make([]byte, len(body)%2)...)
}

// gifBlock is an extension of a GIF.
func gifBlock(label byte, blocks ...string) []byte {
	b := []byte{0x21, label}
	for _, s := range blocks {
		b = append(append(b, byte(len(s))), s...)
	}
	return append(b, 0)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// plain are a JPEG and a PNG of nothing but the picture.
func plain() (j, p []byte) {
	var b, c bytes.Buffer
	jpeg.Encode(&b, quarters(60, 40), nil)
	png.Encode(&c, quarters(60, 40))
	return b.Bytes(), c.Bytes()
}

// beside are files with what is not to be kept, and what is of each.
func beside() map[string][2][]byte {
	j, p := plain()
	sos := bytes.Index(j, []byte{0xff, jpegSOS})
	exif, jfif, adobe := segment(0xe1, "Exif\x00\x00"+secret), segment(0xe0, "JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"), segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x01")
	soi, head, third := j[:2], j[2:sos], len(j)-(len(j)-sos)/3
	idat := bytes.Index(p, []byte("IDAT")) - 4
	var b bytes.Buffer
	gif.Encode(&b, quarters(60, 40), &gif.Options{NumColors: 16})
	g := b.Bytes()
	at := 13 + 3*16 // where the picture begins, behind the colours
	return map[string][2][]byte{
		"JPEG": {join(soi, jfif, exif, segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00"+secret), segment(0xed, "Photoshop 3.0\x00"+secret), adobe, segment(0xfe, secret), j[2:]),
			join(soi, jfif, adobe, j[2:])},
		"JPEG cut off":          {join(soi, exif, j[2:third]), j[:third]},
		"JPEG, fill bytes":      {join(soi, []byte{0xff, 0xff, 0xff}, exif, []byte{0xff, 0xff}, j[2:]), j},
		"JPEG, rubbish between": {join(soi, exif, []byte("rubbish"), exif, j[2:]), j},
		"JPEG, no length":       {join(soi, []byte{0xff, 0xe1, 0, 0}, exif, j[2:]), j},
		"JPEG, Exif cut off":    {join(j[:2], head, exif[:20]), nil},
		"JPEG, Canon's":         {join(soi, segment(0xe0, "II\x1a\x00HEAPJPGM"+secret), j[2:]), j},
		"JPEG, several scans":   {join(j[:len(j)-2], exif, segment(jpegSOS, "\x01\x01\x00\x00\x3f\x00"), []byte{1, 0xff, 0, 2, 0xff, 0xd3, 3}, segment(0xfe, secret), j[len(j)-2:]), join(j[:len(j)-2], segment(jpegSOS, "\x01\x01\x00\x00\x3f\x00"), []byte{1, 0xff, 0, 2, 0xff, 0xd3, 3}, j[len(j)-2:])},
		"JPEG, another behind":  {join(j, soi, exif, j[2:]), j},
		"PNG":                   {join(p[:33], chunk("gAMA", "\x00\x00\xb1\x8f"), chunk("eXIf", secret), chunk("tEXt", secret), chunk("vpAg", secret), p[33:], []byte(secret)), join(p[:33], chunk("gAMA", "\x00\x00\xb1\x8f"), p[33:])},
		"PNG cut off":           {join(p[:33], chunk("iTXt", secret), p[33:idat+20]), p[:idat+20]},
		"PNG, Exif cut off":     {join(p[:33], chunk("eXIf", secret)[:15]), nil},
		"PNG, a wrong length":   {join(p[:idat], []byte("\x7f\xff\xff\xff"), p[idat+4:idat+20], chunk("eXIf", secret)), join(p[:idat], []byte("\x7f\xff\xff\xff"), p[idat+4:idat+20])},
		"GIF": {join(g[:len(g)-1], gifBlock(0xfe, secret), gifBlock(0xff, "XMP DataXMP", secret), gifBlock(0xff, "NETSCAPE2.0", "\x01\x00\x00"), gifBlock(0x01, "twelve bytes", secret), []byte{0x3b}, []byte(secret)),
			join(g[:len(g)-1], gifBlock(0xff, "NETSCAPE2.0", "\x01\x00\x00"), []byte{0x3b})},
		"GIF cut off":         {join(g[:at], gifBlock(0xfe, secret), g[at:at+20]), g[:at+20]},
		"GIF, words cut off":  {join(g[:len(g)-1], gifBlock(0xfe, secret)[:12]), g[:len(g)-1]},
		"GIF, only words":     {join(g[:at], gifBlock(0xfe, secret), []byte{0x3b}), nil},
		"GIF, rubbish behind": {join(g[:len(g)-1], []byte("rubbish"+secret)), g[:len(g)-1]},
		"WebP": {join([]byte("RIFF\x00\x00\x00\x00WEBP"), piece("VP8X", "\x2c\x00\x00\x00\x00\x00\x00\x00\x00\x00"), piece("VP8 ", "odd"), piece("EXIF", secret), piece("XMP ", secret)),
			join([]byte("RIFF\x2a\x00\x00\x00WEBP")[:8], []byte("WEBP"), piece("VP8X", "\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00"), piece("VP8 ", "odd"))},
	}
}

// Of a picture that is kept as it came there is kept what it is made of, and that to
// the last byte.
func TestStrip(t *testing.T) {
	for name, f := range beside() {
		got, ok := Strip(f[0])
		if name == "WebP" {
			binary.LittleEndian.PutUint32(f[1][4:], uint32(len(f[1])-8))
		}
		if !ok || bytes.Contains(got, []byte(secret)) || bytes.Contains(got, []byte("Exif\x00")) {
			t.Errorf("%s: %v, it is still there: %q", name, ok, got)
		}
		if !bytes.Equal(got, f[1]) {
			t.Errorf("%s: %d bytes became\n%q, want\n%q", name, len(f[0]), got, f[1])
		}
	}
	for _, raw := range []string{"", "一段文字", "\xff\xd8", "GIF88a", "RIFF\x00\x00\x00\x00WAVE", "\x00\x00\x00\x18ftypheic"} {
		if got, ok := Strip([]byte(raw)); ok || string(got) != raw {
			t.Errorf("%q became %q", raw, got)
		}
	}
}

// Whatever comes, what is kept is no more than came, has nothing more to be taken out,
// and shows the same.
func FuzzStrip(f *testing.F) {
	for _, b := range beside() {
		f.Add(b[0])
	}
	j, p := plain()
	f.Add(j)
	f.Add(p)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		got, ok := Strip(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("what came was changed")
		}
		if again, _ := Strip(got); len(got) > len(raw) || ok && !bytes.Equal(again, got) && len(got) > 2 {
			t.Errorf("%q became %q, then %q", raw, got, again)
		}
		conf, _, err := image.DecodeConfig(bytes.NewReader(raw))
		if err != nil || conf.Width*conf.Height > 1<<16 {
			return
		}
		want, _, err := image.Decode(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if m, _, err := image.Decode(bytes.NewReader(got)); err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%q is another picture: %v", raw, err)
		}
	})
}

// A file in which no picture is left is none: nothing is kept under its name as if it
// were whole, and two such are not taken for one.
func TestStripNothing(t *testing.T) {
	for name, raw := range map[string]string{
		"a wrong length before the picture": "\xff\xd8\xff\xe1\xff\xffExif",
		"only its head":                     "\xff\xd8\xff",
		"a PNG's head":                      pngHead + "\x00\x00",
		"a PNG's first chunk cut off":       pngHead + "\x00\x00\x00\x0dIHDR\x00",
		"a WebP's head":                     "RIFF\x04\x00\x00\x00WEBP",
	} {
		if out, ok := Strip([]byte(raw)); out != nil || !ok {
			t.Errorf("%s: %q, %v", name, out, ok)
		}
	}
}
