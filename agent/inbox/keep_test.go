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
		if _, _, err := Keep(t.Context(), s, InProcess, "369999000001", "IMG.jpg", strings.NewReader(raw)); !errors.Is(err, ErrNoPicture) {
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
		b, word, err := Keep(t.Context(), s, InProcess, "369999000001", "IMG.jpg", bytes.NewReader(tt.raw))
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
