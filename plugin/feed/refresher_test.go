package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

var (
	errAbsent = fmt.Errorf("absent: %w", source.ErrStatus)
	errBroken = errors.New("connection broken")
	errBad    = fmt.Errorf("bad content: %w", source.ErrContent)
)

// fake is a source whose state a test sets.
type fake struct {
	mu    sync.Mutex
	state state
	opens int
	reads int // bodies that were read to their end
}

type state struct {
	text    string
	version source.Version
	absent  bool
	breaks  bool // after the text, instead of ending
}

func (f *fake) set(s state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
}

// opened returns the number of rounds so far.
func (f *fake) opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opens
}

func (f *fake) Open(_ context.Context, have source.Version) (source.Body, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens++
	s := f.state
	switch {
	case s.absent:
		return source.Body{}, errAbsent
	case s.version == have:
		return source.Body{}, source.ErrNotModified
	}
	var r io.Reader = strings.NewReader(s.text)
	if s.breaks {
		r = io.MultiReader(r, iotest.ErrReader(errBroken))
	} else {
		f.reads++
	}
	return source.Body{ReadCloser: io.NopCloser(r), Version: s.version}, nil
}

// load makes a string of a text that does not begin with "bad".
func load(r io.Reader, _ time.Time) (*string, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if s := string(text); !strings.HasPrefix(s, "bad") {
		return &s, nil
	}
	return nil, fmt.Errorf("%w: %s", errBad, text)
}

// every is a plan of rounds that ignores failures.
func every(d time.Duration) func(*string) Schedule {
	return func(*string) Schedule { return Schedule{Every: d, Retry: d, Most: d} }
}

// refresher returns one of a source, with a round every minute.
func refresher(o Opener) *Refresher[string] {
	return NewRefresher(&Reader[string]{Opener: o, Load: load}, every(time.Minute))
}

func value(r *Refresher[string]) string {
	if v := r.Value(); v != nil {
		return *v
	}
	return "none"
}

// step is a state of the source, and what the round after it must bring.
type step struct {
	state  state
	change Change
	value  string
	err    error // that Refresh returns, and Err afterwards
}

func TestRefresh(t *testing.T) {
	v1, v2 := state{text: "one", version: "1"}, state{text: "two", version: "2"}
	bad := state{text: "bad", version: "b"}
	absent := state{absent: true}
	half := state{text: "tw", version: "2", breaks: true}
	isNew, mended := Change{New: true}, Change{Mended: true}
	failed := func(err error) Change { return Change{Err: err} }
	renewed := Change{New: true, Mended: true}
	tests := []struct {
		name  string
		steps []step
	}{
		{"rounds", []step{
			{v1, isNew, "one", nil},
			{v1, Change{}, "one", nil},
			{v2, isNew, "two", nil},
			{v1, isNew, "one", nil},
		}},
		{"absent from the start", []step{
			{absent, failed(errAbsent), "none", errAbsent},
			{absent, Change{}, "none", errAbsent},
			{v1, renewed, "one", nil},
		}},
		{"bad from the start", []step{
			{bad, failed(errBad), "none", errBad},
			{bad, Change{}, "none", errBad},
			{v1, renewed, "one", nil},
		}},
		{"the last good one stays while absent", []step{
			{v1, isNew, "one", nil},
			{absent, failed(errAbsent), "one", errAbsent},
			{absent, Change{}, "one", errAbsent},
			{v1, mended, "one", nil}, // back as it was
			{absent, failed(errAbsent), "one", errAbsent},
			{v2, renewed, "two", nil},
		}},
		{"the last good one stays while bad", []step{
			{v1, isNew, "one", nil},
			{bad, failed(errBad), "one", errBad},
			{bad, Change{}, "one", errBad},
			{v2, renewed, "two", nil},
			{bad, failed(errBad), "two", errBad},
			{v2, renewed, "two", nil}, // taken back
		}},
		{"bad, absent, and back as bad as it was", []step{
			{v1, isNew, "one", nil},
			{bad, failed(errBad), "one", errBad},
			{absent, failed(errAbsent), "one", errAbsent},
			{bad, failed(errBad), "one", errBad},
			{v1, renewed, "one", nil},
		}},
		{"half a reading is tried again", []step{
			{v1, isNew, "one", nil},
			{half, failed(errBroken), "one", errBroken},
			{half, Change{}, "one", errBroken},
			{v2, renewed, "two", nil}, // the same version, whole
		}},
		{"half a reading, and back", []step{
			{v1, isNew, "one", nil},
			{half, failed(errBroken), "one", errBroken},
			{v1, mended, "one", nil},
		}},
		{"bad, then half a reading of another", []step{
			{bad, failed(errBad), "none", errBad},
			{half, failed(errBroken), "none", errBroken},
			{bad, failed(errBad), "none", errBad},
		}},
	}
	for _, tt := range tests {
		f := &fake{}
		r := refresher(f)
		for i, s := range tt.steps {
			f.set(s.state)
			c, err := r.Refresh(t.Context())
			if !sameChange(c, s.change) {
				t.Errorf("%s: round %d: %+v, want %+v", tt.name, i+1, c, s.change)
			}
			if got := value(r); got != s.value {
				t.Errorf("%s: round %d: value %q, want %q", tt.name, i+1, got, s.value)
			}
			for _, err := range []error{err, r.Err()} {
				if !errors.Is(err, s.err) || (err == nil) != (s.err == nil) {
					t.Errorf("%s: round %d: %v, want %v", tt.name, i+1, err, s.err)
				}
			}
		}
	}
}

// sameChange compares changes, and their errors by what they are.
func sameChange(a, b Change) bool {
	return a.New == b.New && a.Mended == b.Mended && (a.Err == nil) == (b.Err == nil) && errors.Is(a.Err, b.Err) &&
		(a.Warning == nil) == (b.Warning == nil) && errors.Is(a.Warning, b.Warning)
}

// TestRefreshReadsOnce: what could not be used is not read again and again.
func TestRefreshReadsOnce(t *testing.T) {
	f := &fake{state: state{text: "bad", version: "b"}}
	r := refresher(f)
	for range 5 {
		r.Refresh(t.Context())
	}
	if f.opens != 5 || f.reads != 1 {
		t.Errorf("%d bodies read in %d rounds, want 1 in 5", f.reads, f.opens)
	}
}

func TestWatch(t *testing.T) {
	f := &fake{}
	r := refresher(f)
	var first, second []string
	stop := r.Watch(func() { first = append(first, value(r)) })
	stopSecond := r.Watch(func() { second = append(second, value(r)) })
	for _, s := range []state{
		{text: "one", version: "1"}, {text: "one", version: "1"}, {text: "bad", version: "b"}, {absent: true}, {text: "two", version: "2"},
	} {
		f.set(s)
		r.Refresh(t.Context())
	}
	stop()
	stop() // a second time does nothing
	f.set(state{text: "three", version: "3"})
	r.Refresh(t.Context())
	stopSecond()
	if fmt.Sprint(first, second) != "[one two] [one two three]" {
		t.Errorf("Watchers saw %v and %v", first, second)
	}
}

// TestRun: a round at each interval, new values and new errors are reported,
// and the end of the context ends it.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{state: state{text: "one", version: "1"}}
		r := refresher(f)
		var reports []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx, func(c Change) { reports = append(reports, fmt.Sprint(value(r), " ", word(c))) })
		}()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if n := f.opened(); n != 0 {
			t.Errorf("%d rounds before the first interval", n)
		}
		for _, s := range []state{
			{text: "one", version: "1"}, {text: "one", version: "1"}, {absent: true}, {absent: true}, {text: "two", version: "2"},
		} {
			f.set(s)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if n := f.opened(); n != 5 {
			t.Errorf("%d rounds in 5 intervals", n)
		}
		if got, want := fmt.Sprint(reports), "[one new one status two new]"; got != want {
			t.Errorf("Reported %s, want %s", got, want)
		}
		cancel()
		<-ended
		time.Sleep(time.Hour)
		if f.opened() != 5 {
			t.Error("A round after the end")
		}
	})
}

// word is what a report says.
func word(c Change) Result {
	if c.Err != nil {
		return ResultOf(c.Err)
	}
	return ResultNew
}

// stuck is a source that answers only when it is no longer asked, and then takes
// its time.
type stuck struct{ ended atomic.Bool }

func (s *stuck) Open(ctx context.Context, _ source.Version) (source.Body, error) {
	<-ctx.Done()
	time.Sleep(time.Second)
	s.ended.Store(true)
	return source.Body{}, ctx.Err()
}

// TestRunEndsInARound: a round that the end of the context breaks off is no
// failure of the source.
func TestRunEndsInARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			refresher(&stuck{}).Run(ctx, func(c Change) { t.Errorf("Reported %+v", c) })
		}()
		time.Sleep(90 * time.Second)
		cancel()
		<-ended
	})
}

// TestConcurrentRefresh: readers never see a value go back to none, nor no
// value without an error.
func TestConcurrentRefresh(t *testing.T) {
	f := &fake{state: state{absent: true}}
	r := refresher(f)
	r.Refresh(t.Context())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				if w == 0 {
					f.set(state{text: fmt.Sprint(i), version: source.Version(fmt.Sprint(i))})
				}
				r.Refresh(t.Context())
			}
		})
		wg.Go(func() {
			had := false
			for range 2000 {
				err, v := r.Err(), r.Value()
				if v == nil && (had || err == nil) {
					t.Errorf("No value, error %v, had one before: %v", err, had)
					return
				}
				had = v != nil
			}
		})
	}
	wg.Wait()
}
