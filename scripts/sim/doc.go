// Package sim plays a village's weeks in milliseconds: a few laptops with real
// stores, the real server store and its door between them, and everything in
// between that goes wrong. One seed decides all of it, and a failure prints the seed.
//
// A schedule has saves from forms that were opened long before, decisions on
// both sides, voids, clocks that are wrong by ten years and jump, requests and
// answers that are lost, repeated or come late, small budgets, and crashes
// before any commit of a laptop. The office asks about what waits and asks no more,
// laptops answer by deciding and take decisions back, and at the end a record that was
// asked about is erased. The legs add to that:
//   - Images: disks are set back to older images, and copied to other machines.
//   - Bundles: most of the traffic goes in files, by the real packing and opening on
//     both sides: they are lost, come late, in any order and again.
//   - Rewinds: the server is lost and restored from older backups, one after the
//     other. A record of which the office's own word went with it is left out of the
//     comparison, for laptops that had seen it keep it and nobody sends it back.
//   - Orders: laptops have one or both of two villages, and the office revokes them,
//     gives them others, and gives back what they had, while they have work waiting,
//     pages aside, and bundles on the road. The server is backed up now and then.
//   - Many: 3 to 40 laptops.
//
// What is checked:
//   - on the way: what a laptop acknowledged it shows; what it calls delivered
//     the server has; whoever reads a record again, on a laptop or at the office,
//     finds what it showed before, unless a change that was made since replaced it,
//     and does not find what was replaced;
//   - of orders: no answer and no reply has a record of a village that is not the
//     laptop's; a laptop lets a village go, or is wiped, only when all that was
//     written there is in a backup, and does both in the end; what came when the
//     laptop might not send it was set aside, with that reason, and nothing else was,
//     but for what stands on such; a village that was given back is whole;
//   - at the end, when all traffic has: every save that was acknowledged is in
//     the server's log once, or set aside; server and laptops have byte for byte the
//     same states; and these are what a plain oracle makes of the log, which knows
//     no frontier, no join and no page.
//
// What is not: what somebody saw of a record of which a restored server judged a change
// otherwise than the life that was lost, when no laptop had a receipt for it: it may go,
// and what it had replaced come back. Nor are dates checked of what
// is written on a laptop that had not heard of the server for a year.
//
// The same seed gives the same trace: its hash has every step, the bytes of all
// messages, and all states at the end; -hashes logs it. trace.go says what it has not.
//
// The long leg is
//
//	go test ./scripts/sim -schedules 10000 -steps 1000 -timeout 12h
//
// about two hours on two idle cores: a schedule of 1000 steps takes 0.7 s of a core,
// one with rewinds 1.7 s.
package sim
