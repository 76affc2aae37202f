package policy

import (
	"net/netip"

	"go4.org/netipx"
)

// Clients says whom a policy is for, by address. The longest prefix that holds
// an address decides. It is immutable once built and safe for concurrent use;
// a nil Clients is everybody.
type Clients struct{ included *netipx.IPSet }

// NewClients returns everybody, or nobody, with the include prefixes added and
// the except prefixes taken away. A prefix in both is excepted.
func NewClients(everybody bool, include, except []netip.Prefix) (*Clients, error) {
	var b netipx.IPSetBuilder
	if everybody {
		b.AddPrefix(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		b.AddPrefix(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	// From the shortest prefixes to the longest, each length overrides those
	// before it. One pass a length also spares the builder work: it sorts anew
	// each time that removing follows adding.
	in, out := byLength(include), byLength(except)
	for bits := range len(in) {
		for _, p := range in[bits] {
			b.AddPrefix(p)
		}
		for _, p := range out[bits] {
			b.RemovePrefix(p)
		}
	}
	included, err := b.IPSet()
	return &Clients{included}, err
}

// byLength sorts prefixes by their length in bits.
func byLength(prefixes []netip.Prefix) (byBits [129][]netip.Prefix) {
	for _, p := range prefixes {
		byBits[p.Bits()] = append(byBits[p.Bits()], p)
	}
	return byBits
}

// Include reports whether the policy is for a client. IPv4 addresses may come
// mapped into IPv6, and zones do not matter. The policy is for a client whose
// address is not known: an error in front of us must not open the filter.
func (c *Clients) Include(client netip.Addr) bool {
	return c == nil || !client.IsValid() || c.included.Contains(client.Unmap().WithZone(""))
}
