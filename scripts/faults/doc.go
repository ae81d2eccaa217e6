// Package faults breaks what the two programs stand on, again and again, and
// looks whether anything that was promised is gone. The programs are the real
// ones, started and asked as people do; a tracer (strace) makes system calls fail
// or kills the program at one of them.
//
// What holds:
//   - An id that put has printed, a row of an import that has ended and a change
//     that a laptop shows as delivered are there after any fault, with their values,
//     once.
//   - A program that meets a fault says so in a sentence, or dies of it; the next
//     one finds its way by itself.
//   - A byte of a store that is not as it was written loses nothing without a word,
//     hangs nobody and ends nobody with a trace; a bundle or a reply with one is not
//     accepted. Under a checksum that was put right a laptop cannot tell a damaged
//     reply from somebody else's, and keeps it, unread, to be handed on.
//   - Where a fault is drawn, the test prints how to have it again (-seed). Short
//     legs run with all tests; ZHUCUN_LONG=1, as scripts/test --long sets it, does
//     each to its end: go test ./scripts/faults -run NAME.
//
// The tracer counts the calls of each thread by itself, so a fault strikes
// whichever thread comes to its number first; and it is in the way of Go's
// preemption, which is off under it. A kill is not a power cut, which would lose
// what was not synced: that ids and receipts come after the sync is seen from the
// order of the calls.
//
// That the tests see what they are for is package planted's.
package faults
