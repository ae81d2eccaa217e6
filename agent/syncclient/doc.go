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
//   - After a failure the next request is smaller, after a success larger, so
//     that a link that dies every half minute still advances.
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
