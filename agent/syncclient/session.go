package syncclient

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/identity"
)

// keepSession is how old the session that is kept in the store may become: a newer one
// comes with every connection, and each that is written is a write to disk.
const keepSession = 6 * time.Hour

// session is the TLS session of the last connection: the next one goes on with it,
// which saves the server's certificates on the line. The one in the store outlives the
// agent.
type session struct {
	mu    sync.Mutex
	begun bool          // it was looked into the store
	last  store.Session // without ticket where there is none
	kept  store.Session // as it is in the store
}

// sessions is the session as a connection to that server sees it: one that was begun
// at another address, or with a server of another key, is not there.
type sessions struct {
	c       *Client
	address string
	pin     identity.Pin
}

func (s *sessions) Get(string) (*tls.ClientSessionState, bool) {
	n := &s.c.session
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.begun {
		kept, err := s.c.store.Session()
		if err != nil {
			s.c.log.Debug("no session was kept", "error", err)
		}
		n.begun, n.last, n.kept = true, kept, kept
	}
	if len(n.last.Ticket) == 0 || n.last.Address != s.address || n.last.Pin != s.pin {
		return nil, false
	}
	state, err := tls.ParseSessionState(n.last.State)
	if err != nil {
		return nil, false
	}
	resumes, err := tls.NewResumptionState(n.last.Ticket, state)
	return resumes, err == nil
}

// Put takes the session that the server gave, nil where the last one is of no more use.
func (s *sessions) Put(_ string, given *tls.ClientSessionState) {
	fresh := store.Session{Address: s.address, Pin: s.pin, At: s.c.store.Wall()}
	if given != nil {
		ticket, state, err := given.ResumptionState()
		if err != nil || state == nil {
			return
		}
		if fresh.State, err = state.Bytes(); err != nil {
			return
		}
		fresh.Ticket = ticket
	}
	n := &s.c.session
	n.mu.Lock()
	defer n.mu.Unlock()
	n.begun, n.last = true, fresh
}

// keep stores the session where the one that is stored is old, or of another server.
func (c *Client) keep(ctx context.Context) {
	n := &c.session
	n.mu.Lock()
	defer n.mu.Unlock()
	age := time.Duration(n.last.At-n.kept.At) * time.Millisecond
	if len(n.last.Ticket) == 0 || len(n.kept.Ticket) > 0 && n.last.Address == n.kept.Address && n.last.Pin == n.kept.Pin && age >= 0 && age < keepSession {
		return
	}
	if err := c.store.SetSession(ctx, n.last); err != nil {
		c.log.Debug("the session was not kept", "error", err)
		return
	}
	n.kept = n.last
}
