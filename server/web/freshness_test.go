package web

import (
	"fmt"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Of few villages a page says one by one how far their data goes; of many how many are
// behind, and of the one that is asked for all the same.
func TestFreshnessOfMany(t *testing.T) {
	var villages []store.Village
	for i := range freshLines + 1 {
		villages = append(villages, store.Village{Code: record.Village(fmt.Sprintf("369999%06d", i+1)), Name: fmt.Sprintf("第%d村", i+1)})
	}
	for _, tt := range []struct {
		villages []store.Village
		path     string
		each     int
		says     string
	}{
		{villages[:freshLines], "/records/household", freshLines, ""},
		{villages, "/records/household", 0, fmt.Sprintf("共 %d 个村：最近 14 天收到过数据的 1 个，更早的 0 个，还没有收到过的 %d 个。", freshLines+1, freshLines)},
		{villages, "/records/household?village=" + string(villages[3].Code), 1, "第4村"},
	} {
		f := newFixture(t, tt.villages...)
		for i, v := range tt.villages {
			l := f.laptop(fmt.Sprint("队员", i), identity.FirstSecretary, v.Code)
			if i == 0 {
				l.send(v.Code, l.change(record.Key{Village: v.Code, Type: "household", ID: record.ID{1}}, nil, map[string]string{"head_name": "李大山"}))
				continue
			}
			if err := f.store.Desk(t.Context(), v.Code, func(d *store.Desk) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		body := f.as("office").get(tt.path).body
		if n := strings.Count(body, `class="fresh-name"`); n != tt.each || !strings.Contains(body, tt.says) {
			t.Errorf("%s of %d: %d villages one by one, %q\n%s", tt.path, len(tt.villages), n, tt.says, body[strings.Index(body, `class="fresh"`):])
		}
	}
}
