package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/scripts/badlink"
)

// photograph is a picture as a camera makes one: large, and not to be packed.
func photograph(t *testing.T, seed uint64, w, h int) []byte {
	t.Helper()
	raw, err := snap(seed, w, h)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// whereTaken is what the camera has written into a photograph.
const whereTaken = "29 deg 7' 42.42\" N"

func snap(seed uint64, w, h int) ([]byte, error) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := uint8(rnd.IntN(60))
			m.Set(x, y, color.RGBA{uint8(x>>3) + n, uint8(y>>3) + n, uint8(x+y) + n, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}); err != nil {
		return nil, err
	}
	said := append([]byte{0xff, 0xfe, 0, byte(len(whereTaken) + 2)}, whereTaken...)
	return slices.Insert(b.Bytes(), 2, said...), nil
}

// A photo is made small, brought over a line that dies every so often, text first, and
// fetched on another laptop of the village the same way; no part of it goes twice.
func TestPhotoOverABadLink(t *testing.T) {
	t.Parallel()
	w := office(t, true, false)
	w.must(t, "zhucun-server", "device", "photos", "--side", "1000", "--quality", "75", "--data", "office")
	raw := photograph(t, 1, 2400, 1800)
	if err := os.WriteFile(w.path("IMG_0001.JPG"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(t, "zhucun-agent", "sync", "--data", "a") // what the office wants of photos
	visit := w.put(t, "visit", "findings=屋顶漏雨", "--data", "a")
	out := w.must(t, "zhucun-agent", "attach", visit, w.path("IMG_0001.JPG"), "--data", "a", "--json")
	name := field(t, out, ".files[0]")
	small := bytesOf(t, w, "a", name)
	if conf, err := jpeg.DecodeConfig(bytes.NewReader(small)); err != nil || conf.Width != 1000 || conf.Height != 750 || len(small) > len(raw)/2 {
		t.Fatalf("%d bytes of %d, %+v, %v", len(small), len(raw), conf, err)
	}
	if out := w.must(t, "zhucun-agent", "status", "--data", "a", "--json"); field(t, out, ".blobs") != "1" {
		t.Errorf("before the sync: %s", out)
	}

	// A quarter of a megabit a second, and every connection is cut after a second and a
	// half: some 50 KB, of which up to 30 are under way in the link and lost.
	bad, err := badlink.New(w.link.to, 1, badlink.Weather{CutAfter: 1500 * time.Millisecond, Spread: 0.5, UpBits: 256_000, DownBits: 256_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bad.Close() })
	w.link.mu.Lock()
	straight := w.link.to
	w.link.to = bad.Addr()
	w.link.mu.Unlock()
	finish := func(laptop string) {
		t.Helper()
		for end := time.Now().Add(patience); ; {
			r, err := w.command("", nil, "zhucun-agent", "sync", "--data", laptop, "--json")
			if err != nil {
				t.Fatal(err)
			}
			if r.code == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("it does not end: %v", r)
			}
		}
	}
	finish("a")
	c := bad.Reset()
	if lost := int64(c.Cuts) * 40 << 10; c.Cuts < 2 || c.Up > int64(len(small))+lost+16<<10 {
		t.Errorf("%d bytes went up for a photo of %d, with %d cuts", c.Up, len(small), c.Cuts)
	}
	t.Logf("%d bytes up for a photo of %d, with %d cuts", c.Up, len(small), c.Cuts)
	if out := w.must(t, "zhucun-agent", "blob", "list", "--data", "a", "--json"); field(t, out, ".delivered") != "true" {
		t.Errorf("not delivered: %s", out)
	}

	// The other laptop has the record, asks for the photo and gets it.
	finish("b")
	if got := field(t, w.must(t, "zhucun-agent", "get", "visit", visit, "--data", "b", "--json"), ".fields.photos[0]"); got != name {
		t.Errorf("the record shows %s", got)
	}
	w.refused(t, "", 1, "blob fetch", "blob fetch", "zhucun-agent", "blob", "save", name, w.path("x.jpg"), "--data", "b")
	w.must(t, "zhucun-agent", "blob", "fetch", name, "--data", "b")
	bad.Reset()
	finish("b")
	if got := bytesOf(t, w, "b", name); !bytes.Equal(got, small) {
		t.Errorf("%d bytes came of %d", len(got), len(small))
	}
	c = bad.Counts()
	t.Logf("%d bytes down for it, with %d cuts", c.Down, c.Cuts)

	// A preview that is damaged on a laptop is found there, and called that.
	preview := w.path("a/blobs/" + strings.TrimSuffix(name, ".jpg") + ".small")
	sound, err := os.ReadFile(preview)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(preview, sound[:len(sound)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := w.command("", nil, "zhucun-agent", "verify", "--data", "a"); err != nil || r.code != 1 || !strings.Contains(r.out, "预览图已损坏") || !strings.Contains(r.out, "检查了 1 张照片或文件，1 张丢失或损坏") {
		t.Errorf("verify of a damaged preview: %v, %v", r, err)
	}
	if err := os.WriteFile(preview, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(t, "zhucun-agent", "verify", "--data", "a")

	// The server may lose all of it: a restored one is given it again.
	w.link.mu.Lock()
	w.link.to = straight
	w.link.mu.Unlock()
	w.must(t, "zhucun-server", "verify", "--data", "office")
	if err := os.RemoveAll(w.path("office/blobs")); err != nil {
		t.Fatal(err)
	}
	if r, err := w.command("", nil, "zhucun-server", "verify", "--data", "office"); err != nil || r.code != 1 || !strings.Contains(r.out, "缺失") {
		t.Errorf("verify does not tell that it is missing: %v, %v", r, err)
	}
}

// bytesOf gives a file as a laptop has it.
func bytesOf(t *testing.T, w *world, laptop, name string) []byte {
	t.Helper()
	path := w.path(laptop + "-saved.jpg")
	w.must(t, "zhucun-agent", "blob", "save", name, path, "--data", laptop)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// field gives what stands at a place of a line of JSON.
func field(t *testing.T, line, path string) string {
	t.Helper()
	v, ok, err := at(strings.TrimSpace(line), path)
	if err != nil || !ok {
		t.Fatalf("%s: %v in %s", path, err, line)
	}
	return v
}
