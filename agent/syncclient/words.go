package syncclient

import (
	"context"
	"errors"
	"fmt"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

var sentences = []struct {
	err    error
	zh, en string
}{
	{identity.ErrCode, "登记码不对，或没有抄全。请重新抄一遍", "This is not an enrolment code, or part of it is missing. Copy it again"},
	{ErrEnrolled, "这台电脑已经登记过了。要换登记，请用另一个数据文件夹", "This laptop is enrolled already. Use another data folder to enrol anew"},
	{ErrBadCode, "服务器不接受这个登记码：可能抄错、已用过或过期。请向办公室要新的", "The server does not accept this code: mistyped, used or too old. Ask the office for a new one"},
	{errScript, "没有连上服务器，内容都保存在本机。系统设置里的代理脚本（PAC）没有给出可用的代理：有网络仍这样，请向网络管理员问代理地址，在系统的代理设置里手动填写", "The server was not reached; everything is kept here. The proxy script (PAC) in the system's settings gave no proxy that works: if it stays so with a network, ask for the proxy's address and enter it by hand in the system's proxy settings"},
	{errAlone, "没有连上服务器，还没有登记。请检查网络，再用同一个登记码试一次", "The server was not reached and the laptop is not enrolled yet. Check the network and try the same code again"},
	{ErrWiped, "办公室已停用这台电脑，写下的内容都已送到并备份，这里的内容已清除", "The office has revoked this laptop. What was written is delivered and in a backup; it was removed from here"},
	{ErrRevoked, "办公室已停用这台电脑。写下的内容都还在，请联系办公室", "The office has revoked this laptop. What was written is kept here; ask the office"},
	{bundle.ErrPartial, "文件没有复制完整，后面缺了一部分。请重新复制，再收取一次", "The file was only partly copied: its end is missing. Copy it again and take it once more"},
	{bundle.ErrDamaged, "文件已损坏，与写出时不一样。请重新复制；仍不行，就让对方重新导出", "The file is damaged: it is not as it was written. Copy it again, or have it exported anew"},
	{bundle.ErrForged, "文件的签名不对，没有收取。请联系办公室", "The file is not signed by whom it says it is from; nothing was taken. Ask the office"},
	{bundle.ErrRelease, "文件出自更新的版本。请更新程序后再收取", "The file is of a later release. Update the agent and take it again"},
	{bundle.ErrTooLarge, "文件太大，不是数据包。请核对文件", "The file is too large to be a bundle. Check which file it is"},
	{bundle.ErrForeign, "这个文件不是数据包（数据包由 bundle export 写出，名称以 .zcb 结尾）。请核对文件", "The file is not a bundle (bundle export writes them; their names end in .zcb). Check which file it is"},
	{ErrNoRoom, "磁盘快满了，放不下这个文件，没有收下。请先腾出空间，再收取一次", "The disk is nearly full and has no room for the file; nothing was taken. Free some space, then take it again"},
	{ErrOwn, "这是本机自己写出的数据包，没有收取。请交给办公室，或交给有网络的电脑带去；本机有网络就不用它，会自动送出。要在本机收取的是办公室的答复文件", "This bundle was made by this laptop and was not taken. Give it to the office, or to a laptop with a network; where this one has a network it sends by itself. What is to be taken here is the office's reply"},
	{ErrBurdened, "为别人捎带的文件已满，没有收下。请先联网同步一次，再收取", "This laptop carries as much for others as it can; nothing was taken. Sync once, then take it again"},
	{ErrForeign, "应答的不是我们的服务器，可能是网络的登录页。请先在浏览器里登录网络，再试一次", "What answered is not our server, perhaps a network's log-in page. Log in to the network in a browser and try again"},
	{ErrUnfit, "服务器和本程序的版本不配，请更新程序", "Server and agent are of releases that do not understand each other. Update the agent"},
	{ErrForked, "服务器一再不收这台电脑补送的内容。内容都在本机；请联系办公室检查服务器", "The server again and again refuses what this laptop sends anew. Everything is kept here; ask the office to look at the server"},
	{errPin, "对方的密钥与登记码不符，什么也没有发送。多半是网络的登录页挡在前面：请先在浏览器里登录网络；不是的话，请联系办公室", "The server's key is not the one of the enrolment code; nothing was sent. Most likely a network's log-in page is in the way: log in to the network in a browser; if there is none, ask the office"},
	{errNoAdvance, "服务器没有收下发送的内容，都还保存在本机。请联系办公室", "The server did not take what was sent; everything is kept here. Ask the office"},
	{errNoAnswer, "没有连上服务器。内容都保存在本机，有网络时会自动发送", "The server was not reached. Everything is kept here and goes by itself when there is a connection"},
}

// Sentence gives an error as one plain sentence with the next step.
func Sentence(err error, lang form.Lang) string {
	var p patience
	if errors.As(err, &p) {
		return fmt.Sprintf(form.Label{Zh: "服务器忙，%d 秒后会自动再试", En: "The server is busy; the next try is in %d seconds"}.In(lang), int(p.after.Seconds()))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errNoAnswer // the caller's time is up
	}
	var f *wire.Fault
	if errors.As(err, &f) && f.Code == wire.FaultDevice {
		return form.Label{
			Zh: "服务器不认识这台电脑：它可能从较早的备份恢复过。写下的内容都在；请向办公室要新的登记码，在这里再运行一次 zhucun-agent enrol，就会重新送出，显示已送达的也会核对",
			En: "The server does not know this laptop: it may have been restored from an older backup. Everything written is kept here; ask the office for a new code and run zhucun-agent enrol here again: it is all sent anew, what shows as delivered too",
		}.In(lang)
	}
	for _, s := range sentences {
		if errors.Is(err, s.err) {
			return form.Label{Zh: s.zh, En: s.en}.In(lang)
		}
	}
	return store.Sentence(err, lang)
}
