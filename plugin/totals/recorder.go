// Package totals keeps a server's own daily totals: how many queries were denied, by
// list, reason and action, which editions of lists were in force, and how many clients
// were behind a number at least. From these a report can be made that tells nothing of
// anybody.
//
// Names are never seen here. The address of a client is hashed with a key that is drawn
// anew each day and never leaves memory, sets one bit, and is forgotten. What is written
// is counts, and of the clients one of seven numbers.
//
// What is counted is added to a file for each day, of the state directory, every few
// minutes and at the end. A process that is killed loses the minutes since. Several
// processes may add to the same files.
package totals

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

const (
	// look is how often the date is looked at, besides at midnight, and what could not
	// be written is tried again.
	look = time.Minute
	// pause is how long what is counted is kept in memory: the flash memory of a router
	// does not last for ever.
	pause = 5 * time.Minute
	// patience is how long is waited for another process that writes.
	patience = 2 * time.Second
	// maxUnwritten is how many days that are over are kept in memory while they cannot
	// be written.
	maxUnwritten = 8
)

// epoch is the time before which no clock is believed: that of a machine without a
// battery, which has just started, says 1970. What is counted by then is counted for
// the day on which the clock is set.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Recorder counts for one state directory. Count is safe for concurrent use, and takes
// no lock.
type Recorder struct {
	dir    string // of the totals
	report func(error)

	today atomic.Pointer[day]

	mu     sync.Mutex // of the next
	shares map[*Share]bool

	over    []*day    // yet to be written; of the keeper, as all that follows
	last    time.Time // when all was written
	failing string    // what was reported last; "": all is well

	stop, done chan struct{}
}

// Count counts a query. A client of whom no address is known is the zero Addr.
func (r *Recorder) Count(k Key, client netip.Addr) { r.today.Load().count(k, client) }

// newRecorder returns a recorder whose keeper runs until close.
func newRecorder(state string, report func(error)) *Recorder {
	r := unkept(state, report, time.Now())
	go r.keep()
	return r
}

// unkept returns a recorder whose keeper does not run yet.
func unkept(state string, report func(error), now time.Time) *Recorder {
	r := &Recorder{
		dir: filepath.Join(state, Dir), report: report, shares: map[*Share]bool{}, last: now, stop: make(chan struct{}), done: make(chan struct{}),
	}
	r.today.Store(newDay(nameOf(now)))
	return r
}

// close writes what there is. Nothing is counted any more.
func (r *Recorder) close() {
	close(r.stop)
	<-r.done
}

// keep is the keeper: it begins each day, and writes.
func (r *Recorder) keep() {
	defer close(r.done)
	for {
		select {
		case <-r.stop:
			r.roll(time.Now())
			r.save(true)
			return
		case <-time.After(untilLook(time.Now())):
		}
		now := time.Now()
		r.roll(now)
		if now.Sub(r.last) >= pause {
			r.last = now
			r.save(true)
		} else if len(r.over) > 0 || r.failing != "" {
			r.save(r.failing != "")
		}
	}
}

// untilLook returns the time until the date is to be looked at: at midnight at the
// latest, and then not a moment too early.
func untilLook(now time.Time) time.Duration {
	midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	return min(look, midnight.Sub(now)+time.Millisecond)
}

// nameOf returns the day of a time, "" if that cannot be right.
func nameOf(t time.Time) string {
	if t.Before(epoch) {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// roll begins another day when the date is another, be it an earlier one.
func (r *Recorder) roll(now time.Time) {
	name := nameOf(now)
	before := r.today.Load()
	switch {
	case name == "" || name == before.name:
		return
	case before.name == "":
		before.name = name
		r.date(now)
	default:
		r.over = append(r.over, before)
		r.today.Store(newDay(name))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.shares {
		for _, e := range s.editions {
			r.today.Load().note(e)
		}
	}
}

// date has the editions be in force since now that were before the clock was right.
func (r *Recorder) date(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = now.UTC().Truncate(time.Second)
	since(r.today.Load().editions, now)
	for s := range r.shares {
		since(s.editions, now)
	}
}

func since(editions []*Edition, now time.Time) {
	for _, e := range editions {
		if e.From.Before(epoch) {
			e.From = now
		}
	}
}

// save writes the days that are over, and if so today, and reports what has changed
// about that.
func (r *Recorder) save(today bool) {
	var failed error
	write := func(d *day) bool {
		err := r.write(d)
		if err != nil {
			failed = fmt.Errorf("the totals of %s: %w", orUnknown(d.name), err)
		}
		return err == nil
	}
	kept := r.over[:0]
	for _, d := range r.over {
		if done := write(d); !done || !d.settled {
			d.settled = done
			kept = append(kept, d)
		}
	}
	r.over = kept
	if today {
		write(r.today.Load())
	}
	for len(r.over) > maxUnwritten {
		r.tell(fmt.Errorf("the totals of %s are lost", r.over[0].name))
		r.over = r.over[1:]
	}
	r.fail(failed)
}

// fail reports an error that is another than the last one.
func (r *Recorder) fail(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != r.failing {
		r.tell(err)
	}
	r.failing = text
}

func orUnknown(day string) string {
	if day == "" {
		return "an unknown day"
	}
	return day
}

func (r *Recorder) tell(err error) {
	if r.report != nil {
		r.report(err)
	}
}

// write adds what was counted since the last time to the file of a day.
func (r *Recorder) write(d *day) (err error) {
	news, editions := r.news(d)
	defer func() {
		if err != nil && editions != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			d.unsaved = true
		}
	}()
	switch {
	case len(news) == 0 && editions == nil:
		return nil
	case d.name == "":
		return ErrClock
	}
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	if err = r.add(d.name, news, editions); err == nil {
		d.wrote(news)
	}
	return errors.Join(err, unlock())
}

// news returns what the file of a day does not have yet.
func (r *Recorder) news(d *day) (counts []*Count, editions []*Edition) {
	for k, c := range *d.cells.Load() {
		n := &Count{k, c.queries.Load() - c.written.Queries, c.clients.least()}
		if n.Queries > 0 || n.Clients > c.written.Clients {
			counts = append(counts, n)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.unsaved {
		d.unsaved = false // until another comes, or the file cannot be written
		for _, e := range d.editions {
			own := *e
			editions = append(editions, &own)
		}
	}
	return counts, editions
}

// wrote remembers what the file has.
func (d *day) wrote(counts []*Count) {
	for _, n := range counts {
		c := (*d.cells.Load())[n.Key]
		c.written.Queries += n.Queries
		c.written.Clients = n.Clients
	}
}

// lock makes this process the only one to write, and the directory, which is nobody
// else's to read.
func (r *Recorder) lock() (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(r.dir), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(r.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	const step = 10 * time.Millisecond
	for range patience / step {
		unlock, err = fileOf(r.dir, Dir).Lock()
		if !errors.Is(err, source.ErrLocked) {
			return unlock, err
		}
		time.Sleep(step)
	}
	return unlock, err
}

// add adds to the file of a day. The directory is locked.
func (r *Recorder) add(name string, counts []*Count, editions []*Edition) error {
	d, err := read(r.dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d = &Day{}
		if err := prune(r.dir, MaxDays-1); err != nil {
			return err
		}
	case errors.Is(err, ErrDamaged):
		if aside := setAside(r.dir, name); aside != nil {
			return errors.Join(err, aside)
		}
		r.tell(fmt.Errorf("%w; it is set aside, and the day is counted anew", err))
		d = &Day{Damaged: true}
	case err != nil:
		return err
	}
	d.Format, d.Day = format, name
	for _, c := range counts {
		d.add(c)
	}
	for _, e := range editions {
		if merged := mergeEdition(d.Editions, e); merged != nil {
			d.Editions = merged
		}
	}
	return d.write(r.dir)
}
