// Package access says who may do what: accounts of the office with their
// passwords and roles, enrolment codes, the laptops that came in by them, and
// the people who write on each.
//
// What holds:
//   - Who may do what stands in one table, permissions, that pages and commands
//     ask; what of the records an account sees, SightOf says.
//   - A code brings in one laptop, once, for a limited time, and is burnt by
//     five wrong secrets. The same laptop may repeat it: a lost answer costs
//     nothing.
//   - The server keeps no password, enrolment secret, recovery code or token, only
//     what checks them.
//   - A name on a laptop is the same person as an equal name on another laptop
//     of the village, and is nobody's login; nor is a name for which a code was
//     issued.
//   - A code of a second factor is taken once, and so is a recovery code; the
//     server keeps the secret sealed under a key that is not in the database.
//   - After wrong passwords or codes each further attempt must wait longer, for the same
//     login and from the same address. The wait is the same for logins that do
//     not exist.
//   - What is done here is noted in the audit. Of refused sign-ins so many a login
//     and hour, the others are counted; what was typed as a login that nobody has
//     is not noted.
//   - A few passwords are checked at once and a few wait; more are turned away.
//
// Were a name on a laptop allowed to be a login, a history could not tell the
// field from the office; without the wait a password of six letters is found
// over night.
package access
