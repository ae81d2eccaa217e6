//go:build !linux && !windows

package syncclient

import "context"

// Neither is known here.
func onBattery() bool              { return false }
func metered(context.Context) bool { return false }
