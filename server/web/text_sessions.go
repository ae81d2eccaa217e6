package web

import "maps"

func init() { maps.Copy(texts, sessionTexts) }

// sessionTexts is what is said of the browsers that somebody is signed in with.
var sessionTexts = map[string]said{
	"session.title":           {"登录着的浏览器", "Where you are signed in"},
	"session.how":             {"有不认识的，先结束它，再换密码。", "End what you do not know, and change the password."},
	"session.this":            {"当前", "this one"},
	"session.line":            {"来自 %s · %s登录 · %s用过", "from %s · since %s · last used %s"},
	"session.browser":         {"%[2]s 上的 %[1]s", "%[1]s on %[2]s"},
	"session.browser.unknown": {"认不出的浏览器", "an unknown browser"},
	"session.end":             {"结束", "End it"},
	"session.end.of":          {"结束 %s，%s登录的", "End it: %s, since %s"},
	"session.others":          {"结束其他全部", "End all others"},
	"session.ended":           {"已结束。", "Ended."},
	"session.open":            {"登录着", "Signed in"},
	"session.endall":          {"全部退出", "Sign out"},
	"session.endall.of":       {"全部退出：%s", "Sign out: %s"},
	"session.endall.sure":     {"%s 在所有浏览器上的登录都会结束，没保存的会丢。确定吗？", "All sign-ins of %s end, and what is not saved there is lost. Are you sure?"},
}
