// Package blob keeps the files that records show: each once, by the hash of its
// content, in a folder, and those that are on their way in.
//
// What holds:
//   - A file has its name only when it is whole, its content is what its name says,
//     and the disk has it.
//   - What has arrived of one that is on its way is on disk before Append returns,
//     and is how far it has come: a length noted elsewhere could be more.
//   - Names are hashes and numbers; nothing that comes from outside becomes a path.
//
// The folder:
//
//	ab/abcd…    a file: SHA-256 in hexadecimal, in the folder of its first two digits
//	coming/ID   what has arrived of one
//	damaged/    what was found not to be what its name says, and set aside
package blob
