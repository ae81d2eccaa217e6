package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"zhucun/shared/form"
	"zhucun/shared/merge"
)

// saidError is one of the errors below with a sentence of its own, which knows
// more.
type saidError struct {
	err  error
	text form.Label
}

func (e *saidError) Error() string { return e.text.En }
func (e *saidError) Unwrap() error { return e.err }

func said(err error, zh, en string, args ...any) error {
	return &saidError{err, form.Label{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}}
}

// sentences gives for each error that a person may meet what happened and what
// to do next. The first that fits is used.
var sentences = []struct {
	err  error
	zh   string
	en   string
	tail bool // what the error itself adds is worth reading
}{
	{ErrReplaced, "数据文件在程序运行时被换成了别的文件，程序已停止写入；原来的内容连同刚才的录入另存在旁边。请不要删除任何一个，也不要重新录入，退出程序并联系办公室", "The data file was replaced by another while the agent ran. Nothing more is written; what was there, with the last entry, is kept beside it. Delete neither, enter nothing again, stop the agent and ask the office", true},
	{ErrAdrift, "数据文件在程序运行时被删除，正在放回原处，内容都在。放回以前请不要退出程序；如果磁盘已满，请先腾出空间", "The data file was removed while the agent ran, and is being put back with all that was in it. Do not stop the agent until then; if the disk is full, free some space", true},
	{ErrNotEnrolled, "这台电脑还没有登记。请向办公室要登记码，然后运行：zhucun-agent enrol 登记码", "This laptop is not enrolled yet. Ask the office for a code and run: zhucun-agent enrol CODE", false},
	{ErrInUse, "数据文件夹正被另一个程序使用。请先关闭它，或用 --data 指定别的文件夹", "Another agent is using this data folder. Stop it first, or name another folder with --data", false},
	{ErrType, "没有这种记录，请核对种类", "There is no such type of record; check it", true},
	{ErrNotFound, "没有找到这条记录，请核对种类和编号，或先同步一次", "There is no such record; check its type and id, or sync first", true},
	{merge.ErrNothing, "这里没有需要决定的内容，用 conflicts 查看待决定的", "There is nothing to decide there; conflicts lists what is", false},
	{merge.ErrNotLive, "这个值刚刚已被替换，请重新查看记录", "That value has been replaced meanwhile; look at the record again", false},
	{ErrStopped, "磁盘或数据文件一直出错，程序已停止写入。请退出并重新启动，核对刚才的内容是否已存上，并尽快更换磁盘", "The disk or the data file keeps failing, and nothing more is written. Stop the agent and start it again, look whether the last entry is there, and replace the disk soon", true},
	{ErrAnew, "数据文件有损坏，正在留存原文件并重新建立。请稍等再试，结果见 status", "The data file is damaged; it is set aside and made anew. Try again in a moment; status tells what came of it", true},
	{ErrDamaged, "数据文件有损坏。请不要删除，运行 zhucun-agent verify 查看，并联系办公室", "The data file is damaged. Do not delete it; run zhucun-agent verify and ask the office", true},
	{ErrUnchecked, "数据文件的检查被打断，没有改动任何内容。请再试一次", "The check of the data file was interrupted; nothing was changed. Try again", true},
	{ErrUnreadable, "服务器发来的一条记录，本版本读不了。您的内容已照常送达；请更新程序", "The server sent a record that this release cannot read. What you wrote is delivered all the same; update the agent", true},
	{ErrDisk, "磁盘在保存时出错，刚才的没有存上，数据正在重新打开。请稍等再试，并尽快备份、更换磁盘", "The disk reported an error while saving; that was not saved, and the data is being opened anew. Try again in a moment, make a backup and replace the disk soon", true},
	{ErrTooLarge, "文件超过 64 MB，没有收下。请先缩小或截短", "The file has more than 64 MB and was not taken; make it smaller first", false},
	{ErrBlob, "取来的文件与名称不符，没有收下。请再试一次", "The file that came is not what its name says and was not taken; try again", false},
	{ErrWiped, "办公室已下令清除这台电脑，不再保存。要继续使用，请重新登记", "The office has ordered everything to be removed from this laptop, and nothing is saved. Enrol it anew to go on", false},
	{ErrClosed, "程序正在退出，没有保存", "The agent is stopping; nothing was saved", false},
	{syscall.ENOSPC, "磁盘已满，没有保存。请腾出空间后再试", "The disk is full; nothing was saved. Free some space and try again", false},
	{syscall.EROFS, "文件夹是只读的，无法写入。请换一个文件夹", "The folder is read-only. Choose another one", false},
	{fs.ErrPermission, "没有写入这个文件夹的权限。请换一个文件夹或检查权限", "This folder may not be written to. Choose another one or check its permissions", true},
	{fs.ErrNotExist, "没有这个文件或文件夹，请检查名称", "There is no such file or folder; check the name", true},
}

// Sentence gives an error as one plain sentence with the next step, for the
// person at the laptop.
func Sentence(err error, lang form.Lang) string {
	if err == nil {
		return ""
	}
	var value *form.ValueError
	if errors.As(err, &value) {
		return value.Field + form.Label{Zh: "：", En: ": "}.In(lang) + value.Reason.In(lang)
	}
	var refusal *merge.Refusal
	if errors.As(err, &refusal) {
		return refusalLabel(refusal).In(lang)
	}
	var own *saidError
	if errors.As(err, &own) {
		return own.text.In(lang)
	}
	// Several errors that came together are told in one line too.
	chain := strings.ReplaceAll(err.Error(), "\n", "; ")
	for _, s := range sentences {
		if !errors.Is(err, s.err) && (s.err != syscall.ENOSPC || !Full(err)) {
			continue
		}
		text := form.Label{Zh: s.zh, En: s.en}.In(lang)
		if s.tail {
			var path *fs.PathError
			detail := strings.TrimPrefix(chain, s.err.Error()+": ")
			if errors.As(err, &path) {
				detail = path.Path
			}
			if err != s.err {
				text += form.Label{Zh: "（" + detail + "）", En: " (" + detail + ")"}.In(lang)
			}
		}
		return text
	}
	return form.Label{Zh: "没有成功，请再试一次；还不行请联系办公室（", En: "It failed; try again, or ask the office ("}.In(lang) +
		chain + form.Label{Zh: "）", En: ")"}.In(lang)
}

func refusalLabel(r *merge.Refusal) form.Label {
	switch r.Code {
	case merge.RefusedOwner:
		return form.Label{Zh: fmt.Sprintf("%s 由乡镇或办公室确定，%s 只能提建议", r.Path, r.Writer.Author), En: fmt.Sprintf("%s is for the township or the office to decide; %s may only propose", r.Path, r.Writer.Author)}
	case merge.RefusedAuthor:
		return form.Label{Zh: fmt.Sprintf("%s 由记录的作者确定，%s 只能提建议", r.Path, r.Writer.Author), En: fmt.Sprintf("%s is for the record's author to decide; %s may only propose", r.Path, r.Writer.Author)}
	}
	return form.Label{Zh: fmt.Sprintf("%s 的职务不能填写“%s”这种记录", r.Writer.Author, r.Type), En: fmt.Sprintf("%s's role may not write records of type %s", r.Writer.Author, r.Type)}
}

// reasons says why the office set a change aside.
var reasons = map[string]form.Label{
	"revoked": {Zh: "这台电脑已被停用。", En: "This laptop was revoked."},
	"village": {Zh: "这个村不归这台电脑。", En: "The village is not this laptop's."},
	"author":  {Zh: "记录人没有在这台电脑上登记，或不是原记录人。", En: "Whoever wrote it is not registered on this laptop, or not the record's author."},
	"unseen":  {Zh: "它要替换的内容，写的人当时不可能看到过。", En: "It replaces what whoever wrote it cannot have seen."},
	"type":    {Zh: "这个编号属于另一种记录。", En: "The id belongs to a record of another type."},
	"role":    {Zh: "记录人的身份不能改这种记录。", En: "The writer's role does not change such records."},
	"lost":    {Zh: "服务器从备份恢复时丢了这一条，由这台电脑补报，等办公室确认。", En: "The server lost it when it was restored from a backup; this laptop sent it again, and the office decides."},
	"erased":  {Zh: "这条记录的内容已由办公室依法擦除。", En: "The office has erased the record by law."},
	"full":    {Zh: "这条记录的内容已经太多，放不下了。", En: "The record has as much in it as a record may have."},
	"owner":   {Zh: "这一项由乡镇或办公室定。", En: "The township or the office decides this."},
}

// Reason says in words why the office set a change aside. Codes are only ever added;
// one of a later release is given as it is.
func Reason(code string, lang form.Lang) string {
	l, known := reasons[code]
	if !known {
		l = form.Label{Zh: "原因：" + code + "。", En: "Reason: " + code + "."}
	}
	return l.In(lang)
}
