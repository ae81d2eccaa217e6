// Package dataset makes up household-visit data of any size from a seed:
// villages, their work teams, households, persons, visit notes in Chinese, and
// the changes that several laptops make to them, some without seeing each
// other. Tests, simulations and demonstrations run on it. No real person,
// place, phone number or household is in it.
//
// What holds:
//   - The same options give the same data, and the same bytes from the
//     writers.
//   - Teams, households, visits and changes are drawn from separate sources:
//     asking for more visits leaves the households as they were.
//   - Records come in an order in which references follow what they name:
//     team_post, household, person, visit. Visits are in order of their id,
//     changes in order of their time.
//   - All changes start from the records as they were written; they do not
//     build on one another. Group and Clash of a change are the truth to test
//     against, which no device knows: FieldClash when two or three devices
//     changed the same fields of one record, RecordClash when they changed
//     different ones.
//   - Village codes begin with 369999, which is no area's code, and phone
//     numbers with 12, which is no carrier's.
//
// The notes are dense like prose written by people: each writer prefers other
// words and clauses, and slips of the pen (a wrong homophone, a character left
// out, one doubled) are there on purpose. Text from a few templates would
// compress several times better than real notes and make every figure about
// sizes and links a flattering one.
package dataset
