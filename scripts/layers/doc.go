// Package layers is the test of who may import whom, and of the few other
// rules that a reader relies on without looking: what the shared packages keep
// their hands off, which file speaks to the database driver, how long a file
// gets. It runs with all other tests; go test ./scripts/layers runs it alone.
//
// What holds:
//   - An import runs from scripts to agent and server, from those to shared,
//     and within one of the three from an upper line of its order to a lower.
//   - A package without a line in the order is refused by name, so that nobody
//     adds one without having said what it is for.
//   - Tests obey the same order. Only what they may use beside it is more.
//   - Files are read as text, not as built here: a file for another system or
//     behind a build tag obeys as well.
//
// Without the order the two programs grow into each other and into the
// disk and the clock, and what both must agree on can no longer be fuzzed and
// simulated whole.
package layers
