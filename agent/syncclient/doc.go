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
//     a cut repeats one frame at most. In another network all is measured anew.
//   - What is said of how far a sync is comes from counts: what waits here, and what
//     the server says that it has yet to send. Times and bytes are by what the last
//     rounds took; where nothing tells, nothing is said. Files are counted in bytes once
//     the records are where they belong; one to be fetched of which nobody has said how
//     long it is is taken to be as long as the others.
//   - A server that asks for patience gets it from the schedule, whatever else
//     happens, but never more than an hour; a person may ask before that. Nobody comes
//     back exactly when told: up to a quarter later, and after failures somewhere between
//     half and one and a half of the pause, so that those who went together do not come
//     together.
//   - On a good link, one whose last trips were quick and none of which failed, the
//     server is asked to answer when there is news. Whatever is to be done interrupts
//     that at once; that nothing came, or that something on the way cut it off, is no
//     failure, and the latter makes the next wait shorter. It is neither shown as work nor
//     counted in what is known of how fast the link is.
//   - A change of the network leads to a sync in two to five seconds, and ends what
//     failures and hung connections of the old one had led to.
//   - A laptop that is set quiet never waits for news; on battery, or on a link that is
//     paid for by the byte, it syncs by itself once an hour. What a person asks for goes.
//   - A connection goes on with the TLS session of the last one, over restarts too, if
//     that was with the server of the same key at the same address; the key is looked at
//     all the same.
//   - Once a day the server is asked, of files that it has and no backup of it, whether it
//     has them still: what it lost comes again from here. Every other sync that says
//     nothing is one trip.
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
//
// What it costs, in bytes. Counted above TLS, up and down, a sync that says nothing takes
// some 220, and one that waits for news 3 more, every 100 seconds: 190 KB a day, where
// the timer alone takes 60; with what TLS, TCP and its probes add it comes to some 550 (reckoned). What
// interrupts a wait takes a new connection. A first connection and such a sync are 4,085 below TLS, of
// which more than half are for keys against computers to come (ML-KEM); one that goes on
// with a session is 1,222.
//
// HTTP/1.1, not HTTP/2. In the village a connection mostly carries one request, and of
// a sync that says nothing that is 202 bytes in HTTP/1.1 and 310 in HTTP/2 (preface,
// settings, window updates), without what naming it in the handshake takes. The requests
// that follow on the same connection would be 112 instead of 202: a laptop that waits for
// news all day would save half of its 190 KB, where bytes cost nothing. TestOneRequestInHTTP2
// measures it.
//
// Proxies are the environment's (HTTPS_PROXY, ALL_PROXY, NO_PROXY) or the system's: of
// Windows, macOS, GNOME and the desktops that keep theirs where it does, and KDE;
// http:// and socks5://, with a user and password where the setting has them. A proxy is told
// where the server is and nothing else. A script that chooses among proxies (PAC) is run
// by the system, in a process of its own: by WinHTTP on Windows, by glib-networking's
// runner on Linux. An evaluator of our own (goja) was tried: the program grew from 15.0
// to 23.9 MB, what of it goes over the line from 4.9 to 7.4 MB, and its memory at rest by
// 3 MB, on every laptop; and whatever the network names as its script would run where
// the keys are. Where nobody runs it, and no other way leads to the server, a person is
// told to enter the proxy by hand.
//
// Not done: scripts on macOS, where only programs linked with its frameworks have them
// run; proxies that are reached by TLS, or that want more than a password; whether
// a link is metered on macOS, and on a Linux without NetworkManager. Over plain HTTP,
// which is for tests, whoever answers in the server's place has been sent the first
// request before it shows.
package syncclient
