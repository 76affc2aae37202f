package primary

import (
	"errors"
	"sync"
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

// ErrClock says that a serial could not be made of the clock: nothing is known of
// those before it, and the clock is before what must be past.
var ErrClock = errors.New("the clock of this machine is behind the lists and the program that it has")

// clockPause is how often a clock that was wrong is looked at.
const clockPause = 10 * time.Second

// processBegan is when the process began, or soon after.
var processBegan = time.Now()

// next returns the serial for a content that follows an edition of the zone, 0 if
// there was none, and all that is known to have been before.
//
// If nothing is, the clock must tell it apart from what a process before this one
// may have published: that ended before this one began, and the second in which it
// did is let pass. A clock that cannot be right is not followed, but the newest that
// the content knows to be past; once the clock is right, there is a newer edition,
// as what secondaries have may lie in between.
func (z *zone) next(last uint32, c Content) uint32 {
	if known := z.serials.newest(z.Origin); last == 0 || known != 0 && rpz.Newer(known, last) {
		last = known
	}
	if last == 0 {
		z.outlive(z.began)
	}
	now := time.Now()
	if !now.Before(c.Since) {
		z.clock = nil
		return next(last, now)
	}
	if last == 0 {
		z.clock = time.After(clockPause)
		z.report(Event{Err: ErrClock})
	}
	return next(last, c.Since)
}

// outlive waits until the second of a time is over, or the zone ends.
func (z *zone) outlive(t time.Time) {
	now := time.Now()
	if now.Unix() != t.Unix() {
		return
	}
	select {
	case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
	case <-z.ctx.Done():
	}
}

// lookAtClock gives the edition a serial of the clock if that is right by now.
func (z *zone) lookAtClock() {
	if time.Now().Before(z.edition.Load().content.Since) {
		z.clock = time.After(clockPause)
		return
	}
	z.renumber()
}

// serials has the newest serial of each zone of a process: one that begins anew, or
// in another directory, goes on behind it.
type serials struct {
	mu  sync.Mutex
	all map[string]uint32
}

// maxSerials bounds the zones whose serials are known, most of which have ended.
const maxSerials = 1000

func (s *serials) newest(origin string) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[origin]
}

func (s *serials) note(origin string, serial uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.all[origin]
	switch {
	case ok && !rpz.Newer(serial, known):
		return
	case s.all == nil || !ok && len(s.all) >= maxSerials:
		s.all = make(map[string]uint32)
	}
	s.all[origin] = serial
}
