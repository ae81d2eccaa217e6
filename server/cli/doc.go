// Package cli is the server's commands. It builds a server out of the other
// packages, or does one thing on the data folder beside a running one.
//
// What holds:
//   - A command exits 0 when it is done, 1 when it failed, 2 when its words are
//     wrong: a flag, a code or an id that cannot be one, a type, village or role
//     that there is not. A record, laptop or account that is not there is 1.
//   - An error is one sentence and the next step, on standard error; what a
//     program reads is on standard output and nothing else is.
//   - With --json a command prints one object, or one a line, and the keys do
//     not depend on the language.
//   - What get, list, conflicts and quarantine list print as JSON is the record
//     as it is stored, ID and bank numbers in full: scripts compare and carry on
//     what they read, and whoever runs a command here can read the database and
//     its keys as well. People are shown the last four characters; what leaves
//     the house goes by export, which masks, or notes a reason in the audit.
//   - One server runs on a data folder; other commands work beside it, but for
//     restore, which no server may run beside.
//   - restore deletes nothing: what was there is in before-restore-DATE.
//   - Keys are made once and written whole or not at all.
//
// The data folder: zhucun.db; serve.lock, empty and held while serve runs (left
// behind it holds nobody up); and keys/ (0700) with identity.key, the server's
// own Ed25519 key, which laptops are pinned to; ca.crt, the end of the chain
// that agents check; agent.crt and agent.key, made anew when they run out;
// pages.crt and pages.key, the same for browsers, which do not know Ed25519.
package cli
