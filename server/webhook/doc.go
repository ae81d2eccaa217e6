// Package webhook tells other programs which records have changed: a signed POST to each
// address that an administrator has entered, behind every delivery that was merged and
// every decision of the office.
//
// What holds:
//   - What is told is committed. Each change is told at least once, those of a village in
//     the order of its feed; how far an address has been told is in the database, so a
//     server that ends or crashes takes up where it was. After a crash between the answer
//     and its note the same message comes again, under the same id.
//   - A message names records and has nothing of what is in them: whoever may see that
//     reads it by a token.
//   - A message is signed by the secret of its address (Standard Webhooks), which the server
//     keeps sealed.
//   - An address that does not take what comes is tried again, later each time, and nothing
//     else waits for it. After three days, or where it says that it is gone, it is paused
//     until somebody sees to it; then it is told everything since.
//   - Nothing is sent to addresses of this machine or of a private network unless the
//     server was started so: a web address that somebody enters must be no way into what
//     only this machine reaches. It is the address that is connected to which counts,
//     whatever the name was said to be before. Redirects are not followed, nor are proxies
//     asked. Nor is anything sent without TLS: both are looked at with each message, so what
//     was entered under another start of the server counts for nothing.
//
// What receivers rely on outlives a release: DESIGN.md.
package webhook
