// Package review is where a person decides what no policy may: which of several
// values stands, what becomes of a proposal, whether an entry in quarantine is
// taken after all; and where the office itself writes.
//
// What holds:
//   - A decision is an ordinary change, signed by the server, in the name of
//     whoever decided. It replaces what that person was shown and nothing else.
//   - Of two people who decide on the same thing the second is told so.
//   - Of a form that somebody at the office fills in only what was touched is written, and
//     nothing where somebody else has written one of those fields since it was opened.
//   - The reason travels with the change (Extra: a CBOR map, 1 → the reason).
//   - Erasing takes one record. Those that it was joined with, where its text may stand,
//     are told, and stay.
//   - What is accepted out of quarantine keeps its author and its time.
//   - What waits can be sent back as a question (merge.Question): the answer of the
//     people at the village's laptops is their decision. Words of questions and answers
//     are in the record's own changes and nowhere else.
//   - Decisions by rule are decisions like others, on what was shown; what moved since is
//     left out and told.
//   - A household splits, people move and households join by the rules of package kin, all of
//     it or nothing, on the family as it was shown; the opposite undoes it.
//   - A household moves to another village with all that is of it, under the same ids and
//     with authors and times kept. It lives in one village: what was written to it late where
//     it was can be taken after it, or left, and not be made valid there.
//   - What is undone is undone by a change that puts back what stood before, where nothing
//     has followed: of a decision, of a batch, of two records that were joined.
//
// Were a decision to replace what stands when it is stored, a value that came
// in while the page was open would be thrown away unseen.
package review
