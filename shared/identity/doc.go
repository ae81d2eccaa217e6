// Package identity holds who takes part: devices with their keys, the server
// with its own, people with their roles, and the one-time code that brings a
// device in.
//
// What holds:
//   - A stream's name is a hash of the key that signs it, its village and its
//     incarnation, so no other key can continue it.
//   - Every signature covers the name of its purpose; one made for a segment
//     says nothing about a receipt.
//   - An enrolment code carries the hash of the server's identity key: a laptop
//     that has the code talks to that server or to nobody.
package identity
