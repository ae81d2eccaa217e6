package store

import (
	"slices"
	"testing"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Whoever asks since a mark is told every record that was stored or removed since, and
// when more may have changed than those.
func TestSince(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	_, mark := s.Since(Mark{})
	told := func(what string, moved bool, want ...record.Key) {
		t.Helper()
		news, now := s.Since(mark)
		mark = now
		if !slices.Equal(news.Keys, want) || news.Moved != moved || news.All {
			t.Errorf("%s: told of %v, moved %v, all %v; want %v, %v", what, news.Keys, news.Moved, news.All, want, moved)
		}
	}
	told("nothing", false)
	a := save(t, s, Edit{Type: "visit", Fields: fields("findings", "谈了半个钟头", "needs", "换水管"), Issues: true})
	told("a visit with its issue", false, a.Key, a.Born[0])
	if _, err := s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "一"), Author: "nobody"}); err == nil {
		t.Fatal("somebody unknown saved something")
	}
	told("a save that failed", false)
	b := save(t, s, Edit{Type: "household", Fields: fields("head_name", "王小明")})
	told("a household", false, b.Key)
	s.must(t, answer(t, s))
	news, now := s.Since(mark)
	if mark = now; !news.Moved || news.All || !slices.Contains(news.Keys, a.Key) || !slices.Contains(news.Keys, b.Key) {
		t.Errorf("receipts: %v", news)
	}
	if news, _ := s.Since(Mark{}); !news.All {
		t.Error("since ever: not told that all has changed")
	}
	counts, err := s.Counts()
	if err != nil || counts["visit"] != 1 || counts["issue"] != 1 || counts["household"] != 1 {
		t.Errorf("counts %v, %v", counts, err)
	}
	// More than is remembered.
	edits := make([]Edit, 500)
	for n := 0; n <= 2*maxFeed; n += len(edits) {
		for i := range edits {
			edits[i] = Edit{Type: "work_log", Fields: fields("content", "开会")}
		}
		if _, err := s.Save(ctx, edits...); err != nil {
			t.Fatal(err)
		}
	}
	if news, _ := s.Since(mark); !news.All {
		t.Errorf("%d keys are told of %d", len(news.Keys), 2*maxFeed)
	}
	if len(s.feed.keys) > 3*maxFeed/2 {
		t.Errorf("%d keys are kept", len(s.feed.keys))
	}
	_, mark = s.Since(mark)
	told("after that", false)
	if news, _ := s.Since(mark); news.All {
		t.Error("all has changed since a moment ago")
	}
	// A village that is let go of.
	if err := s.update(ctx, true, func(t *tx) error { return t.forget(code) }); err != nil {
		t.Fatal(err)
	}
	if news, _ := s.Since(mark); !news.All {
		t.Error("a village is gone, and nobody is told")
	}
}
