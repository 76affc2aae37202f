package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// edition makes a list of what a mirror has, if it may take the place of the
// one before.
func (f *Feed) edition(ctx context.Context, m Mirror, body source.Body, s *staged) (*List, error) {
	signature, signer, err := f.verify(ctx, m, s)
	if err != nil {
		return nil, err
	}
	if f.current != nil && s.sum == f.sum {
		if f.unsaved != nil || !bytes.Equal(signature, f.signed) {
			f.save(s, f.meta(m, body, f.current, signature))
		}
		return nil, source.ErrNotModified
	}
	l, err := f.load(ctx, material{m.Name, s.again(), s.mapped, body.Modified})
	if err != nil {
		return nil, err
	}
	l.Signature, l.Timers = signer, body.Timers
	err = f.accept(l)
	if errors.Is(err, ErrShrunk) && f.Copy != nil {
		err = f.hold(l, l.fingerprint(s.sum), err)
	}
	if err != nil {
		return nil, refusal{fmt.Errorf("%s: %w", m.Name, err)}
	}
	f.take(l, s.sum, signature)
	f.save(s, f.meta(m, body, l, signature))
	f.compile(l, s.sum)
	f.forget()
	return l, nil
}

// verify fetches the signature and checks it, if the list must have one.
func (f *Feed) verify(ctx context.Context, m Mirror, s *staged) ([]byte, *Signature, error) {
	if len(f.Keys) == 0 {
		return nil, nil, nil
	}
	text, err := m.Signature(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("signature of %s: %w", m.Name, err)
	}
	signer, err := Verify(untilDone{ctx, s.again()}, text, f.Keys)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return text, &signer, nil
}

// building has room for one list at a time: to build one takes the memory that
// it needs afterwards beside that of the one before.
var building = make(chan struct{}, 1)

// buildGC is the GOGC of the process while a list is built: what the garbage
// collector leaves lying may not be a large part of the list on a small router.
// There is little garbage in a build, so this costs no time that could be
// measured.
const buildGC = 10

// thrifty has garbage collected early until the returned function is called.
func thrifty() (done func()) {
	before := debug.SetGCPercent(buildGC)
	if 0 <= before && before < buildGC {
		debug.SetGCPercent(before)
	}
	return func() { debug.SetGCPercent(before) }
}

// material is what a list is made of.
type material struct {
	from     string // for errors
	reader   io.Reader
	mapped   func() (*source.Mapping, error) // the same bytes; may be nil
	modified time.Time
}

// load builds the list of what comes from a mirror, or from its copy.
func (f *Feed) load(ctx context.Context, m material) (*List, error) {
	select {
	case building <- struct{}{}:
		defer func() { <-building }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer thrifty()()
	c := f.Load
	c.File = m.from
	if !f.unmapped {
		c.Map = m.mapped
	}
	l, err := Load(untilDone{ctx, m.reader}, m.modified, c)
	switch {
	case errors.Is(err, ErrRead):
		return nil, err
	case err != nil:
		return nil, refusal{err}
	}
	return l, nil
}
