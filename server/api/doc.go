// Package api is what other programs read by: records, villages and figures as JSON (REST
// below /api/v1/, described by /api/openapi.json), and as tables that spreadsheets know how
// to ask for (OData 4.0 below /odata/). It only reads.
//
// What holds:
//   - Nothing is answered without a token, which an administrator makes; a program sees
//     what an account of the token's role sees, through the same Sight: leaders and
//     administrators no records, inspectors neither ID and bank numbers nor health, a
//     sponsor unit its villages. Of other villages it learns not even that they are there.
//   - Masked fields show their last four characters everywhere. In full they are given to a
//     token that may, for a reason, which is in the audit before the first byte. Nothing can
//     be asked or ordered by what is masked or hidden: the answer would tell it.
//   - What is read is in the audit once a day and token and kind.
//   - Every statement names one village; a page is of one moment, and the place of the next
//     is that of a row, never a number of rows.
//   - Whatever somebody asks wrongly is answered by one sentence that says so, with a status
//     of 4xx: a parameter that nobody knows too, as one that is misspelt would else give
//     everything.
//   - One token's requests are few at once and not too quick after each other, so that one
//     program holds up no other, nor the laptops.
//
// Without the cursor being a place in a village's feed, what changes while somebody pages
// would be skipped; as it is, it comes again, further on. The same cursor, asked for later,
// gives what has changed since.
//
// What others rely on outlives a release: DESIGN.md.
package api
