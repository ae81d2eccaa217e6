package picture

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Strip takes out of a file that is kept as it came what a camera wrote beside the
// picture, and what follows it. Nothing is unpacked: a picture that is cut off or too
// large loses it as well. ok tells that it is a file of which this is known: a JPEG, a
// PNG or a WebP. What cannot be read of the structure of one is not kept; nil is one
// in which no picture was found.
func Strip(raw []byte) (out []byte, ok bool) {
	found := false
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xd8\xff")):
		out, found = stripJPEG(raw)
	case bytes.HasPrefix(raw, []byte(pngHead)):
		out, found = stripPNG(raw)
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
