package policy

import (
	"sync/atomic"

	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// shards is the number of places that one count is spread over, so that
// several processors do not fight for one cache line. The query name chooses
// the place.
const shards = 8

// Counter counts what the filter of a list did with query names. It lives as
// long as the list's name, over every edition of the list. The zero value is
// ready to use; a nil Counter counts nothing.
type Counter struct {
	shard [shards]struct {
		negative, positive, falsePositive atomic.Uint64
		_                                 [40]byte // fills the cache line
	}
}

// count notes the outcome of one match.
func (c *Counter) count(k *set.Key, m set.Match) {
	if c == nil {
		return
	}
	s := &c.shard[k.Spread()%shards]
	switch {
	case m.Proofs == 0:
		s.negative.Add(1)
	case m.Proofs == m.Absent && m.Action == rule.None:
		s.falsePositive.Add(1)
	default:
		s.positive.Add(1)
	}
}

// Counts are totals of a Counter, in query names.
type Counts struct {
	Negative      uint64 // the filter ruled the name out
	Positive      uint64 // the filter let a listed name through
	FalsePositive uint64 // the filter let a name through that is not listed
}

// Counts returns the totals so far.
func (c *Counter) Counts() (t Counts) {
	for i := range c.shard {
		s := &c.shard[i]
		t.Negative += s.negative.Load()
		t.Positive += s.positive.Load()
		t.FalsePositive += s.falsePositive.Load()
	}
	return t
}
