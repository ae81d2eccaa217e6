// Package escrow lets the office open a laptop of which the passphrase was
// forgotten. The laptop hands in the key of its data, sealed to the server's
// identity key; the office opens it, for a reason that is in the audit, and reads
// the person a recovery code, which is that key in letters.
//
// What holds:
//   - Who has what was handed in but not the server's identity key learns nothing.
//   - It is sealed for one device: what one laptop handed in does not open in the
//     name of another.
//   - A code that was misheard is refused; it never passes for another key.
package escrow
