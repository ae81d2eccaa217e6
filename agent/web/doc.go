// Package web is the laptop's own page, on loopback: what is to be done today,
// the households, the forms, what has been delivered, and the conflicts that
// wait for a person. Every page is made by the server from the forms' data and
// works without JavaScript; the one script keeps drafts, shows which questions
// apply, searches as one types, lets Enter go to the next question and digits choose
// an answer, and follows a sync that is under way.
//
// What holds:
//   - A page says "saved" when the save is on disk, and "delivered" when there
//     is a receipt; nothing else makes it say so.
//   - What is in a bundle is "in a bundle, not delivered", until a receipt says
//     otherwise; a bundle is told delivered when there is one for all that is in it.
//   - An upload is read as it comes: the pages' token first, then as much of the
//     file as it says it has and a file may have, in memory and nowhere else. Of
//     somebody else's file the page knows the size.
//   - A table is taken as it was shown, and by nobody's click but that under what it
//     shows: a choice that was changed meanwhile is shown first. Until then its file is
//     in memory alone, for an hour at most.
//   - A save replaces what was on the screen when the form was opened: the
//     draft keeps the record's state of that moment, and only fields that were
//     touched are written.
//   - What was typed is kept: in the draft at every pause and when the page goes
//     away; in the page until the agent has answered that it is in the draft; in a
//     new draft where its own is gone; beside the other text where two windows wrote
//     in one field; and on the page again when a value cannot be read.
//   - What is known is not asked again: what follows from other answers is shown
//     beside the question and not written, and what a visit asks for becomes its issue.
//   - A person may always save. What is missing or looks wrong is said beside
//     the field; only what cannot be read is sent back.
//   - Who splits off, moves or joins another household is written in one transaction, at
//     the last of the steps and as shown there; nobody's record is made anew.
//   - A decision is taken on what was shown: if the record has changed since, it
//     is shown again instead.
//   - That a notice of the office was read somebody says by a button; what goes to the office
//     is the day, in nobody's name.
//   - No day is counted and no answer begun by a date that cannot be right: one
//     before what is here already, or over a year after. A visit counts from its
//     day on, not before.
//   - No page, picture or answer without a session, and a session only by a link
//     that works once, for ten minutes. The request must name the very address
//     that listens here, and a path that nobody else knows; a POST carries the
//     pages' token and comes from a page of this address.
//   - Who has given himself a PIN is asked for it in every session, and again when it lay
//     unused; until then nothing is shown, and nothing is ever written in his name. The
//     wrong ones are counted in the store: a restart or another clock wins no tries. It is
//     a courtesy, and the page says so: it encrypts nothing.
//   - On paper a household's card has what may hang on a wall: no words that somebody
//     wrote of a measure, no number, nothing of anybody's health. On every paper long
//     numbers show their last four signs, whatever they stand in.
//   - A paper says up to when it counts, how many of its records are not delivered and
//     what on it is not settled; where some of a job's papers cannot be made, so it says
//     too. Papers of many are made one after the other, while the page is written.
//   - No text that a person reads stands outside the table in text.go, but for
//     what the forms bring.
//   - A list of records has all of them, a page at a time: it is read through, and no
//     more is kept of it than the page shows. Its sums are of all that is asked for, its
//     addresses have codes, days and ids and no person's words.
//   - Two visits of one household and day are shown to somebody who may say whether they
//     are one. What is said stands in both records (shared/merge), so no laptop that has
//     heard of it asks again; nobody withdraws a visit that he could not void by hand.
//   - A day without a work log, or half a day that nobody noted, is empty and called
//     nothing. A day's attendance is written for all at once, each half day as its own
//     record, under an id that every laptop gives it; only what was changed is written.
//   - The store is read whole once, when somebody first comes in, and after that what has
//     changed in it. Until it has been read pages answer all the same, say so, and count
//     nothing. A search reads the visits that it shows and some more, never all.
//   - Of each household some hundred bytes are kept, and of what people wrote the index of
//     package finder, in memory alone: a minute after the last page was locked nothing is.
//
// What waits for a decision is told as a story (tell.go): who wrote which value, when,
// on which laptop or from which table, on the day of which visit, as far as that is
// known. What the office asks about comes first, and the answer is the decision. The
// last decisions can be taken back while nothing has followed (takeback.go); they are
// remembered in memory alone.
//
// Without the second, a form left open over lunch would undo what a colleague
// wrote meanwhile, and nobody would know.
//
// # Who else is on the machine
//
// A session's random secret is only in the browser's cookie. Its hash lies in
// the data folder (web-sessions, 0600), so that a restart of the agent does not
// throw out somebody in the middle of a form. So does a key, of which come the
// token that every form carries and the path under which all pages are. Both
// stay when a new link makes a new session: a form that is open goes on.
//
// The path is there because browsers send the cookies of a host to all its
// ports. A program of another user, listening on another port of this machine,
// would be given the secret by any link that leads there; SameSite and HttpOnly
// do not hinder that. A cookie is sent only below its own path, which is 144
// random bits and stands in no page, header or argument that others see. (To give
// every request a second secret by script was rejected: a page that is simply
// opened has none. To change the secret with every page was rejected: two tabs
// would throw each other out.)
//
// What remains: whoever learns the path (from the screen, a synced history, an
// address that was passed on) and gets the browser led to a port of their own
// is where they would have been without it. Whoever is the same user, or root,
// can read the data folder anyway. The cookie ends with the browser.
package web
