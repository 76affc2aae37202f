package feed

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keys returns the keys in use, sorted.
func keys(p *Pool[string]) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.shared))
}

func TestPoolShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var reports []string
		p := &Pool[string]{Report: func(key string, r *Refresher[string], c Change) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, fmt.Sprint(key, " ", value(r), " ", word(c)))
		}}
		f := &fake{state: state{text: "one", version: "1"}}
		created := 0
		create := func() *Refresher[string] { created++; return refresher(f) }

		a, b := p.Acquire("x", create), p.Acquire("x", create)
		other := p.Acquire("y", func() *Refresher[string] { return refresher(&fake{state: state{absent: true}}) })
		if a.Refresher != b.Refresher || a.Refresher == other.Refresher || created != 1 {
			t.Errorf("Two users of a key have two refreshers, or two keys one; %d created", created)
		}
		if got := fmt.Sprint(keys(p)); got != "[x y]" {
			t.Errorf("Each() calls for %s", got)
		}
		if c, err := a.Refresh(t.Context()); !c.New || err != nil || value(b.Refresher) != "one" {
			t.Errorf("Refresh() = %+v, %v; the other user sees %q", c, err, value(b.Refresher))
		}
		f.set(state{text: "two", version: "2"})
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		mu.Lock()
		slices.Sort(reports)
		if got, want := fmt.Sprint(reports), "[x two new y none status]"; got != want {
			t.Errorf("Reported %s, want %s", got, want)
		}
		mu.Unlock()

		a.Release()
		a.Release() // a second time does nothing
		opens := f.opened()
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.opened() != opens+1 || len(keys(p)) != 2 {
			t.Error("The first of two users to go has stopped the rounds")
		}
		b.Release()
		opens = f.opened()
		time.Sleep(time.Hour)
		if f.opened() != opens || fmt.Sprint(keys(p)) != "[y]" {
			t.Errorf("Still refreshed after the last user is gone; in use: %v", keys(p))
		}

		again := p.Acquire("x", create)
		if created != 2 || again.Refresher == a.Refresher || again.Value() != nil {
			t.Error("A key that was given back is not made anew")
		}
		again.Release()
		other.Release() // synctest waits for every goroutine: they have all ended
	})
}

// TestPoolReleaseInARound: giving back breaks off a round, waits for its end
// and reports nothing.
func TestPoolReleaseInARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pool[string]{Report: func(_ string, _ *Refresher[string], c Change) { t.Errorf("Reported %+v", c) }}
		source := &stuck{}
		s := p.Acquire("x", func() *Refresher[string] { return refresher(source) })
		time.Sleep(90 * time.Second)
		s.Release()
		if !source.ended.Load() {
			t.Error("The round goes on after the release")
		}
	})
}

func TestPoolWithoutReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(Pool[string])
		s := p.Acquire("x", func() *Refresher[string] { return refresher(&fake{state: state{text: "one", version: "1"}}) })
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if value(s.Refresher) != "one" {
			t.Errorf("Value is %q", value(s.Refresher))
		}
		s.Release()
	})
}

// TestPoolConcurrent takes and gives back from several goroutines while rounds
// run; the race detector watches.
func TestPoolConcurrent(t *testing.T) {
	p := &Pool[string]{Report: func(string, *Refresher[string], Change) {}}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			key := fmt.Sprint(w % 3)
			for range 100 {
				s := p.Acquire(key, func() *Refresher[string] { return refresher(&fake{state: state{text: key, version: "1"}}) })
				seen := 0
				stop := s.Watch(func() { seen++ })
				s.Refresh(t.Context())
				if got := value(s.Refresher); got != key {
					t.Errorf("Value of %s is %q", key, got)
				}
				keys(p)
				stop()
				s.Release()
				_ = seen // no watcher runs any more: reading it is no race
			}
		})
	}
	wg.Wait()
	if left := keys(p); len(left) > 0 {
		t.Errorf("Left in the pool: %v", left)
	}
}
