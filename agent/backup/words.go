package backup

import (
	"errors"

	"zhucun/shared/form"
)

// Sentence says what is wrong, as one sentence with the next step; ok is false where that
// is not this package's to say.
func Sentence(err error) (words form.Label, ok bool) {
	switch {
	case errors.Is(err, ErrNone):
		return form.Label{Zh: "还没有选备份到哪里。请插上 U 盘或移动硬盘，选一个文件夹：zhucun-agent backup 文件夹 --always", En: "No folder is chosen for backups. Put in a stick or another drive and choose one: zhucun-agent backup FOLDER --always"}, true
	case errors.Is(err, ErrAway):
		return form.Label{Zh: "备份用的那个盘没有插上。请插上它，再试一次", En: "The drive for backups is not there. Put it in and try again"}, true
	case errors.Is(err, ErrBusy):
		return form.Label{Zh: "正在备份，请等它做完", En: "A backup is being made; wait until it is done"}, true
	case errors.Is(err, ErrInside):
		return form.Label{Zh: "这是存放数据的文件夹，备份要放在别的盘上才有用。请换一个", En: "This is where the data itself is; a backup belongs on another drive. Choose another folder"}, true
	case errors.Is(err, ErrFolder):
		return form.Label{Zh: "这个文件夹不存在，或不能写入。请插好 U 盘，或换一个文件夹", En: "The folder is not there or cannot be written. Put in the stick, or choose another folder"}, true
	case errors.Is(err, ErrFull):
		return OfFault(FaultFull), true
	}
	return form.Label{}, false
}

// OfFault says why the last backup failed; what was there before is good all the same.
func OfFault(code string) form.Label {
	switch code {
	case "":
		return form.Label{}
	case FaultFull:
		return form.Label{Zh: "备份用的盘满了，这次没有备份；以前的备份都还在。请在盘上腾出地方，或换一个盘", En: "The drive for backups is full and none was made this time; earlier ones are still good. Make room on it, or choose another"}
	case FaultGone:
		return form.Label{Zh: "备份到一半，盘被拔掉了；以前的备份都还在，插上以后会重新备份", En: "The drive was pulled out in the middle of a backup; earlier ones are still good, and it begins anew when the drive is back"}
	case FaultBad:
		return form.Label{Zh: "写到盘上的备份读回来不对，没有保留；以前的备份没有动。这个盘可能坏了，请换一个", En: "What was written to the drive did not read back as it was and was not kept; earlier backups were not touched. The drive may be failing: choose another"}
	}
	return form.Label{Zh: "这次备份没有做成；以前的备份都还在。请看看盘是否插好、能不能写入", En: "The backup failed; earlier ones are still good. See whether the drive is well plugged in and can be written"}
}
