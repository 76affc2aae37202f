package front

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// queryFor returns a query for a name.
func queryFor(t testing.TB, name string, id uint16) []byte {
	t.Helper()
	wire := packettest.Question(packettest.Name(name)).With(packettest.OPT(1232, 0)).Wire()
	binary.BigEndian.PutUint16(wire, id)
	return wire
}

// replyTo returns a reply to a query, with records that have the TTLs, and an OPT.
func replyTo(t testing.TB, query []byte, edit func(m *dns.Msg), ttls ...uint32) []byte {
	t.Helper()
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg).SetReply(q)
	for i, ttl := range ttls {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN A 192.0.2.%d", q.Question[0].Name, ttl, i))
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	m.SetEdns0(1232, false)
	if edit != nil {
		edit(m)
	}
	m.Compress = true
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// store has a reply be kept as the server does. The query comes twice.
func (c *PacketCache) store(query, reply []byte, stamp uint64) {
	c.Keeper(query)
	k := c.Keeper(query)
	k.Keep(stamp)
	k.Wrote(reply)
}

// got returns what the cache has for a query, nil for nothing.
func (c *PacketCache) got(query []byte, stamp uint64) []byte {
	var dst [MaxReply]byte
	n := c.Get(dst[:], query, stamp)
	if n == 0 {
		return nil
	}
	return dst[:n]
}

// TestPacketCacheAges: what is kept is sent with the ID of the query and the TTLs that
// are left, for a tenth of the time that the records hold.
func TestPacketCacheAges(t *testing.T) {
	for _, tt := range []struct {
		ttls []uint32
		life time.Duration
	}{
		{[]uint32{300, 20, 4000}, 2 * time.Second},
		{[]uint32{35}, 3500 * time.Millisecond},
		{[]uint32{4000}, 5 * time.Second}, {[]uint32{5}, 500 * time.Millisecond}, {[]uint32{0}, 0}, {[]uint32{300, 0}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewPacketCache()
			first, second := queryFor(t, "www.good.example", 1), queryFor(t, "www.good.example", 0xBEEF)
			c.store(first, replyTo(t, first, nil, tt.ttls...), 7)
			for age := time.Duration(0); age < 6*time.Second; age += 100 * time.Millisecond {
				left := make([]uint32, len(tt.ttls))
				for i, ttl := range tt.ttls {
					left[i] = ttl - uint32(age/time.Second)
				}
				got := c.got(second, 7)
				if kept := age < tt.life; kept != (got != nil) {
					t.Fatalf("TTLs of %v: kept after %v: %v", tt.ttls, age, got != nil)
				} else if kept && !bytes.Equal(got, replyTo(t, second, nil, left...)) {
					t.Fatalf("TTLs of %v: after %v, the reply is\n%x", tt.ttls, age, got)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
}

// TestPacketCacheKeeps: only what comes again, only for the stamp that it has, and
// only as long as nobody has taken it back.
func TestPacketCacheKeeps(t *testing.T) {
	c := NewPacketCache()
	q := queryFor(t, "good.example", 1)
	wire := replyTo(t, q, nil, 300)
	if c.Keeper(q) != nil {
		t.Error("A query that comes for the first time is worth keeping")
	}
	k := c.Keeper(q)
	for _, stamps := range [][]uint64{nil, {0}, {3, 0}} {
		for _, stamp := range stamps {
			k.Keep(stamp)
		}
		k.Wrote(wire)
		if c.got(q, 0) != nil || c.got(q, 3) != nil {
			t.Errorf("Kept with stamps %v", stamps)
		}
	}
	k.Keep(3)
	k.Wrote(wire)
	k.Wrote(replyTo(t, q, nil, 600)) // a second reply is nobody's
	if !bytes.Equal(c.got(q, 3), wire) || c.got(q, 2) != nil {
		t.Errorf("Kept is\n%x\nor, with another stamp, %x", c.got(q, 3), c.got(q, 2))
	}
	for name, other := range map[string][]byte{
		"letter case": queryFor(t, "gooD.example", 1), "another name": queryFor(t, "good.example2", 1), "without EDNS": packettest.Question(packettest.Name("good.example")).Wire(),
		"DO": packettest.Question(packettest.Name("good.example")).With(packettest.OPT(1232, packettest.DO)).Wire(),
	} {
		if c.got(other, 3) != nil {
			t.Errorf("%s: answered with the reply to another query", name)
		}
	}
	var none *PacketCache
	if none.Keeper(q) != nil || none.got(q, 3) != nil {
		t.Error("No cache keeps something")
	}
	none.Keeper(q).Keep(3)
	none.Keeper(q).Wrote(wire)
}

// TestPacketCacheRefuses: what is not to be sent twice.
func TestPacketCacheRefuses(t *testing.T) {
	q := queryFor(t, "good.example", 1)
	alias := &dns.CNAME{Hdr: dns.RR_Header{Name: "good.example.", Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 300}, Target: "other.example."}
	soa := &dns.SOA{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.example.", Mbox: "mail.example."}
	long := func(m *dns.Msg) {
		for i := range 80 {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: []byte{192, 0, 2, byte(i)}})
		}
	}
	for name, wire := range map[string][]byte{
		"truncated":   replyTo(t, q, func(m *dns.Msg) { m.Truncated = true }, 300),
		"SERVFAIL":    replyTo(t, q, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }, 300),
		"REFUSED":     replyTo(t, q, func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }, 300),
		"no records":  replyTo(t, q, nil),
		"a TTL of 0":  replyTo(t, q, nil, 300, 0),
		"no question": replyTo(t, q, func(m *dns.Msg) { m.Question = nil }, 300),
		"many":        replyTo(t, q, long),
		"half a way":  replyTo(t, q, func(m *dns.Msg) { m.Answer = []dns.RR{alias} }),
		"no SOA":      replyTo(t, q, func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeNameError, []dns.RR{alias} }),
		"cut":         replyTo(t, q, nil, 300)[:50],
		"more":        append(replyTo(t, q, nil, 300), 0),
		"nothing":     nil,
	} {
		c := NewPacketCache()
		c.store(q, wire, 1)
		if c.got(q, 1) != nil {
			t.Errorf("%s: kept", name)
		}
	}
	for name, wire := range map[string][]byte{
		"a denial": replyTo(t, q, func(m *dns.Msg) { m.Rcode, m.Ns = dns.RcodeNameError, []dns.RR{soa} }),
		"no data":  replyTo(t, q, func(m *dns.Msg) { m.Answer, m.Ns = []dns.RR{alias}, []dns.RR{soa} }),
		"an alias": replyTo(t, q, func(m *dns.Msg) { m.Answer = append([]dns.RR{alias}, m.Answer...) }, 300),
	} {
		c := NewPacketCache()
		c.store(q, wire, 1)
		if c.got(q, 1) == nil {
			t.Errorf("%s: not kept", name)
		}
	}
}

// TestPacketCacheIsBounded: however many queries come, two slots are all that one has.
// What holds yet is not lost to a third.
func TestPacketCacheIsBounded(t *testing.T) {
	c := NewPacketCache()
	kept := 0
	for i := range 3 * slots {
		q := queryFor(t, fmt.Sprintf("n%d.example", i), 1)
		c.store(q, replyTo(t, q, nil, 4000), 1)
		if c.got(q, 1) != nil {
			kept++
		}
	}
	held := 0
	for i := range c.kept {
		if c.kept[i].Load() != nil {
			held++
		}
	}
	if held > slots || held < slots*9/10 || kept < 2*slots {
		t.Errorf("%d of %d slots are used; %d replies were kept", held, slots, kept)
	}
}

// TestPacketCacheAllocates: nothing, be there a reply or not.
func TestPacketCacheAllocates(t *testing.T) {
	c := NewPacketCache()
	q, other := queryFor(t, "good.example", 1), queryFor(t, "other.example", 1)
	c.store(q, replyTo(t, q, nil, 4000), 1)
	var dst [MaxReply]byte
	if n := testing.AllocsPerRun(100, func() {
		if c.Get(dst[:], q, 1) == 0 || c.Get(dst[:], other, 1) > 0 {
			t.Error("A reply is missing, or there is one too many")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTimes holds where the TTLs are against what the DNS library makes of a message
// that it has packed, as all are that are kept: after they are written over, all else
// is as it was.
func FuzzTimes(f *testing.F) {
	q := queryFor(f, "www.good.example", 1)
	f.Add(replyTo(f, q, nil, 300, 60))
	f.Add(replyTo(f, q, func(m *dns.Msg) {
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "a.example.", Mbox: "b.example."}}
	}))
	f.Add(q)
	f.Fuzz(func(t *testing.T, fuzzed []byte) {
		times(fuzzed) // must not panic
		m := new(dns.Msg)
		if m.Unpack(fuzzed) != nil {
			return
		}
		m.Compress = true
		wire, err := m.Pack()
		at, shortest := times(wire)
		if err != nil || at == nil || m.Unpack(wire) != nil { // it packs records without data that it cannot read
			return
		}
		want, n := ^uint32(0), 0
		for _, rr := range append(append(m.Answer, m.Ns...), m.Extra...) {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				want, n = min(want, h.Ttl), n+1
				h.Ttl = 7
			}
		}
		if n != len(at) || shortest != want {
			t.Fatalf("%d TTLs, the least of them %d; the library finds %d, and %d", len(at), shortest, n, want)
		}
		for _, i := range at {
			binary.BigEndian.PutUint32(wire[i:], 7)
		}
		again := new(dns.Msg)
		if err := again.Unpack(wire); err != nil || again.String() != m.String() {
			t.Fatalf("%v\nis now\n%v\n%v", m, again, err)
		}
	})
}

func BenchmarkPacketCache(b *testing.B) {
	c := NewPacketCache()
	q, other := queryFor(b, "good.example", 1), queryFor(b, "other.example", 1)
	c.store(q, replyTo(b, q, nil, 1<<30), 1)
	var dst [MaxReply]byte
	for name, query := range map[string][]byte{"hit": q, "miss": other} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.Get(dst[:], query, 1)
			}
		})
	}
}
