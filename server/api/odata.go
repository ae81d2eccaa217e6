package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"zhucun/server/access"
	"zhucun/server/odata"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

const odataJSON = "application/json;odata.metadata=minimal;odata.streaming=false;charset=utf-8"

func odataError(f *fault, lang form.Lang) object {
	e := object{"code": f.code, "message": f.detail.In(lang)}
	if f.parameter != "" {
		e["target"] = f.parameter
	}
	return object{"error": e}
}

func (a *API) odataRoutes() []route {
	return []route{
		{"/odata/{$}", access.SeeTotals, a.service},
		{"/odata/$metadata", access.SeeTotals, a.metadata},
		{"/odata/{set}", access.SeeTotals, a.rows},
		{"/odata/{set}/$count", access.SeeTotals, a.count},
		{ODataPath, anybody, a.nowhere},
	}
}

// odataAnswer makes an answer with the headers that OData has.
func odataAnswer(body any) *answer {
	return &answer{kind: odataJSON, body: body, head: map[string]string{"OData-Version": "4.0"}}
}

// root is the address of the service, under the name by which it was asked for: what links
// lead to must be where the client has been let in.
func (a *API) root(q *request) string {
	scheme := "http"
	if u, err := url.Parse(a.opt.URL); q.TLS != nil || err == nil && u.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + q.Host + ODataPath
}

// options checks what every address below /odata/ is asked with.
func (q *request) options(names ...string) error {
	if v := q.Header.Get("OData-MaxVersion"); v != "" && v < "4.0" {
		return asked("OData-MaxVersion", "这里只有 OData 4.0", "Here is OData 4.0 only")
	}
	for name := range q.query {
		if strings.HasPrefix(name, "$") || strings.HasPrefix(name, "@") {
			switch name {
			case "$select", "$filter", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format":
			default:
				return &fault{status: http.StatusNotImplemented, code: "missing", parameter: clip(name),
					detail: form.Label{Zh: "不支持 " + clip(name), En: clip(name) + " is not supported"}}
			}
		}
	}
	if err := q.knows(append(names, "$format")...); err != nil {
		return err
	}
	return nil
}

// wants tells whether JSON is asked for where XML is the rule, by $format or Accept.
func (q *request) wants() (json bool, err error) {
	switch format := q.query.Get("$format"); {
	case format == "":
		return strings.Contains(q.Header.Get("Accept"), "application/json"), nil
	case format == "json" || strings.HasPrefix(format, "application/json"):
		return true, nil
	case format == "xml" || strings.HasPrefix(format, "application/xml"):
		return false, nil
	}
	return false, asked("$format", "$format 只能是 json", "$format is json")
}

// formatted refuses a format that rows do not have.
func (q *request) formatted() error {
	if json, err := q.wants(); err != nil || q.query.Has("$format") && !json {
		return asked("$format", "$format 只能是 json", "$format is json")
	}
	return nil
}

func (a *API) service(q *request) (*answer, error) {
	if err := q.options(); err != nil {
		return nil, err
	}
	if err := q.formatted(); err != nil {
		return nil, err
	}
	var sets []object
	for _, t := range a.tables(q, false) {
		sets = append(sets, object{"name": t.Name, "kind": "EntitySet", "url": t.Name, "title": t.Says})
	}
	return odataAnswer(object{"@odata.context": a.root(q) + "$metadata", "value": sets}), nil
}

func (a *API) metadata(q *request) (*answer, error) {
	if err := q.options(); err != nil {
		return nil, err
	}
	wantsJSON, err := q.wants()
	if err != nil {
		return nil, err
	}
	var sets []odata.Set
	for _, t := range a.tables(q, false) {
		sets = append(sets, t.Set)
	}
	if wantsJSON && !strings.Contains(q.Header.Get("Accept"), "application/xml") {
		b, err := odata.MetadataJSON(sets)
		return odataAnswer(b), err
	}
	ans := odataAnswer(odata.Metadata(sets))
	ans.kind = "application/xml;charset=utf-8"
	return ans, nil
}

// Limits of a page.
const (
	odataPage    = 1000
	maxOdataPage = 5000
	maxSkip      = 100_000
)

// reading is what a request wants of a table.
type reading struct {
	*table
	path   string // of the set, with its key
	key    bool
	filter *store.Test
	order  []store.Order
	chosen []*odata.Property
	in     []record.Village
	reason string
	top    int // -1: all
	skip   int
	page   int
	count  bool
	after  *store.Mark
	shows  func(*form.Field) bool
}

// mark is where a page ended, as clients hold it: they may read nothing into it.
type mark struct {
	Village record.Village    `json:"v"`
	ID      string            `json:"i"`
	Values  []json.RawMessage `json:"o,omitempty"`
	Left    int               `json:"l"` // of $top, -1: all
}

// read reads the options of a request.
func (a *API) read(q *request) (*reading, error) {
	if err := q.options("$select", "$filter", "$orderby", "$top", "$skip", "$count", "$skiptoken", unmaskParameter); err != nil {
		return nil, err
	}
	if err := q.formatted(); err != nil {
		return nil, err
	}
	r := &reading{top: -1, page: odataPage, path: q.PathValue("set"), shows: q.reader.Sight.Shows}
	var err error
	if r.reason, err = a.reason(q); err != nil {
		return nil, err
	}
	name, key, keyed := strings.Cut(r.path, "(")
	if r.table = a.table(q, name, r.reason != ""); r.table == nil {
		return nil, errNowhere
	}
	if r.form != nil && !q.reader.May(access.SeeRecords) {
		return nil, errRole
	}
	if keyed {
		key, closed := strings.CutSuffix(key, ")")
		if !closed {
			return nil, errNowhere
		}
		if r.filter, err = odata.ParseKey(&r.Set, key); err != nil {
			return nil, err
		}
		r.key = true
	}
	if r.in, err = a.sight(q); err != nil {
		return nil, err
	}
	if text := q.query.Get("$filter"); q.query.Has("$filter") {
		if r.filter, err = odata.ParseFilter(&r.Set, text); err != nil {
			return nil, err
		}
	}
	if q.query.Has("$orderby") {
		if r.order, err = odata.ParseOrder(&r.Set, q.query.Get("$orderby")); err != nil {
			return nil, err
		}
	}
	if r.chosen, err = odata.ParseSelect(&r.Set, q.query.Get("$select")); err != nil {
		return nil, err
	}
	for name, into := range map[string]*int{"$top": &r.top, "$skip": &r.skip} {
		if !q.query.Has(name) {
			continue
		}
		if *into, err = strconv.Atoi(q.query.Get(name)); err != nil || *into < 0 {
			return nil, asked(name, "%s 应为 0 或更大的整数", "%s is a whole number of 0 or more", name)
		}
	}
	if r.skip > maxSkip {
		return nil, asked("$skip", "$skip 最多 %d；用 @odata.nextLink 翻页", "$skip is at most %d; go on by @odata.nextLink", maxSkip)
	}
	switch text := q.query.Get("$count"); {
	case text == "true":
		r.count = true
	case text != "false" && q.query.Has("$count"):
		return nil, asked("$count", "$count 只能是 true 或 false", "$count is true or false")
	}
	for part := range strings.SplitSeq(q.Header.Get("Prefer"), ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "odata.")
		if text, is := strings.CutPrefix(part, "maxpagesize="); is {
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				r.page = min(n, maxOdataPage)
			}
		}
	}
	return r, r.resume(q)
}

// resume takes up where the page before ended.
func (r *reading) resume(q *request) error {
	text := q.query.Get("$skiptoken")
	if text == "" {
		return nil
	}
	bad := asked("$skiptoken", "$skiptoken 写法不对，请原样使用 @odata.nextLink", "The $skiptoken cannot be read; use @odata.nextLink as it was given")
	b, err := base64.RawURLEncoding.DecodeString(text)
	var m mark
	if err != nil || json.Unmarshal(b, &m) != nil || len(m.Values) != len(r.order) || m.Left < -1 || m.Village == "" || r.key {
		return bad
	}
	r.after = &store.Mark{Village: m.Village, ID: m.ID}
	for _, raw := range m.Values {
		var v any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return bad
		}
		switch n := v.(type) {
		case nil, string:
		case json.Number:
			if v, err = strconv.ParseInt(n.String(), 10, 64); err != nil {
				if v, err = n.Float64(); err != nil {
					return bad
				}
			}
		default:
			return bad
		}
		r.after.Values = append(r.after.Values, v)
	}
	r.top, r.skip, r.count = m.Left, 0, false
	return nil
}

// nextLink is the address of the next page.
func (a *API) nextLink(q *request, r *reading, at *store.Mark, left int) (string, error) {
	m := mark{Village: at.Village, ID: at.ID, Left: left}
	for _, v := range at.Values {
		raw, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		m.Values = append(m.Values, raw)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	again := url.Values{}
	for name, values := range q.query {
		if name != "$top" && name != "$skip" && name != "$count" {
			again[name] = values
		}
	}
	again.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(b))
	return a.root(q) + r.Name + "?" + strings.ReplaceAll(again.Encode(), "%24", "$"), nil
}

// selecting is what the store is asked.
func (a *API) selecting(r *reading) store.Select {
	s := store.Select{Type: r.form.Type, Villages: r.in, Shows: r.shows, Filter: r.filter, Order: r.order, After: r.after, Skip: r.skip, Limit: r.page, Patience: a.patience}
	if r.top >= 0 {
		s.Limit = min(s.Limit, r.top)
	}
	for _, c := range r.columns(r.chosen) {
		if c.field != nil {
			s.Fields = append(s.Fields, c.field)
		}
	}
	return s
}

func (a *API) rows(q *request) (*answer, error) {
	r, err := a.read(q)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	context := a.root(q) + "$metadata#" + r.Name
	if q.query.Get("$select") != "" && q.query.Get("$select") != "*" {
		var names []string
		for _, p := range r.chosen {
			names = append(names, p.Name)
		}
		context += "(" + strings.Join(names, ",") + ")"
	}
	if err := a.noteTable(q, r); err != nil {
		return nil, err
	}
	count, lines, next, err := a.page(q, r)
	if err != nil {
		return nil, err
	}
	if r.key {
		if len(lines) != 1 {
			return nil, errGone
		}
		b.WriteString(`{"@odata.context":` + quoted(context+"/$entity") + ",")
		b.Write(bytes.TrimPrefix(lines[0], []byte("{")))
		return odataAnswer(b.Bytes()), nil
	}
	b.WriteString(`{"@odata.context":` + quoted(context))
	if r.count {
		b.WriteString(`,"@odata.count":` + strconv.Itoa(count))
	}
	b.WriteString(`,"value":[`)
	b.Write(bytes.Join(lines, []byte(",\n")))
	b.WriteByte(']')
	if next != "" {
		b.WriteString(`,"@odata.nextLink":` + quoted(next))
	}
	b.WriteString("}\n")
	return odataAnswer(b.Bytes()), nil
}

// noteTable leaves in the audit what is read; the villages are no secret.
func (a *API) noteTable(q *request, r *reading) error {
	if r.form == nil {
		return nil
	}
	return a.note(q, "odata "+r.Name, r.reason, nil)
}

// page gives the rows of a page, how many there are in all where that is asked for, and
// where the next page is.
func (a *API) page(q *request, r *reading) (count int, lines [][]byte, next string, err error) {
	if r.form == nil {
		return a.villagePage(q, r)
	}
	ask := a.selecting(r)
	if r.count {
		if count, err = a.store.SelectCount(q.Context(), ask); err != nil {
			return 0, nil, "", err
		}
	}
	if ask.Limit == 0 {
		return count, nil, "", nil
	}
	found, at, err := a.store.Select(q.Context(), ask)
	if err != nil {
		return 0, nil, "", err
	}
	names, err := a.names(q)
	if err != nil {
		return 0, nil, "", err
	}
	columns := r.columns(r.chosen)
	for i := range found {
		lines = append(lines, r.line(columns, &found[i], names, q))
	}
	left := r.top
	if left >= 0 {
		left -= len(found)
	}
	if at != nil && left != 0 && !r.key {
		next, err = a.nextLink(q, r, at, left)
	}
	return count, lines, next, err
}

func (a *API) count(q *request) (*answer, error) {
	r, err := a.read(q)
	if err != nil {
		return nil, err
	}
	if r.key {
		return nil, errNowhere
	}
	if err := a.noteTable(q, r); err != nil {
		return nil, err
	}
	n := 0
	if r.form == nil {
		r.count, r.top = true, 0
		n, _, _, err = a.villagePage(q, r)
	} else {
		n, err = a.store.SelectCount(q.Context(), a.selecting(r))
	}
	ans := odataAnswer([]byte(strconv.Itoa(n)))
	ans.kind = "text/plain;charset=utf-8"
	return ans, err
}

// filterFault makes an answer of what the parser says.
func filterFault(err error) (*fault, bool) {
	var e *odata.Error
	if !errors.As(err, &e) {
		return nil, false
	}
	f := &fault{status: http.StatusBadRequest, code: "parameter", detail: form.Label{Zh: e.Zh, En: e.En}}
	if e.Missing {
		f.status, f.code = http.StatusNotImplemented, "missing"
	}
	return f, true
}
