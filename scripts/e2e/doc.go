// Package e2e has the stories: what people do with the two commands and what
// they see, from outside. Nothing in it knows the inside of either program; it
// starts them as processes and reads what they print.
//
// What holds:
//   - A story is a script in testdata, named by the command it is about. One
//     that begins with "# Twice" is told by itself and beside running agents:
//     a command does the same both times.
//   - Everything listens on free ports of the loopback and ends by itself: a
//     program that does not stop when asked fails its story, even one that was
//     only in the background.
//   - Laptops reach the server over a link that the story cuts and mends, so
//     that what happens offline happens offline, however slow the machine.
//   - Nothing waits for a fixed time. A story waits until something is so, and
//     fails when it does not come about.
//
// Without the third a running agent syncs between two lines of a story, and
// what two people did at the same time becomes one after the other.
package e2e
