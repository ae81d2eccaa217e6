package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	agentstore "zhucun/agent/store"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// ask sends one request to the server's own door, so often, and gives the last
// answer. The error is a *wire.Fault where the server has nothing but that to say.
func (l *laptop) ask(out []agentstore.Outgoing, pages, times int) (*wire.Synced, error) {
	ctx := context.Background()
	body, backed, err := l.request(out, pages)
	if err != nil {
		return nil, err
	}
	answer := new(wire.Synced)
	for range times {
		l.w.sum(body)
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, wire.SyncPath, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token(l.device.ID))
		got := httptest.NewRecorder()
		l.w.door.ServeHTTP(got, r)
		l.w.sum(got.Body.Bytes())
		if got.Code != http.StatusOK {
			fault := new(wire.Fault)
			if err := wire.Unmarshal(got.Body.Bytes(), wire.MaxAnswer, fault); err != nil {
				return nil, fmt.Errorf("server answered %d: %w", got.Code, err)
			}
			return nil, fault
		}
		*answer = wire.Synced{}
		if err := wire.Unmarshal(got.Body.Bytes(), wire.MaxAnswer, answer); err != nil {
			return nil, err
		}
		if err := l.permitted(answer); err != nil {
			return nil, err
		}
		for i := range out {
			var refused []wire.Refused
			if j := slices.IndexFunc(answer.Villages, func(p wire.Pull) bool { return p.Village == out[i].Push.Village }); j >= 0 {
				refused = answer.Villages[j].Refused
			}
			if err := l.received(&out[i].Push, refused); err != nil {
				return nil, err
			}
		}
	}
	if backed {
		return answer, l.store.AskedBacked(ctx)
	}
	return answer, nil
}

// request is what the laptop says.
func (l *laptop) request(out []agentstore.Outgoing, pages int) (body []byte, backed bool, err error) {
	d, err := l.store.Device()
	if err != nil {
		return nil, false, err
	}
	read, runs, err := l.store.Clock()
	if err != nil {
		return nil, false, err
	}
	m := &wire.Sync{Version: wire.Version, Runs: runs, Budget: uint64(pages), Assigned: d.Assigned.Serial, Reads: wire.ReadsColumns}
	if m.Backed, err = l.store.AsksBacked(); err != nil {
		return nil, false, err
	}
	for i := range out {
		m.Villages = append(m.Villages, out[i].Push)
		m.Pending += out[i].Left
	}
	body, err = wire.EncodeSync(m, wire.Quick)
	if err != nil {
		return nil, false, err
	}
	wire.SetClock(body, read.Milli())
	return body, m.Backed, nil
}

// expected tells whether the server may refuse what this laptop sent.
func (l *laptop) expected(answer *wire.Synced) error {
	for _, p := range answer.Villages {
		for _, r := range p.Refused {
			switch {
			case l.w.rewinds && r.Code == wire.RefusedGap:
				l.w.say("%s: the server lacks what comes before", l.name)
			case r.Code == wire.RefusedFork && l.doubtful:
				l.w.say("%s: the server has another history", l.name)
			default:
				return fmt.Errorf("server refused %+v of %s", p.Refused, l.name)
			}
		}
	}
	return nil
}

// take takes an answer, as often as it comes. It tells whether there is more.
func (l *laptop) take(answer *wire.Synced, times int) (more bool, err error) {
	ctx := context.Background()
	for range times {
		if err := l.measure(); err != nil {
			return false, err
		}
		for i := range answer.Villages {
			p := &answer.Villages[i]
			taken, err := l.store.Take(ctx, p)
			if err != nil {
				return false, err
			}
			if taken.Renewed {
				l.renewed()
			}
			more = more || taken.More || taken.Rewound
			l.w.say("%s took %d records of %s to %d from %d, %d receipts, %d acknowledged, more=%v, denied=%v", l.name, len(p.Records), p.Village, p.Cursor, p.From, len(p.Receipts), taken.Acknowledged, p.More, p.Denied)
		}
		if a := answer.Assigned; a != nil {
			if err := l.store.Assign(ctx, *a); err != nil {
				return false, err
			}
			more = true
			l.w.say("%s has assignment %d: %v", l.name, a.Serial, a.Villages)
		}
	}
	return more, nil
}

// faulted is an answer that is a fault: the order that a revoked laptop gets, and
// nothing else.
func (l *laptop) faulted(err error) error {
	var f *wire.Fault
	if errors.As(err, &f) && f.Code == wire.FaultRevoked && l.device.Revoked() {
		l.w.say("%s is told that it is revoked", l.name)
		return l.wipe()
	}
	return err
}

// village gives what the laptop says of one village.
func (l *laptop) village(code record.Village) (st agentstore.VillageStatus, found bool, err error) {
	all, err := l.store.Status()
	i := slices.IndexFunc(all.Villages, func(v agentstore.VillageStatus) bool { return v.Code == code })
	if err != nil || i < 0 {
		return st, false, err
	}
	return all.Villages[i], true, nil
}
