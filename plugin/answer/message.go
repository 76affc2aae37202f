package answer

import (
	"net/netip"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// The constant parts of the SOA. The times are for secondaries, which this
// zone of one record does not have.
const (
	mname   = "blocked.invalid."
	refresh = 3600
	retry   = 600
	expire  = 604800
)

// message is a reply with room for all that a denial needs, in one allocation.
// Every slice of it is full, so that an append by the plugins above (tsig adds
// its record that way) moves it elsewhere.
type message struct {
	dns.Msg
	question [1]dns.Question
	ns       [1]dns.RR
	soa      dns.SOA
}

// extension is the EDNS part of a reply, in one allocation.
type extension struct {
	extra   [1]dns.RR
	opt     dns.OPT
	options [2]dns.EDNS0
	ede     dns.EDNS0_EDE
	echo    dns.EDNS0_LOCAL
}

// newMessage returns the reply to req with neither records nor EDNS. It is the
// reply of a resolver that vouches for nothing: RA set, AA and AD clear.
func newMessage(req *dns.Msg, rcode int) *message {
	m := new(message)
	m.MsgHdr = dns.MsgHdr{
		Id:                 req.Id,
		Response:           true,
		Opcode:             req.Opcode,
		RecursionDesired:   req.RecursionDesired,
		RecursionAvailable: true,
		CheckingDisabled:   req.CheckingDisabled,
		Rcode:              rcode,
	}
	if len(req.Question) == 1 {
		m.question[0] = req.Question[0]
		m.Question = m.question[:]
	}
	return m
}

// bare returns a reply without records, with the options for those who speak
// EDNS.
func bare(req *dns.Msg, c client, rcode int, options []dns.EDNS0) *dns.Msg {
	m := newMessage(req, rcode)
	if c.opt != nil {
		e := m.extend(c.opt)
		e.opt.Option = options
	}
	return &m.Msg
}

// deny adds the SOA that makes a denial cacheable (RFC 2308 §3). Its owner is
// a slice of the query name: it keeps the letter case, and compresses.
func (m *message) deny(a *Answerer, v policy.Verdict) {
	m.soa = dns.SOA{
		Hdr: dns.RR_Header{
			Name:   v.Matched(m.question[0].Name),
			Rrtype: dns.TypeSOA,
			Class:  dns.ClassINET,
			Ttl:    a.ttl,
		},
		Ns:      mname,
		Mbox:    a.mbox,
		Serial:  max(v.Serial, 1),
		Refresh: refresh,
		Retry:   retry,
		Expire:  expire,
		Minttl:  a.ttl,
	}
	m.ns[0] = &m.soa
	m.Ns = m.ns[:]
}

// lead answers with the addresses of the help page; false when there is none
// of the type that the query is for.
func (m *message) lead(a *Answerer) bool {
	var rrs []dns.RR
	hdr := dns.RR_Header{Name: m.question[0].Name, Class: dns.ClassINET, Ttl: a.hostTTL}
	switch hdr.Rrtype = m.question[0].Qtype; hdr.Rrtype {
	case dns.TypeA:
		rrs = records(a.v4, func(ip netip.Addr) dns.RR { return &dns.A{Hdr: hdr, A: ip.AsSlice()} })
	case dns.TypeAAAA:
		rrs = records(a.v6, func(ip netip.Addr) dns.RR { return &dns.AAAA{Hdr: hdr, AAAA: ip.AsSlice()} })
	}
	m.Answer = rrs
	return len(rrs) > 0
}

func records(ips []netip.Addr, record func(netip.Addr) dns.RR) []dns.RR {
	rrs := make([]dns.RR, len(ips))
	for i, ip := range ips {
		rrs[i] = record(ip)
	}
	return rrs
}

// finish adds the EDNS part, as much of it as there is room for.
func (m *message) finish(r Request, c client, code uint16, texts []string) {
	room := newRoom(m, r)
	best, ok := rung{}, false
	if c.opt == nil {
		ok = room.fits(0)
	} else {
		best, ok = room.pick(texts, c.echo)
		m.extend(c.opt).say(best, code)
	}
	if !ok {
		m.Truncated = true
		m.Answer, m.Ns = nil, nil
	}
}

// extend adds an OPT record of version 0 without options; the client's size
// and its DO bit are copied (RFC 6891 §6.1.4, RFC 3225 §3).
func (m *message) extend(opt *dns.OPT) *extension {
	e := new(extension)
	e.opt.Hdr = dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT, Class: opt.UDPSize()}
	e.opt.SetDo(opt.Do())
	e.extra[0] = &e.opt
	m.Extra = e.extra[:]
	return e
}

// say adds the options of the rung.
func (e *extension) say(r rung, code uint16) {
	n := 0
	if r.ede {
		e.ede = dns.EDNS0_EDE{InfoCode: code, ExtraText: r.text}
		e.options[n], n = &e.ede, n+1
	}
	if r.echo {
		e.echo = dns.EDNS0_LOCAL{Code: optionSDE}
		e.options[n], n = &e.echo, n+1
	}
	e.opt.Option = e.options[:n:n]
}
