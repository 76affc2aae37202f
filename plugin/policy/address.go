package policy

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// HasAddresses reports whether any list has rules about addresses, so that there
// is a reason to ask DecideAddress.
func (p *Policy) HasAddresses() bool { return p.addresses != nil }

// DecideAddress returns the verdict on a query name of which no name in the
// answer is blocked, but whose answer holds an address: Block if a list blocks the
// address, and nothing undoes that. host is the name that has the address: the
// query name or the end of its aliases. Both are in presentation form, in any
// letter case.
//
// The precedence is that of DecideTarget. Inside one list the longest prefix that
// holds the address wins, and an exception beats a block of the same prefix; the
// list's exception for either name, which comes before its addresses
// (draft-vixie-dnsop-dns-rpz-00 §5), beats both. DecideAddress takes no lock, does
// not count, and does not allocate.
func (p *Policy) DecideAddress(qname, host string, addr, client netip.Addr) Verdict {
	for i, l := range p.addresses {
		if l.Set.MatchAddress(addr) == rule.Block {
			return p.blockAddress(qname, host, addr, p.addresses[i:], client)
		}
	}
	return Verdict{}
}

// blockAddress is DecideAddress for an address that the first of the lists blocks.
func (p *Policy) blockAddress(qname, host string, addr netip.Addr, lists []*List, client netip.Addr) Verdict {
	var k, h set.Key
	k.Reset(qname)
	h.Reset(host)
	if slices.Contains(p.config.Own, addr.Unmap()) || !p.judges(&k, &h, client) {
		return Verdict{}
	}
	for _, l := range lists {
		if l.Set.MatchAddress(addr) != rule.Block || l.Set.Passes(&k).Labels > 0 || l.Set.Passes(&h).Labels > 0 {
			continue
		}
		return l.verdict(set.Match{Action: rule.Block, Trigger: rule.Address, Open: true})
	}
	return Verdict{}
}

// The reasons for which a Guard refuses a rule about addresses.
var (
	ErrShortPrefix = errors.New("a prefix shorter than /24 (IPv4) or /48 (IPv6) is never blocked: it would hold many networks of strangers")
	ErrSpecial     = errors.New("an address that is not on the public Internet is never blocked: every network has machines with it")
)

// The shortest prefixes that a list may block: the longest ones that the networks
// of the Internet announce to each other. What is wider is several networks, or
// one with all its customers, such as a CDN, and never one service.
const (
	shortest4 = 24
	shortest6 = 48
)

// public6 is what IANA gives out of IPv6 (RFC 4291 §2.4). Outside of it are the
// machine itself, local networks, groups, and IPv4 in disguise, as of NAT64.
var public6 = netip.MustParsePrefix("2000::/3")

// tunnels6 are IPv4 in disguise within public6: Teredo (RFC 4380) and 6to4 (RFC
// 3056).
var tunnels6 = []netip.Prefix{netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16")}

// special4 are the ranges of IPv4 that networks and machines have of their own:
// of IANA's registry of special-purpose addresses, those that are in use. Package
// source, which connects to addresses, refuses the rest of the registry as well, of
// IPv6, too; to block an address that is for documentation, benchmarks or tunnels
// does no harm, and test entries have one.
var special4 = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), // of NAT64 discovery (RFC 7050), among others
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}

// checkAddresses returns why a prefix must not be blocked.
func checkAddresses(p netip.Prefix) error {
	if p.Addr().Is4() {
		if slices.ContainsFunc(special4, p.Overlaps) {
			return ErrSpecial
		}
		return tooShort(p, shortest4)
	}
	if !public6.Contains(p.Addr()) || slices.ContainsFunc(tunnels6, func(t netip.Prefix) bool { return t.Contains(p.Addr()) }) {
		return ErrSpecial
	}
	return tooShort(p, shortest6)
}

// tooShort refuses a prefix of fewer bits.
func tooShort(p netip.Prefix, bits int) error {
	if p.Bits() < bits {
		return ErrShortPrefix
	}
	return nil
}
