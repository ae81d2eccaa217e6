// Package form says what each record type asks: its fields, their labels in
// both languages, code lists, rules, how each field merges, and which roles
// may write it. All of that is data, tables in XLSForm's vocabulary that are
// built into the program (folder data); the code knows how to read a value
// (Canon), show it (Show) and check a record (Check), and no field by name.
//
// What holds:
//   - A value has one canonical form: Canon of what Canon gave changes
//     nothing, so equal answers are equal texts on every machine.
//   - What cannot be read is refused at entry, with a reason for the person.
//     What merely looks wrong is saved and marked: Check never refuses.
//   - Expressions always end, never fail, and see only the record's own values
//     and the date they are given.
//   - A mistake in a form is found when it is loaded, with file and row; so is
//     an expression outside the subset.
//   - An answer to a field or code that this version lacks is marked and kept.
//
// Without the first, two laptops would contradict each other over 3 and 3.0;
// without the second, a person with half an answer would lose it.
//
// The tables: settings.csv has a row for each form, in the order of menus.
//
//	form_id        the record type; its fields are in form_id.csv
//	version        counted up with every change to what the form asks
//	group          where menus list it, a code of the list form_group
//	key            the fields that identify a record in real life; _author stands for its author
//	alike          sets of fields, | between: records equal in all of one are probably the same
//	titles         the fields of a record's title line
//	writers        the roles that may create and change records
//	owners         those of them that decide fields with merge owner; the others propose
//
// The table of a form has XLSForm's columns type, name, label, hint, required
// (yes, or an expression: only where it holds), relevant, constraint,
// constraint_message, calculation, parameters (of an image, location=yes: where a photo
// was taken stays in it; offline=yes: laptops fetch its files by themselves; of a text under
// union, receipt=yes: laptops write the day there on which it was read in the village, and
// nobody's name), and ours:
//
//	merge          latest, union, max, review, owner or author
//	issue          an expression: where it holds the answer gives rise to an issue
//	mask           yes: only the last four characters are shown
//	hidden         roles whose devices never get the field
//	section        in both languages: the heading of the part that begins with the field
//
// Types are XLSForm's too; "select_one_from_file household.csv" is the id of
// a record of type household. The village of a record is in its envelope and
// in no form. choices.csv has the code lists, the order of a list being what
// max compares by, and beside XLSForm's columns:
//
//	also           other spellings, space between, that CanonText takes for the code
//	merge          review: under max, beside another code it goes to review
//
// headings.csv has, for a field of a form, the headings under which tables of
// offices have it, space between.
//
// To change a form, edit its table, count its version up in settings.csv, run
// go test ./shared/form -update and read the difference in testdata/forms.golden.
package form
