package syncclient

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// slow is a connection on which each large part of a request takes a minute of
// the laptop's clock.
type slow struct {
	net.Conn
	now *atomic.Int64
}

func (s slow) Write(b []byte) (int, error) {
	if len(b) > 8<<10 {
		s.now.Add(time.Minute.Milliseconds())
	}
	return s.Conn.Write(b)
}

// The clock of the laptop is right, and the line slow both ways: a request that
// takes minutes, an answer that takes an hour behind its first byte. Nothing of
// that may be taken for a wrong clock, by a sync or by an enrolment.
func TestSlowLine(t *testing.T) {
	for _, path := range []string{wire.SyncPath, wire.EnrolPath} {
		t.Run(strings.TrimPrefix(path, "/v1/"), func(t *testing.T) {
			var now atomic.Int64
			now.Store(time.Now().UnixMilli())
			began := make(chan struct{})
			var s *store.Store
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var answer any
				if path == wire.EnrolPath {
					io.Copy(io.Discard, r.Body)
					var d store.Device
					enrol("")(&d)
					answer = &wire.Enrolled{Device: d.ID, Token: d.Token, Server: d.Server, Time: now.Load(), Assigned: d.Assigned}
				} else {
					m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
					if err != nil {
						t.Error(err)
						return
					}
					a := acknowledge(t, s, m)
					a.Time = now.Load()
					answer = a
				}
				http.NewResponseController(w).Flush()
				<-began
				now.Add(time.Hour.Milliseconds())
				if path == wire.SyncPath {
					visit(t, s) // somebody goes on working
				}
				reply(w, answer)
			}))
			t.Cleanup(srv.Close)
			var err error
			s, err = store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true, Wall: now.Load})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			c := New(s, "test", slog.New(slog.DiscardHandler))
			t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
			plain := c.dial
			c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := plain(ctx, network, addr)
				return slow{conn, &now}, err
			}
			// Asked behind the client's own.
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotFirstResponseByte: sync.OnceFunc(func() { close(began) })})
			if path == wire.EnrolPath {
				code := identity.Code{URL: srv.URL, Pin: identity.PinOf(serverKey.Public().(ed25519.PublicKey))}
				_, err = c.Enrol(ctx, code.String())
			} else {
				if _, err := s.SetDevice(ctx, enrol(srv.URL)); err != nil {
					t.Fatal(err)
				}
				// Text that cannot be packed, so that the request has large parts.
				text := make([]byte, 60<<10)
				rand.Read(text)
				if _, err := s.Save(ctx, store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": record.Value(strconv.Quote(base64.StdEncoding.EncodeToString(text)))}}); err != nil {
					t.Fatal(err)
				}
				_, err = c.Once(ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			if skew, err := s.Skew(); err != nil || skew < -1000 || skew > 1000 {
				t.Errorf("a right clock is off by %d ms, %v", skew, err)
			}
			if _, runs, err := s.Clock(); err != nil || len(runs) > 0 {
				t.Errorf("a clock that nobody touched was set: %v, %v", runs, err)
			}
		})
	}
}

// Each row is a server's time and between what times of the laptop's it was
// told, what the laptop's clock lacked as far as it knew, and what it lacks then.
func TestMeasure(t *testing.T) {
	const hour, minute = 3_600_000, 60_000
	tests := []struct {
		name       string
		knew       int64
		server     int64
		sent, came int64
		want       int64
		waited     bool
	}{
		{"a wrong clock, a quick line", 0, 10 * hour, 1000, 1200, 10*hour - 1100, false},
		{"a right clock, told at the beginning of a minute", 0, hour, hour, hour + minute, 0, false},
		{"a right clock, told at its end", 0, hour + minute, hour, hour + minute, 0, false},
		{"a known fault, within a minute", 5 * hour, 6*hour + 1, hour, hour + minute, 5 * hour, false},
		{"a clock that has gone wrong by more", 5 * hour, 7 * hour, hour, hour + minute, 6*hour - minute/2, false},
		{"an answer that was waited for, a right clock", 0, hour + minute, hour, hour + minute, 0, true},
		{"such an answer, a clock that has gone wrong", 0, 7 * hour, hour, hour + minute, 6*hour - minute, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true, Wall: func() int64 { return 2 * hour }})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c := New(s, "test", slog.New(slog.DiscardHandler))
			if err := s.Measure(t.Context(), 2*hour+tt.knew, 2*hour); err != nil {
				t.Fatal(err)
			}
			if err := c.measure(t.Context(), tt.server, span{sent: tt.sent, came: tt.came, waited: tt.waited}); err != nil {
				t.Fatal(err)
			}
			if skew, err := s.Skew(); err != nil || skew != tt.want {
				t.Errorf("lacks %d ms, %v; want %d", skew, err, tt.want)
			}
		})
	}
}

// A clock is twelve hours slow, and the first answer brings what a colleague wrote just
// now. Wherever the power goes while it is taken, a visit that is saved next is dated now.
func TestSlowClock(t *testing.T) {
	const lacks = 12 * time.Hour
	power := errors.New("the power went")
	whole := false
	for commits := 0; !whole; commits++ {
		var left atomic.Int64
		left.Store(1 << 40)
		s, err := store.Open(t.TempDir(), store.Options{
			Key: make([]byte, store.KeySize), NoSync: true,
			Wall: func() int64 { return time.Now().Add(-lacks).UnixMilli() },
			Fault: func() error {
				if left.Add(-1) < 0 {
					return power
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
			if err != nil {
				t.Error(err)
				return
			}
			a := acknowledge(t, s, m)
			dot := record.Dot{Stream: record.Stream{1}, Seq: 1}
			state := merge.Apply(nil, nil, merge.Applied{Dot: dot, At: clock.At0(a.Time), Author: "李"}, []record.Write{{Path: "findings", Value: `"屋顶漏雨"`}})
			for i := range a.Villages {
				a.Villages[i].Records = []wire.State{{Type: "visit", ID: record.ID{15: 1}, State: state.Encode()}}
				a.Villages[i].Heads = []wire.StreamHead{{Stream: dot.Stream, Seq: dot.Seq}}
			}
			left.Store(int64(commits))
			reply(w, a)
		}))
		defer srv.Close()
		if _, err := s.SetDevice(t.Context(), enrol(srv.URL)); err != nil {
			t.Fatal(err)
		}
		c := New(s, "test", slog.New(slog.DiscardHandler))
		_, err = c.Once(t.Context())
		c.http.HTTPClient.CloseIdleConnections()
		if whole = err == nil; !whole && !errors.Is(err, power) {
			t.Fatal(err)
		}
		left.Store(1 << 40)
		saved, err := s.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": `"屋顶漏雨"`}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Get("visit", saved[0].Key.ID)
		if err != nil {
			t.Fatal(err)
		}
		read, runs, err := s.Clock()
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UnixMilli()
		stamp := r.State["findings"].Siblings[0].At
		at := clock.At(stamp, clock.Correction(stamp, runs, now-read.Milli()), 0, clock.Time(1<<63))
		if off := at.Milli() - now; off < -clock.Noise || off > clock.Noise {
			t.Errorf("the power went after %d commits: the visit is dated %v late", commits, time.Duration(off)*time.Millisecond)
		}
		if commits > 20 {
			t.Fatal("it is never whole")
		}
	}
}
