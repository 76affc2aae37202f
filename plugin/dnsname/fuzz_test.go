package dnsname

import (
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// form is the form that a Name promises, but for its length and for a last
// label that is a number.
var form = regexp.MustCompile(`^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$`)

var number = regexp.MustCompile(`^[0-9]+$`)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"badsite.example", "BadSite.EXAMPLE.", "Straße.DE", "ＥＸＡＭＰＬＥ.com", "bücher。example", "💩.example",
		"xn--bcher-kva.example", "xn--a.example", "XN--.x", "192.0.2.1", "2001:db8::1", `\097\.b`, `a\300`, "a_b.-c-.d--e",
		"אבג.example", "a\u200db.example", "\xff.example", "..", long, long + "a", "xn--ls8h.xn--p1ai", "www.xn--a-0x\u0308.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			if n != "" {
				t.Fatalf("Parse(%q) = %q with error %v", s, n, err)
			}
			return
		}
		if len(n) > MaxLen || !form.MatchString(string(n)) {
			t.Fatalf("Parse(%q) = %q, which is not in the form of a Name", s, n)
		}
		if last := n[strings.LastIndexByte(string(n), '.')+1:]; number.MatchString(string(last)) {
			t.Fatalf("Parse(%q) = %q, whose last label is a number", s, n)
		}
		for _, again := range []string{string(n), n.FQDN(), strings.ToUpper(string(n))} {
			if m, err := Parse(again); m != n || err != nil {
				t.Fatalf("Parse(%q) = %q, but Parse(%q) = %q, %v", s, n, again, m, err)
			}
		}
		if got, ok := fold1(n.FQDN()); got != string(n) || !ok {
			t.Fatalf("Fold(%q) = %q, %v", n.FQDN(), got, ok)
		}
		if labels, ok := dns.IsDomainName(n.FQDN()); !ok || labels != n.Labels() {
			t.Fatalf("%q is no name of %d labels to the DNS library", n, n.Labels())
		}
	})
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{".", "", "BadSite.EXAMPLE.", `a\.b.example.`, `\098ad.example`, `\`, `a\`, `a\9.`, `a\256.`, "\xff.", long + ".", long + "a."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := fold1(s)
		if !ok || strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) >= 0 {
			return
		}
		if n, err := Parse(s); err == nil && got != string(n) {
			t.Fatalf("Fold(%q) = %q, Parse says %q", s, got, n)
		}
	})
}

// FuzzSuffix takes names off the wire: what the bytes make, the library unpacks.
func FuzzSuffix(f *testing.F) {
	f.Add([]byte("\x03www\x07badsite\x07example\x00"), 2)
	f.Add([]byte("\x03a.b\x02\\.\x01\\\x00"), 1)
	f.Add([]byte{0}, 1)
	f.Fuzz(func(t *testing.T, wire []byte, labels int) {
		qname, _, err := dns.UnpackDomainName(wire, 0)
		if err != nil || labels < 1 {
			if text := string(wire); !strings.HasSuffix(text, Suffix(text, labels)) {
				t.Fatalf("Suffix(%q, %d) is no suffix", text, labels)
			}
			return
		}
		want := qname
		if starts := dns.Split(qname); labels < len(starts) {
			want = qname[starts[len(starts)-labels]:]
		}
		if got := Suffix(qname, labels); got != want {
			t.Fatalf("Suffix(%q, %d) = %q, want %q", qname, labels, got, want)
		}
	})
}
