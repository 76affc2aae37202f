package status

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		var tally Tally
		a, b := tally.Counter(Key{"b", "filtered", "nxdomain"}), tally.Counter(Key{"a", "blocked", "nodata"})
		a.Add(1)
		if v := tally.Read(time.Now()); len(v.Total) != 1 || v.Total[0].Count != 1 || len(v.Hours) != 0 {
			t.Errorf("Before anybody keeps the hours: %+v", v)
		}
		release, again := tally.Keep(), tally.Keep()
		a.Add(2)
		time.Sleep(90 * time.Minute)
		b.Add(3)
		release()
		time.Sleep(time.Hour)
		v := tally.Read(time.Now())
		if got, want := inWords(v), "a/blocked/nodata=3 b/filtered/nxdomain=3 | 0h b=2, 1h a=3, 2h"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if tally.Counter(Key{"b", "filtered", "nxdomain"}) != a {
			t.Error("A key has two counters")
		}
		again()
		again() // does nothing
		if v := tally.Read(time.Now()); len(v.Hours) != 0 || len(v.Total) != 2 {
			t.Errorf("After nobody keeps the hours: %+v", v)
		}
		defer tally.Keep()()
		if v := tally.Read(time.Now()); len(v.Hours) != 1 || len(v.Hours[0].Counts) != 0 {
			t.Errorf("What was counted in between is in an hour: %+v", v)
		}
	})
}

// inWords writes totals, and hours by the lists.
func inWords(v Verdicts) string {
	var text strings.Builder
	for _, c := range v.Total {
		fmt.Fprintf(&text, "%s/%s/%s=%d ", c.List, c.Reason, c.Action, c.Count)
	}
	for i, h := range v.Hours {
		text.WriteString([]string{"| ", ", "}[min(i, 1)] + fmt.Sprintf("%dh", h.Start.Hour()))
		for _, c := range h.Counts {
			fmt.Fprintf(&text, " %s=%d", c.List, c.Count)
		}
	}
	return text.String()
}

// TestTallyLimits: two days are remembered, and so many keys.
func TestTallyLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tally Tally
		defer tally.Keep()()
		first := time.Now()
		time.Sleep(100 * time.Hour)
		v := tally.Read(time.Now())
		if len(v.Hours) != maxHours || !v.Hours[0].Start.Equal(first.Add((100-maxHours+1)*time.Hour)) {
			t.Errorf("%d hours from %v", len(v.Hours), v.Hours[0].Start)
		}
		for n := range maxKeys + 10 {
			tally.Counter(Key{List: fmt.Sprint("list", n)}).Add(1)
		}
		v = tally.Read(time.Now())
		last := v.Total[len(v.Total)-1]
		if len(v.Total) != maxKeys || last.List != "others" || last.Count != 11 {
			t.Errorf("%d keys, %+v", len(v.Total), last)
		}
		if tally.Counter(Key{List: "list7"}) == tally.Counter(Key{List: "list9999"}) {
			t.Error("A key that is known is counted with the others")
		}
	})
}

// TestTallyClock: a clock that is set back, or far ahead, does not stop the hours.
func TestTallyClock(t *testing.T) {
	var tally Tally
	defer tally.Keep()()
	now := time.Now()
	for _, step := range []time.Duration{10 * time.Hour, -5 * time.Hour, -24 * time.Hour, time.Hour} {
		now = now.Add(step)
		v := tally.Read(now)
		if last := v.Hours[len(v.Hours)-1]; !last.Start.Equal(hourOf(now)) {
			t.Errorf("%v: the hour is %v", now, last.Start)
		}
		if !slices.IsSortedFunc(v.Hours, func(a, b Hour) int { return a.Start.Compare(b.Start) }) {
			t.Errorf("The hours are not in order: %+v", v.Hours)
		}
	}
}

// TestTallyCounts: nothing is lost while hours end, and counting does not allocate.
func TestTallyCounts(t *testing.T) {
	var tally Tally
	defer tally.Keep()()
	counter := tally.Counter(Key{List: "a"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10_000 {
				counter.Add(1)
			}
		})
	}
	for n := range 40 {
		tally.Read(time.Now().Add(time.Duration(n) * time.Hour))
	}
	wg.Wait()
	sum := uint64(0)
	for _, h := range tally.Read(time.Now().Add(41 * time.Hour)).Hours {
		for _, c := range h.Counts {
			sum += c.Count
		}
	}
	if sum != 40_000 {
		t.Errorf("%d in the hours, want 40000", sum)
	}
	if n := testing.AllocsPerRun(100, func() { counter.Add(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
