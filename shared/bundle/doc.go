// Package bundle puts the messages of a sync into one file, and the photos and other
// files of its records behind them, for the road without a network: on a stick, by
// mail, on somebody else's laptop. A bundle goes from a device to the server, a reply
// back to the device; what the messages say is package wire's.
//
// What holds:
//   - Whoever carries a file learns its size and nothing else, not even whose it
//     is or which way it goes.
//   - A file is taken whole or not at all: one changed byte, or one missing at the
//     end, and it is refused. Every copy can be checked by whoever has it.
//   - What a file brings was put together by its sender, for that receiver, in one
//     go: a signature covers both, a serial, every message and every photo.
//   - The messages are in memory, photos never are: they are written and read in
//     pieces of 64 KB.
//   - Nothing is unpacked before size, count and ratio are known to be within the
//     limits.
//   - It may come any number of times and in any order; what that means is for
//     the messages to say, and none of them is a command to forget.
//
// Were the messages only signed one by one, a courier could put last month's next
// to today's.
//
// The format outlives a release: DESIGN.md.
package bundle
