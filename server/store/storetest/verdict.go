package storetest

import (
	"crypto/ed25519"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// verdictSize is what a verdict takes at least, in bytes.
const verdictSize = 128

// A laptop is told what was decided on its quarantined changes, once, signed, page by
// page where it is much; nobody else is.
func verdicts(w *World) {
	l, other := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	const many = 1300
	for n := range many {
		l.Write(by("陌生人", household(n, "1")))
	}
	l.Push()
	l.Own.Acked = l.Own.Head
	cursor := l.Page(0).Cursor
	if pull := l.Page(0); len(pull.Verdicts) != 0 {
		w.Errorf("before anybody decided: %+v", pull.Verdicts)
	}
	dot := func(n int) record.Dot { return record.Dot{Stream: l.Stream, Seq: uint64(n + 1)} }
	var issued record.Dot
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) (err error) {
		issued, err = d.Accept(dot(0), "admin", "核实过")
		return err
	}))
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		for n := 1; n < many-1; n++ {
			if err := d.Reject(dot(n), "admin", "不是本村的人"); err != nil {
				return err
			}
		}
		return nil
	}))
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		_, err := d.Erase(ID(many-1), "admin", "本人要求")
		return err
	}))

	if pull, _ := l.Ask(store.Request{Epoch: w.Epoch(), Cursor: cursor, Own: []wire.Own{l.Own}, Budget: 4096}); len(pull.Verdicts) == 0 || len(pull.Verdicts) > 4096/verdictSize || !pull.More || pull.Rest == nil {
		w.Errorf("with a budget of 4 KB there are %d verdicts, more: %v", len(pull.Verdicts), pull.More)
	}
	var got []journal.Verdict
	pages := 0
	for after := uint64(0); ; pages++ {
		pull, _ := l.Ask(store.Request{Epoch: w.Epoch(), Cursor: cursor, After: after, Own: []wire.Own{l.Own}})
		for _, v := range pull.Verdicts {
			if v.Feed <= max(cursor, after) || v.Feed > pull.Cursor {
				w.Fatalf("a page from %d to %d has the verdict %d", max(cursor, after), pull.Cursor, v.Feed)
			}
		}
		got = append(got, pull.Verdicts...)
		if after = pull.Cursor; !pull.More {
			if pages == 0 {
				w.Error("all of it came in one page")
			}
			if len(pull.Records) == 0 {
				w.Error("the last page lacks the records that changed")
			}
			if again := l.Page(after); len(again.Verdicts) != 0 {
				w.Errorf("behind the last page: %d verdicts", len(again.Verdicts))
			}
			break
		}
	}
	if len(got) != many {
		w.Fatalf("%d verdicts", len(got))
	}
	key := w.Key.Public().(ed25519.PublicKey)
	for n, v := range got {
		if v.Stream != l.Stream || v.Seq != uint64(n+1) || v.Accepted != (n == 0) || v.By != "admin" || v.At.Milli() != w.Clock {
			w.Fatalf("verdict %d is %+v", n, v)
		}
		if !v.Proves(key, l.head(v.Seq).Hash) || v.Proves(key, l.head(v.Seq%many+1).Hash) {
			w.Fatalf("verdict %d: the signature is not over its entry", n)
		}
	}
	if got[0].Issued != issued || issued.IsZero() || got[0].Why != "核实过" || got[1].Why != "不是本村的人" || got[many-1].Why != "本人要求" {
		w.Errorf("they say %+v, %+v, %+v", got[0], got[1], got[many-1])
	}
	if pull := other.Page(0); len(pull.Verdicts) != 0 {
		w.Errorf("another laptop gets %d verdicts", len(pull.Verdicts))
	}
	if pull, _ := l.Ask(store.Request{Cursor: cursor, Own: []wire.Own{l.Own}}); len(pull.Verdicts) == 0 || pull.Verdicts[0].Seq != 1 {
		w.Error("a laptop of another epoch does not get them from the beginning")
	}
	// Each word of it is signed.
	for name, forge := range map[string]func(*journal.Verdict){
		"stream": func(v *journal.Verdict) { v.Stream[0]++ }, "number": func(v *journal.Verdict) { v.Seq++ },
		"decision": func(v *journal.Verdict) { v.Accepted = !v.Accepted }, "new name": func(v *journal.Verdict) { v.Issued.Seq++ },
		"time": func(v *journal.Verdict) { v.At++ }, "who": func(v *journal.Verdict) { v.By += "1" },
		"why": func(v *journal.Verdict) { v.Why = "" }, "place": func(v *journal.Verdict) { v.Feed++ },
	} {
		v := got[0]
		if forge(&v); v.Proves(key, l.head(1).Hash) {
			w.Errorf("the %s was changed unnoticed", name)
		}
	}
}
