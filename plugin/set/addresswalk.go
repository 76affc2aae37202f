package set

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
)

// WalkAddresses yields every rule about addresses in the order of
// netip.Prefix.Compare: those of IPv4 first, of each family by the first address,
// and of several prefixes that begin with the same one the shortest first, so that a
// prefix comes right before those inside of it. It holds nothing but where it is.
func (s *Set) WalkAddresses() iter.Seq[rule.Rule] {
	return func(yield func(rule.Rule) bool) {
		if s.addresses != nil && walkFamily(s.addresses.v4, true, yield) {
			walkFamily(s.addresses.v6, false, yield)
		}
	}
}

// place is where a walk is in the prefixes of one length and action.
type place struct {
	bits   int
	action rule.Action
	keys   []addressKey // those to come
}

// walkFamily yields the rules of one family and reports whether to go on.
func walkFamily(lengths []ofLength, v4 bool, yield func(rule.Rule) bool) bool {
	var places []place
	for _, l := range slices.Backward(lengths) { // the shortest first
		places = append(places, place{l.bits, rule.Block, l.block}, place{l.bits, rule.Pass, l.pass})
	}
	for {
		var next *place
		for i := range places {
			if p := &places[i]; len(p.keys) > 0 && (next == nil || compareAddresses(p.keys[0], next.keys[0]) < 0) {
				next = p
			}
		}
		if next == nil {
			return true
		}
		if !yield(rule.Rule{Prefix: prefixOf(next.keys[0], next.bits, v4), Trigger: rule.Address, Action: next.action}) {
			return false
		}
		next.keys = next.keys[1:]
	}
}

// prefixOf returns the prefix that a key stands for.
func prefixOf(k addressKey, bits int, v4 bool) netip.Prefix {
	a := netip.AddrFrom16(k)
	if v4 {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits)
}

// MatchPrefix returns the bits of the longest prefixes of which a rule blocks, or lets
// pass, all of a prefix, and -1 where there is none.
func (s *Set) MatchPrefix(p netip.Prefix) (block, pass int) {
	block, pass = -1, -1
	if s.addresses == nil || !p.IsValid() {
		return block, pass
	}
	for _, l := range slices.Backward(s.addresses.family(p.Addr())) { // the longest last
		if l.bits > p.Bits() {
			break
		}
		k := addressKey(netip.PrefixFrom(p.Addr(), l.bits).Masked().Addr().As16())
		if _, found := slices.BinarySearchFunc(l.block, k, compareAddresses); found {
			block = l.bits
		}
		if _, found := slices.BinarySearchFunc(l.pass, k, compareAddresses); found {
			pass = l.bits
		}
	}
	return block, pass
}
