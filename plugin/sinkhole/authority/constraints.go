package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// oidConstraints is the extension that holds name constraints (RFC 5280
// §4.2.1.10).
var oidConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// checkConstraints is the rule for the name constraints of an intermediate:
//
//   - they are there, critical, and hold no kind of name that cannot be checked;
//   - all addresses are excluded: 0.0.0.0/0 and ::/0;
//   - all e-mail is: the empty name is excluded, or only names below .invalid
//     (RFC 6761 §6.4) are permitted, which software that takes no empty name
//     understands as well;
//   - DNS names are permitted by subtrees, none of them a public suffix or
//     above one, or at least one DNS subtree is excluded, and not all are.
//
// A constraint on one kind of name says nothing about the others: without the
// second point, permitted DNS names would leave addresses free.
func checkConstraints(c *x509.Certificate) error {
	switch {
	case !slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidConstraints) }):
		return errors.New("has no name constraints: issue it with critical ones")
	case !c.PermittedDNSDomainsCritical: // of the extension, whatever it holds
		return errors.New("has name constraints that are not critical: issue it with critical ones")
	case slices.ContainsFunc(c.UnhandledCriticalExtensions, oidConstraints.Equal):
		return errors.New("has name constraints of a kind that is not understood: use DNS, IP, email and URI only")
	case !excludesAddresses(c.ExcludedIPRanges):
		return errors.New("does not exclude all addresses: exclude IP 0.0.0.0/0 and ::/0")
	case !excludesMail(c):
		return errors.New("does not exclude all e-mail: permit email below .invalid only, or exclude the empty email")
	}
	return checkDNS(c)
}

func checkDNS(c *x509.Certificate) error {
	if slices.Contains(c.ExcludedDNSDomains, "") {
		return errors.New("excludes every DNS name, so that no certificate can be made: exclude your own and those that matter")
	}
	if len(c.PermittedDNSDomains) == 0 && len(c.ExcludedDNSDomains) == 0 {
		return errors.New("has no constraint on DNS names: exclude your own and those that matter, or permit only those on your list")
	}
	for _, base := range c.PermittedDNSDomains {
		if _, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(strings.TrimPrefix(base, "."))); err != nil {
			return fmt.Errorf("permits %q, which is everything below a public suffix: permit single sites", base)
		}
	}
	return nil
}

// excludesAddresses reports whether nothing is left of both families.
func excludesAddresses(excluded []*net.IPNet) bool {
	all := func(bits int) bool {
		return slices.ContainsFunc(excluded, func(n *net.IPNet) bool {
			ones, of := n.Mask.Size()
			return ones == 0 && of == bits
		})
	}
	return all(32) && all(128)
}

// excludesMail reports whether no mailbox that could exist is left.
func excludesMail(c *x509.Certificate) bool {
	if slices.Contains(c.ExcludedEmailAddresses, "") {
		return true
	}
	return len(c.PermittedEmailAddresses) > 0 && !slices.ContainsFunc(c.PermittedEmailAddresses, func(base string) bool {
		return !strings.HasSuffix(strings.ToLower(base), ".invalid")
	})
}

// permits reports whether the constraints of the whole chain leave room for a
// canonical name.
func (c chain) permits(name string) bool {
	holds := func(base string) bool { return within(name, strings.ToLower(base)) }
	for _, cert := range c {
		if slices.ContainsFunc(cert.ExcludedDNSDomains, holds) ||
			len(cert.PermittedDNSDomains) > 0 && !slices.ContainsFunc(cert.PermittedDNSDomains, holds) {
			return false
		}
	}
	return true
}

// within reports whether a name is in a subtree. One that begins with a dot is
// taken for what is below it only, as software does (RFC 5280 errata 5997), and
// the empty one for all names.
func within(name, base string) bool {
	if base == "" || strings.HasPrefix(base, ".") {
		return strings.HasSuffix(name, base)
	}
	return name == base || strings.HasSuffix(name, "."+base)
}
