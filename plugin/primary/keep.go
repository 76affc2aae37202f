package primary

import (
	"errors"
	"time"

	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/source"
)

// The pauses between attempts to save what could not be saved: the first, and the
// longest that it grows to.
const (
	firstPause   = 10 * time.Second
	longestPause = 15 * time.Minute
)

// keeper is what a zone knows of its file.
type keeper struct {
	left    *saved       // what was found in it, until there is an edition; nil: nothing
	unlock  func() error // nil: it is not locked
	refused error        // why it is not
	pause   time.Duration
	retry   <-chan time.Time // when to try once more to save; nil: there is no need
}

// open reads what was saved of the zone. What another process keeps there is read,
// too, and not written: this one goes on from it, and serves what it has.
func (z *zone) open() {
	if z.lock(); z.Dir != "" && z.unlock == nil {
		z.read()
	}
}

// lock has the file for this process, if no other has it, and reads it: what another
// has written until now is the last that counts.
func (z *zone) lock() {
	if z.Dir == "" || z.unlock != nil {
		return
	}
	if z.unlock, z.refused = fileOf(z.Dir, z.Origin).Lock(); z.unlock != nil {
		z.read()
	}
}

// outdated reports whether the file may be of an older edition than the last: nobody can
// write it. On a disk that has been read-only for a while, it is.
func (z *zone) outdated() bool {
	return z.unlock == nil && !errors.Is(z.refused, source.ErrLocked)
}

func (z *zone) read() {
	var err error
	if z.left, err = load(z.Dir, z.Origin); err != nil {
		z.report(Event{Err: err})
	}
	if z.left != nil {
		z.serials.note(z.Origin, z.left.Serial)
	}
}

// close gives the file back. It is the last that can be saved.
func (z *zone) close() {
	if z.unsaved.Load() {
		z.saveAgain()
	}
	if z.unlock != nil {
		if err := z.unlock(); err != nil {
			z.report(Event{Status: z.status(), Err: err})
		}
	}
}

// save keeps an edition's serial and history. The zone is served all the same if
// that fails, and it is tried again.
func (z *zone) save(e *edition) {
	if z.Dir == "" {
		return
	}
	err := z.write(e)
	z.unsaved.Store(err != nil)
	z.retry = nil
	if err == nil {
		z.pause = 0
		return
	}
	z.pause = min(max(2*z.pause, firstPause), longestPause)
	z.retry = time.After(z.pause)
	z.report(Event{Status: z.status(), Err: err})
}

// write writes the file. What was kept of an older edition goes if that fails: a
// start that found it would take its serial up again, which is behind what
// secondaries have.
func (z *zone) write(e *edition) error {
	if z.unlock == nil {
		return z.refused
	}
	if z.left != nil && z.left.Serial == e.serial && sum(z.left.Sum) == e.sum {
		return nil // it is what was found
	}
	s := &saved{Origin: z.Origin, Serial: e.serial, Sum: e.sum[:], history: e.history}
	if err := s.save(z.Dir); err != nil {
		return errors.Join(err, fileOf(z.Dir, z.Origin).Remove())
	}
	return nil
}

// saveAgain saves the edition that could not be saved. If the file was another
// process's until now, and that has gone further, the edition gets another serial:
// secondaries may have come from there.
func (z *zone) saveAgain() {
	e := z.edition.Load()
	had := z.unlock != nil
	if z.lock(); !had && z.left != nil && z.left.ahead(e) {
		z.renumber()
	} else {
		z.save(e)
	}
	z.left = nil
	if !z.unsaved.Load() {
		z.report(Event{Status: z.status(), Kept: true})
	}
}

// ahead reports whether an edition is behind what was saved, or has its serial and
// says something else.
func (s *saved) ahead(e *edition) bool {
	return rpz.Newer(s.Serial, e.serial) || s.Serial == e.serial && sum(s.Sum) != e.sum
}

// renumber makes an edition that says the same with a serial of its own.
func (z *zone) renumber() {
	last := z.edition.Load()
	e := *last
	e.serial = z.next(last.serial, last.content)
	e.history = extend(last.history, &delta{from: last.serial, to: e.serial})
	z.publish(&e)
}
