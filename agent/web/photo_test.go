package web

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/record"
)

func pictureOf(t *testing.T, n int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for y := range 480 {
		for x := range 640 {
			m.Set(x, y, color.RGBA{uint8(x/3 + n), uint8(y / 2), uint8(x ^ y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// add sends a file as the form's own button does.
func (f *fixture) add(path, token, name string, content []byte) answer {
	f.t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	parts.WriteField("_token", token)
	w, err := parts.CreateFormFile("file", name)
	if err != nil {
		f.t.Fatal(err)
	}
	w.Write(content)
	parts.Close()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.at+path, &body)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", parts.FormDataContentType())
	r.Header.Set("Origin", f.base)
	return f.do(r)
}

var blobName = regexp.MustCompile(`value="([0-9a-f]{64}\.\w+)"`)

// A photo is added to a form that is being filled in, saved with it, and shown: small on
// the record, whole when it is opened. What cannot be shown is said.
func TestPhoto(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	draft := f.get("/record/visit/new?household=" + h.id.String()).path
	draft, _, _ = strings.Cut(draft, "?")
	token := f.site.doors.token()
	if a := f.add(draft+"/file/photos", "wrong", "a.jpg", pictureOf(t, 1)); a.status != http.StatusForbidden {
		t.Errorf("without the page's token: %d", a.status)
	}
	if a := f.add(draft+"/file/findings", token, "a.jpg", pictureOf(t, 1)); a.status != http.StatusNotFound {
		t.Errorf("to a field of text: %d", a.status)
	}
	a := f.add(draft+"/file/photos", token, "IMG_1.JPG", pictureOf(t, 1))
	if !strings.HasPrefix(a.path, draft) || !strings.Contains(a.body, "/small") {
		t.Fatalf("added: %d %s", a.status, a.path)
	}
	if a = f.add(draft+"/file/photos", token, "IMG_2.HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")); !strings.Contains(a.body, "兼容性最佳") || !strings.Contains(a.body, "HEIC 文件，没有预览") {
		t.Error("nothing is said of a HEIC")
	}
	if a = f.add(draft+"/file/photos", token, "empty.jpg", nil); !strings.Contains(a.body, "文件是空的") {
		t.Error("nothing is said of an empty file")
	}
	names := blobName.FindAllStringSubmatch(f.get(draft).body, -1)
	if len(names) != 2 {
		t.Fatalf("%d files on the form", len(names))
	}
	jpg, heic := names[0][1], names[1][1]
	path, form := f.opened(draft)
	form["f.photos"] = []string{jpg, heic}
	form.Set("f.visit_date", "2024-06-01")
	form.Set("f.findings", "屋顶漏雨")
	f.post(path+"/save", form)
	var id record.ID
	f.laptop.Referring(h.id, visitType, func(r store.Record) bool {
		if len(r.View.Fields["photos"].Texts()) == 2 {
			id = r.Key.ID
		}
		return true
	})
	if id.IsZero() {
		t.Fatal("no visit has the files")
	}
	for _, page := range []string{"/household/" + h.id.String(), "/record/visit/" + id.String()} {
		body := f.get(page).body
		if !strings.Contains(body, "/blob/"+jpg+"/small") || !strings.Contains(body, "/blob/"+heic) {
			t.Errorf("%s does not show them", page)
		}
	}
	if a := f.get("/blob/" + jpg); a.status != 200 || a.header.Get("Content-Type") != "image/jpeg" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("whole: %d %v", a.status, a.header)
	}
	if a := f.get("/blob/" + heic); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("a HEIC: %d %v", a.status, a.header)
	}

	// Another laptop's is asked for; what was damaged or lost is named so.
	other := blob.Name(blob.Hash{7}, "jpg")
	f.set(f.laptop, "杜旺火", visitType, id, map[string]string{"photos": strings.Join([]string{jpg, heic, other, "IMG_3.jpg"}, ",")})
	here := "/record/visit/" + id.String()
	body := f.get(here).body
	if !strings.Contains(body, "照片不在这台电脑上") || !strings.Contains(body, "IMG_3.jpg（只有文件名") {
		t.Error("nothing is said of what is not here")
	}
	if a := f.post("/blob/"+other+"/fetch", map[string][]string{"back": {here}}); a.path != here || !strings.Contains(a.body, "下次同步时取回") || f.sync.asked == 0 {
		t.Errorf("asked for: %d %s", a.status, a.path)
	}
	if a := f.get("/blob/" + other); a.status != http.StatusNotFound {
		t.Errorf("one that is not here: %d", a.status)
	}
	sealed := filepath.Join(f.dir, "blobs", strings.TrimSuffix(jpg, ".jpg"))
	for _, path := range []string{sealed, sealed + ".small"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(f.get(here).body, "文件已损坏") || f.get("/blob/"+jpg).status != http.StatusGone {
		t.Error("a damaged file is not named so")
	}
	os.Remove(sealed)
	os.Remove(sealed + ".small")
	if !strings.Contains(f.get(here).body, "文件丢失") || f.get("/blob/"+jpg).status != http.StatusNotFound {
		t.Error("a missing file is not named so")
	}
}

// A record that is delivered without its photo is not said to be, and neither is the
// photo; nor is all.
func TestPhotoWaits(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	b, _, err := inbox.Keep(t.Context(), f.laptop, inbox.InProcess, firstVillage.Code, nil, "1.jpg", bytes.NewReader(pictureOf(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	visit := f.lastVisitOf(h)
	f.set(f.office, "宋芬娥", visitType, visit, map[string]string{"photos": b.FileName()})
	f.pull()
	record := "/record/visit/" + visit.String()
	mark := regexp.MustCompile(`<span class="way way-(\w+)">([^<]*)<`)
	if m := mark.FindStringSubmatch(f.get(record).body); m == nil || m[1] != "files" || m[2] != "文字已送达，照片还没送到" {
		t.Errorf("the record says %q", m)
	}
	for path, want := range map[string]string{record: "照片还没送到</span>", "/household/" + h.id.String(): "照片还没送到</span>", "/": "1 张照片或文件还没送到办公室。", "/sync": "1 张照片或文件还没送到办公室。", "/bundles": "还有 1 张照片或文件（"} {
		if body := f.get(path).body; !strings.Contains(body, want) || strings.Contains(body, "写下的都已送到办公室") {
			t.Errorf("%s does not say %s", path, want)
		}
	}
	// In lists no mark says that all is delivered.
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"photos": b.FileName()})
	f.pull()
	lists := []string{"/records/visit?household=" + h.id.String(), "/records/household", "/find"}
	inLists := func(want bool) {
		t.Helper()
		for _, path := range lists {
			if marked := strings.Contains(f.get(path).body, `way-files`); marked != want {
				t.Errorf("%s marks it: %v, want %v", path, marked, want)
			}
		}
	}
	inLists(true)
	defer inLists(false)
	if err := f.laptop.Mark(t.Context(), firstVillage.Code, b.Hash, func(b *store.Blob) { b.Delivered = true }); err != nil {
		t.Fatal(err)
	}
	if body := f.get(record).body; mark.FindStringSubmatch(body)[1] != "delivered" || strings.Contains(body, "照片还没送到") {
		t.Error("it is delivered, and the record says that it waits")
	}
}

// illustrate gives a visit photos of every kind: some that are here, one without a
// preview, one of another laptop's, and a name alone.
func (f *fixture) illustrate(visit record.ID) {
	f.t.Helper()
	var names []string
	for i, raw := range [][]byte{pictureOf(f.t, 10), pictureOf(f.t, 90), []byte("\x00\x00\x00\x18ftypheic")} {
		b, _, err := inbox.Keep(f.t.Context(), f.laptop, inbox.InProcess, firstVillage.Code, nil, []string{"1.jpg", "2.jpg", "3.heic"}[i], bytes.NewReader(raw))
		if err != nil {
			f.t.Fatal(err)
		}
		names = append(names, b.FileName())
	}
	names = append(names, blob.Name(blob.Hash{7}, "jpg"), "IMG_3.jpg")
	f.set(f.laptop, "杜旺火", visitType, visit, map[string]string{"photos": strings.Join(names, ",")})
}
