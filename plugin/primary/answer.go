package primary

import (
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Owns reports whether a name, in presentation form and in any letter case, is
// that of the zone or below it. It does not allocate.
func (s *Share) Owns(qname string) bool {
	cut := len(qname) - len(s.zone.Origin)
	return cut >= 0 && strings.EqualFold(qname[cut:], s.zone.Origin) && dnsname.Suffix(qname, s.zone.labels) == qname[cut:]
}

// Reply returns the answer to a query of class IN that the zone owns, with one
// question, for anything but a transfer: what a secondary with the same edition
// would say. It is nil while there is no edition, and of names below the origin while
// a list cannot be read.
func (s *Share) Reply(r *dns.Msg) *dns.Msg {
	e := s.zone.edition.Load()
	if e == nil {
		return nil
	}
	m := new(dns.Msg).SetReply(r)
	m.Authoritative, m.RecursionAvailable, m.CheckingDisabled = true, true, r.CheckingDisabled
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
	}
	q := r.Question[0]
	exists := false
	m.Answer, exists = e.answer(q)
	switch {
	case e.content.damaged() && len(q.Name) > len(e.origin):
		return nil
	case len(m.Answer) > 0:
		return m
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	m.Ns = []dns.RR{e.soa(e.serial)}
	return m
}

// Current returns the answer to an IXFR query over UDP: the SOA record, which
// tells the secondary to ask over TCP if that is newer than its own (RFC 1995 §2).
// It is nil while there is no edition.
func (s *Share) Current(r *dns.Msg) *dns.Msg {
	e := s.zone.edition.Load()
	if e == nil {
		return nil
	}
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = true
	m.Answer = []dns.RR{e.soa(e.serial)}
	return m
}

// answer returns the records that a question is for, and whether its name exists.
func (e *edition) answer(q dns.Question) (rrs []dns.RR, exists bool) {
	trigger := strings.TrimSuffix(q.Name[:len(q.Name)-len(e.origin)], ".")
	switch {
	case trigger == "":
		return ofType(q.Qtype, e.soa(e.serial), e.ns()), true
	case strings.EqualFold(trigger, rpz.Meta):
		for _, text := range e.content.About {
			rrs = append(rrs, record{kind: about, name: text}.rr(e.origin))
		}
		return ofType(q.Qtype, rrs...), len(rrs) > 0
	case e.content.Rules == nil:
		return nil, e.above(trigger)
	case rpz.IsAddress(trigger):
		return e.answerAddress(q.Name, trigger)
	case rpz.Fit(e.origin, trigger) != nil:
		return nil, e.above(trigger)
	}
	action, open := e.content.Rules.Match(trigger)
	if action == rule.None {
		return nil, e.above(trigger) || e.content.Rules.Holds(trigger)
	}
	return []dns.RR{&dns.CNAME{Hdr: header(q.Name, dns.TypeCNAME), Target: rpz.Target(action, open)}}, true
}

// answerAddress returns the record at the owner of a rule about addresses, and whether
// the name exists. What only stands between such owners and the origin is not told
// from what does not: a resolver that asks for one label after the other must get to
// them (RFC 9156).
func (e *edition) answerAddress(qname, trigger string) (rrs []dns.RR, exists bool) {
	r, err := rpz.ParseAddress(".", trigger, dns.TypeCNAME, ".")
	if err == nil && strings.EqualFold(rpz.Owner(r), trigger) { // and not another spelling
		if a := e.content.Rules.MatchPrefix(r.Prefix); a != rule.None {
			return []dns.RR{&dns.CNAME{Hdr: header(qname, dns.TypeCNAME), Target: rpz.Target(a, false)}}, true
		}
	}
	return nil, e.content.Rules.HasAddresses()
}

// above reports whether the texts about the zone are below a name.
func (e *edition) above(trigger string) bool {
	return len(e.content.About) > 0 && strings.EqualFold("_list."+trigger, rpz.Meta)
}

// ofType leaves out what is of another type than the one that was asked for.
func ofType(qtype uint16, all ...dns.RR) (rrs []dns.RR) {
	for _, rr := range all {
		if qtype == dns.TypeANY || qtype == rr.Header().Rrtype {
			rrs = append(rrs, rr)
		}
	}
	return rrs
}
