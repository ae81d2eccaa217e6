package inbox

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

func photograph(t *testing.T, n int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 300+n, 200))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A photo of which nothing is left is refused, and nothing is kept in its name.
func TestKeepsNoStub(t *testing.T) {
	s := laptop(t)
	for _, raw := range []string{"\xff\xd8\xff\xe1\xff\xffExif", "\x89PNG\r\n\x1a\n\x00\x00"} {
		if _, _, err := Keep(t.Context(), s, InProcess, "369999000001", nil, "IMG.jpg", strings.NewReader(raw)); !errors.Is(err, ErrNoPicture) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if bring, _, err := s.Undelivered(10); err != nil || len(bring) > 0 {
		t.Errorf("%v is kept, %v", bring, err)
	}
}

// A photo that is dropped is kept: on the record that its name begins with, or to be
// offered by the forms. One that names no record here ends in failed, with the reason.
func TestDroppedPhotos(t *testing.T) {
	s := laptop(t)
	saved, err := s.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": record.Text("屋顶漏雨")}})
	if err != nil {
		t.Fatal(err)
	}
	k := saved[0].Key
	b := box(t, s)
	for name, n := range map[string]int{"IMG_1.JPG": 1, k.ID.String() + " 屋顶.jpg": 2, "00000000-0000-7000-8000-000000000009.jpg": 3, "empty.png": 0} {
		raw := photograph(t, n)
		if n == 0 {
			raw = nil
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, b)
	count := func(dir string) int {
		list, _ := filepath.Glob(filepath.Join(b.dir, dir, "*"))
		return len(list)
	}
	until(t, "taken", func() bool { return count(Done) == 2 && count(Failed) == 4 })
	r, err := s.Get(k.Type, k.ID)
	if err != nil || len(r.View.Fields["photos"].Texts()) != 1 {
		t.Errorf("the record shows %s, %v", r.View.Fields["photos"], err)
	}
	loose, err := s.Loose()
	if err != nil || len(loose) != 1 || loose[0].Name != "IMG_1.JPG" || loose[0].Width != 301 {
		t.Errorf("offered are %+v, %v", loose, err)
	}
	if st, err := s.Status(); err != nil || st.Blobs != 2 {
		t.Errorf("%d are to be brought, %v", st.Blobs, err)
	}
}

// What cannot be made small is kept without where it was taken, and each is told why.
func TestKeptWithoutPlace(t *testing.T) {
	const secret = "Exif\x00\x00 29 1 7"
	j := photograph(t, 1)
	exif := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(secret) + 2)}, secret...)
	cut := append(bytes.Clone(exif), j[2:len(j)-len(j)/4]...)
	huge := append(bytes.Clone(exif), j[2:]...)
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[at+5:], []byte{12240 >> 8, 12240 & 0xff, 16320 >> 8, 16320 & 0xff})
	s := laptop(t)
	for _, tt := range []struct {
		raw  []byte
		said string
	}{
		{cut, "This picture cannot be opened and may be damaged; it is kept all the same, without a preview, and where it was taken was removed"},
		{huge, "This picture is too large to be made small; it is kept whole, without a preview, and where it was taken was removed"},
	} {
		b, word, err := Keep(t.Context(), s, InProcess, "369999000001", nil, "IMG.jpg", bytes.NewReader(tt.raw))
		if err != nil || word.En != tt.said {
			t.Fatalf("said %q, %v; want %q", word.En, err, tt.said)
		}
		r, _, err := s.OpenBlob(b.Hash, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if want := append([]byte{0xff, 0xd8}, tt.raw[len(exif):]...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes kept of %d, %v; the place is in it: %v", tt.said, len(got), len(tt.raw), err, bytes.Contains(got, []byte(secret)))
		}
	}
}

// Where the office wants it a photo is kept as it came, too, tied to the small one, and
// without what the camera wrote; where the form's field asks for it, both keep where it
// was taken, and nothing else does.
func TestKeptOriginal(t *testing.T) {
	const secret = "29 1 7 1 4242 100"
	j := photograph(t, 1)
	raw := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(len(secret) + 2)}, secret...)
	raw = append(append(raw, exifPlace...), j[2:]...)
	s := laptop(t)
	originals := func(on bool) {
		if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Originals = on }); err != nil {
			t.Fatal(err)
		}
	}
	read := func(b store.Blob) []byte {
		t.Helper()
		r, _, err := s.OpenBlob(b.Hash, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for i, tt := range []struct {
		originals bool
		field     *form.Field
		placed    bool
	}{{false, nil, false}, {true, &form.Field{}, false}, {true, &form.Field{Placed: true}, true}, {false, &form.Field{Placed: true}, true}} {
		originals(tt.originals)
		small, word, err := Keep(t.Context(), s, InProcess, "369999000001", tt.field, "IMG.jpg", bytes.NewReader(raw))
		if err != nil || word.En != "" {
			t.Fatalf("%q, %v", word.En, err)
		}
		var kept []store.Blob
		if err := s.EachBlob(func(b store.Blob) bool {
			if len(b.Of) > 0 && b.Of[0] == small.Hash {
				kept = append(kept, b)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if len(kept) > 1 || len(kept) == 1 != tt.originals || tt.originals && !kept[0].Original {
			t.Fatalf("row %d: originals %+v", i, kept)
		}
		for _, b := range append(kept, small) {
			got := read(b)
			if bytes.Contains(got, []byte(secret)) || bytes.Contains(got, []byte("Make by")) {
				t.Errorf("row %d: what the camera wrote is kept", i)
			}
			if bytes.Contains(got, []byte("Exif")) != tt.placed {
				t.Errorf("row %d, original %v: where it was taken is kept: %v", i, b.Original, !tt.placed)
			}
		}
		if tt.originals && !bytes.HasSuffix(read(kept[0]), j[2:]) {
			t.Errorf("row %d: the original is another picture", i)
		}
		// The next row is to find nothing.
		s = laptop(t)
	}
	// A photo that does not say where it was taken, where the form asks.
	if _, word, err := Keep(t.Context(), s, InProcess, "369999000001", &form.Field{Placed: true}, "IMG.jpg", bytes.NewReader(j)); err != nil || !strings.Contains(word.En, "is not in the photo") {
		t.Errorf("%q, %v", word.En, err)
	}
}

// Each row is a file that where it was taken cannot be taken out of: it is kept as it
// came, and that is said, whatever its name says.
func TestSaidOfPlace(t *testing.T) {
	s := laptop(t)
	for _, tt := range []struct{ name, raw, said string }{
		{"a.heic", "\x00\x00\x00\x18ftypheic", "HEIC photo"},
		{"a.jpg", "\x00\x00\x00\x18ftypmif1", "HEIC photo"},
		{"a.heif", "no picture at all", "HEIC photo"},
		{"a.tif", "II*\x00 scanned", "with where it was taken if that is in it"},
		{"a.jpg", "MM\x00* scanned", "with where it was taken if that is in it"},
		{"a.mp4", "\x00\x00\x00\x18ftypisom", "with where it was taken if that is in it"},
		{"a.avif", "\x00\x00\x00\x18ftypavif", "with where it was taken if that is in it"},
		{"a.gif", "GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02", "where it was taken was removed"},
		{"a.pdf", "%PDF", "Kept as it came, without a preview"},
	} {
		b, word, err := Keep(t.Context(), s, InProcess, "369999000001", nil, tt.name, strings.NewReader(tt.raw))
		if err != nil || !strings.Contains(word.En, tt.said) || word.Zh == "" {
			t.Errorf("%s: said %q, %v; want %q", tt.name, word.En, err, tt.said)
		}
		if tt.name == "a.pdf" && strings.Contains(word.En, "taken") {
			t.Errorf("%s: %q", tt.name, word.En)
		}
		if b.Size == 0 {
			t.Errorf("%s is not kept", tt.name)
		}
	}
}

// exifPlace is what a camera writes: its maker, and 25°48'44.44" N 114°59'15.55" E.
const exifPlace = "\xff\xe1\x00\xafExif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02\x01\x0f\x00\x02\x00\x00\x00\x0f\x00\x00\x00&\x88%\x00\x04\x00\x00\x00\x01\x00\x00\x005\x00\x00\x00\x00Make by secret\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x04\x02\x03\x00\x00\x00\x01\x00\x02\x00\x00\x00\x02N\x00\x00\x00\x00\x02\x00\x05\x00\x00\x00\x03\x00\x00\x00w\x00\x03\x00\x02\x00\x00\x00\x02E\x00\x00\x00\x00\x04\x00\x05\x00\x00\x00\x03\x00\x00\x00\x8f\x00\x00\x00\x00\x00\x00\x00\x19\x00\x00\x00\x01\x00\x00\x000\x00\x00\x00\x01\x00\x00\x11\x5c\x00\x00\x00d\x00\x00\x00r\x00\x00\x00\x01\x00\x00\x00;\x00\x00\x00\x01\x00\x00\x06\x13\x00\x00\x00d"

// A laptop may make its photos smaller than the office asks for, never larger, and keep no
// originals where the office would have them, never the other way round.
func TestOwnPhotoChoices(t *testing.T) {
	wide := func(w int) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, w, w/2)), nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	tests := []struct {
		name        string
		office, own int
		want        int
	}{
		{"as the office says", 1000, 0, 1000},
		{"smaller than the office says", 1000, 800, 800},
		{"larger than the office says", 1000, 1200, 1000},
		{"smaller than by default", 0, 1200, 1200},
		{"larger than by default", 0, 1900, 1600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := laptop(t)
			if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.PhotoSide = uint64(tt.office) }); err != nil {
				t.Fatal(err)
			}
			if err := s.SetSettings(t.Context(), func(x *store.Settings) { x.PhotoSide = tt.own }); err != nil {
				t.Fatal(err)
			}
			b, _, err := Keep(t.Context(), s, InProcess, "369999000001", nil, "IMG.jpg", bytes.NewReader(wide(2000)))
			if err != nil || b.Width != tt.want {
				t.Errorf("%d points wide, want %d, %v", b.Width, tt.want, err)
			}
		})
	}
	for _, office := range []bool{false, true} {
		for _, own := range []bool{false, true} {
			s := laptop(t)
			if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Originals = office }); err != nil {
				t.Fatal(err)
			}
			if err := s.SetSettings(t.Context(), func(x *store.Settings) { x.NoOriginals = !own }); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Keep(t.Context(), s, InProcess, "369999000001", nil, "IMG.jpg", bytes.NewReader(wide(2000))); err != nil {
				t.Fatal(err)
			}
			if here, _, err := s.Originals(); err != nil || (here.Files > 0) != (office && own) {
				t.Errorf("the office wants them: %v, the laptop keeps them: %v: %d kept, %v", office, own, here.Files, err)
			}
		}
	}
}
