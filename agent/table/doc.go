// Package table finds the table in a sheet as offices keep them, and reads its rows
// as answers to a form's questions: titles above the headings, headings of several
// rows, cells that stand for several rows, sums, notes below. It saves nothing.
//
// What holds:
//   - Which field a column is goes by the form's data: its labels, and the headings
//     that headings.csv lists. What only looks alike is a guess, for a person to say
//     yes to, and never taken by itself.
//   - Of every column with a heading it is known where it goes, to a field or nowhere,
//     before a row is taken (Layout.Open): a column that nobody thought of would be
//     lost without anybody noticing.
//   - A row is read whole or not at all, with what is wrong in each of its cells.
//     Every row that is passed over is told with the reason: a sum, a note, hidden.
//   - Digits that a spreadsheet has lost are never made up for.
//   - What is seen is what is taken: hidden rows, columns and sheets are not, unless
//     somebody asks for them.
//   - Two tables in one sheet are refused: which of them is meant cannot be told.
//
// A heading is the texts of a column in all rows of headings; those of a range that is
// merged belong to all its columns. Brackets hold a unit, or a remark, which is left
// out. "万元" over a column, or "单位：万元" above the table, multiplies amounts.
package table
