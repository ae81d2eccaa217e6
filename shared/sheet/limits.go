package sheet

import (
	"fmt"

	"zhucun/shared/form"
)

// Limits of one file. A village's tables stay far below them.
const (
	MaxFile    = 32 << 20  // bytes of the file
	MaxRows    = 200_000   // the last row that has anything in it
	MaxColumns = 512       // the same of columns
	MaxSheets  = 100       // sheets of a workbook
	maxPart    = 256 << 20 // bytes that a sheet unpacks to
	maxStrings = 64 << 20  // the same of the texts that cells share
	maxSmall   = 8 << 20   // the same of every other part
	maxListing = 1 << 20   // bytes of the list of parts
	maxToken   = 1 << 20   // bytes of one cell's text as it is written
	maxRow     = 4 << 20   // bytes of the texts of one row, with what is merged into it
	maxFields  = 16_384    // columns of a row of a .csv, empty ones too; Excel has no more
	maxMerges  = 200_000   // ranges of merged cells
	maxStyles  = 65_536    // ways in which cells look
)

// Error says why a file, or a row of it, cannot be read, for people.
type Error struct{ Label form.Label }

func (e *Error) Error() string { return e.Label.En }

func wrong(zh, en string, args ...any) error {
	return &Error{form.Label{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}}
}

var (
	errDamaged = wrong("文件已损坏，或没有拷贝完整，读不出来。请用 Excel 或 WPS 打开，另存为 .xlsx 再试", "The file is damaged or was not copied whole. Open it in Excel or WPS, save it as .xlsx and try again")
	errLarge   = wrong("文件太大（超过 32 MB）。请把无关的内容和图片删去，或分成几个文件", "The file is too large (over 32 MB). Remove what does not belong to the table, or make several files of it")
	errBomb    = wrong("文件展开后太大，不像是一张表。请把表格复制到新的工作簿，另存为 .xlsx 再试", "The file unpacks to too much to be a table. Copy the table into a new workbook, save it as .xlsx and try again")
	errRows    = wrong("表格超过 %[1]d 行，请分成几个文件；如果下面是空行，请选中后删除", "The table has more than %[1]d rows; make several files of it, and delete empty rows at its end", MaxRows)
	errWide    = wrong("表格超过 %[1]d 列，请把右边无关的列删去", "The table has more than %[1]d columns; delete those that do not belong to it", MaxColumns)
	errOld     = wrong("这是旧格式的 .xls 表格。请用 Excel 或 WPS 打开，选“另存为”，类型选“Excel 工作簿（.xlsx）”，再导入", "This is a workbook of the old kind, .xls. Open it in Excel or WPS, choose Save As and the type Excel Workbook (.xlsx), and import that")
	errLocked  = wrong("这个工作簿加了打开密码。请打开它，去掉密码，另存为 .xlsx 再导入", "This workbook needs a password to open. Open it, remove the password, save it as .xlsx and import that")
	errKind    = wrong("这不是 .xlsx 或 .csv 表格。请用 Excel 或 WPS 打开，另存为 .xlsx 再导入", "This is no table of the kinds .xlsx or .csv. Open it in Excel or WPS, save it as .xlsx and import that")
	errEmpty   = wrong("文件是空的，请换一个", "The file is empty; choose another")
	errSheets  = wrong("工作簿的工作表超过 %[1]d 张。请把要导入的一张复制到新的工作簿", "The workbook has more than %[1]d sheets; copy the one that matters into a new workbook", MaxSheets)
)
