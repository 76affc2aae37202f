package status

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxHours is how many hours are remembered.
	maxHours = 48
	// maxKeys bounds what is counted apart. A Corefile has few lists, but a process
	// may live to see many Corefiles.
	maxKeys = 1000
	// look is how often the clock is looked at in between: a machine may have slept.
	look = time.Minute
)

// Key is what a verdict is counted by. None of it is made of a query name or of a
// client.
type Key struct {
	List   string `json:"list"`   // that decided; allow, block and bypass are the properties
	Reason string `json:"reason"` // filtered, blocked or censored
	Action string `json:"action"` // nxdomain, nodata, sinkhole, shadow or pass
}

func (k Key) text() string { return strings.Join([]string{k.List, k.Reason, k.Action}, "\n") }

// overflow is the key of what is counted when there are maxKeys already.
var overflow = Key{List: "others"}

// Count is how often there was a verdict of a kind.
type Count struct {
	Key
	Count uint64 `json:"count"`
}

// Tally counts verdicts since the start, and by the hour while somebody keeps it.
// The zero value is ready to use. It is safe for concurrent use.
type Tally struct {
	mu      sync.Mutex
	counts  []*counted // in the order of their keys, but for the overflow, which is the last of maxKeys
	keepers int
	end     func() // ends the goroutine that tells hours apart
	start   time.Time
	hours   []Hour // that are over
}

// counted is what is counted under one key.
type counted struct {
	Key
	total  atomic.Uint64
	before uint64 // at the start of the hour
}

// Counter returns the counter of a key, which whoever counts holds on to: to add to
// it takes no lock.
func (t *Tally) Counter(k Key) *atomic.Uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, n := 0, len(t.counts)
	for at < n && t.counts[at].text() < k.text() {
		at++
	}
	switch {
	case at < n && t.counts[at].Key == k:
		return &t.counts[at].total
	case n == maxKeys:
		return &t.counts[n-1].total // of the overflow
	case n == maxKeys-1:
		k, at = overflow, n
	}
	c := &counted{Key: k}
	t.counts = append(t.counts, c)
	copy(t.counts[at+1:], t.counts[at:])
	t.counts[at] = c
	return &c.total
}

// Keep has the hours told apart until everybody who keeps it has released it. The
// last release returns when the goroutine that does so has ended.
func (t *Tally) Keep() (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keepers++
	if t.keepers == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		t.start = seconds(time.Now())
		t.hour(true) // what was counted before is of no hour
		var running sync.WaitGroup
		running.Go(func() { t.run(ctx) })
		t.end = func() { cancel(); running.Wait() }
	}
	return sync.OnceFunc(t.release)
}

func (t *Tally) release() {
	t.mu.Lock()
	t.keepers--
	end := func() {}
	if t.keepers == 0 {
		end, t.hours = t.end, nil
	}
	t.mu.Unlock()
	end()
}

// run begins an hour when the one before is over.
func (t *Tally) run(ctx context.Context) {
	for {
		now := time.Now()
		timer := time.NewTimer(min(look, hourOf(now).Add(time.Hour).Sub(now)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			t.mu.Lock()
			t.advance(time.Now())
			t.mu.Unlock()
		}
	}
}

// advance ends the hour if it is over. A clock that was set back takes along the
// hours that have not been.
func (t *Tally) advance(now time.Time) {
	hour := hourOf(now)
	if t.keepers == 0 || hour.Equal(hourOf(t.start)) {
		return
	}
	var past []Hour
	for _, h := range append(t.hours, t.hour(true)) {
		if h.Start.Before(hour) {
			past = append(past, h)
		}
	}
	t.hours = past[max(0, len(past)-(maxHours-1)):]
	t.start = hour
}

// hour returns the one that is running. If it is over, counting begins anew.
func (t *Tally) hour(over bool) Hour {
	h := Hour{Start: t.start, Counts: []Count{}}
	for _, c := range t.counts {
		if n := c.total.Load() - c.before; n > 0 {
			h.Counts = append(h.Counts, Count{c.Key, n})
			if over {
				c.before += n
			}
		}
	}
	return h
}

// Read returns what was counted by now. There are no hours where nobody keeps them.
func (t *Tally) Read(now time.Time) Verdicts {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(now)
	v := Verdicts{Total: []Count{}, Hours: append([]Hour{}, t.hours...)}
	for _, c := range t.counts {
		if n := c.total.Load(); n > 0 {
			v.Total = append(v.Total, Count{c.Key, n})
		}
	}
	if t.keepers > 0 {
		v.Hours = append(v.Hours, t.hour(false))
	}
	return v
}

func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
