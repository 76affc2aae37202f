package feed

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/source"
)

// Errors about an edition beside the one before, to be tested with errors.Is.
var (
	ErrListID = errors.New("is another list")
	ErrShrunk = errors.New("has shrunk and is held back")
)

// Warnings, to be tested with errors.Is.
var (
	ErrExpired  = errors.New("has expired, and goes on serving")
	ErrNotSaved = errors.New("could not be kept on disk")
)

// staged is a body that has been read to its end and can be read again, so that
// it is judged as a whole before any of it is used.
type staged struct {
	io.Closer
	again func() io.Reader
	sum   [sha256.Size]byte
	spool *source.Spool // nil: the body itself can be read again
}

// stage reads a body to its end. One that can be read again is left where it
// is, if nothing hangs on its staying the same in between.
func (f *Feed) stage(ctx context.Context, body source.Body) (*staged, error) {
	r := untilDone{ctx, body}
	if seeker, ok := body.ReadCloser.(io.Seeker); ok && len(f.Keys) == 0 && f.Copy == nil {
		return f.stageInPlace(r, seeker)
	}
	spool := f.spool()
	if _, err := io.Copy(named{spool, f.Load.File}, r); err != nil {
		spool.Close()
		return nil, err
	}
	return &staged{spool, spool.Reader, spool.Sum(), spool}, nil
}

func (f *Feed) stageInPlace(r io.Reader, s io.Seeker) (*staged, error) {
	limit := cmp.Or(f.Load.MaxBytes, source.DefaultMaxBytes)
	hash := sha256.New()
	if n, err := io.Copy(hash, io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", f.Load.File, source.ErrTooLarge, limit)
	}
	again := func() io.Reader {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return failing{err}
		}
		return r
	}
	return &staged{io.NopCloser(nil), again, [sha256.Size]byte(hash.Sum(nil)), nil}, nil
}

func (f *Feed) spool() *source.Spool {
	if f.Copy != nil {
		return f.Copy.Spool(f.Load.MaxBytes)
	}
	return source.NewSpool("", f.Load.MaxBytes)
}

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
	l, err := f.load(ctx, s.again(), body.Modified)
	if err != nil {
		return nil, err
	}
	l.Signature, l.Timers = signer, body.Timers
	if err := f.accept(l, s.sum); err != nil {
		if errors.Is(err, ErrShrunk) {
			f.hold(l, f.known(l, s.sum), err)
		}
		return nil, refusal{fmt.Errorf("%s: %w", f.Load.File, err)}
	}
	f.take(l, s.sum, signature)
	f.save(s, f.meta(m, body, l, signature))
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

// building has room for one list at a time: to build one takes several times
// the memory that it needs afterwards.
var building = make(chan struct{}, 1)

// load builds the list.
func (f *Feed) load(ctx context.Context, r io.Reader, modified time.Time) (*List, error) {
	select {
	case building <- struct{}{}:
		defer func() { <-building }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l, err := Load(untilDone{ctx, r}, modified, f.Load)
	switch {
	case errors.Is(err, ErrRead):
		return nil, err
	case err != nil:
		return nil, refusal{err}
	}
	return l, nil
}

// accept returns why an edition must not take the place of the one before.
func (f *Feed) accept(l *List, sum [sha256.Size]byte) error {
	if err := f.identify(l); err != nil {
		return err
	}
	if f.current == nil || f.Shrink == 0 {
		return nil
	}
	before, now := int64(f.current.Stats.Rules), int64(l.Stats.Rules)
	if 100*(before-now) <= int64(max(f.Shrink, 0))*before || f.Copy != nil && f.Copy.Approved(f.known(l, sum)) {
		return nil
	}
	return fmt.Errorf("%w: from %d to %d entries, by more than %d percent", ErrShrunk, before, now, max(f.Shrink, 0))
}

// identify compares the headers. What a header does not say is held against an
// edition only if the header is signed.
func (f *Feed) identify(l *List) error {
	strict := len(f.Keys) > 0
	if f.ListID != "" && l.Header.ID != f.ListID {
		return fmt.Errorf("%w: its List-ID is %q, not %q", ErrListID, l.Header.ID, f.ListID)
	}
	if f.current == nil || f.Own && !strict {
		return nil
	}
	old, now := f.current.Header, l.Header
	if f.ListID == "" && old.ID != "" && old.ID != now.ID && (strict || now.ID != "") {
		return fmt.Errorf("%w: its List-ID is %q, not %q", ErrListID, now.ID, old.ID)
	}
	switch {
	case old.Serial == 0:
		return nil
	case now.Serial == 0 && strict:
		return fmt.Errorf("%w: it has no serial, and the one before had %d", source.ErrOldSerial, old.Serial)
	case now.Serial != 0 && rpz.Newer(old.Serial, now.Serial):
		return fmt.Errorf("%w: its serial is %d, the one before had %d", source.ErrOldSerial, now.Serial, old.Serial)
	}
	return nil
}

// known returns by what an edition is approved: its rules. A zone may come with
// the same ones in another order, by another kind of transfer. Those of a blinded
// list are not to be had, its bytes have to do.
func (f *Feed) known(l *List, sum [sha256.Size]byte) [sha256.Size]byte {
	if l.Set.Blinded() {
		return sum
	}
	hash := sha256.New()
	for r := range l.Set.All() {
		fmt.Fprintln(hash, r)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// hold notes an edition that waits to be approved.
func (f *Feed) hold(l *List, sum [sha256.Size]byte, why error) {
	if f.Copy == nil {
		return
	}
	f.held.Store(&sum)
	f.note = source.Held{
		Source: f.Load.File, List: f.Name, Sum: sum, Serial: l.Header.Serial,
		Entries: l.Stats.Rules, Before: f.current.Stats.Rules, Reason: why.Error(), Seen: time.Now(),
	}
	f.writeNote()
}

// writeNote writes what is held back where the tool finds it.
func (f *Feed) writeNote() {
	f.unheld = nil
	if err := f.Copy.Hold(f.note); err != nil {
		f.unheld = fmt.Errorf("%w: the note of what is held back: %w", ErrNotSaved, err)
	}
}

// take makes a list the last good one.
func (f *Feed) take(l *List, sum [sha256.Size]byte, signature []byte) {
	f.current, f.sum, f.signed = l, sum, signature
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
	if err := f.Copy.Save(s.spool, m); err != nil {
		f.unsaved = fmt.Errorf("%w: %w", ErrNotSaved, err)
		return
	}
	f.kept = s.sum
}

// retrySave has the list sent once more if that may help to keep it: once nobody
// else has the copy, as an older server does until it has stopped, or now and
// then while the disk is full.
func (f *Feed) retrySave() {
	if f.unheld != nil {
		f.writeNote()
	}
	switch {
	case f.unsaved == nil:
		return
	case errors.Is(f.unsaved, source.ErrLocked):
		if f.Copy.Lock() != nil {
			return
		}
	case !isFull(f.unsaved) || time.Since(f.tried) < saveInterval:
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

// saveInterval is the time between two attempts to keep a list on a full disk.
const saveInterval = time.Hour

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Restore loads the copy, verified as if it had just come from a mirror. It
// returns when that was, and nil without an error when there is no copy.
func (f *Feed) Restore() (*List, time.Time, error) {
	if f.Copy == nil {
		return nil, time.Time{}, nil
	}
	if err := f.Copy.Lock(); err != nil {
		f.unsaved = fmt.Errorf("%w: %w", ErrNotSaved, err)
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
	l, err := f.load(context.Background(), saved.Reader(), saved.Modified)
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

// expired reports whether the last good edition is older than its publisher
// wants it to be used.
func (f *Feed) expired(now time.Time) bool { return f.expiry(now) != nil }

// expiry returns since when it is. A zone expires when its primary has not been
// heard for that long.
func (f *Feed) expiry(now time.Time) error {
	l := f.current
	if l == nil {
		return nil
	}
	at := l.Header.Expires
	if at.IsZero() && l.Timers.Expire > 0 && !f.right.IsZero() {
		at = f.right.Add(l.Timers.Expire)
	}
	if at.IsZero() || now.Before(at) {
		return nil
	}
	return fmt.Errorf("%s: %w: since %s", f.Load.File, ErrExpired, at.UTC().Format(time.DateTime))
}

// untilDone is a reader that fails once its context has ended.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// named is a writer whose errors say what they are about, as those of sources
// do.
type named struct {
	io.Writer
	name string
}

func (w named) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("%s: %w", w.name, err)
	}
	return n, err
}

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
