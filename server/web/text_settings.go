package web

import "maps"

func init() { maps.Copy(texts, settingsTexts) }

// settingsTexts is what the page of settings says.
var settingsTexts = map[string]said{
	"nav.settings":          {"设置", "Settings"},
	"settings.how":          {"改了以后，电脑在下次同步时照办。谁在什么时候改的，都在审计里。", "Laptops follow with their next sync. Who changed what when is in the audit."},
	"settings.done":         {"已保存。", "Saved."},
	"settings.never":        {"没有改过", "never changed"},
	"settings.changed":      {"最近由 %s 改于%s", "last changed by %s, %s"},
	"settings.photos":       {"照片", "Photos"},
	"settings.side":         {"长边最多多少像素（320 到 8000，0 为默认 1600）", "Longer side in pixels (320 to 8000; 0 is the default, 1600)"},
	"settings.quality":      {"质量（30 到 100，0 为默认 80）", "Quality (30 to 100; 0 is the default, 80)"},
	"settings.originals":    {"原图也要，最后送", "The originals too, sent last"},
	"settings.require.none": {"没有规定，各人自愿设置。", "None must; it is up to everybody."},
	"settings.require.set":  {"去改", "Change it"},
	"settings.rules":        {"表格、代码表和达标线", "Forms, code lists and lines"},
	"settings.rules.how":    {"问什么、怎么算、退出线是多少，都在", "What is asked, how it is worked out and where the lines are stands under"},
	"settings.address":      {"服务器地址", "The server's address"},
	"settings.address.near": {"这个地址只有服务器自己能打开，电脑连不上。", "Only the server itself can open this address; laptops cannot."},
	"settings.address.how":  {"登记码里写的就是它。要改，请用 serve --url 重新启动。", "Enrolment codes tell it. To change it start the server anew with serve --url."},
	"audit.from":            {"从哪天", "From"},
	"audit.until":           {"到哪天", "To"},
	"settings.changes":      {"改过什么", "What was changed"},
	"settings.changes.none": {"还没有改过。", "Nothing yet."},
}
