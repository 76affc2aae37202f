// Package dnsname holds the one canonical form of a domain name that the rest
// of the project compares with ==.
//
// A Name is made at the edge, by Parse for names that people and lists write.
// A query name is never parsed and never put through IDNA (RFC 4343: on the
// wire only the ASCII letters fold): Fold brings it into the same bytes
// without allocating.
package dnsname

import (
	"errors"
	"iter"
	"net/netip"
	"strings"
)

// MaxLen is the length of the longest Name in bytes: 255 octets on the wire
// (RFC 1035 §2.3.4) are 253 characters of text without the trailing dot.
const MaxLen = 253

// maxLabel is the length of the longest label (RFC 1035 §2.3.4).
const maxLabel = 63

// Name is a domain name in canonical form: lower-case labels of 1 to 63 bytes
// out of a-z, 0-9, hyphen and underscore, internationalised labels as A-labels
// (RFC 5890 §2.3.2.1), joined by dots, without a trailing dot; 1 to MaxLen
// bytes. The zero value is no name.
type Name string

// Errors that Parse returns, to be tested with errors.Is.
var (
	ErrEmpty     = errors.New("empty name")
	ErrTooLong   = errors.New("name is longer than 253 characters")
	ErrLabel     = errors.New("label is empty or longer than 63 characters")
	ErrByte      = errors.New("character that a domain name in a list cannot hold")
	ErrEscape    = errors.New("bad escape")
	ErrAddress   = errors.New("is an address, not a name")
	ErrIDN       = errors.New("not a valid internationalised name")
	ErrRoundTrip = errors.New("internationalised name does not survive the round trip to its A-label form")
)

// Parse returns the canonical form of a name as a person or a list writes it:
// upper case, a trailing dot, presentation escapes (RFC 1035 §5.1) of bytes
// that a Name holds anyway, and U-labels are accepted. Names that could never
// be meant as one are refused: addresses, names whose last label is a number,
// labels with any other byte.
func Parse(s string) (Name, error) {
	if strings.IndexByte(s, '\\') >= 0 {
		var err error
		if s, err = unescape(s); err != nil {
			return "", err
		}
	}
	s = trimDot(s)
	if !plain(s) {
		var err error
		if s, err = toASCII(s); err != nil {
			return "", err
		}
	}
	if err := validate(s); err != nil {
		return "", err
	}
	return Name(strings.ToLower(s)), nil
}

// dots are what UTS #46 takes for a dot.
var dots = [...]string{".", "\u3002", "\uff0e", "\uff61"}

// trimDot removes one trailing dot. It does so before IDNA, which makes the
// empty label of a lone "xn--" or soft hyphen: that is not a trailing dot.
func trimDot(s string) string {
	for _, dot := range dots {
		if rest, ok := strings.CutSuffix(s, dot); ok {
			return rest
		}
	}
	return s
}

// plain reports whether s needs no IDNA processing: all ASCII, no label that
// claims to be an A-label.
func plain(s string) bool {
	start := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80:
			return false
		case c == '.':
			start = i + 1
		case c == '-' && i == start+3 && isACE(s[start:i+1]):
			return false
		}
	}
	return true
}

// isACE reports whether the four bytes of p are the prefix of an A-label.
func isACE(p string) bool { return strings.EqualFold(p, "xn--") }

// validate checks the form of an ASCII name without its trailing dot.
func validate(s string) error {
	if s == "" {
		return ErrEmpty
	}
	start, digits := 0, true
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if n := i - start; n == 0 || n > maxLabel {
				return ErrLabel
			}
			if i < len(s) {
				start, digits = i+1, true
			}
			continue
		}
		c := fold[s[i]]
		if c == other {
			if _, err := netip.ParseAddr(s); err == nil { // an IPv6 address holds colons
				return ErrAddress
			}
			return ErrByte
		}
		digits = digits && '0' <= c && c <= '9'
	}
	if len(s) > MaxLen {
		return ErrTooLong
	}
	if digits { // no top-level domain is a number: 192.0.2.1, or a slip of the pen
		return ErrAddress
	}
	return nil
}

// unescape resolves the presentation escapes of s. Only escapes of bytes that
// a Name can hold are of use to a list; an escaped dot is a byte inside a
// label and refused like every other odd byte.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			b.WriteByte(c)
			i++
			continue
		}
		c, n := escape(s[i:])
		if n == 0 {
			return "", ErrEscape
		}
		if fold[c] == other || c == '.' {
			return "", ErrByte
		}
		b.WriteByte(c)
		i += n
	}
	return b.String(), nil
}

// escape decodes the escape sequence that s begins with: the byte it stands
// for and its length in s, 0 when it is malformed.
func escape(s string) (c byte, n int) {
	switch {
	case len(s) < 2:
		return 0, 0
	case s[1] < '0' || s[1] > '9':
		return s[1], 2
	case len(s) < 4 || s[2] < '0' || s[2] > '9' || s[3] < '0' || s[3] > '9':
		return 0, 0
	}
	v := int(s[1]-'0')*100 + int(s[2]-'0')*10 + int(s[3]-'0')
	if v > 255 {
		return 0, 0
	}
	return byte(v), 4
}

// Parent returns the name without its leftmost label, false for a name of one
// label.
func (n Name) Parent() (Name, bool) {
	_, parent, ok := strings.Cut(string(n), ".")
	return Name(parent), ok
}

// Suffixes yields n, its parent and so on up to the top-level domain.
func (n Name) Suffixes() iter.Seq[Name] {
	return func(yield func(Name) bool) {
		for ok := n != ""; ok; n, ok = n.Parent() {
			if !yield(n) {
				return
			}
		}
	}
}

// Labels returns the number of labels, 0 for the zero value.
func (n Name) Labels() int {
	if n == "" {
		return 0
	}
	return strings.Count(string(n), ".") + 1
}

// IsBelow reports whether n is a proper sub-name of ancestor.
func (n Name) IsBelow(ancestor Name) bool {
	d := len(n) - len(ancestor)
	return d > 1 && ancestor != "" && n[d-1] == '.' && n[d:] == ancestor
}

// FQDN returns the name with its trailing dot, as zone files and the DNS
// library write it.
func (n Name) FQDN() string { return string(n) + "." }
