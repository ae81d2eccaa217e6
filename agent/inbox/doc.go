// Package inbox takes what people bring as files: rows of records from a file
// named on the command line, from standard input, or dropped into the folder
// inbox.
//
// What holds:
//   - A dropped file is taken only when its size has stood still: a copy from a
//     slow stick is not half a file.
//   - Good rows are taken, bad ones are listed with their place and what is
//     wrong with them; one bad row holds up none.
//   - Taking a file again changes nothing: a row is known by what it says, a table's
//     however its columns stand. A row of a table that says something new of a record
//     changes that record, which it finds by the form's key, or by what makes records
//     probably the same; where several may be meant it is not taken.
//   - The same row is the same record on every laptop that takes it: without a number and
//     without an id of its own it gets one that follows from what it says. Rows of a table
//     that say the same, and that nothing tells apart, are as many records.
//   - A table is taken when it is known of each of its columns where it goes, and not
//     before. What somebody has chosen is remembered for tables with these headings.
//   - Beside a table that was taken, or tried, lies a workbook that tells of every row
//     what came of it.
//   - Every file ends in done/, or in failed/ beside a .txt that says why;
//     nothing is deleted and nothing there is overwritten. One that cannot be
//     moved stays, is tried again, and holds up no other.
//   - A table lies in .taking/ while it is read. What still lies there at the start is
//     what cut the agent off, or was cut off with it: it goes to failed/ and is not
//     tried again until somebody drops it again.
//   - A folder is left where it is, and a .txt in failed/ says that its files
//     are to be dropped themselves.
//   - Files dropped while the agent was off are found at its start, and those a
//     notification missed by a look around every few seconds.
package inbox
