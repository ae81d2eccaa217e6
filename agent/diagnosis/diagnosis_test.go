package diagnosis

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// canary stands, in one form or another, in everything that a person or the office may
// write into a laptop.
const canary = "王canary书记"

// Whatever is written into a laptop, nothing of it is in its diagnosis file.
func TestCanary(t *testing.T) {
	dir := t.TempDir() + "/" + canary + "/Users/wangwu"
	key := []byte(strings.Repeat("k", store.KeySize))
	s, err := store.Open(dir, store.Options{Key: key, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx := t.Context()
	secrets := []string{
		canary, "canary", "13800138000", "369999199001011234", "6222000000001234", "wangwu", "token-of-the-laptop", "server.office.example", "坳背村民小组", "屋顶漏雨",
		"369999000001", "code-of-enrolment", string(key), "2580", "E:\\", "numbers-key", dir,
	}
	if _, err := s.SetDevice(ctx, func(d *store.Device) {
		d.ID, d.Token, d.Code, d.URL, d.Language = canary, "token-of-the-laptop", "code-of-enrolment", "https://server.office.example", canary
		d.Numbers = []byte("numbers-key")
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: "369999000001", Name: canary + "村", Township: canary}}, Role: "team_member", Profiles: []string{canary}}
	}); err != nil {
		t.Fatal(err)
	}
	house, err := s.Save(ctx, store.Edit{Type: "household", Fields: map[string]record.Value{
		"head_name": record.Text(canary), "phone": record.Text("13800138000"), "group_name": record.Text("坳背村民小组"), "bank_account": record.Text("6222000000001234"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, house[0].Key.ID.String())
	for _, err := range []error{
		s.SetPin(ctx, canary, "2580"),
		s.SetSettings(ctx, func(x *store.Settings) {
			x.Drive = store.Drive{ID: canary, Path: "E:\\" + canary, Fault: canary, Last: time.Now().UnixMilli()}
		}),
		s.KeepDraft(ctx, store.Draft{ID: canary, Author: canary, Typed: 1, Values: map[string][]string{"findings": {"屋顶漏雨"}}}),
		s.NoteSync(ctx, store.SyncNote{At: time.Now().UnixMilli(), Up: 7, Code: "no answer from " + canary}),
		s.NoteSync(ctx, store.SyncNote{At: time.Now().UnixMilli(), Up: 8, Code: "no_answer"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.AddBlob(ctx, "369999000001", store.BlobNote{Kind: "jpg", Name: canary + " 屋顶.jpg"}, []byte("photo of "+canary), []byte("small")); err != nil {
		t.Fatal(err)
	}
	r, err := Of(ctx, s, vault.Way(canary), "0.1", true)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(string(raw), secret) || strings.Contains(string(raw), strings.Trim(must(t, secret), `"`)) {
			t.Errorf("%q is in it:\n%s", secret, raw)
		}
	}
	if strings.Contains(r.Name(), "canary") {
		t.Error(r.Name())
	}
	// And it does say something.
	if r.Counts.Records != 1 || r.Counts.Pending != 1 || r.Counts.Files != 1 || r.Counts.Drafts != 1 || r.Laptop.Pins != 1 || len(r.Syncs) != 2 || r.Verify == nil || r.Verify.Records != 1 || r.Verify.Files != 1 || r.Sizes.Data == 0 {
		t.Errorf("%s", raw)
	}
	if r.Syncs[0].Code != "other" || r.Syncs[1].Code != "no_answer" || r.Laptop.ID != "other" || r.Backup.Fault != "other" || r.Laptop.Protection != "other" || r.Laptop.Role != "team_member" {
		t.Errorf("%+v, %+v, %+v", r.Syncs, r.Laptop, r.Backup)
	}
}

func must(t *testing.T, s string) string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// No field can hold a text but a Word, which only this package makes.
func TestNoTexts(t *testing.T) {
	var look func(at string, x reflect.Type)
	look = func(at string, x reflect.Type) {
		switch x.Kind() {
		case reflect.Struct:
			for i := range x.NumField() {
				look(at+"."+x.Field(i).Name, x.Field(i).Type)
			}
		case reflect.Pointer, reflect.Slice:
			look(at, x.Elem())
		case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64:
		default:
			if x != reflect.TypeFor[Word]() {
				t.Errorf("%s is a %s", at, x)
			}
		}
	}
	look("Report", reflect.TypeFor[Report]())
}
