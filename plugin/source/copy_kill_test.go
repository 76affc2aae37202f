package source

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// edition returns the bytes of the nth edition: of some hundred sizes, so that
// the ends of two differ.
func edition(n uint32) []byte { return noise(uint64(n), 50_000+int(n%100)*1000) }

// saveEditions saves one edition after the other, beginning behind the one that
// is there, and prints when it begins and has ended each.
func saveEditions(c *Copy) {
	n := uint32(1)
	if s, err := c.Load(); err == nil {
		n = s.Serial + 1
		s.Close()
	}
	for ; ; n++ {
		fmt.Println("begins", n)
		s := c.Spool(0)
		_, err := io.Copy(s, bytes.NewReader(edition(n)))
		if err == nil {
			err = c.Save(s, Meta{Serial: n})
		}
		s.Close()
		if err != nil {
			fmt.Fprintln(os.Stderr, "edition", n, err)
			os.Exit(1)
		}
		fmt.Println("saved", n)
	}
}

// killed starts a process that saves editions, kills it after some time of
// saving, and returns the number of the last edition that it said was saved, or
// before, and how long it takes to save one.
func killed(t *testing.T, dir string, before uint32, after time.Duration) (saved uint32, took time.Duration) {
	cmd, out := child(t, "save", dir)
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("The other process says nothing")
	}
	begun := time.Now()
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	saved = before
	for lines.Scan() {
		if n, _ := fmt.Sscanf(lines.Text(), "saved %d", &saved); n == 1 && took == 0 {
			took = time.Since(begun)
		}
	}
	if err, ok := cmd.Wait().(*exec.ExitError); !ok || err.Exited() {
		t.Errorf("The other process was not killed: %v", err)
	}
	return saved, took
}

// TestCopyKilled kills processes at random moments of saving: what can be loaded
// is a complete edition, the last one that was reported as saved or a later one,
// and what such processes leave does not pile up.
func TestCopyKilled(t *testing.T) {
	const kills, series = 200, 4
	var halfWay, unreported atomic.Int32
	t.Run("series", func(t *testing.T) {
		for i := range series {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				h, u := killedSeries(t, kills/series)
				halfWay.Add(int32(h))
				unreported.Add(int32(u))
			})
		}
	})
	t.Logf("Of %d kills %d came while an edition was being written and %d between its rename and the report", kills, halfWay.Load(), unreported.Load())
	if n := halfWay.Load(); n == 0 || n == kills {
		t.Error("The moments were not random")
	}
}

// killedSeries kills one process after the other. It counts those that left an
// edition half-way and those that had saved one without saying so.
func killedSeries(t *testing.T, kills int) (halfWay, unreported int) {
	c := newCopy(t)
	typical := []time.Duration{20 * time.Millisecond}
	var saved uint32
	for range kills {
		var took time.Duration
		saved, took = killed(t, c.Dir, saved, rand.N(2*typical[len(typical)/2]))
		if took > 0 {
			typical = append(typical, took)
			slices.Sort(typical)
		}
		left := len(files(t, c.Dir, "*.tmp"))
		if left > 1 {
			t.Errorf("%d files are left", left)
		}
		halfWay += left
		if now := complete(t, c, saved); now > saved {
			unreported++
			saved = now
		}
	}
	save(t, c, edition(saved+1), Meta{Serial: saved + 1})
	if left := files(t, c.Dir, "*"); len(left) != 2 {
		t.Errorf("Left behind: %v", left)
	}
	return halfWay, unreported
}

// complete returns the number of the edition in c, which must be there whole and
// at least the last one saved, and at most the next.
func complete(t *testing.T, c *Copy, saved uint32) uint32 {
	t.Helper()
	if _, err := os.Stat(c.Path()); err != nil && saved == 0 {
		return 0 // killed before there was any
	}
	data, m := loaded(t, c)
	if !bytes.Equal(data, edition(m.Serial)) {
		t.Errorf("Edition %d is not what was saved", m.Serial)
	}
	if m.Serial < saved || m.Serial > saved+1 {
		t.Errorf("Edition %d is there, %d was saved", m.Serial, saved)
	}
	return m.Serial
}
