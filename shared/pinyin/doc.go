// Package pinyin tells how characters are read, by a table that scripts/pinyin makes, and
// how what people type is compared with what is written: laptop and office find the same
// people by the same letters.
//
// What holds:
//   - A character that is read in several ways has all of them, the usual one first.
//   - Most of the table is never brought into memory.
//   - Fold keeps the length of a text.
package pinyin
