package sinkhole

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/nonudify/nonudify/plugin/policy"
)

const (
	// maxShelf bounds the pages that are kept; together they have at most maxShelf
	// times MaxPage bytes.
	maxShelf = 64
	// shelfLife is how long a page is kept: what is on it depends on the date.
	shelfLife = time.Minute
)

// shelf renders pages and keeps some. To render one takes milliseconds, to send
// one microseconds, and the machine has DNS queries to answer: so most people
// get one from the shelf, and whoever asks for ever new ones keeps no more than
// a part of the processors busy. It is safe for concurrent use.
type shelf struct {
	page  renderer
	now   func() time.Time
	slots chan struct{} // holds a token for every page that is being rendered

	mu    sync.Mutex
	pages map[Wish]rendered
	since time.Time // when the oldest was put there, or before
}

// Wish is all of a request that a page depends on, beside the date. The zero value
// is a request that asks for nothing special. It may hold whatever a client sends.
type Wish struct {
	Accepted string // the Accept-Language field
	Language string // tag of the language that was chosen; "": Accepted decides
	Country  string // code of the country that was chosen; "": the configuration or Accepted decides
	Reason   policy.Reason
	Own      bool // the page stands at the operator's own address, where nothing was blocked
}

// rendered is a page and the tag of its language. It is immutable.
type rendered struct {
	html     []byte
	language string
}

func newShelf(page renderer, now func() time.Time) *shelf {
	return &shelf{
		page: page, now: now,
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4)),
		pages: make(map[Wish]rendered),
	}
}

// get returns a page. The error is the context's, if it ends before there is
// time to render the page.
func (s *shelf) get(ctx context.Context, w Wish) (rendered, error) {
	if r, ok := s.kept(w); ok {
		return r, nil
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return rendered{}, ctx.Err()
	}
	defer func() { <-s.slots }()
	if r, ok := s.kept(w); ok { // another one had the same wish
		return r, nil
	}
	html, language := s.page.Render(w)
	r := rendered{html, language}
	s.keep(w, r)
	return r, nil
}

func (s *shelf) kept(w Wish) (rendered, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.since) >= shelfLife {
		clear(s.pages)
		s.since = now
	}
	r, ok := s.pages[w]
	return r, ok
}

// keep puts a page on the shelf, in the place of any other if it is full.
func (s *shelf) keep(w Wish, r rendered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.pages {
		if len(s.pages) < maxShelf {
			break
		}
		delete(s.pages, other)
	}
	s.pages[w] = r
}
