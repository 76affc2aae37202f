package answer

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// isp is a configuration that uses everything.
var isp = Config{
	Contacts:       []string{"mailto:dns-filter@isp.example", "tel:+1-555-0100"},
	Organization:   "Example ISP",
	Justifications: []Justification{{"en", "Listed as a non-consensual intimate image generator"}},
	Incidents:      []Incident{{"lumen", "12345678"}},
}

// page is the same with the addresses of a help page.
var page = with(isp, func(c *Config) {
	c.Action = Sinkhole
	c.Addresses = addrs("192.0.2.1", "2001:db8::1", "192.0.2.2")
})

func with(c Config, change func(*Config)) Config {
	change(&c)
	return c
}

func addrs(ss ...string) (out []netip.Addr) {
	for _, s := range ss {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func mustNew(t testing.TB, c Config) *Answerer {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// verdict blocks by a subtree rule with two labels.
func verdict(r policy.Reason) policy.Verdict {
	return policy.Verdict{Action: rule.Block, Reason: r, Trigger: rule.Subtree, Labels: 2, Serial: 2026112201}
}

// The clients that a reply depends on.
const (
	noEDNS = "no EDNS"
	edns   = "EDNS"
	sde    = "SDE"
	legacy = "legacy SDE"
)

var clients = []string{noEDNS, edns, sde, legacy}

func query(name string, qtype uint16, client string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Id = 0x1234
	if client == noEDNS {
		return m
	}
	m.SetEdns0(1232, false)
	opt := m.IsEdns0()
	switch client {
	case sde:
		opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: 26})
	case legacy:
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{})
	}
	return m
}

func request(m *dns.Msg) Request { return Request{Msg: m, Size: 1232, UDP: true} }

// sent returns the reply as the client unpacks it, with its length on the wire,
// after all that CoreDNS does to a reply that a plugin has written: it sets the
// OPT record's fields from the query and cuts the reply to the client's size.
func sent(t testing.TB, r Request, reply *dns.Msg) (*dns.Msg, int) {
	t.Helper()
	if o := r.Msg.IsEdns0(); o != nil {
		mo := reply.IsEdns0()
		if mo == nil {
			t.Fatal("no OPT in the reply to a client that sent one")
		}
		mo.SetUDPSize(o.UDPSize())
		mo.Hdr.Ttl &= 0xff00
		if o.Do() {
			mo.SetDo()
		}
	}
	reply.Truncate(r.Size)
	wire := pack(t, reply)
	got := new(dns.Msg)
	if err := got.Unpack(wire); err != nil {
		t.Fatalf("reply does not parse: %v\n%x", err, wire)
	}
	return got, len(wire)
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatalf("reply does not pack: %v\n%v", err, m)
	}
	return wire
}

func unpack(t testing.TB, wire []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	return m
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// errorsIn returns the extended errors of a message.
func errorsIn(m *dns.Msg) (out []*dns.EDNS0_EDE) {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				out = append(out, e)
			}
		}
	}
	return out
}

// errorIn returns the one extended error of a message.
func errorIn(t testing.TB, m *dns.Msg) *dns.EDNS0_EDE {
	t.Helper()
	es := errorsIn(m)
	if len(es) != 1 {
		t.Fatalf("%d extended errors, want 1\n%v", len(es), m)
	}
	return es[0]
}

func echoes(m *dns.Msg) bool {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if o.Option() == 26 {
				return true
			}
		}
	}
	return false
}

// soaIn returns the SOA of a denial, nil when it has none or is none.
func soaIn(m *dns.Msg) *dns.SOA {
	if len(m.Answer) != 0 || len(m.Ns) != 1 {
		return nil
	}
	soa, _ := m.Ns[0].(*dns.SOA)
	return soa
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func structured(text string) bool { return strings.HasPrefix(text, "{") }

// checkDenial checks all that every denial of bad.example has in common.
func checkDenial(t *testing.T, name string, q, m *dns.Msg, rcode int) {
	t.Helper()
	want := dns.MsgHdr{
		Id: q.Id, Response: true, Opcode: q.Opcode, Rcode: rcode, RecursionAvailable: true,
		RecursionDesired: q.RecursionDesired, CheckingDisabled: q.CheckingDisabled,
	}
	equal(t, name+": header", m.MsgHdr, want)
	equal(t, name+": question", m.Question, q.Question)
	soa := &dns.SOA{
		Hdr: dns.RR_Header{Name: "bad.example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "blocked.invalid.", Mbox: "hostmaster.blocked.invalid.", Serial: 2026112201,
		Refresh: 3600, Retry: 600, Expire: 604800, Minttl: 60,
	}
	got := soaIn(m)
	if got == nil {
		t.Fatalf("%s: no denial\n%v", name, m)
	}
	soa.Hdr.Rdlength = got.Hdr.Rdlength
	equal(t, name+": SOA", got, soa)
	checkOPT(t, name, q.IsEdns0(), m)
}

func checkOPT(t *testing.T, name string, asked *dns.OPT, m *dns.Msg) {
	t.Helper()
	if asked == nil {
		equal(t, name+": additional records", len(m.Extra), 0)
		return
	}
	opt := m.IsEdns0()
	if opt == nil || len(m.Extra) != 1 {
		t.Fatalf("%s: additional section %v", name, m.Extra)
	}
	want := uint32(0)
	if asked.Do() {
		want = 1 << 15
	}
	equal(t, name+": extended rcode, version and flags", opt.Hdr.Ttl, want)
	equal(t, name+": size", opt.UDPSize(), asked.UDPSize())
	errorIn(t, m)
}
