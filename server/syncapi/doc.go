// Package syncapi is the agents' door: enrol, push and pull, over HTTP.
//
// What holds:
//   - Whatever is answered is committed. Every request may be repeated: what
//     was taken is skipped, what was owed is said again.
//   - The time of arrival is noted before the body is read, so that a body
//     that takes minutes does not look like a clock that is minutes slow.
//   - Villages are worked on in the order of their codes, each in its own
//     transaction; where nothing changed nothing is written.
//   - A body without Content-Length is refused, here and in whatever else Server
//     serves; nothing comes after an HTTP/1.0 request. A body that does not move
//     for a minute is given up; one that moves, however slowly, is not.
//   - A device may do what it may do when its request has arrived. It has two
//     requests open at most.
//   - What had come of a long request when the line broke is kept for a while, the
//     last one of each device, within bounds, in memory: it is a saving of bytes. What
//     is put together with it is taken only if it is the message of that name.
//   - Memory is taken as bytes come and before they are unpacked, each from a
//     bounded stock, so that whoever sends much makes others wait and no more.
//   - Who waits to write keeps nobody from reading.
//   - A laptop that has nothing to send may wait for news: it hears at once when one of
//     its villages or its assignment has moved. While it waits it takes a connection and
//     some memory, no transaction, no place among the requests that are served, and
//     nobody asks the database for it alone. Another request of the same laptop, and the
//     end of the server, end it.
//   - Whoever cannot be served now is told before its bytes are read, and each is told
//     another time to come back: a line, at the pace at which requests are served.
//   - A bundle is taken as the sync that it is: the same checks, rights, quarantine
//     and pages. It may be old, come again, and be brought by another laptop, which
//     learns nothing from it.
//
// Were the answer sent before the commit, "delivered" on a laptop would be a
// hope; were both lengths of a body accepted, what one proxy takes for the end
// of it another takes for the next request.
package syncapi
