// Package export writes the records of one type for analysts, as they read
// after everything that was merged and decided: jsonl, a record a line as the
// commands print it, or csv, a record a row.
//
// What holds:
//   - All rows of a file are of one moment, and memory does not grow with
//     their number.
//   - Masked fields show their last four characters. The full values go out
//     only with a reason, which is in the audit before the first byte is
//     written.
//   - No cell of a csv is a formula, whatever people wrote in the field.
//   - A file is there whole or not at all.
//
// The csv: UTF-8 with a byte order mark, CRLF, a header. The columns are
// village, id, life (alive, void), updated_at (UTC), then the fields of the
// form by name; behind each coded field its labels in Chinese, as NAME_label.
// Several values of one field have a semicolon between them, a place is
// longitude, comma, latitude. What the form does not know is in jsonl alone.
//
// A text that would be taken for a formula has ' before it: one that begins
// with = + - @, their full-width forms, a tab or a line break, and is not just a
// number. Were it left as it is, a note from the field could run a command on
// the analyst's machine.
package export
