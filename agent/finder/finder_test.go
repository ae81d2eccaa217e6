package finder

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/pinyin"
	"zhucun/shared/record"
)

func idOf(kind byte, n int) (id record.ID) {
	id[0], id[6], id[8] = kind, 0x70, 0x80
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

// plain is what there is, and finds by looking at all of it.
type plain struct {
	houses map[record.ID]House
	people map[record.ID]Person
	visits map[record.ID]Visit
}

func (p *plain) read(visit record.ID) []string { return p.visits[visit].Texts }

// reads tells whether a name, or the beginning of one, may be typed so: the plain way, by
// every way of writing every character.
func reads(name, typed []rune) (some, whole bool) {
	if len(typed) == 0 {
		return true, len(name) == 0
	}
	if len(name) == 0 {
		return false, false
	}
	try := func(n int) {
		s, w := reads(name[1:], typed[n:])
		some, whole = some || s, whole || w
	}
	if name[0] == typed[0] {
		try(1)
	}
	for syllable := range pinyin.Readings(name[0]) {
		s := []rune(syllable)
		for n := 1; n <= len(s) && n <= len(typed); n++ {
			all := n == len(s) || n == 1 || n == 2 && s[1] == 'h' || n == len(typed)
			if all && slices.Equal(s[:n], typed[:n]) {
				try(n)
			}
		}
	}
	return some, whole
}

// rank says how well a word fits a household, the plain way.
func (p *plain) rank(h House, w word) uint8 {
	best := uint8(unfound)
	note := func(r uint8) { best = min(best, r) }
	byName := func(s string, other uint8) {
		name := pinyin.Called(s)
		some, whole := reads(name, w.runes)
		switch {
		case slices.Equal(name, w.runes):
			note(rankSame + other)
		case len(w.runes) <= len(name) && slices.Equal(name[:len(w.runes)], w.runes):
			note(rankBegins + other)
		case whole:
			note(rankSounds + other)
		case some:
			note(rankStarts + other)
		case !w.latin || len(w.runes) > 1:
			for i := range name {
				if some, _ := reads(name[i:], w.runes); some {
					note(rankInside + other)
				}
			}
		}
	}
	group := func() {
		name := pinyin.Called(h.Group)
		for i := range name {
			if some, _ := reads(name[i:], w.runes); some && (i == 0 || !w.latin || len(w.runes) > 1) {
				note(rankGroup)
			}
		}
		if numbered(w.runes).means(numbered(name)) {
			note(rankGroup)
		}
	}
	group()
	if !w.digits {
		byName(h.Name, 0)
	}
	for _, n := range []string{code(h.Phone), code(h.No)} {
		switch {
		case w.code == "" || n == "":
		case n == w.code, len(w.code) >= 4 && strings.HasSuffix(n, w.code):
			note(rankNumber)
		case len(w.code) >= 3 && strings.Contains(n, w.code):
			note(rankDigits)
		}
	}
	for _, x := range p.people {
		if x.House != h.ID {
			continue
		}
		if !w.digits {
			byName(x.Name, 1)
		}
		n := code(x.Number)
		if len(n) < 4 || tailOf(n) == noTail {
			continue
		}
		switch tail := n[len(n)-4:]; {
		case w.digits && tail == w.code, len(w.code) > 4 && n == w.code:
			note(rankNumber)
		case w.digits && len(w.code) < 4 && strings.HasPrefix(tail, w.code) && !strings.Contains(w.code, "x"):
			note(rankDigits)
		}
	}
	if len(w.grams) > 0 {
		for _, v := range p.visits {
			if v.House == h.ID && slices.ContainsFunc(v.Texts, func(t string) bool { return index(pinyin.Folded(t), w.runes) >= 0 }) {
				note(rankText)
			}
		}
	}
	return best
}

// find is Index.Find the plain way: all of it, in order.
func (p *plain) find(q Query) (found []record.ID) {
	list := words(q.Words)
	type one struct {
		h          House
		rank, away int
	}
	var all []one
	for _, h := range p.houses {
		o := one{h: h}
		if o.away = slices.Index(q.Villages, h.Village); o.away < 0 {
			o.away = len(q.Villages)
		}
		if q.Village != "" && h.Village != q.Village || q.Group != nil && h.Group != *q.Group {
			continue
		}
		fits := true
		for _, w := range list {
			r := p.rank(h, w)
			fits = fits && r != unfound
			o.rank += int(r)
		}
		if fits {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b one) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		if a.away != b.away {
			return a.away - b.away
		}
		return a.h.compare(&b.h)
	})
	for _, o := range all {
		found = append(found, o.h.ID)
	}
	return found
}

var (
	nameOf  = rapid.StringOfN(rapid.RuneFrom([]rune("王小明单解曾重庆吕欧阳A·𠀀")), 1, 4, -1)
	groupOf = rapid.SampledFrom([]string{"", "一组", "三里背组", "重庆组", "3组", "第3组", "三组"})
	digits  = rapid.StringOfN(rapid.RuneFrom([]rune("0012")), 0, 11, -1)
	// Some have all that a word is made of, and not the word.
	textOf = rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("王水管坏了低保a5g，。 12𠀀")), 0, 12, -1), rapid.SampledFrom([]string{"水管，管坏", "管坏了水管", "a5 5g", "水管坏了", "管坏保水管"}))
)

func numberOf(t *rapid.T) string {
	n := rapid.StringOfN(rapid.RuneFrom([]rune("0123")), 17, 17, -1).Draw(t, "number")
	return rapid.SampledFrom([]string{"", n + "0", n + "X", n + "x", "3", "abcd"}).Draw(t, "ending")
}

func queryOf(t *rapid.T) Query {
	q := Query{Villages: []record.Village{"b", "a"}[:rapid.IntRange(0, 2).Draw(t, "villages")]}
	part := rapid.OneOf(nameOf, digits, textOf, groupOf,
		rapid.StringOfN(rapid.RuneFrom([]rune("wxmangiosheczqv")), 1, 5, -1),
		rapid.SampledFrom([]string{"wxm", "wangxm", "王xm", "shan", "xie", "zeng", "chong", "zhongq", "qing", "lv", "lu", "ouyang", "oy", "12X", "水管", "水管坏", "5g", "a5"}))
	q.Words = strings.Join(rapid.SliceOfN(part, 1, 2).Draw(t, "words"), " ")
	q.Village = rapid.SampledFrom([]record.Village{"", "", "a"}).Draw(t, "village")
	if rapid.IntRange(0, 5).Draw(t, "grouped") == 0 {
		g := groupOf.Draw(t, "group")
		q.Group = &g
	}
	return q
}

// Whatever comes, changes and goes, the index finds what a plain look at everything finds,
// in the same order, on however many pages it is asked for.
func TestFindsWhatAPlainLookFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, p := New(), &plain{map[record.ID]House{}, map[record.ID]Person{}, map[record.ID]Visit{}}
		some := func(name string) int { return rapid.IntRange(0, 5).Draw(t, name) }
		t.Repeat(map[string]func(*rapid.T){
			"house": func(t *rapid.T) {
				n := some("house")
				h := House{idOf(1, n), rapid.SampledFrom([]record.Village{"a", "b", "c"}).Draw(t, "in"), nameOf.Draw(t, "name"), groupOf.Draw(t, "group"), digits.Draw(t, "phone"), digits.Draw(t, "no")}
				p.houses[h.ID] = h
				x.Put(h)
			},
			"all houses": func(t *rapid.T) {
				var list []House
				for n := range few + 2 {
					h := House{idOf(1, n), "a", nameOf.Draw(t, "name"), groupOf.Draw(t, "group"), digits.Draw(t, "phone"), ""}
					p.houses[h.ID] = h
					list = append(list, h)
				}
				x.Put(list...)
			},
			"person": func(t *rapid.T) {
				one := Person{idOf(2, some("person")), idOf(1, some("of")), nameOf.Draw(t, "name"), numberOf(t)}
				p.people[one.ID] = one
				x.PutPeople(one)
			},
			"visit": func(t *rapid.T) {
				v := Visit{idOf(3, some("visit")), idOf(1, some("to")), rapid.SliceOfN(textOf, 0, 2).Draw(t, "texts")}
				p.visits[v.ID] = v
				x.PutVisits(v)
			},
			"gone": func(t *rapid.T) {
				id := idOf(byte(rapid.IntRange(1, 3).Draw(t, "kind")), some("gone"))
				delete(p.houses, id)
				delete(p.people, id)
				delete(p.visits, id)
				x.Drop(id)
			},
			"": func(t *rapid.T) {
				q := queryOf(t)
				if len(words(q.Words)) == 0 {
					return
				}
				for _, v := range p.visits {
					if house, known := x.Visited(v.ID); !known || house != v.House {
						t.Fatalf("visit %s is to %s, not to %s", v.ID, house, v.House)
					}
				}
				want := p.find(q)
				var got []record.ID
				q.Count = rapid.IntRange(1, 4).Draw(t, "count")
				for first := true; first || q.From > 0; first = false {
					res := x.Find(q, p.read)
					if first && !res.About && res.Total != len(want) {
						t.Fatalf("%q: %d in all, not %d", q.Words, res.Total, len(want))
					}
					if res.Total < len(want) && first {
						t.Fatalf("%q: at most %d, and there are %d", q.Words, res.Total, len(want))
					}
					for _, h := range res.Hits {
						got = append(got, h.House.ID)
					}
					q.From = res.Next
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%q finds %v, a plain look %v", q.Words, got, want)
				}
			},
		})
	})
}

// The same over many visits, as segments are sealed, merged, and written anew.
func TestFindsInSegments(t *testing.T) {
	x, p := New(), &plain{map[record.ID]House{}, map[record.ID]Person{}, map[record.ID]Visit{}}
	letters := []rune("水管坏了低保金发到手里老人身体好孩子上学去外面打工")
	for n := range 40 {
		h := House{ID: idOf(1, n), Village: "a", Name: "王" + string(letters[n%len(letters)])}
		p.houses[h.ID] = h
		x.Put(h)
	}
	var together []Visit // put in at once, as a sync brings them
	flush := func() { x.PutVisits(together...); together = nil }
	put := func(n, salt int) {
		var b strings.Builder
		for i := range 12 {
			b.WriteRune(letters[(n*7+i*i*(n%13+1)+salt*(i+3))%len(letters)])
		}
		v := Visit{idOf(3, n), idOf(1, n%40), []string{b.String()}}
		p.visits[v.ID] = v
		if together = append(together, v); len(together) == 300 {
			flush()
		}
	}
	check := func(when string) {
		t.Helper()
		for i := range letters {
			for _, q := range []string{string(letters[i]) + string(letters[(i+7)%len(letters)]), string(letters[i]) + string(letters[(i*5+3)%len(letters)]) + string(letters[(i*3+1)%len(letters)])} {
				want := p.find(Query{Words: q})
				var got []record.ID
				for res, from := (Result{}), 0; ; from = res.Next {
					res = x.Find(Query{Words: q, Count: 50, From: from}, p.read)
					for _, h := range res.Hits {
						got = append(got, h.House.ID)
					}
					if res.Next == 0 {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s: %q finds %d, a plain look %d", when, q, len(got), len(want))
				}
			}
		}
		// Each visit is there, and not just another of its household.
		has := map[uint32]map[record.ID]bool{}
		for id, v := range p.visits {
			for _, g := range gramsOf(nil, pinyin.Folded(v.Texts[0])) {
				if has[g] == nil {
					has[g] = map[record.ID]bool{}
				}
				has[g][id] = true
			}
		}
		for g, want := range has {
			got := map[record.ID]bool{}
			x.having([]uint32{g}, func(v uint32) { got[x.visitID[v]] = true })
			if !maps.Equal(got, want) {
				t.Fatalf("%s: gram %x is found in %d visits and stands in %d", when, g, len(got), len(want))
			}
		}
	}
	const many = 4*openTexts + 100
	for n := range many {
		put(n, 0)
	}
	flush()
	if len(x.segments) != 1 || len(x.segments[0].visits) != 4*openTexts {
		t.Fatalf("%d segments", len(x.segments))
	}
	check("merged")
	for n := range many / 2 {
		put(n, 1)
	}
	flush()
	for n := range 50 {
		delete(p.visits, idOf(3, n))
		x.Drop(idOf(3, n))
	}
	check("written anew")
	if left := len(x.visitID); left > many*3/2 {
		t.Errorf("%d places are kept for %d visits", left, len(p.visits))
	}
	for v := range maps.Keys(p.visits) {
		if _, known := x.Visited(v); !known {
			t.Fatalf("visit %s is known no more", v)
		}
	}
}

// A group that has a number is found however that is written, and by no other number.
func TestGroupsByNumber(t *testing.T) {
	for _, tt := range []struct{ name, by, not string }{
		{"三组", "3组 第三组 第3组 ３组 三组 三 3 第三 3小组 03组", "13组 三十组 2组 3队 30组 第十三组"},
		{"第3组", "三组 3组 第三组 3 三 三村民小组", "二组 三社"},
		{"十二村民小组", "12组 第12组 十二组", "2社 一十组 1组"},
		{"20队", "二十队 第二十队 20 二十", "2队 二十组 20组"},
		{"三里背组", "三里 三", "3组 三组"},
		{"一二组", "一二", "12组 3组"},
	} {
		for _, of := range []struct {
			words string
			want  int
		}{{tt.by, 1}, {tt.not, 0}} {
			for _, typed := range strings.Fields(of.words) {
				x := New()
				x.Put(House{ID: idOf(1, 1), Village: "a", Name: "王", Group: tt.name})
				if got := x.Find(Query{Words: typed, Count: 1}, nil).Total; got != of.want {
					t.Errorf("%s by %s: %d, want %d", tt.name, typed, got, of.want)
				}
			}
		}
	}
}

// Each row is a name and what it is found by, and not.
func TestNames(t *testing.T) {
	tests := []struct {
		name, by, not string
	}{
		{"王小明", "王 王小 王小明 小明 明 w wx wxm wang wangx wangxiao wangxiaoming wangxm wxming wxiaom xiaoming xm 王xm 王xiaom W ＷＸ", "wm mx 王明 m x ang xw wxmx"},
		// Surnames that are read in another way than the word.
		{"单田芳", "shan shantf stf dan", "chuan"},
		{"解晓东", "xie xxd jie", ""},
		{"曾国", "zeng zg ceng", ""},
		{"仇英", "qiu chou", ""},
		{"区某", "ou qu", ""},
		{"查良", "zha cha", ""},
		{"翟让", "zhai di", ""},
		{"乐毅", "yue le", ""},
		{"朴正", "piao pu", ""},
		{"覃勇", "qin tan", ""},
		{"尉迟恭", "yuchi yc wei", ""},
		{"万俟卨", "moqi mq wan", ""},
		{"盖聂", "ge gai", ""},
		{"缪昌", "miao mou", ""},
		{"黑某", "he hei", ""},
		// And within a name.
		{"张重庆", "chong zhong zcq zzq zhangchongqing zhangzhong", ""},
		{"李长乐", "changle zhangle lichang liz", ""},
		// Initials of two letters.
		{"张守中", "zsz zhshzh zhsz zshz zhangsz", "zhhz"},
		{"吕绿", "lv lvlv lu lulu ll lü", "lyu"},
		{"欧阳锋", "ouyang oyf oy", ""},
		{"买买提·吐尔逊", "买买提 买买提吐 mmt mmtt 吐尔逊 买买提·吐", ""},
		{"王 小明", "王小明 wxm", ""},
		{"Anna Li", "anna ANNA annali li", "nan"},
		{"𬭎某", "𬭎 hong", ""},
	}
	for _, tt := range tests {
		n := newNames()
		id := n.of(tt.name)
		n.list[id].bearer = 0
		found := func(by string) (ok bool) {
			w := words(by)
			if len(w) != 1 {
				t.Fatalf("%q is %d words", by, len(w))
			}
			n.like(&w[0], func(uint32, likeness) { ok = true })
			return ok
		}
		for _, by := range strings.Fields(tt.by) {
			if !found(by) {
				t.Errorf("%s is not found by %q", tt.name, by)
			}
		}
		for _, by := range strings.Fields(tt.not) {
			if found(by) {
				t.Errorf("%s is found by %q", tt.name, by)
			}
		}
	}
}

// Each row is a number and what it is found by, and not.
func TestNumbers(t *testing.T) {
	x := New()
	x.Put(House{ID: idOf(1, 1), Name: "王", Phone: "128 3751-5128", No: "3699990000010001"}, House{ID: idOf(1, 2), Name: "李", No: "12"})
	x.PutPeople(Person{idOf(2, 1), idOf(1, 1), "王小", "36999919740621004x"})
	tests := []struct{ by, finds string }{
		{"5128", "1"}, {"12837515128", "1"}, {"375", "1"}, {"128", "1"}, {"0001", "1"},
		{"004X", "1"}, {"004x", "1"}, {"004", "1"}, {"00", "1"}, {"0", "1"}, {"４Ｘ", ""}, {"04", ""},
		{"36999919740621004X", "1"}, {"36999919740621005X", ""}, {"1974", ""}, {"62100", ""},
		{"12", "2"}, {"1", ""}, {"51 28", ""},
	}
	for _, tt := range tests {
		got := ""
		for _, h := range x.Find(Query{Words: tt.by, Count: 5}, nil).Hits {
			got += fmt.Sprint(h.House.ID[15])
		}
		if got != tt.finds {
			t.Errorf("%q finds %q, not %q", tt.by, got, tt.finds)
		}
	}
}

// Whoever was found by something of theirs is named, and words of a visit are shown with
// what is around them.
func TestHits(t *testing.T) {
	x := New()
	x.Put(House{ID: idOf(1, 1), Name: "王大山"})
	x.PutPeople(Person{idOf(2, 1), idOf(1, 1), "王大山", "369999197406210010"}, Person{idOf(2, 2), idOf(1, 1), "李桂花", "369999197406210029"})
	texts := map[record.ID][]string{
		idOf(3, 1): {"老伴腿疼，没去医院。"},
		idOf(3, 2): {"上午在家谈了半个钟头，屋后的水管冬天冻裂过，Wifi没有装，想换成铁的水管，今年还种了三亩油茶，明年打算再种两亩，合作社来收。"},
	}
	for id, t := range texts {
		x.PutVisits(Visit{id, idOf(1, 1), t})
	}
	tests := []struct{ words, want string }{
		{"王大山", ""},
		{"wds", ""},
		{"李桂花", "李桂花"},
		{"lgh", "李桂花"},
		{"0029", "李桂花#"},
		{"0010", "王大山#"},
		{"王 lgh 0029", "李桂花 李桂花#"},
		{"水管", "2:上午在家谈了半个钟头，屋后的[水管]冬天冻裂过，Wifi没有装，想换成铁的[水管]，今年还种了三亩油茶，明年打算再种…"},
		{"wifi", "2:…，屋后的水管冬天冻裂过，[Wifi]没有装，想换成铁的水管，今年还种了三亩油茶，明年打算再种两亩，合作社来收。"},
		{"腿疼 水管", "1:老伴[腿疼]，没去医院。 2:上午在家谈了半个钟头，屋后的[水管]冬天冻裂过，Wifi没有装，想换成铁的[水管]，今年还种了三亩油茶，明年打算再种…"},
		{"冻裂 油茶 王", "2:…半个钟头，屋后的水管冬天[冻裂]过，Wifi没有装，想换成铁的水管，今年还种了三亩[油茶]，明年打算再种两亩，合…"},
	}
	for _, tt := range tests {
		res := x.Find(Query{Words: tt.words, Count: 5}, func(v record.ID) []string { return texts[v] })
		if len(res.Hits) != 1 {
			t.Errorf("%s finds %d", tt.words, len(res.Hits))
			continue
		}
		var said []string
		for _, m := range res.Hits[0].People {
			said = append(said, m.Name+strings.Repeat("#", boolInt(m.Number)))
		}
		for _, e := range res.Hits[0].Excerpts {
			s := fmt.Sprintf("%d:", e.Visit[15])
			for _, p := range e.Parts {
				if p.Marked {
					p.Text = "[" + p.Text + "]"
				}
				s += p.Text
			}
			said = append(said, s)
		}
		if got := strings.Join(said, " "); got != tt.want {
			t.Errorf("%s: %s\nnot %s", tt.words, got, tt.want)
		}
	}
}
