package nonudify

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// addressZone has names and addresses, each with an exception.
const addressZone = "@ SOA a. b. 1 2 3 4 5\nbadsite.example CNAME .\n*.badsite.example CNAME .\nother.example CNAME .\nfine.example CNAME rpz-passthru.\n" +
	"24.0.2.0.192.rpz-ip CNAME .\n32.9.2.0.192.rpz-ip CNAME rpz-passthru.\n48.zz.db8.2001.rpz-ip CNAME .\n128.9.zz.db8.2001.rpz-ip CNAME rpz-passthru.\n"

// addressList writes that list, and returns its path.
func addressList(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zone.rpz")
	if err := os.WriteFile(path, []byte(addressZone), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInspectAddresses: what leads to a listed address is denied where the list is
// asked for that, and nowhere else.
func TestInspectAddresses(t *testing.T) {
	list := "list " + addressList(t)
	n := handler(t, list+" addresses on\nallow ok.test\naction sinkhole 192.0.2.7")
	off := handler(t, list+"\nallow ok.test\naction sinkhole 192.0.2.7")
	const a, aaaa, https, svcb = dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB
	tests := []struct {
		name  string
		qname string
		qtype uint16
		rrs   string
		deny  bool
	}{
		{"another address", "good.test.", a, "good.test. 60 A 198.51.100.1", false},
		{"listed", "good.test.", a, "good.test. 60 A 192.0.2.1", true},
		{"one of several", "good.test.", a, "good.test. 60 A 198.51.100.1; good.test. 60 A 192.0.2.1", true},
		{"a longer exception", "good.test.", a, "good.test. 60 A 192.0.2.9", false},
		{"IPv6", "good.test.", aaaa, "good.test. 60 AAAA 2001:db8::1", true},
		{"a longer exception of IPv6", "good.test.", aaaa, "good.test. 60 AAAA 2001:db8::9", false},
		{"another address of IPv6", "good.test.", aaaa, "good.test. 60 AAAA 2001:db9::1", false},
		{"IPv4 inside of IPv6", "good.test.", aaaa, "good.test. 60 AAAA ::ffff:192.0.2.1", true},
		{"the server's own", "good.test.", a, "good.test. 60 A 192.0.2.7", false},
		{"behind an alias", "good.test.", a, "good.test. 60 CNAME cdn.test.; cdn.test. 60 A 192.0.2.1", true},
		{"any type", "good.test.", dns.TypeANY, "good.test. 60 MX 1 a.test.; good.test. 60 A 192.0.2.1", true},
		{"class", "good.test.", a, "good.test. 60 CH A 192.0.2.1", false},
		{"authority section", "good.test.", a, "-good.test. 60 A 192.0.2.1", false},
		{"no data", "good.test.", a, "", false},

		{"the query name is allowed", "ok.test.", a, "ok.test. 60 A 192.0.2.1", false},
		{"the host is allowed", "good.test.", a, "good.test. 60 CNAME ok.test.; OK.test. 60 A 192.0.2.1", false},
		{"excepted by the list", "fine.example.", a, "fine.example. 60 A 192.0.2.1", false},

		{"hint", "good.test.", https, "good.test. 60 HTTPS 1 . alpn=h2 ipv4hint=198.51.100.1,192.0.2.1", true},
		{"hint of IPv6", "good.test.", https, "good.test. 60 HTTPS 1 . ipv6hint=2001:db8::1", true},
		{"hint of a service", "_8443._foo.good.test.", svcb, "_8443._foo.good.test. 60 SVCB 1 cdn.test. ipv4hint=192.0.2.1", true},
		{"hint elsewhere", "good.test.", https, "good.test. 60 HTTPS 1 . alpn=h2 ipv4hint=198.51.100.1,192.0.2.9 ipv6hint=2001:db8::9", false},
		{"no hint", "good.test.", https, "good.test. 60 HTTPS 1 . alpn=h2", false},
		{"hint for an allowed host", "good.test.", https, "good.test. 60 HTTPS 1 ok.test. ipv4hint=192.0.2.1", false},
		{"hint for the query name, allowed", "ok.test.", https, "ok.test. 60 HTTPS 1 . ipv4hint=192.0.2.1", false},

		{"address beside a service", "good.test.", https, "good.test. 60 HTTPS 1 cdn.test.; +cdn.test. 60 A 192.0.2.1", true},
		{"address of IPv6 beside a service", "good.test.", svcb, "good.test. 60 SVCB 1 cdn.test.; +cdn.test. 60 AAAA 2001:db8::1", true},
		{"hint beside a service", "good.test.", https, "good.test. 60 HTTPS 0 cdn.test.; +cdn.test. 60 HTTPS 1 . ipv4hint=192.0.2.1", true},
		{"name server beside a service", "good.test.", https, "good.test. 60 HTTPS 1 .; -test. 60 NS NS.test.; +ns.test. 60 A 192.0.2.1", false},
		{"name server beside an address", "good.test.", a, "good.test. 60 A 198.51.100.1; +ns.test. 60 A 192.0.2.1", false},
		{"name server", "test.", dns.TypeNS, "test. 60 NS ns.test.; +ns.test. 60 A 192.0.2.1", false},
		{"mail server", "test.", dns.TypeMX, "test. 60 MX 1 mx.test.; +mx.test. 60 A 192.0.2.1", false},
		{"OPT", "good.test.", https, "good.test. 60 HTTPS 1 .; +. 60 A 198.51.100.1", false},
		{"zone transfer", "test.", dns.TypeAXFR, "good.test. 60 A 192.0.2.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := new(dns.Msg).SetQuestion(tt.qname, tt.qtype)
			m := new(dns.Msg)
			records(t, m, tt.rrs)
			got, same := inspected(t, n, q, m)
			if same == tt.deny {
				t.Fatalf("Got %v", got)
			}
			if tt.deny && (got.Question[0] != q.Question[0] || got.Rcode != dns.RcodeSuccess || len(got.Extra) > 0 || len(got.Answer) > 1) {
				t.Errorf("Not a denial of the query name: %v", got)
			}
			if _, same := inspected(t, off, q, m); !same {
				t.Error("Denied by a list whose addresses are off")
			}
		})
	}
}

// TestInspectAddressReply: the denial is one of the query name alone, a verdict like
// any other; the name of a list comes first.
func TestInspectAddressReply(t *testing.T) {
	list := "list " + addressList(t) + " addresses on"
	for body, want := range map[string]string{
		list + " reason blocked":                            "nodata",
		list + " reason blocked\naction shadow":             "shadow",
		list + " reason blocked\naction sinkhole 192.0.2.7": "sinkhole",
	} {
		n := handler(t, body)
		before := verdictsOf(t, want, "blocked")
		m := new(dns.Msg)
		records(t, m, "good.test. 60 A 192.0.2.1")
		got, same := inspected(t, n, new(dns.Msg).SetQuestion("good.test.", dns.TypeA), m)
		if same != (want == "shadow") || verdictsOf(t, want, "blocked") != before+1 {
			t.Errorf("%s: %v verdicts more, %v", want, verdictsOf(t, want, "blocked")-before, got)
		}
	}
	n := handler(t, list+" reason blocked\nblock worse.example\nreason filtered")
	m := new(dns.Msg)
	records(t, m, "good.test. 60 A 192.0.2.1; good.test. 60 CNAME worse.example.")
	got, _ := inspected(t, n, new(dns.Msg).SetQuestion("good.test.", dns.TypeA).SetEdns0(1232, false), m)
	if e, ok := got.IsEdns0().Option[0].(*dns.EDNS0_EDE); !ok || e.InfoCode != dns.ExtendedErrorCodeFiltered {
		t.Errorf("A listed target and a listed address: %v", got)
	}
	for rcode, deny := range map[int]bool{dns.RcodeNameError: true, dns.RcodeServerFailure: false} {
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: rcode}}
		records(t, m, "good.test. 60 A 192.0.2.1")
		if _, same := inspected(t, n, new(dns.Msg).SetQuestion("good.test.", dns.TypeA), m); same == deny {
			t.Errorf("%s: denied is %v", dns.RcodeToString[rcode], !deny)
		}
	}
}

// TestInspectAddressAllocations: to look at addresses allocates nothing, where they
// are listed elsewhere, either.
func TestInspectAddressAllocations(t *testing.T) {
	m := new(dns.Msg)
	records(t, m, "good.test. 60 A 198.51.100.1; good.test. 60 AAAA 2001:db9::1; good.test. 60 HTTPS 1 . ipv4hint=198.51.100.2 ipv6hint=2001:db9::2; +ns.test. 60 A 192.0.2.1; -test. 60 NS ns.test.")
	done := plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) { return 0, w.WriteMsg(m) })
	q := new(dns.Msg).SetQuestion("good.test.", dns.TypeHTTPS)
	w := &addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}}
	list := "list " + addressList(t)
	perQuery := func(body string) float64 {
		n := handler(t, body)
		n.Next = done
		return testing.AllocsPerRun(1000, func() { n.ServeDNS(t.Context(), w, q) })
	}
	if without, with := perQuery(list), perQuery(list+" addresses on"); with != without {
		t.Errorf("%v allocations, %v without addresses", with, without)
	}
}

// TestInspectServerAddresses: the addresses of name servers that come along do not
// count, however many, and those of the hosts of a service do, behind an alias too.
func TestInspectServerAddresses(t *testing.T) {
	n, m := handler(t, "list "+addressList(t)+" addresses on"), new(dns.Msg)
	records(t, m, "good.test. 60 HTTPS 1 cdn.test.")
	for i := range 1000 {
		host := fmt.Sprintf("ns%d.test.", i)
		m.Ns = append(m.Ns, &dns.NS{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: host})
		m.Extra = append(m.Extra, &dns.A{Hdr: dns.RR_Header{Name: host, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(192, 0, 2, 1)})
	}
	if _, same := inspected(t, n, new(dns.Msg).SetQuestion("good.test.", dns.TypeHTTPS), m); !same {
		t.Error("Addresses of name servers count")
	}
	for _, text := range []string{"CDN.test. 60 CNAME edge.test.", "Edge.test. 60 A 192.0.2.1"} {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Extra = append(m.Extra, rr)
	}
	if _, same := inspected(t, n, new(dns.Msg).SetQuestion("good.test.", dns.TypeHTTPS), m); same {
		t.Error("The address of a service behind an alias does not count")
	}
}
