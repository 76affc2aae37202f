package nonudify

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// notify takes a NOTIFY (RFC 1996) for a zone that is one of the lists: if it
// comes from one of the zone's primaries, the list is looked at now. It reports
// whether the message is answered; one for any other zone is not.
func (n *NoNudify) notify(w dns.ResponseWriter, r *dns.Msg) bool {
	if n.sources == nil {
		return false
	}
	known, welcome := n.sources.notified(strings.ToLower(r.Question[0].Name), address(w))
	if !known {
		return false
	}
	m := new(dns.Msg).SetReply(r)
	if welcome {
		m.Authoritative = true
	} else {
		m.Rcode = dns.RcodeRefused
	}
	write(w, m)
	return true
}

// notified wakes the lists that are transfers of a zone, if the sender is one of
// its primaries.
func (s *sources) notified(zone string, sender netip.Addr) (known, welcome bool) {
	for i, f := range s.feeds {
		if f.Zone == "" || f.Zone != zone {
			continue
		}
		known = true
		primary, ok := s.lists[i].Fetcher().(interface{ MayNotify(netip.Addr) bool })
		if ok && primary.MayNotify(sender) {
			s.lists[i].Wake(0)
			welcome = true
		}
	}
	return known, welcome
}
