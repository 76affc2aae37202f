package sinkhole

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonudify/nonudify/plugin/policy"
)

// slowPage takes a second for a page, and counts.
type slowPage struct {
	fakePage
	mu             sync.Mutex
	all, now, most int
}

func (p *slowPage) Render(w Wish) ([]byte, string) {
	p.mu.Lock()
	p.all++
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	time.Sleep(time.Second)
	p.mu.Lock()
	p.now--
	p.mu.Unlock()
	if w.Language == "panic" {
		panic("x")
	}
	return fmt.Append(nil, w), "en"
}

func TestShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(slowPage)
		s := newShelf(p, time.Now)
		check := func(w Wish, want int) {
			t.Helper()
			r, err := s.get(t.Context(), w)
			if page := fmt.Sprint(w); err != nil || string(r.html) != page || r.language != "en" || p.all != want {
				t.Errorf("%+v: page %q in %s, %v; %d were rendered, want %d", w, r.html, r.language, err, p.all, want)
			}
		}
		for i, w := range []Wish{{}, {Accepted: "de"}, {Language: "de"}, {Country: "DE"}, {Reason: policy.Censored}, {Own: true}} {
			check(w, i+1)
			check(w, i+1)
		}
		time.Sleep(shelfLife - 7*time.Second)
		check(Wish{}, 6)
		time.Sleep(time.Second)
		check(Wish{}, 7) // the shelf was cleared
		check(Wish{Own: true}, 8)
	})
}

// TestShelfBounds: neither many pages are kept nor many rendered at a time.
func TestShelfBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(slowPage)
		s := newShelf(p, func() time.Time { return time.Time{} })
		var wg sync.WaitGroup
		for i := range 4 * maxShelf {
			wg.Go(func() {
				for range 2 {
					s.get(t.Context(), Wish{Language: fmt.Sprint(i % (2 * maxShelf))})
				}
			})
		}
		wg.Wait()
		if slots := max(1, runtime.GOMAXPROCS(0)/4); p.most != slots || len(s.pages) != maxShelf || len(s.slots) != 0 {
			t.Errorf("%d were rendered at a time, %d are kept, %d slots are taken", p.most, len(s.pages), len(s.slots))
		}
	})
}

// TestShelfOnce: for one wish of many people, one page is rendered.
func TestShelfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(slowPage)
		s := newShelf(p, time.Now)
		s.slots = make(chan struct{}, 1)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { s.get(t.Context(), Wish{}) })
		}
		wg.Wait()
		if p.all != 1 {
			t.Errorf("%d were rendered", p.all)
		}
	})
}

// TestShelfGone: nothing is rendered for those who have gone while they waited,
// and a panic frees its slot.
func TestShelfGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(slowPage)
		h := NewHandler(HandlerConfig{Page: p})
		h.shelf.slots = make(chan struct{}, 1)
		go func() {
			defer func() { recover() }()
			h.shelf.get(t.Context(), Wish{Language: "panic"})
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.shelf.get(ctx, Wish{}); !errors.Is(err, context.Canceled) || p.all != 1 {
			t.Errorf("%v; %d were rendered", err, p.all)
		}
		ask := httptest.NewRequest("GET", "http://blocked.example/", nil)
		ask.Header.Set("Accept", browser)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, ask.WithContext(ctx)); w.Code != http.StatusForbidden || w.Body.Len() > 0 {
			t.Errorf("Status %d, %q", w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		if h.ServeHTTP(w, ask); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "filtered") {
			t.Errorf("Status %d, %q after a panic", w.Code, w.Body)
		}
	})
}
