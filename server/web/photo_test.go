package web

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	files "zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// A photo is shown with its record once it is here, to who may see the record, and is
// named as missing until then; a page cannot be sent as one.
func TestPhoto(t *testing.T) {
	f := filled(t)
	held, err := files.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	f.store.Files = held

	house := f.first(small[0].Code, "household", 0)
	a := f.laptop("宋芬娥", identity.FirstSecretary, house.Village)
	bodies := map[string][]byte{"jpg": append([]byte("\xff\xd8\xff"), "a photo"...), "html": []byte("<script>alert(1)</script>")}
	names := map[string]string{}
	var all []string
	for kind, body := range bodies {
		names[kind] = blob.Name(sha256.Sum256(body), kind)
		all = append(all, names[kind])
	}
	const field = "photos"
	visit := f.first(small[0].Code, "visit", 0)
	c := a.change(visit.Key, visit.State, nil)
	c.Body = []record.Write{{Path: field, Value: record.List(all)}}
	a.send(house.Village, c)

	office, page := f.as("office"), href(visit.Key)
	if got := office.get(page).body; !strings.Contains(got, texts["photo.waits"].zh) || strings.Contains(got, `/blob/`) {
		t.Error("a photo that did not come is not named so")
	}
	view := page + "/files/" + names["jpg"]
	if got := office.get(view); got.status != 200 || !strings.Contains(got.body, texts["photo.waits"].zh) || strings.Contains(got.body, "<img") {
		t.Errorf("the page of a photo that did not come: %d", got.status)
	}
	for kind, body := range bodies {
		h, _, _ := blob.ParseName(names[kind])
		if err := held.Put(h, bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.store.TakeBlob(t.Context(), store.Blob{Village: house.Village, Hash: h, Kind: kind, Size: int64(len(body)), Device: a.device.ID}); err != nil {
			t.Fatal(err)
		}
	}
	at := "/blob/" + string(house.Village) + "/"
	if got := office.get(page).body; !strings.Contains(got, `src="`+at+names["jpg"]+`"`) || strings.Contains(got, `src="`+at+names["html"]) {
		t.Errorf("the photo is not shown, or what is none is")
	}
	if err := f.access.AddAccount(t.Context(), "elsewhere", password, []identity.Role{identity.SponsorUnit}, small[1].Code); err != nil {
		t.Fatal(err)
	}
	f.account(identity.SponsorUnit)
	for _, want := range []struct {
		who, kind string
		status    int
	}{
		{"office", "jpg", http.StatusOK}, {"office", "html", http.StatusOK},
		{string(identity.SponsorUnit), "jpg", http.StatusOK},
		{"elsewhere", "jpg", http.StatusNotFound}, {"leader", "jpg", http.StatusForbidden},
	} {
		got := f.as(want.who).ask("GET /blob/{village}/{name}", promise{path: at + names[want.kind]})
		if got.status != want.status {
			t.Errorf("%s: %s: %d, want %d", want.who, want.kind, got.status, want.status)
		}
		if strings.Contains(got.body, string(bodies[want.kind])) != (want.status == http.StatusOK) {
			t.Errorf("%s: %s: another body", want.who, want.kind)
		}
		if want.kind == "html" && (!strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") || got.header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("a page that came as a file would be shown: %v", got.header)
		}
	}
	// Its original is linked beside it, and to be had by those who may see it.
	raw := append([]byte("\xff\xd8\xff"), "as it came"...)
	photo, _, _ := blob.ParseName(names["jpg"])
	original := blob.Hash(sha256.Sum256(raw))
	if err := held.Put(original, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	link := at + blob.Name(original, "jpg")
	take := func(of ...blob.Hash) {
		t.Helper()
		if _, err := f.store.TakeBlob(t.Context(), store.Blob{Village: house.Village, Hash: original, Kind: "jpg", Size: int64(len(raw)), Device: a.device.ID, Of: of}); err != nil {
			t.Fatal(err)
		}
	}
	take()
	if got := office.ask("GET /blob/{village}/{name}", promise{path: link}); got.status != http.StatusNotFound {
		t.Errorf("what no record shows: %d", got.status)
	}
	take(photo)
	if got := office.get(page).body; !strings.Contains(got, `href="`+link+`"`) || !strings.Contains(got, texts["photo.original"].zh) {
		t.Error("the original is not linked")
	}
	for who, want := range map[string]int{"office": http.StatusOK, string(identity.SponsorUnit): http.StatusOK, "elsewhere": http.StatusNotFound, "leader": http.StatusForbidden} {
		if got := f.as(who).ask("GET /blob/{village}/{name}", promise{path: link}); got.status != want || strings.Contains(got.body, string(raw)) != (want == http.StatusOK) {
			t.Errorf("the original, %s: %d, want %d", who, got.status, want)
		}
	}
	// A photo has a page with what is known of it; what shows it no more has none.
	shown := office.get(view)
	for _, want := range []string{`src="` + at + names["jpg"], `href="` + link, "宋芬娥的电脑", photo.String(), "JPG"} {
		if shown.status != 200 || !strings.Contains(shown.body, want) {
			t.Errorf("the photo's page lacks %s: %d", want, shown.status)
		}
	}
	if got := office.get(page + "/files/" + names["html"]).body; strings.Contains(got, `<img src="`+at+names["html"]) {
		t.Error("a page is shown as a picture")
	}
	for _, path := range []string{href(house.Key) + "/files/" + names["jpg"], page + "/files/x.jpg", page + "/files/" + blob.Name(original, "jpg")} {
		if got := office.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if err := held.Remove(photo); err != nil {
		t.Fatal(err)
	}
	if got := office.get(view).body; !strings.Contains(got, texts["photo.missing"].zh) {
		t.Error("a photo that is gone is not named so")
	}
	// Of another village's record nothing is known under this one's.
	if got := office.ask("GET /blob/{village}/{name}", promise{path: "/blob/" + string(small[1].Code) + "/" + names["jpg"]}); got.status != http.StatusNotFound {
		t.Errorf("by another village: %d", got.status)
	}
}
