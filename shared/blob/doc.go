// Package blob names the files that records show, photos for the most part, by
// their content, and says what proves that a server has one.
//
// What holds:
//   - A name is the SHA-256 of the content in hexadecimal, a dot and what kind of
//     file it is: whoever has the file can check that it is the one that a record
//     names, with any tool.
//   - A name in a record that is not of this form is one that somebody typed or
//     imported: of such a file nothing is known but its name.
//   - A laptop shows a file as delivered because of a receipt, and of nothing else.
package blob
