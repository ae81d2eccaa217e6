// Package journal is the signed, chained log of changes. Each device keeps one
// stream of entries a village; an entry is a change with its number in the
// stream, and its hash covers the hash of the entry before it. A segment is a
// run of one stream's entries under one signature; a receipt is the server's
// signature over what it has taken.
//
// What holds:
//   - An entry's hash determines the entry and everything before it in its
//     stream. Two entries with one number and different hashes are a fork,
//     seen by whoever holds both.
//   - The hash covers a salted hash of the body, not the body: content can be
//     erased by law and the chain still verifies. The salts come from one seed
//     a run of entries, so a change costs no random bytes on the wire; once a body
//     is erased the others keep their salts and the seed is gone (Erase).
//   - A segment may be cut and signed anew at any entry by the holder of the
//     key, without changing one hash: a bad link takes what it can carry.
//   - What is encoded and decoded again has the same hashes. What a later
//     release adds to a change travels in Extra, hashed and kept byte for byte.
//
// Without the chain a laptop restored from an old image would write new changes
// under old numbers unnoticed; without the signature whoever carries a stick
// could write in a secretary's name.
//
// The format outlives a release: DESIGN.md.
package journal
