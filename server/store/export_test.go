package store

import "time"

// SetWindow makes pages of lists look at so many rows in one go, and for so long.
func SetWindow(rows int, long time.Duration) (back func()) {
	w, b := window, browseFor
	window, browseFor = rows, long
	return func() { window, browseFor = w, b }
}
