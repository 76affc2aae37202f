package feed

import (
	"math/rand/v2"
	"time"
)

// Schedule says how often there is a round.
type Schedule struct {
	Every time.Duration // after a round that was fine
	// Retry is after the first round that failed, at most Every; it doubles with
	// every further failure up to Most.
	Retry, Most time.Duration
	// Jitter spreads the rounds of many servers over a tenth of the time before
	// and after.
	Jitter bool
}

// maxWait bounds the time between two rounds, and keeps the sums of durations
// and times in their range.
const maxWait = 30 * 24 * time.Hour

// wait returns the time to the next round after a number of failures in a row.
func (s Schedule) wait(failures int) time.Duration {
	d := s.Every
	if failures > 0 {
		d = min(s.Retry, s.Every)
		for range failures - 1 {
			if d >= s.Most {
				break
			}
			d *= 2
		}
		d = min(d, s.Most)
	}
	d = min(max(d, rest), maxWait)
	if s.Jitter {
		d += rand.N(d/5+1) - d/10
	}
	return d
}

// clamp returns d, or the bound that it is beyond.
func clamp(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }
