// Package kin says who is of which household: what is written where some of a household
// make one of their own, move to another one, or all join it, on a laptop as at the office.
//
// What holds:
//   - Nobody's record is made anew. Whoever goes names another household, what they are to
//     its head, the day and why; earlier visits and incomes stay where they are.
//   - A household is left with a head, and a new one has one.
//   - Nothing here reads or writes: it tells what lacks, and the fields of each record.
//
// Were the two sides to say it each by itself, a household split at the office would read
// otherwise than one that was split in the village.
package kin
