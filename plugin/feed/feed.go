package feed

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

// Opener is where bytes come from. It returns source.ErrNotModified when it
// still has the given version.
type Opener interface {
	Open(ctx context.Context, have source.Version) (source.Body, error)
}

// Mirror is one place that has a list. All mirrors of a list have the same
// bytes.
type Mirror struct {
	Name string // for errors, and to tell which one a copy is from
	Opener
	// Space says which mirrors mean the same by a version: a zone has the same
	// serial at every primary. Empty: none but this one.
	Space string
	// Signature returns the detached signature; needed when there are keys.
	Signature func(ctx context.Context) ([]byte, error)
	// Addresses returns those from which it may be told that there is something
	// new; may be nil.
	Addresses func(ctx context.Context) ([]netip.Addr, error)
}

// NoFall is the Shrink of a list that must not lose a single entry.
const NoFall = -1

// Config says where a list comes from and what an edition of it must be
// like.
type Config struct {
	Name    string   // for people
	Mirrors []Mirror // tried in turn
	Load    LoadConfig
	// Keys, if there are any: an edition must be signed with one of them.
	Keys []Key
	// ListID is what the header's List-ID must be; "" for that of the edition
	// before.
	ListID string
	// Shrink is by how many percent of its entries a list may fall at once; 0:
	// this is not looked at.
	Shrink int
	// Own says that the list is in the hands of the operator, who may well put
	// an older edition or another list in its place: an unsigned header is then
	// not held against the one before.
	Own bool
	// Refresh is the time between two rounds; 0 for what the list asks for.
	Refresh time.Duration
	// Copy keeps the last good edition; nil: nothing is kept.
	Copy *source.Copy
}

// Feed is the Fetcher of one list: it asks the mirrors, checks signature,
// header and size of what they have, and keeps a copy of what was good.
type Feed struct {
	Config
	memory    map[string]*memory      // by the space of versions
	addresses map[string][]netip.Addr // of the mirrors, by their name
	current   *List                   // the last good edition
	sum       [32]byte                // SHA-256 of its bytes
	signed    []byte                  // its signature
	right     time.Time               // when a mirror last said that it is the newest
	kept      [32]byte                // SHA-256 of the bytes on disk
	unsaved   error                   // why it could not be kept
	locked    bool                    // nobody else keeps it
	unheld    error                   // why what is held back could not be noted
	note      source.Held             // what is held back
	tried     time.Time               // when it was last fetched again only to be kept
	unmapped  bool                    // a file of the state directory could not be read: none is mapped any more

	held      atomic.Pointer[[32]byte]     // SHA-256 of the edition that waits to be approved
	primaries atomic.Pointer[[]netip.Addr] // who may tell that there is something new
	serving   atomic.Pointer[List]         // the last good edition
	beyond    atomic.Pointer[List]         // one that could not be mended from the copy
}

// memory is what is remembered of a mirror.
type memory struct {
	seen    source.Version // that was read to its end last, whether or not it could be used
	refused error          // why it could not be used
}

// NewFeed returns the Fetcher of a list.
func NewFeed(c Config) *Feed {
	return &Feed{Config: c, memory: map[string]*memory{}, addresses: map[string][]netip.Addr{}}
}

// space names the versions of a mirror.
func (m Mirror) space() string { return cmp.Or(m.Space, m.Name) }

// remembered returns the memory of a space.
func (f *Feed) remembered(space string) *memory {
	m := f.memory[space]
	if m == nil {
		m = new(memory)
		f.memory[space] = m
	}
	return m
}

// Fetch asks the mirrors in turn, until one has an edition that is good or that
// is still the last one, which is source.ErrNotModified. Any other error is that
// of the context, or those of all mirrors, each with its name: ResultOf tells
// which matters most.
func (f *Feed) Fetch(ctx context.Context) (*List, error) {
	f.reconsider()
	f.retrySave()
	if l := f.mend(); l != nil {
		return l, nil
	}
	f.learn(ctx)
	var failed []error
	unmodified := false
	for _, m := range f.Mirrors {
		l, err := f.ask(ctx, m)
		switch {
		case err == nil:
			f.right = time.Now()
			return l, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, source.ErrNotModified):
			failed = append(failed, err)
			continue
		}
		f.right, unmodified = time.Now(), true
		if !f.expired(f.right) { // else the mirror may be one that nobody feeds any more
			break
		}
	}
	if unmodified {
		return nil, source.ErrNotModified
	}
	return nil, join(failed...)
}

// reconsider forgets having refused an edition that has been approved since.
func (f *Feed) reconsider() {
	if !f.approved() {
		return
	}
	f.held.Store(nil) // once is enough: if the mirrors are down, they are not asked more often
	for _, m := range f.memory {
		if errors.Is(m.refused, ErrShrunk) {
			*m = memory{}
		}
	}
}

// Prompt reports whether an edition that was held back has been approved, or the one that
// serves was found to be unreadable since the last round.
func (f *Feed) Prompt() bool { return f.approved() || f.ailing() }

func (f *Feed) approved() bool {
	held := f.held.Load()
	return held != nil && f.Copy != nil && f.Copy.Approved(*held)
}

// ask has one mirror say what it has. A version that was refused for what it
// holds is not read again; one that could not be read is, and one whose signature
// was not there or did not hold, because list and signature do not change in the
// same moment.
func (f *Feed) ask(ctx context.Context, m Mirror) (*List, error) {
	known := f.remembered(m.space())
	body, err := m.Open(ctx, known.seen)
	if errors.Is(err, source.ErrNotModified) && known.refused != nil {
		return nil, known.refused
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	l, err := f.judge(ctx, m, body)
	refused, final := errors.AsType[refusal](err)
	if err == nil || final || errors.Is(err, source.ErrNotModified) {
		*known = memory{seen: body.Version}
	}
	if final {
		known.refused = refused
	}
	return l, err
}

// judge reads a body to its end and makes a list of it.
func (f *Feed) judge(ctx context.Context, m Mirror, body source.Body) (*List, error) {
	s, err := f.stage(ctx, body)
	if errors.Is(err, source.ErrTooLarge) {
		return nil, refusal{err}
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return f.edition(ctx, m, body, s)
}

// refusal is a verdict on an edition for what it holds.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// learn notes from which addresses it may be told that there is something new:
// those of all mirrors, whichever is asked.
func (f *Feed) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, learning)
	defer cancel()
	for _, m := range f.Mirrors {
		if m.Addresses == nil {
			continue
		}
		if addrs, err := m.Addresses(ctx); err == nil { // else those of the last time stay
			f.addresses[m.Name] = addrs[:min(len(addrs), maxAddresses)]
		}
	}
	all := slices.Concat(slices.Collect(maps.Values(f.addresses))...)
	f.primaries.Store(&all)
}

// learning is how long the lookups of all mirrors may take.
const learning = 5 * time.Second

// maxAddresses bounds the addresses of one mirror.
const maxAddresses = 16

// MayNotify reports whether an address is one of a primary of the list.
func (f *Feed) MayNotify(a netip.Addr) bool {
	known := f.primaries.Load()
	return known != nil && slices.Contains(*known, a.Unmap())
}

// Warning returns what is wrong although the list is fine: it has expired, or
// could not be kept, or what was kept could not be read.
func (f *Feed) Warning() error {
	return join(f.expiry(time.Now()), f.unsaved, f.unheld, f.unreadable())
}

// join is errors.Join on one line, as a log needs it.
func join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return several(errs)
}

type several []error

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (s several) Unwrap() []error { return s }

// Close gives the copy free for another process.
func (f *Feed) Close() error {
	if f.Copy == nil {
		return nil
	}
	return f.Copy.Unlock()
}

// The time between two rounds of a list that does not say how often it changes,
// and the bounds of what lists say.
const (
	defaultRefresh = time.Hour
	leastRefresh   = 15 * time.Minute
	mostRefresh    = 24 * time.Hour
	leastPoll      = 30 * time.Second // of zones, where a round costs one small question
	firstRetry     = 10 * time.Second
	lastRetry      = 15 * time.Minute
)

// Plan says how often there is a round: as configured, as the zone's SOA record
// says, or four times in the life of an edition. There may be none yet.
func (f *Feed) Plan(l *List) Schedule {
	s := Schedule{Every: f.Refresh, Retry: firstRetry, Most: lastRetry, Jitter: true}
	switch {
	case f.Refresh > 0:
		s.Most = clamp(f.Refresh, time.Minute, lastRetry)
	case l == nil:
		s.Every = defaultRefresh
	case l.Timers.Refresh > 0:
		s.Every = clamp(l.Timers.Refresh, leastPoll, mostRefresh)
		s.Retry = clamp(l.Timers.Retry, firstRetry, s.Every)
		s.Most = max(s.Retry, min(s.Every, lastRetry))
	case !l.Header.Expires.IsZero():
		s.Every = clamp(l.Header.Expires.Sub(l.Issued())/4, leastRefresh, mostRefresh)
	default:
		s.Every = defaultRefresh
	}
	return s
}
