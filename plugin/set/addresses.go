package set

import (
	"bytes"
	"cmp"
	"errors"
	"iter"
	"net/netip"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrAddresses says that a Builder was given too many address prefixes.
var ErrAddresses = errors.New("holds too many address prefixes")

// DefaultMaxAddresses is the number of address prefixes that a set may have: 16
// MiB of them.
const DefaultMaxAddresses = 1 << 20

// addresses are the prefixes of a set, by their length. The two families are
// apart, so that no rule about IPv6 means an address of IPv4. It is immutable;
// nil has none.
type addresses struct{ v4, v6 []ofLength }

// ofLength holds the prefixes of one length.
type ofLength struct {
	bits        int
	block, pass []addressKey // sorted and distinct
}

// addressKey is the first address of a prefix, that of IPv4 as IPv6 has it.
type addressKey [16]byte

func compareAddresses(a, b addressKey) int { return bytes.Compare(a[:], b[:]) }

// MatchAddress returns what the rule of the longest prefix that holds an address
// wants: None where there is no such rule. An exception comes before a block of
// the same prefix. IPv4 may come inside of IPv6. It takes a binary search for each
// length that the set has, and does not allocate.
func (s *Set) MatchAddress(a netip.Addr) rule.Action {
	if s.addresses == nil || !a.IsValid() {
		return rule.None
	}
	a = a.Unmap()
	for _, l := range s.addresses.family(a) {
		prefix, err := a.Prefix(l.bits)
		if err != nil { // never: no prefix of a family is longer than its addresses
			continue
		}
		k := addressKey(prefix.Addr().As16())
		if _, found := slices.BinarySearchFunc(l.pass, k, compareAddresses); found {
			return rule.Pass
		}
		if _, found := slices.BinarySearchFunc(l.block, k, compareAddresses); found {
			return rule.Block
		}
	}
	return rule.None
}

// HasAddresses reports whether any rule is about addresses.
func (s *Set) HasAddresses() bool { return s.addresses != nil }

// Addresses yields every rule about addresses: those of IPv4, then of IPv6, from
// the longest prefix to the shortest.
func (s *Set) Addresses() iter.Seq[rule.Rule] {
	return func(yield func(rule.Rule) bool) {
		if s.addresses == nil {
			return
		}
		for _, l := range s.addresses.v4 {
			if !l.each(true, yield) {
				return
			}
		}
		for _, l := range s.addresses.v6 {
			if !l.each(false, yield) {
				return
			}
		}
	}
}

// each yields the rules of one length and reports whether to go on.
func (l ofLength) each(v4 bool, yield func(rule.Rule) bool) bool {
	for _, of := range []struct {
		keys   []addressKey
		action rule.Action
	}{{l.block, rule.Block}, {l.pass, rule.Pass}} {
		for _, k := range of.keys {
			if !yield(rule.Rule{Prefix: prefixOf(k, l.bits, v4), Trigger: rule.Address, Action: of.action}) {
				return false
			}
		}
	}
	return true
}

// family returns the prefixes that may hold an address, the longest first.
func (as *addresses) family(a netip.Addr) []ofLength {
	if a.Is4() {
		return as.v4
	}
	return as.v6
}

// size returns the number of prefixes, and the memory in bytes that they take.
func (as *addresses) size() (n, memory int) {
	if as == nil {
		return 0, 0
	}
	for _, family := range [][]ofLength{as.v4, as.v6} {
		for _, l := range family {
			n += len(l.block) + len(l.pass)
			memory += len(addressKey{}) * (cap(l.block) + cap(l.pass))
		}
	}
	return n, memory
}

// addressesByBits collects prefixes by family and length: at [0] those of IPv4, at
// [1] of IPv6. An ofLength in it does not know its bits, which are its place.
type addressesByBits struct {
	lengths [2][129]ofLength
	n       int // prefixes, duplicates included
}

// maxAddresses returns the number of address prefixes that the builder takes.
func (b *Builder) maxAddresses() int { return cmp.Or(b.MaxAddresses, DefaultMaxAddresses) }

// tooManyAddresses reports whether it was given more.
func (b *Builder) tooManyAddresses() bool {
	return b.addresses != nil && b.addresses.n > b.maxAddresses()
}

// addAddress is Add for a rule about addresses.
func (b *Builder) addAddress(r rule.Rule) {
	if !r.Prefix.IsValid() || r.Action != rule.Block && r.Action != rule.Pass {
		return
	}
	if b.addresses == nil {
		b.addresses = new(addressesByBits)
	}
	if b.addresses.n++; b.tooManyAddresses() {
		return // there will be no set, and the memory is not needed
	}
	family := 0
	if r.Prefix.Addr().Is6() {
		family = 1
	}
	l := &b.addresses.lengths[family][r.Prefix.Bits()]
	k := addressKey(r.Prefix.Masked().Addr().As16())
	if r.Action == rule.Pass {
		l.pass = append(l.pass, k)
	} else {
		l.block = append(l.block, k)
	}
}

// sorted returns the prefixes as a set has them, nil if there are none.
func (b *addressesByBits) sorted() *addresses {
	if b == nil {
		return nil
	}
	return &addresses{longestFirst(b.lengths[0][:]), longestFirst(b.lengths[1][:])}
}

// longestFirst returns the lengths of one family that have any prefix, each with
// its bits.
func longestFirst(lengths []ofLength) (used []ofLength) {
	for bits, l := range slices.Backward(lengths) {
		if len(l.block)+len(l.pass) > 0 {
			used = append(used, ofLength{bits, distinct(l.block), distinct(l.pass)})
		}
	}
	return used
}

// distinct sorts keys in place and drops those that are there twice.
func distinct(keys []addressKey) []addressKey {
	slices.SortFunc(keys, compareAddresses)
	return slices.Clone(slices.Compact(keys)) // which has no room left over
}
