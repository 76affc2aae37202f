// Package discovery tells clients what resolver they talk to: which EDE codes
// it returns and where its operator explains itself (RFC 9606), and at which
// encrypted listeners the same resolver can be had (DDR, RFC 9462).
//
// Clients ask for that under resolver.arpa, a zone that every resolver has for
// itself (RFC 9462 §6.4): an answer that came from elsewhere would send them
// there, and past the filter.
package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Config says what a resolver tells of itself. With the zero value resolver.arpa
// is an empty zone.
type Config struct {
	// Name is the resolver's own, which its certificates are for; "": it has none,
	// and no listener is told of.
	Name dnsname.Name
	// Info is the https URL at which the operator explains the resolver to those
	// who look after the devices, at most MaxInfo octets; "": there is none.
	Info string
	// Errors are the INFO-CODEs of extended errors that the resolver returns (RFC
	// 8914 §4), in any order.
	Errors    []uint16
	Listeners []Listener // the most wanted first; at most maxListeners are told of
}

// Listener is where the resolver answers encrypted.
type Listener struct {
	ALPN      []string // dot, h2, h3, doq (RFC 9461 §4.1)
	Port      uint16
	Path      string       // of DNS over HTTPS, as a URI template (RFC 9461 §5); "" for other protocols
	Addresses []netip.Addr // those that it listens on; none: those that Name has
}

// Limits on a Config.
const (
	MaxInfo      = 255 - len("infourl=") // octets, so that the key is one character-string
	maxListeners = 8
	maxHints     = 4 // addresses of a listener that are told, of each family
)

// ttl is how long what the resolver tells of itself is kept, in seconds. It is
// short, for it changes with the configuration.
const ttl = 300

// arpa is the zone of what any resolver has to say of itself.
const arpa = "resolver.arpa."

// Zone answers the queries about the resolver. It is immutable and safe for
// concurrent use; a nil Zone owns nothing.
type Zone struct {
	name  string // of the resolver, fully qualified; "" without
	info  []string
	svcbs []dns.SVCB // without owner
}

// New returns the zone of a resolver. The Config must be within its limits: what
// is over them is not told.
func New(c Config) *Zone {
	z := &Zone{info: info(c)}
	if c.Name == "" {
		return z
	}
	z.name = c.Name.FQDN()
	for i, l := range c.Listeners[:min(len(c.Listeners), maxListeners)] {
		z.svcbs = append(z.svcbs, dns.SVCB{Priority: uint16(i + 1), Target: z.name, Value: l.params()})
	}
	return z
}

// info returns the keys of the RESINFO record (RFC 9606 §5), none when there is
// nothing to tell. qnamemin is not among them: this resolver forwards whole
// names to another one.
func info(c Config) (keys []string) {
	if len(c.Errors) > 0 {
		keys = append(keys, "exterr="+ranges(c.Errors))
	}
	if c.Info != "" && len(c.Info) <= MaxInfo {
		keys = append(keys, "infourl="+c.Info)
	}
	return keys
}

// ranges writes numbers in order, each once, with what follows without a gap as
// a range: 4,15-17.
func ranges(numbers []uint16) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(numbers)))
	var parts []string
	for i := 0; i < len(sorted); {
		end := i
		for end+1 < len(sorted) && sorted[end+1] == sorted[end]+1 {
			end++
		}
		part := strconv.Itoa(int(sorted[i]))
		if end > i {
			part = fmt.Sprintf("%d-%d", sorted[i], sorted[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ",")
}

// params returns the service parameters, in the order that the wire wants (RFC
// 9460 §2.2).
func (l Listener) params() []dns.SVCBKeyValue {
	v4, v6 := hints(l.Addresses)
	params := []dns.SVCBKeyValue{&dns.SVCBAlpn{Alpn: l.ALPN}, &dns.SVCBPort{Port: l.Port}}
	if len(v4) > 0 {
		params = append(params, &dns.SVCBIPv4Hint{Hint: v4})
	}
	if len(v6) > 0 {
		params = append(params, &dns.SVCBIPv6Hint{Hint: v6})
	}
	if l.Path != "" {
		params = append(params, &dns.SVCBDoHPath{Template: l.Path})
	}
	return params
}

// hints returns the addresses that are told, by family.
func hints(addresses []netip.Addr) (v4, v6 []net.IP) {
	for _, a := range addresses {
		switch a = a.Unmap(); {
		case a.Is4() && len(v4) < maxHints:
			v4 = append(v4, a.AsSlice())
		case a.Is6() && len(v6) < maxHints:
			v6 = append(v6, a.AsSlice())
		}
	}
	return v4, v6
}

// Owns reports whether a query is to be answered here: all that is asked at and
// below resolver.arpa; of the resolver's own name what there is to say, RESINFO
// and, at _dns below it, SVCB. qname is in presentation form, in any letter
// case. Owns does not allocate.
func (z *Zone) Owns(qname string, qtype uint16) bool {
	switch {
	case z == nil:
		return false
	case under(qname, arpa):
		return true
	case qtype == dns.TypeRESINFO:
		return z.name != "" && len(z.info) > 0 && strings.EqualFold(qname, z.name)
	case qtype == dns.TypeSVCB:
		return len(z.svcbs) > 0 && isService(qname, z.name)
	}
	return false
}

// under reports whether a name is zone or below it.
func under(name, zone string) bool {
	cut := len(name) - len(zone)
	return cut >= 0 && strings.EqualFold(name[cut:], zone) && (cut == 0 || name[cut-1] == '.' && !escaped(name[:cut-1]))
}

// escaped reports whether what follows s is: after an odd number of backslashes.
func escaped(s string) bool { return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1 }

// isService reports whether name is that of the DNS service of host (RFC 9461
// §3).
func isService(name, host string) bool {
	const service = "_dns."
	return len(name) == len(service)+len(host) && strings.EqualFold(name[:len(service)], service) && strings.EqualFold(name[len(service):], host)
}

// Reply returns the answer to a query that the zone owns, with one question. It
// is authoritative, as RFC 9606 §3 has it. What is not there is answered with
// NODATA, whatever the name: after NXDOMAIN for one name of the zone a cache
// could deny another (RFC 8020 §2). The caller owns the reply, but for the
// service parameters, which must not be changed.
func (z *Zone) Reply(r *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	m.Authoritative, m.RecursionAvailable, m.CheckingDisabled = true, true, r.CheckingDisabled
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
	}
	q := r.Question[0]
	if m.Answer = z.answer(q); len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa(q.Name)}
	}
	return m
}

// answer returns the records that a question is for.
func (z *Zone) answer(q dns.Question) []dns.RR {
	return slices.DeleteFunc(z.records(q.Name), func(rr dns.RR) bool {
		return q.Qtype != dns.TypeANY && q.Qtype != rr.Header().Rrtype
	})
}

// records returns all records at a name.
func (z *Zone) records(qname string) (rrs []dns.RR) {
	apex := strings.EqualFold(qname, arpa)
	if apex {
		rrs = append(rrs, z.soa(qname), &dns.NS{Hdr: header(qname, dns.TypeNS), Ns: z.server(qname)})
	}
	if len(z.info) > 0 && (apex || strings.EqualFold(qname, z.name)) {
		rrs = append(rrs, &dns.RESINFO{Hdr: header(qname, dns.TypeRESINFO), Txt: slices.Clone(z.info)})
	}
	if isService(qname, arpa) || isService(qname, z.name) {
		for _, svcb := range z.svcbs {
			svcb.Hdr, svcb.Value = header(qname, dns.TypeSVCB), slices.Clone(svcb.Value)
			rrs = append(rrs, &svcb)
		}
	}
	return rrs
}

func header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// soa returns the SOA record of resolver.arpa in the letter case of a name in it.
// The times are for secondaries, which it does not have.
func (z *Zone) soa(qname string) *dns.SOA {
	owner := qname[max(0, len(qname)-len(arpa)):]
	return &dns.SOA{
		Hdr: header(owner, dns.TypeSOA), Ns: z.server(owner), Mbox: "hostmaster.invalid.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 604800, Minttl: ttl,
	}
}

// server returns the zone's only name server: the resolver. One without a name is
// called as the zone is, as RFC 6303 §3 has it.
func (z *Zone) server(owner string) string {
	if z.name != "" {
		return z.name
	}
	return owner
}
