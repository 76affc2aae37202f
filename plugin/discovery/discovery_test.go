package discovery

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// full is a resolver with everything.
func full() Config {
	addresses := []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")}
	return Config{
		Name: "dns.school.example", Info: "https://dns.school.example/about", Errors: []uint16{17, 15, 16, 4, 15},
		Listeners: []Listener{
			{ALPN: []string{"dot"}, Port: 853, Addresses: addresses},
			{ALPN: []string{"h2", "h3"}, Port: 443, Path: "/dns-query{?dns}"},
			{ALPN: []string{"doq"}, Port: 853},
		},
	}
}

// TestReply holds the answers against what they look like as text.
func TestReply(t *testing.T) {
	const (
		info  = `RESINFO "exterr=4,15-17" "infourl=https://dns.school.example/about"`
		empty = "resolver.arpa. 300 IN SOA dns.school.example. hostmaster.invalid. 1 3600 600 604800 300"
	)
	service := []string{
		`SVCB 1 dns.school.example. alpn="dot" port="853" ipv4hint="192.0.2.53" ipv6hint="2001:db8::53"`,
		`SVCB 2 dns.school.example. alpn="h2,h3" port="443" dohpath="/dns-query{?dns}"`,
		`SVCB 3 dns.school.example. alpn="doq" port="853"`,
	}
	z := New(full())
	for _, tt := range []struct {
		qname string
		qtype uint16
		want  []string // without owner, TTL and class; the SOA of NODATA with them
	}{
		{"_dns.resolver.arpa.", dns.TypeSVCB, service},
		{"_DNS.Resolver.ARPA.", dns.TypeSVCB, service},
		{"_dns.dns.school.example.", dns.TypeSVCB, service},
		{"_dns.resolver.arpa.", dns.TypeANY, service},
		{"_dns.resolver.arpa.", dns.TypeHTTPS, []string{empty}},
		{"_dns.resolver.arpa.", dns.TypeA, []string{empty}},
		{"resolver.arpa.", dns.TypeRESINFO, []string{info}},
		{"dns.School.example.", dns.TypeRESINFO, []string{info}},
		{"resolver.arpa.", dns.TypeSOA, []string{"SOA dns.school.example. hostmaster.invalid. 1 3600 600 604800 300"}},
		{"resolver.arpa.", dns.TypeNS, []string{"NS dns.school.example."}},
		{"resolver.arpa.", dns.TypeDS, []string{empty}},
		{"resolver.arpa.", dns.TypeSVCB, []string{empty}},
		{"foo.resolver.arpa.", dns.TypeA, []string{empty}},
		{"a.b._dns.resolver.arpa.", dns.TypeSVCB, []string{empty}},
	} {
		t.Run(tt.qname+dns.TypeToString[tt.qtype], func(t *testing.T) {
			r := new(dns.Msg).SetQuestion(tt.qname, tt.qtype)
			r.RecursionDesired, r.CheckingDisabled = false, true
			m := z.Reply(r)
			if !z.Owns(tt.qname, tt.qtype) || m.Rcode != dns.RcodeSuccess || !m.Authoritative || m.RecursionDesired || !m.CheckingDisabled || m.IsEdns0() != nil {
				t.Errorf("Got %v", m)
			}
			if got := lines(t, m, tt.qname); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("Got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// lines returns the records of a reply that has been over the wire.
func lines(t *testing.T, m *dns.Msg, qname string) (found []string) {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got := new(dns.Msg)
	if err := got.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	for _, rr := range got.Answer {
		if rr.Header().Name != qname || rr.Header().Ttl != ttl {
			t.Errorf("Answer %v", rr)
		}
		text := strings.TrimPrefix(rr.String(), rr.Header().String())
		found = append(found, dns.TypeToString[rr.Header().Rrtype]+" "+text)
	}
	for _, rr := range got.Ns {
		found = append(found, strings.Join(strings.Fields(strings.ToLower(rr.String()[:len("resolver.arpa.")])+rr.String()[len("resolver.arpa."):]), " "))
	}
	return found
}

// TestReplySpeaksEDNS checks that the client's own is given back, and nothing
// else.
func TestReplySpeaksEDNS(t *testing.T) {
	r := new(dns.Msg).SetQuestion("resolver.arpa.", dns.TypeRESINFO).SetEdns0(1400, true)
	r.IsEdns0().Option = append(r.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: 26})
	o := New(full()).Reply(r).IsEdns0()
	if o == nil || o.UDPSize() != 1400 || !o.Do() || len(o.Option) != 0 {
		t.Errorf("Got %v", o)
	}
}

func TestOwns(t *testing.T) {
	named, nameless, silent := New(full()), New(Config{Errors: []uint16{17}}), New(Config{Name: "dns.school.example"})
	var none *Zone
	for _, tt := range []struct {
		qname                    string
		qtype                    uint16
		named, nameless, nothing bool // who owns it: nothing is a resolver with a name and nothing to say
	}{
		{"resolver.arpa.", dns.TypeA, true, true, true},
		{"_dns.RESOLVER.arpa.", dns.TypeSVCB, true, true, true},
		{"a.b.c.resolver.arpa.", dns.TypeTXT, true, true, true},
		{`\.resolver.arpa.`, dns.TypeTXT, false, false, false}, // one label, below arpa
		{`a\\.resolver.arpa.`, dns.TypeTXT, true, true, true},
		{"xresolver.arpa.", dns.TypeA, false, false, false},
		{"arpa.", dns.TypeNS, false, false, false},
		{"1.0.0.127.in-addr.arpa.", dns.TypePTR, false, false, false},
		{".", dns.TypeNS, false, false, false},
		{"dns.school.example.", dns.TypeRESINFO, true, false, false},
		{"dns.school.example.", dns.TypeA, false, false, false},
		{"x.dns.school.example.", dns.TypeRESINFO, false, false, false},
		{"_dns.dns.school.example.", dns.TypeSVCB, true, false, false},
		{"_dns.dns.school.example.", dns.TypeTXT, false, false, false},
		{"_853._dns.dns.school.example.", dns.TypeSVCB, false, false, false},
		{"_acme-challenge.dns.school.example.", dns.TypeTXT, false, false, false},
	} {
		got := []bool{named.Owns(tt.qname, tt.qtype), nameless.Owns(tt.qname, tt.qtype), silent.Owns(tt.qname, tt.qtype), none.Owns(tt.qname, tt.qtype)}
		if want := []bool{tt.named, tt.nameless, tt.nothing, false}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] {
			t.Errorf("%s %s: got %v, want %v", tt.qname, dns.TypeToString[tt.qtype], got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { named.Owns("www.other.example.", dns.TypeSVCB) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNothing checks what a resolver says that was told nothing.
func TestNothing(t *testing.T) {
	z := New(Config{Listeners: full().Listeners}) // they would have no name
	for _, q := range []dns.Question{
		{Name: "resolver.arpa.", Qtype: dns.TypeRESINFO, Qclass: dns.ClassINET}, {Name: "_dns.resolver.arpa.", Qtype: dns.TypeSVCB, Qclass: dns.ClassINET},
	} {
		m := z.Reply(&dns.Msg{Question: []dns.Question{q}})
		if len(m.Answer) != 0 || len(m.Ns) != 1 || m.Ns[0].(*dns.SOA).Ns != "resolver.arpa." {
			t.Errorf("Got %v", m)
		}
	}
}

// TestLimits goes beyond each.
func TestLimits(t *testing.T) {
	c := Config{Name: "dns.school.example", Info: "https://dns.school.example/" + strings.Repeat("x", MaxInfo)}
	for range maxListeners + 1 {
		l := Listener{ALPN: []string{"dot"}, Port: 853}
		for i := range 2 * (maxHints + 1) {
			if i%2 == 0 {
				l.Addresses = append(l.Addresses, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			} else {
				l.Addresses = append(l.Addresses, netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}))
			}
		}
		c.Listeners = append(c.Listeners, l)
	}
	z := New(c)
	if z.Owns("dns.school.example.", dns.TypeRESINFO) {
		t.Error("An URL that is too long is told")
	}
	m := z.Reply(new(dns.Msg).SetQuestion("_dns.resolver.arpa.", dns.TypeSVCB))
	if len(m.Answer) != maxListeners {
		t.Fatalf("%d listeners", len(m.Answer))
	}
	for _, p := range m.Answer[0].(*dns.SVCB).Value {
		switch p := p.(type) {
		case *dns.SVCBIPv4Hint:
			if len(p.Hint) != maxHints {
				t.Errorf("%d addresses", len(p.Hint))
			}
		case *dns.SVCBIPv6Hint:
			if len(p.Hint) != maxHints {
				t.Errorf("%d addresses", len(p.Hint))
			}
		}
	}
	if _, err := m.Pack(); err != nil {
		t.Error(err)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]uint16{
		"17": {17}, "15-17": {17, 15, 16}, "4,14-15,17": {17, 14, 4, 15, 4}, "": nil, "0-1,65535": {65535, 0, 1},
	} {
		if got := ranges(numbers); got != want {
			t.Errorf("%v: got %q, want %q", numbers, got, want)
		}
	}
}
