package feed

import (
	"context"
	"sync"
)

// Pool shares refreshers by key, so that what several servers of a process
// name is loaded once and stays loaded while one of them is replaced by the
// next. The zero value is an empty pool. It is safe for concurrent use.
type Pool[T any] struct {
	// Report is told of rounds that changed something, by the goroutine of each
	// key. May be nil.
	Report func(key string, r *Refresher[T], c Change)

	mu     sync.Mutex
	shared map[string]*shared[T]
}

// shared is a refresher with its users and the one goroutine that refreshes it.
type shared[T any] struct {
	*Refresher[T]
	users int
	stop  context.CancelFunc
	done  chan struct{}
}

// Share is one user's hold on a shared refresher. Its Release must be called
// once; further calls do nothing.
type Share[T any] struct {
	*Refresher[T]
	Release func()
}

// Acquire returns the refresher of a key, made by the given function if nobody
// uses it yet. Its rounds in the background begin one interval later, or when
// Wake says so: the caller does the first one himself, by Refresh or Restore.
func (p *Pool[T]) Acquire(key string, create func() *Refresher[T]) Share[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shared[key]
	if s == nil {
		s = p.start(key, create())
	}
	s.users++
	return Share[T]{s.Refresher, sync.OnceFunc(func() { p.release(key, s) })}
}

func (p *Pool[T]) start(key string, r *Refresher[T]) *shared[T] {
	ctx, stop := context.WithCancel(context.Background())
	s := &shared[T]{Refresher: r, stop: stop, done: make(chan struct{})}
	if p.shared == nil {
		p.shared = make(map[string]*shared[T])
	}
	p.shared[key] = s
	go func() {
		defer close(s.done)
		r.Run(ctx, func(c Change) {
			if p.Report != nil {
				p.Report(key, r, c)
			}
		})
	}()
	return s
}

// release ends the goroutine with the last user, and waits for its end.
func (p *Pool[T]) release(key string, s *shared[T]) {
	p.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(p.shared, key)
	}
	p.mu.Unlock()
	if last {
		s.stop()
		<-s.done
		s.close()
	}
}
