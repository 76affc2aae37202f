package nonudify

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/dnsutil"
	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// fuzzed is the directive of the fuzz targets, and judged its naive twin: whether
// it denies a name, given by its labels.
const fuzzed = "block badsite.example\nallow fine.badsite.example"

func judged(ls []string) bool {
	name := string(packettest.Lower(packettest.Labels(ls...)))
	below := func(top string) bool {
		end := string(packettest.Name(top))
		for rest := name; len(rest) >= len(end); rest = rest[1+int(rest[0]):] {
			if rest == end {
				return true
			}
		}
		return false
	}
	return below("badsite.example") && !below("fine.badsite.example")
}

// labelsOf returns the labels of a name in text.
func labelsOf(name string) []string { return packettest.Split(packettest.FromText(name)) }

// FuzzQuery hands the handler what can arrive, as CoreDNS reads it. A listed name
// is denied, and the chain behind does not hear of it; everything else goes there
// untouched, and so does what comes back.
func FuzzQuery(f *testing.F) {
	for _, s := range packettest.Specimens(packettest.Name("www.badsite.example"), packettest.Name("good.test")) {
		f.Add(s.Wire, len(s.Wire)%2 == 0)
	}
	n := handler(f, fuzzed)
	f.Fuzz(func(t *testing.T, wire []byte, udp bool) {
		q, err := dnsutil.UnpackRequest(wire)
		if err != nil {
			return
		}
		if _, err := edns.Version(q); err != nil {
			return
		}
		w := newWriter()
		if !udp {
			w.addr = &net.TCPAddr{IP: net.IPv6loopback}
		}
		answer, reached := new(dns.Msg).SetReply(q), 0
		n.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
			if reached++; r != q {
				t.Errorf("The chain is asked %v for %v", r, q)
			}
			return dns.RcodeSuccess, w.WriteMsg(answer)
		})
		if code, err := n.ServeDNS(t.Context(), w, q); code != dns.RcodeSuccess || err != nil || len(w.messages) != 1 || len(w.raw) > 0 {
			t.Fatalf("ServeDNS returned %d, %v after %d messages for %v", code, err, len(w.messages), q)
		}
		if before, err := dnsutil.UnpackRequest(wire); err != nil || !reflect.DeepEqual(before, q) {
			t.Fatalf("The query has changed from %v to %v", before, q)
		}
		ordinary := len(q.Question) == 1 && (q.Opcode == dns.OpcodeQuery || q.Opcode == dns.OpcodeNotify) &&
			(q.Question[0].Qclass == dns.ClassINET || q.Question[0].Qclass == dns.ClassANY)
		if !ordinary || !judged(labelsOf(q.Question[0].Name)) {
			if reached != 1 || w.messages[0] != answer {
				t.Fatalf("Not listed, but the reply to %v is %v", q, w.messages[0])
			}
			return
		}
		if reached > 0 {
			t.Fatalf("The chain was asked for %v", q)
		}
		checkDenial(t, w, q, w.messages[0])
	})
}

// checkDenial sends a denial as CoreDNS does, and holds it against what denials
// are.
func checkDenial(t *testing.T, w dns.ResponseWriter, q, m *dns.Msg) {
	t.Helper()
	state := request.Request{W: w, Req: q}
	state.SizeAndDo(m)
	state.Scrub(m)
	wire, err := m.Pack()
	if err != nil {
		t.Fatalf("%v does not pack: %v", m, err)
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(wire); err != nil || len(wire) > state.Size() {
		t.Fatalf("%d octets of %d, %v: %v", len(wire), state.Size(), err, reply)
	}
	if !reply.Response || reply.Id != q.Id || reply.Truncated || !slices.Equal(reply.Question, q.Question) || len(reply.Answer) > 0 || len(reply.Ns) != 1 {
		t.Fatalf("No denial of %v: %v", q, reply)
	}
	soa, ok := reply.Ns[0].(*dns.SOA)
	if !ok || soa.Ns != "blocked.invalid." || !dns.IsSubDomain(soa.Hdr.Name, q.Question[0].Name) || (q.IsEdns0() != nil) != (reply.IsEdns0() != nil) {
		t.Fatalf("No denial of %v: %v", q, reply)
	}
}

// FuzzAnswer has the chain answer with any octets, as a message where it can be
// read, and as they are. What leads to a listed name never passes, and all else
// passes unchanged. Where an answer leads is read from the octets, not from what
// the DNS library makes of them.
func FuzzAnswer(f *testing.F) {
	for _, m := range answers(f) {
		for _, compress := range []bool{false, true} {
			m.Compress = compress
			wire, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire)
			f.Add(wire[:len(wire)-1])
		}
	}
	for _, s := range packettest.Specimens(packettest.Name("badsite.example"), packettest.Name("good.test")) {
		f.Add(s.Wire)
	}
	n := handler(f, fuzzed)
	f.Fuzz(func(t *testing.T, wire []byte) {
		q := new(dns.Msg).SetQuestion("www.old.test.", dns.TypeA).SetEdns0(1232, false)
		m := new(dns.Msg)
		readable := m.Unpack(wire) == nil
		if readable && len(m.Question) == 1 && m.Question[0].Qclass == dns.ClassINET {
			q.Question = slices.Clone(m.Question)
		}
		transfer := q.Question[0].Qtype == dns.TypeAXFR || q.Question[0].Qtype == dns.TypeIXFR
		qname := labelsOf(q.Question[0].Name)
		if judged(qname) || transfer || slices.Equal(last(qname, 3), []string{"fine", "badsite", "example"}) {
			return
		}
		want := readable && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError) && slices.ContainsFunc(leadsTo(wire, qname), judged)
		raw := send(t, n, q, func(w dns.ResponseWriter) error { _, err := w.Write(wire); return err })
		if want {
			checkDenial(t, raw, q, raw.only(t))
		} else if len(raw.messages) > 0 || len(raw.raw) != 1 || !bytes.Equal(raw.raw[0], wire) {
			t.Fatalf("% x does not pass: %v", wire, raw.messages)
		}
		if !readable {
			return
		}
		text := m.String()
		w := send(t, n, q, func(w dns.ResponseWriter) error { return w.WriteMsg(m) })
		if want {
			checkDenial(t, w, q, w.only(t))
		} else if w.only(t) != m {
			t.Fatalf("%v does not pass: %v", m, w.messages)
		}
		if m.String() != text {
			t.Fatalf("The answer has changed from\n%s\nto\n%v", text, m)
		}
	})
}

// send has the handler serve a query that the chain answers as it is told.
func send(t *testing.T, n *NoNudify, q *dns.Msg, write func(dns.ResponseWriter) error) *writer {
	t.Helper()
	w := newWriter()
	n.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, write(w)
	})
	if _, err := n.ServeDNS(t.Context(), w, q.Copy()); err != nil {
		t.Fatal(err)
	}
	return w
}

// only returns the one message that was written.
func (w *writer) only(t *testing.T) *dns.Msg {
	t.Helper()
	if len(w.messages) != 1 || len(w.raw) > 0 {
		t.Fatalf("Messages %v, octets % x", w.messages, w.raw)
	}
	return w.messages[0]
}

// answers are some to begin with.
func answers(t testing.TB) (all []*dns.Msg) {
	for i, text := range []string{
		"good.test. 60 A 192.0.2.1", "good.test. 60 CNAME badsite.example.", "good.test. 60 CNAME cdn.test.; cdn.test. 60 CNAME X.BadSite.example.",
		"old.test. 60 DNAME badsite.example.", "old.test. 60 DNAME example.; www.old.test. 60 CNAME www.example.", "old.test. 60 DNAME fine.badsite.example.",
		"www.old.test. 60 DNAME .", "test. 60 DNAME .", ". 60 DNAME badsite.example.", "good.test. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1",
		"good.test. 60 HTTPS 0 badsite.example.", "good.test. 60 SVCB 1 a.fine.badsite.example. port=53", "+good.test. 60 HTTPS 2 www.badsite.example. ech=AAAA",
		"-good.test. 60 NS badsite.example.; -good.test. 60 CNAME badsite.example.", "good.test. 60 MX 1 badsite.example.; good.test. 60 CH CNAME badsite.example.",
		`good.test. 60 TYPE65534 \# 17 0762616473697465076578616D706C6500`, `good.test. 60 CNAME x\.badsite.example.; good.test. 60 CNAME \000.badsite.example.`,
	} {
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Rcode: i % 4}}
		m.SetQuestion(fmt.Sprint("badsite", i%3, ".old.test."), dns.TypeA)
		records(t, m, text)
		all = append(all, m.SetEdns0(1232, i%2 == 0))
	}
	return all
}

// leadsTo returns the names, by their labels, that a reader of an answer is sent
// on to: the targets of CNAME, DNAME, SVCB and HTTPS records of class IN in the
// answer and the additional section.
func leadsTo(wire []byte, qname []string) (targets [][]string) {
	at := 12
	for range count(wire, 4) {
		if at >= len(wire) { // the library takes sections that end early
			return nil
		}
		_, at = labelsAt(wire, at)
		at += 4
	}
	for section := 6; section <= 10; section += 2 {
		for range count(wire, section) {
			if at >= len(wire) {
				return targets
			}
			var owner []string
			owner, at = labelsAt(wire, at)
			rdata := at + 10
			at = rdata + count(wire, rdata-2)
			if section != 8 && rdata < at && count(wire, rdata-8) == dns.ClassINET {
				targets = append(targets, targetAt(wire, rdata, count(wire, rdata-10), owner, qname)...)
			}
		}
	}
	return targets
}

// count returns the two octets at a place of a message as a number.
func count(wire []byte, at int) int { return int(wire[at])<<8 | int(wire[at+1]) }

// targetAt returns where a record leads to, as a list of no name or one.
func targetAt(wire []byte, rdata, rrtype int, owner, qname []string) [][]string {
	switch uint16(rrtype) {
	case dns.TypeSVCB, dns.TypeHTTPS:
		rdata += 2
	case dns.TypeCNAME, dns.TypeDNAME:
	default:
		return nil
	}
	target, _ := labelsAt(wire, rdata)
	fold := func(ls []string) string { return strings.ToLower(fmt.Sprintf("%q", ls)) }
	below := len(qname) > len(owner) && len(owner) > 0 && fold(last(qname, len(owner))) == fold(owner)
	if uint16(rrtype) == dns.TypeDNAME && below {
		target = slices.Concat(qname[:len(qname)-len(owner)], target)
	}
	return [][]string{target}
}

// last returns the last n labels of a name, or all.
func last(ls []string, n int) []string { return ls[max(0, len(ls)-n):] }

// labelsAt returns the labels of the name at a place of a message that the DNS
// library could read, and the place behind it.
func labelsAt(wire []byte, at int) (ls []string, end int) {
	for {
		n := int(wire[at])
		switch {
		case n == 0 && end == 0:
			return ls, at + 1
		case n == 0:
			return ls, end
		case n >= 0xc0:
			if end == 0 {
				end = at + 2
			}
			at = count(wire, at) & 0x3fff
			continue
		}
		ls, at = append(ls, string(wire[at+1:at+1+n])), at+1+n
	}
}
