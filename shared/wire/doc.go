// Package wire is what agent and server say to each other: the messages, their
// limits, and their form on the line.
//
// What holds:
//   - One request pushes and pulls for all villages of a device; with nothing
//     changed it is one round trip of some hundred bytes, however much is
//     stored.
//   - Laptops send segments, only the server sends merged states.
//   - A message begins with four bytes that no portal's page begins with, so an
//     answer that is not ours is never taken for one.
//   - A reader takes at most the size it was told to, packed or unpacked, and
//     memory of some multiple of it.
//   - Keys are only ever added; what a reader does not know it passes over.
//
// The format outlives a release: DESIGN.md.
package wire
