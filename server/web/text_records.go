package web

import "maps"

func init() { maps.Copy(texts, recordTexts) }

// recordTexts is what is said where records are looked for, shown and edited.
var recordTexts = map[string]said{
	"find.label":  {"找户、找人、找项目", "Find households, people, projects"},
	"find.by":     {"姓名、拼音或首字母（如 王小、wxm）、户编号、电话", "name, pinyin or initials (王小, wxm), number, phone"},
	"find.by.id":  {"姓名、拼音或首字母（如 王小、wxm）、户编号、电话、证件号后四位", "name, pinyin or initials (王小, wxm), number, phone, last four of an ID"},
	"find.do":     {"查找", "Find"},
	"find.none":   {"没有找到“%s”。少写一个字，或写拼音首字母再试。", "Nothing found for “%s”. Try fewer characters, or initials."},
	"find.all":    {"还有，全部列出", "There are more: list all"},
	"find.behind": {"还有 %s 个村的资料正在整理，找到的可能不全，过一会儿再看。", "The records of %s villages are still being indexed; some may not be found yet. Look again in a while."},

	"filter.from":    {"%s 从", "%s from"},
	"filter.to":      {"到", "to"},
	"filter.columns": {"选择列", "Columns"},
	"filter.clear":   {"清除条件", "Clear"},
	"list.ask":       {"姓名、拼音、首字母或编号", "Name, pinyin, initials or number"},
	"list.partial":   {"资料多，先找到这里。", "There is much to look through; this is how far it came."},
	"list.on":        {"接着找", "Look further"},
	"list.unsorted":  {"记录太多，全部村放在一起不能这样排。先选一个村。", "Too many records to order all villages so. Choose a village first."},
	"list.byvillage": {"按村列出。", "Listed by village."},
	"list.sort":      {"按%s排", "Order by %s"},

	"view.saved":    {"常用：", "Saved:"},
	"view.save":     {"存为常用", "Save this list"},
	"view.name":     {"名称", "Name"},
	"view.share":    {"办公室的人都能用", "For everybody at the office"},
	"view.do":       {"保存", "Save"},
	"view.drop":     {"删除“%s”", "Remove “%s”"},
	"view.of":       {"%s（%s）", "%s (%s)"},
	"view.name.bad": {"请写名称，最多 %d 个字。", "Give a name of at most %d characters."},
	"view.full":     {"存得太多了。先删掉不用的，再存新的。", "There are too many saved lists. Remove one first."},
}
