// Package clock gives every change a timestamp that sorts after all changes
// its author had seen, even on a laptop whose own clock is wrong. It is a
// hybrid logical clock: wall time while that moves forward, a counter while
// it does not. From such a timestamp At makes the time that everybody reads.
//
// What holds:
//   - One device never repeats a timestamp or goes back, restarts included:
//     the clock is stored together with the change it stamps.
//   - Once t was observed, Now returns more than t.
//   - A remote time more than a day ahead is recorded, never absorbed: the
//     change counts all the same.
//   - A wall clock that jumps (dead battery, a hand at the settings) does not
//     take the timestamps with it: they go on from where they were, and the
//     server corrects what was stamped since the jump, and only that, once it
//     is reached.
//   - At depends on nothing but its arguments, so laptop and server compute
//     the same.
//
// Without the third, one laptop set to 2099 would drag every clock there;
// without the fourth, a battery that died on Friday would date Monday's visit.
package clock
