package primary

import (
	"time"

	"github.com/nonudify/nonudify/plugin/rpz"
)

// next returns the serial of an edition that follows another one, 0 if there is
// none: the seconds since 1970, so that it is newer than all before it even if
// nobody knows any more what these were, or one more than the last where a clock
// went back or two editions came in one second. It is never 0, which to the
// transfer plugin means that there is no serial.
func next(last uint32, now time.Time) uint32 {
	serial := uint32(now.Unix())
	if last != 0 && !rpz.Newer(serial, last) {
		serial = last + 1
	}
	return max(serial, 1)
}
