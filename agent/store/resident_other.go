//go:build !linux

package store

// release does nothing: the system takes a mapping's pages back when it needs
// memory.
func release(address, size uintptr) {}

// forget does nothing: there is no way to ask for it.
func forget(path string) {}

// resident is 0: it is not asked.
func resident() int64 { return 0 }
