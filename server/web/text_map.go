package web

import "maps"

func init() { maps.Copy(texts, mapTexts) }

// mapTexts is what the map says.
var mapTexts = map[string]said{
	"map.title":          {"地图", "Map"},
	"map.all":            {"全部村", "All villages"},
	"map.whole":          {"看整张图", "The whole map"},
	"map.outside":        {"这一块以外还有 %s 个有位置的", "%s more with a place lie outside of this part"},
	"map.sum":            {"共 %s 个村，%s。", "Villages: %s. Together %s."},
	"map.coverage":       {"走访覆盖率 %s（%s / %s 户）", "%s covered (%s of %s households)"},
	"map.none.villages":  {"还没有村的位置。请在“村”的记录里填上位置，这里就会显示。", "No village has a place yet. Fill in the location of the village record and it shows here."},
	"map.none.houses":    {"这个村还没有户的位置。户的记录填上位置，或走访时记下位置，这里就会显示。", "No household here has a place yet. It shows once its record, or a visit, has a location."},
	"map.none.here":      {"这一块没有标记。", "There is nothing in this part."},
	"map.village.full":   {"覆盖率 90% 以上", "90% covered and more"},
	"map.village.half":   {"50% 到 90%", "50% to 90%"},
	"map.village.empty":  {"不到 50%", "under 50%"},
	"map.village.blank":  {"没有数字", "no figure"},
	"map.house.full":     {"当月走访过", "visited this month"},
	"map.house.half":     {"以前走访过", "visited before"},
	"map.house.empty":    {"没有走访过", "never visited"},
	"map.house.blank":    {"不计入覆盖率", "not in the coverage"},
	"map.house.mixed":    {"几户情况不同", "several, not alike"},
	"map.visited":        {"当月走访过：%s", "visited this month: %s"},
	"map.visited.before": {"以前走访过：%s", "visited before: %s"},
	"map.count":          {"%s：%s", "%s: %s"},
	"map.km":             {"%s 公里", "%s km"},
	"map.m":              {"%s 米", "%s m"},
	"map.one":            {"%s：%s", "%s: %s"},
	"map.many.villages":  {"%s 个村：%s。点开放大", "%s villages: %s. Opens larger"},
	"map.many.houses":    {"%s 户：%s。点开放大", "%s households: %s. Opens larger"},
	"map.north":          {"北", "N"},
	"map.merged":         {"挨得近的合成一个标记，数字是个数，点开放大。", "What lies close together is one mark with how many it is; it opens larger."},
	"map.how":            {"户的位置取户的记录；没有的，取最近一次上门走访的。", "A household is where its record says, or else where it was last visited."},
	"map.lost":           {"不在图上：%s", "Not on the map: %s"},
	"map.lost.none":      {"没有位置", "no place"},
	"map.lost.far":       {"位置不对，请核对经纬度", "its place cannot be right: check longitude and latitude"},
	"map.lost.more":      {"还有 %s 个没有列出，补上位置后再看。", "%s more are not listed."},
	"map.listed":         {"图上的 %s 个，逐个列出", "The %s on the map, one by one"},
	"map.listed.many":    {"超过 %s 个就不逐个列出，请点开图上的标记放大。", "More than %s are not listed: open a mark to see a part."},
}
