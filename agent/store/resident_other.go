//go:build !linux

package store

// release does nothing: the system takes a mapping's pages back when it needs
// memory.
func release(address, size uintptr) {}
