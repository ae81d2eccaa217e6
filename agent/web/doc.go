// Package web is the laptop's own page, on loopback: what is to be done today,
// the households, the forms, what has been delivered, and the conflicts that
// wait for a person. Every page is made by the server from the forms' data and
// works without JavaScript; the one script keeps drafts, shows which questions
// apply and searches as one types.
//
// What holds:
//   - A page says "saved" when the save is on disk, and "delivered" when there
//     is a receipt; nothing else makes it say so.
//   - A save replaces what was on the screen when the form was opened: the
//     draft keeps the record's state of that moment, and only fields that were
//     touched are written.
//   - What was typed is kept: in the draft at every pause, when the page goes
//     away, and on the page again when a value cannot be read.
//   - A person may always save. What is missing or looks wrong is said beside
//     the field; only what cannot be read is sent back.
//   - A decision is taken on what was shown: if the record has changed since, it
//     is shown again instead.
//   - No page, picture or answer without a session, and a session only by a link
//     that works once, for ten minutes. The request must name the very address
//     that listens here; a POST carries the session's token and comes from a page
//     of this address.
//   - No text that a person reads stands outside the table in text.go, but for
//     what the forms bring.
//   - Memory does not grow with visits: of each household a few words and the
//     day of the last visit are kept, made anew when the store has changed.
//
// Without the second, a form left open over lunch would undo what a colleague
// wrote meanwhile, and nobody would know.
//
// A session's random secret is only in the browser's cookie. Its hash lies in
// the data folder (web-sessions, 0600), so that a restart of the agent does not
// throw out somebody in the middle of a form. The cookie's name has the port in
// it: browsers send the cookies of a host to all its ports, and two agents on one
// machine would otherwise overwrite each other's.
package web
