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
//   - Where a fault is drawn, the test prints how to have it again (-seed). Short
//     legs run with all tests; ZHUCUN_LONG=1, as scripts/test --long sets it, does
//     each to its end: go test ./scripts/faults -run NAME.
//
// The tracer counts the calls of each thread by itself, so a fault strikes
// whichever thread comes to its number first; and it is in the way of Go's
// preemption, which is off under it.
package faults
