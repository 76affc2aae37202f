package nonudify

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// judgeAddresses returns the verdict on the first listed address in a message that
// a client may connect to: those of the answer, and, beside HTTPS and SVCB records,
// those that come along in the additional section (RFC 9460 §4.2). What stands there
// otherwise is the address of a name server or the like.
func (i *inspector) judgeAddresses(m *dns.Msg) policy.Verdict {
	if !i.policy.HasAddresses() {
		return policy.Verdict{}
	}
	for _, rr := range m.Answer {
		if v := i.judgeAddress(rr); v.Blocked() {
			return v
		}
	}
	if qtype := i.request.Question[0].Qtype; qtype != dns.TypeHTTPS && qtype != dns.TypeSVCB {
		return policy.Verdict{}
	}
	for _, rr := range m.Extra {
		if serves(m.Ns, rr.Header().Name) {
			continue
		}
		if v := i.judgeAddress(rr); v.Blocked() {
			return v
		}
	}
	return policy.Verdict{}
}

// serves reports whether a host is one of the name servers in a section.
func serves(section []dns.RR, host string) bool {
	return slices.ContainsFunc(section, func(rr dns.RR) bool {
		ns, ok := rr.(*dns.NS)
		return ok && strings.EqualFold(ns.Ns, host)
	})
}

// judgeAddress returns the verdict on the first listed address that a record holds.
func (i *inspector) judgeAddress(rr dns.RR) policy.Verdict {
	h := rr.Header()
	if h.Class != dns.ClassINET {
		return policy.Verdict{}
	}
	switch rr := rr.(type) {
	case *dns.A:
		return i.decideAddress(h.Name, rr.A)
	case *dns.AAAA:
		return i.decideAddress(h.Name, rr.AAAA)
	case *dns.HTTPS:
		return i.judgeHints(&rr.SVCB)
	case *dns.SVCB:
		return i.judgeHints(rr)
	}
	return policy.Verdict{}
}

// judgeHints judges the addresses with which a service record spares its reader
// another query. They are of the record's target, which "." says is its owner.
func (i *inspector) judgeHints(rr *dns.SVCB) policy.Verdict {
	host := rr.Target
	if host == "." {
		host = rr.Hdr.Name
	}
	for _, pair := range rr.Value {
		var hints []net.IP
		switch pair := pair.(type) {
		case *dns.SVCBIPv4Hint:
			hints = pair.Hint
		case *dns.SVCBIPv6Hint:
			hints = pair.Hint
		}
		for _, hint := range hints {
			if v := i.decideAddress(host, hint); v.Blocked() {
				return v
			}
		}
	}
	return policy.Verdict{}
}

func (i *inspector) decideAddress(host string, ip net.IP) policy.Verdict {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok { // an update may have a record without data, an answer does not
		return policy.Verdict{}
	}
	return i.policy.DecideAddress(i.request.Question[0].Name, host, addr, i.client())
}
