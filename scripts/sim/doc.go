// Package sim plays a village's weeks in milliseconds: a few laptops with real
// stores, the real server store between them, and everything in between that
// goes wrong. One seed decides all of it, and a failure prints the seed.
//
// A schedule has saves from forms that were opened long before, decisions on
// both sides, voids, clocks that are wrong by ten years and jump, requests and
// answers that are lost, repeated or come late, small budgets, and crashes
// before any commit of a laptop. In TestBundles most of the traffic goes in files
// instead, by the real packing and opening on both sides: they are lost, come late,
// in any order and again. In TestRewinds the server is lost and restored from older
// backups, one after the other; a record of which the office's own word went with
// it is left out of the comparison, for laptops that had seen it keep it and nobody
// sends it back.
//
// What is checked:
//   - on the way: what a laptop acknowledged it shows; what it calls delivered
//     the server has; nothing that one laptop read before disappears unless a
//     change that names it came;
//   - at the end, when all traffic has: every save that was acknowledged is in
//     the server's log once; server and laptops have byte for byte the same
//     states; and these are what a plain oracle makes of the log, which knows
//     no frontier, no join and no page.
package sim
