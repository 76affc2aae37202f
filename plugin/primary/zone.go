// Package primary serves the policy as a response policy zone, which this server
// is primary for: to whoever transfers it, and to ordinary queries.
//
// A zone goes from edition to edition. Each has a serial that is newer than all
// before it (RFC 1982), also after a rollback, a restart, or the loss of the state
// directory. What made each edition of the one before is kept within limits,
// across restarts, too, and sent to those who have an older one (IXFR, RFC 1995).
// No record is held: they are made from the sets of the policy as they are sent,
// and an edition is compared with the next by going through both at once. That
// takes about two seconds for a million rules, in a goroutine of the zone, while
// queries and transfers go on with what they began with.
package primary

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rpz"
)

// Pool has the zones of a process, so that one goes on while the server that
// publishes it is replaced by the next. The zero value is an empty pool. It is
// safe for concurrent use.
type Pool struct {
	// Report is told of what happens to zones, by their goroutines. May be nil.
	Report func(origin string, e Event)

	mu      sync.Mutex
	zones   map[Config]*zone
	serials serials
	began   time.Time // when its process did; zero: when this one did
}

// Config says which zone is meant.
type Config struct {
	Origin string // its name, lower-case and fully qualified
	Dir    string // the state directory, where its history is kept; "": only in memory
}

// Event is something that happened to a zone.
type Event struct {
	Status
	New  bool  // there is a new edition
	Err  error // what went wrong: the history cannot be used or saved, a secondary was not told, ErrClock, or ErrUnread
	Kept bool  // what could not be saved before is on disk now
}

// Status is what is known of a zone.
type Status struct {
	Serial  uint32 // 0: there is no edition yet
	Records int    // of the edition, but for those at the apex
	LeftOut int    // rules that the zone cannot say
	Deltas  int    // older editions from which a secondary gets what has changed
	Unsaved bool   // the edition or its history is not on disk
	// Transfers counts what was answered to those who asked for a transfer.
	Transfers [Transfers]uint64
}

// Transfer is how a request for a transfer ended.
type Transfer int

// The ways that it can end.
const (
	Current     Transfer = iota // the secondary has the edition, or a newer one
	Incremental                 // what has changed was sent
	Full                        // the zone was sent
	Aborted                     // it took too long, or the zone is not served any more
	Refused                     // there was no edition yet, or too many others were under way
	Transfers                   // the number of them
)

// String returns the word for metrics.
func (t Transfer) String() string {
	return [...]string{"current", "incremental", "full", "aborted", "refused"}[t]
}

// Errors of requests for a transfer. ErrUnread is also that of an edition that is not
// made: secondaries would drop the names that are missing.
var (
	ErrNotReady = errors.New("the policy zone is not there yet: a list is missing")
	ErrBusy     = errors.New("too many transfers of the policy zone are under way")
	ErrUnread   = errors.New("a list that the policy zone is made of cannot be read from its file")
)

// maxTransfers bounds the transfers of a zone at a time. Each holds on to the
// sets of the edition that it began with.
const maxTransfers = 16

// zone is one zone of a process, with the goroutines that serve it.
type zone struct {
	Config
	labels  int // of the origin
	report  func(Event)
	edition atomic.Pointer[edition] // nil: none yet
	serials *serials                // of the pool
	began   time.Time               // when the process did
	wake    chan struct{}           // the goroutine that makes editions is to look at what is to be published
	changed chan struct{}           // secondaries are to be told
	slots   chan struct{}           // transfers under way
	counts  [Transfers]atomic.Uint64
	unsaved atomic.Bool

	keeper                  // of the goroutine that makes editions
	clock  <-chan time.Time // when that looks whether the clock is right by now; nil: it was

	ctx  context.Context // until the last share is released
	stop context.CancelFunc

	mu      sync.Mutex
	shares  []*Share // the newest last
	waiting []chan struct{}
	clients map[netip.Prefix]int // transfers under way to each
	group   sync.WaitGroup       // of the goroutines, none of which begins after the end
}

// edition is one state of the zone. It is immutable.
type edition struct {
	survey
	origin  string
	serial  uint32
	content Content
	history []delta // the last leads to this edition
}

// Share is a server's hold on a zone. Of several, the newest says what it
// publishes.
type Share struct {
	zone    *zone
	notify  func() error
	content *Content // guarded by the zone's mutex; nil: it has said nothing yet
	release sync.Once
}

// Acquire returns a hold on a zone, to be released once. notify tells the
// secondaries that there is a new edition, and may take its time; nil: there are
// none.
func (p *Pool) Acquire(c Config, notify func() error) *Share {
	p.mu.Lock()
	defer p.mu.Unlock()
	z := p.zones[c]
	if z == nil {
		z = p.start(c)
	}
	s := &Share{zone: z, notify: notify}
	z.mu.Lock()
	z.shares = append(z.shares, s)
	z.mu.Unlock()
	return s
}

func (p *Pool) start(c Config) *zone {
	z := &zone{
		Config: c, labels: dns.CountLabel(c.Origin), report: func(Event) {}, serials: &p.serials, began: p.began,
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), slots: make(chan struct{}, maxTransfers),
	}
	if z.began.IsZero() {
		z.began = processBegan
	}
	if p.Report != nil {
		z.report = func(e Event) { p.Report(c.Origin, e) }
	}
	z.ctx, z.stop = context.WithCancel(context.Background())
	if p.zones == nil {
		p.zones = make(map[Config]*zone)
	}
	p.zones[c] = z
	z.group.Go(z.run)
	go z.tell() // ends with its context, see there
	return z
}

// Release ends a hold. With the last one the zone ends: transfers are cut off.
// Further calls do nothing.
func (p *Pool) Release(s *Share) {
	s.release.Do(func() {
		z := s.zone
		p.mu.Lock() // whoever takes the zone up again finds all that was saved
		defer p.mu.Unlock()
		z.mu.Lock()
		z.shares = slices.DeleteFunc(z.shares, func(other *Share) bool { return other == s })
		last := len(z.shares) == 0
		if last {
			delete(p.zones, z.Config)
			z.stop()
		}
		z.mu.Unlock()
		if last {
			z.group.Wait()
			return
		}
		nudge(z.wake) // the one before says what it publishes now
	})
}

// Publish has the zone say something else. The channel is closed once it does, or
// says what was published later. It is not waited for, and needs not be.
func (s *Share) Publish(c Content) <-chan struct{} {
	done := make(chan struct{})
	z := s.zone
	z.mu.Lock()
	s.content = &c
	if z.ctx.Err() == nil {
		z.waiting = append(z.waiting, done)
	} else {
		close(done) // nobody listens any more
	}
	z.mu.Unlock()
	nudge(z.wake)
	return done
}

// nudge wakes whoever waits for the channel, now or later, once.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run makes editions of what is published until the zone ends.
func (z *zone) run() {
	z.open()
	defer z.close()
	for {
		select {
		case <-z.ctx.Done():
			settle(z.takeWaiting())
			return
		case <-z.retry:
			z.saveAgain()
		case <-z.clock:
			z.lookAtClock()
		case <-z.wake:
			content, waiting := z.wanted()
			if content != nil {
				z.edit(*content)
			}
			settle(waiting)
		}
	}
}

// wanted returns what the newest share publishes that has said anything, and who
// waits for it.
func (z *zone) wanted() (*Content, []chan struct{}) {
	waiting := z.takeWaiting()
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, s := range slices.Backward(z.shares) {
		if s.content != nil {
			return s.content, waiting
		}
	}
	return nil, waiting
}

func (z *zone) takeWaiting() []chan struct{} {
	z.mu.Lock()
	defer z.mu.Unlock()
	waiting := z.waiting
	z.waiting = nil
	return waiting
}

// settle tells those who wait that what they wait for is done.
func settle(waiting []chan struct{}) {
	for _, c := range waiting {
		close(c)
	}
}

// edit makes a content the edition, unless it says what the edition says. It is
// on disk before anybody can see its serial, so that no later one can be older. A
// content that cannot be read is none: another one is published once it was mended.
func (z *zone) edit(c Content) {
	last := z.edition.Load()
	e, d := z.compare(last, c)
	if c.damaged() {
		z.report(Event{Status: z.status(), Err: ErrUnread})
		return
	}
	if last != nil && last.sum == e.sum {
		e.serial, e.history = last.serial, last.history
		z.edition.Store(e) // so that the sets of the one before can go
		if z.unsaved.Load() {
			z.saveAgain()
		}
		return
	}
	z.lock() // what another process has left by now counts, too
	z.number(e, last, d)
	z.publish(e)
}

// number gives an edition its serial and history: behind the last one, or, if this is the
// first, where the file is.
func (z *zone) number(e, last *edition, d *delta) {
	switch left := z.left; {
	case last != nil:
		e.serial = z.next(last.serial, e.content)
		if d != nil {
			d.from, d.to = last.serial, e.serial
		}
		e.history = extend(last.history, d)
	case left == nil || sum(left.Sum) != e.sum || rpz.Newer(z.serials.newest(z.Origin), left.Serial):
		e.serial = z.next(0, e.content)
	case z.outdated():
		e.serial = z.next(left.Serial, e.content)
		e.history = extend(left.history, &delta{from: left.Serial, to: e.serial})
	default:
		e.serial, e.history = left.Serial, left.history
	}
}

// publish makes an edition the one that is served.
func (z *zone) publish(e *edition) {
	z.serials.note(z.Origin, e.serial)
	z.save(e)
	z.left = nil // what is needed of it is in the edition
	z.edition.Store(e)
	z.report(Event{Status: z.status(), New: true})
	nudge(z.changed)
}

// compare goes through a content and what is published, nil if nothing is. The
// edition that it returns has no serial and no history yet.
func (z *zone) compare(last *edition, c Content) (*edition, *delta) {
	e := &edition{origin: z.Origin, content: c}
	leftOut, ignored := 0, 0
	after := c.records(z.Origin, &leftOut)
	var d *delta
	if last == nil {
		d, e.survey = diff(nil, after)
	} else {
		d, e.survey = diff(last.content.records(z.Origin, &ignored), after)
		if last.content.Mbox != c.Mbox {
			d = nil // the SOA record of the edition before is not known any more, which a step begins with (RFC 1995 §4)
		}
		if last.content.damaged() {
			d = nil // what could not be read would stay with secondaries for ever
		}
	}
	e.leftOut = leftOut
	e.sum = sha256.Sum256(append(e.sum[:], c.Mbox...))
	return e, d
}

// settling is how long it takes until secondaries are told of an edition: they ask
// at once, and a server that has just started must have opened its ports by then.
// What changes meanwhile is told together.
const settling = time.Second

// tell tells the secondaries of new editions until the zone ends. What it calls
// then may take six seconds for each of them that does not answer, and is not
// waited for.
func (z *zone) tell() {
	for {
		select {
		case <-z.ctx.Done():
			return
		case <-z.changed:
		}
		select {
		case <-z.ctx.Done():
			return
		case <-time.After(settling):
		}
		select {
		case <-z.changed: // is told now, too
		default:
		}
		for _, notify := range z.notifiers() {
			if err := notify(); err != nil {
				z.report(Event{Status: z.status(), Err: err})
			}
		}
	}
}

// notifiers returns the ways to tell the secondaries: those of all shares, for each
// server block may know others.
func (z *zone) notifiers() (all []func() error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, s := range z.shares {
		if s.notify != nil {
			all = append(all, s.notify)
		}
	}
	return all
}

// Status returns what is known of the zone.
func (s *Share) Status() Status { return s.zone.status() }

// Config returns which zone it is.
func (s *Share) Config() Config { return s.zone.Config }

func (z *zone) status() Status {
	s := Status{Unsaved: z.unsaved.Load()}
	for i := range z.counts {
		s.Transfers[i] = z.counts[i].Load()
	}
	if e := z.edition.Load(); e != nil {
		s.Serial, s.Records, s.LeftOut, s.Deltas = e.serial, e.records, e.leftOut, len(e.history)
	}
	return s
}

// soa returns the SOA record with a serial. The times are those at which a
// secondary looks by itself, and for how long it goes on without this server: an
// old list protects better than none.
func (e *edition) soa(serial uint32) *dns.SOA {
	mbox := e.content.Mbox
	if mbox == "" {
		mbox = "hostmaster.invalid."
	}
	return &dns.SOA{
		Hdr: header(e.origin, dns.TypeSOA), Ns: server, Mbox: mbox,
		Serial: serial, Refresh: 300, Retry: 120, Expire: 30 * 24 * 3600, Minttl: TTL,
	}
}

// server is the zone's only name server: policy zones are not delegated to, and
// nobody is to be sent anywhere.
const server = "localhost."

func (e *edition) ns() *dns.NS { return &dns.NS{Hdr: header(e.origin, dns.TypeNS), Ns: server} }
