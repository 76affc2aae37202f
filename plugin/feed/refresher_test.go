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
	errAbsent = errors.New("absent")
	errBroken = errors.New("connection broken")
	errBad    = errors.New("bad content")
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

func value(r *Refresher[string]) string {
	if v := r.Value(); v != nil {
		return *v
	}
	return "none"
}

// step is a state of the source, and what the round after it must bring.
type step struct {
	state   state
	changed bool
	err     error // that Refresh returns
	value   string
	failure error // that Err returns afterwards
}

func TestRefresh(t *testing.T) {
	v1, v2 := state{text: "one", version: "1"}, state{text: "two", version: "2"}
	bad := state{text: "bad", version: "b"}
	absent := state{absent: true}
	half := state{text: "tw", version: "2", breaks: true}
	tests := []struct {
		name  string
		steps []step
	}{
		{"rounds", []step{
			{v1, true, nil, "one", nil},
			{v1, false, nil, "one", nil},
			{v2, true, nil, "two", nil},
			{v1, true, nil, "one", nil},
		}},
		{"absent from the start", []step{
			{absent, false, errAbsent, "none", errAbsent},
			{absent, false, nil, "none", errAbsent},
			{v1, true, nil, "one", nil},
		}},
		{"bad from the start", []step{
			{bad, false, errBad, "none", errBad},
			{bad, false, nil, "none", errBad},
			{v1, true, nil, "one", nil},
		}},
		{"the last good one stays while absent", []step{
			{v1, true, nil, "one", nil},
			{absent, false, errAbsent, "one", errAbsent},
			{absent, false, nil, "one", errAbsent},
			{v1, false, nil, "one", nil}, // back as it was
			{absent, false, errAbsent, "one", errAbsent},
			{v2, true, nil, "two", nil},
		}},
		{"the last good one stays while bad", []step{
			{v1, true, nil, "one", nil},
			{bad, false, errBad, "one", errBad},
			{bad, false, nil, "one", errBad},
			{v2, true, nil, "two", nil},
			{bad, false, errBad, "two", errBad},
			{v2, true, nil, "two", nil}, // taken back
		}},
		{"bad, absent, and back as bad as it was", []step{
			{v1, true, nil, "one", nil},
			{bad, false, errBad, "one", errBad},
			{absent, false, errAbsent, "one", errAbsent},
			{bad, false, nil, "one", errBad},
			{v1, true, nil, "one", nil},
		}},
		{"half a reading is tried again", []step{
			{v1, true, nil, "one", nil},
			{half, false, errBroken, "one", errBroken},
			{half, false, nil, "one", errBroken},
			{v2, true, nil, "two", nil}, // the same version, whole
		}},
		{"half a reading, and back", []step{
			{v1, true, nil, "one", nil},
			{half, false, errBroken, "one", errBroken},
			{v1, false, nil, "one", nil},
		}},
		{"bad, then half a reading of another", []step{
			{bad, false, errBad, "none", errBad},
			{half, false, errBroken, "none", errBroken},
			{bad, false, nil, "none", errBad},
		}},
	}
	for _, tt := range tests {
		f := &fake{}
		r := NewRefresher(f, load)
		for i, s := range tt.steps {
			f.set(s.state)
			changed, err := r.Refresh(t.Context())
			if changed != s.changed || !errors.Is(err, s.err) || (err == nil) != (s.err == nil) {
				t.Errorf("%s: round %d: %v, %v, want %v, %v", tt.name, i+1, changed, err, s.changed, s.err)
			}
			if got := value(r); got != s.value {
				t.Errorf("%s: round %d: value %q, want %q", tt.name, i+1, got, s.value)
			}
			if err := r.Err(); !errors.Is(err, s.failure) || (err == nil) != (s.failure == nil) {
				t.Errorf("%s: round %d: Err() = %v, want %v", tt.name, i+1, err, s.failure)
			}
		}
	}
}

// TestRefreshReadsOnce: what could not be used is not read again and again.
func TestRefreshReadsOnce(t *testing.T) {
	f := &fake{state: state{text: "bad", version: "b"}}
	r := NewRefresher(f, load)
	for range 5 {
		r.Refresh(t.Context())
	}
	if f.opens != 5 || f.reads != 1 {
		t.Errorf("%d bodies read in %d rounds, want 1 in 5", f.reads, f.opens)
	}
}

func TestWatch(t *testing.T) {
	f := &fake{}
	r := NewRefresher(f, load)
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
		r := NewRefresher(f, load)
		var reports []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx, time.Minute, func(err error) { reports = append(reports, fmt.Sprint(value(r), " ", err)) })
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
		if got, want := fmt.Sprint(reports), "[one <nil> one absent two <nil>]"; got != want {
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
			NewRefresher(&stuck{}, load).Run(ctx, time.Minute, func(err error) { t.Errorf("Reported %v", err) })
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
	r := NewRefresher(f, load)
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
