package dataset

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// writer has one visitor's habits: an own order of preference over words and
// clauses. Half of the words follow the village's order instead, as people
// who work together come to talk alike.
type writer struct {
	village   *village
	words     map[string][]string
	findings  [][]node
	needs     [][]node
	promises  [][]node
	modifiers []string
	manners   []string
	asides    []string
	stops     float64 // share of clauses that end a sentence
}

func newWriter(r *draw, v *village) *writer {
	return &writer{
		village:   v,
		words:     shuffledLexicon(r),
		findings:  shuffled(r, clauses),
		needs:     shuffled(r, needClauses),
		promises:  shuffled(r, promiseClauses),
		modifiers: shuffled(r, modifiers),
		manners:   shuffled(r, manners),
		asides:    shuffled(r, asides),
		stops:     pick(r, []float64{0.72, 0.6, 0.8, 0.5}),
	}
}

// note writes what was found, in lo to hi characters.
func (w *writer) note(r *draw, lo, hi int) string { return w.text(r, w.findings, true, lo, hi) }

// need writes what the household asks for.
func (w *writer) need(r *draw, hi int) string { return w.text(r, w.needs, false, 8, hi) }

// promise writes what the visitor undertook.
func (w *writer) promise(r *draw, hi int) string { return w.text(r, w.promises, false, 8, hi) }

// text strings clauses together. A note also has asides and slips of the pen;
// a need or a promise is short and minded.
func (w *writer) text(r *draw, from [][]node, isNote bool, lo, hi int) string {
	target := 0
	if hi > 150 {
		target = min(hi, max(lo, int(r.normal(0, 1)*52+128)))
	} else {
		target = r.between(lo, hi)
	}
	var out []rune
	for len(out) < target {
		c := ""
		if isNote && r.chance(0.2) {
			c = zipf(r, w.asides, 0.5, 9)
			if r.chance(0.3) {
				c = zipf(r, w.words["av"], 0.7, 7) + c
			} else if r.chance(0.2) {
				c = zipf(r, w.words["ki"], 0.7, 7) + c
			}
		} else {
			var b strings.Builder
			w.expand(r, &b, zipf(r, from, 0.45, 6))
			c = b.String()
		}
		if r.chance(0.13) {
			c = fmt.Sprintf("%d月%d%s", r.between(1, 12), r.between(1, 30), pick(r, []string{"日", "号"})) + c
		}
		if isNote {
			c = slip(r, c)
		}
		if len(out)+utf8.RuneCountInString(c)+1 > hi {
			if len(out) >= lo {
				break
			}
			continue
		}
		out = append(out, []rune(c)...)
		switch {
		case r.chance(1 - w.stops):
			out = append(out, '，')
		case r.chance(0.06):
			out = append(out, '；')
		default:
			out = append(out, '。')
		}
	}
	out[len(out)-1] = '。'
	return string(out)
}

func (w *writer) expand(r *draw, b *strings.Builder, nodes []node) {
	for _, n := range nodes {
		switch {
		case n.slot != "":
			b.WriteString(w.word(r, n.slot))
		case n.optional:
			if r.chance(0.42) {
				w.expand(r, b, n.alts[0])
			}
		case n.alts != nil:
			w.expand(r, b, pick(r, n.alts))
		default:
			b.WriteString(n.text)
		}
	}
}

// word fills a slot.
func (w *writer) word(r *draw, slot string) string {
	switch slot {
	case "n":
		return number(r)
	case "mo_":
		return strconv.Itoa(r.between(1, 12))
	case "dt":
		return strconv.Itoa(r.between(1, 30))
	case "nm":
		if r.chance(0.4) {
			return zipf(r, w.village.people, 0.5, 10)
		}
		return randomName(r)
	case "pl":
		if r.chance(0.7) {
			return zipf(r, w.village.hamlets, 0.7, 4)
		}
		return placeName(r)
	}
	from := w.village.words
	if r.chance(0.5) {
		from = w.words
	}
	s := zipf(r, from[slot], 0.7, 7)
	switch slot {
	case "th", "rd", "cr", "st", "rt":
		if r.chance(0.3) {
			s = zipf(r, w.modifiers, 0.5, 9) + s
		}
	case "ki":
		if r.chance(0.24) {
			name := []rune(randomName(r))
			if r.chance(0.8) {
				name = name[max(0, len(name)-2):] // the given name alone
			}
			s += string(name)
		}
	case "do", "ev", "re", "vl":
		if r.chance(0.27) {
			s = zipf(r, w.manners, 0.5, 9) + s
		}
	}
	return s
}

// number is what people write where a number goes: small ones mostly, round
// ones often, decimals and characters now and then.
func number(r *draw) string {
	switch x := r.float(); {
	case x < 0.35:
		return strconv.Itoa(r.between(1, 9))
	case x < 0.6:
		return strconv.Itoa(r.between(10, 99))
	case x < 0.7:
		return fmt.Sprintf("%d.%d", r.between(0, 30), r.between(1, 99))
	case x < 0.8:
		return string(pickRune(r, "一两三四五六七八九十"))
	case x < 0.92:
		return strconv.Itoa(r.between(1, 199) * 5)
	default:
		return strconv.Itoa(r.between(1000, 19999))
	}
}

// homophones has, for a character, those that sound alike.
var homophones = func() map[rune][]rune {
	m := map[rune][]rune{}
	for _, group := range strings.Fields(`
		的得地 在再 做作 已以 像象 坐座 带戴 账帐 那哪 他她它 即既 报抱 只支 到道 是事 时实 工公
		元员 里理 家加 户护 村存 组祖 医一 收手 房方 水谁 电店 路录 贷代 款宽 请清情 办半 问闻 低底
		保宝 年念 月约 块快 想向 过果 门们 前钱 后候 上伤 下夏 山三 种重 田填 猪珠 鸡机 牛扭 羊阳
		药要 病并 学血 校笑 费废 补布 贴铁 修休 桥瞧 车扯 走奏 来赖 去趣 新心 旧就 老捞 小晓 大达
		多夺 少哨 好号 坏怀 说硕 讲奖 记计 台太 证正 卡咔 表标 章张 签迁 名明 字自 号耗`) {
		for _, c := range group {
			m[c] = append(m[c], []rune(strings.ReplaceAll(group, string(c), ""))...)
		}
	}
	return m
}()

// slip makes a note one typed in a hurry: a homophone here, a character left
// out there, one too many elsewhere. Digits are never lost.
func slip(r *draw, text string) string {
	var b strings.Builder
	for _, c := range text {
		x := r.float()
		same, isThere := homophones[c]
		digit := c >= '0' && c <= '9'
		switch {
		case isThere && x < 0.07:
			b.WriteRune(pick(r, same))
		case x > 0.994 && !digit:
		case x > 0.992:
			b.WriteRune(c)
			b.WriteRune(pickRune(r, "了的也就都在个把着过是有去来再要"))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
