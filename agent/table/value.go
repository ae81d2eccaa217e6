package table

import (
	"errors"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// exactDigits is how many digits a spreadsheet keeps of a number.
const exactDigits = 15

var (
	science  = regexp.MustCompile(`^[+-]?\d+(\.\d+)?[Ee]\+?-?\d+$`)
	nothing  = words("- -- — —— / \\ n/a na 空 null")
	none     = words("无 没有 暂无 无诉求 不详")
	withUnit = regexp.MustCompile(`^([+-]?[\d,.]+)([^\d,.]+)$`)
	mobile   = regexp.MustCompile(`^1\d{10}$`)
	ordinal  = regexp.MustCompile(`^[(（]?([0-9]{1,2}|[一二三四五六七八九十]|[①-⑳])[)）.、:：,，]?\s*`)
)

// cell reads one cell into an item.
func (l *Layout) cell(it *Item, c *Column, cell sheet.Cell) {
	switch cell.Kind {
	case sheet.Fault:
		it.wrong(c, "公式出错（%s），请在 Excel 里改好", "its formula comes to an error (%s); mend it in Excel", cell.Text)
		return
	case sheet.Void:
		it.wrong(c, "公式没有算出的结果。请用 Excel 或 WPS 打开，保存一次再导入", "what its formula comes to is not in the file; open it in Excel or WPS, save it and import again")
		return
	case sheet.Broken:
		it.wrong(c, "有乱码，内容已丢失，请重新填写", "characters in it were lost; enter it again")
		return
	}
	if c.Target == Village {
		it.Village = strings.TrimSpace(cell.Text)
		return
	}
	text, ok := l.text(it, c, cell)
	if !ok || text == "" {
		return
	}
	name, other, ref := strings.Cut(c.Target, ".")
	fd := l.Form.Field(name)
	if ref || fd.Kind == form.RefOne || fd.Kind == form.RefMultiple {
		if it.Refs[name] == nil {
			it.Refs[name] = map[string]string{}
		}
		it.Refs[name][other] = text
		return
	}
	v, err := canon(fd, text)
	if err != nil {
		var bad *form.ValueError
		if errors.As(err, &bad) {
			it.Wrong = append(it.Wrong, Problem{c.Letter, c.Heading, reason(fd, text, bad)})
			return
		}
		it.wrong(c, "读不出来（%v）", "cannot be read (%v)", err)
		return
	}
	if !v.IsNull() {
		it.Fields[name] = v
	}
}

// maxChoices is how many of a list's labels a sentence names.
const maxChoices = 12

// reason says why a text cannot be a field's value: of a code with the labels that tables
// have, unless it is said which was probably meant.
func reason(fd *form.Field, text string, bad *form.ValueError) form.Label {
	if len(fd.Choices) == 0 || strings.Contains(bad.Reason.Zh, "是不是") {
		return bad.Reason
	}
	var zh, en []string
	for i, ch := range fd.Choices {
		if i == maxChoices {
			zh, en = append(zh, "……"), append(en, "…")
			break
		}
		zh, en = append(zh, ch.Label.Zh), append(en, ch.Label.En)
	}
	return form.Label{
		Zh: "没有“" + clip(text, 20) + "”这一项，可填：" + strings.Join(zh, "、"),
		En: "there is no " + clip(text, 20) + "; there are " + strings.Join(en, ", "),
	}
}

// text gives what a cell says, as a person would type it for the column's field; ""
// for nothing, false where it cannot be told.
func (l *Layout) text(it *Item, c *Column, cell sheet.Cell) (string, bool) {
	s := strings.TrimFunc(cell.Text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' })
	// ' makes a text of what follows; some programs write it out.
	if len(s) > 1 && s[0] == '\'' {
		s = s[1:]
	}
	fd := c.field
	if nothing[strings.ToLower(squeeze(s))] {
		return "", true
	}
	switch fd.Kind {
	case form.Integer, form.Decimal:
		return c.number(it, cell, s)
	case form.Date:
		return l.day(it, c, cell, s)
	case form.Text:
		return l.words(it, c, cell, s)
	case form.SelectOne, form.SelectMultiple:
		if cell.Kind == sheet.Number {
			return padded(cell, s), true
		}
	}
	return s, true
}

// padded gives a number with the zeros that its format puts before it.
func padded(cell sheet.Cell, s string) string {
	s = digits(s)
	if n := cell.Look.Pad - len(s); n > 0 && strings.Trim(s, "0123456789") == "" {
		s = strings.Repeat("0", n) + s
	}
	return s
}

// digits writes a number of a spreadsheet without its exponent, to as many digits as it
// keeps: 0.1+0.2 lies in the file as 0.30000000000000004.
func digits(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', exactDigits, 64))
	if !ok {
		return s
	}
	return decimal(r)
}

// long tells a number of which digits were lost.
func long(s string) bool {
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && (f >= 1e15 || f <= -1e15)
}

// number reads an amount: with its unit, or in the column's.
func (c *Column) number(it *Item, cell sheet.Cell, s string) (string, bool) {
	fd := c.field
	if none[squeeze(s)] {
		return "", true
	}
	u := c.unit
	if cell.Kind == sheet.Number {
		if cell.Look.Date {
			it.wrong(c, "这一格是日期，不是数字", "this cell is a date, not a number")
			return "", false
		}
		if cell.Look.Scaled && u != nil && u.times.Cmp(one) != 0 {
			it.wrong(c, "显示的和存的数字不一样（格式里有缩放），看不出单位。请改成普通数字", "it is shown divided, so that its unit cannot be told; make a plain number of it")
			return "", false
		}
		s = digits(s)
	} else {
		s = squeeze(s)
		for _, p := range []string{"¥", "￥", "RMB"} {
			s = strings.TrimPrefix(s, p)
		}
		s = strings.TrimSuffix(s, "整")
		if m := withUnit.FindStringSubmatch(s); m != nil {
			own, ok := unitOf(m[2])
			if !ok {
				own, ok = unitOf(m[2] + "元") // 3.5万
				ok = ok && unitOfField(fd) == "元"
			}
			if ok && fd.Kind == form.Integer && own.base == "年" && unitOfField(fd) == "" {
				own.times = one // 2017年
			}
			if ok && own.fits(fd) {
				s, u = m[1], &own
			}
		}
	}
	times := new(big.Rat).Set(one)
	if u != nil && u.fits(fd) {
		times.Set(u.times)
	}
	if cell.Look.Percent {
		times.Mul(times, big.NewRat(100, 1))
	}
	if times.Cmp(one) == 0 {
		return s, true
	}
	v, err := fd.CanonText(s)
	if fd.Kind == form.Integer {
		// 1.2万 is whole, though 1.2 is not.
		v, err = record.Number(strings.ReplaceAll(s, ",", ""))
	}
	r, ok := new(big.Rat).SetString(string(v))
	if err != nil || !ok {
		return s, true // the field says what is wrong
	}
	return decimal(r.Mul(r, times)), true
}

var (
	monthOnly = regexp.MustCompile(`^(\d{4})[.\-/年](\d{1,2})月?$`)
	sixDigits = regexp.MustCompile(`^(\d{4})(0[1-9]|1[0-2])$`)
	serialDay = regexp.MustCompile(`^\d{5}(\.\d+)?$`)
	withClock = regexp.MustCompile(`^(\d{4}\D\d{1,2}\D\d{1,2}日?)[T\s]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$`)
	spacedDay = regexp.MustCompile(`^\d{4}\s*[.\-/年]\s*\d{1,2}\s*[.\-/月]\s*\d{1,2}\s*日?$`)
)

// day reads a date.
func (l *Layout) day(it *Item, c *Column, cell sheet.Cell, s string) (string, bool) {
	if none[squeeze(s)] {
		return "", true
	}
	if cell.Kind == sheet.Number {
		s = digits(s)
		if cell.Look.Date || serialDay.MatchString(s) {
			return l.serial(it, c, s)
		}
	}
	wide := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\u3000' || r == '\u00a0' {
			return ' '
		}
		if r >= '！' && r <= '～' {
			return r - '！' + '!'
		}
		return r
	}, s))
	if m := withClock.FindStringSubmatch(wide); m != nil {
		wide = m[1]
	}
	if spacedDay.MatchString(wide) {
		wide = squeeze(wide)
	}
	wide = strings.TrimSuffix(wide, ".")
	if m := monthOnly.FindStringSubmatch(wide); m != nil {
		return l.firstOf(it, c, wide, m[1], m[2])
	}
	if m := sixDigits.FindStringSubmatch(wide); m != nil {
		return l.firstOf(it, c, wide, m[1], m[2])
	}
	if serialDay.MatchString(wide) {
		day, ok := l.serial(it, c, wide)
		if ok {
			it.odd(c, "“%s”是 Excel 的日期序号，按 %s 收", "%s is a day as Excel counts them, taken as %s", wide, day)
		}
		return day, ok
	}
	return wide, true
}

// firstOf takes a month for its first day, and says so.
func (l *Layout) firstOf(it *Item, c *Column, text, year, month string) (string, bool) {
	if len(month) == 1 {
		month = "0" + month
	}
	day := year + "-" + month + "-01"
	it.odd(c, "“%s”没有写日，按 %s 收", "%q has no day, and is taken as %s", text, day)
	return day, true
}

// serial reads a day as spreadsheets count them.
func (l *Layout) serial(it *Item, c *Column, s string) (string, bool) {
	day, ok := dayOf(s, l.sheet.Since1904)
	if !ok {
		it.wrong(c, "“%s”不是日期", "%q is not a date", s)
	}
	return day, ok
}

// dayOf gives the day of that number: counted from 1899-12-30 on, but for the first two
// months of 1900, or from 1904-01-01 on.
func dayOf(s string, since1904 bool) (string, bool) {
	f, err := strconv.ParseFloat(s, 64)
	start, least := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC), 61.0
	if since1904 {
		start, least = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC), 0
	}
	if err != nil || f < least || f > 80_000 {
		return "", false
	}
	return start.AddDate(0, 0, int(f)).Format(time.DateOnly), true
}

// words reads a text: names without space between their characters, numbers without
// signs that say nothing, whole or not at all.
func (l *Layout) words(it *Item, c *Column, cell sheet.Cell, s string) (string, bool) {
	fd := c.field
	if fd.Issue != nil && none[squeeze(s)] {
		return "", true // said to be nothing, it must not become an issue
	}
	if cell.Kind == sheet.Number {
		switch {
		case cell.Look.Date:
			day, ok := l.serial(it, c, digits(s))
			if ok {
				it.odd(c, "Excel 把它变成了日期 %s，请核对原来写的是什么", "Excel has made the date %s of it; compare it with what was written", day)
			}
			return day, ok
		case long(s) && fd.IDNumber():
			it.ruined(c)
			return "", false
		case long(s):
			it.wrong(c, "数字太长，Excel 只留下前 15 位，后面的已变成 0。请把这一列设为“文本”，按原件重新填写", "Excel has kept 15 digits of this number and made the rest 0; make the column text and enter it again from the original")
			return "", false
		}
		return padded(cell, s), true
	}
	plain := squeeze(s)
	switch {
	case fd.IDNumber():
		if form.Ruined(plain) {
			it.ruined(c)
			return "", false
		}
		return plain, true
	case science.MatchString(plain) && strings.ContainsAny(plain, "Ee"):
		it.wrong(c, "变成了科学计数法（%s），后面的数字已丢失。请把这一列设为“文本”，按原件重新填写", "it was written as %s, and digits were lost; make the column text and enter it again from the original", plain)
		return "", false
	case isName(s):
		return strings.Join(strings.Fields(s), ""), true
	}
	if p := strings.ReplaceAll(strings.TrimPrefix(plain, "+86"), "-", ""); mobile.MatchString(p) {
		return p, true
	}
	if isCode(plain) && (!strings.ContainsFunc(s, unicode.IsSpace) || strings.Trim(plain, "0123456789-") == "") {
		return plain, true
	}
	return s, true
}

func (it *Item) ruined(c *Column) {
	it.wrong(c, "证件号被 Excel 破坏（末位变成 000 或写成 E+），这一行没有收。请把这一列设为“文本”，按原件重新填写", "the ID number was ruined by Excel (last digits 000, or E+), and the row was not taken; make the column text and enter it again from the card")
}

// isName tells a short text of Chinese characters alone, with space between them as
// names are stretched.
func isName(s string) bool {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Han, r):
			n++
		case r != ' ' && r != '\u3000' && r != '\u00a0':
			return false
		}
	}
	return n > 0 && n <= 4
}

// isCode tells a text of digits, letters and few signs, as numbers of things are.
func isCode(s string) bool {
	has := false
	for _, r := range s {
		if r >= utf8.RuneSelf || !unicode.IsDigit(r) && !unicode.IsLetter(r) && !strings.ContainsRune("-/.()#", r) {
			return false
		}
		has = has || unicode.IsDigit(r)
	}
	return has
}

// canon reads a text by its field; of a code also with a number before it, as lists to
// choose from have, and with a remark in brackets behind.
func canon(fd *form.Field, text string) (record.Value, error) {
	v, err := fd.CanonText(text)
	if err == nil || fd.Kind != form.SelectOne && fd.Kind != form.SelectMultiple {
		return v, err
	}
	for _, t := range []string{
		squeeze(text),
		ordinal.ReplaceAllString(strings.TrimSpace(text), ""),
		brackets.ReplaceAllString(text, ""),
		strings.NewReplacer("/", "、", "\\", "、", "+", "、", " ", "、").Replace(text),
	} {
		if t == text || strings.TrimSpace(t) == "" {
			continue
		}
		if v, again := fd.CanonText(t); again == nil {
			return v, nil
		}
	}
	return v, err
}
