package merge

import (
	"testing"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// An issue that was closed by whoever answers for it is saved and marked; so it is whoever
// of those who closed it apart did.
func TestSelf(t *testing.T) {
	f := form.Builtin().Form("issue")
	closedBy := func(names ...string) View {
		s := State{"owner": {Siblings: []Sibling{{Dot: record.Dot{Stream: record.Stream{9}, Seq: 1}, Value: record.Text("王书记"), At: 1, Author: "镇办"}}}}
		var list []Sibling
		for i, name := range names {
			list = append(list, Sibling{Dot: record.Dot{Stream: record.Stream{byte(i)}, Seq: 2}, Value: record.Text("closed"), At: clock.Time(2 + i), Author: name})
		}
		s["issue_status"] = Register{Siblings: list}
		return Read(f, s)
	}
	for _, tt := range []struct {
		by   []string
		want bool
	}{{[]string{"王书记"}, true}, {[]string{"李督查"}, false}, {[]string{"李督查", "王 书记"}, true}} {
		v := closedBy(tt.by...)
		marked := false
		for _, m := range v.Marks(f, "2017-05-23", form.Zh, nil) {
			marked = marked || m.Code == MarkVerifier && m.Path == "issue_status"
		}
		if marked != tt.want {
			t.Errorf("closed by %v: marked %v", tt.by, marked)
		}
	}
	open := State{"owner": {Siblings: []Sibling{{Dot: record.Dot{Seq: 1}, Value: record.Text("王书记"), Author: "王书记"}}},
		"issue_status": {Siblings: []Sibling{{Dot: record.Dot{Seq: 2}, Value: record.Text("submitted"), Author: "王书记"}}}}
	if v := Read(f, open); len(v.Self) != 0 {
		t.Error("one that is not closed is marked")
	}
}
