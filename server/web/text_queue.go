package web

import "maps"

func init() { maps.Copy(texts, queueTexts) }

// queueTexts is what is said where what waits is worked through.
var queueTexts = map[string]said{
	"queue.how":    {"各村等办公室定的都在这里，每一条都写明为什么。写明理由，选一个；没选上的留在改动经过里。", "All that waits for the office, and why. Give a reason and take one; what is not taken stays in the history."},
	"queue.field":  {"字段", "Field"},
	"queue.who":    {"谁写的", "Written by"},
	"queue.reason": {"理由（下面没写的都用这个）", "Reason (where none is given below)"},
	"queue.left":   {"还有", "Left:"},
	"queue.keys":   {"用键盘", "By keyboard"},
	"queue.failed": {"没有送到服务器，请再按一次。", "It did not reach the server; press again."},
	"queue.end":    {"这些都处理完了。", "All of these are done."},

	"sort.":           {"全部", "All"},
	"sort.conflict":   {"说法不一", "Conflicts"},
	"sort.proposal":   {"建议", "Proposals"},
	"sort.answer":     {"工作队的答复", "Answers"},
	"sort.question":   {"等答复", "Asked"},
	"sort.quarantine": {"隔离区", "Quarantine"},
	"sort.after":      {"封存后的", "After closing"},

	"kind.answer":     {"答复", "answer"},
	"kind.quarantine": {"隔离", "quarantine"},
	"kind.after":      {"封存后", "after closing"},

	"because.review":     {"%s没有看到对方写的，各写了一个；这一处写的不一样时要由人定。", "%s wrote without seeing each other’s; where this differs a person decides."},
	"because.alone":      {"%s在两处写了不一样的，要由人定。", "%s wrote two different things in two places; a person decides."},
	"because.cleared":    {"%s里有人清空、有人填写，互相没有看到；要由人定。", "Of %s somebody cleared it and somebody filled it in, without seeing each other; a person decides."},
	"because.life":       {"有人作废了这条记录，另有人没看到作废，又改了它；要由人定。", "Somebody declared the record void, and somebody else who had not seen that changed it; a person decides."},
	"because.unknown":    {"%s写的不一样，本版本不认识这个字段，不敢替人定。", "%s wrote different things in a field that this release does not know; a person decides."},
	"because.owner":      {"%s建议改；这一处由乡镇或办公室定。", "%s proposes another value; the township or the office decides here."},
	"because.owner.new":  {"%s建议填上；这一处由乡镇或办公室定，现在还空着。", "%s proposes a value where there is none yet; the township or the office decides here."},
	"because.author":     {"%s建议改别人写的；这一处由写的人自己或办公室定。", "%s proposes to change what somebody else wrote; the author or the office decides here."},
	"because.author.new": {"%s建议填上；这一处由写这条记录的人或办公室定，现在还空着。", "%s proposes a value where there is none yet; the author or the office decides here."},
	"because.answer":     {"办公室问过这一处，答复到了，看过就收起。", "The office asked about this, and there is an answer; put it away once seen."},
	"because.held":       {"收到了，没有记入：%s。", "Received and not applied: %s."},
	"because.after":      {"%s已经封存，这是封存后写的，没有算进那个月的数。", "%s was closed before this was written; it does not count in that month."},

	"late.done":   {"看过了，已收起。", "Seen and put away."},
	"undo.do":     {"撤回", "Undo"},
	"undo.reason": {"撤回刚才的决定", "the decision is taken back"},
	"said.asked":  {"已问，各台电脑下次同步时收到。", "Asked; the laptops get it when they sync."},
	"said.closed": {"已收起，各台电脑下次同步时不再显示。", "Put away; the laptops no longer show it once they sync."},
	"said.undone": {"已撤回，又在等人定了。", "Taken back; it waits for a decision again."},
	"said.seen":   {"看过了，已收起。", "Seen and put away."},
	"said.held":   {"已处理，各台电脑下次同步时收到。", "Done; the laptops get it when they sync."},

	"bulk.title":       {"按规则批量定", "Decide by a rule"},
	"bulk.how":         {"选一条规则，先看会定下哪些，再一起定，一次最多 %d 条；定完可以整批撤回。", "Choose a rule, look at what it would decide, and decide it together, up to %d at once. A batch can be undone."},
	"bulk.rule":        {"规则", "Rule"},
	"bulk.preview":     {"先看看", "Preview"},
	"bulk.would":       {"看了 %[2]s 条，这条规则能定下面 %[1]s 条。不想定的去掉勾。", "Of %[2]s looked at, the rule decides these %[1]s. Untick what it should leave."},
	"bulk.more":        {"后面还有，定完这批再看。", "There are more; look again after this batch."},
	"bulk.none":        {"看了 %s 条，没有这条规则能定的。", "Of %s looked at, the rule decides none."},
	"bulk.none.ticked": {"一条也没有勾。", "Nothing is ticked."},
	"bulk.tick":        {"定不定", "Decide it"},
	"bulk.record":      {"记录", "Record"},
	"bulk.takes":       {"定为", "Takes"},
	"bulk.leaves":      {"不用", "Leaves"},
	"bulk.do":          {"把勾上的定下来", "Decide what is ticked"},
	"bulk.done":        {"定了 %s 条，各台电脑下次同步时收到。", "%s are decided; the laptops get them when they sync."},
	"bulk.undone":      {"撤回了 %s 条，又在等人定了。", "%s are taken back and wait for a decision again."},
	"bulk.skipped":     {"有 %s 条跳过了：", "%s were left out:"},
	"bulk.moved":       {"这期间有人改过或定过", "somebody has changed or decided it meanwhile"},
	"bulk.last":        {"最近几批", "The last batches"},
	"bulk.when":        {"时间", "When"},
	"bulk.who":         {"谁定的", "By"},
	"bulk.count":       {"条数", "Decisions"},
	"bulk.undo":        {"整批撤回", "Undo the batch"},
	"bulk.undo.of":     {"整批撤回：%s", "Undo the batch of %s"},
	"bulk.isundone":    {"已撤回", "undone"},

	"audit.undo": {"撤回决定", "took a decision back"},
	"audit.late": {"看过封存后的改动", "saw what was written after closing"},

	"rule.newer":   {"说法不一：用后写的", "Conflicts: take what was written last"},
	"rule.filled":  {"有人清空、有人填：用填的", "Cleared against filled in: take the value"},
	"rule.role":    {"说法不一：用%s写的", "Conflicts: take what was written by: %s"},
	"rule.empty":   {"建议：只补上空着的", "Proposals: accept those that only fill an empty value"},
	"rule.propose": {"建议：采纳%s的", "Proposals: accept those of: %s"},

	"reason.1": {"电话核实", "checked by telephone"},
	"reason.2": {"村里核实", "checked in the village"},
	"reason.3": {"看过证件", "papers were seen"},
	"reason.4": {"以后写的为准", "what was written later counts"},
	"reason.5": {"以台账为准", "the register counts"},

	"key.next":  {"下一条、上一条（↓ ↑ 也行）", "next, previous (↓ ↑ too)"},
	"key.take":  {"用第几个说法，或按第几个按钮", "take that value, or press that button"},
	"key.ask":   {"问工作队", "ask the team"},
	"key.skip":  {"先跳过", "skip it for now"},
	"key.undo":  {"撤回刚才的", "take the last one back"},
	"key.why":   {"写这一条的理由", "give this one a reason"},
	"key.leave": {"离开输入框", "leave a text"},
}

// queueKeys are the keys by which the queue is worked through.
var queueKeys = []struct{ key, id string }{{"j k", "next"}, {"1–9", "take"}, {"a", "ask"}, {"s", "skip"}, {"u", "undo"}, {"r", "why"}, {"Esc", "leave"}}
