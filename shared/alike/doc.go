// Package alike tells which records may be of the same household, person or visit, and
// why it thinks so.
//
// What holds:
//   - Only records that share a key are compared. Of a key that very many share nothing
//     can be said: whoever keeps keys bounds how many it compares.
//   - Whatever scores Probable shares a key.
//   - Compare is the same whichever comes first, and its reasons add up to its score.
//
// Were all compared with all, a village of 10,000 people would take fifty million
// comparisons.
package alike
