// Package answer turns a verdict into the reply that the client gets: one pure
// function, without I/O, locks or state. Everything that is said in a reply is
// encoded when the configuration is loaded, so it is the same for every client
// and nothing about a query or a person can get into it (RFC 8914 §2).
//
// A denial is NXDOMAIN or NODATA with an SOA record (RFC 2308) and, for
// clients that speak EDNS, exactly one extended DNS error (RFC 8914). Clients
// that ask for structured errors (draft-ietf-dnsop-structured-dns-error) find
// JSON in it, all others a sentence.
package answer

import (
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Answerer makes the replies of one configuration. It is immutable and safe
// for concurrent use. Only New makes a usable one.
type Answerer struct {
	action   Action
	sde      SDE
	ttl      uint32 // of denials, in seconds
	hostTTL  uint32 // of sinkhole addresses, in seconds
	v4, v6   []netip.Addr
	mbox     string
	explains [policy.Reasons]explanation
	bypass   explanation // of the ways round the filter
	wire     wire
}

// New validates the configuration and encodes all that its replies say. Its
// errors wrap the sentinels of this package and are worded for the person who
// wrote the configuration.
func New(c Config) (*Answerer, error) {
	if int(c.Action) >= len(actions) {
		return nil, fmt.Errorf("%w: %v", ErrSetting, c.Action)
	}
	if int(c.SDE) >= len(settings) {
		return nil, fmt.Errorf("%w: %v", ErrSetting, c.SDE)
	}
	a := &Answerer{action: c.Action, sde: c.SDE}
	var err error
	if a.v4, a.v6, err = addresses(c); err != nil {
		return nil, err
	}
	if a.ttl, err = seconds(c.TTL); err != nil {
		return nil, err
	}
	a.hostTTL = min(a.ttl, sinkholeTTL)
	if a.mbox, err = mailbox(c.Mbox); err != nil {
		return nil, err
	}
	if a.explains, err = explain(c); err != nil {
		return nil, err
	}
	if a.bypass, err = explainBypass(c); err != nil {
		return nil, err
	}
	a.wire = newWire(a)
	return a, nil
}

// Request is a query and what is known of the way its reply will take. The
// query is only read.
type Request struct {
	Msg *dns.Msg // with one question of class IN; other classes are the caller's to turn away

	// Size is the length that the server will cut the reply to, in octets, as
	// CoreDNS's state.Size() has it. Less than 512 counts as 512, as it does
	// for dns.Msg.Truncate.
	Size int
	// UDP marks plain DNS over UDP, where a reply must not be fragmented: it is
	// kept within 1232 octets even where Size is more. QUIC and HTTP/3 are not
	// plain UDP.
	UDP bool
	// Encrypted marks TLS, HTTPS and QUIC.
	Encrypted bool
	// Reserve is the room, in octets, for what others will add to the reply: a
	// TSIG record, EDNS padding.
	Reserve int
}

// Action returns what becomes of queries for a name that v blocks. A way round
// the filter is denied whatever the configuration says: it is no site that
// anybody is to be led away from, and NXDOMAIN is what programs take for the
// signal. NXDOMAIN becomes NoData where it would deny what may exist.
func (a *Answerer) Action(v policy.Verdict) Action {
	if a.action == NXDomain || v.Bypass != policy.NoBypass {
		return denial(v)
	}
	return a.action
}

// denial returns the strongest denial that v allows. After NXDOMAIN a cache may
// deny everything below the name (RFC 8020 §2), so it is kept for names below
// which nothing is allowed.
func denial(v policy.Verdict) Action {
	if v.Open || v.Trigger == rule.Exact {
		return NoData
	}
	return NXDomain
}

// Reply returns the reply to a query for a name that v blocks: Action, but no
// addresses for a client that is told why instead. The caller owns all of it: no
// part is shared with another reply or with the request, but for immutable
// strings. It fits r.Size, and stays whole when dns.Msg.Truncate is called with
// r.Size; only a Reserve that leaves no room for the SOA ends in a truncated
// reply (TC). A message without exactly one question is answered with FORMERR
// (RFC 9619 §4).
func (a *Answerer) Reply(r Request, v policy.Verdict) *dns.Msg {
	c := a.client(r)
	if len(r.Msg.Question) != 1 {
		return bare(r.Msg, c, dns.RcodeFormatError, nil)
	}
	action := a.Action(v)
	if action == Sinkhole && c.sde {
		action = denial(v)
	}
	m := newMessage(r.Msg, dns.RcodeSuccess)
	say := a.explanation(v)
	code := say.code
	switch {
	case action == NXDomain:
		m.Rcode = dns.RcodeNameError
		m.deny(a, v)
	case action == NoData || !m.lead(a):
		m.deny(a, v)
	case !c.signals:
		code = dns.ExtendedErrorCodeForgedAnswer
	}
	texts := say.plain
	if c.sde {
		texts = say.structured
	}
	m.finish(r, c, code, texts)
	return &m.Msg
}

// NotReady returns SERVFAIL with the extended error Not Ready (RFC 8914
// §4.15), for the time in which no list is loaded yet. The caller owns it.
func (a *Answerer) NotReady(r Request) *dns.Msg {
	ede := &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNotReady}
	return bare(r.Msg, a.client(r), dns.RcodeServerFailure, []dns.EDNS0{ede})
}

// explanation returns what is to be said of the verdict.
func (a *Answerer) explanation(v policy.Verdict) *explanation {
	switch {
	case v.Bypass != policy.NoBypass:
		return &a.bypass
	case int(v.Reason) < policy.Reasons:
		return &a.explains[v.Reason]
	}
	return &a.explains[policy.Filtered]
}
