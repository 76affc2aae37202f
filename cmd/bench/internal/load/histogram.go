package load

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets that are 3 % wide or less, so that it takes
// the same little memory for however many. The zero value is empty.
type Histogram struct {
	counts [64 * fineness]uint64
	total  uint64
}

// fineness is into how many buckets each power of two is divided.
const fineness = 32

// bucket returns where a duration is counted: those below fineness nanoseconds have a
// bucket each.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < fineness {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len64(fineness)
	return (shift+1)*fineness + int(v>>shift) - fineness
}

// floor returns the shortest duration of a bucket.
func floor(bucket int) time.Duration {
	if bucket < fineness {
		return time.Duration(bucket)
	}
	shift := bucket/fineness - 1
	return time.Duration(fineness+bucket%fineness) << shift
}

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
}

// Quantile returns the duration that the given part of all is not above, 0.99 for the
// 99th of a hundred: the middle of its bucket. Of none it is 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.total)), uint64(0)
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= max(rank, 1) {
			return (floor(i) + floor(i+1)) / 2
		}
	}
	return 0
}

func (h *Histogram) add(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}
