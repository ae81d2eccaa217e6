package access

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"zhucun/server/store"
	"zhucun/shared/record"
)

// NewWebhook is an address that is to be told what changes.
type NewWebhook struct {
	URL      string
	Types    []record.Type
	Villages []record.Village
}

const (
	webhookSecret = 32
	// maxWebhooks bounds them: each reads every village's feed.
	maxWebhooks   = 20
	maxWebhookURL = 500
)

// AddWebhook enters an address and gives its secret, as Standard Webhooks write them, this
// once. A *NameError.
func (a *Access) AddWebhook(ctx context.Context, n NewWebhook) (string, store.Webhook, error) {
	var none store.Webhook
	u, err := url.Parse(n.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(n.URL) > maxWebhookURL {
		return "", none, &NameError{"地址应如 https://example.cn/zhucun，不带用户名，最多 500 个字符", "the address is like https://example.cn/zhucun, without a user, and of at most 500 characters"}
	}
	for _, t := range n.Types {
		if a.store.Forms().Form(t) == nil {
			return "", none, &NameError{fmt.Sprintf("没有“%s”这种记录", t), fmt.Sprintf("there is no record type %q", t)}
		}
	}
	if len(n.Villages) > 0 {
		if err := a.checkVillages(ctx, n.Villages); err != nil {
			return "", none, err
		}
	}
	others, err := a.store.Webhooks(ctx)
	if err != nil {
		return "", none, err
	}
	if len(others) >= maxWebhooks {
		return "", none, &NameError{fmt.Sprintf("通知地址最多 %d 个", maxWebhooks), fmt.Sprintf("there are at most %d addresses", maxWebhooks)}
	}
	id, err := uuid.NewV7FromReader(a.random)
	if err != nil {
		return "", none, err
	}
	s, err := a.sealer()
	if err != nil {
		return "", none, err
	}
	b := make([]byte, s.NonceSize()+webhookSecret)
	if _, err := io.ReadFull(a.random, b); err != nil {
		return "", none, err
	}
	nonce, secret := b[:s.NonceSize()], b[s.NonceSize():]
	h := store.Webhook{ID: id.String(), URL: n.URL, Types: slices.Sorted(slices.Values(n.Types)), Villages: slices.Sorted(slices.Values(n.Villages)), Created: a.now(),
		Secret: s.Seal(bytes.Clone(nonce), nonce, secret, []byte("webhook "+id.String()))}
	// What comes behind the host may be a secret of its own.
	return "whsec_" + base64.StdEncoding.EncodeToString(secret), h, a.store.AddWebhook(ctx, h, &store.Note{Act: "webhook", Subject: strings.TrimSpace(u.Host + " " + codes(h.Villages))})
}

// WebhookSecret opens the secret that messages to an address are signed by.
func (a *Access) WebhookSecret(h *store.Webhook) ([]byte, error) {
	s, err := a.sealer()
	if err != nil {
		return nil, err
	}
	if len(h.Secret) < s.NonceSize() {
		return nil, errors.New("the secret of a webhook is damaged")
	}
	secret, err := s.Open(nil, h.Secret[:s.NonceSize()], h.Secret[s.NonceSize():], []byte("webhook "+h.ID))
	if err != nil {
		return nil, fmt.Errorf("open the secret of webhook %s: %w", h.ID, err)
	}
	return secret, nil
}

// ResumeWebhook lets an address be told again, at once. store.ErrNotFound.
func (a *Access) ResumeWebhook(ctx context.Context, id string) (store.Webhook, error) {
	note := store.Note{Act: "rewebhook"}
	return a.store.ChangeWebhook(ctx, id, func(h *store.Webhook) {
		*h = store.Webhook{ID: h.ID, URL: h.URL, Delivered: h.Delivered}
		note.Subject = HostOf(h)
	}, &note)
}

// RemoveWebhook takes an address out. store.ErrNotFound.
func (a *Access) RemoveWebhook(ctx context.Context, id string) (store.Webhook, error) {
	list, err := a.store.Webhooks(ctx)
	if err != nil {
		return store.Webhook{}, err
	}
	note := store.Note{Act: "unwebhook"}
	for i := range list {
		if list[i].ID == id {
			note.Subject = HostOf(&list[i])
		}
	}
	return a.store.RemoveWebhook(ctx, id, &note)
}

// HostOf is what an address is called where whoever reads may not be who entered it.
func HostOf(h *store.Webhook) string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "?"
	}
	return u.Host
}
