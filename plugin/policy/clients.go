package policy

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// Clients says whom a policy is for, by address. The longest prefix that holds
// an address decides. It is immutable once built and safe for concurrent use;
// a nil Clients is everybody.
type Clients struct {
	// bounds are in ascending order. From the first one on, clients are included,
	// from the second one on, they are not, and so forth.
	bounds []address
}

// NewClients returns everybody, or nobody, with the include prefixes added and
// the except prefixes taken away. A prefix in both is excepted. An IPv4 prefix
// may be mapped into IPv6; one of IPv6 that is shorter than that does not hold
// IPv4 addresses. All prefixes must be valid. It takes about 30 ms for 100,000
// of them.
func NewClients(everybody bool, include, except []netip.Prefix) *Clients {
	spans := make([]span, 0, 2+len(include)+len(except))
	for rank, prefixes := range [][]netip.Prefix{{allOfIPv6, allOfIPv4}, include, except} {
		for _, p := range prefixes {
			spans = append(spans, spanOf(p, rank))
		}
	}
	slices.SortFunc(spans, span.compare)
	s := sweep{included: [...]bool{everybody, true, false}}
	for _, next := range spans {
		s.closeBefore(next.first)
		s.turn(next.first, next.rank)
		s.open = append(s.open, next)
	}
	s.closeBefore(address{math.MaxUint64, math.MaxUint64})
	return &Clients{slices.Clone(s.bounds)} // without the room that growing has left
}

// Include reports whether the policy is for a client. IPv4 addresses may come
// mapped into IPv6, and zones do not matter. The policy is for a client whose
// address is not known: an error in front of us must not open the filter.
func (c *Clients) Include(client netip.Addr) bool {
	if c == nil || !client.IsValid() {
		return true
	}
	passed, at := slices.BinarySearchFunc(c.bounds, addressOf(client), address.compare)
	if at {
		passed++
	}
	return passed%2 == 1
}

// Nobody reports whether the policy is for no address at all.
func (c *Clients) Nobody() bool { return c != nil && len(c.bounds) == 0 }

// All addresses are in one order: IPv4 is where it is mapped into IPv6, and a
// prefix that would hold it by accident ends for it where allOfIPv4 begins.
var (
	allOfIPv6 = netip.MustParsePrefix("::/0")
	allOfIPv4 = netip.MustParsePrefix("0.0.0.0/0")
)

// address is one of IPv6, in two halves, without a zone.
type address struct{ high, low uint64 }

func addressOf(a netip.Addr) address {
	b := a.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a address) compare(b address) int {
	if a.high != b.high {
		return cmp.Compare(a.high, b.high)
	}
	return cmp.Compare(a.low, b.low)
}

// span is a prefix by the addresses that it begins and ends with.
type span struct {
	first, last address
	rank        int // of the same prefix, the highest one decides
}

func spanOf(p netip.Prefix, rank int) span {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	a := addressOf(p.Addr())
	hosts := address{math.MaxUint64 >> bits, math.MaxUint64 >> max(0, bits-64)}
	return span{
		first: address{a.high &^ hosts.high, a.low &^ hosts.low},
		last:  address{a.high | hosts.high, a.low | hosts.low},
		rank:  rank,
	}
}

// compare puts a prefix behind those that hold it, and behind the same of a lower
// rank.
func (s span) compare(t span) int {
	if order := s.first.compare(t.first); order != 0 {
		return order
	}
	if order := t.last.compare(s.last); order != 0 {
		return order
	}
	return cmp.Compare(s.rank, t.rank)
}

// sweep goes through the addresses in ascending order.
type sweep struct {
	included [3]bool // by rank
	open     []span  // the prefixes that hold the address where it is, each inside the one before
	bounds   []address
}

// closeBefore goes on to an address. Behind the end of a prefix the one around it
// decides again; the first one has no end.
func (s *sweep) closeBefore(at address) {
	for n := len(s.open) - 1; n > 0 && s.open[n].last.compare(at) < 0; n-- {
		after := s.open[n].last
		if after.low++; after.low == 0 {
			after.high++
		}
		s.turn(after, s.open[n-1].rank)
		s.open = s.open[:n]
	}
}

// turn has clients be included from an address on, or not, as the rank of a
// prefix says. What was said of the same address before is forgotten.
func (s *sweep) turn(at address, rank int) {
	if n := len(s.bounds); n > 0 && s.bounds[n-1] == at {
		s.bounds = s.bounds[:n-1]
	}
	if s.included[rank] != (len(s.bounds)%2 == 1) {
		s.bounds = append(s.bounds, at)
	}
}
