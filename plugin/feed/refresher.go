// Package feed turns sources into what the query path asks, and keeps it
// fresh. A round that fails changes nothing: what was loaded last goes on
// serving.
package feed

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// Fetcher does what a round is about. Of the methods named here, only Prompt and
// Fragile are called concurrently with others.
//
// A Fetcher may also have some of these methods:
//
//	Restore() (*T, time.Time, error)  // a value from before the program started, and its age
//	Prompt() bool                     // a round is worth while before it is due
//	Fragile() bool                    // Prompt is to be asked even if the last round was fine
//	Warning() error                   // what is wrong although the value is fine
//	Expires() time.Time               // when the value is to be used no more
//	Close() error                     // called when there will be no more rounds
type Fetcher[T any] interface {
	// Fetch returns a new value, which is immutable from then on, or
	// source.ErrNotModified when the last one is still right.
	Fetch(ctx context.Context) (*T, error)
}

type restorer[T any] interface {
	Restore() (*T, time.Time, error)
}

type prompter interface{ Prompt() bool }

type fragile interface{ Fragile() bool }

type warner interface{ Warning() error }

type expirer interface{ Expires() time.Time }

type closer interface{ Close() error }

// Status is what the rounds of a Refresher have come to. It is immutable.
type Status struct {
	Err     error     // why the last round brought nothing that can be used; nil: it was fine
	Warning error     // what is wrong although the value is fine
	Attempt time.Time // begin of the last round
	Success time.Time // end of the last round that was fine, or of the one that a restored value is from
	Expires time.Time // when the value is to be used no more; zero if it does not say
	// Rounds counts the rounds by their result: ResultNew, ResultUnchanged or a cause.
	Rounds map[Result]uint64

	failures int // in a row
}

// Change is what one round has changed in the state of a Refresher.
type Change struct {
	New     bool  // there is a new value
	Err     error // the cause of failure is another than after the round before
	Mended  bool  // the round was fine, the one before was not
	Warning error // a new warning
}

// none reports whether nothing has changed.
func (c Change) none() bool { return !c.New && c.Err == nil && !c.Mended && c.Warning == nil }

// Refresher keeps one value fresh. Its methods are safe for concurrent use.
type Refresher[T any] struct {
	fetcher Fetcher[T]
	plan    func(*T) Schedule
	value   atomic.Pointer[T]
	status  atomic.Pointer[Status]
	due     due
	turn    chan struct{} // holds one while a round is under way
	begun   chan struct{} // closed once Run may do rounds
	begin   func()        // closes it

	watchers watchers
}

// NewRefresher returns a Refresher that has no value yet. The plan says how
// often there is a round, given the value at hand, which may be nil.
func NewRefresher[T any](f Fetcher[T], plan func(*T) Schedule) *Refresher[T] {
	r := &Refresher[T]{fetcher: f, plan: plan, turn: make(chan struct{}, 1), begun: make(chan struct{}), due: due{moved: make(chan struct{}, 1)}}
	r.begin = sync.OnceFunc(func() { close(r.begun) })
	if _, keeps := f.(restorer[T]); !keeps {
		r.begin()
	}
	r.status.Store(&Status{})
	return r
}

// Fetcher returns what does the rounds.
func (r *Refresher[T]) Fetcher() Fetcher[T] { return r.fetcher }

// Watch has f called after every round that brings a new value, until the
// returned function is called.
func (r *Refresher[T]) Watch(f func()) (stop func()) { return r.watchers.add(f) }

// Value returns the value of the last good round, nil before there was one.
func (r *Refresher[T]) Value() *T { return r.value.Load() }

// Status returns what the rounds so far have come to.
func (r *Refresher[T]) Status() Status { return *r.status.Load() }

// Next returns when Run does the next round, zero while it does one.
func (r *Refresher[T]) Next() time.Time { return r.due.time() }

// Err returns why the last round failed, nil when it did not.
func (r *Refresher[T]) Err() error { return r.status.Load().Err }

// Restore takes the value that the fetcher has kept from before the program
// started, unless there is a value already. It asks no source. ok reports
// whether there is a value now; the error, why what was kept is no use.
func (r *Refresher[T]) Restore() (ok bool, err error) {
	select {
	case r.turn <- struct{}{}:
		defer r.end()
	default: // whoever has a round under way did this before, and the round may take long
		return r.Value() != nil, nil
	}
	defer r.begin()
	kept, can := r.fetcher.(restorer[T])
	if r.Value() != nil || !can {
		return r.Value() != nil, nil
	}
	value, fetched, err := kept.Restore()
	s := r.Status()
	if value != nil {
		s.Success, s.Expires = fetched, r.expires()
	}
	r.publish(value, s) // the first round warns: by then an older server has given the copy free
	return value != nil, err
}

// Refresh does one round. The error is why it failed, not
// source.ErrNotModified.
func (r *Refresher[T]) Refresh(ctx context.Context) (Change, error) {
	select {
	case r.turn <- struct{}{}:
		defer r.end()
	case <-ctx.Done():
		return Change{}, ctx.Err()
	}
	defer r.begin()
	s := r.Status()
	before := s
	s.Attempt = time.Now()
	r.due.clear() // whoever asks for a round from now on may have seen more than this one will
	value, err := r.fetcher.Fetch(ctx)
	if value == nil && ctx.Err() != nil { // it may be why the round failed, and others go on
		r.due.by(time.Now().Add(r.plan(r.Value()).wait(s.failures + 1)))
		return Change{}, ctx.Err()
	}
	s.note(err)
	s.Warning, s.Expires = r.warning(), r.expires()
	held := value
	if held == nil {
		held = r.Value()
	}
	r.due.by(time.Now().Add(r.plan(held).wait(s.failures)))
	r.publish(value, s)
	return Change{
		New: value != nil, Mended: s.Err == nil && before.Err != nil,
		Err: turned(before.Err, s.Err), Warning: turned(before.Warning, s.Warning),
	}, s.Err
}

// end lets the next round begin.
func (r *Refresher[T]) end() { <-r.turn }

// note counts a round that has ended with err.
func (s *Status) note(err error) {
	s.Rounds = maps.Clone(s.Rounds)
	if s.Rounds == nil {
		s.Rounds = map[Result]uint64{}
	}
	if err != nil && !errors.Is(err, source.ErrNotModified) {
		s.Err = err
		s.failures++
		s.Rounds[ResultOf(err)]++
		return
	}
	s.Err, s.failures, s.Success = nil, 0, time.Now()
	result := ResultNew
	if err != nil {
		result = ResultUnchanged
	}
	s.Rounds[result]++
}

// turned returns an error that has another cause than the one before, or one
// more, or that is about another edition. Words alone make no difference
// otherwise: they may hold a port, which is another every time.
func turned(before, now error) error {
	if r, ok := errors.AsType[refusal](now); ok && before != nil && r.Error() != lastRefusal(before) {
		return now
	}
	known := results(before)
	for _, r := range results(now) {
		if !slices.Contains(known, r) {
			return now
		}
	}
	return nil
}

// lastRefusal returns the words of a verdict on an edition, "" if it is none.
func lastRefusal(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.Error()
	}
	return ""
}

// publish makes a value, unless it is nil, and a status visible.
func (r *Refresher[T]) publish(value *T, s Status) {
	if value != nil {
		r.value.Store(value)
	}
	r.status.Store(&s) // after the value: whoever sees no error finds one
	if value != nil {
		r.watchers.call()
	}
}

func (r *Refresher[T]) warning() error {
	if w, ok := r.fetcher.(warner); ok {
		return w.Warning()
	}
	return nil
}

func (r *Refresher[T]) expires() (at time.Time) {
	if e, ok := r.fetcher.(expirer); ok {
		at = e.Expires()
	}
	return at
}

// Wake makes the next round of Run due after a while, and no later.
func (r *Refresher[T]) Wake(after time.Duration) { r.due.by(time.Now().Add(after)) }

const (
	// rest is the least time between two rounds, whatever asks for them.
	rest = time.Second
	// promptInterval is how often a Fetcher whose last round failed, or whose value is
	// fragile, is asked whether the next one should come early.
	promptInterval = 2 * time.Second
)

// Run does rounds when they are due until the context ends, and tells report
// what changes. The first one is due when Wake says so, or one interval after
// the start; but where something may have been kept, not before somebody has
// called Restore, or Refresh: what comes must be held against it.
func (r *Refresher[T]) Run(ctx context.Context, report func(Change)) {
	select {
	case <-r.begun:
	case <-ctx.Done():
		return
	}
	r.Wake(r.plan(r.Value()).wait(0))
	for r.await(ctx) {
		change, _ := r.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if !change.none() {
			report(change)
		}
	}
}

// await waits until a round is due, false if the context ends before.
func (r *Refresher[T]) await(ctx context.Context) bool {
	for {
		s := r.status.Load()
		left := r.left(s)
		if left <= 0 || r.prompted(s) {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, r.patience(s)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-r.due.moved:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// left returns the time until the next round is due.
func (r *Refresher[T]) left(s *Status) time.Duration {
	at := r.due.time()
	if at.IsZero() { // somebody else does a round
		return promptInterval
	}
	if earliest := s.Attempt.Add(rest); at.Before(earliest) {
		at = earliest
	}
	return time.Until(at)
}

// patience returns how long await may wait before it looks around.
func (r *Refresher[T]) patience(s *Status) time.Duration {
	if r.prompter(s) != nil {
		return promptInterval
	}
	return maxWait
}

// prompter returns the fetcher if it is to be asked for a round.
func (r *Refresher[T]) prompter(s *Status) prompter {
	p, _ := r.fetcher.(prompter)
	if f, ok := r.fetcher.(fragile); s.Err != nil || ok && f.Fragile() {
		return p
	}
	return nil
}

// prompted reports whether the fetcher asks for a round.
func (r *Refresher[T]) prompted(s *Status) bool {
	p := r.prompter(s)
	return p != nil && time.Since(s.Attempt) >= rest && p.Prompt()
}

// close tells the fetcher that there will be no more rounds.
func (r *Refresher[T]) close() {
	if c, ok := r.fetcher.(closer); ok {
		r.turn <- struct{}{}
		defer r.end()
		_ = c.Close() // nothing is left to be done about it
	}
}

// due is when something is to be done.
type due struct {
	mu    sync.Mutex
	at    time.Time     // zero: nobody has said
	moved chan struct{} // told when at has come nearer
}

func (d *due) time() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *due) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = time.Time{}
}

// by makes it due at a time, if it is not earlier already.
func (d *due) by(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && d.at.Before(at) {
		return
	}
	d.at = at
	select {
	case d.moved <- struct{}{}:
	default: // whoever waits will look anyway
	}
}

// watchers are functions to call when something has changed.
type watchers struct {
	mu   sync.Mutex
	next int
	fs   map[int]func()
}

func (w *watchers) add(f func()) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fs == nil {
		w.fs = make(map[int]func())
	}
	id := w.next
	w.next++
	w.fs[id] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.fs, id)
	}
}

// call calls every function. None runs any more once its remove has returned.
func (w *watchers) call() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.fs {
		f()
	}
}
