package web

import "maps"

func init() { maps.Copy(texts, noticeTexts) }

// noticeTexts is what is said of notices and policy documents.
var noticeTexts = map[string]said{
	"nav.notices":           {"通知", "Notices"},
	"audit.notice":          {"通知撤回或取代", "notice withdrawn or replaced"},
	"notice.how":            {"通知和政策文件随下次同步到各村，没有网络也能看。", "Notices and policy documents reach the villages with their next sync, and are read there without a network."},
	"notice.none":           {"还没有发过。", "None was sent yet."},
	"notice.new":            {"写一份通知", "Write a notice"},
	"notice.title":          {"标题", "Title"},
	"notice.kind":           {"类别", "Kind"},
	"notice.text":           {"内容", "Text"},
	"notice.sent":           {"发出", "Sent"},
	"notice.readby":         {"请在此前阅读", "Read by"},
	"notice.readby.ask":     {"请在此前阅读（可以不填）", "Please read by (optional)"},
	"notice.readin":         {"已阅的村", "Read in"},
	"notice.of":             {"%s / %s 个村", "%s of %s villages"},
	"notice.read":           {"%s 已阅", "read on %s"},
	"notice.unread":         {"还没有回执", "no word yet"},
	"notice.nobody":         {"只知道哪个村看过、是哪一天；是谁看的不记。", "It is known which village has read it, and on which day; not by whom."},
	"notice.to":             {"发给", "For"},
	"notice.to.all":         {"全部 %s 个村", "all %s villages"},
	"notice.to.township":    {"一个乡镇的村", "the villages of a township"},
	"notice.to.chosen":      {"选定的村", "chosen villages"},
	"notice.files.ask":      {"附件，如 PDF（最多 5 个，每个不超过 20 MB；可以不附）", "Files, such as a PDF (at most 5, each up to 20 MB; optional)"},
	"notice.send":           {"发出", "Send"},
	"notice.replace":        {"写一份新的取代它", "Replace it by a new one"},
	"notice.replaces":       {"发出后取代《%s》：各村会看到原来的已被取代。附件要重新选。", "It takes the place of “%s”: villages see that that one was replaced. Choose its files again."},
	"notice.newer":          {"看取代它的通知", "The one that replaced it"},
	"notice.withdraw":       {"撤回", "Withdraw"},
	"notice.withdraw.do":    {"撤回通知", "Withdraw it"},
	"notice.further":        {"再发给别的村（%s 个没有）", "Send to further villages (%s do not have it)"},
	"notice.said.sent":      {"已发出。各村下次同步时收到。", "Sent. Villages get it with their next sync."},
	"notice.said.withdrawn": {"已撤回。各村下次同步后会看到已撤回。", "Withdrawn. Villages see so after their next sync."},
	"notice.said.reason":    {"撤回要写明原因，最多 500 字。没有撤回。", "Withdrawing needs a reason of at most 500 characters. Nothing was withdrawn."},
	"notice.empty":          {"标题和内容都要写。没有发出；附件请重新选。", "It needs a title and a text. Nothing was sent; choose the files again."},
	"notice.long":           {"标题最多 %d 字，内容最多 %d 字。没有发出；附件请重新选。", "A title has at most %d characters, a text %d. Nothing was sent; choose the files again."},
	"notice.nowhere":        {"请选发给哪些村。没有发出；附件请重新选。", "Choose the villages. Nothing was sent; choose the files again."},
	"notice.past":           {"阅读期限不能是过去的日子。没有发出；附件请重新选。", "The day to read it by has passed. Nothing was sent; choose the files again."},
	"notice.file.bad":       {"附件不能用", "A file cannot be taken"},
	"notice.file.bad.next":  {"附件最多 5 个，每个不能是空的，也不能超过 20 MB。没有发出，请返回重选。", "At most 5 files, none empty and none above 20 MB. Nothing was sent; go back and choose again."},
}
