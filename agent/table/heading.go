package table

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Where a column goes beside a field of the form, and "FIELD.OTHER": the record that
// FIELD names is the one whose OTHER reads so.
const (
	LeaveOut = "-"        // nowhere
	Village  = "_village" // the record's village, by name or code
)

// squeeze takes out all space and makes wide signs plain.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case unicode.IsSpace(r), r == '\u3000', r == '\u200b', r == '\ufeff', r == '\u00a0':
			return -1
		}
		return r
	}, s)
}

// Norm is a heading as it is compared: no space, no signs that say nothing.
func Norm(s string) string {
	s = strings.ToLower(squeeze(s))
	return strings.Trim(s, "*★☆※:;,.、。·-_")
}

var brackets = regexp.MustCompile(`[(\[【〔{（][^)\]】〕}）]*[)\]】〕}）]`)

// heading is one text over a column, taken apart.
type heading struct {
	full string // all of it
	base string // without what is in brackets
	unit *unit
}

func headingOf(s string) heading {
	h := heading{full: Norm(s)}
	h.base = Norm(brackets.ReplaceAllStringFunc(squeeze(s), func(b string) string {
		if u, ok := unitOf(strings.Trim(b, "()[]【】〔〕{}（）")); ok && h.unit == nil {
			h.unit = &u
		}
		return ""
	}))
	// 金额/万元, 金额单位：元
	for _, sep := range []string{"单位:", "单位", "/", ":"} {
		if before, after, ok := strings.Cut(h.base, sep); ok && before != "" {
			if u, ok := unitOf(after); ok && h.unit == nil {
				h.unit, h.base = &u, Norm(before)
			}
		}
	}
	if h.base == "" {
		h.base = h.full
	}
	return h
}

// spellings are the texts by which a heading is looked up, the most exact first.
func (h *heading) spellings() []string {
	out := []string{h.full}
	if h.unit != nil {
		out = append(out, h.base+Norm(h.unit.text))
	}
	return append(out, h.base)
}

// leftOut are the headings of columns that no form asks for, and that say nothing of
// their own: numbers of rows, where all of them are, what is worked out, signatures.
var leftOut = words("序号 序 行号 编序 no 备注 说明 年龄 周岁 省 省份 市 地市 县 县区 县名 县(市、区) 区县 乡镇 乡 镇 乡镇名称 乡镇名 所属乡镇 签字 签名 签章 农户签字 签字确认 填表人 审核人 合计 小计 总计")

// villageWords are the headings of the village that rows are of.
var villageWords = words("村 行政村 村名 村代码 行政村名称 行政村代码 所在村 所属村 村委会 村名称 village")

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[Norm(w)] = true
	}
	return m
}

// vague are headings that say something only together with what stands above them.
var vague = words("姓名 电话 联系电话 手机 手机号 手机号码 联系方式 日期 时间 年度 年份 金额 名称 单位 状态 类型 类别 情况 内容 数量 面积 职务 身份 关系 编号")

// neutral are texts above headings that add nothing to them.
var neutral = words("基本 家庭 农户 贫困户 户 人员 家庭成员 成员 个人 生产生活条件 生产生活 其他 其它")

var aboutness = regexp.MustCompile(`(基本)?(情况|信息|资料|状况)$`)

// index finds the fields of a form, and what else columns are, by their headings.
type index struct {
	form  *form.Form
	exact map[string]string // normal spelling -> target
	alike map[string]string // what the hints call a field
}

// newIndex gathers the headings of a form, and of those that its references lead to.
func newIndex(forms *form.Set, f *form.Form) *index {
	x := &index{f, map[string]string{}, map[string]string{}}
	put := func(m map[string]string, word, target string) {
		if word = Norm(word); word == "" {
			return
		}
		if old, ok := m[word]; ok && old != target {
			target = "" // says nothing
		}
		m[word] = target
	}
	for _, fd := range f.Fields {
		target := fd.Name
		if fd.Kind == form.Calculate || fd.Kind == form.Image {
			target = LeaveOut
		}
		for _, w := range append([]string{fd.Name, fd.Label.Zh, fd.Label.En, brackets.ReplaceAllString(fd.Label.En, "")}, fd.Also...) {
			put(x.exact, w, target)
		}
		for _, w := range strings.FieldsFunc(strings.ReplaceAll(fd.Hint.Zh, "或", "；"), func(r rune) bool { return strings.ContainsRune("；，。、（）", r) }) {
			if n := utf8.RuneCountInString(w); n >= 3 && n <= 10 && !strings.HasPrefix(w, "单位") {
				put(x.alike, w, target)
			}
		}
	}
	// What tells the record that a reference names, unless the form itself asks it.
	others := map[string]string{}
	for _, fd := range f.Fields {
		if fd.Kind != form.RefOne {
			continue
		}
		g := forms.Form(fd.Refers)
		for _, other := range Tells(g) {
			for _, w := range append([]string{fd.Label.Zh + other.Label.Zh, other.Label.Zh, other.Label.En}, other.Also...) {
				put(others, w, fd.Name+"."+other.Name)
			}
		}
	}
	for w, target := range others {
		if _, own := x.exact[w]; !own {
			x.exact[w] = target
		}
	}
	for w := range villageWords {
		if _, own := x.exact[w]; !own {
			x.exact[w] = Village
		}
	}
	for w := range leftOut {
		if _, own := x.exact[w]; !own {
			x.exact[w] = LeaveOut
		}
	}
	return x
}

// Tells gives the fields by which people tell records of a form apart.
func Tells(g *form.Form) []*form.Field {
	var out []*form.Field
	for _, names := range append([][]string{g.Key, g.Titles}, g.Alike...) {
		for _, name := range names {
			fd := g.Field(name)
			if fd != nil && fd.Kind == form.Text && !slices.Contains(out, fd) {
				out = append(out, fd)
			}
		}
	}
	return out
}

// target finds what the texts over a column mean, from the top down. sure is false for
// a guess.
func (x *index) target(parts []string) (target string, u *unit, sure bool) {
	var hs []heading
	for _, p := range parts {
		if h := headingOf(p); h.full != "" && (len(hs) == 0 || hs[len(hs)-1].full != h.full) {
			hs = append(hs, h)
		}
	}
	if len(hs) == 0 {
		return "", nil, false
	}
	for i := len(hs) - 1; i >= 0 && u == nil; i-- {
		u = hs[i].unit
	}
	leaf := hs[len(hs)-1]
	above := ""
	alone := true // what stands above adds nothing
	for _, h := range hs[:len(hs)-1] {
		about := Norm(aboutness.ReplaceAllString(h.base, ""))
		if about == "" {
			continue
		}
		above = about
		alone = alone && neutral[about]
	}
	if above != "" {
		for _, w := range leaf.spellings() {
			if t := x.exact[above+w]; t != "" {
				return t, u, true
			}
		}
	}
	if alone || !vague[leaf.base] {
		for _, w := range leaf.spellings() {
			if t := x.exact[w]; t != "" {
				return t, u, true
			}
		}
	}
	if !alone && vague[leaf.base] {
		return "", u, false
	}
	for _, w := range leaf.spellings() {
		if t := x.alike[w]; t != "" {
			return t, u, false
		}
	}
	return x.guess(leaf.base), u, false
}

// guess gives the one field whose heading is part of the text, or the other way round.
func (x *index) guess(base string) string {
	found, most := "", 0
	for w, t := range x.exact {
		n := utf8.RuneCountInString(w)
		if t == "" || t == LeaveOut || t == Village || n < 2 || utf8.RuneCountInString(base) < 2 || !strings.Contains(base, w) && !strings.Contains(w, base) {
			continue
		}
		if n = min(n, utf8.RuneCountInString(base)); n > most {
			found, most = t, n
		} else if n == most && t != found {
			found = ""
		}
	}
	return found
}

// known tells a text that is a heading of some form.
type known map[string]bool

func newKnown(forms *form.Set) known {
	k := known{}
	for _, f := range forms.Forms() {
		for w, t := range newIndex(forms, f).exact {
			if t != LeaveOut && utf8.RuneCountInString(w) > 1 {
				k[w] = true
			}
		}
	}
	return k
}

// typeWords are what sheets and files of a type are called.
func typeWords(f *form.Form) []string {
	out := []string{f.Title.Zh, f.Title.En, string(f.Type)}
	if i := strings.LastIndex(f.Title.Zh, "台账"); i > 0 {
		out = append(out, f.Title.Zh[:i])
	}
	return out
}

// Target tells whether a target is one of the form's, or of those that it refers to.
func Target(forms *form.Set, t record.Type, target string) bool {
	f := forms.Form(t)
	if target == LeaveOut || target == Village {
		return true
	}
	name, other, ref := strings.Cut(target, ".")
	fd := f.Field(name)
	if fd == nil || fd.Kind == form.Calculate || fd.Kind == form.Image {
		return false
	}
	if !ref {
		return true
	}
	return fd.Kind == form.RefOne && slices.ContainsFunc(Tells(forms.Form(fd.Refers)), func(o *form.Field) bool { return o.Name == other })
}
