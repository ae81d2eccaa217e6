package form

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"zhucun/shared/record"
)

// Limits of one value, above which it cannot be meant: bytes of a text,
// elements of a set, digits of a whole number.
const (
	maxText   = 64 << 10
	maxSet    = 5000
	maxDigits = 15
)

// ValueError says that a value cannot be what a field holds. Reason tells the
// person what to do.
type ValueError struct {
	Field  string
	Reason Label
}

func (e *ValueError) Error() string { return e.Field + ": " + e.Reason.En }

func (fd *Field) refuse(zh, en string, args ...any) error {
	return &ValueError{fd.Name, Label{fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...)}}
}

// Canon reads a value as programs give it, JSON, and gives it in canonical
// form; what Canon gave it gives again. Beside the canonical form it takes
// numbers as strings, codes and names in one string, dates such as 2017/5/3. "",
// null and [] clear the field. What the field cannot hold is refused with a
// *ValueError; whether an answer makes sense is for Check.
func (fd *Field) Canon(raw json.RawMessage) (record.Value, error) {
	if simple(raw) {
		return fd.canonString(string(raw[1:len(raw)-1]), false)
	}
	v, err := record.ParseValue(raw)
	if err != nil {
		return "", fd.refuse("不是有效的 JSON 值", "not a JSON value that can be read")
	}
	return fd.canon(v, false)
}

// simple tells a JSON string that means what it shows: most answers are one,
// and reading it as JSON costs more than all the rest.
func simple(raw []byte) bool {
	n := len(raw) - 1
	if n < 1 || raw[0] != '"' || raw[n] != '"' {
		return false
	}
	for _, c := range raw[1:n] {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(raw)
}

// CanonText reads a value as a person types it, on a command line, in a table
// or on a page. Beside what Canon takes it takes the labels of codes in either
// language where no two codes share one, a comma in thousands, wide digits, and
// a JSON array for a set or a place. Space around the text goes.
func (fd *Field) CanonText(s string) (record.Value, error) {
	if !utf8.ValidString(s) {
		return "", fd.refuse("文字编码不是 UTF-8，请另存为 UTF-8", "the text is not UTF-8; save it as UTF-8")
	}
	if s = trim(s); s == "" {
		return record.Null, nil
	}
	if s[0] == '[' && (fd.Many() || fd.Kind == Geopoint) {
		if v, err := record.ParseValue([]byte(s)); err == nil {
			return fd.canon(v, true)
		}
	}
	return fd.canonString(s, true)
}

// canon reads a value by its JSON kind; typed tells that a person typed it.
func (fd *Field) canon(v record.Value, typed bool) (record.Value, error) {
	if v.IsNull() {
		return record.Null, nil
	}
	switch v[0] {
	case '"':
		s, _ := v.Text()
		return fd.canonString(s, typed)
	case '[':
		if fd.Kind == Geopoint {
			return fd.canonPlace(v)
		}
		return fd.canonArray(v, typed)
	case 't', 'f':
		if fd.Kind == SelectOne {
			if code, ok := map[record.Value]string{record.True: "yes", record.False: "no"}[v]; ok {
				if _, listed := fd.list.byName[code]; listed {
					return record.Text(code), nil
				}
			}
		}
	case '{':
	default: // a number
		if fd.Kind == Text || fd.Kind == SelectOne || fd.Kind == SelectMultiple || fd.Kind == Integer || fd.Kind == Decimal {
			return fd.canonString(string(v), typed)
		}
	}
	return "", fd.wrongKind()
}

// canonString reads a text by the field's kind.
func (fd *Field) canonString(s string, typed bool) (record.Value, error) {
	if len(s) > maxText {
		return "", fd.refuse("文字太长", "the text is too long")
	}
	if trim(s) == "" {
		return record.Null, nil
	}
	if fd.Many() {
		return fd.canonSet(fd.split(s, typed), typed)
	}
	switch fd.Kind {
	case Text:
		return fd.canonText(s)
	case Integer, Decimal:
		return fd.canonNumber(trim(s))
	case Date:
		if d, ok := readDate(trim(s)); ok {
			return record.Text(d), nil
		}
		return "", fd.refuse("“%s”不是日期，应如 2017-05-23", "%q is not a date such as 2017-05-23", clip(s))
	case SelectOne:
		code, err := fd.code(trim(s), typed)
		if err != nil {
			return "", err
		}
		return record.Text(code), nil
	case RefOne:
		id, err := fd.ref(trim(s))
		if err != nil {
			return "", err
		}
		return record.Text(id), nil
	case Geopoint:
		return fd.canonPlaceText(trim(s))
	}
	return "", fd.wrongKind() // Calculate
}

// lines ends every line as the record does. A page gives CR LF, which must not
// look like an edit.
var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// canonText keeps a text as it is, but for the ends of lines; what no page,
// table or database holds, other control characters, it refuses.
func (fd *Field) canonText(s string) (record.Value, error) {
	if fd.numbered {
		if s = readID(s); s == "" {
			return record.Null, nil
		}
	}
	s = lines.Replace(s)
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return "", fd.refuse("含有不可见的控制字符，请重新输入", "has a control character in it; type it again")
		}
	}
	return record.Text(s), nil
}

func (fd *Field) canonNumber(s string) (record.Value, error) {
	n := strings.TrimPrefix(strings.Map(narrow, s), "+")
	if t, ok := thousands(n); ok {
		n = t
	}
	if strings.HasPrefix(n, ".") {
		n = "0" + n
	}
	v, err := record.Number(n)
	if err != nil {
		return "", fd.refuse("“%s”不是数字", "%q is not a number", clip(s))
	}
	if fd.Kind == Integer && strings.IndexByte(string(v), '.') >= 0 {
		return "", fd.refuse("“%s”不是整数", "%q is not a whole number", clip(s))
	}
	if fd.Kind == Integer && len(strings.TrimPrefix(string(v), "-")) > maxDigits {
		return "", fd.refuse("数字太长（最多%d位）", "the number is too long (at most %d digits)", maxDigits)
	}
	return v, nil
}

// thousands takes the commas out of 1,234,567.50.
func thousands(s string) (string, bool) {
	whole, frac, point := strings.Cut(s, ".")
	parts := strings.Split(strings.TrimPrefix(whole, "-"), ",")
	if len(parts) < 2 || len(parts[0]) == 0 || len(parts[0]) > 3 {
		return "", false
	}
	for _, p := range parts[1:] {
		if len(p) != 3 {
			return "", false
		}
	}
	s = strings.ReplaceAll(whole, ",", "")
	if point {
		s += "." + frac
	}
	return s, true
}

func (fd *Field) canonArray(v record.Value, typed bool) (record.Value, error) {
	if !fd.Many() {
		return "", fd.wrongKind()
	}
	texts, ok := words(v)
	if !ok {
		return "", fd.wrongKind()
	}
	return fd.canonSet(texts, typed)
}

// words gives the texts and numbers in a canonical array.
func words(v record.Value) ([]string, bool) {
	if texts := v.Texts(); texts != nil {
		return texts, true
	}
	var items []any
	d := json.NewDecoder(strings.NewReader(string(v)))
	d.UseNumber()
	if d.Decode(&items) != nil {
		return nil, false
	}
	out := make([]string, len(items))
	for i, x := range items {
		switch x := x.(type) {
		case string:
			out[i] = x
		case json.Number:
			out[i] = x.String()
		case nil: // nothing, like ""
		default:
			return nil, false
		}
	}
	return out, true
}

// split takes apart the elements of a set in one text. Codes and ids have no
// spaces in them; names and files may.
func (fd *Field) split(s string, typed bool) []string {
	if fd.Kind == SelectMultiple && typed {
		if _, err := fd.code(trim(s), true); err == nil {
			return []string{s} // a label with spaces or commas in it
		}
	}
	between := ",，、;；|\n"
	if fd.Kind == Text {
		between += "/"
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(between, r) })
	if fd.Kind == Text || fd.Kind == Image {
		return parts
	}
	var out []string
	for _, p := range parts {
		if p = trim(p); p == "" {
			continue
		}
		if _, err := fd.element(p, typed); err == nil {
			out = append(out, p)
		} else {
			out = append(out, strings.Fields(p)...)
		}
	}
	return out
}

func (fd *Field) canonSet(parts []string, typed bool) (record.Value, error) {
	if len(parts) > maxSet {
		return "", fd.refuse("太多了（最多%d个）", "too many (at most %d)", maxSet)
	}
	codes := make([]string, 0, len(parts))
	for _, p := range parts {
		if p = trim(p); p == "" {
			continue
		}
		c, err := fd.element(p, typed)
		if err != nil {
			return "", err
		}
		codes = append(codes, c)
	}
	if len(codes) == 0 {
		return record.Null, nil
	}
	return record.Set(codes), nil
}

// element reads one element of a set. It becomes part of a register's path, so
// it must not look like one of a proposal, and a file must be in no folder.
func (fd *Field) element(s string, typed bool) (string, error) {
	switch fd.Kind {
	case SelectMultiple:
		return fd.code(s, typed)
	case RefMultiple:
		return fd.ref(s)
	}
	bad := func(r rune) bool { return unicode.IsControl(r) || fd.Kind == Image && (r == '/' || r == '\\') }
	if strings.IndexFunc(s, bad) >= 0 || strings.HasSuffix(s, "~") || len(s) > 255 || s == "." || s == ".." {
		return "", fd.refuse("“%s”不能用作名称", "%q cannot be a name", clip(s))
	}
	return s, nil
}

// ref reads the id of a record.
func (fd *Field) ref(s string) (string, error) {
	id, err := record.ParseID(s)
	if err != nil || id.IsZero() {
		return "", fd.refuse("“%s”不是记录编号（36位，如 0186243b-022f-7adf-a494-21d3cd0bdb76）", "%q is not a record id (36 characters, such as 0186243b-022f-7adf-a494-21d3cd0bdb76)", clip(s))
	}
	return id.String(), nil
}

// code reads a code of the field's list: itself, a numeric one without its
// leading zeros, and, where a person typed it, one of its labels.
func (fd *Field) code(s string, typed bool) (string, error) {
	if _, ok := fd.list.byName[s]; ok {
		return s, nil
	}
	if s != "" && strings.Trim(s, "0123456789") == "" {
		for _, c := range fd.Choices {
			if strings.TrimLeft(c.Name, "0") == strings.TrimLeft(s, "0") {
				return c.Name, nil
			}
		}
	}
	if typed {
		switch i, ok := fd.list.byWord[fold(s)]; {
		case ok && i >= 0:
			return fd.Choices[i].Name, nil
		case ok:
			return "", fd.refuse("“%s”对应多个选项，请填代码", "%q is the label of several codes; give the code", clip(s))
		}
	}
	var words []string
	for _, c := range fd.Choices {
		words = append(words, c.Name, c.Label.Zh, c.Label.En)
	}
	if near := nearest(s, words); near != "" {
		c := fd.Choices[slices.Index(words, near)/3]
		return "", fd.refuse("没有代码“%s”；是不是 %s（%s）？", "unknown code %s; did you mean %s (%s)?", clip(s), c.Name, c.Label.Zh)
	}
	return "", fd.refuse("没有代码“%s”；可用：%s", "unknown code %s; there are: %s", clip(s), fd.some())
}

// some lists the first codes of the field's list.
func (fd *Field) some() string {
	var names []string
	for i, c := range fd.Choices {
		if i == 12 {
			names = append(names, "…")
			break
		}
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// wanted says what each kind takes.
var wanted = [...]Label{
	Text:           {"应填文字", "takes a text"},
	Integer:        {"应填整数", "takes a whole number"},
	Decimal:        {"应填数字", "takes a number"},
	Date:           {"应填日期，如 2017-05-23", "takes a date such as 2017-05-23"},
	SelectOne:      {"应填一个代码", "takes one code"},
	SelectMultiple: {"应填若干代码", "takes a list of codes"},
	Geopoint:       {"应填 [经度, 纬度]", "takes [longitude, latitude]"},
	Image:          {"应填照片文件名", "takes the names of picture files"},
	Calculate:      {"由其他答案算出，不能填写，请去掉", "is worked out from other answers; leave it out"},
	RefOne:         {"应填一个记录编号", "takes the id of a record"},
	RefMultiple:    {"应填若干记录编号", "takes the ids of records"},
}

func (fd *Field) wrongKind() error { return &ValueError{fd.Name, wanted[fd.Kind]} }

// trim takes away space of every width at both ends.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' })
}

// fold makes spellings of one word equal: case, width, hyphens, spaces.
func fold(s string) string {
	s = strings.ToLower(strings.Map(narrow, s))
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), " ")
}

// narrow turns wide ASCII, as Chinese input methods type it, into plain.
func narrow(r rune) rune {
	switch {
	case r >= '！' && r <= '～':
		return r - '！' + '!'
	case r == '\u3000':
		return ' '
	}
	return r
}
