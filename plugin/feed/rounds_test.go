package feed

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// script is a Fetcher that does what a test says, with every method that a
// Fetcher may have.
type script struct {
	results  []error // of the rounds; the last one goes on
	rounds   []time.Duration
	start    time.Time
	prompt   atomic.Bool
	warning  error
	kept     *string
	restores int
	keptErr  error
	closed   int
	during   func() // called in every round
}

func (s *script) Fetch(context.Context) (*string, error) {
	err := s.results[min(len(s.rounds), len(s.results)-1)]
	s.rounds = append(s.rounds, time.Since(s.start))
	if s.during != nil {
		s.during()
	}
	if err != nil {
		return nil, err
	}
	text := fmt.Sprint(len(s.rounds))
	return &text, nil
}

func (s *script) Prompt() bool   { return s.prompt.Load() }
func (s *script) Warning() error { return s.warning }
func (s *script) Close() error   { s.closed++; return nil }

func (s *script) Restore() (*string, time.Time, error) {
	s.restores++
	return s.kept, s.start.Add(-time.Hour), s.keptErr
}

// run has a refresher of the script run for a while.
func (s *script) run(t *testing.T, plan Schedule, d time.Duration, meanwhile func(r *Refresher[string])) {
	s.start = time.Now()
	r := NewRefresher[string](s, func(*string) Schedule { return plan })
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx, func(Change) {})
	}()
	r.Restore()
	if meanwhile != nil {
		meanwhile(r)
	}
	<-ended
}

func (s *script) want(t *testing.T, seconds string) {
	t.Helper()
	var got []float64
	for _, d := range s.rounds {
		got = append(got, d.Seconds())
	}
	if fmt.Sprint(got) != seconds {
		t.Errorf("Rounds at %v seconds, want %s", got, seconds)
	}
}

func TestRunBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []error{errAbsent, errAbsent, errAbsent, errAbsent, errAbsent, nil, source.ErrNotModified, errBad, nil}}
		s.run(t, Schedule{Every: 5 * time.Minute, Retry: 10 * time.Second, Most: time.Minute}, 25*time.Minute, nil)
		s.want(t, "[300 310 330 370 430 490 790 1090 1100 1400]")
	})
}

// TestWake: rounds that are asked for come at once, but not more often than one
// a second, and one that is asked for during a round comes after it.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []error{nil}}
		var wake func()
		s.during = func() {
			if len(s.rounds) == 2 {
				wake()
			}
		}
		s.run(t, Schedule{Every: time.Hour, Retry: time.Hour, Most: time.Hour}, 30*time.Minute, func(r *Refresher[string]) {
			wake = func() { r.Wake(0) }
			time.Sleep(100 * time.Second)
			r.Wake(10 * time.Second)
			r.Wake(20 * time.Second) // no later than was said before
			time.Sleep(50 * time.Second)
			for range 1000 {
				r.Wake(0)
			}
			synctest.Wait()
			if next := r.Next(); next.Sub(s.start) != 150*time.Second {
				t.Errorf("Next round at %v", next.Sub(s.start))
			}
			time.Sleep(500 * time.Second)
			r.Wake(0)
			synctest.Wait()
			for range 1000 {
				r.Wake(0)
			}
		})
		s.want(t, "[110 150 151 650 651]")
	})
}

// TestPrompt: a fetcher that failed is asked whether to go on before it is time.
func TestPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []error{nil, ErrShrunk, nil, nil}}
		s.run(t, Schedule{Every: time.Hour, Retry: 20 * time.Minute, Most: time.Hour}, 3*time.Hour, func(*Refresher[string]) {
			s.prompt.Store(true) // nothing has failed: it does not count
			time.Sleep(90 * time.Minute)
			s.prompt.Store(false)
			time.Sleep(40*time.Minute + time.Second)
			s.prompt.Store(true)
			time.Sleep(time.Minute)
			s.prompt.Store(false)
		})
		s.want(t, "[3600 7200 7802]")
	})
}

// fragileScript is a script whose value may break at any time.
type fragileScript struct{ *script }

func (fragileScript) Fragile() bool { return true }

// TestFragile: a fetcher whose value may break is asked, too.
func TestFragile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []error{nil, nil, nil}}
		r := NewRefresher(fragileScript{s}, func(*string) Schedule { return Schedule{Every: time.Hour} })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		begun := time.Now()
		go func() {
			defer close(done)
			r.Run(ctx, func(Change) {})
		}()
		if _, err := r.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Minute + time.Second)
		s.prompt.Store(true)
		time.Sleep(promptInterval)
		s.prompt.Store(false)
		if took := r.Status().Attempt.Sub(begun); took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("the next round was after %v", took)
		}
		stop()
		<-done
	})
}

// TestRefreshStatus: what is shown of the rounds.
func TestRefreshStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []error{nil, source.ErrNotModified, ErrEmpty, ErrEmpty, errAbsent, source.ErrNotModified}, start: time.Now()}
		r := NewRefresher[string](s, every(time.Minute))
		if got := r.Status(); !got.Attempt.IsZero() || !got.Success.IsZero() || got.Err != nil || got.Rounds != nil {
			t.Errorf("Before the first round: %+v", got)
		}
		for range 6 {
			time.Sleep(time.Minute)
			r.Refresh(t.Context())
		}
		got := r.Status()
		if fmt.Sprint(got.Rounds) != "map[empty:2 new:1 status:1 unchanged:2]" {
			t.Errorf("Rounds: %v", got.Rounds)
		}
		now := time.Now()
		if got.Attempt != now || got.Success != now || r.Next() != now.Add(time.Minute) || got.Err != nil {
			t.Errorf("%+v, next %v, now %v", got, r.Next(), now)
		}
	})
}

func TestRefreshWarning(t *testing.T) {
	s := &script{results: []error{nil}}
	r := NewRefresher[string](s, every(time.Minute))
	for i, tt := range []struct{ warning, want error }{
		{nil, nil}, {ErrExpired, ErrExpired}, {ErrExpired, nil}, {ErrNotSaved, ErrNotSaved}, {nil, nil}, {ErrNotSaved, ErrNotSaved},
		{join(ErrNotSaved, ErrExpired), ErrExpired}, {join(ErrNotSaved, ErrExpired), nil}, {ErrExpired, nil},
	} {
		s.warning = tt.warning
		if c, _ := r.Refresh(t.Context()); !errors.Is(c.Warning, tt.want) || (c.Warning == nil) != (tt.want == nil) {
			t.Errorf("Round %d: warning %v, want %v", i, c.Warning, tt.want)
		}
		if got := r.Status().Warning; fmt.Sprint(got) != fmt.Sprint(tt.warning) {
			t.Errorf("Round %d: status %v", i, got)
		}
	}
}

// TestRunWaitsForRestore: no round may come before what was kept, which it is to
// be held against.
func TestRunWaitsForRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := "old"
		s := &script{results: []error{nil}, kept: &old, start: time.Now()}
		r := NewRefresher[string](s, every(time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx, func(Change) {}) }()
		r.Wake(0)
		time.Sleep(time.Minute)
		if len(s.rounds) != 0 {
			t.Errorf("%d rounds before anything was restored", len(s.rounds))
		}
		r.Restore()
		time.Sleep(time.Minute)
		cancel()
		<-ended
		if len(s.rounds) < 59 {
			t.Errorf("%d rounds afterwards", len(s.rounds))
		}
	})
}

// TestRefreshEnded: whoever gives up waiting for a round loses nothing for the
// others: neither the rounds to come nor what this one has brought.
func TestRefreshEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []error{errAbsent, nil}, start: time.Now()}
		r := NewRefresher[string](s, every(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		s.during = cancel
		if _, err := r.Refresh(ctx); !errors.Is(err, context.Canceled) || r.Status().Rounds != nil {
			t.Errorf("%v, %+v", err, r.Status())
		}
		if next := time.Until(r.Next()); next != time.Minute {
			t.Errorf("Next round in %v", next)
		}
		if c, err := r.Refresh(t.Context()); err != nil || !c.New {
			t.Errorf("%+v, %v", c, err)
		}
		ctx, s.during = context.WithCancel(t.Context())
		if c, err := r.Refresh(ctx); err != nil || !c.New || value(r) != "3" {
			t.Errorf("Ended at its end: %+v, %v, value %s", c, err, value(r))
		}
	})
}

func TestRestore(t *testing.T) {
	old := "old"
	s := &script{results: []error{nil}, kept: &old, start: time.Now()}
	r := NewRefresher[string](s, every(time.Minute))
	seen := 0
	r.Watch(func() { seen++ })
	if ok, err := r.Restore(); !ok || err != nil || value(r) != "old" || seen != 1 {
		t.Errorf("Restore() = %v, %v; value %s, %d changes", ok, err, value(r), seen)
	}
	if got := r.Status(); !got.Attempt.IsZero() || got.Success != s.start.Add(-time.Hour) {
		t.Errorf("%+v", got)
	}
	r.Refresh(t.Context())
	if ok, err := r.Restore(); !ok || err != nil || value(r) != "1" || s.restores != 1 {
		t.Errorf("With a value: Restore() = %v, %v; value %s", ok, err, value(r))
	}

	s = &script{keptErr: source.ErrDamaged}
	if ok, err := NewRefresher[string](s, every(time.Minute)).Restore(); ok || !errors.Is(err, source.ErrDamaged) {
		t.Errorf("Damaged: Restore() = %v, %v", ok, err)
	}
	if ok, err := refresher(&fake{}).Restore(); ok || err != nil { // one that keeps nothing
		t.Errorf("Nothing kept: Restore() = %v, %v", ok, err)
	}
}

func TestPoolCloses(t *testing.T) {
	s, p := &script{results: []error{nil}}, new(Pool[string])
	create := func() *Refresher[string] { return NewRefresher[string](s, every(time.Minute)) }
	a, b := p.Acquire("x", create), p.Acquire("x", create)
	a.Release()
	if s.closed != 0 {
		t.Error("Closed while it is in use")
	}
	b.Release()
	if s.closed != 1 {
		t.Errorf("Closed %d times", s.closed)
	}
}

func TestCauseOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Result
	}{
		{errors.New("whatever"), "network"},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), "timeout"},
		{errors.Join(source.ErrStatus, fmt.Errorf("y: %w", ErrLegacySignature)), "signature"}, // what matters most
		{fmt.Errorf("%w: %w", ErrRead, source.ErrEncoding), "encoding"},
	} {
		if got := ResultOf(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

// TestRefreshWaitsItsTurn: whoever waits for the round of somebody else may
// stop waiting.
func TestRefreshWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := refresher(&stuck{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Refresh(ctx) }()
		synctest.Wait()
		impatient, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		begin := time.Now()
		if _, err := r.Refresh(impatient); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 5*time.Second {
			t.Errorf("After %v: %v", time.Since(begin), err)
		}
		if ok, err := r.Restore(); ok || err != nil {
			t.Errorf("Restore() = %v, %v", ok, err)
		}
		cancel()
		<-ended
	})
}
