package sim

import "fmt"

// kept is how many of the last steps a failure tells.
const kept = 200

// say notes a step, for whoever reads of a failure and for the hash.
func (w *world) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if w.trace = append(w.trace, line); len(w.trace) >= 2*kept {
		w.trace = append(w.trace[:0], w.trace[kept:]...)
	}
	w.sum([]byte(line))
}

// sum puts what happened into the hash of the schedule: steps, the messages of
// both sides, and how everybody stands at the end. Not in it are the bytes of
// bundles and replies, which are encrypted to a key that the library draws anew
// each time: what goes in and comes out of them is.
func (w *world) sum(b []byte) {
	fmt.Fprintf(w.hash, "%d:", len(b))
	w.hash.Write(b)
}
