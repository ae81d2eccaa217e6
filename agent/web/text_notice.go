package web

// noticeTexts is what is said of notices and policy documents of the office.
var noticeTexts = map[string]said{
	"notice.title":  {"通知与政策", "Notices and policies"},
	"notice.unread": {"没看的通知 %d 份", "Notices to read: %d"},
	"notice.all":    {"通知与政策", "All notices and policies"},
	"notice.how":    {"办公室发下来的，没有网络也能看。", "What the office has sent; it is here without a network."},
	"notice.none":   {"还没有收到。", "None has come yet."},
	"notice.sent":   {"%s 发出", "sent on %s"},
	"notice.readby": {"请在 %s 前看", "read by %s"},
	"notice.late":   {"已过期限", "overdue"},
	"notice.read":   {"%s 已阅", "read on %s"},
	"notice.void":   {"这份通知%s。", "This notice is %s."},
	"notice.newer":  {"看新的一份", "See the new one"},
	"notice.files":  {"附件", "Files"},
	"notice.fetch":  {"现在取", "Fetch it now"},
	"notice.do":     {"我们看过了", "We have read it"},
	"notice.nobody": {"办公室只会知道本村哪天看过，不会知道是谁看的。", "The office learns on which day the village has read it, and not who did."},
	"notice.told":   {"本村 %s 已阅。", "The village has read it on %s."},
}
