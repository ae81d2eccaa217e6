package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"time"

	_ "image/gif"
	_ "image/png"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// Options say what is made of a photo. Zero means what the Default has.
type Options struct {
	Side    int `json:"side"`    // of the JPEG, in points, at most
	Quality int `json:"quality"` // of it, 1 to 100
	// Place tells that where it was taken stays in it.
	Place bool `json:"place,omitempty"`
}

// Default is what is made of a photo where the office says nothing.
var Default = Options{Side: 1600, Quality: 80}

// The small picture: so many points, so good, and no more bytes.
const (
	ThumbnailSide    = 240
	thumbnailQuality = 60
	// maxPoints bounds a picture, before it is unpacked.
	maxPoints = 120_000_000
)

// Picture is what is kept of a photo.
type Picture struct {
	JPEG      []byte
	Thumbnail []byte
	Width     int
	Height    int
	Taken     time.Time // by the camera's clock, in its own time zone; zero where it does not say
	// Placed tells that where it was taken was asked for, and is in the JPEG.
	Placed bool
	// Beside is what Bare leaves beside the photo as it came: which way is up and, where
	// that was asked for, where it was taken. A TIFF block of Exif; nil is nothing.
	Beside []byte
}

// ErrForeign says that a file is not a picture that can be read here.
var ErrForeign = errors.New("this is no picture that can be read")

// ErrHuge says of one that is ErrForeign that it has too many points.
var ErrHuge = errors.New("too many points")

// Shrink reads a photo, in any of JPEG, PNG, GIF and WebP.
func Shrink(r io.ReadSeeker, o Options) (*Picture, error) {
	if o.Side == 0 {
		o.Side = Default.Side
	}
	if o.Quality == 0 {
		o.Quality = Default.Quality
	}
	conf, kind, err := image.DecodeConfig(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if conf.Width <= 0 || conf.Height <= 0 || conf.Width > maxPoints/conf.Height {
		return nil, fmt.Errorf("%w: %w: %d by %d", ErrForeign, ErrHuge, conf.Width, conf.Height)
	}
	shot := exif(r, kind)
	if !o.Place {
		shot.place = nil
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	src, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	large := scale(src, o.Side)
	src = nil
	large = turned(large, shot.turn)
	p := &Picture{Width: large.Rect.Dx(), Height: large.Rect.Dy(), Taken: shot.taken, Placed: shot.place != nil, Beside: block(shot.turn, shot.place)}
	if p.JPEG, err = encode(large, o.Quality); err != nil {
		return nil, err
	}
	p.JPEG = withBlock(p.JPEG, block(1, shot.place))
	p.Thumbnail, err = encode(scale(large, ThumbnailSide), thumbnailQuality)
	return p, err
}

func encode(m image.Image, quality int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

// scale makes a picture no longer than side, on white where it is transparent. A long
// one is first reduced by a whole number, each point the mean of those that it is made
// of: what is left to do then costs little memory.
func scale(src image.Image, side int) *image.RGBA {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	long := max(w, h)
	if by := long / side; by >= 2 {
		src = reduced(src, by)
		b = src.Bounds()
	}
	if long > side {
		w, h = max(w*side/long, 1), max(h*side/long, 1)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(dst, dst.Rect, image.White, image.Point{}, draw.Src)
	if b.Dx() == w && b.Dy() == h {
		draw.Draw(dst, dst.Rect, src, b.Min, draw.Over)
	} else {
		draw.CatmullRom.Scale(dst, dst.Rect, src, b, draw.Over, nil)
	}
	return dst
}

// reduced makes one point of each square of so many by so many.
func reduced(src image.Image, by int) *image.RGBA {
	b := src.Bounds()
	w, h := max(b.Dx()/by, 1), max(b.Dy()/by, 1)
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	ycc, _ := src.(*image.YCbCr)
	n := uint32(by * by)
	for y := range h {
		for x := range w {
			var r, g, bl, a uint32
			for dy := range by {
				for dx := range by {
					px, py := b.Min.X+x*by+dx, b.Min.Y+y*by+dy
					if ycc != nil {
						c := ycc.YCbCrAt(px, py)
						cr, cg, cb := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
						r, g, bl, a = r+uint32(cr), g+uint32(cg), bl+uint32(cb), a+255
						continue
					}
					cr, cg, cb, ca := src.At(min(px, b.Max.X-1), min(py, b.Max.Y-1)).RGBA()
					r, g, bl, a = r+cr>>8, g+cg>>8, bl+cb>>8, a+ca>>8
				}
			}
			i := dst.PixOffset(x, y)
			dst.Pix[i], dst.Pix[i+1], dst.Pix[i+2], dst.Pix[i+3] = uint8(r/n), uint8(g/n), uint8(bl/n), uint8(a/n)
		}
	}
	return dst
}

// turned turns a picture as EXIF's orientation says, 1 to 8 (TIFF 6.0, tag 274).
func turned(src *image.RGBA, orientation int) *image.RGBA {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	var to func(x, y int) (int, int)
	switch orientation {
	case 2:
		to = func(x, y int) (int, int) { return w - 1 - x, y }
	case 3:
		to = func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	case 4:
		to = func(x, y int) (int, int) { return x, h - 1 - y }
	case 5:
		to = func(x, y int) (int, int) { return y, x }
	case 6:
		to = func(x, y int) (int, int) { return h - 1 - y, x }
	case 7:
		to = func(x, y int) (int, int) { return h - 1 - y, w - 1 - x }
	case 8:
		to = func(x, y int) (int, int) { return y, w - 1 - x }
	default:
		return src
	}
	rect := src.Rect
	if orientation >= 5 {
		rect = image.Rect(0, 0, h, w)
	}
	dst := image.NewRGBA(rect)
	for y := range h {
		for x := range w {
			tx, ty := to(x, y)
			copy(dst.Pix[dst.PixOffset(tx, ty):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}
