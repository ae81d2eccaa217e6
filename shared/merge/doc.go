// Package merge brings changes made apart into one state of a record, and reads
// that state by the policy of each field. A field is a multi-value register:
// it keeps every value that no other change has named as replaced.
//
// What holds:
//   - Join is commutative, associative and idempotent, and applying changes
//     gives what joining states gives; so order, grouping and repetition of
//     arrival change nothing.
//   - Every accepted value is live, or named in an accepted change's observed
//     dots. Nothing is pruned by age.
//   - A change replaces exactly what its author had been shown when the form
//     was opened.
//   - Read is pure and total: it gives every state a value for every field and
//     does not depend on the order of the siblings; what only a person can
//     decide it shows with all values kept.
//   - A record that the office has erased by law says so under _life and is void for
//     good (Erasure). What it said goes from every replica by Join: the server has
//     seen it, and no longer holds it.
//   - Whoever does not own a field writes only beside it, as a proposal.
//   - Whoever may write nothing in a record may write its receipts (receipt.go), where its
//     form has a place for them: a day, in nobody's name, and nothing beside it.
//   - What the office asks about a register (question.go), and what is answered, lies in
//     registers of the same record: nobody else asks, an answer is part of the decision
//     that it explains, and whether it still waits follows from the record alone.
//   - Of two records that are said to be the same everybody keeps the one with the
//     smaller id, and what is united in it loses no text and no element of a set; to
//     part them again takes out what the joining change wrote and nobody has replaced.
//   - A record that moves to another village is known there as Join would have it, its
//     changes called by where they were first written (Carry): what is open stays open,
//     nothing that was replaced anywhere comes back, and to carry it again does nothing.
//     Where it was it is void, whatever is written to it there by whoever did not know;
//     that waits for a decision.
//
// Without the named dots a late save overwrites what its author never saw
// (stamping changes with a version vector lost data in most simulated runs);
// without the clouds a change that arrives after the one that replaces it comes
// back to life.
package merge
