// Package badlink is a TCP proxy on loopback that behaves like a village's
// connection: slow, far away, cut every so often, gone for a while. It counts
// what passes, so that benchmarks measure what a program sends and not what it
// says it sends.
//
// What holds:
//   - Up is counted as the client sends it, down as the client gets it: the
//     client's side of the link. What a cut catches on its way down is lost and
//     not counted.
//   - The rate is the link's, shared by all its connections, each way on its
//     own. The delay is added to every byte and does not slow a long transfer.
//   - With the same seed, connection n lives equally long, in time and bytes,
//     in every run.
//   - A cut is a reset at both ends, as when the signal is lost, never an
//     orderly end.
//   - After Close nothing of it is left running.
package badlink
