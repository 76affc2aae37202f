package pace

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime returns the processor time of the process so far.
func processorTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0 // nobody else needs any, then
	}
	return time.Duration(t.Nano())
}
