package primary

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/source"
)

// events is what a pool reports.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) report(_ string, event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// count returns how many events are such.
func (e *events) count(such func(Event) bool) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.all {
		if such(event) {
			n++
		}
	}
	return n
}

func failed(e Event) bool { return e.Err != nil && e.Unsaved }
func kept(e Event) bool   { return e.Kept }

// TestSaveAgain: what could not be saved is tried again, less and less often, until it
// can be; meanwhile the zone is served.
func TestSaveAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(dir, nil, 0o644); err != nil { // in the place of the directory
			t.Fatal(err)
		}
		var seen events
		pool := Pool{Report: seen.report}
		s := pool.Acquire(Config{Origin: origin, Dir: dir}, nil)
		defer pool.Release(s)
		<-s.Publish(content(t, "block exact a.example"))
		serial := s.Status().Serial
		at, tries := time.Duration(0), 1
		for pause := firstPause; at < 2*time.Hour; pause = min(2*pause, longestPause) {
			time.Sleep(pause - time.Second)
			synctest.Wait()
			if got := seen.count(failed); got != tries {
				t.Fatalf("%v after the last of %d attempts there are %d", pause-time.Second, tries, got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			at += pause
			if tries++; seen.count(failed) != tries {
				t.Fatalf("After %v there is no attempt %d", at, tries)
			}
		}
		if st := s.Status(); !st.Unsaved || st.Serial != serial || seen.count(kept) != 0 {
			t.Errorf("Meanwhile: %+v", st)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longestPause)
		synctest.Wait()
		if st := s.Status(); st.Unsaved || st.Serial != serial || seen.count(kept) != 1 || seen.count(failed) != tries {
			t.Errorf("It can be saved: %+v, told %d times", st, seen.count(kept))
		}
		if found, err := load(dir, origin); err != nil || found.Serial != serial {
			t.Errorf("On disk is %+v, %v", found, err)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if seen.count(kept) != 1 {
			t.Error("It is saved again and again")
		}
	})
}

// TestSaveAtLast: what could not be saved is tried once more at the end.
func TestSaveAtLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p := newPublished(t, dir)
	c := content(t, "block exact a.example")
	serial := p.say(c)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	p.restart()
	if found, err := load(dir, origin); err != nil || found.Serial != serial || p.say(c) != serial {
		t.Errorf("On disk is %+v, %v", found, err)
	}
}

// TestLocked: what one process keeps, another reads and does not touch; it keeps its
// own once the first has ended, and goes on behind that.
func TestLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		one, two := content(t, "block exact a.example"), content(t, "block exact b.example")
		first := newPublished(t, dir)
		serial := first.say(one)
		var seen events
		other := Pool{Report: seen.report}
		second := other.Acquire(Config{Origin: origin, Dir: dir}, nil)
		defer func() { other.Release(second) }()
		<-second.Publish(one)
		locked := func(e Event) bool { return errors.Is(e.Err, source.ErrLocked) }
		if st := second.Status(); st.Serial != serial || !st.Unsaved || seen.count(locked) != 1 {
			t.Errorf("The second process: %+v, serial of the first %d", st, serial)
		}
		<-second.Publish(two)
		if found, err := load(dir, origin); err != nil || found.Serial != serial {
			t.Fatalf("The file of the first process is %+v, %v", found, err)
		}
		for range 5 { // faster than the clock
			first.say(two)
			serial = first.say(one)
		}
		behind := second.Status()
		if !rpz.Newer(serial, behind.Serial) {
			t.Fatalf("Serial %d of the first is not newer than %d", serial, behind.Serial)
		}
		first.pool.Release(first.Share)
		time.Sleep(longestPause)
		synctest.Wait()
		st := second.Status()
		if st.Unsaved || !rpz.Newer(st.Serial, serial) || st.Deltas != behind.Deltas+1 || seen.count(kept) != 1 {
			t.Errorf("It has the file: %+v, the first ended with %d", st, serial)
		}
		f := &follower{t: t, serial: behind.Serial, records: model(two)}
		if f.refresh(second); f.serial != st.Serial || f.partly != 1 {
			t.Errorf("A secondary that was there before: %+v", f)
		}
		if found, err := load(dir, origin); err != nil || found.Serial != st.Serial {
			t.Errorf("On disk is %+v, %v", found, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
			t.Errorf("%v, %v", entries, err)
		}
	})
}

// TestReadOnly: what is found where nothing can be written may be older than what was
// published last. So the same rules have a newer serial, and who has the older one is
// sent nothing but that.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	c := content(t, "block exact a.example")
	before := newPublished(t, dir)
	serial := before.say(c)
	before.pool.Release(before.Share)
	locks, err := filepath.Glob(filepath.Join(dir, "*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("Locks: %v, %v", locks, err)
	}
	if err := os.Remove(locks[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(locks[0], 0o700); err != nil { // so that it cannot be opened
		t.Fatal(err)
	}
	after := newPublished(t, dir)
	last := after.say(c)
	if !rpz.Newer(last, serial) || !after.Status().Unsaved {
		t.Errorf("Serial %d after %d: %+v", last, serial, after.Status())
	}
	f := &follower{t: t, serial: serial, records: model(c)}
	if f.refresh(after.Share); f.serial != last || f.partly != 1 {
		t.Errorf("A secondary that was there before: %+v", f)
	}
}

// TestSameSecond: without a state directory two processes of one second have serials
// of their own, and so have two zones of one process.
func TestSameSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Origin: origin}
		last := uint32(0)
		for i := range 5 {
			pool := Pool{began: time.Now()}
			for j := range 3 {
				s := pool.Acquire(c, nil)
				before := time.Now()
				<-s.Publish(content(t, fmt.Sprintf("block exact p%dz%d.example", i, j)))
				if serial := s.Status().Serial; last != 0 && !rpz.Newer(serial, last) {
					t.Errorf("Process %d, zone %d: serial %d after %d", i, j, serial, last)
				} else {
					last = serial
				}
				if took := time.Since(before); took > time.Second || j > 0 && took > 0 {
					t.Errorf("Process %d, zone %d: it took %v", i, j, took)
				}
				pool.Release(s)
			}
			time.Sleep(3 * time.Second) // the process was ahead of its clock
		}
	})
}

// TestMoved: a zone goes on behind its serial when the state directory is another, also
// if that has the same rules with an older one.
func TestMoved(t *testing.T) {
	var pool Pool
	dirs := []string{t.TempDir(), t.TempDir()}
	c := content(t, "block exact a.example")
	old := pool.Acquire(Config{Origin: origin, Dir: dirs[0]}, nil)
	<-old.Publish(c)
	serial := old.Status().Serial
	other := pool.Acquire(Config{Origin: origin, Dir: dirs[1]}, nil)
	<-other.Publish(content(t, "block exact b.example"))
	newer := other.Status().Serial
	pool.Release(old)
	pool.Release(other)
	back := pool.Acquire(Config{Origin: origin, Dir: dirs[0]}, nil)
	defer pool.Release(back)
	<-back.Publish(c)
	if last := back.Status().Serial; !rpz.Newer(newer, serial) || !rpz.Newer(last, newer) {
		t.Errorf("Serials %d, %d, %d", serial, newer, last)
	}
}

// TestClock: with a clock that is behind, a zone of which nothing is known has the
// newest time that is known to be past, and a newer serial once the clock is right.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen events
		var told atomic.Int32
		pool := Pool{Report: seen.report}
		s := pool.Acquire(Config{Origin: origin}, func() error { told.Add(1); return nil })
		defer func() { pool.Release(s) }()
		c := content(t, "block exact a.example")
		c.Since = time.Now().Add(time.Hour)
		<-s.Publish(c)
		wrong := func(e Event) bool { return errors.Is(e.Err, ErrClock) }
		first := s.Status().Serial
		if first != uint32(c.Since.Unix()) || seen.count(wrong) != 1 {
			t.Errorf("Serial %d, want %d; told %d times", first, c.Since.Unix(), seen.count(wrong))
		}
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if got := s.Status().Serial; got != first || told.Load() != 1 {
			t.Errorf("The clock is wrong still: serial %d after %d", got, first)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		st := s.Status()
		if behind := time.Now().Unix() - int64(st.Serial); behind < 0 || behind > 60 || st.Serial == first || st.Deltas != 1 || told.Load() != 2 {
			t.Errorf("The clock is right: %+v after %d, the secondaries told %d times", st, first, told.Load())
		}
		f := &follower{t: t, serial: first, records: model(c)}
		if f.refresh(s); f.serial != st.Serial || f.partly != 1 {
			t.Errorf("A secondary from before: %+v", f)
		}
		time.Sleep(time.Hour)
		if again := s.Status().Serial; again != st.Serial {
			t.Errorf("Serial %d after %d, and nothing has changed", again, st.Serial)
		}
	})
}

// TestClockKnown: a zone whose serial is known goes on from that, whatever the clock
// says.
func TestClockKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPublished(t, t.TempDir())
		first := p.say(content(t, "block exact a.example"))
		var seen events
		p.pool.Release(p.Share)
		p.pool = Pool{Report: seen.report}
		p.Share = p.pool.Acquire(Config{Origin: origin, Dir: p.dir}, nil)
		c := content(t, "block exact b.example")
		c.Since = time.Now().Add(time.Hour)
		if got := p.say(c); got != uint32(c.Since.Unix()) || !rpz.Newer(got, first) {
			t.Errorf("Serial %d after %d", got, first)
		}
		c = content(t, "block exact c.example")
		c.Since = time.Unix(1, 0)
		last := p.Status().Serial
		if got := p.say(c); got != last+1 || seen.count(failed) != 0 {
			t.Errorf("Serial %d after %d", got, last)
		}
	})
}

func TestSerials(t *testing.T) {
	var s serials
	for _, serial := range []uint32{5, 4, 7, 6} {
		s.note("a.", serial)
	}
	if s.newest("a.") != 7 || s.newest("b.") != 0 {
		t.Errorf("%v", s.all)
	}
	for i := range 3 * maxSerials {
		s.note(fmt.Sprint(i), 1)
	}
	if len(s.all) > maxSerials {
		t.Errorf("%d are kept", len(s.all))
	}
}

// TestAdmit: one client does not have all transfers, whatever address of its network
// it comes from, and nothing stays of it.
func TestAdmit(t *testing.T) {
	p := newPublished(t, "")
	var done []func()
	admit := func(address string, want error) {
		t.Helper()
		var a netip.Addr
		if address != "" {
			a = netip.MustParseAddr(address)
		}
		d, err := p.Admit(a)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
		if err == nil {
			done = append(done, d)
		}
	}
	for i := range maxPerClient {
		admit("192.0.2.1", nil)
		admit(fmt.Sprintf("2001:db8:1:2::%x", i), nil)
		admit("", nil)
	}
	for _, busy := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1:2:ffff::1", "2001:db8:1:2::1%eth0", ""} {
		admit(busy, ErrBusy)
	}
	for _, free := range []string{"192.0.2.2", "2001:db8:1:3::1"} {
		admit(free, nil)
	}
	if got := p.Status().Transfers[Refused]; got != 5 {
		t.Errorf("%d are counted as refused", got)
	}
	for _, d := range slices.Backward(done) {
		d()
	}
	if len(p.zone.clients) != 0 {
		t.Errorf("Kept of clients: %v", p.zone.clients)
	}
	admit("192.0.2.1", nil)
}
