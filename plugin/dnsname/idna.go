package dnsname

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// profile is UTS #46 non-transitional processing for lookup. STD3 rules are off
// because they refuse the underscore, which real names hold; validate sees to
// the other bytes.
var profile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(false),
	idna.BidiRule(),
)

// toASCII returns the A-label form of s. The name must come back the same from
// a round trip through its U-label form: an A-label that does not is one that
// no registry issues and no browser would show as itself.
func toASCII(s string) (string, error) {
	if err := bounded(s); err != nil {
		return "", err
	}
	a, err := profile.ToASCII(s)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIDN, err)
	}
	u, err := profile.ToUnicode(a)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIDN, err)
	}
	if back, err := profile.ToASCII(u); err != nil || back != a {
		return "", ErrRoundTrip
	}
	return a, nil
}

// maxULabel is the length in bytes past which a label cannot become one of 63:
// each of its characters, of four bytes at most, needs one or more.
const maxULabel = 4 * maxLabel

// bounded refuses labels too long to be names before they are processed, which
// takes time by the square of their length.
func bounded(s string) error {
	for label := range strings.FieldsFuncSeq(s, func(c rune) bool { return slices.Contains(dots[:], string(c)) }) {
		if len(label) > maxULabel {
			return ErrLabel
		}
	}
	return nil
}
