package front

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lag is by how much the reader of a socket is behind. A queue that is empty now and
// then is what a burst leaves, and is answered however long that takes. One that does
// not become empty any more is there because more comes than can be answered; to serve
// it in turn, all of it, would be to answer everybody late. So it is kept short then.
// (The rule is that of "controlled delay" for servers: B. Maurer, Fail at Scale, ACM
// Queue 13 (8), 2015.)
type lag struct {
	behind time.Time // since when the socket was not empty; zero: it was a moment ago
}

const (
	standing = time.Second           // a queue that is there for so long does not go away by itself
	brisk    = 80 * time.Millisecond // how old a datagram may be then
	patient  = 2 * time.Second       // how old it may be in any case: who has asked has asked again by then
)

// late reports whether the n datagrams that have been read last are to be dropped.
func (l *lag) late(fd, n int) bool {
	if n < batch {
		l.caughtUp()
		return false
	}
	now := time.Now()
	return age(fd, now) > l.limit(now)
}

// limit returns how old a datagram may be when the socket is not empty.
func (l *lag) limit(now time.Time) time.Duration {
	if l.behind.IsZero() {
		l.behind = now
	}
	if now.Sub(l.behind) > standing {
		return brisk
	}
	return patient
}

// caughtUp notes that the socket is empty.
func (l *lag) caughtUp() { l.behind = time.Time{} }

// absurd is the age of a datagram that the clock was set after.
const absurd = time.Minute

// age returns how long before now the datagram came that was read last, 0 where the
// kernel does not tell. It has to be asked once to know it of those that come a little
// later; what came before is as old as its reading. Who never has much to do does not
// pay for it.
func age(fd int, now time.Time) time.Duration {
	var came [2]int64 // seconds, nanoseconds
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGSTAMPNS_NEW, uintptr(unsafe.Pointer(&came))); errno != 0 {
		return 0
	}
	if d := now.Sub(time.Unix(came[0], came[1])); d < absurd {
		return d
	}
	return 0
}
