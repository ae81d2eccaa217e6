package web

import "maps"

func init() { maps.Copy(texts, chartTexts) }

// chartTexts is what charts and the map say.
var chartTexts = map[string]said{
	"charts.title":          {"图表", "Charts"},
	"charts.open.page":      {"看图表", "Charts"},
	"charts.all":            {"全部村", "All villages"},
	"charts.figures":        {"这个村的数字", "This village's figures"},
	"charts.numbers":        {"看数字", "The numbers"},
	"charts.unknown":        {"%s 个村的数字还在计算，没有算进资金和指标。", "Villages still being worked out, not in funds and indicators: %s."},
	"charts.coverage.said":  {"最近十二个月的走访覆盖率。%s，%s：%s。", "Visit coverage of the last twelve months. %s, %s: %s."},
	"charts.issues":         {"月底未办结的问题", "Issues open at the end of the month"},
	"charts.issues.said":    {"最近十二个月未办结的问题。%s，%s：%s 个，其中超期 %s 个。", "Open issues of the last twelve months. %s, %s: %s, of these overdue: %s."},
	"charts.open":           {"未办结", "Open"},
	"charts.intime":         {"未到期", "not yet due"},
	"charts.overdue":        {"超期", "overdue"},
	"charts.closure":        {"当月到期已办结", "Closed of those due"},
	"charts.funds":          {"资金：来源和支付", "Funds by source and payment"},
	"charts.funds.none":     {"还没有资金记录。", "No funds are recorded yet."},
	"charts.funds.line":     {"到账 %s，已付 %s", "received %s, paid %s"},
	"charts.funds.beyond":   {"付出比到账多 %s", "%s more paid than received"},
	"charts.unsourced":      {"来源不明", "source not known"},
	"charts.source":         {"来源", "Source"},
	"charts.received":       {"到账", "received"},
	"charts.paid":           {"已付", "paid"},
	"charts.unpaid":         {"未付", "not paid"},
	"charts.yuan":           {"%s 元", "%s yuan"},
	"charts.wan":            {"%s 万元", "%s × 10,000 yuan"},
	"charts.indicators":     {"出列指标：多少个村", "Exit indicators: how many villages"},
	"charts.indicators.one": {"出列指标", "Exit indicators"},
	"charts.indicator":      {"指标", "Indicator"},
	"charts.indicator.line": {"达标 %s，未达标 %s，待核 %s", "met %s, not met %s, to be checked %s"},
}
