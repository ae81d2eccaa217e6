package syncclient

import (
	"context"
	"strings"
	"sync"
	"time"
)

// fed is what feeds the machine, as pmset last said.
var fed struct {
	sync.Mutex
	battery bool
	asked   time.Time
}

// onBattery is by pmset, which is a process to start: no oftener than others are asked.
func onBattery() bool {
	fed.Lock()
	defer fed.Unlock()
	if fed.asked.IsZero() || time.Since(fed.asked) >= askMetered {
		fed.battery = strings.Contains(printed(context.Background(), "/usr/bin/pmset", "-g", "batt"), "'Battery Power'")
		fed.asked = time.Now()
	}
	return fed.battery
}

// metered is not known here: the system tells it only to programs that are linked with
// its frameworks.
func metered(context.Context) bool { return false }
