// Package diagnosis makes the file that a laptop's people send to the office when
// something is wrong with it.
//
// What holds:
//   - It is made of what is listed in Report and of nothing else: numbers, times, and
//     words of lists that stand in the code. No field takes a text from the data, so that
//     no name, number, address, path, passphrase, key or token can be in it, whatever is
//     written there. The one text that comes from outside is the laptop's id, which the
//     office drew, and that only where it looks like one.
//   - It reads and changes nothing, but for what a check finds of files.
package diagnosis
