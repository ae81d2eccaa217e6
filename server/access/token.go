package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// TokenRoles are the roles that a token can have. One of the administrator's reads the
// server's own state and no records, as its account does.
var TokenRoles = []identity.Role{identity.Office, identity.Leader, identity.Inspector, identity.SponsorUnit, identity.Admin}

// TokenDays is for how many days a token is good unless somebody says otherwise,
// MaxTokenDays the most.
const (
	TokenDays    = 365
	MaxTokenDays = 5 * 366
)

// tokenBegins tells a token from other secrets, for people and for what looks through
// files for such.
const tokenBegins = "zct_"

// NewToken is what a token is to be.
type NewToken struct {
	Name     string
	Role     identity.Role
	Villages []record.Village
	Days     int
	Unmask   bool
}

// AddToken makes a token and gives it, this once: only its hash is kept. store.ErrTaken, a
// *NameError.
func (a *Access) AddToken(ctx context.Context, n NewToken) (string, store.Token, error) {
	var none store.Token
	if err := plainName(n.Name); err != nil {
		return "", none, err
	}
	switch {
	// It is the user's name of Basic, which ends there.
	case strings.Contains(n.Name, ":"):
		return "", none, &NameError{"令牌名称里不能有冒号", "the name of a token has no colon"}
	case !slices.Contains(TokenRoles, n.Role):
		return "", none, &NameError{fmt.Sprintf("令牌不能用“%s”这个角色，应为 %s 之一", n.Role, tokenRoles()), fmt.Sprintf("%q is no role for a token; it is one of %s", n.Role, tokenRoles())}
	case n.Role == identity.SponsorUnit && len(n.Villages) == 0:
		return "", none, &NameError{"派出单位的令牌要写明哪些村", "a token of a sponsor unit needs its villages"}
	case n.Role == identity.Admin && len(n.Villages) > 0:
		return "", none, &NameError{"管理员的令牌不看村的数据，不写村", "a token of an administrator reads no villages"}
	case n.Unmask && !May([]identity.Role{n.Role}, Unmask):
		return "", none, &NameError{"这个角色看不到完整号码，令牌也不能", "this role may not see numbers in full, so neither may its token"}
	case n.Days < 1 || n.Days > MaxTokenDays:
		return "", none, &NameError{fmt.Sprintf("有效期为 1 到 %d 天", MaxTokenDays), fmt.Sprintf("a token is good for 1 to %d days", MaxTokenDays)}
	}
	if len(n.Villages) > 0 {
		if err := a.checkVillages(ctx, n.Villages); err != nil {
			return "", none, err
		}
	}
	id, err := uuid.NewV7FromReader(a.random)
	if err != nil {
		return "", none, err
	}
	secret := make([]byte, 24)
	if _, err := io.ReadFull(a.random, secret); err != nil {
		return "", none, err
	}
	token := tokenBegins + base64.RawURLEncoding.EncodeToString(secret)
	now := a.now()
	k := store.Token{ID: id.String(), Name: n.Name, Hash: hashToken(token), Role: n.Role, Villages: slices.Sorted(slices.Values(n.Villages)), Unmask: n.Unmask,
		Created: now, Expires: now.AddDate(0, 0, n.Days)}
	subject := n.Name + " " + string(n.Role)
	if len(k.Villages) > 0 {
		subject += " " + codes(k.Villages)
	}
	if k.Unmask {
		subject += " unmask"
	}
	return token, k, a.store.AddToken(ctx, k, &store.Note{Act: "token", Subject: subject})
}

func tokenRoles() string {
	var names []string
	for _, r := range TokenRoles {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// RevokeToken ends a token, by its id or name. store.ErrNotFound, store.ErrEnded.
func (a *Access) RevokeToken(ctx context.Context, name string) (store.Token, error) {
	return a.store.RevokeToken(ctx, name, &store.Note{Act: "untoken"})
}

// Reader is a program that reads by a token.
type Reader struct {
	Token store.Token
	Sight Sight
}

// May tells whether its role may do it.
func (r *Reader) May(to Action) bool {
	return May([]identity.Role{r.Token.Role}, to) && (to != Unmask || r.Token.Unmask)
}

// Reaches tells whether a village is in sight.
func (r *Reader) Reaches(v record.Village) bool {
	if len(r.Token.Villages) == 0 {
		// One of a sponsor unit has some; should it have lost them, it has no other's.
		return r.Token.Role != identity.SponsorUnit && r.Sight.Reaches(v)
	}
	return slices.Contains(r.Token.Villages, v)
}

// ByToken is what the audit's names of programs begin with.
const ByToken = "token:"

// Who is how the audit names it.
func (r *Reader) Who() string { return ByToken + r.Token.Name }

// ErrToken says that a token is unknown, revoked or too old. Which of these, nobody is
// told who does not hold it.
var ErrToken = errors.New("the token does not work: unknown, revoked or too old; ask an administrator for a new one")

// Read gives the reader of a token; name is what it is called, "" where the program did
// not say. ErrToken.
func (a *Access) Read(ctx context.Context, name, token string) (*Reader, error) {
	// 192 random bits: neither waits nor slow hashes make them harder to guess.
	if !strings.HasPrefix(token, tokenBegins) || len(token) != len(tokenBegins)+32 {
		return nil, ErrToken
	}
	k, err := a.store.TokenByHash(ctx, hashToken(token))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrToken
	} else if err != nil {
		return nil, err
	}
	if now := a.now(); !k.Works(now) || name != "" && name != k.Name || !slices.Contains(TokenRoles, k.Role) {
		return nil, ErrToken
	}
	r := &Reader{Token: k, Sight: SightOf(&store.Account{Roles: []identity.Role{k.Role}})}
	if day := store.Day(clock.At0(a.now().UnixMilli())); k.Used < day {
		if err := a.store.TokenUsed(ctx, k.ID, day); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// reads remembers what was noted today, to note it once.
type reads struct {
	sync.Mutex
	day   string
	noted map[[sha256.Size]byte]bool
}

// NoteRead notes in the audit that a token reads something, before it does: once a day,
// each time with a reason where numbers are read in full.
func (a *Access) NoteRead(ctx context.Context, r *Reader, what, reason string) error {
	n := store.Note{Who: r.Who(), Act: "read", Subject: what}
	if reason != "" {
		n.Act, n.Reason = "export", reason
		return a.store.AddAudit(ctx, n)
	}
	day := store.Day(clock.At0(a.now().UnixMilli()))
	key := sha256.Sum256([]byte(r.Token.ID + "\x00" + what))
	a.read.Lock()
	defer a.read.Unlock()
	if a.read.day != day || len(a.read.noted) >= maxTracked {
		a.read.day, a.read.noted = day, map[[sha256.Size]byte]bool{}
	}
	if a.read.noted[key] {
		return nil
	}
	if err := a.store.AddAudit(ctx, n); err != nil {
		return err
	}
	a.read.noted[key] = true
	return nil
}
