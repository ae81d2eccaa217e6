package web

import "maps"

func init() { maps.Copy(texts, stepsTexts) }

// stepsTexts is what the list of the first steps says.
var stepsTexts = map[string]said{
	"steps.title":       {"先做这几件事", "First steps"},
	"steps.count":       {"已做 %d / %d", "%d of %d done"},
	"steps.done":        {"做好了", "done"},
	"steps.open":        {"还没做", "to do"},
	"steps.away":        {"收起，不再显示", "Put this list away"},
	"steps.address":     {"电脑能打开服务器的地址", "An address that laptops can open"},
	"steps.address.do":  {"现在是 %s，别的电脑打不开。请用 serve --url 写上大家能打开的地址。", "It is %s now, which no other computer can open. Start serve with --url and an address that all can open."},
	"steps.villages":    {"录入各村", "Enter the villages"},
	"steps.villages.do": {"在服务器上运行 zhucun-server village add 代码 村名。", "On the server, run zhucun-server village add CODE NAME."},
	"steps.factor":      {"给自己的账号设第二重验证", "Set a second factor for your account"},
	"steps.factor.do":   {"密码丢了，别人也进不来。", "Then a lost password opens nothing."},
	"steps.settings":    {"看一遍设置", "Look through the settings"},
	"steps.settings.do": {"电脑多久没联系就锁上，照片多大，退出线是多少。", "When laptops lock, how large photos are, where the lines are."},
	"steps.laptop":      {"登记第一台电脑", "Enrol the first laptop"},
	"steps.laptop.do":   {"发一个登记码，在那台电脑上输入。", "Issue a code and enter it there."},
	"steps.backup":      {"做第一次备份", "Make the first backup"},
	"steps.backup.do":   {"请管理员在“备份”页做，另存一份到别的机器。", "An administrator makes it on the page of backups; keep a copy elsewhere."},
	"steps.tried":       {"试恢复一次", "Try it once"},
	"steps.tried.do":    {"请管理员在“备份”页试一次，才知道备份能用。", "An administrator tries it on the page of backups; only then is it known to be good."},
	"audit.stepsaway":   {"收起“先做这几件事”", "put the first steps away"},
}
