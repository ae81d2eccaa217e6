package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/form"
)

// Problem is an answer that is not the one asked for (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Parameter is the one that is wrong, where one is.
	Parameter string `json:"parameter,omitempty"`
}

// problemType is what the type of a problem begins with.
const problemType = "urn:zhucun:problem:"

// titles are what kinds of problems there are. Kinds are only ever added.
var titles = map[string]form.Label{
	"parameter": {Zh: "参数不对", En: "A parameter is wrong"},
	"token":     {Zh: "没有有效的令牌", En: "No token that works"},
	"role":      {Zh: "没有权限", En: "Not allowed"},
	"not-found": {Zh: "没有找到", En: "Not found"},
	"method":    {Zh: "只能读取", En: "Only reading"},
	"accept":    {Zh: "没有这种格式", En: "No such format"},
	"cursor":    {Zh: "要从头开始", En: "Begin anew"},
	"pace":      {Zh: "请求太快", En: "Too many requests"},
	"busy":      {Zh: "服务器忙", En: "Busy"},
	"missing":   {Zh: "不支持", En: "Not supported"},
	"server":    {Zh: "服务器出错", En: "The server failed"},
}

// fault is an error that the asker can mend, or must wait for.
type fault struct {
	status    int
	code      string // of titles
	detail    form.Label
	parameter string
	head      map[string]string
}

func (f *fault) Error() string { return f.detail.En }

// asked says that a parameter is wrong, in one sentence.
func asked(parameter, zh, en string, args ...any) error {
	return &fault{status: http.StatusBadRequest, code: "parameter", parameter: parameter,
		detail: form.Label{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}}
}

var (
	entrance   = map[string]string{"WWW-Authenticate": `Basic realm="Zhucun", charset="UTF-8", Bearer realm="Zhucun"`}
	errNoToken = &fault{status: http.StatusUnauthorized, code: "token", head: entrance,
		detail: form.Label{Zh: "要带上令牌（Authorization: Bearer，或用户名填令牌名称、密码填令牌）", En: "A token is needed (Authorization: Bearer, or Basic with the token's name as user and the token as password)"}}
	errBadToken = &fault{status: http.StatusUnauthorized, code: "token", head: entrance,
		detail: form.Label{Zh: "令牌无效：不存在、已停用、过期或名称不符，请向管理员要新的", En: "The token does not work: unknown, revoked, too old, or under another name; ask an administrator for a new one"}}
	errRole = &fault{status: http.StatusForbidden, code: "role",
		detail: form.Label{Zh: "这个令牌的角色看不到这些内容", En: "The role of this token may not see that"}}
	errUnmask = &fault{status: http.StatusForbidden, code: "role", parameter: unmaskParameter,
		detail: form.Label{Zh: "这个令牌不能读取完整号码", En: "This token may not read numbers in full"}}
	errNowhere = &fault{status: http.StatusNotFound, code: "not-found",
		detail: form.Label{Zh: "没有这个地址，全部地址见 /api/openapi.json", En: "There is nothing at this address; /api/openapi.json lists what there is"}}
	errGone = &fault{status: http.StatusNotFound, code: "not-found",
		detail: form.Label{Zh: "没有这条记录，或这个令牌看不到它", En: "There is no such record, or this token may not see it"}}
	errEpoch = &fault{status: http.StatusGone, code: "cursor", parameter: "cursor",
		detail: form.Label{Zh: "服务器的数据从备份恢复过，请去掉 cursor 从头读取", En: "The server's data was restored from a backup; leave the cursor out and read from the beginning"}}
)

// faultOf makes a fault of any error. What nobody expected is logged.
func (a *API) faultOf(q *request, err error) *fault {
	var f *fault
	var condition *store.ConditionError
	var value *form.ValueError
	if f, is := filterFault(err); is {
		return f
	}
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &value):
		return asked(value.Field, "%s：%s", "%s: %s", value.Field, value.Reason.In(q.lang)).(*fault)
	case errors.As(err, &condition) && condition.Near != "":
		return asked(condition.Field, "没有字段 %s，是不是 %s", "There is no field %s; did you mean %s", clip(condition.Field), condition.Near).(*fault)
	case errors.As(err, &condition) && condition.Err == nil:
		return asked(condition.Field, "没有字段 %s", "There is no field %s", clip(condition.Field)).(*fault)
	case errors.As(err, &condition):
		return asked(condition.Field, "%s 的值写法不对", "The value of %s cannot be read", clip(condition.Field)).(*fault)
	case errors.Is(err, store.ErrNotFound):
		return errGone
	}
	if a.store.Again(err) || q.Context().Err() != nil || errors.Is(err, context.Canceled) {
		return &fault{status: http.StatusServiceUnavailable, code: "busy", head: map[string]string{"Retry-After": "5"},
			detail: form.Label{Zh: "服务器正忙，请过几秒再试", En: "The server is busy; try again in some seconds"}}
	}
	a.opt.Log.Error("a program's request failed", "path", pattern(q.Request), "error", err)
	return &fault{status: http.StatusInternalServerError, code: "server",
		detail: form.Label{Zh: "服务器出错了，什么也没有改动，请稍后再试", En: "The server failed; nothing was changed, try again later"}}
}

// pattern is the address that was asked for, without what stands in it.
func pattern(r *http.Request) string { return r.Pattern }

func (a *API) fail(w http.ResponseWriter, q *request, err error) {
	f := a.faultOf(q, err)
	for name, value := range f.head {
		w.Header().Set(name, value)
	}
	var body any = Problem{Type: problemType + f.code, Title: titles[f.code].In(q.lang), Status: f.status, Detail: f.detail.In(q.lang), Parameter: f.parameter}
	kind := "application/problem+json"
	if strings.HasPrefix(q.URL.Path, ODataPath) {
		body, kind = odataError(f, q.lang), odataJSON
		w.Header().Set("OData-Version", "4.0")
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // texts and a number
	}
	w.Header().Set("Content-Type", kind)
	send(w, q.Request, f.status, append(b, '\n'))
}

// clip keeps what somebody sent from making an answer as long as they like.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
