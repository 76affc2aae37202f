package dnsname

import (
	"fmt"

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
	a, err := profile.ToASCII(s)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIDN, err)
	}
	u, err := profile.ToUnicode(a)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIDN, err)
	}
	if back, err := profile.ToASCII(u); err != nil || back != a {
		return "", ErrNotIDNRT
	}
	return a, nil
}
