package source

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rpz"
)

// Transfer is a policy zone on one primary server. It asks for the SOA record
// first, and when that is new for what has changed since (IXFR, RFC 1995) or
// for the whole zone (AXFR, RFC 5936), all over TCP or TLS.
//
// Its versions are the serial of the zone. What it brings is the zone as text
// for package list: one record a line, in an order of no meaning, equal as a
// set of lines however it came. At most one DNS message of records is held in
// memory, and of an IXFR what has changed.
//
// The text must not be used before its end was read without an error: only
// then are all signatures checked and the zone known to be whole.
type Transfer struct {
	Primary  string        // host:port
	Zone     string        // canonical: lower-case, with a trailing dot
	TLS      *tls.Config   // nil: plain TCP; otherwise RFC 9103, verified by the host of Primary unless ServerName is set
	Key      *TSIGKey      // signs questions and answers; nil: nothing is signed
	Resolver *net.Resolver // of the primary's name; nil: the system's
	// Previous opens the text of the version that the caller has, as a Body of
	// this type gave it. It may be called twice and is read while the new text
	// is. nil: there is none, so each new version comes as a whole.
	Previous func() (io.ReadCloser, error)
	MaxBytes int64 // of the text; 0 means 512 MiB
	Timeouts TransferTimeouts
}

// TransferTimeouts bound the steps of a transfer; zero fields mean the values
// given here.
type TransferTimeouts struct {
	Dial    time.Duration // for the connection, TLS included: 10 s
	Message time.Duration // for one message: 30 s
	Total   time.Duration // from Open to the last byte of the Body: 30 min
}

// Unmodified is an ErrNotModified that knows when to ask again.
type Unmodified struct{ Timers Timers }

func (Unmodified) Error() string { return ErrNotModified.Error() }

// Is makes it an ErrNotModified.
func (Unmodified) Is(target error) bool { return target == ErrNotModified }

// Open returns the zone when its serial is newer (RFC 1982) than the one that
// the caller has, otherwise an Unmodified or ErrOldSerial. Other errors are
// ErrTransfer for what the primary says, ErrTimeout, ErrTooLarge, or of the
// network and TLS. The end of the context closes the connection, also while
// the Body is read.
//
// An IXFR that the primary does not offer, that does not fit the Previous text
// or that fails in any other way is followed by an AXFR.
func (t Transfer) Open(ctx context.Context, have Version) (Body, error) {
	s, err := t.session(ctx, have)
	if err != nil {
		return Body{}, err
	}
	body, err := s.open()
	if err != nil {
		err = s.explain(err)
		s.cancel()
		return Body{}, err
	}
	return body, nil
}

// Addresses returns where the primary may be: a literal address as it is, those
// that a name has now otherwise.
func (t Transfer) Addresses(ctx context.Context) ([]netip.Addr, error) {
	host, _, err := net.SplitHostPort(t.Primary)
	if err != nil {
		return nil, err
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	resolver := t.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", t.lookedUp(host))
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// lookedUp returns the form in which a host is looked up.
func (t Transfer) lookedUp(host string) string {
	if t.Resolver == nil || t.Resolver == net.DefaultResolver {
		return host
	}
	return absolute(host)
}

// session is what one call of Open and the Body that it returns share.
type session struct {
	t      Transfer // with the defaults filled in
	text   zoneText
	have   uint32
	known  bool // have is a serial
	caller context.Context
	ctx    context.Context // ends with the caller's, and when the time is up
	cancel context.CancelFunc
	quota  int64 // of bytes that may still come from the primary
}

// quotaFactor is how many bytes may come from the primary for one of text:
// signatures of a signed zone, which the text leaves out, are the most of it.
const quotaFactor = 16

func (t Transfer) session(ctx context.Context, have Version) (*session, error) {
	if t.Key != nil {
		if err := t.Key.Validate(); err != nil {
			return nil, err
		}
	}
	text, err := newZoneText(t.Zone)
	if err != nil {
		return nil, err
	}
	setDefault(&t.MaxBytes, 512<<20)
	setDefault(&t.Timeouts.Dial, 10*time.Second)
	setDefault(&t.Timeouts.Message, 30*time.Second)
	setDefault(&t.Timeouts.Total, 30*time.Minute)
	s := &session{t: t, text: text, caller: ctx, quota: min(t.MaxBytes, math.MaxInt64/quotaFactor) * quotaFactor}
	if n, err := strconv.ParseUint(string(have), 10, 32); err == nil {
		s.have, s.known = uint32(n), true
	}
	s.ctx, s.cancel = context.WithTimeout(ctx, t.Timeouts.Total)
	return s, nil
}

func setDefault[T int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// open goes through the steps of a transfer.
func (s *session) open() (Body, error) {
	l, err := s.dial()
	if err != nil {
		return Body{}, err
	}
	if err := s.poll(l); err != nil {
		l.close()
		return Body{}, err
	}
	begin := s.axfr
	if s.known && s.t.Previous != nil {
		begin = s.ixfr
	}
	body, err := begin(l)
	if err == nil || !s.again(err) {
		return body, err
	}
	if l, err = s.dial(); err != nil {
		return Body{}, err
	}
	return s.axfr(l)
}

// again reports whether an AXFR over a new connection may do what failed.
func (s *session) again(err error) bool {
	return s.ctx.Err() == nil && (errors.Is(err, errHungUp) || errors.Is(err, errIncremental))
}

// poll asks for the SOA record and returns nil when its serial is newer.
func (s *session) poll(l *link) error {
	q := new(dns.Msg).SetQuestion(s.text.zone, dns.TypeSOA)
	q.RecursionDesired = false
	a, err := l.ask(q)
	if err != nil {
		return err
	}
	soa, err := s.soa(a)
	if err != nil {
		return err
	}
	a.records = nil // signatures, of a signed zone
	return s.judge(soa)
}

// soa takes the next record, which must be the SOA record of the zone.
func (s *session) soa(a *answer) (*dns.SOA, error) {
	rr, err := a.next()
	if err != nil {
		return nil, err
	}
	soa, ok := s.isSOA(rr)
	if !ok {
		return nil, fmt.Errorf("%w: the answer does not begin with the SOA record of the zone", ErrTransfer)
	}
	return soa, nil
}

func (s *session) isSOA(rr dns.RR) (*dns.SOA, bool) {
	soa, ok := rr.(*dns.SOA)
	return soa, ok && strings.ToLower(soa.Hdr.Name) == s.text.zone && soa.Hdr.Class == dns.ClassINET
}

// judge returns nil when a zone is new to the caller.
func (s *session) judge(soa *dns.SOA) error {
	switch {
	case !s.known || rpz.Newer(soa.Serial, s.have):
		return nil
	case soa.Serial == s.have:
		return Unmodified{timers(soa)}
	}
	return fmt.Errorf("%w: %d, after %d", ErrOldSerial, soa.Serial, s.have)
}

func timers(soa *dns.SOA) Timers {
	seconds := func(n uint32) time.Duration { return time.Duration(n) * time.Second }
	return Timers{Refresh: seconds(soa.Refresh), Retry: seconds(soa.Retry), Expire: seconds(soa.Expire)}
}

// axfr asks for the whole zone. It owns the connection.
func (s *session) axfr(l *link) (Body, error) {
	a, err := l.ask(new(dns.Msg).SetAxfr(s.text.zone))
	if err != nil {
		l.close()
		return Body{}, err
	}
	soa, err := s.soa(a)
	if err == nil {
		err = s.judge(soa)
	}
	if err != nil {
		l.close()
		return Body{}, err
	}
	return s.whole(a, soa)
}

// whole returns the Body of a zone that comes as a whole, behind its first
// record.
func (s *session) whole(a *answer, soa *dns.SOA) (Body, error) {
	head, err := s.text.head(soa)
	if err != nil {
		a.close()
		return Body{}, err
	}
	return s.body(&wholeZone{answer: a, session: s, soa: soa, buf: head}, soa, a.close), nil
}

// body makes the Body of what pieces returns.
func (s *session) body(p pieces, soa *dns.SOA, release func()) Body {
	return Body{
		ReadCloser: &transferBody{session: s, pieces: p, release: release, left: s.t.MaxBytes},
		Version:    Version(strconv.FormatUint(uint64(soa.Serial), 10)),
		Timers:     timers(soa),
	}
}

// explain names the transfer in an error and says what ended it.
func (s *session) explain(err error) error {
	switch {
	case errors.Is(err, ErrNotModified):
		return err
	case s.caller.Err() != nil:
		err = context.Cause(s.caller)
	case s.ctx.Err() != nil:
		err = fmt.Errorf("%w: more than %v", ErrTimeout, s.t.Timeouts.Total)
	case isTimeout(err):
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	scheme := "axfr"
	if s.t.TLS != nil {
		scheme = "axfrs"
	}
	return fmt.Errorf("%s://%s/%s: %w", scheme, s.t.Primary, strings.TrimSuffix(s.text.zone, "."), err)
}
