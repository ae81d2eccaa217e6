// Package monitor tells whoever runs the server how it is: /healthz, that the process
// answers; /readyz, that it can serve; /metrics, its numbers in the text format of
// Prometheus; and a line of the log for each request.
//
// What holds:
//   - /healthz and /readyz are open to anybody and say no more than whether. /metrics has
//     counts and no names, and is for tokens of the office's and the administrator's role;
//     for programs on the same machine that no proxy brings as well where the server was
//     started so.
//   - No line of the log and no number has what stands in an address, a body or a name: of a
//     request the pattern of its address, its status, size and time. What was typed into a
//     search is in its address, and so is the id of a household.
//   - Numbers of the data are looked up at most once in some seconds, however often they are
//     asked for.
//
// Written by hand: the usual library makes a server 2.9 MB larger for a text of some thirty
// lines.
package monitor
