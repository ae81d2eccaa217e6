package web

import "maps"

func init() { maps.Copy(texts, helpTexts) }

// helpTexts is what the page of help says.
var helpTexts = map[string]said{
	"help.open":       {"帮助", "Help"},
	"help.title":      {"帮助", "Help"},
	"help.how":        {"您的角色是%s，下面是您能用的页面。", "Your role is %s; these are the pages that you have."},
	"help.pages":      {"各页是做什么的", "What each page is for"},
	"help.overview":   {"各村的数据到了没有，哪台电脑久没联系，有多少事等着定。每天先看这一页。", "Whether the villages' data has come, which laptops are silent, how much waits. Begin the day here."},
	"help.records":    {"查户、查人、查走访和项目。按姓名、拼音、证件号后四位都能找；列表可以加条件、导出。", "Households, people, visits and projects: found by name, pinyin or the end of a number. Lists take conditions and are exported."},
	"help.ledger":     {"要办的事：哪些到期、哪些超期，到了哪一步，下一步谁办。", "What is to be done: what is due, what is late, at which step, and who acts next."},
	"help.notices":    {"发通知给各村，看哪些电脑收到了、谁读了、谁回了。", "Notices to villages: which laptops have them, who has read and who replied."},
	"help.leaders":    {"一张表看完各村的进度，每个数字点开都能看到是怎么来的。月份过完可以定稿。", "All villages on one sheet; each figure leads to what it is made of. A month that is over can be closed."},
	"help.coverage":   {"当月走访了多少户，还差哪些户。", "How many households were visited in the month, and who is left."},
	"help.conflicts":  {"两个人写的不一样、要办公室认可的，都在这里定。拿不准的，可以问工作队。", "Where two wrote different things, or the office must agree. What you cannot tell you ask the team."},
	"help.quarantine": {"收到了但不能记入的修改：写的人没登记，或电脑已停用。看清楚再接受或退回。", "Changes that came but could not be applied: an unknown writer, or a revoked laptop. Look, then accept or reject."},
	"help.devices":    {"给电脑发登记码，看每台电脑的情况，丢了的在这里停用。", "Codes for laptops, how each of them stands, and revoking one that is lost."},
	"help.bundles":    {"没有网络的电脑，用 U 盘带来的数据包在这里收，答复文件带回去。", "What laptops without a network send on a stick is taken here, and the reply goes back."},
	"help.forms":      {"表格问什么、有哪些选项、达标线是多少。下载、修改、再发布，电脑下次同步就换上。", "What forms ask, the options and the lines. Download, change, publish; laptops follow with their next sync."},
	"help.accounts":   {"谁能进来、是什么角色。密码忘了、验证码丢了，由管理员重设。", "Who may come in, and as what. Administrators reset passwords and lost second factors."},
	"help.interfaces": {"让别的系统来取数，或把变化通知它们。", "Other programs that read, or are told what changes."},
	"help.backup":     {"做备份、试恢复、看上次是什么时候。每周至少一次，另存一份到别处。", "Backups: make them, try them, see when the last one was. Once a week at least, with a copy elsewhere."},
	"help.settings":   {"电脑多久没联系就锁上、照片多大，谁改过什么。", "When laptops lock, how large photos are, and who changed what."},
	"help.audit":      {"谁在什么时候看了、改了、导出了什么。可以按人、按事、按日子查。", "Who looked at, changed or exported what and when, by person, act or day."},
	"help.charts":     {"一年的走势：走访、问题、资金和出列指标。", "A year of visits, issues, funds and exit indicators."},
	"help.map":        {"各村在哪里、走访到了没有；能看台账的，还能看一个村的各户。", "Where the villages are and how they are covered; who may see records sees a village's households too."},
	"help.me":         {"改密码，设第二重验证，看在哪些浏览器上登录着。", "Password, second factor, and where you are signed in."},

	"help.asks":            {"常有的问题", "What people ask"},
	"help.ask.conflict":    {"两个人写的不一样，选错了怎么办？", "I decided wrongly between two values."},
	"help.ask.conflict.do": {"在“待定”页按撤销。过了就在那条记录里改，写上理由；原来的两个值都还在历史里。", "Undo it on the page To decide. Later, edit the record and say why; both values stay in its history."},
	"help.ask.silent":      {"一台电脑好多天没有联系？", "A laptop has been silent for days."},
	"help.ask.silent.do":   {"先打电话问。没有网络的，请他们导出数据包，用 U 盘或聊天软件送来。", "Call them. Where there is no network they export a bundle and send it on a stick or by messenger."},
	"help.ask.lost":        {"电脑丢了？", "A laptop is lost."},
	"help.ask.lost.do":     {"在“电脑”里打开那一台，点“电脑丢了”，照着做：停用它，看哪些内容还没送到。", "Open it under Laptops and follow “It is lost”: revoke it, and see what had not arrived."},
	"help.ask.stick":       {"送来的文件要收几次？", "How often must a file be taken?"},
	"help.ask.stick.do":    {"一次就够，多收也不会重复。收完把答复文件带回去，那台电脑上才显示“已送达”。", "Once; again does no harm. Carry the reply back: only then does the laptop show its work as delivered."},
	"help.ask.month":       {"上个月的数字变了？", "Last month's figures have changed."},
	"help.ask.month.do":    {"后来又收到了那个月的走访。定稿过的月份不变，只标出后来有新数据。", "Visits of that month came later. A month that was closed stays, and says that more has come."},
	"help.ask.masked":      {"证件号为什么只显示后四位？", "Why do numbers show their last four characters only?"},
	"help.ask.masked.do":   {"为了保护农户。确有需要的，办公室写明理由可以看全，每次都记入审计。", "To protect people. The office can see them in full for a reason, which goes into the audit each time."},
	"help.ask.backup":      {"备份放在服务器上就行了吗？", "Is a backup on the server enough?"},
	"help.ask.backup.do":   {"不行，机器坏了就一起没了。另存一份到别的机器或移动硬盘，锁好：里面有全部数据。", "No: it goes with the machine. Keep a copy elsewhere, locked away, as it has everything."},
	"help.ask.stranger":    {"登录列表里有不认识的？", "There is a sign-in that I do not know."},
	"help.ask.stranger.do": {"在“我的账号”里结束它，再换密码，设第二重验证，并告诉管理员。", "End it under Your account, change the password, set a second factor, and tell an administrator."},
	"help.ask.password":    {"忘了密码，或者手机丢了？", "I forgot my password, or lost my phone."},
	"help.ask.password.do": {"找管理员重设。手机丢了，还可以用当时记下的恢复码。", "An administrator resets it. Without the phone a recovery code works too."},
}
