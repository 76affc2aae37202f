package sourcetest

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Resolver starts a resolver on loopback that ends with the test. It answers
// each name, without a final dot, with its address, * standing for the rest, and
// NXDOMAIN to a name that it does not have.
func Resolver(t testing.TB, addresses map[string]string) netip.AddrPort {
	return ResolverFunc(t, func(w dns.ResponseWriter, q *dns.Msg) {
		name := strings.ToLower(strings.TrimSuffix(q.Question[0].Name, "."))
		address, ok := addresses[name]
		if !ok {
			address, ok = addresses["*"]
		}
		w.WriteMsg(answer(q, address, ok))
	})
}

func answer(q *dns.Msg, address string, exists bool) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	r.RecursionAvailable = true
	if !exists {
		r.Rcode = dns.RcodeNameError
		return r
	}
	h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 1}
	a := netip.MustParseAddr(address)
	switch {
	case h.Rrtype == dns.TypeA && a.Is4():
		r.Answer = []dns.RR{&dns.A{Hdr: h, A: a.AsSlice()}}
	case h.Rrtype == dns.TypeAAAA && a.Is6():
		r.Answer = []dns.RR{&dns.AAAA{Hdr: h, AAAA: a.AsSlice()}}
	}
	return r
}

// ResolverFunc starts a DNS server on loopback, over UDP and TCP, that ends with
// the test.
func ResolverFunc(t testing.TB, h dns.HandlerFunc) netip.AddrPort {
	udp, tcp := listen(t)
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: h}, {Listener: tcp, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		ended := make(chan error, 1)
		go func() { ended <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			s.Shutdown()
			<-ended
		})
	}
	return netip.MustParseAddrPort(udp.LocalAddr().String())
}

// listen opens the same port for UDP and TCP, which may take some tries.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	for range 100 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	t.Fatal("No port is free for both UDP and TCP")
	return nil, nil
}
