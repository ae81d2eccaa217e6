// Package drive knows the machine's drives: where they appear, and how much is free on
// them. It keeps nothing and starts nothing.
//
// What holds:
//   - Looking costs a handful of system calls, so that it may be done every half minute
//     on an old laptop.
//   - Drives that may hang whoever touches them, of a network or a floppy disk, are not
//     among those that it looks for.
package drive
