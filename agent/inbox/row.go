package inbox

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"zhucun/agent/store"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// RowError is what is wrong with a row, for people.
type RowError struct{ Label form.Label }

func (e *RowError) Error() string { return e.Label.En }

func wrong(zh, en string, args ...any) error {
	return &RowError{form.Label{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}}
}

// Say gives an error of this package, or any other of the agent's, as a
// sentence.
func Say(err error, lang form.Lang) string {
	var r *RowError
	var noTable *table.Error
	var noSheet *sheet.Error
	switch {
	case errors.As(err, &r):
		return r.Label.In(lang)
	case errors.As(err, &noTable):
		return noTable.Label.In(lang)
	case errors.As(err, &noSheet):
		return noSheet.Label.In(lang)
	}
	return store.Sentence(err, lang)
}

// envelope is a record as a JSON line gives it: with its fields apart, as get
// and list print it, or all in one object.
type envelope struct {
	Village record.Village
	Type    record.Type
	ID      record.ID
	Author  string
	Fields  map[string]json.RawMessage
	Apart   bool
}

func readEnvelope(line []byte) (e envelope, err error) {
	if !utf8.Valid(line) {
		return e, wrong("不是 UTF-8 编码。请把文件另存为 UTF-8", "not UTF-8; save the file as UTF-8")
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return e, wrong("不是完整的 JSON 对象（第 %d 个字节处出错）", "not a whole JSON object (it breaks at byte %d)", syntax.Offset)
		}
		return e, wrong(`不是 JSON 对象，应如 {"字段": "内容"}`, `not a JSON object such as {"field": "value"}`)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if key, at := twice(d); at > 0 {
		return e, wrong("%q 写了两次（第 %d 个字节处），不知道该用哪一个", "%q is there twice (the second at byte %d); which counts cannot be told", key, at)
	}
	text := func(key string) (string, error) {
		raw, ok := all[key]
		if !ok {
			return "", nil
		}
		var s *string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", wrong("%s 应是文字", "%s should be a text", key)
		}
		if s == nil {
			return "", nil
		}
		return *s, nil
	}
	var id string
	for key, to := range map[string]*string{"village": (*string)(&e.Village), "type": (*string)(&e.Type), "id": &id, "author": &e.Author} {
		if *to, err = text(key); err != nil {
			return e, err
		}
	}
	if id != "" {
		if e.ID, err = record.ParseID(id); err != nil {
			return e, wrong("id %q 不是记录编号（8-4-4-4-12 位十六进制）", "id %q is not a record id (8-4-4-4-12 hexadecimal digits)", id)
		}
	}
	if inner, ok := all["fields"]; ok {
		e.Apart = true
		if err := json.Unmarshal(inner, &e.Fields); err != nil {
			return e, wrong("fields 应是 JSON 对象", "fields should be a JSON object")
		}
		for key := range all {
			switch key {
			case "village", "type", "id", "author", "fields":
			case "conflicts", "proposals", "others", "marks", "state", "life", "reason", "source", "authors", "created_at", "updated_at", "history",
				"questions", "in_bundle", "rejected", "erased":
				// What get and list print is taken back; the rest of it says nothing new.
			default:
				return e, wrong("不认识 %q", "%q is not known here", key)
			}
		}
		return e, nil
	}
	for _, key := range []string{"village", "type", "id", "author"} {
		delete(all, key)
	}
	e.Fields = all
	return e, nil
}

// twice finds a key that an object has twice, and the byte at which the second
// ends, 0 where none has: of two, encoding/json takes the last in silence. The
// text has been found to be JSON.
func twice(d *json.Decoder) (key string, at int64) {
	begin, _ := d.Token()
	if begin != json.Delim('{') && begin != json.Delim('[') {
		return "", 0
	}
	seen := map[string]bool{}
	for d.More() {
		if begin == json.Delim('{') {
			t, _ := d.Token()
			key, _ = t.(string)
			if seen[key] {
				return key, d.InputOffset()
			}
			seen[key] = true
		}
		if key, at := twice(d); at > 0 {
			return key, at
		}
	}
	d.Token() // its end
	return "", 0
}

// Line reads one JSON line as a save of a record of type t; with an empty t the
// line says which. Unknown types, fields and codes, and values that cannot be
// read, are refused.
func Line(forms *form.Set, t record.Type, line []byte) (store.Edit, error) {
	e, err := readEnvelope(line)
	if err != nil {
		return store.Edit{}, err
	}
	switch {
	case t == "" && e.Type == "":
		return store.Edit{}, wrong("没有写明记录种类（type）", "the type of record is missing (type)")
	case t != "" && e.Type != "" && t != e.Type:
		return store.Edit{}, wrong("这一行是 %s，不是 %s", "this line is a %s, not a %s", e.Type, t)
	}
	f, err := Form(forms, cmp.Or(t, e.Type))
	if err != nil {
		return store.Edit{}, err
	}
	edit := store.Edit{Village: e.Village, Type: f.Type, ID: e.ID, Author: e.Author, Fields: map[string]record.Value{}}
	for name, raw := range e.Fields {
		if name == string(record.Life) {
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return edit, wrong("_life 应是文字", "_life should be a text")
			}
			if err := setLife(&edit, s); err != nil {
				return edit, err
			}
			continue
		}
		if fd := f.Field(name); e.Apart && fd != nil && fd.Kind == form.Calculate {
			continue // printed with the others; says nothing new
		}
		fd, err := settable(f, name)
		if err != nil {
			return edit, err
		}
		if edit.Fields[name], err = fd.Canon(raw); err != nil {
			return edit, err
		}
	}
	return edit, nil
}

// Pairs reads FIELD=VALUE pairs as a save of a record of type t.
func Pairs(forms *form.Set, t record.Type, pairs []string) (store.Edit, error) {
	f, err := Form(forms, t)
	if err != nil {
		return store.Edit{}, err
	}
	edit := store.Edit{Type: t, Fields: map[string]record.Value{}}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return edit, wrong("%q 应写成 字段=值", "%q should be FIELD=VALUE", pair)
		}
		if name == string(record.Life) {
			if err := setLife(&edit, value); err != nil {
				return edit, err
			}
			continue
		}
		fd, err := settable(f, name)
		if err != nil {
			return edit, err
		}
		if edit.Fields[name], err = fd.CanonText(value); err != nil {
			return edit, err
		}
	}
	return edit, nil
}

// Form finds a form, or says which was perhaps meant.
func Form(forms *form.Set, t record.Type) (*form.Form, error) {
	if f := forms.Form(t); f != nil {
		return f, nil
	}
	if near := forms.Nearest(string(t)); near != "" {
		return nil, wrong("没有 %q 这种记录，是不是 %s？", "there is no record type %q; did you mean %s?", t, near)
	}
	return nil, wrong("没有 %q 这种记录", "there is no record type %q", t)
}

// Field finds a field, or says which was perhaps meant.
func Field(f *form.Form, name string) (*form.Field, error) {
	if fd := f.Field(name); fd != nil {
		return fd, nil
	}
	if near := f.Nearest(name); near != "" {
		return nil, wrong("%s 没有字段 %q，是不是 %s？", "%s has no field %q; did you mean %s?", f.Type, name, near)
	}
	return nil, wrong("%s 没有字段 %q，字段名见表单", "%s has no field %q; the form has their names", f.Type, name)
}

// settable finds a field that people fill in.
func settable(f *form.Form, name string) (*form.Field, error) {
	fd, err := Field(f, name)
	if err == nil && fd.Kind == form.Calculate {
		return nil, wrong("%s 是计算出来的，不能填写", "%s is calculated and cannot be set", name)
	}
	return fd, err
}

// setLife reads "void: reason" or "alive".
func setLife(e *store.Edit, s string) error {
	if s == "alive" {
		e.Revive = true
		return nil
	}
	if !utf8.ValidString(s) {
		// Written as JSON it would lose what is not.
		return wrong("_life：文字编码不是 UTF-8，请另存为 UTF-8", "_life: the text is not UTF-8; save it as UTF-8")
	}
	reason, ok := strings.CutPrefix(s, "void:")
	if reason = strings.TrimSpace(reason); !ok || reason == "" {
		return wrong(`_life 应是 "alive" 或 "void: 原因"`, `_life should be "alive" or "void: reason"`)
	}
	e.Void = reason
	return nil
}

// made is the id of the record that a row makes: it follows from what the row says, so
// that one table is one set of records, wherever and by whomever it is imported. own is
// the author that the row itself names; of records of which everybody writes their own it
// is theirs who imports them. nth counts the rows of a table that say the same.
func made(d *store.Device, forms *form.Set, e *store.Edit, own string, nth int) record.ID {
	says := struct {
		Author string
		Fields map[string]record.Value
	}{own, e.Fields}
	if f := forms.Form(e.Type); f != nil && f.Authored {
		author, err := d.Author(e.Author)
		if err != nil {
			return record.ID{} // it is refused when it is saved
		}
		says.Author = author
	}
	line, err := json.Marshal(says)
	if err != nil {
		return record.ID{} // never: they are texts
	}
	return record.RowID(d.Numbers, e.Type, e.Village, line, nth)
}

// hash is what an imported row is known by: what it says, however it is spaced.
func hash(key []byte, t record.Type, line []byte) (h [16]byte) {
	var compact bytes.Buffer
	if json.Compact(&compact, line) != nil {
		compact.Reset()
		compact.Write(line)
	}
	sum := sha256.New()
	sum.Write([]byte("zhucun imported row 1\x00"))
	sum.Write(key)
	sum.Write([]byte(t))
	sum.Write([]byte{0})
	sum.Write(compact.Bytes())
	copy(h[:], sum.Sum(nil))
	// The zero hash means none.
	h[15] |= 1
	return h
}
