package pace

import (
	"time"

	"golang.org/x/sys/windows"
)

// processorTime returns the processor time of the process so far, which is counted in
// steps of some 16 milliseconds: in some rests others have needed all of it, in most none.
func processorTime() time.Duration {
	var created, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &ended, &kernel, &user); err != nil {
		return 0 // nobody else needs any, then
	}
	return span100ns(kernel) + span100ns(user)
}

// span100ns returns a time that is no date.
func span100ns(t windows.Filetime) time.Duration {
	return time.Duration(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) * 100
}
