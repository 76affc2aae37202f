package nonudify

import (
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// judgeAddresses returns the verdict on the first listed address in a message that
// a client may connect to: those of the answer, and those that come along with
// HTTPS and SVCB records in the additional section (RFC 9460 §4.2).
func (i *inspector) judgeAddresses(m *dns.Msg) policy.Verdict {
	if !i.policy.HasAddresses() {
		return policy.Verdict{}
	}
	for _, rr := range m.Answer {
		if v := i.judgeAddress(rr); v.Blocked() {
			return v
		}
	}
	if qtype := i.request.Question[0].Qtype; qtype == dns.TypeHTTPS || qtype == dns.TypeSVCB {
		return i.judgeAdditional(m)
	}
	return policy.Verdict{}
}

// judgeAdditional judges the addresses of the hosts that the service records of a
// message name. All others in the additional section are those of name servers
// and the like, however many there are.
func (i *inspector) judgeAdditional(m *dns.Msg) policy.Verdict {
	hosts := map[string]bool{}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.HTTPS:
			hosts[host(&rr.SVCB)] = true
		case *dns.SVCB:
			hosts[host(rr)] = true
		}
	}
	for _, rr := range m.Extra {
		if !hosts[strings.ToLower(rr.Header().Name)] {
			continue
		}
		if alias, ok := rr.(*dns.CNAME); ok {
			hosts[strings.ToLower(alias.Target)] = true
		}
		if v := i.judgeAddress(rr); v.Blocked() {
			return v
		}
	}
	return policy.Verdict{}
}

// host returns the name, in lower case, whose addresses belong to a service
// record: its target, which "." says is its owner.
func host(rr *dns.SVCB) string {
	if rr.Target == "." {
		return strings.ToLower(rr.Hdr.Name)
	}
	return strings.ToLower(rr.Target)
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
// another query.
func (i *inspector) judgeHints(rr *dns.SVCB) policy.Verdict {
	for _, pair := range rr.Value {
		var hints []net.IP
		switch pair := pair.(type) {
		case *dns.SVCBIPv4Hint:
			hints = pair.Hint
		case *dns.SVCBIPv6Hint:
			hints = pair.Hint
		}
		for _, hint := range hints {
			if v := i.decideAddress(host(rr), hint); v.Blocked() {
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
