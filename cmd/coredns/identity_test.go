package main

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The options in which something in front of a resolver tells who asks: dnsmasq
// (--add-mac, --add-cpe-id), Nominum, Cisco Umbrella; and some that say nothing
// of the kind.
var tellingOptions = []uint16{65001, 65073, 65074, 20292, 26946, 5, 6, 7, dns.EDNS0LOCALEND}

// inside and outside are addresses of both groups, also as something in front
// might write them down.
var (
	inside  = []string{"127.0.1.1", "127.0.1.0", "::ffff:127.0.1.1", "2001:db8:1::1"}
	outside = []string{"127.0.2.1", "127.0.2.0", "::ffff:127.0.2.1", "2001:db8:2::1", "0.0.0.0", "::"}
)

// claim returns an option by which a client claims to be somebody.
func claim(r *rand.Rand) dns.EDNS0 {
	text := append(append([]string{}, inside...), outside...)[r.IntN(len(inside)+len(outside))]
	ip := net.ParseIP(text)
	switch r.IntN(5) {
	case 0, 1:
		if v4 := ip.To4(); v4 != nil && !strings.Contains(text, ":") {
			return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(r.IntN(33)), Address: v4}
		}
		return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 2, SourceNetmask: uint8(r.IntN(129)), Address: ip}
	case 2:
		cookie := make([]byte, 8+r.IntN(2)*(8+r.IntN(25)))
		for i := range cookie {
			cookie[i] = byte(r.IntN(256))
		}
		return &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(cookie)}
	case 3:
		return &dns.EDNS0_LOCAL{Code: tellingOptions[r.IntN(len(tellingOptions))], Data: []byte(text)}
	}
	return &dns.EDNS0_LOCAL{Code: tellingOptions[r.IntN(len(tellingOptions))], Data: ip}
}

// TestIdentity: who asks is told by the address that the query comes from, and by
// nothing that is written into the query. Whatever that is, the reply is the
// same, for a name that is listed, for one that leads to it, and for others.
func TestIdentity(t *testing.T) {
	up := newUpstream(t)
	upstream := newScript(t, `cloaked.example A NOERROR
    cloaked.example. 60 CNAME www.badsite.example.
    www.badsite.example. 60 A 192.0.2.1
`, up)
	corefile := ".:0 {\n bind 127.0.0.1\n nonudify {\n  block badsite.example\n  clients 127.0.1.0/24 2001:db8:1::/48\n }\n cache\n forward . " + upstream + "\n}\n"
	s := &serving{t, start(t, corefile)}
	defer func() { stop(s.Instance) }()
	udp, _ := addrs(s.Instance)
	r := rand.New(rand.NewPCG(21, 22))
	for _, tt := range []struct {
		from  string
		wants [3]string
	}{
		{"127.0.1.1", [...]string{denies, deniesTarget, passes}},
		{"127.0.2.1", [...]string{passes, "NOERROR a=192.0.2.1", passes}},
	} {
		for i, name := range []string{"www.badsite.example.", "cloaked.example.", "good.example."} {
			for range 200 {
				q := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, r.IntN(2) == 0)
				for range r.IntN(4) {
					q.IsEdns0().Option = append(q.IsEdns0().Option, claim(r))
				}
				reply, err := routeFrom(tt.from, udp).ask(q, "")
				if err != nil {
					t.Fatalf("From %s: %v\n%v", tt.from, err, q)
				}
				if got := answer(reply); got != tt.wants[i] {
					t.Fatalf("From %s: %s, want %s, when asked\n%v", tt.from, got, tt.wants[i], q)
				}
			}
		}
	}
}

// TestMalformedSubnet: a claim that cannot be read is an error of the client, and
// no way round the filter.
func TestMalformedSubnet(t *testing.T) {
	s := serve(t, newUpstream(t), "block badsite.example\n clients 127.0.1.0/24")
	udp, _ := addrs(s.Instance)
	for _, data := range []string{"", "00", "0001", "000121", "0001210000", "0001080000" + strings.Repeat("7f", 40), "00030000", "ffff2000"} {
		raw, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		q := new(dns.Msg).SetQuestion("www.badsite.example.", dns.TypeA).SetEdns0(1232, false)
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: raw}}
		reply, err := routeFrom("127.0.1.1", udp).ask(q, "")
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if reply.Rcode != dns.RcodeFormatError && answer(reply) != denies {
			t.Errorf("%q: %v", data, reply)
		}
	}
	if got := fmt.Sprint(s.from("127.0.1.1", "badsite.example"), s.from("127.0.2.1", "badsite.example")); got != denies+passes {
		t.Errorf("Afterwards: %s", got)
	}
}
