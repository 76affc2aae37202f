package feed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// take makes a list the last good one.
func (f *Feed) take(l *List, sum [sha256.Size]byte, signature []byte) {
	f.current, f.sum, f.signed = l, sum, signature
	f.serving.Store(l)
}

// forget drops what was held back before an edition that was taken, also by
// a program that ran earlier.
func (f *Feed) forget() {
	f.held.Store(nil)
	f.unheld = nil
	if f.Copy != nil && f.unsaved == nil { // else the approval is needed once more, after a restart
		_ = f.Copy.Forget() // what stays is about an edition that is not asked about again
	}
}

func (f *Feed) meta(m Mirror, body source.Body, l *List, signature []byte) source.Meta {
	return source.Meta{
		Version: body.Version, From: m.space(), Modified: body.Modified, Fetched: time.Now(), Signature: signature,
		Timers: body.Timers, Serial: l.Header.Serial, ListID: l.Header.ID, Entries: l.Stats.Rules,
	}
}

// save keeps the bytes of the list that was taken. If that fails, the list
// serves all the same.
func (f *Feed) save(s *staged, m source.Meta) {
	f.unsaved = nil
	if f.Copy == nil {
		return
	}
	f.locked = f.Copy.Lock() == nil
	if err := f.Copy.Save(s.spool, m); err != nil {
		f.unsaved = fmt.Errorf("%w: %w", ErrNotSaved, err)
		return
	}
	f.kept = s.sum
}

// retrySave has the list sent once more if that may help to keep it: as soon as
// the copy can be locked, which an older server does until it has stopped, and
// else now and then, as while the disk is full.
func (f *Feed) retrySave() {
	if f.unheld != nil {
		f.writeNote()
	}
	switch {
	case f.unsaved == nil:
		return
	case !f.locked:
		if f.locked = f.Copy.Lock() == nil; !f.locked {
			return
		}
	case time.Since(f.tried) < saveInterval:
		return
	}
	if f.kept == f.sum {
		f.unsaved = nil
		return
	}
	f.tried = time.Now()
	f.unsaved = fmt.Errorf("%w until now", ErrNotSaved)
	clear(f.memory)
}

// saveInterval is the time between two attempts to keep a list for which there
// should be a place.
const saveInterval = time.Hour

// Restore loads the copy, verified as if it had just come from a mirror. It
// returns when that was, and nil without an error when there is no copy.
func (f *Feed) Restore() (*List, time.Time, error) {
	if f.Copy == nil {
		return nil, time.Time{}, nil
	}
	if err := f.Copy.Lock(); err != nil {
		f.unsaved = fmt.Errorf("%w: %w", ErrNotSaved, err)
	} else {
		f.locked = true
	}
	saved, err := f.Copy.Load()
	if errors.Is(err, source.ErrNoCopy) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	defer saved.Close()
	l, err := f.restore(saved)
	if err != nil {
		return nil, time.Time{}, err
	}
	return l, saved.Fetched, nil
}

func (f *Feed) restore(saved *source.Saved) (*List, error) {
	var signer *Signature
	if len(f.Keys) > 0 {
		s, err := Verify(saved.Reader(), saved.Signature, f.Keys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Load.File, err)
		}
		signer = &s
	}
	l, err := f.reload(saved)
	if err != nil {
		return nil, err
	}
	if err := f.identify(l); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Load.File, err)
	}
	l.Signature, l.Timers = signer, saved.Timers
	f.take(l, saved.Sum, saved.Signature)
	f.kept = saved.Sum
	f.right = saved.Fetched
	f.remembered(saved.From).seen = saved.Version
	return l, nil
}

// hold notes an edition that waits to be approved, and returns why it has to;
// nil if it is approved.
func (f *Feed) hold(l *List, sum [sha256.Size]byte, why error) error {
	if f.Copy.Approved(sum) {
		return nil
	}
	f.held.Store(&sum)
	f.note = source.Held{
		Source: f.Load.File, List: f.Name, Sum: sum, Serial: l.Header.Serial,
		Entries: l.Stats.Rules, Before: f.current.Stats.Rules, Reason: why.Error(), Seen: time.Now(),
	}
	f.writeNote()
	return why
}

// writeNote writes what is held back where the tool finds it.
func (f *Feed) writeNote() {
	f.unheld = nil
	if err := f.Copy.Hold(f.note); err != nil {
		f.unheld = fmt.Errorf("%w: the note of what is held back: %w", ErrNotSaved, err)
	}
}
