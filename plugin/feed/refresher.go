// Package feed turns sources into what the query path asks, and keeps it
// fresh. A round that fails changes nothing: what was loaded last goes on
// serving.
package feed

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// Opener is where a Refresher's bytes come from. It returns
// source.ErrNotModified when it still has the given version.
type Opener interface {
	Open(ctx context.Context, have source.Version) (source.Body, error)
}

// Loader makes a value of the bytes of a source. The value is immutable from
// then on.
type Loader[T any] func(r io.Reader, modified time.Time) (*T, error)

// Refresher keeps one value loaded from one source. Its methods are safe for
// concurrent use.
type Refresher[T any] struct {
	opener  Opener
	load    Loader[T]
	value   atomic.Pointer[T]
	failure atomic.Pointer[error]

	mu      sync.Mutex     // one round at a time
	seen    source.Version // that a round read to its end last, whether or not it could be used
	refused error          // why that version could not be used

	watchers watchers
}

// NewRefresher returns a Refresher that has no value yet.
func NewRefresher[T any](o Opener, load Loader[T]) *Refresher[T] {
	return &Refresher[T]{opener: o, load: load}
}

// Watch has f called after every round that brings a new value, until the
// returned function is called.
func (r *Refresher[T]) Watch(f func()) (stop func()) { return r.watchers.add(f) }

// Value returns the value of the last good round, nil before there was one.
func (r *Refresher[T]) Value() *T { return r.value.Load() }

// Err returns why the last round failed, nil when it did not. An edition that
// could not be used stays the error until there is another.
func (r *Refresher[T]) Err() error {
	if err := r.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Refresh does one round and reports whether it brought a new value. The error
// is returned once: for as long as the source stays as it is, further rounds
// return nil.
func (r *Refresher[T]) Refresh(ctx context.Context) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, err := r.round(ctx)
	if errors.Is(err, source.ErrNotModified) {
		r.fail(r.refused) // no other any more: it may be back after an absence
		return false, nil
	}
	if err != nil {
		if before := r.Err(); before != nil && before.Error() == err.Error() {
			return false, nil
		}
		r.fail(err)
		return false, err
	}
	r.value.Store(value)
	r.fail(nil) // after the value: whoever sees no error finds one
	r.watchers.call()
	return true, nil
}

// fail makes err what Err returns.
func (r *Refresher[T]) fail(err error) {
	if err == nil {
		r.failure.Store(nil)
		return
	}
	r.failure.Store(&err)
}

// round reads the source if it has changed. A version that was read to its end
// is not read again; one whose reading broke off is.
func (r *Refresher[T]) round(ctx context.Context) (*T, error) {
	body, err := r.opener.Open(ctx, r.seen)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	reader := &failureReader{Reader: body}
	value, err := r.load(reader, body.Modified)
	if reader.err == nil {
		r.seen, r.refused = body.Version, err
	}
	return value, err
}

// failureReader remembers that its reader failed.
type failureReader struct {
	io.Reader
	err error
}

func (f *failureReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// Run does a round at every interval until the context ends, and tells report
// about rounds that brought a new value or a new error.
func (r *Refresher[T]) Run(ctx context.Context, interval time.Duration, report func(error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := r.Refresh(ctx)
		if ctx.Err() != nil { // it may be why the round failed
			return
		}
		if changed || err != nil {
			report(err)
		}
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
