//go:build !linux

package cli

// noDumps does nothing where Go's runtime sees to it: Windows reports no crash of
// its programs, and macOS keeps no cores unless it is told to.
func noDumps() {}
