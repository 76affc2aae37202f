package policy

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"github.com/nonudify/nonudify/plugin/rule"
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

// ParsePrefix reads a prefix in CIDR form or a single address; IPv4 mapped
// into IPv6 becomes IPv4.
func ParsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is not an address or a prefix", s)
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or a prefix", s)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q holds more than the IPv4 addresses", s)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// maxPrefixes bounds a file of prefixes.
const maxPrefixes = 1 << 20

// maxPrefixLine bounds a line of such a file, comment included.
const maxPrefixLine = 4096

// ReadPrefixes reads prefixes and addresses, one a line, with comments after
// "#". Unlike a list of names it must be right as a whole: with a line left
// out, the filter would be off for somebody without anybody knowing. The error
// is a rule.LineError or the reader's.
func ReadPrefixes(r io.Reader, file string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxPrefixLine)
	line := 0
	for s.Scan() {
		line++
		text, _, _ := strings.Cut(strings.TrimPrefix(s.Text(), "\ufeff"), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := ParsePrefix(text)
		if err != nil {
			return nil, &rule.LineError{File: file, Line: line, Err: err}
		}
		if prefixes = append(prefixes, p); len(prefixes) > maxPrefixes {
			return nil, &rule.LineError{File: file, Line: line, Err: fmt.Errorf("more than %d prefixes", maxPrefixes)}
		}
	}
	if err := s.Err(); err != nil {
		return nil, &rule.LineError{File: file, Line: line + 1, Err: err}
	}
	return prefixes, nil
}
