// Package syncclient brings a laptop's changes to the server and the server's
// records to the laptop, whenever there is a connection, without anybody's
// attention: when, how much at a time, and when to back off.
//
// What holds:
//   - A failure of any kind loses nothing and repeats nothing: what was not
//     acknowledged goes again, and the server passes over what it has.
//   - An answer counts only when it is a message of ours from the server whose
//     key the enrolment code named, through a proxy as well; a portal's page is
//     no answer.
//   - A request and an answer each take about eight seconds of the link at most, by
//     what the last ones took; the first are small, and on a fast link the third is
//     as large as any. A long request that is cut off goes on where it was, if the
//     server has what had come; if not, or behind a proxy that keeps it, what goes
//     next is half as long. So a link that dies every half minute still advances, and
//     a cut repeats one frame at most.
//   - What is said of how far a sync is comes from counts: what waits here, and what
//     the server says that it has yet to send. Times and bytes are by what the last
//     rounds took; where nothing tells, nothing is said.
//   - A server that asks for patience gets it from the schedule, whatever else
//     happens, but never more than an hour; a person may ask before that.
//   - What fails in one village keeps nothing of the others from going on.
//   - Stop ends everything at once; a request under way is given up.
//   - Without a network the same goes by file: a bundle has what all requests of a
//     sync would have, its reply is taken as their answers, whatever its age, except
//     that it says nothing of the time. What is in a bundle counts as pending until
//     a receipt has come.
//   - Somebody else's file is kept as it is, handed to the server with the next
//     sync, and the server's reply kept to be carried back.
//
// Without the second, a dormitory's log-in page would be taken for a receipt.
package syncclient
