// Package sheet reads tables out of the files that offices keep them in, .xlsx
// and .csv, row by row as they lie there, and writes .xlsx. It knows nothing of
// what the cells mean.
//
// What holds:
//   - A file may be anything, from anybody: what it unpacks to, its parts, rows,
//     columns and cells, and the texts of one row are bounded (limits.go), each while
//     it is read and not once all of it is held. What is over a bound, damaged or of
//     another kind is refused with one sentence. Nothing is cut off unsaid.
//   - Memory does not grow with the rows of a sheet: they are read as they are
//     unpacked. What is kept is the texts that cells share, once each, and what is
//     merged.
//   - Nothing that is unpacked is written to a disk.
//   - A cell is its value: of a formula the one that was worked out last, of a
//     number its digits and not its looks; what its looks change is told beside it.
//   - What is written is text: no cell of it is a formula, now or after somebody has
//     gone through it with the Enter key.
//
// (github.com/xuri/excelize/v2 was weighed: what is merged or hidden it tells only of
// a sheet that it holds whole, and parts over its limit it unpacks into the folder for
// temporary files, where they lie in plain.)
package sheet
