// Package planted has bugs, each a patch of a few lines such as somebody might
// write, and shows that the tests see them: go run ./scripts/faults/plant plants
// one after the other into a copy of the source and runs the tests that must fail.
//
// What holds:
//   - Every patch applies to the source as it is and builds; a test of every
//     change sees to that. One that no longer does is written anew with what it is
//     about, or gives way to another: there are at least twenty.
//   - Every bug is caught by a test that its file names, and that passes without
//     it. The long leg (ZHUCUN_LONG=1) tries them all.
package planted
