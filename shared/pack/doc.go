// Package pack makes small things small: a message about one visit, a record on
// a laptop's disk. Chinese characters are first written in two bytes or one
// instead of three (Shorten), then zstd packs them with a built-in dictionary of
// what such things are made of. Short messages are mixed instead (AppendMixed), for
// who reads that.
//
// What holds:
//   - Whatever is packed comes back byte for byte, text or not.
//   - Packed bytes name their dictionary by its hash. A test knows the hash of
//     the one that is built in, since every release must be able to read what an
//     older one wrote.
//   - A reader stops at the limit it was given, on every step of the way.
//
// The format outlives a release: DESIGN.md.
package pack
