package api

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// unmaskParameter asks for numbers in full; its value is the reason.
const unmaskParameter = "unmask"

// maxReason bounds it, in characters.
const maxReason = 500

// knows refuses every parameter but these, and those twice that are there once.
func (q *request) knows(names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(q.query)) {
		switch {
		case !slices.Contains(names, name):
			return asked(clip(name), "没有参数 %s，可用的有：%s", "There is no parameter %s; there are: %s", clip(name), strings.Join(names, ", "))
		case len(q.query[name]) > 1 && name != "village" && name != "where":
			return asked(name, "参数 %s 写了两次", "The parameter %s is there twice", name)
		}
	}
	return nil
}

// in gives the villages that are asked for: none means all there are.
func (a *API) in(q *request) ([]record.Village, error) {
	codes := q.query["village"]
	if len(codes) == 0 {
		return a.sight(q)
	}
	known, err := a.known(q)
	if err != nil {
		return nil, err
	}
	var list []record.Village
	for _, code := range codes {
		if !slices.Contains(known, record.Village(code)) {
			return nil, asked("village", "没有代码为 %s 的村，或这个令牌看不到它", "There is no village %s, or this token may not see it", clip(code))
		}
		list = append(list, record.Village(code))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// sight gives the villages that the token sees, none for all.
func (a *API) sight(q *request) ([]record.Village, error) {
	known, err := a.known(q)
	if err != nil || len(q.reader.Token.Villages) == 0 && q.reader.Reaches("") {
		return nil, err
	}
	if len(known) == 0 {
		return []record.Village{""}, nil // no village is called that
	}
	return known, nil
}

// known gives every village in sight.
func (a *API) known(q *request) ([]record.Village, error) {
	heads, err := a.store.Heads(q.Context())
	if err != nil {
		return nil, err
	}
	var list []record.Village
	for _, h := range heads {
		if q.reader.Reaches(h.Village) {
			list = append(list, h.Village)
		}
	}
	return list, nil
}

// reason reads whether numbers are asked for in full, and why.
func (a *API) reason(q *request) (string, error) {
	if !q.query.Has(unmaskParameter) {
		return "", nil
	}
	reason := strings.TrimSpace(q.query.Get(unmaskParameter))
	switch {
	case !q.reader.May(access.Unmask):
		return "", errUnmask
	case reason == "" || !utf8.ValidString(reason) || utf8.RuneCountInString(reason) > maxReason:
		return "", asked(unmaskParameter, "unmask 要写明理由，最多 %d 个字", "unmask is the reason, of at most %d characters", maxReason)
	}
	return reason, nil
}

// note leaves what is about to be read in the audit.
func (a *API) note(q *request, what string, reason string, villages []record.Village) error {
	if len(q.query["village"]) > 0 && reason != "" {
		for _, v := range villages {
			what += " " + string(v)
		}
	}
	return a.access.NoteRead(q.Context(), q.reader, what, reason)
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

func (q *request) limit() (int, error) {
	if !q.query.Has("limit") {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(q.query.Get("limit"))
	if err != nil || n < 1 || n > maxLimit {
		return 0, asked("limit", "limit 应为 1 到 %d", "limit is from 1 to %d", maxLimit)
	}
	return n, nil
}

// since reads updated_after: a time, or a date as it begins in Beijing.
func (q *request) since() (int64, error) {
	text := q.query.Get("updated_after")
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.ParseInLocation(time.DateOnly, text, beijing)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return 0, asked("updated_after", "updated_after 应如 2017-05-23 或 2017-05-23T08:00:00+08:00", "updated_after is like 2017-05-23 or 2017-05-23T08:00:00+08:00")
	}
	return t.UnixMilli(), nil
}

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// where reads the conditions, each FIELD=VALUE.
func (q *request) where(f *form.Form, full bool) ([]store.Condition, error) {
	var list []store.Condition
	for _, w := range q.query["where"] {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, asked("where", "where 应写成 字段=值，例如 where=poverty_status=new", "where is FIELD=VALUE, as in where=poverty_status=new")
		}
		if fd := f.Field(name); name != "life" {
			if fd == nil || !q.reader.Sight.Shows(fd) {
				return nil, &store.ConditionError{Field: name, Near: near(q, f, name)}
			}
			if fd.Masked && !full {
				return nil, asked("where", "不能按隐去的号码 %s 查找", "Nothing can be looked for by %s, which is masked", name)
			}
			if !utf8.ValidString(value) {
				return nil, &store.ConditionError{Field: name, Err: record.ErrValue}
			}
		} else if value != "alive" && value != "void" {
			return nil, asked("where", "life 只能是 alive 或 void", "life is alive or void")
		}
		list = append(list, store.Condition{Field: name, Value: value})
	}
	if len(list) > 50 {
		return nil, asked("where", "条件最多 50 个", "There are at most 50 conditions")
	}
	return list, nil
}

// near is the field that was perhaps meant, if the token may know of it.
func near(q *request, f *form.Form, name string) string {
	if n := f.Nearest(name); n != "" && q.reader.Sight.Shows(f.Field(n)) {
		return n
	}
	return ""
}

// cursor is a place as programs hold it: they may read nothing into it.
type cursor struct {
	Epoch   string         `json:"e"`
	Village record.Village `json:"v"`
	Feed    uint64         `json:"f"`
}

func (a *API) epoch() string {
	e := a.store.Epoch()
	return hex.EncodeToString(e[:4])
}

func (a *API) writeCursor(at store.FeedPlace) string {
	b, err := json.Marshal(cursor{a.epoch(), at.Village, at.Feed})
	if err != nil {
		panic(err) // texts and a number
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (a *API) readCursor(q *request) (at store.FeedPlace, err error) {
	text := q.query.Get("cursor")
	if text == "" {
		return at, nil
	}
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.Feed > 1<<62 {
		return at, asked("cursor", "cursor 写法不对，请原样使用答复里给的", "The cursor cannot be read; use one as it was given")
	}
	if c.Epoch != a.epoch() {
		return at, errEpoch
	}
	return store.FeedPlace{Village: c.Village, Feed: c.Feed}, nil
}
