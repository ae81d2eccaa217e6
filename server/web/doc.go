// Package web is the office's pages: how every village stands, what is to be done and by when, notices to the villages, the figures it is
// accounted for by and the table, the charts and the map for leaders, the records and their history, visit coverage, what waits for a decision, the quarantine,
// laptops and accounts, backups, what is set, the audit and help. Every page is made by the server and works without
// JavaScript; the one script makes an open page look again when the data has
// changed.
//
// What holds:
//   - No page without a session but the door, and each address asks access for
//     an action: leaders see sums and no persons, inspectors no ID and bank
//     numbers and no health, a sponsor unit its village, administrators no
//     household's data.
//   - Who has given the password only and must give a code, or set one up, gets no
//     page but that one, for ten minutes.
//   - A session ends after 12 hours, after an hour in which nobody did anything,
//     with a new password or second factor, when its account is signed out
//     everywhere, and with its account. What a page asks for by itself
//     keeps no session alive. Who is in sees where else, and ends these; what has
//     ended no request that was under way brings back.
//   - A change needs the form token of the session and comes from a page of this
//     site. The password makes a new session, and the code another: a planted one is
//     worth nothing.
//   - A decision is taken on what was shown: its form names the changes that it
//     showed, and of two people who decide the second is told what the first did.
//   - What waits can be asked of the team (merge.Question) on what was shown as well; the
//     answers stand above what waits until somebody has seen them.
//   - A step of a record that goes through states is one that package flow has a row for,
//     taken on what was shown by a role of that row; the form of the record is held to
//     the same rows.
//   - Of a notice it is said in which villages it was read and on which day, of nobody in
//     them by whom or on which laptop.
//   - Masked fields show their last four characters, in the history too; in full
//     only for a reason, which is in the audit before the page is sent.
//   - A backup has everything in full and the server's keys: its file is only for who
//     keeps backups and may also see numbers in full, for a reason in the audit.
//   - A month that was closed shows the figures of that moment, and says where data
//     came later.
//   - Every table says of when it is and how far each village's data goes. What
//     colour says, words say too.
//   - Nobody holds anything up by standing still: bodies and answers have their
//     limits on time, and an export is a file before its first byte is sent.
//   - What is sent is whole, or the connection is cut off.
//   - A file is read only for somebody who may upload, may take as long as it likes
//     while it moves, and never by the name that it came with.
//   - A page that looks again leaves a form alone that somebody is filling in.
//   - No text that a person reads stands outside the table in text.go, but for
//     what the forms bring.
//
// Without the fifth, a value that came in while the page was open would be
// thrown away unseen.
//
// A session lies in the table session under a hash of what the browser holds,
// so that a copy of the data opens no door.
package web
