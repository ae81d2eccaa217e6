package web

// jointTexts is what is said of visits that were written twice.
var jointTexts = map[string]said{
	"joint.found":      {"可能是同一次走访，记了两遍", "Perhaps one visit, written down twice"},
	"joint.line":       {"%s，%s 和 %s 各记了一条。", "%s: %s and %s each wrote one. "},
	"joint.line.one":   {"%s，%s 记了两条。", "%s: %s wrote two. "},
	"joint.waits":      {"%s，%s 和 %s 记的已说定是同一次，还有一条没有作废。", "%s: what %s and %s wrote is one visit, and one record still has to be withdrawn. "},
	"joint.look":       {"并排看看", "See both side by side"},
	"joint.more":       {"还有别的，定了这几条以后再列出来。", "There are more; they appear when these are settled."},
	"joint.title":      {"是同一次走访吗？", "Is it one visit?"},
	"joint.how":        {"两条都留着，没有丢。是同一次，就合成一条：走访人、事由、照片合在一起，两边写的话都留下。", "Both are kept, nothing is lost. If it was one visit they become one record: visitors, purposes and photos together, and both texts."},
	"joint.question":   {"项目", "Question"},
	"joint.kept":       {"%s 写的（留这一条）", "By %s (this one stays)"},
	"joint.other":      {"%s 写的", "By %s"},
	"joint.both":       {"合起来", "Together"},
	"joint.open":       {"打开", "open"},
	"joint.differ":     {"两边不一样：先按留下的这一条；另一条里写的还能看到。合好以后可以修改。", "They differ: the first stays, the second can still be read in its own record. Change it afterwards if need be."},
	"joint.novoid":     {"另一条是 %s 写的，要由本人或第一书记作废。您点了以后，内容先合好，那一条等他们来定。", "The other one is by %s, who withdraws it, or the first secretary does. What you press unites the contents; the other record waits for them."},
	"joint.join":       {"是同一次，合成一条", "One visit: join them"},
	"joint.apart":      {"是两次不同的走访", "Two different visits"},
	"joint.after":      {"点错了可以撤回。定了以后，别的电脑上也不再问。", "Either can be taken back. Once said, other laptops do not ask again."},
	"joint.reason":     {"和 %s %s 记的是同一次走访，已并入那一条", "The same visit as that of %s by %s, and joined to it"},
	"joint.said":       {"和别的走访记录的关系", "Other records of it"},
	"joint.said.into":  {"和这一条是同一次走访，内容在那边：", "The same visit as this one, which has the contents: "},
	"joint.said.from":  {"并入了这一条：", "Joined to it was: "},
	"joint.said.apart": {"和这一条不是同一次走访：", "Not the same visit as this one: "},
	"joint.undo":       {"撤回", "Take it back"},
}
