// Package xlsform reads what the office would publish out of a workbook, and writes what
// holds into one: a form, code lists, exit lines and indicators. A form's workbook is
// XLSForm's (xlsform.org): the sheets survey, choices and settings.
//
// Of XLSForm are read:
//
//	survey    type, name, label, hint, required, relevant, constraint, constraint_message,
//	          calculation, parameters, and our columns merge, issue, mask, hidden, section
//	          (package form). Types: text, integer, decimal, date, select_one LIST,
//	          select_multiple LIST, select_one_from_file TYPE.csv,
//	          select_multiple_from_file TYPE.csv, geopoint, image, calculate; begin_group and
//	          end_group, not nested, whose label heads the part that they enclose
//	choices   list_name, name, label, and ours: also, merge
//	settings  form_id, form_title, version, and ours: title, group, key, alike, titles,
//	          writers, owners
//
// A label, hint, message, section or title may be in the columns NAME::中文 (zh) and
// NAME::English (en), or NAME::Chinese (zh), or NAME alone, which is the Chinese. What has
// no English keeps the English of the field by that name, or says it in Chinese. Everything
// else is refused, with the sheet and the row: what would be left out unsaid might be what
// somebody relies on.
//
// What is not said of a field that there is already stays as it is: how it merges, what is
// masked, which roles do not get it. Of a new field the policy is latest, of a set union.
// The version is counted up here, whatever the workbook says, also of the other forms that
// use a changed list.
//
// Beside these a workbook may have the sheets exit_lines and indicators (package figure).
// One without survey and settings publishes what it has.
package xlsform
