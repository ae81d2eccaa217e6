package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zhucun/agent/backup"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/shared/escrow"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// sentence gives an error as one sentence with the next step.
func sentence(err error, lang form.Lang) string {
	if words, ok := backup.Sentence(err); ok {
		return words.In(lang)
	}
	switch {
	case errors.Is(err, store.ErrInUse):
		return form.Label{Zh: "数据文件夹还在被另一个命令使用。请等它结束再试一次", En: "Another command is still using the data folder. Wait until it has ended and try again"}.In(lang)
	case errors.Is(err, vault.ErrLocked):
		return form.Label{
			Zh: "这里的内容用口令锁着。请在终端里运行并输入口令，或先运行 zhucun-agent run，在网页上解锁",
			En: "What is here is locked by a passphrase. Run this in a terminal and type it, or start zhucun-agent run and unlock the page",
		}.In(lang)
	case errors.Is(err, vault.ErrWrong):
		return form.Label{Zh: "口令不对，请再试一次。忘了口令，请向办公室要恢复码", En: "That is not the passphrase; try again. If it is forgotten, ask the office for a recovery code"}.In(lang)
	case errors.Is(err, escrow.ErrCode):
		return form.Label{Zh: "恢复码不对，或没有抄全。请办公室再念一遍", En: "This is not a recovery code, or part of it is wrong. Have the office read it out again"}.In(lang)
	case errors.Is(err, errOther):
		return form.Label{Zh: "这个恢复码是另一台电脑的。请把本机编号（数据文件夹或网页上有）告诉办公室，再要一个", En: "This recovery code is another laptop's. Tell the office this laptop's id, and ask for its code"}.In(lang)
	case errors.Is(err, vault.ErrShort):
		return fmt.Sprintf(form.Label{Zh: "口令至少要 %d 个字，请换一个长些的", En: "A passphrase has at least %d characters; choose a longer one"}.In(lang), vault.MinPassphrase)
	case errors.Is(err, vault.ErrLost):
		return form.Label{
			Zh: "打开这些内容的钥匙不在这台电脑上，内容都还在。请向办公室要恢复码，然后运行：zhucun-agent passphrase recover 恢复码",
			En: "The key to what is here is not on this computer; nothing is lost. Ask the office for a recovery code and run: zhucun-agent passphrase recover CODE",
		}.In(lang)
	case errors.Is(err, store.ErrKey):
		return form.Label{
			Zh: "这里的内容是用另一把钥匙锁的，内容都还在。请向办公室要恢复码，然后运行：zhucun-agent passphrase recover 恢复码",
			En: "What is here was locked with another key; nothing is lost. Ask the office for a recovery code and run: zhucun-agent passphrase recover CODE",
		}.In(lang)
	case failed(err):
		return form.Label{
			Zh: "连上了服务器，但它出了故障（例如磁盘已满），没能收下。内容都保存在本机，会自动再送；请告诉办公室",
			En: "The server was reached but could not take it, as with a full disk. Everything is kept here and is sent again by itself; tell the office",
		}.In(lang)
	}
	return syncclient.Sentence(err, lang)
}

// rebuilt tells what came of a data file that was damaged, and what to do next.
func (c *call) rebuilt(r store.Rebuilt) string {
	text := c.say("数据文件有损坏，%s已重新建立，原文件留作 %s；还没送出的修改找回 %d 次", "The data file was damaged and made anew on %s; the old one is kept as %s, and %d changes that had not been delivered were saved",
		time.UnixMilli(r.At).In(beijing).Format("2006-01-02 15:04"), r.Aside, r.Saved)
	if r.Missing > 0 {
		text += c.say("，有 %d 次没找到，请核对最近的录入，重新填写", ", %d were not: look through your last entries and enter those again", r.Missing)
	}
	if r.Unchosen {
		text += c.say("；备份用的盘、PIN 等设置可能没有全部找回，请在设置里再看一遍", "; the drive for backups, PINs and other settings may not all be there: look through the settings")
	}
	if r.Lost {
		return text + c.say("。这台电脑的登记没有找回：请向办公室要登记码，运行 zhucun-agent enrol 登记码，然后会接着送出", ". Who this laptop is could not be saved: ask the office for a code and run zhucun-agent enrol CODE; what was saved is sent then")
	}
	return text + c.say("。各村的记录在下次同步时取回", ". The villages' records come back with the next sync")
}

// failed tells that the server answered, and that it failed.
func failed(err error) bool {
	var fault *wire.Fault
	return errors.As(err, &fault) && fault.Code == wire.FaultServer
}

// label gives what a register is called: its field, the choice where it is an
// element, and that it holds what is only proposed.
func (c *call) label(f *form.Form, p record.Path) string {
	switch p {
	case record.Life:
		return c.say("是否作废", "Void or not")
	case record.Left:
		return c.say("迁往", "Moved to")
	}
	if p.Links() {
		return c.say("同一对象", "Same as")
	}
	if about, asked := p.Asked(); asked && p.IsProposal() {
		return c.label(f, about) + c.say("（对问题的答复）", " (to the question)")
	} else if asked {
		return c.label(f, about) + c.say("（办公室的问题）", " (question of the office)")
	}
	fd := f.PathField(p)
	if fd == nil {
		return string(p)
	}
	text := fd.Label.In(c.lang)
	if _, element := p.Field(); element != "" {
		if choice, ok := fd.Choice(element); ok {
			element = choice.Label.In(c.lang)
		}
		text += " " + element
	}
	if p.IsProposal() {
		text += c.say("（建议）", " (proposal)")
	}
	return text
}

// value gives a register's value as a person reads it. reason is why the record
// was declared void, where the value does not say it.
func (c *call) value(f *form.Form, p record.Path, v record.Value, reason string) string {
	if _, asked := p.Asked(); asked {
		switch said := merge.Said(p, v); said.Kind {
		case merge.SaidClosed:
			return c.say("不再问：", "no longer asked: ") + said.Words
		case merge.SaidBack:
			return c.say("撤回了决定", "took the decision back")
		default:
			return cmp.Or(said.Words, c.say("已答", "answered"))
		}
	}
	switch {
	case p == record.Life && v == merge.Alive:
		return c.say("有效", "valid")
	case p == record.Life && merge.Erases(v):
		return c.say("由办公室依法擦除", "erased by the office, by law")
	case p == record.Life:
		var own struct{ Reason string }
		if json.Unmarshal([]byte(v), &own) == nil {
			reason = own.Reason
		}
		return c.say("作废：", "void: ") + reason
	case v.IsNull():
		return c.say("（清空）", "(cleared)")
	}
	if fd := f.PathField(p); fd != nil {
		return fd.Show(v, c.lang)
	}
	if text, ok := v.Text(); ok {
		return text
	}
	return string(v)
}

// asked gives the office's question about something that waits.
func (c *call) asked(q *merge.Asking) string {
	text := c.say("办公室问（%s，%s）：%s", "The office asks (%s, %s): %s", q.Author, q.At.Std().In(beijing).Format("2006-01-02 15:04"), q.Words)
	if q.Moved {
		text += c.say("（问过以后又有人改了）", " (somebody has changed it since)")
	}
	return text
}

// set gives what a change wrote.
func (c *call) set(f *form.Form, set map[record.Path]record.Value) string {
	var parts []string
	for p, v := range set {
		if p != record.Source {
			parts = append(parts, c.label(f, p)+"="+c.value(f, p, v, ""))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, c.say("，", ", "))
}

// claims prints values to choose from.
func (c *call) claims(f *form.Form, p record.Path, claims []merge.Claim, reason string) {
	for _, cl := range claims {
		c.printf("    %s  %s  %s\n      %s\n", cl.At.Std().In(beijing).Format("2006-01-02 15:04"), cl.Author, c.value(f, p, cl.Value, reason), cl.Dot)
	}
}
