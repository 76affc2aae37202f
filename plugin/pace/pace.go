// Package pace has long computations give way to queries. A list of a million names
// takes a second to load. Go lets a goroutine compute for 10 milliseconds before another
// one gets the processor, and asks the network for news only when none is left to run:
// on a machine with one processor, or with all of them at work, the queries of that
// second would wait for it to end.
package pace

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	steps    = 64 // of them, one looks at the clock
	shortest = 300 * time.Microsecond
	longest  = 16 * time.Millisecond
	rest     = 300 * time.Microsecond // 1 ms where a processor has nothing else to do: the runtime's sleep is not finer then
	forgiven = 100 * time.Millisecond // after so long, nothing is known of the others any more
)

// Pace is that of one goroutine of a computation. The zero value is ready to use.
type Pace struct{ n uint }

// Step is to be called again and again, some microseconds apart at most. It may sleep, in
// a process that serves.
func (p *Pace) Step() {
	if p.n++; p.n%steps == 0 && serving.Load() {
		process.look()
	}
}

var serving atomic.Bool

// Serve says that this process answers queries from now on. Before, and in programs that
// answer none, nothing rests.
func Serve() { serving.Store(true) }

// process is the rhythm of this process: all goroutines that compute rest at the same
// time, or else one would take the place of the other.
var process = rhythm{used: processorTime}

// rhythm says when to compute and when to rest. How long to compute it finds out: where
// others need the processor while it rests, half of the time at most; where none does,
// more and more of it.
type rhythm struct {
	used func() time.Duration // processor time of the process so far

	mu      sync.Mutex
	span    time.Duration // between two rests
	due     time.Time     // for the next
	resting time.Time     // until then
}

// look sleeps if it is time to.
func (r *rhythm) look() {
	sleep, first := r.turn(time.Now())
	if sleep <= 0 {
		return
	}
	before := r.used()
	begun := time.Now()
	time.Sleep(sleep)
	if first {
		r.rested(r.used()-before, time.Since(begun))
	}
}

// turn returns how long to sleep now, and whether the rest has just begun.
func (r *rhythm) turn(now time.Time) (sleep time.Duration, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch left := r.resting.Sub(now); {
	case left > rest: // of another clock, as tests have them
		r.resting, r.due = time.Time{}, now
	case left > 0:
		return left, false
	case now.Before(r.due):
		return 0, false
	case now.Sub(r.due) > forgiven:
		r.span = shortest
		r.due = now.Add(r.span)
		return 0, false
	}
	r.resting = now.Add(rest)
	r.due = r.resting.Add(r.span)
	return rest, true
}

// rested notes how much processor time others have needed in a rest.
func (r *rhythm) rested(used, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.span = next(r.span, used, took*time.Duration(runtime.GOMAXPROCS(0)))
	r.due = time.Now().Add(r.span)
}

// next returns the time until the next rest after one in which others have used so much
// of what there was. The garbage collector is one of the others, and takes up to a
// quarter.
func next(span, used, there time.Duration) time.Duration {
	if used > there/2 {
		return shortest
	}
	return min(2*span, longest)
}
