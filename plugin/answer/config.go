package answer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Limits on a Config. They keep every reply within 512 octets compressed and
// 1232 octets uncompressed before any text goes in, so that a client that asks
// over UDP is never sent to TCP.
const (
	MaxTTL           = 24 * time.Hour
	MaxAddresses     = 3 // of each family
	MaxContacts      = 8
	MaxContact       = 300 // octets of one URI
	MaxOrganization  = 128 // octets
	MaxJustification = 500 // octets of one text
	MaxLanguages     = 64  // justifications
	MaxIncidents     = 8
	MaxIncidentID    = 128 // octets of one Database or ID
	MaxMbox          = 128 // octets on the wire
)

// Defaults of a Config.
const (
	DefaultTTL  = time.Minute
	DefaultMbox = "hostmaster.blocked.invalid."
)

// sinkholeTTL bounds the time that a client keeps a sinkhole address, in
// seconds: a name taken off the list must not lead to the help page for long.
const sinkholeTTL = 30

// Errors that New wraps, to be tested with errors.Is.
var (
	ErrSetting       = errors.New("no such setting")
	ErrAddress       = errors.New("bad sinkhole address")
	ErrTTL           = errors.New("bad ttl")
	ErrContact       = errors.New("bad contact")
	ErrOrganization  = errors.New("bad organization")
	ErrJustification = errors.New("bad justification")
	ErrIncident      = errors.New("bad incident")
	ErrMbox          = errors.New("bad mailbox name")
)

// Config says how blocked names are answered. The zero value denies them with
// NXDOMAIN for a minute and explains it with one plain English sentence.
type Config struct {
	Action    Action
	Addresses []netip.Addr  // of the help page; with Sinkhole at least one, at most MaxAddresses a family
	TTL       time.Duration // whole seconds, 1 s to MaxTTL; 0 is DefaultTTL; sinkhole addresses never over 30 s

	// What a client is told (draft-ietf-dnsop-structured-dns-error §4.1).
	Contacts       []string        // where wrong blocks are reported: mailto: (RFC 6068) and tel: (RFC 3966) URIs
	Organization   string          // name of the filtering organisation, without any address or URL
	Justifications []Justification // the first is the one that is sent; none is a plain English sentence
	Incidents      []Incident      // public notices of the order, sent only with policy.Censored
	SDE            SDE

	Mbox string // RNAME of the SOA (RFC 1035 §3.3.13); "" is DefaultMbox
}

// Justification is the reason for blocking as a person reads it.
type Justification struct {
	Language string // BCP 47 tag (RFC 5646 §2.1), such as "de" or "pt-BR"
	Text     string
}

// Incident is a public notice about the decision to block
// (draft-ietf-dnsop-filtering-transparency). The notice is the same for every
// query: an identifier of a query would be one of a person.
type Incident struct {
	Database string // registered name of the database, such as "lumen"
	ID       string // of the notice in that database
}

// seconds returns the TTL of denials.
func seconds(d time.Duration) (uint32, error) {
	if d == 0 {
		d = DefaultTTL
	}
	if d < time.Second || d > MaxTTL || d%time.Second != 0 {
		return 0, fmt.Errorf("%w %v: want whole seconds from 1s to %v", ErrTTL, d, MaxTTL)
	}
	return uint32(d / time.Second), nil
}

// addresses returns the sinkhole addresses by family.
func addresses(c Config) (v4, v6 []netip.Addr, err error) {
	switch {
	case c.Action != Sinkhole && len(c.Addresses) > 0:
		return nil, nil, fmt.Errorf("%w %v: action %v answers no address", ErrAddress, c.Addresses[0], c.Action)
	case c.Action == Sinkhole && len(c.Addresses) == 0:
		return nil, nil, fmt.Errorf("%w: action %v needs at least one", ErrAddress, c.Action)
	}
	for _, a := range c.Addresses {
		a = a.Unmap()
		if err := usable(a); err != nil {
			return nil, nil, err
		}
		family := &v6
		if a.Is4() {
			family = &v4
		}
		if slices.Contains(*family, a) {
			return nil, nil, fmt.Errorf("%w %v: given twice", ErrAddress, a)
		}
		if *family = append(*family, a); len(*family) > MaxAddresses {
			return nil, nil, fmt.Errorf("%w %v: more than %d of one family", ErrAddress, a, MaxAddresses)
		}
	}
	return v4, v6, nil
}

// usable refuses addresses that lead nowhere, or to the client itself: on most
// systems a connection to the unspecified address reaches a local service.
func usable(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return fmt.Errorf("%w: empty", ErrAddress)
	case a.Zone() != "":
		return fmt.Errorf("%w %v: a zone means nothing to a client", ErrAddress, a)
	case a.IsUnspecified():
		return fmt.Errorf("%w %v: clients would connect to themselves", ErrAddress, a)
	case a.IsMulticast():
		return fmt.Errorf("%w %v: is multicast", ErrAddress, a)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w %v: is broadcast", ErrAddress, a)
	}
	return nil
}

// mailbox returns the RNAME of the SOA.
func mailbox(s string) (string, error) {
	if s == "" {
		return DefaultMbox, nil
	}
	if strings.Contains(s, "@") {
		return "", fmt.Errorf("%w %q: write user@host.example as user.host.example", ErrMbox, s)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "", fmt.Errorf("%w %q: holds characters that are not printable ASCII", ErrMbox, s)
		}
	}
	name := dns.Fqdn(s)
	var wire [255]byte
	n, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	if _, ok := dns.IsDomainName(name); err != nil || !ok || name == "." {
		return "", fmt.Errorf("%w %q: is not a domain name", ErrMbox, s)
	}
	if n > MaxMbox {
		return "", fmt.Errorf("%w %q: is longer than %d octets", ErrMbox, s, MaxMbox)
	}
	return name, nil
}
