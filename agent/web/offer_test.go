package web

import (
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
)

// Of more photos than a form has room for, a visit is offered those of its household
// and its day first, and no other form is.
func TestPhotosOfTheDay(t *testing.T) {
	f := newFixture(t, true).enter()
	h, other := f.house(3), f.house(5)
	day := time.Date(2025, 1, 7, 23, 50, 0, 0, time.UTC) // as the camera shows it
	add := func(name string, taken time.Time) string {
		t.Helper()
		note := store.BlobNote{Kind: "jpg", Name: name, Taken: taken.UnixMilli()}
		b, err := f.laptop.AddBlob(t.Context(), firstVillage.Code, note, []byte(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.wall.Add(1000)
		return b.FileName()
	}
	both := add(h.name+" 屋顶.jpg", day)
	named := add("入户"+h.name+".jpg", day.AddDate(0, 0, -9))
	dated := add("IMG_0001.jpg", day.Add(-8*time.Hour))
	for i := range maxLoose + 3 {
		add("IMG_1"+string(rune('a'+i))+".jpg", day.AddDate(0, 0, 1))
	}
	offered := func(path string) []string {
		t.Helper()
		var out []string
		for _, m := range blobName.FindAllStringSubmatch(f.get(path).body, -1) {
			out = append(out, m[1])
		}
		return out
	}
	draft, _, _ := strings.Cut(f.get("/record/visit/new?household="+h.id.String()).path, "?")
	_, values := f.opened(draft)
	f.post(draft+"/keep", with(values, "_serial", "1", "f.visit_date", "2025-01-07"))
	got := offered(draft)
	if len(got) != maxLoose || got[0] != both || got[1] != named || got[2] != dated {
		t.Errorf("offered are %d, %v; want %s, %s, %s first", len(got), got[:3], both, named, dated)
	}
	if a := f.get(draft); strings.Count(a.body, "（当天拍的）") == 0 {
		t.Error("it is not said which are of the day")
	}
	draft, _, _ = strings.Cut(f.get("/record/visit/new?household="+other.id.String()).path, "?")
	for _, name := range offered(draft) {
		if name == both || name == named {
			t.Error("another household's visit is offered these photos before newer ones")
		}
	}
}
