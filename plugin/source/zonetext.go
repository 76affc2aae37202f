package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// zoneText writes the records of one zone as lines of a master file (RFC 1035
// §5), as package list reads them. The same record is the same line each time,
// however its primary spells it: names are lower-case, owners relative to the
// zone, class and TTL left out. DNSSEC records are left out as a whole.
type zoneText struct {
	zone string // lower-case, with a trailing dot, escaped as the DNS library does
}

// errForeign is about a record that no transfer of the zone may hold.
var errForeign = errors.New("a record that does not belong there")

// newZoneText returns the writer for a zone, whatever its letter case and its
// escapes.
func newZoneText(zone string) (zoneText, error) {
	wire := make([]byte, 256)
	if _, err := dns.PackDomainName(dns.CanonicalName(zone), wire, 0, nil, false); err != nil || zone == "" {
		return zoneText{}, fmt.Errorf("%.80q is not the name of a zone", zone)
	}
	name, _, err := dns.UnpackDomainName(wire, 0)
	return zoneText{name}, err
}

// head returns the first two lines, from which the reader knows the apex.
func (z zoneText) head(soa *dns.SOA) ([]byte, error) {
	return z.append([]byte(z.origin()+"\n"), soa)
}

func (z zoneText) origin() string { return "$ORIGIN " + z.zone }

// append appends the line of a record, nothing for one that is left out.
func (z zoneText) append(dst []byte, rr dns.RR) ([]byte, error) {
	h := rr.Header()
	owner, ok := z.owner(h.Name)
	if !ok || h.Class != dns.ClassINET || ofMessages(h.Rrtype) || h.Rrtype == dns.TypeSOA && owner != "@" {
		return dst, fmt.Errorf("%w: %.300s %s %s", errForeign, h.Name, dns.Class(h.Class), dns.Type(h.Rrtype))
	}
	if leftOut(h.Rrtype) {
		return dst, nil
	}
	data, err := recordData(rr)
	if err != nil {
		return dst, fmt.Errorf("%w: %.300s %s: %w", errForeign, h.Name, dns.Type(h.Rrtype), err)
	}
	dst = append(dst, owner...)
	dst = append(dst, ' ')
	dst = append(dst, dns.Type(h.Rrtype).String()...)
	dst = append(dst, ' ')
	dst = append(dst, data...)
	return append(dst, '\n'), nil
}

// owner returns a name relative to the zone, false when it is outside.
func (z zoneText) owner(name string) (string, bool) {
	name = strings.ToLower(name)
	if name == z.zone {
		return "@", true
	}
	below := "." + strings.TrimPrefix(z.zone, ".")
	owner, ok := strings.CutSuffix(name, below)
	backslashes := len(owner) - len(strings.TrimRight(owner, `\`))
	if !ok || owner == "" || backslashes%2 == 1 { // an escaped dot parts no labels
		return "", false
	}
	if owner[0] == '$' { // at the start of a line it would begin a control entry
		owner = `\036` + owner[1:]
	}
	return owner, true
}

// ofMessages reports whether a type is for messages only (RFC 6895 §3.1).
func ofMessages(rrtype uint16) bool {
	return rrtype == dns.TypeNone || rrtype == dns.TypeOPT || 128 <= rrtype && rrtype <= 255
}

// leftOut reports whether the records of a type are no part of the text: they
// are larger than the rules and change with each signing, and a transfer is
// proved by other means.
func leftOut(rrtype uint16) bool {
	switch rrtype {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY,
		dns.TypeDS, dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeZONEMD:
		return true
	}
	return false
}

// recordData returns the data of a record as text on one line. Types that no
// rule and no header needs have the form of unknown ones (RFC 3597 §5), because
// the library's own text of some of them is not to be read back.
func recordData(rr dns.RR) (string, error) {
	switch rr := rr.(type) {
	case *dns.CNAME:
		return strings.ToLower(rr.Target), nil
	case *dns.NS:
		return strings.ToLower(rr.Ns), nil
	case *dns.SOA:
		return fmt.Sprintf("%s %s %d %d %d %d %d", strings.ToLower(rr.Ns), strings.ToLower(rr.Mbox),
			rr.Serial, rr.Refresh, rr.Retry, rr.Expire, rr.Minttl), nil
	case *dns.A, *dns.AAAA, *dns.TXT:
		return strings.TrimPrefix(rr.String(), rr.Header().String()), nil
	}
	var raw dns.RFC3597
	if err := raw.ToRFC3597(rr); err != nil {
		return "", err
	}
	return fmt.Sprintf(`\# %d %s`, len(raw.Rdata)/2, strings.ToLower(raw.Rdata)), nil
}
