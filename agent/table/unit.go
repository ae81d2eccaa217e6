package table

import (
	"math/big"
	"regexp"
	"strings"

	"zhucun/shared/form"
)

// unit is what numbers are counted in: times so many of a base unit.
type unit struct {
	times *big.Rat
	base  string
	text  string // as written
}

var one = big.NewRat(1, 1)

// bases are the units with their other spellings.
var bases = map[string]string{
	"元": "元", "圆": "元", "块": "元", "块钱": "元", "人民币元": "元", "yuan": "元", "rmb": "元", "cny": "元",
	"亩": "亩", "mu": "亩", "㎡": "㎡", "平方米": "㎡", "平米": "㎡", "平方": "㎡", "m2": "㎡", "m²": "㎡",
	"公里": "公里", "千米": "公里", "km": "公里",
	"人": "人", "户": "户", "岁": "岁", "个": "个", "月": "月", "个月": "月", "年": "年", "天": "天", "次": "次", "%": "%", "人次": "人次",
	"头": "头", "只": "只", "斤": "斤", "公斤": "公斤", "kg": "公斤", "吨": "吨", "张": "张", "项": "项", "件": "件",
}

// derived are units that are so many of another.
var derived = map[string]unit{
	"公顷": {big.NewRat(15, 1), "亩", ""}, "ha": {big.NewRat(15, 1), "亩", ""},
	"米": {big.NewRat(1, 1000), "公里", ""}, "m": {big.NewRat(1, 1000), "公里", ""}, "里": {big.NewRat(1, 2), "公里", ""}, "华里": {big.NewRat(1, 2), "公里", ""},
}

var multiples = []struct {
	word  string
	times int64
}{{"百万", 1e6}, {"千万", 1e7}, {"亿", 1e8}, {"万", 1e4}, {"千", 1e3}, {"百", 100}}

// unitOf reads a unit; false for a text that is none.
func unitOf(s string) (unit, bool) {
	word := strings.ToLower(squeeze(s))
	for _, p := range []string{"单位:", "单位"} {
		word = strings.TrimPrefix(word, p)
	}
	if b, ok := bases[word]; ok {
		return unit{one, b, s}, true
	}
	if u, ok := derived[word]; ok {
		return unit{u.times, u.base, s}, true
	}
	for _, m := range multiples {
		rest, ok := strings.CutPrefix(word, m.word)
		if !ok {
			continue
		}
		times := big.NewRat(m.times, 1)
		if b, ok := bases[rest]; ok {
			return unit{times, b, s}, true
		}
		if u, ok := derived[rest]; ok {
			return unit{times.Mul(times, u.times), u.base, s}, true
		}
	}
	return unit{}, false
}

// unitOfField is the unit that a field's label or hint names; "" where none does.
func unitOfField(fd *form.Field) string {
	words := fd.Label.Zh + fd.Hint.Zh
	for _, base := range []string{"亩", "㎡", "公里", "元"} {
		if strings.Contains(words, base) {
			return base
		}
	}
	return ""
}

// fits tells whether numbers in u can be answers to fd.
func (u *unit) fits(fd *form.Field) bool {
	if fd.Kind != form.Integer && fd.Kind != form.Decimal {
		return true // a remark on how to write it
	}
	base := unitOfField(fd)
	if base == "" {
		return u.base != "元" || u.times.Cmp(one) != 0
	}
	return u.base == base
}

var aboveUnit = regexp.MustCompile(`单位[:：]?[^元]{0,12}?((?:百|千|万|百万|千万|亿)?元)`)

// unitAbove finds the unit of amounts in what stands above a table.
func unitAbove(text string) (unit, bool) {
	m := aboveUnit.FindStringSubmatch(squeeze(text))
	if m == nil {
		return unit{}, false
	}
	return unitOf(m[1])
}

// decimal writes a number with a point, without zeros at its end.
func decimal(r *big.Rat) string {
	s := r.FloatString(12)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
