//go:build !linux && !windows

package syncclient

import (
	"context"
	"errors"
)

// watchNetwork says that the system is not asked for notice here: it is looked every
// few seconds.
func watchNetwork(context.Context, func()) error { return errors.ErrUnsupported }
