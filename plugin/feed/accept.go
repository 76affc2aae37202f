package feed

import (
	"crypto/sha256"
	"errors"
	"fmt"
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
	ErrUnread   = errors.New("the state directory could not be read while it was in use; lists are held in memory until the next start")
)

// accept returns why an edition must not take the place of the one before.
func (f *Feed) accept(l *List) error {
	if err := f.identify(l); err != nil {
		return err
	}
	if f.current == nil || f.Shrink == 0 {
		return nil
	}
	before, now := int64(f.current.Stats.Rules), int64(l.Stats.Rules)
	if 100*(before-now) <= int64(max(f.Shrink, 0))*before {
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

// fingerprint returns by what an edition is approved: its rules. A zone may come with
// the same ones in another order, by another kind of transfer. Those of a blinded
// list are not to be had, its bytes have to do.
func (l *List) fingerprint(sum [sha256.Size]byte) [sha256.Size]byte {
	if l.Set.Blinded() {
		return sum
	}
	hash := sha256.New()
	for r := range l.Set.All() {
		fmt.Fprintln(hash, r)
	}
	for r := range l.Set.Addresses() {
		fmt.Fprintln(hash, r)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// expired reports whether the last good edition is older than its publisher
// wants it to be used.
func (f *Feed) expired(now time.Time) bool { return f.expiry(now) != nil }

// Expires returns when the last good edition is to be used no more, zero if it
// does not say. A zone expires when its primary has not been heard for a while.
func (f *Feed) Expires() time.Time {
	l := f.current
	switch {
	case l == nil:
		return time.Time{}
	case l.Header.Expires.IsZero() && l.Timers.Expire > 0 && !f.right.IsZero():
		return f.right.Add(l.Timers.Expire)
	}
	return l.Header.Expires
}

// expiry returns since when it has expired.
func (f *Feed) expiry(now time.Time) error {
	at := f.Expires()
	if at.IsZero() || now.Before(at) {
		return nil
	}
	return fmt.Errorf("%s: %w: since %s", f.Load.File, ErrExpired, at.UTC().Format(time.DateTime))
}
