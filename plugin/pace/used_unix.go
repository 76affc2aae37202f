//go:build unix && !linux

package pace

import (
	"syscall"
	"time"
)

// processorTime returns the processor time of the process so far.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // nobody else needs any, then
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
