package totals

import (
	"path/filepath"
	"sync"
	"time"
)

// Pool has one Recorder for each state directory, shared by all who count there: a
// reload goes on with what was counted before. The zero value is ready to use.
type Pool struct {
	// Report is told of what cannot be written and why, once for each cause; may be nil.
	Report func(error)

	mu        sync.Mutex
	recorders map[string]*Recorder // by the directory
}

// Share is one use of a Recorder.
type Share struct {
	*Recorder

	pool     *Pool
	state    string
	editions []*Edition // in force; of the Recorder's mutex
}

// Acquire returns a share of the recorder of a state directory. Release must be called.
func (p *Pool) Acquire(state string) *Share {
	if abs, err := filepath.Abs(state); err == nil {
		state = abs
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.recorders[state]
	if r == nil {
		r = newRecorder(state, p.Report)
		if p.recorders == nil {
			p.recorders = map[string]*Recorder{}
		}
		p.recorders[state] = r
	}
	s := &Share{Recorder: r, pool: p, state: state}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shares[s] = true
	return s
}

// Release gives the share back. With the last one, what was counted is written before
// Release returns. It is to be called once; what is counted afterwards is counted by
// nobody, unless there are others.
func (s *Share) Release() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.mu.Lock()
	delete(s.shares, s)
	last := len(s.shares) == 0
	s.mu.Unlock()
	if last {
		delete(s.pool.recorders, s.state)
		s.close()
	}
}

// InForce says which editions of lists are in force from now on, for this share. Their
// From is set: what was in force before, for any share, has been since then.
func (s *Share) InForce(editions []*Edition) {
	now := time.Now().UTC().Truncate(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range editions {
		e.From = s.since(e, now)
		s.today.Load().note(e)
	}
	s.editions = editions
}

// since returns from when on an edition has been in force. The recorder is locked.
func (r *Recorder) since(e *Edition, now time.Time) time.Time {
	for s := range r.shares {
		if have := e.find(s.editions); have != nil && have.From.Before(now) {
			return have.From
		}
	}
	return now
}
