package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

const (
	bamboo  = "369999000001" // the village of these laptops
	nowhere = "369999000009" // a village that nobody has entered
)

// office makes a world with a server of one village, and laptops a of the first
// secretary and b of a team member.
func office(t *testing.T, plain, beside bool) *world {
	t.Helper()
	w := newWorld(t, t.TempDir())
	w.beside = beside
	t.Cleanup(w.end)
	if err := w.office(plain, bamboo, "竹村"); err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string][2]string{"a": {"first_secretary", "王书记"}, "b": {"team_member", "李队员"}} {
		if err := w.laptop(name, bamboo, who[0], who[1]); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// put saves a record and gives its id.
func (w *world) put(t *testing.T, words ...string) string {
	t.Helper()
	id, ok, err := at(w.must(t, append([]string{"zhucun-agent", "put"}, words...)...), ".id")
	if err != nil || !ok {
		t.Fatalf("put printed no id: %v", err)
	}
	return id
}

// refused runs a command in both languages and wants its exit status and one
// sentence each, in that language.
func (w *world) refused(t *testing.T, stdin string, code int, zh, en string, args ...string) {
	t.Helper()
	for _, lang := range []struct{ name, want string }{{"zh", zh}, {"en", en}} {
		r, err := w.command(stdin, []string{"ZHUCUN_LANG=" + lang.name}, args...)
		if err != nil {
			t.Fatal(err)
		}
		if r.code != code {
			t.Errorf("%s: exit status %d, want %d\n%s", lang.name, r.code, code, r)
		}
		if !strings.Contains(r.err, lang.want) {
			t.Errorf("%s: does not say %q\n%s", lang.name, lang.want, r)
		}
		if n := len(lines(r.err)); n != 1 {
			t.Errorf("%s: %d lines, want one sentence\n%s", lang.name, n, r)
		}
		if foreign(r.err, lang.name, args) {
			t.Errorf("%s: in the other language\n%s", lang.name, r)
		}
	}
}

// foreign tells a sentence that is not in the language. Names that were given
// may be in any, and so may what a code is called on the form.
func foreign(text, lang string, given []string) bool {
	for _, known := range append([]string{"竹村", "王书记", "李队员", "一般贫困户"}, given...) {
		text = strings.ReplaceAll(text, known, "")
		if _, value, ok := strings.Cut(known, "="); ok {
			text = strings.ReplaceAll(text, value, "")
		}
	}
	han := strings.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0
	if lang == "en" {
		return han
	}
	// Words of the commands are English everywhere; the words that sentences are
	// made of are not.
	return !han || slices.ContainsFunc(strings.Fields(text), func(word string) bool {
		return slices.Contains([]string{"is", "not", "no", "the", "this", "of", "error", "failed", "cannot", "open"}, word)
	})
}

// held is all that a laptop says it holds, for comparing.
func (w *world) held(t *testing.T, laptop string) string {
	t.Helper()
	var all strings.Builder
	for _, typ := range []string{"household", "visit", "issue"} {
		all.WriteString(w.must(t, "zhucun-agent", "list", typ, "--data", laptop, "--json"))
	}
	pending, _, err := at(w.must(t, "zhucun-agent", "status", "--data", laptop, "--json"), ".pending")
	if err != nil {
		t.Fatal(err)
	}
	return all.String() + pending
}

// Each row is a command that may not be carried out: its exit status, a piece
// of what it says in either language. Nothing changes by it.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{"alone": false, "beside": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := office(t, false, beside)
			id := w.put(t, "household", "head_name=张三", "group_name=一组", "--data", "a")
			w.must(t, "zhucun-agent", "sync", "--data", "a")
			before := w.held(t, "a")
			households := w.must(t, "zhucun-agent", "list", "household", "--data", "a", "--json")
			const absent = "0192d3a4-0000-7000-8000-000000000001"
			tests := []struct {
				name   string
				code   int
				zh, en string
				args   []string
				stdin  string
			}{
				{"unknown field", 1, `没有字段 "hed_name"，是不是 head_name`, `no field "hed_name"; did you mean head_name`, []string{"put", "household", "hed_name=李四"}, ""},
				{"field like no other", 1, "没有字段", "has no field", []string{"put", "household", "xyzzy=李四"}, ""},
				{"unknown type", 1, "是不是 household", "did you mean household", []string{"put", "houshold", "head_name=李四"}, ""},
				{"unknown type of lines", 1, "是不是 household", "did you mean household", []string{"put", "houshold"}, "{}\n"},
				{"unknown code", 1, "没有代码“plutonium”", "unknown code plutonium", []string{"put", "household", "fuel=plutonium"}, ""},
				{"mistyped code", 1, "是不是 general", "did you mean general", []string{"put", "household", "poverty_attr=genral"}, ""},
				{"not a number", 1, "不是数字", "is not a number", []string{"put", "household", "arable_mu=3亩半"}, ""},
				{"not a whole number", 1, "不是整数", "is not a whole number", []string{"put", "household", "exit_year=2017.5"}, ""},
				{"no such day", 1, "不是日期", "is not a date", []string{"put", "household", "registered_date=2017-02-30"}, ""},
				{"not a place", 1, "location", "location", []string{"put", "household", "location=村口"}, ""},
				{"not a reference", 1, "不是记录编号", "is not a record id", []string{"put", "visit", "household=张三家"}, ""},
				{"control character", 1, "控制字符", "control character", []string{"put", "visit", "findings=响铃\a响铃响铃"}, ""},
				{"not a pair", 2, "字段=值", "FIELD=VALUE", []string{"put", "household", "李四"}, ""},
				{"void without a reason", 1, "void: 原因", "void: reason", []string{"put", "household", "--id", id, "_life=void:"}, ""},
				{"void for what is not UTF-8", 1, "_life：文字编码不是 UTF-8", "_life: the text is not UTF-8", []string{"put", "household", "--id", id, "_life=void: \xd6\xd8\xb8\xb4"}, ""},
				{"decided void for what is not UTF-8", 1, "_life：文字编码不是 UTF-8", "_life: the text is not UTF-8", []string{"resolve", id, "_life", "--value", "\xd6\xd8\xb8\xb4"}, ""},
				{"value not UTF-8", 1, "findings：文字编码不是 UTF-8", "findings: the text is not UTF-8", []string{"put", "visit", "findings=\xd7\xdf\xb7\xc3"}, ""},
				{"unknown author", 1, "钱七 没有在这台电脑上登记，登记的有：王书记", "钱七 is not registered on this laptop; registered are 王书记", []string{"put", "household", "head_name=李四", "--author", "钱七"}, ""},
				{"unknown village", 1, "没有村 369999000009", "does not have village 369999000009", []string{"put", "household", "head_name=李四", "--village", nowhere}, ""},
				{"id that is none", 2, "不是记录编号", "is not a record id", []string{"put", "household", "head_name=李四", "--id", "7"}, ""},
				{"id of another type", 1, "是一条 household 记录，不是 visit", "is a record of type household, not visit", []string{"put", "visit", "findings=张三家今年收成不错", "--id", id}, ""},
				{"lines and an id", 2, "--id", "--id", []string{"put", "visit", "--id", id}, "{}\n"},
				{"broken line", 1, "第 1 行：不是完整的 JSON 对象", "line 1: not a whole JSON object", []string{"put", "visit"}, `{"findings":"写了一半`},
				{"line that is no object", 1, "第 1 行：不是 JSON 对象", "line 1: not a JSON object", []string{"put", "visit"}, "[1,2]\n"},
				{"line of another type", 1, "第 1 行：这一行是 household，不是 visit", "line 1: this line is a household, not a visit", []string{"put", "visit"}, `{"type":"household","fields":{}}`},
				{"line not UTF-8", 1, "第 1 行：不是 UTF-8", "line 1: not UTF-8", []string{"put", "visit"}, "{\"findings\":\"\xd7\xdf\xb7\xc3\"}\n"},
				{"line of an unknown author", 1, "第 1 行：钱七 没有在这台电脑上登记", "line 1: 钱七 is not registered", []string{"put", "visit", "--author", "钱七"}, `{"findings":"今天走访了李四家"}`},
				{"record that is not here", 1, "没有找到这条记录", "There is no such record", []string{"get", "visit", absent}, ""},
				{"nothing to decide", 1, "这里没有需要决定的内容", "There is nothing to decide there", []string{"resolve", id, "phone", "--value", "13800000000"}, ""},
				{"two decisions", 2, "--take", "--take", []string{"resolve", id, "head_name", "--value", "李四", "--take", absent}, ""},
				{"no decision", 2, "--take", "--take", []string{"resolve", id, "head_name"}, ""},
				{"condition on no field", 1, "没有字段", "has no field", []string{"list", "household", "--where", "hed_name=李四"}, ""},
				{"condition that is none", 2, "字段=值", "FIELD=VALUE", []string{"list", "household", "--where", "head_name"}, ""},
				{"no file", 1, "没有这个文件", "no such file", []string{"import", "nowhere.jsonl", "--type", "visit"}, ""},
				{"a folder for a file", 1, "是文件夹", "is a folder", []string{"import", ".", "--type", "visit"}, ""},
				{"enrolled already", 1, "已经登记过了", "is enrolled already", []string{"enrol", "ZC1-AAAA"}, ""},
				{"no command", 2, "没有命令 \"wipe\"", "no command \"wipe\"", []string{"wipe"}, ""},
				{"no option", 2, "没有选项 --force", "no option --force", []string{"put", "household", "--force"}, ""},
				{"option without value", 2, "--wait 后面要有值", "--wait needs a value", []string{"sync", "--wait"}, ""},
				{"too few words", 2, "用法：zhucun-agent get TYPE ID", "Usage: zhucun-agent get TYPE ID", []string{"get", "household"}, ""},
				{"too many words", 2, "用法", "Usage", []string{"status", "now"}, ""},
				{"a page for all the world", 2, "本机地址", "an address of this machine", []string{"run", "--listen", "0.0.0.0:0"}, ""},
			}
			for _, tt := range tests {
				if beside && tt.args[0] == "run" {
					tt.code, tt.zh, tt.en = 1, "已有程序在运行", "running on this data folder already"
				}
				args := append([]string{"zhucun-agent", "--data", "a"}, tt.args...)
				t.Run(tt.name, func(t *testing.T) {
					w.refused(t, tt.stdin, tt.code, tt.zh, tt.en, args...)
					if after := w.must(t, "zhucun-agent", "list", "household", "--data", "a", "--json"); after != households {
						t.Errorf("something changed:\n%s\nwas\n%s", after, households)
					}
				})
			}
			if after := w.held(t, "a"); after != before {
				t.Errorf("something changed:\n%s\nwas\n%s", after, before)
			}
			if out := w.must(t, "zhucun-agent", "verify", "--data", "a", "--json"); !strings.Contains(out, `"ok":true`) {
				t.Error(out)
			}
		})
	}
}

// Each row is an enrolment that must not come about; the laptop stays as it
// was, and the right code works afterwards.
func TestEnrolRefused(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	issue := func(more ...string) string {
		code, err := w.code(bamboo, "team_member", "赵队员", more...)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	good, used, late := issue(), issue(), issue("--ttl", "1s")
	w.must(t, "zhucun-agent", "enrol", used, "--data", "c")
	// The code's last second.
	time.Sleep(1200 * time.Millisecond)
	other := []byte(good)
	if other[20]++; other[20] > 'Z' {
		other[20] = 'A'
	}
	const unreadable, unaccepted = "登记码不对，或没有抄全", "服务器不接受这个登记码"
	const unreadableEn, unacceptedEn = "not an enrolment code", "does not accept this code"
	for _, tt := range []struct{ name, code, zh, en string }{
		{"not a code", "12345", unreadable, unreadableEn},
		{"truncated", good[:len(good)-6], unreadable, unreadableEn},
		{"one letter wrong", string(other), unreadable, unreadableEn},
		{"used", used, unaccepted, unacceptedEn},
		{"expired", late, unaccepted, unacceptedEn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.refused(t, "", 1, tt.zh, tt.en, "zhucun-agent", "--data", "d", "enrol", tt.code)
			if out := w.must(t, "zhucun-agent", "status", "--data", "d", "--json"); !strings.Contains(out, `"device":""`) {
				t.Errorf("the laptop is somebody's: %s", out)
			}
		})
	}
	w.link.down()
	w.refused(t, "", 1, "还没有登记", "not enrolled yet", "zhucun-agent", "--data", "d", "enrol", good)
	if err := w.link.up(); err != nil {
		t.Fatal(err)
	}
	// Copied by hand: in groups, over several words, in small letters.
	words := []string{"zhucun-agent", "enrol", "--data", "d"}
	for rest := strings.ToLower(good); rest != ""; {
		n := min(8, len(rest))
		words, rest = append(words, rest[:n]), rest[n:]
	}
	w.must(t, words...)
	if devices := w.must(t, "zhucun-server", "device", "list", "--data", "office", "--json"); len(lines(devices)) != 4 {
		t.Errorf("%d laptops, want 4:\n%s", len(lines(devices)), devices)
	}
}

// A bad line amid good ones holds up none of them.
func TestLinesRefused(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	input := "{\"findings\":\"第一条走访情况\"}\n" +
		"{\"findings\":\n" +
		"{\"findings\":\"第三条走访情况\"}\n" +
		"{\"findings\":\"\xd7\xdf\"}\n" +
		"{\"findings\":\"第五条走访情况\",\"visit_mode\":\"telegraph\"}\n" +
		"{\"findings\":\"第六条走访情况\",\"author\":\"钱七\"}\n" +
		"{\"findings\":\"" + strings.Repeat("长", 1<<20) + "\"}\n" +
		"{\"findings\":\"第八条走访情况\"}"
	r, err := w.command(input, nil, "zhucun-agent", "put", "visit", "--data", "a")
	if err != nil || r.code != 1 || len(lines(r.out)) != 3 || len(lines(r.err)) != 5 {
		t.Fatalf("%v %.2000s", err, r)
	}
	for i, want := range []string{"第 2 行：", "第 4 行：", "第 5 行：", "第 6 行：", "第 7 行：这一行超过 1 MB"} {
		if got := strings.Split(r.err, "\n"); !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("sentence %d: none begins with %q: %s", i, want, r.err)
		}
	}
	if out := w.must(t, "zhucun-agent", "list", "visit", "--data", "a", "--json"); len(lines(out)) != 3 {
		t.Errorf("%d visits, want the 3 good ones:\n%s", len(lines(out)), out)
	}
	w.must(t, "zhucun-agent", "verify", "--data", "a")
}
