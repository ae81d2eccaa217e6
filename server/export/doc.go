// Package export writes the records of one type for analysts, as they read
// after everything that was merged and decided: jsonl, a record a line as the
// commands print it; csv and xlsx, a record a row; or geojson, a record a feature.
//
// What holds:
//   - All rows of a file are of one moment, and memory does not grow with
//     their number.
//   - Masked fields show their last four characters. The full values go out
//     only with a reason, which is in the audit before the first byte is
//     written.
//   - No cell of a csv or xlsx is a formula, whatever people wrote in the field.
//   - A file is there whole or not at all.
//
// The csv: UTF-8 with a byte order mark, a header, CRLF at the end of each row;
// a line break in a cell is as it was written. The columns are village, id, life
// (alive, void), updated_at (UTC), then the fields of the form by name; behind
// each coded field its labels in Chinese, as NAME_label. The last two name
// fields by their columns: proposed, those whose value nobody has confirmed yet,
// and conflicts, those in which several values stand and one is shown until
// somebody decides. Several values of one field have a semicolon between them, a
// place is longitude, comma, latitude. What the form does not know is in jsonl
// alone.
//
// A cell that would be taken for a formula has ' before it: one that begins with
// = + - @, their full-width forms, a tab or a line break. Only the numbers of
// numeric fields are left as they are: "-1" in a text would be calculated with,
// "+86…" lose its sign. Were formulas left as they are, a note from the field
// could run a command on the analyst's machine.
//
// The xlsx: Chinese headings, numbers and days as such, everything else as text, so that
// long numbers keep their digits; codes by their labels, with a sheet of what each means. It
// is written while the records come, in as many sheets as they need. The geojson: the form's
// first place in WGS-84 or, where that is asked for, in GCJ-02.
package export
