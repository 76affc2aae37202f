package sinkhole

import (
	"context"
	"net/http"
	"net/url"
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
	pages map[wish]rendered
	since time.Time // when the oldest was put there, or before
}

// wish is all of a request that a page depends on.
type wish struct {
	accepted, language, country string // Accept-Language, and the query's lang and country
	reason                      policy.Reason
	own                         bool
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
		pages: make(map[wish]rendered),
	}
}

// get returns a page. The error is the context's, if it ends before there is
// time to render the page.
func (s *shelf) get(ctx context.Context, w wish) (rendered, error) {
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
	query := url.Values{"lang": {w.language}, "country": {w.country}}
	html, language := s.page.Render(http.Header{"Accept-Language": {w.accepted}}, query, w.reason, w.own)
	r := rendered{html, language}
	s.keep(w, r)
	return r, nil
}

func (s *shelf) kept(w wish) (rendered, bool) {
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
func (s *shelf) keep(w wish, r rendered) {
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
