package web

import "maps"

// The texts of the lists of records.
func init() {
	maps.Copy(texts, map[string]said{
		"list.span":          {"第 %d–%d 条，共 %d 条。", "%d to %d of %d. "},
		"list.total":         {"共 %d 条。", "%d records. "},
		"list.order.day":     {"新的在前。", "Newest first."},
		"list.order.duty":    {"没办完的在前，最急的在最上面。", "What is open comes first, the most pressing on top."},
		"list.order.made":    {"新写的在前。", "Newest first."},
		"list.none":          {"没有符合这些条件的记录。放宽上面的条件，或者看全部。", "Nothing fits. Ask for less above, or see all."},
		"list.empty.write":   {"这台电脑上还没有这类记录。点“新建”写第一条；同事写的，同步以后会出现在这里。", "There are no such records on this laptop yet. Press New to write the first; what colleagues write appears after a sync."},
		"list.empty":         {"这台电脑上还没有这类记录。同步以后会出现在这里。", "There are no such records on this laptop yet. They appear here after a sync."},
		"list.clear":         {"看全部", "See all"},
		"list.filter":        {"筛选", "Filter"},
		"list.all":           {"全部", "all"},
		"list.year":          {"年度", "Year"},
		"list.month":         {"月份", "Month"},
		"list.month.name":    {"%[1]d月", "%[2]s"},
		"list.state":         {"办理", "State"},
		"list.open":          {"没办完的", "open"},
		"list.overdue":       {"过期没办完的", "open and past its day"},
		"list.over":          {"办完的", "over"},
		"list.late":          {"过了 %d 天", "%d days late"},
		"list.about":         {"只看：", "Only of:"},
		"list.about.all":     {"不限这一个", "of all"},
		"list.received":      {"到账", "Received"},
		"list.paid":          {"支付", "Paid"},
		"list.part.all":      {"看全部 %d 条", "See all %d"},
		"list.part.none":     {"还没有。", "None yet."},
		"list.assured":       {"七项保障", "Seven assurances"},
		"list.assured.count": {"%d/%d 达标", "%d of %d met"},
		"list.assured.no":    {"未达标：%s", "not met: %s"},
		"list.assured.open":  {"没填：%s", "no answer: %s"},
	})
}
