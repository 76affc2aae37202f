package directive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/nonudify/nonudify/plugin/rule"
)

// parsePrefix reads a prefix in CIDR form or a single address; IPv4 mapped
// into IPv6 becomes IPv4.
func parsePrefix(s string) (netip.Prefix, error) {
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

// errNobody says that a file of clients names none.
var errNobody = errors.New("holds no prefix: the filter would be for nobody")

// maxPrefixes bounds a file of prefixes.
const maxPrefixes = 1 << 20

// maxPrefixLine bounds a line of such a file, comment included.
const maxPrefixLine = 4096

// readPrefixes reads prefixes and addresses, one a line, with comments after
// "#". Unlike a list of names it must be right as a whole: with a line left
// out, the filter would be off for somebody without anybody knowing. So it is,
// for everybody, with a file of clients that is empty, unless empty says that
// this is fine. The error is a rule.LineError or errNobody.
func readPrefixes(r io.Reader, file string, empty bool) ([]netip.Prefix, error) {
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
		p, err := parsePrefix(text)
		if err != nil {
			return nil, &rule.LineError{File: file, Line: line, Err: err}
		}
		if prefixes = append(prefixes, p); len(prefixes) > maxPrefixes {
			return nil, &rule.LineError{File: file, Line: line, Err: fmt.Errorf("more than %d prefixes", maxPrefixes)}
		}
	}
	err := s.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("a line of %d octets or more", maxPrefixLine)
	}
	if err != nil {
		return nil, &rule.LineError{File: file, Line: line + 1, Err: err}
	}
	if len(prefixes) == 0 && !empty {
		return nil, fmt.Errorf("%s: %w", file, errNobody)
	}
	return prefixes, nil
}
