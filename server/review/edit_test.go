package review

import (
	"context"
	"errors"
	"testing"

	"zhucun/server/store/storetest"
	"zhucun/shared/record"
)

// Each row is what was not as it was shown when several edits were written: none of them is.
func TestEditAll(t *testing.T) {
	for name, spoil := range map[string]func(e *Edit){
		"what it writes":      func(e *Edit) { e.Shown["group_name"] = "x" },
		"what it is right on": func(e *Edit) { e.Shown["head_name"], e.Upon = "x", []string{"head_name"} },
		"nothing":             nil,
	} {
		w, r := newWorld(t)
		var list []Edit
		for n := 1; n <= 2; n++ {
			clash(w, n)
			rec, err := w.Store.Record(context.Background(), storetest.Code, storetest.ID(n))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, Edit{Village: storetest.Code, Record: rec.ID, Fields: map[string]record.Value{"group_name": record.Text("五组")},
				Shown: map[string]string{"group_name": Mark(rec.State, "group_name"), "head_name": Mark(rec.State, "head_name")}, By: admin})
		}
		if spoil != nil {
			spoil(&list[1])
		}
		err := r.EditAll(context.Background(), storetest.Code, list)
		var moved *MovedError
		if errors.As(err, &moved) != (spoil != nil) || spoil == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := 1; n <= 2; n++ {
			rec, err := w.Store.Record(context.Background(), storetest.Code, storetest.ID(n))
			if err != nil {
				t.Fatal(err)
			}
			if got := rec.View.Fields["group_name"] == record.Text("五组"); got != (spoil == nil) {
				t.Errorf("%s: record %d is written: %v", name, n, got)
			}
		}
		w.Whole()
	}
}
