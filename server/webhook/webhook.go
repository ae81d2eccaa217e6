package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// Options are what a Sender takes from outside.
type Options struct {
	// Private lets messages go to this machine and to private networks, and without TLS.
	Private bool
	Log     *slog.Logger // nil: none
	Version string
}

// Sender tells the addresses of a store what has changed.
type Sender struct {
	store  *store.Store
	access *access.Access
	opt    Options
	client *http.Client
	// batch is how many changes a message has at most.
	batch int

	mu      sync.Mutex
	running map[string]bool
	all     sync.WaitGroup
}

const (
	batch   = 100
	timeout = 15 * time.Second
	// rounds is how many villages an address is told of before its state is looked at again.
	rounds = 200
	// look is how often addresses are looked at that wait to be tried again.
	look = 5 * time.Second
)

// New makes the sender of a store.
func New(s *store.Store, a *access.Access, opt Options) *Sender {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Sender{store: s, access: a, opt: opt, client: client(opt.Private), batch: batch, running: map[string]bool{}}
}

// Run sends what there is to send until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	defer s.all.Wait()
	for {
		changed := s.store.Changed()
		if err := s.begin(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Error("webhooks were not looked up", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(look):
		}
		// A delivery of many segments raises many notices.
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// begin lets every address begin that is due and at rest.
func (s *Sender) begin(ctx context.Context) error {
	hooks, err := s.store.Webhooks(ctx)
	if err != nil {
		return err
	}
	for i := range hooks {
		h := &hooks[i]
		if !h.Paused.IsZero() || s.store.Now().Before(h.Next) {
			continue
		}
		s.mu.Lock()
		busy := s.running[h.ID]
		s.running[h.ID] = true
		s.mu.Unlock()
		if busy {
			continue
		}
		s.all.Go(func() {
			defer func() {
				s.mu.Lock()
				delete(s.running, h.ID)
				s.mu.Unlock()
			}()
			if err := s.deliver(ctx, h); err != nil && ctx.Err() == nil {
				s.opt.Log.Error("a webhook's state was not read or written", "webhook", h.ID, "error", err)
			}
		})
	}
	return nil
}

// deliver tells one address what it is behind in, a message a village in turn, so that a
// busy village holds up no other; the error is the database's.
func (s *Sender) deliver(ctx context.Context, h *store.Webhook) error {
	secret, err := s.access.WebhookSecret(h)
	if err != nil {
		return err
	}
	taken := false
	for sent := 0; sent < rounds; {
		behind, err := s.store.Behind(ctx, h, rounds-sent)
		if err != nil {
			return err
		}
		if len(behind) == 0 {
			break
		}
		for _, v := range behind {
			u, err := s.store.Untold(ctx, h, v, s.batch)
			if err != nil {
				return err
			}
			sent++
			if len(u.Records) > 0 {
				if fault := s.post(ctx, h, secret, u); fault != nil {
					if ctx.Err() != nil {
						return nil // the server ends; this is nobody's failure
					}
					return s.failed(ctx, h, fault)
				}
				taken = true
			}
			if err := s.store.Told(ctx, h, u); err != nil {
				return err
			}
		}
	}
	if !taken {
		return nil
	}
	_, err = s.store.ChangeWebhook(ctx, h.ID, func(h *store.Webhook) {
		h.Failing, h.Tries, h.Next, h.Said, h.Delivered = time.Time{}, 0, time.Time{}, "", s.store.Now()
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was taken out meanwhile
	}
	return err
}

// message is what is sent. It is the same each time that it is sent.
type message struct {
	Type string     `json:"type"`
	At   clock.Time `json:"timestamp"`
	Data data       `json:"data"`
}

type data struct {
	Village record.Village `json:"village"`
	Epoch   string         `json:"epoch"`
	After   uint64         `json:"after"`
	Until   uint64         `json:"until"`
	Records []changed      `json:"records"`
}

type changed struct {
	Type    record.Type `json:"type"`
	ID      record.ID   `json:"id"`
	Feed    uint64      `json:"feed"`
	Life    string      `json:"life"`
	Updated clock.Time  `json:"updated_at"`
}

// Changed is the type of the messages. Others may be added.
const Changed = "records.changed"

func (s *Sender) message(u store.Untold) ([]byte, error) {
	epoch := s.store.Epoch()
	m := message{Type: Changed, Data: data{Village: u.Village, Epoch: hex.EncodeToString(epoch[:4]), After: u.After, Until: u.Till, Records: []changed{}}}
	for _, r := range u.Records {
		c := changed{Type: r.Type, ID: r.ID, Feed: r.Feed, Life: "alive", Updated: r.View.Updated}
		if r.View.Void {
			c.Life = "void"
		}
		m.At = max(m.At, c.Updated)
		m.Data.Records = append(m.Data.Records, c)
	}
	return json.Marshal(m)
}

// Sign gives the signature of a message by Standard Webhooks.
func Sign(secret []byte, id string, at int64, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%d.", id, at)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// fault is why an address has not taken a message.
type fault struct {
	// said is a word, and no more: answers of strangers are not kept.
	said string
	// gone tells that it wants nothing any more, wait how long it asks to be left alone.
	gone bool
	wait time.Duration
	err  error
}

func (f *fault) Error() string { return f.said }

// post sends one message; nil where it was taken.
func (s *Sender) post(ctx context.Context, h *store.Webhook, secret []byte, u store.Untold) *fault {
	body, err := s.message(u)
	if err != nil {
		return &fault{said: "message", err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return &fault{said: "address", err: err}
	}
	if !s.opt.Private && r.URL.Scheme != "https" {
		// It may have been entered while the server was started otherwise.
		return &fault{said: "plain", err: errPlain}
	}
	sum := sha256.Sum256(append([]byte(h.ID+"\x00"), body...))
	id, at := "msg_"+base64.RawURLEncoding.EncodeToString(sum[:15]), time.Now().Unix()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Zhucun/"+s.opt.Version)
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(at, 10))
	r.Header.Set("webhook-signature", Sign(secret, id, at, body))
	resp, err := s.client.Do(r)
	if err != nil {
		return &fault{said: word(err), err: err}
	}
	defer resp.Body.Close()
	// So much is read as lets the connection be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode/100 == 2 {
		return nil
	}
	f := &fault{said: strconv.Itoa(resp.StatusCode), gone: resp.StatusCode == http.StatusGone}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		f.wait = min(time.Duration(n)*time.Second, time.Hour)
	}
	return f
}

// waits are how long an address is left alone after it failed for the n-th time; the last
// from then on.
var waits = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour}

// giveUp is after how long an address is paused that takes nothing.
const giveUp = 72 * time.Hour

func (s *Sender) failed(ctx context.Context, h *store.Webhook, f *fault) error {
	now := s.store.Now()
	after, err := s.store.ChangeWebhook(ctx, h.ID, func(h *store.Webhook) {
		if h.Failing.IsZero() {
			h.Failing = now
		}
		h.Tries++
		h.Said = f.said
		h.Next = now.Add(max(f.wait, waits[min(h.Tries, len(waits))-1]))
		if f.gone || now.Sub(h.Failing) >= giveUp {
			h.Paused = now
		}
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	s.opt.Log.Warn("a webhook was not taken", "webhook", h.ID, "said", f.said, "tries", after.Tries, "paused", !after.Paused.IsZero())
	return nil
}
