package answer

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/packettest"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

var composed = flag.Int("composed", 100_000, "random queries that TestCompose answers both ways")

// chainSends returns the octets that CoreDNS sends for a reply of Reply: it sets
// the fields of the OPT record from the query, cuts the reply to the client's
// size, and compresses what may be fragmented.
func chainSends(t testing.TB, r Request, ipv6 bool, reply *dns.Msg) []byte {
	t.Helper()
	if o := r.Msg.IsEdns0(); o != nil {
		mo := reply.IsEdns0()
		mo.SetVersion(0)
		mo.SetUDPSize(o.UDPSize())
		mo.Hdr.Ttl &= 0xff00
		if o.Do() {
			mo.SetDo()
		}
	}
	reply.Truncate(r.Size)
	if n := reply.Len(); !reply.Compress && (n > 1480 || ipv6 && n > 1220) {
		reply.Compress = true
	}
	return pack(t, reply)
}

// compareWays answers a query both ways. It returns whether Compose has answered.
func compareWays(t testing.TB, a *Answerer, wire []byte, w Way, v policy.Verdict) bool {
	t.Helper()
	var q Query
	m := new(dns.Msg)
	err := m.Unpack(wire)
	if !q.Parse(wire) {
		return false
	}
	checkQuery(t, &q, m, err)
	var buf [MaxReply]byte
	n := a.Compose(buf[:], &q, w, v)
	if n == 0 {
		return false
	}
	size := uint16(0)
	if o := m.IsEdns0(); o != nil {
		size = o.UDPSize()
	}
	r := Request{Msg: m, Size: max(int(size), 512), UDP: true, Reserve: w.Reserve}
	if want := chainSends(t, r, w.IPv6, a.Reply(r, v)); !bytes.Equal(buf[:n], want) {
		t.Fatalf("Composed\n%x\nthe chain sends\n%x\nfor %x", buf[:n], want, wire)
	}
	return true
}

// checkQuery checks what was read of a query against the DNS library.
func checkQuery(t testing.TB, q *Query, m *dns.Msg, err error) {
	t.Helper()
	switch o := m.IsEdns0(); {
	case err != nil:
		t.Fatalf("A plain query is none to the DNS library: %v", err)
	case m.Response || m.Opcode != dns.OpcodeQuery || m.Rcode != 0 || len(m.Question) != 1 || len(m.Answer)+len(m.Ns) > 0 || len(m.Extra) > 1 || o == nil && len(m.Extra) > 0:
		t.Fatalf("Not a plain query: %v", m)
	case m.Question[0].Name != q.Name() || m.Question[0].Qtype != q.Type || m.Question[0].Qclass != dns.ClassINET:
		t.Fatalf("Question %q %d, the DNS library reads %v", q.Name(), q.Type, m.Question[0])
	case m.Len() != q.Len() || q.DO() != (o != nil && o.Do()) || o != nil && (o.Version() != 0 || o.UDPSize() != q.size):
		t.Fatalf("%+v is not %v", q, m)
	}
}

func randomVerdict(r *rand.Rand, labels int) policy.Verdict {
	return policy.Verdict{
		Action: rule.Block, Reason: policy.Reason(r.IntN(policy.Reasons)), Trigger: rule.Trigger(1 + r.IntN(3)), Open: r.IntN(3) == 0,
		Labels: 1 + r.IntN(labels), Serial: []uint32{0, 1, 2026112201}[r.IntN(3)], Bypass: policy.Bypass(max(0, r.IntN(12)-8)),
	}
}

// TestCompose: what is composed is, octet for octet, what CoreDNS sends of Reply,
// for random queries, settings and verdicts.
func TestCompose(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	var answerers []*Answerer
	for range 64 {
		k := knobs(r.Uint64())
		c := k.config()
		c.TTL = DefaultTTL
		if r.IntN(3) == 0 {
			c.Mbox = []string{"blocked.invalid", "invalid", "who.isp.example", `a\.b.blocked.invalid`}[r.IntN(4)]
		}
		answerers = append(answerers, mustNew(t, c))
	}
	answered, compressed := 0, 0
	for range *composed {
		name := packettest.RandomName(r, "example", "test", "invalid", "Invalid", "blocked.invalid", "isp.example", "blocked.INVALID")
		labels := strings.Count(name, ".")
		wire := packettest.RandomQuery(r, name)
		w := Way{Reserve: []int{0, 0, 160}[r.IntN(3)], IPv6: r.IntN(2) == 0}
		a, v := answerers[r.IntN(len(answerers))], randomVerdict(r, labels)
		if !compareWays(t, a, wire, w, v) {
			continue
		}
		answered++
		var q Query
		var b [MaxReply]byte
		q.Parse(wire)
		if n := a.Compose(b[:], &q, w, v); bytes.Contains(b[headerLen+q.name+4:n], []byte{0xc0}) {
			compressed++
		}
	}
	t.Logf("%d queries, %d answered, of these %d perhaps compressed", *composed, answered, compressed)
	if answered < *composed*8/10 || compressed < *composed/100 {
		t.Errorf("The random queries test too little")
	}
}

// TestPlain: what is not a plain query is left to the DNS library.
func TestPlain(t *testing.T) {
	t.Parallel()
	question := packettest.Question(packettest.Name("www.bad.example"))
	var q Query
	if !q.Parse(question.Wire()) || !q.Parse(question.With(packettest.OPT(1232, 0)).Wire()) {
		t.Fatal("A plain query is refused")
	}
	for bit := range 16 {
		p := question
		p.Bits = 1 << bit
		want := p.Bits == packettest.RD || p.Bits == packettest.AD || p.Bits == packettest.CD
		if got := q.Parse(p.Wire()); got != want {
			t.Errorf("Header bits %04x: plain %v", p.Bits, got)
		}
	}
	none := question
	none.Questions = nil
	odd := map[string][]byte{
		"no question":        none.Wire(),
		"root":               packettest.Question([]byte{0}).Wire(),
		"other octet":        packettest.Question(packettest.Name("w w.bad.example")).Wire(),
		"pointer":            packettest.Question([]byte{3, 'w', 'w', 'w', 0xc0, 12}).Wire(),
		"octets behind":      append(question.Wire(), 0),
		"two OPT":            question.With(packettest.OPT(1232, 0), packettest.OPT(1232, 0)).Wire(),
		"version 1":          question.With(packettest.OPT(1232, packettest.Version1)).Wire(),
		"flag beside DO":     question.With(packettest.OPT(1232, 1<<14)).Wire(),
		"client subnet":      question.With(packettest.OPT(1232, 0, packettest.Option(dns.EDNS0SUBNET, 0, 1, 24, 0, 192, 0, 2))).Wire(),
		"NSID":               question.With(packettest.OPT(1232, 0, packettest.Option(dns.EDNS0NSID))).Wire(),
		"short EDE":          question.With(packettest.OPT(1232, 0, packettest.Option(dns.EDNS0EDE, 0))).Wire(),
		"513 octets":         question.With(packettest.OPT(1232, 0, packettest.Option(dns.EDNS0PADDING, make([]byte, 513-33-11-4)...))).Wire(),
		"a record no option": question.With(packettest.RR([]byte{0}, dns.TypeTXT, 1, 0, []byte{1, 'x'})).Wire(),
	}
	for name, wire := range odd {
		if q.Parse(wire) {
			t.Errorf("%s: taken for a plain query", name)
		}
	}
	for _, s := range packettest.Specimens(packettest.Name("www.bad.example")) {
		if q.Parse(s.Wire) {
			m := new(dns.Msg)
			checkQuery(t, &q, m, m.Unpack(s.Wire))
		}
	}
}

// TestComposeAllocates: nothing.
func TestComposeAllocates(t *testing.T) {
	a := mustNew(t, isp)
	v := verdict(policy.Blocked)
	for _, client := range clients {
		wire, err := query("WwW.baD.example.", dns.TypeA, client).Pack()
		if err != nil {
			t.Fatal(err)
		}
		var b [MaxReply]byte
		n := 0
		allocs := testing.AllocsPerRun(100, func() {
			var q Query
			if q.Parse(wire) {
				n = a.Compose(b[:], &q, Way{}, v)
			}
		})
		if allocs != 0 || n == 0 {
			t.Errorf("%s: %v allocations, %d octets", client, allocs, n)
		}
	}
}

// FuzzCompose gives any octets to both ways. Seeds: the messages that nobody
// should send, and queries of each kind of client.
func FuzzCompose(f *testing.F) {
	for i, s := range packettest.Specimens(packettest.Name("www.bad.example")) {
		f.Add(s.Wire, uint64(i*7919), i%2 == 0)
	}
	for i, client := range clients {
		wire, err := query("a.b.bad.example.", dns.TypeAAAA, client).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, uint64(i*977), true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64, ipv6 bool) {
		k := knobs(seed)
		a := mustNew(t, k.config())
		v := k.verdict()
		var q Query
		if !q.Parse(wire) {
			return
		}
		v.Labels = 1 + v.Labels%strings.Count(q.Name(), ".")
		compareWays(t, a, wire, Way{IPv6: ipv6, Reserve: int(160 * k.take(2))}, v)
	})
}

func BenchmarkCompose(b *testing.B) {
	a := mustNew(b, isp)
	v := verdict(policy.Blocked)
	wire, err := query("www.bad.example.", dns.TypeA, edns).Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var dst [MaxReply]byte
	var q Query
	for b.Loop() {
		q.Parse(wire)
		a.Compose(dst[:], &q, Way{}, v)
	}
}
