package answer

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// hosts returns the addresses in a reply, in its order.
func hosts(t *testing.T, m *dns.Msg, owner string, ttl uint32) (out []netip.Addr) {
	t.Helper()
	for _, rr := range m.Answer {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			t.Fatalf("record %v among the addresses", rr)
		}
		h := rr.Header()
		if h.Name != owner || h.Class != dns.ClassINET || h.Ttl != ttl {
			t.Errorf("header %v", h)
		}
		out = append(out, a)
	}
	return out
}

// In sinkhole mode a name exists for all types or for none: addresses for one
// type and NXDOMAIN for another would break resolvers (RFC 8305, RFC 8020).
func TestSinkhole(t *testing.T) {
	only4 := with(page, func(c *Config) { c.Addresses = addrs("192.0.2.1") })
	only6 := with(page, func(c *Config) { c.Addresses = addrs("2001:db8::1") })
	tests := []struct {
		name   string
		config Config
		qtype  uint16
		want   []netip.Addr
	}{
		{"all IPv4", page, dns.TypeA, addrs("192.0.2.1", "192.0.2.2")},
		{"all IPv6", page, dns.TypeAAAA, addrs("2001:db8::1")},
		{"no hints", page, dns.TypeHTTPS, nil},
		{"any", page, dns.TypeANY, nil},
		{"mail", page, dns.TypeMX, nil},
		{"IPv4 alone", only4, dns.TypeA, addrs("192.0.2.1")},
		{"no IPv6", only4, dns.TypeAAAA, nil},
		{"IPv6 alone", only6, dns.TypeAAAA, addrs("2001:db8::1")},
		{"no IPv4", only6, dns.TypeA, nil},
		{"mapped", with(page, func(c *Config) { c.Addresses = addrs("::ffff:192.0.2.7") }), dns.TypeA, addrs("192.0.2.7")},
	}
	for _, tt := range tests {
		for _, client := range []string{noEDNS, edns} {
			q := query("WWW.bad.example.", tt.qtype, client)
			m, _ := sent(t, request(q), mustNew(t, tt.config).Reply(request(q), verdict(policy.Filtered)))
			if tt.want == nil {
				checkDenial(t, tt.name, q, m, dns.RcodeSuccess)
				continue
			}
			equal(t, tt.name, hosts(t, m, "WWW.bad.example.", 30), tt.want)
			equal(t, tt.name+": rcode, authority", m.Rcode+len(m.Ns), 0)
			checkOPT(t, tt.name, q.IsEdns0(), m)
		}
	}
}

// The code says "forged" exactly where an address was made up, and never to a
// client that knows structured errors.
func TestForged(t *testing.T) {
	off := with(page, func(c *Config) { c.SDE = SDEOff })
	encrypted := with(page, func(c *Config) { c.SDE = SDEEncrypted })
	tests := []struct {
		name   string
		config Config
		qtype  uint16
		client string
		code   uint16
		answer int // records
	}{
		{"addresses", page, dns.TypeA, edns, 4, 2},
		{"denial", page, dns.TypeTXT, edns, 15, 0},
		{"structured", page, dns.TypeA, sde, 15, 0},
		{"structured, legacy", page, dns.TypeAAAA, legacy, 15, 0},
		{"off", off, dns.TypeA, sde, 15, 2},
		{"in the clear", encrypted, dns.TypeA, legacy, 15, 2},
	}
	for _, tt := range tests {
		q := query("bad.example.", tt.qtype, tt.client)
		m, _ := sent(t, request(q), mustNew(t, tt.config).Reply(request(q), verdict(policy.Blocked)))
		equal(t, tt.name+": code", errorIn(t, m).InfoCode, tt.code)
		equal(t, tt.name+": addresses", len(m.Answer), tt.answer)
	}
}

// Clients with structured errors get the denial that they would get without a
// sinkhole, for every type.
func TestSinkholeDenial(t *testing.T) {
	for _, client := range []string{sde, legacy} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeMX, dns.TypeANY} {
			q := query("bad.example.", qtype, client)
			v := verdict(policy.Filtered)
			m, _ := sent(t, request(q), mustNew(t, page).Reply(request(q), v))
			checkDenial(t, client, q, m, dns.RcodeNameError)
			equal(t, "structured", structured(errorIn(t, m).ExtraText), true)
			v.Trigger = rule.Exact
			m, _ = sent(t, request(q), mustNew(t, page).Reply(request(q), v))
			checkDenial(t, client, q, m, dns.RcodeSuccess)
		}
	}
}

func TestSinkholeTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]uint32{0: 30, time.Second: 1, 30 * time.Second: 30, time.Hour: 30} {
		a := mustNew(t, with(page, func(c *Config) { c.TTL = ttl }))
		m := a.Reply(request(query("bad.example.", dns.TypeA, edns)), verdict(policy.Filtered))
		equal(t, ttl.String(), m.Answer[0].Header().Ttl, want)
	}
}
