// Package edition is what the office publishes for all its laptops beside what the
// programs were built with: forms and code lists, exit lines, and when a village meets an
// indicator.
//
// An edition has a number, counted up with each publication, and the files that differ
// from the program's own, whole: a form's table, its row of the settings, code lists
// (package form), the rules (package figure). Load lays them over those of the program.
//
// What holds:
//   - An edition says all: whoever has the newest needs none of those before it.
//   - What a program cannot read it keeps and goes on with the edition it had: a later
//     release of the program reads it.
//   - An edition of no number has no files, and stands for the program's own.
package edition
