package nonudify

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/front"
	"github.com/nonudify/nonudify/plugin/packettest"
)

// upstream is what a cache asks: names have an address, but for those that lead to a
// listed name, and those that do not exist.
func upstream(ttl string) plugin.Handler {
	return plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		m := new(dns.Msg).SetReply(r)
		m.RecursionAvailable = true
		switch name := r.Question[0].Name; {
		case strings.HasPrefix(strings.ToLower(name), "leads"):
			m.Answer = []dns.RR{test.CNAME(name + " " + ttl + " IN CNAME www.blocked.example.")}
		case r.Question[0].Qtype != dns.TypeA:
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{test.SOA("example. " + ttl + " IN SOA ns.example. hostmaster.example. 1 2 3 4 " + ttl)}
		default:
			m.Answer = []dns.RR{test.A(name + " " + ttl + " IN A 192.0.2.1")}
		}
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
}

// cached returns a server block with a cache behind the plugin, and before an upstream.
func cached(n *NoNudify, next plugin.Handler, before ...plugin.Handler) *dnsserver.Config {
	c := cache.New()
	c.Next, n.Next = next, c
	return block(".", append(before, n, c)...)
}

// keptWires is the writer of a front.
type keptWires struct {
	sentWires
	keeper *front.Keeper
}

func (w *keptWires) Keeper() *front.Keeper { return w.keeper }

func (w *keptWires) WriteMsg(m *dns.Msg) error {
	err := w.sentWires.WriteMsg(m)
	w.keeper.Wrote(w.sent[len(w.sent)-1])
	return err
}

// throughFront returns what the front sends, or else the server behind it, and whether
// it was the front.
func (f *fronted) throughFront(t testing.TB, packet []byte, client netip.Addr) (wire []byte, atOnce bool) {
	t.Helper()
	var buf [front.MaxReply]byte
	if n := f.Answer(buf[:], packet, client); n > 0 {
		return bytes.Clone(buf[:n]), true
	}
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		t.Fatal(err)
	}
	w := &keptWires{sentWires{client: netip.AddrPortFrom(client, 4242)}, f.packets.Keeper(packet)}
	f.service().Handler.ServeDNS(w, m)
	if len(w.sent) == 0 {
		return nil, false
	}
	return w.sent[0], false
}

// keptNames are few, so that all are asked for again and again.
var keptNames = []string{"good.example", "www.good.example", "leads.example", "blocked.example", "fine.blocked.example", "sub.fine.blocked.example", "use-application-dns.net", "GOOD.example"}

var keptClients = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::1")}

// keptQuery returns one of a few queries.
func keptQuery(r *rand.Rand) []byte {
	p := packettest.Question(nil)
	qtype := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS}[r.IntN(3)]
	p.Questions = [][]byte{packettest.Entry(packettest.Name(keptNames[r.IntN(len(keptNames))]), qtype, dns.ClassINET)}
	if opt := r.IntN(3); opt > 0 {
		p = p.With(packettest.OPT(uint16(1232*opt), uint32(opt-1)<<15))
	}
	wire := p.Wire()
	wire[0], wire[1] = byte(r.Uint32()), byte(r.Uint32())
	return wire
}

// TestFrontRepeats: with what was answered a moment ago, the front says what the server
// says at that time, octet for octet, and all is counted as without it, but for what
// the cache counts, and the size that a reply has before it is sent.
func TestFrontRepeats(t *testing.T) {
	one, other := handler(t, strings.Replace(listing, "frontlist", "frontrepeats", 1)), handler(t, strings.Replace(listing, "frontlist", "frontrepeats", 1))
	synctest.Test(t, func(t *testing.T) {
		f := frontedServer(t, "5370", cached(one, upstream("40"), counting(".")))
		chain := frontedServer(t, "5371", cached(other, upstream("40"), counting(".")))
		r := rand.New(rand.NewPCG(7, 1))
		const n = 30000
		for range n {
			packet, client := keptQuery(r), keptClients[r.IntN(len(keptClients))]
			got, _ := f.throughFront(t, packet, client)
			if want := chain.byChain(t, packet, client); !bytes.Equal(got, want) {
				t.Fatalf("The front answers\n%x\nthe server\n%x\nto %x", got, want, packet)
			}
			if r.IntN(500) == 0 {
				time.Sleep(time.Duration(r.IntN(5)) * time.Second)
			}
		}
		if repeated := f.counters.Repeated.Load(); repeated < n/5 {
			t.Errorf("Only %d replies of %d were sent again", repeated, n)
		} else {
			t.Logf("%d replies of %d were sent again", repeated, n)
		}
	})
	compareCounts(t, "dns://127.0.0.1:5370", "dns://127.0.0.1:5371", "coredns_dns_response_size_bytes") // which is that of a reply before it is compressed
}

// TestFrontForgets: what is kept ends with the policy that it was kept under.
func TestFrontForgets(t *testing.T) {
	n := handler(t, "block nothing.example")
	f := frontedServer(t, "5372", cached(n, upstream("4000")))
	client := netip.MustParseAddr("192.0.2.1")
	packet := packettest.Question(packettest.Name("www.good.example")).Wire()
	ask := func() (rcode byte, atOnce bool) {
		wire, atOnce := f.throughFront(t, packet, client)
		return wire[3] & 0xf, atOnce
	}
	for range 2 {
		ask()
	}
	if _, atOnce := ask(); !atOnce {
		t.Fatal("The third reply is not one that was kept")
	}
	now := handler(t, "block good.example")
	n.policy.Store(now.policy.Load())
	if rcode, _ := ask(); rcode != dns.RcodeNameError {
		t.Errorf("A name that is listed now is answered with code %d", rcode)
	}
	n.policy.Store(handler(t, "block nothing.example").policy.Load())
	if rcode, atOnce := ask(); rcode != dns.RcodeSuccess || atOnce {
		t.Errorf("A name that has left the list is answered with code %d, at once: %v", rcode, atOnce)
	}
}

// TestFrontRepeatsNothingListed: not even if it was kept.
func TestFrontRepeatsNothingListed(t *testing.T) {
	n := handler(t, "block good.example")
	f := frontedServer(t, "5376", cached(n, upstream("4000")))
	client, packet := netip.MustParseAddr("192.0.2.1"), packettest.Question(packettest.Name("www.good.example")).Wire()
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		t.Fatal(err)
	}
	m.SetReply(m).Answer = []dns.RR{test.A("www.good.example. 4000 IN A 192.0.2.1")}
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	f.packets.Keeper(packet)
	k := f.packets.Keeper(packet)
	k.Keep(n.policy.Load().Stamp(client))
	k.Wrote(wire)
	var dst [front.MaxReply]byte
	if f.packets.Get(dst[:], packet, n.policy.Load().Stamp(client)) == 0 {
		t.Fatal("Nothing is kept")
	}
	if got, _ := f.throughFront(t, packet, client); len(got) == 0 || got[3]&0xf != dns.RcodeNameError {
		t.Errorf("The front says %x", got)
	}
}

// TestFrontRepeatable: only where a cache right behind could send the same reply.
func TestFrontRepeatable(t *testing.T) {
	other := func(name string) *stub { return &stub{next, name, nil} }
	for name, tt := range map[string]struct {
		settings string
		block    func(n *NoNudify) *dnsserver.Config
		want     bool
	}{
		"a cache": {"", func(n *NoNudify) *dnsserver.Config { return cached(n, next) }, true},
		"behind bystanders": {"", func(n *NoNudify) *dnsserver.Config {
			return cached(n, next, other("errors"), other("shed"), counting("."))
		}, true},
		"behind loadbalance":  {"", func(n *NoNudify) *dnsserver.Config { return cached(n, next, other("loadbalance")) }, false},
		"no cache":            {"", func(n *NoNudify) *dnsserver.Config { return block(".", n, other("forward")) }, false},
		"nothing behind":      {"", func(n *NoNudify) *dnsserver.Config { return block(".", n) }, false},
		"another cache":       {"", func(n *NoNudify) *dnsserver.Config { return block(".", n, other("cache")) }, false},
		"a cache for a zone":  {"", func(n *NoNudify) *dnsserver.Config { c := cached(n, next); zoned(n, "example."); return c }, false},
		"a cache for no zone": {"", func(n *NoNudify) *dnsserver.Config { c := cached(n, next); zoned(n); return c }, false},
		"in the shadow":       {"action shadow", func(n *NoNudify) *dnsserver.Config { return cached(n, next) }, false},
	} {
		n := handler(t, "list builtin name frontrepeatable\n"+tt.settings)
		if r := frontedServer(t, "5373", tt.block(n)).zones["."]; r == nil || r.repeats != tt.want || n.repeated.Load() != tt.want {
			t.Errorf("%s: repeated: %+v", name, r)
		}
	}
}

// TestFrontKeepsItsOwn: what plugins behind ask the server on the way has no say in what is
// kept, as file does where an alias leads out of its zone, or cache while the reply is written.
func TestFrontKeepsItsOwn(t *testing.T) {
	n := handler(t, strings.Replace(listing, "frontlist", "frontown", 1))
	answered := upstream("40")
	asking := plugin.HandlerFunc(func(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		if name := "on.the.way.example."; r.Question[0].Name != name {
			inner := nonwriter.New(w)
			ctx.Value(dnsserver.Key{}).(*dnsserver.Server).ServeDNS(ctx, inner, new(dns.Msg).SetQuestion(name, dns.TypeA))
			if inner.Msg == nil || len(inner.Msg.Answer) != 1 {
				t.Errorf("The server says %v on the way", inner.Msg)
			}
		}
		return answered.ServeDNS(ctx, w, r)
	})
	synctest.Test(t, func(t *testing.T) {
		f := frontedServer(t, "5374", cached(n, asking))
		for name, want := range map[string]bool{"www.good.example": true, "fine.blocked.example": false} { // which is counted by the list that it is in
			packet, kept := packettest.Question(packettest.Name(name)).Wire(), false
			for _, age := range []time.Duration{time.Minute, time.Second, 0} { // the cache asks again after the first
				_, kept = f.throughFront(t, packet, netip.MustParseAddr("192.0.2.1"))
				time.Sleep(age)
			}
			if kept != want {
				t.Errorf("%s: kept: %v", name, kept)
			}
		}
	})
}

// TestFrontKeepsNobody: a query that tells who has asked is not held in memory.
func TestFrontKeepsNobody(t *testing.T) {
	n := handler(t, "block nothing.example")
	f := frontedServer(t, "5375", cached(n, upstream("4000")))
	client := netip.MustParseAddr("192.0.2.1")
	for name, tt := range map[string]struct {
		option []byte
		want   bool
	}{
		"padding":       {packettest.Option(dns.EDNS0PADDING, 0, 0), true},
		"cookie":        {packettest.Option(dns.EDNS0COOKIE, 1, 2, 3, 4, 5, 6, 7, 8), false},
		"client subnet": {packettest.Option(dns.EDNS0SUBNET, 0, 1, 32, 0, 192, 0, 2, 1), false},
	} {
		packet := packettest.Question(packettest.Name("www.good.example")).With(packettest.OPT(1232, 0, tt.option)).Wire()
		for range 3 {
			f.throughFront(t, packet, client)
		}
		var dst [front.MaxReply]byte
		if kept := f.packets.Get(dst[:], packet, n.policy.Load().Stamp(client)) > 0; kept != tt.want {
			t.Errorf("%s: kept: %v", name, kept)
		}
	}
}

// zoned has the cache behind a handler be for zones.
func zoned(n *NoNudify, zones ...string) { n.Next.(*cache.Cache).Zones = zones }

// TestFrontRepeatsExactly: caches that are told to make exceptions are known by fields
// that CoreDNS does not show.
func TestFrontRepeatsExactly(t *testing.T) {
	for settings, want := range map[string]bool{
		"cache": true, "cache 60": true, "cache {\nprefetch 10 1m 10%\nserve_stale 1h immediate\nsuccess 100000\n}": true,
		"cache {\nkeepttl\n}": false, "cache {\ndisable success example.\n}": false, "cache {\ndisable denial\n}": false,
	} {
		c := caddy.NewTestController("dns", settings)
		setup, err := caddy.DirectiveAction("dns", "cache")
		if err == nil {
			err = setup(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		k := dnsserver.GetConfig(c).Plugin[0](next).(*cache.Cache)
		if got := cachesAll(k); got != want {
			t.Errorf("%q caches all: %v", settings, got)
		}
	}
}
