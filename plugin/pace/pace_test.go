package pace

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNext: where others need the processor, a rest comes as often as can be, elsewhere
// less and less.
func TestNext(t *testing.T) {
	span := shortest
	for range 10 {
		span = next(span, rest/10, rest)
	}
	if span != longest {
		t.Errorf("With nobody else there, a rest comes every %v", span)
	}
	if got := next(span, rest*2/3, rest); got != shortest {
		t.Errorf("With others there, the next rest is due in %v", got)
	}
}

// compute looks at the rhythm every 20 microseconds for some time, and returns for how
// much of it it has slept.
func compute(r *rhythm, total time.Duration) (slept time.Duration) {
	for end := time.Now().Add(total); time.Now().Before(end); {
		time.Sleep(20 * time.Microsecond) // which stands for work
		before := time.Now()
		r.look()
		slept += time.Since(before)
	}
	return slept
}

// TestRhythm: others get half of the time where they need it, and hardly any
// where they do not. Goroutines rest together.
func TestRhythm(t *testing.T) {
	for name, tt := range map[string]struct {
		used        time.Duration // by others, of each second
		least, most float64       // part of the time that is slept
	}{
		"nobody": {0, 0.005, 0.1}, "all of it": {1024 * time.Second, 0.45, 0.6},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			r := &rhythm{used: func() time.Duration { return time.Since(begun) * (tt.used / time.Second) }}
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if part := compute(r, time.Second).Seconds(); part < tt.least || part > tt.most {
						t.Errorf("%s: slept for %v of the time", name, part)
					}
				})
			}
			both.Wait()
			time.Sleep(time.Second)
			before := time.Now()
			r.look()
			if time.Since(before) > 0 {
				t.Errorf("%s: slept before anything was computed", name)
			}
		})
	}
}

// TestRhythmOfOtherClock: all tests of a process share a rhythm, and have clocks of their
// own (testing/synctest). None sleeps until the time of another.
func TestRhythmOfOtherClock(t *testing.T) {
	r := &rhythm{used: func() time.Duration { return 0 }}
	now := time.Now()
	r.turn(now) // the first ends what was before
	if sleep, first := r.turn(now.Add(shortest)); sleep != rest || !first {
		t.Fatalf("A rest of %v, the first: %v", sleep, first)
	}
	for _, clock := range []time.Duration{-26 * 365 * 24 * time.Hour, -time.Second, time.Second} {
		if sleep, _ := r.turn(now.Add(clock)); sleep > rest {
			t.Errorf("With a clock that is off by %v, sleeps for %v", clock, sleep)
		}
	}
}

// TestProcessorTime: what is computed counts, what is slept does not.
func TestProcessorTime(t *testing.T) {
	before := processorTime()
	for time.Now().Nanosecond()%3_000_000 != 0 && processorTime() == before {
	}
	if processorTime() <= before {
		t.Error("Computing takes no processor time")
	}
}

func BenchmarkStep(b *testing.B) {
	Serve()
	var p Pace
	for b.Loop() {
		p.Step()
	}
}
