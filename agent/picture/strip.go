package picture

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Strip takes out of a file that is kept as it came what a camera wrote beside the
// picture, and what follows it. Nothing is unpacked: a picture that is cut off or too
// large loses it as well. ok tells that it is a file of which this is known: a JPEG, a
// PNG, a GIF or a WebP. What cannot be read of the structure of one is not kept; nil is
// one in which no picture was found.
func Strip(raw []byte) (out []byte, ok bool) {
	found := false
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xd8\xff")):
		out, found = stripJPEG(raw)
	case bytes.HasPrefix(raw, []byte(pngHead)):
		out, found = stripPNG(raw)
	case bytes.HasPrefix(raw, []byte("GIF87a")) || bytes.HasPrefix(raw, []byte("GIF89a")):
		out, found = stripGIF(raw)
	case len(raw) >= 12 && string(raw[:4]) == "RIFF" && string(raw[8:12]) == "WEBP":
		out, found = stripWebP(raw)
	default:
		return raw, false
	}
	if !found {
		return nil, true
	}
	return out, true
}

// Format tells by a file's beginning what may have in it where it was taken: jpg, png,
// gif and webp, of which Strip takes that; heic, tif, and mp4 for all other films and
// pictures in boxes (ISO 14496-12), of which it does not. "" is anything else.
func Format(raw []byte) string {
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xd8\xff")):
		return "jpg"
	case bytes.HasPrefix(raw, []byte(pngHead)):
		return "png"
	case bytes.HasPrefix(raw, []byte("GIF8")):
		return "gif"
	case len(raw) >= 12 && string(raw[:4]) == "RIFF" && string(raw[8:12]) == "WEBP":
		return "webp"
	case bytes.HasPrefix(raw, []byte("II*\x00")), bytes.HasPrefix(raw, []byte("MM\x00*")):
		return "tif"
	case len(raw) >= 12 && string(raw[4:8]) == "ftyp":
		if brand := string(raw[8:12]); slices.Contains([]string{"heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"}, brand) {
			return "heic"
		}
		return "mp4"
	}
	return ""
}

// The markers of a JPEG (ITU T.81, table B.1) that matter here.
const (
	jpegTEM  = 0x01
	jpegRST0 = 0xd0
	jpegRST7 = 0xd7
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
)

// stripJPEG keeps the segments that the picture is made of, and the two that say how
// its colours are to be read.
func stripJPEG(raw []byte) (out []byte, scan bool) {
	out = append(make([]byte, 0, len(raw)), 0xff, jpegSOI)
	// When a scan has begun what is no marker is the picture.
	for rest := raw[2:]; ; {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 {
			i = len(rest)
		}
		if scan {
			out = append(out, rest[:i]...)
		}
		for rest = rest[i:]; len(rest) > 1 && rest[1] == 0xff; rest = rest[1:] {
		}
		if len(rest) < 2 {
			return out, scan
		}
		m := rest[1]
		rest = rest[2:]
		switch {
		case m == 0 || m >= jpegRST0 && m <= jpegRST7:
			if scan {
				out = append(out, 0xff, m)
			}
			continue
		case m == jpegEOI && scan:
			return append(out, 0xff, m), true
		case m <= 0xbf || m == jpegSOI || m == jpegEOI: // they stand alone, or are none
			continue
		}
		if len(rest) < 2 {
			return out, scan
		}
		n := int(binary.BigEndian.Uint16(rest))
		if n < 2 {
			rest = rest[2:]
			continue
		}
		if n > len(rest) {
			return out, scan
		}
		if ofPicture(m, rest[2:n]) {
			out = append(append(out, 0xff, m), rest[:n]...)
			scan = scan || m == jpegSOS
		}
		rest = rest[n:]
	}
}

// ofPicture tells a segment that a JPEG cannot be read without.
func ofPicture(marker byte, body []byte) bool {
	switch {
	case marker == 0xe0:
		return bytes.HasPrefix(body, []byte("JFIF\x00"))
	case marker == 0xee:
		return bytes.HasPrefix(body, []byte("Adobe"))
	}
	// Frames, tables and scans; 0xf7 and 0xf8 are those of JPEG-LS.
	return marker >= 0xc0 && marker <= 0xdf || marker == 0xf7 || marker == 0xf8
}

const pngHead = "\x89PNG\r\n\x1a\n"

// pngKept are the chunks of a PNG that may be left out, and are not here. Those that
// may not begin with a capital letter.
var pngKept = []string{"tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "cICP", "mDCV", "cLLI", "sBIT", "bKGD", "hIST", "pHYs", "sPLT", "acTL", "fcTL", "fdAT"}

// pngBeside are the chunks that say more than the picture.
var pngBeside = []string{"eXIf", "zxIf", "tEXt", "zTXt", "iTXt", "tIME"}

func stripPNG(raw []byte) (out []byte, found bool) {
	out = append(make([]byte, 0, len(raw)), pngHead...)
	for rest := raw[len(pngHead):]; len(rest) >= 8; {
		n, kind := uint64(binary.BigEndian.Uint32(rest))+12, string(rest[4:8])
		for _, b := range []byte(kind) {
			if b|0x20 < 'a' || b|0x20 > 'z' {
				return out, found
			}
		}
		found = found || kind == "IDAT"
		keep := kind[0] <= 'Z' || slices.Contains(pngKept, kind)
		if n > uint64(len(rest)) {
			if kind != "IDAT" {
				return out, found
			}
			// Cut off, unless it is its length that is wrong.
			for _, beside := range pngBeside {
				if i := bytes.Index(rest, []byte(beside)); i >= 0 {
					rest = rest[:max(0, i-4)]
				}
			}
			return append(out, rest...), found
		}
		if keep {
			out = append(out, rest[:n]...)
		}
		if kind == "IEND" {
			break
		}
		rest = rest[n:]
	}
	return out, found
}

// webpKept are the chunks of a WebP that the picture is made of.
var webpKept = []string{"VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"}

func stripWebP(raw []byte) (out []byte, found bool) {
	out = append(make([]byte, 0, len(raw)), raw[:12]...)
	for rest := raw[12:]; len(rest) >= 8; {
		kind, n := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))+8
		n = min(n+n&1, uint64(len(rest)))
		if slices.Contains(webpKept, kind) {
			found = found || kind == "VP8 " || kind == "VP8L" || kind == "ANMF"
			at := len(out)
			out = append(out, rest[:n]...)
			if kind == "VP8X" && n > 8 {
				out[at+8] &^= 0x08 | 0x04 // that Exif and XMP follow
			}
		}
		rest = rest[n:]
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out, found
}

// The blocks of a GIF (GIF89a, appendix B), and the applications whose blocks say how
// often it is to be played.
const (
	gifImage   = 0x2c
	gifMore    = 0x21
	gifEnd     = 0x3b
	gifControl = 0xf9
	gifApp     = 0xff
)

var gifKept = []string{"NETSCAPE2.0", "ANIMEXTS1.0"}

// stripGIF keeps the pictures, what says when each is shown, and how often.
func stripGIF(raw []byte) (out []byte, found bool) {
	const screen = 13
	if len(raw) < screen {
		return nil, false
	}
	// colours is how long the table is that a byte of flags tells of.
	colours := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	at := screen + colours(raw[10])
	out = append(make([]byte, 0, len(raw)), raw[:min(at, len(raw))]...)
	// chain gives the end of a chain of blocks, each behind its length, and whether it is
	// there whole.
	chain := func(at int) (end int, whole bool) {
		for at < len(raw) {
			n := int(raw[at])
			if at += 1 + n; n == 0 {
				return at, true
			}
		}
		return len(raw), false
	}
	for at < len(raw) {
		switch raw[at] {
		case gifEnd:
			return append(out, gifEnd), found
		case gifMore:
			end, whole := chain(min(at+2, len(raw)))
			if !whole {
				return out, found
			}
			app := raw[at+1] == gifApp && raw[at+2] == 11 && slices.Contains(gifKept, string(raw[at+3:at+14]))
			if raw[at+1] == gifControl || app {
				out = append(out, raw[at:end]...)
			}
			at = end
		case gifImage:
			if len(raw) < at+11 {
				return out, found
			}
			// What is cut off here is a picture's.
			end, _ := chain(min(at+10+colours(raw[at+9])+1, len(raw)))
			out, found, at = append(out, raw[at:end]...), true, end
		default:
			return out, found
		}
	}
	return out, found
}
