package answer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// large has texts that do not fit everywhere: each rung is the largest that
// fits for some client.
var large = Config{
	Contacts: []string{
		"mailto:dns-filter@isp.example",
		"mailto:" + strings.Repeat("second-contact-", 3) + "@isp.example?subject=a&body=b",
		"tel:+1-555-0100",
	},
	Organization:   strings.Repeat("Größe ", 15),
	Justifications: []Justification{{"de", strings.Repeat("Grund ", 45)}},
	Incidents:      []Incident{{"lumen", strings.Repeat("1", 60)}},
	Mbox:           strings.Repeat("m", 60) + ".isp.example.",
}

// shapes yields query names that take n octets on the wire, labels made of
// different octets: letters, dots and backslashes that are written with an
// escape, octets that are written as \DDD. There is none of 2 octets.
func shapes(t *testing.T, n int) (names []string) {
	if n == 1 {
		return []string{"."}
	}
	for _, longest := range []int{1, 2, 7, 63} {
		for _, octets := range []string{"aB", `.\`, "\x00\xff9"} {
			name := string(pattern(n, longest, octets))
			if name == "" {
				continue
			}
			s, _, err := dns.UnpackDomainName([]byte(name), 0)
			if err != nil {
				t.Fatalf("%d octets, labels of %d: %v", n, longest, err)
			}
			names = append(names, s)
		}
	}
	return names
}

// pattern returns a name of n octets in wire form with labels of at most
// longest octets, nil when there is none.
func pattern(n, longest int, octets string) []byte {
	var wire []byte
	for left := n - 1; left > 0; {
		k := min(longest, left-1)
		if left-k-1 == 1 { // one octet is too few for a label
			k--
		}
		if k < 1 {
			return nil
		}
		wire = append(wire, byte(k))
		for i := range k {
			wire = append(wire, octets[i%len(octets)])
		}
		left -= k + 1
	}
	return append(wire, 0)
}

// Check 5, and the proof that the SOA has room at 512 octets for every name of
// every length, whatever is configured.
func TestEverySize(t *testing.T) {
	type at struct {
		size int
		udp  bool
	}
	sizes := []at{{512, true}, {600, true}, {1232, true}, {4096, true}, {65535, false}}
	configs := []Config{{}, with(large, func(c *Config) { c.Mbox = longestMbox })}
	for i, c := range configs {
		a := mustNew(t, c)
		for n := range 256 {
			for _, name := range shapes(t, n) {
				for _, client := range clients {
					for _, s := range sizes {
						r := Request{Msg: query(name, dns.TypeMX, client), Size: s.size, UDP: s.udp}
						checkFit(t, fmt.Sprintf("config %d, %d octets %s, %s", i, n, name, client), a, r, policy.Blocked)
					}
				}
			}
		}
	}
}

// longestMbox takes MaxMbox octets on the wire and shares nothing with a name.
var longestMbox = strings.Repeat("m", 62) + "." + strings.Repeat("m", 61) + ".x."

// checkFit replies to r and checks that the reply goes out whole, and that it
// says the most that can be said: every longer choice, tried out with the DNS
// library, does not fit.
func checkFit(t *testing.T, name string, a *Answerer, r Request, reason policy.Reason) {
	t.Helper()
	limit := max(r.Size, 512)
	if r.UDP {
		limit = min(limit, 1232)
	}
	v := verdict(reason)
	reply := a.Reply(r, v)
	own, compress := len(pack(t, reply)), reply.Compress // as those send it who do not cut it again
	m, n := sent(t, r, reply)
	if reply.Compress != compress {
		t.Fatalf("%s, %d: compress was %v", name, r.Size, compress)
	}
	if n > limit || own > limit || m.Truncated || soaIn(m) == nil && len(m.Answer) == 0 {
		t.Fatalf("%s, %d: %d octets (%d without Truncate)\n%v", name, r.Size, n, own, m)
	}
	if r.Msg.IsEdns0() == nil {
		return
	}
	texts := a.explains[reason].plain
	if structured(errorIn(t, m).ExtraText) || echoes(m) {
		texts = a.explains[reason].structured
	}
	for _, text := range texts {
		if text == errorIn(t, m).ExtraText {
			return
		}
		longer := a.Reply(r, v)
		longer.IsEdns0().Option[0].(*dns.EDNS0_EDE).ExtraText = text
		if whole(longer, r.Size, limit) {
			t.Fatalf("%s, %d: %q fits, sent was\n%v", name, r.Size, text, m)
		}
	}
	t.Fatalf("%s: unknown text\n%v", name, m)
}

// whole reports whether a reply that the server cuts to size goes out whole
// and within the limit.
func whole(m *dns.Msg, size, limit int) bool {
	m.Truncate(size)
	wire, err := m.Pack()
	return err == nil && !m.Truncated && len(wire) <= limit
}

// The worst sinkhole answer is one of IPv6 addresses.
func TestSinkholeSize(t *testing.T) {
	c := with(large, func(c *Config) {
		c.Action = Sinkhole
		c.Addresses = addrs("2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2", "192.0.2.3")
	})
	a := mustNew(t, c)
	for _, n := range []int{1, 20, 100, 200, 254, 255} {
		for _, name := range shapes(t, n) {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				for _, client := range clients {
					for _, size := range []int{512, 1232, 4096} {
						r := Request{Msg: query(name, qtype, client), Size: size, UDP: true}
						checkFit(t, name+" "+client, a, r, policy.Filtered)
						if client == noEDNS {
							equal(t, name, len(a.Reply(r, verdict(policy.Filtered)).Answer), 3)
						}
					}
				}
			}
		}
	}
}

// Compression may find the mailbox or the name server in the query name.
func TestSharedSuffix(t *testing.T) {
	a := mustNew(t, large)
	for _, suffix := range []string{"invalid.", "blocked.invalid.", "isp.example.", "example.", `a\.invalid.`, "Invalid."} {
		for n := range 180 {
			name := strings.Repeat("a.", n/2) + strings.Repeat("b", 1+n%2) + "." + suffix
			for _, client := range clients {
				for _, size := range []int{512, 513, 520, 600} {
					checkFit(t, name, a, Request{Msg: query(name, dns.TypeA, client), Size: size, UDP: true}, policy.Blocked)
				}
			}
		}
	}
}

// Every octet of size: the texts grow with the room and no rung is left out.
func TestLadderClimbs(t *testing.T) {
	a := mustNew(t, large)
	// A query name of 250 octets leaves little room at 512.
	name := shapes(t, 250)[0]
	for _, client := range []string{edns, sde, legacy} {
		texts := a.explains[policy.Censored].plain
		if client != edns {
			texts = a.explains[policy.Censored].structured
		}
		seen := map[string]bool{}
		last := -1
		for size := 512; size <= 1400; size++ {
			r := Request{Msg: query(name, dns.TypeA, client), Size: size}
			checkFit(t, client, a, r, policy.Censored)
			text := errorIn(t, a.Reply(r, verdict(policy.Censored))).ExtraText
			if len(text) < last {
				t.Errorf("%s, %d: %d octets of text, %d in less room", client, size, len(text), last)
			}
			last, seen[text] = len(text), true
		}
		for _, text := range texts[:len(texts)-1] {
			if !seen[text] {
				t.Errorf("%s: never sent: %q", client, text)
			}
		}
	}
}

// What others add to a reply is left free, down to a reply that says nothing;
// in less than that there is only room to say so.
func TestReserve(t *testing.T) {
	a := mustNew(t, large)
	q := query("www.bad.example.", dns.TypeA, sde)
	var forms []string
	for reserve := range 520 {
		r := Request{Msg: q, Size: 512, UDP: true, Reserve: reserve}
		m := a.Reply(r, verdict(policy.Blocked))
		form := fmt.Sprint("errors ", len(errorsIn(m)), " echo ", echoes(m), " SOA ", soaIn(m) != nil, " TC ", m.Truncated)
		if len(forms) == 0 || forms[len(forms)-1] != form {
			forms = append(forms, form)
		}
		if n := len(pack(t, m)); n+reserve > 512 && !m.Truncated {
			t.Fatalf("%d octets and %d reserved", n, reserve)
		}
	}
	equal(t, "forms", forms, []string{
		"errors 1 echo true SOA true TC false",
		"errors 0 echo true SOA true TC false",
		"errors 0 echo false SOA true TC false",
		"errors 0 echo false SOA false TC true",
	})
	equal(t, "a negative reserve",
		pack(t, a.Reply(Request{Msg: q, Size: 512, Reserve: -100}, verdict(policy.Blocked))),
		pack(t, a.Reply(Request{Msg: q, Size: 512}, verdict(policy.Blocked))))
}

// A reply to a client without EDNS is compressed for those who pack it
// themselves where it must be.
func TestCompressWithoutEDNS(t *testing.T) {
	name := shapes(t, 255)[0]
	m := mustNew(t, Config{}).Reply(Request{Msg: query(name, dns.TypeA, noEDNS), Size: 512}, verdict(policy.Filtered))
	if wire := pack(t, m); len(wire) > 512 || bytes.Count(wire, []byte{0xc0, 0x0c}) > 1 {
		t.Errorf("%d octets", len(wire))
	}
}
