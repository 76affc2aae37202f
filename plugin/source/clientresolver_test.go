package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// deaf returns an address where questions arrive and nobody answers.
func deaf(t *testing.T) netip.AddrPort {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

// TestBootstrap: a resolver that fails, however it does, is not the end.
func TestBootstrap(t *testing.T) {
	rcode := func(rcode int) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(q, rcode)) }
	}
	good := sourcetest.Resolver(t, map[string]string{"lists.example": "192.0.2.1"})
	for name, bad := range map[string]dns.HandlerFunc{
		"SERVFAIL": rcode(dns.RcodeServerFailure), "REFUSED": rcode(dns.RcodeRefused), "FORMERR": rcode(dns.RcodeFormatError),
		"NOTIMP": rcode(dns.RcodeNotImplemented), "referral": rcode(dns.RcodeSuccess),
		"garbage": func(w dns.ResponseWriter, _ *dns.Msg) { w.Write([]byte("no DNS message")) },
		"cut":     func(w dns.ResponseWriter, _ *dns.Msg) { w.Write([]byte{1}) },
		"question": func(w dns.ResponseWriter, q *dns.Msg) {
			r := new(dns.Msg).SetReply(q)
			r.RecursionAvailable = true
			r.Question[0].Name = "other.example."
			w.WriteMsg(r)
		},
		"echo": func(w dns.ResponseWriter, q *dns.Msg) {
			q.RecursionAvailable = true
			w.WriteMsg(q)
		},
		"truncated": func(w dns.ResponseWriter, q *dns.Msg) {
			r := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			r.Truncated = w.LocalAddr().Network() == "udp"
			w.WriteMsg(r)
		},
	} {
		var asked atomic.Int32
		first := sourcetest.ResolverFunc(t, func(w dns.ResponseWriter, q *dns.Msg) {
			asked.Add(1)
			bad(w, q)
		})
		got, err := NewResolver([]netip.AddrPort{first, good}).LookupNetIP(t.Context(), "ip4", "lists.example.")
		if fmt.Sprint(got) != "[192.0.2.1]" || err != nil || asked.Load() == 0 {
			t.Errorf("%s: %v, %v; the first was asked %d times", name, got, err, asked.Load())
		}
	}
}

// TestBootstrapNobody: a resolver that is not there costs its share of the time,
// at most, and the next one is asked.
func TestBootstrapNobody(t *testing.T) {
	closed := netip.MustParseAddrPort(strings.Trim(sourcetest.Refused(t), "htp:/"))
	good := sourcetest.Resolver(t, map[string]string{"lists.example": "192.0.2.1"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c := bootstrapConn{ctx: ctx, servers: []netip.AddrPort{closed, deaf(t), good}}
	r, err := c.ask(new(dns.Msg).SetQuestion("lists.example.", dns.TypeA))
	if err != nil || len(r.Answer) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	got, err := NewResolver([]netip.AddrPort{closed, good}).LookupNetIP(t.Context(), "ip", "lists.example.")
	if fmt.Sprint(got) != "[192.0.2.1]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestBootstrapContext: whoever stops waiting for an answer stops the question.
func TestBootstrapContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := sourcetest.ResolverFunc(t, func(dns.ResponseWriter, *dns.Msg) { cancel() })
	other := sourcetest.ResolverFunc(t, func(dns.ResponseWriter, *dns.Msg) { t.Error("The second was asked") })
	c := bootstrapConn{ctx: ctx, servers: []netip.AddrPort{server, other}}
	start := time.Now()
	if r, err := c.ask(new(dns.Msg).SetQuestion("lists.example.", dns.TypeA)); err == nil {
		t.Errorf("Answered %v", r)
	}
	if took := time.Since(start); took > DefaultDialTimeout/2 {
		t.Errorf("Took %v", took)
	}
}

// TestBootstrapTCP: an answer that does not fit is asked for again.
func TestBootstrapTCP(t *testing.T) {
	var want, got []string
	for i := range 200 {
		want = append(want, fmt.Sprint("192.0.2.", i))
	}
	server := sourcetest.ResolverFunc(t, func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		for _, a := range want {
			rr, _ := dns.NewRR("lists.example. 1 A " + a)
			r.Answer = append(r.Answer, rr)
		}
		if w.LocalAddr().Network() == "udp" {
			r.Truncate(512)
		}
		w.WriteMsg(r)
	})
	addresses, err := NewResolver([]netip.AddrPort{server}).LookupNetIP(t.Context(), "ip4", "lists.example.")
	for _, a := range addresses {
		got = append(got, a.String())
	}
	slices.Sort(got)
	if !slices.Equal(got, slices.Sorted(slices.Values(want))) || err != nil {
		t.Errorf("%d addresses, %v", len(got), err)
	}
}

// TestBootstrapNoSuchName: that a name does not exist is an answer.
func TestBootstrapNoSuchName(t *testing.T) {
	none := sourcetest.Resolver(t, nil)
	other := sourcetest.ResolverFunc(t, func(dns.ResponseWriter, *dns.Msg) { t.Error("The second was asked") })
	_, err := NewResolver([]netip.AddrPort{none, other}).LookupNetIP(t.Context(), "ip", "lists.example.")
	if failed, ok := errors.AsType[*net.DNSError](err); !ok || !failed.IsNotFound {
		t.Errorf("%v", err)
	}
}

// TestBootstrapOnly: without bootstrap resolvers the system is asked, with them
// never: neither for the name nor in its search domains.
func TestBootstrapOnly(t *testing.T) {
	if NewResolver(nil) != net.DefaultResolver {
		t.Error("Without servers it is not the system's resolver")
	}
	server := sourcetest.ResolverFunc(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if name := q.Question[0].Name; name != "lists.example." {
			t.Errorf("Asked for %s", name)
		}
		w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError))
	})
	_, _, err := fetchAll(t, HTTP{URL: "https://lists.example/", Client: NewClient(ClientConfig{Bootstrap: []netip.AddrPort{server}, Proxy: noProxy})}, "")
	wantError(t, err, nil, "lookup lists.example. on "+server.String()+": no such host")
}
