// Package backup is the file that a server is restored from: its database and its
// keys as of one moment, in one file that says what it is.
//
// What holds:
//   - A file is written from front to back and ends with a hash over all of it:
//     one that was cut off, or of which one bit differs, is refused before
//     anything of it is used.
//   - Whatever is in it goes to the folder it is unpacked into, by plain names,
//     and nowhere else.
//   - It is as secret as the server itself: whoever has it has every record and
//     can be the server to all laptops.
//
// The format outlives a release: DESIGN.md.
package backup
