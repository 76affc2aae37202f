package nonudify

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/nonudify/nonudify/plugin/packettest"
)

var frontQueries = flag.Int("fronted", 100_000, "random queries that TestFrontAnswer asks of the front and of the server")

func init() {
	at := slices.Index(dnsserver.Directives, "cache")
	dnsserver.Directives = slices.Insert(slices.Clone(dnsserver.Directives), at, "nonudify")
}

// frontedServer returns what a front sees of a server at a port, which answers
// as its blocks say, but listens nowhere.
func frontedServer(t testing.TB, port string, blocks ...*dnsserver.Config) *fronted {
	t.Helper()
	for _, b := range blocks {
		b.Transport, b.ListenHosts, b.Port = "dns", []string{"127.0.0.1"}, port
	}
	s, err := dnsserver.NewServer("dns://127.0.0.1:"+port, blocks)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFronted(&instance{blocks: blocks}, s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// block returns a server block for a zone with plugins in their order.
func block(zone string, handlers ...plugin.Handler) *dnsserver.Config {
	c := &dnsserver.Config{Zone: zone}
	for _, h := range handlers {
		c.AddPlugin(func(next plugin.Handler) plugin.Handler {
			switch h := h.(type) {
			case *NoNudify: // what is behind it stands for the rest of the chain
			case *metrics.Metrics:
				h.Next = next
			case *stub:
				h.next = next
			case *passing:
				h.next = next
			}
			return h
		})
	}
	return c
}

// stub is a plugin that does nothing.
type stub struct {
	plugin.HandlerFunc
	name string
	next plugin.Handler
}

func (s *stub) Name() string { return s.name }

// passing is a plugin that hands all on.
type passing struct {
	name string
	next plugin.Handler
}

func (p *passing) Name() string { return p.name }

func (p *passing) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return plugin.NextOrFailure(p.name, p.next, ctx, w, r)
}

func counting(zones ...string) *metrics.Metrics {
	m := metrics.New("127.0.0.1:0")
	for _, z := range zones {
		m.AddZone(z)
	}
	return m
}

// sentWires is a writer that keeps what it is given, as it would be sent.
type sentWires struct {
	dns.ResponseWriter
	client netip.AddrPort
	sent   [][]byte
}

func (a *sentWires) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(a.client) }

func (a *sentWires) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }

func (a *sentWires) WriteMsg(m *dns.Msg) error {
	wire, err := m.Pack()
	a.sent = append(a.sent, wire)
	return err
}

// byChain returns what the server sends, nil for nothing.
func (f *fronted) byChain(t testing.TB, packet []byte, client netip.Addr) []byte {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		t.Fatal(err)
	}
	w := &sentWires{client: netip.AddrPortFrom(client, 4242)}
	f.service().Handler.ServeDNS(w, m)
	if len(w.sent) == 0 {
		return nil
	}
	return w.sent[0]
}

// listing is a directive that uses everything that an answer can depend on.
const listing = `list builtin name frontlist
block blocked.example law.blocked.example
allow fine.blocked.example
clients 192.0.2.0/24 2001:db8::/32
except 192.0.2.7
contact mailto:filter@isp.example
organization "Example Net"
bypass canary`

// frontNames are what names end in, some of them listed.
var frontNames = []string{
	"blocked.example", "Law.Blocked.Example", "fine.blocked.example", "unblocked.example", "example", "resolver.arpa", "use-application-dns.net", "test",
}

// TestFrontAnswer asks random questions of a front and of the server behind it, and
// of another server without a front. What the front answers is, octet for octet,
// what the server sends, and whatever is counted is the same in the end.
func TestFrontAnswer(t *testing.T) {
	for name, settings := range map[string]string{
		"nxdomain": listing, "nodata": listing + "\naction nodata\nreason blocked", "sinkhole": listing + "\naction sinkhole 192.0.2.80 192.0.2.81 2001:db8::80",
	} {
		t.Run(name, func(t *testing.T) {
			port := map[string]int{"nxdomain": 5300, "nodata": 5310, "sinkhole": 5320}[name]
			settings := strings.Replace(settings, "frontlist", "front"+name, 1)
			n := handler(t, settings)
			server := func(port int) *fronted {
				if name == "nodata" {
					return frontedServer(t, fmt.Sprint(port), block(".", counting("."), &passing{name: "errors"}, n))
				}
				return frontedServer(t, fmt.Sprint(port), block(".", counting("."), n))
			}
			front, chain := server(port), server(port+1)
			clients := []netip.Addr{
				netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.1"),
				netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db9::1"),
			}
			r := rand.New(rand.NewPCG(3, uint64(port)))
			answered, buf := 0, make([]byte, 1232)
			counts := func() float64 { return value(ours(t)["filter_queries_total"], "front"+name, "positive") }
			for range *frontQueries / 3 {
				packet := packettest.RandomQuery(r, packettest.RandomName(r, frontNames...))
				client := clients[r.IntN(len(clients))]
				want := chain.byChain(t, packet, client)
				size := front.Answer(buf, packet, client)
				if got := buf[:size]; size > 0 && !bytes.Equal(got, want) {
					t.Fatalf("The front answers\n%x\nthe server\n%x\nto %x", got, want, packet)
				} else if size > 0 {
					answered++
				} else {
					front.byChain(t, packet, client)
				}
			}
			if answered < *frontQueries/3/8 {
				t.Errorf("The front has answered %d queries only", answered)
			}
			t.Logf("%d answered by the front; the filter has seen %v", answered, counts())
			compareCounts(t, front.server.Addr, chain.server.Addr)
		})
	}
}

// TestFrontRecorded asks what programs ask, as they do. The front answers what is
// blocked, octet for octet as the server does, and leaves to that what says more of its
// sender than a plain query: a client subnet, or a wish to know the server.
func TestFrontRecorded(t *testing.T) {
	n := handler(t, strings.Replace(listing, "frontlist", "frontrecorded", 1))
	f, chain := frontedServer(t, "5340", block(".", counting("."), n)), frontedServer(t, "5341", block(".", counting("."), n))
	text, err := os.ReadFile("testdata/recorded.txt")
	if err != nil {
		t.Fatal(err)
	}
	buf, client := make([]byte, 1232), netip.MustParseAddr("192.0.2.1")
	for line := range strings.Lines(string(text)) {
		who, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		if who == "#" {
			continue
		}
		packet, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		got, want := buf[:f.Answer(buf, packet, client)], chain.byChain(t, packet, client)
		blocked := bytes.Contains(bytes.ToLower(packet), []byte("blocked"))
		switch {
		case !blocked || who == "dig-nsid-subnet":
			if len(got) > 0 {
				t.Errorf("%s: the front answers %x with %x", who, packet, got)
			}
		case !bytes.Equal(got, want):
			t.Errorf("%s: the front answers\n%x\nthe server\n%x\nto %x", who, got, want, packet)
		}
	}
}

// compareCounts holds all that is counted for one server against what is counted for
// another.
func compareCounts(t *testing.T, one, other string, except ...string) {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := [2]map[string]string{{}, {}}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if strings.HasPrefix(f.GetName(), "coredns_cache_") || slices.Contains(except, f.GetName()) {
				continue // what is sent again, it does not see
			}
			key := []string{f.GetName()}
			server := -1
			for _, l := range m.GetLabel() {
				if l.GetName() == "server" {
					server = slices.Index([]string{one, other}, l.GetValue())
				} else {
					key = append(key, l.GetName()+"="+l.GetValue())
				}
			}
			if server >= 0 {
				found[server][strings.Join(key, " ")] = countOf(key[0], m)
			}
		}
	}
	if len(found[1]) < 8 {
		t.Errorf("Only %d metrics are compared", len(found[1]))
	}
	for key, want := range found[1] {
		if got := found[0][key]; got != want {
			t.Errorf("%s is %s with a front, %s without", key, got, want)
		}
		delete(found[0], key)
	}
	if len(found[0]) > 0 {
		t.Errorf("With a front only: %v", found[0])
	}
}

// countOf returns what a metric says, but for how long something took.
func countOf(name string, m *dto.Metric) string {
	h := m.GetHistogram()
	if strings.Contains(name, "duration") || h == nil {
		return fmt.Sprint(m.GetCounter().GetValue(), m.GetGauge().GetValue(), h.GetSampleCount())
	}
	return fmt.Sprint(h.GetSampleCount(), h.GetSampleSum(), len(h.GetBucket()))
}

// TestFrontFilterCounts: the filter's counters see each query once, as without a
// front.
func TestFrontFilterCounts(t *testing.T) {
	n := handler(t, "list builtin name frontcounts\nblock blocked.example\nallow good.blocked.example")
	f := frontedServer(t, "5330", block(".", n))
	client := netip.MustParseAddr("192.0.2.1")
	seen := func(ask func(packet []byte)) (counts []float64) {
		before := ours(t)["filter_queries_total"]
		for _, name := range []string{"www.blocked.example", "good.example", "good.blocked.example", "clothoff.net"} {
			ask(packettest.Question(packettest.Name(name)).Wire())
		}
		after := ours(t)["filter_queries_total"]
		for _, list := range []string{"frontcounts", "block"} {
			for _, outcome := range []string{"negative", "positive", "false_positive"} {
				counts = append(counts, value(after, list, outcome)-max(0, value(before, list, outcome)))
			}
		}
		return counts
	}
	chain := seen(func(packet []byte) { f.byChain(t, packet, client) })
	front := seen(func(packet []byte) {
		var buf [1232]byte
		if f.Answer(buf[:], packet, client) == 0 {
			f.byChain(t, packet, client)
		}
	})
	if !slices.Equal(front, chain) || slices.Max(chain) == 0 {
		t.Errorf("The filters have seen %v with a front, %v without", front, chain)
	}
}

// TestFrontRoutes: the front answers for a server block only if nothing but this
// plugin has a say in it, and never for the names of another one.
func TestFrontRoutes(t *testing.T) {
	n := handler(t, "list builtin name frontroutes\nblock blocked.example")
	shadow := handler(t, "list builtin name frontroutes\nblock blocked.example\naction shadow")
	other := func(name string) *stub { return &stub{next, name, nil} }
	view := block(".", n)
	view.FilterFuncs = append(view.FilterFuncs, nil)
	for name, tt := range map[string]struct {
		blocks []*dnsserver.Config
		want   bool
	}{
		"alone":              {[]*dnsserver.Config{block(".", n)}, true},
		"behind bystanders":  {[]*dnsserver.Config{block(".", other("errors"), other("nsid"), other("shed"), other("cancel"), other("loadbalance"), n)}, true},
		"before others":      {[]*dnsserver.Config{block(".", n, other("cache"), other("forward"))}, true},
		"behind log":         {[]*dnsserver.Config{block(".", other("log"), n)}, false},
		"behind acl":         {[]*dnsserver.Config{block(".", other("acl"), n)}, false},
		"behind rewrite":     {[]*dnsserver.Config{block(".", other("rewrite"), n)}, false},
		"behind dnstap":      {[]*dnsserver.Config{block(".", other("dnstap"), n)}, false},
		"behind tsig":        {[]*dnsserver.Config{block(".", other("tsig"), n)}, false}, // one that cannot be looked into
		"behind an unknown":  {[]*dnsserver.Config{block(".", other("unknown"), n)}, false},
		"a view":             {[]*dnsserver.Config{view}, false},
		"views of one zone":  {[]*dnsserver.Config{block(".", n), block(".", n)}, false},
		"shadow":             {[]*dnsserver.Config{block(".", shadow)}, false},
		"another zone above": {[]*dnsserver.Config{block(".", other("whoami")), block("example.", n)}, true},
		"another zone below": {[]*dnsserver.Config{block(".", n), block("blocked.example.", other("whoami"))}, false},
		"same end":           {[]*dnsserver.Config{block(".", n), block("locked.example.", other("whoami"))}, true},
		"no zone":            {[]*dnsserver.Config{block("test.", n)}, false},
	} {
		f := frontedServer(t, "5340", tt.blocks...)
		var buf [1232]byte
		packet := packettest.Question(packettest.Name("www.bLOCked.example")).Wire()
		if got := f.Answer(buf[:], packet, netip.MustParseAddr("192.0.2.1")) > 0; got != tt.want {
			t.Errorf("%s: the front answers: %v", name, got)
		}
		if f.Answer(buf[:], packettest.Question(packettest.Name("good.example")).Wire(), netip.MustParseAddr("192.0.2.1")) > 0 {
			t.Errorf("%s: the front answers for a name that is not listed", name)
		}
	}
}

// TestFrontAllocates: nothing, be the name blocked or not.
func TestFrontAllocates(t *testing.T) {
	n := handler(t, "list builtin name frontallocates\nblock blocked.example\ncontact tel:+15550100")
	f := frontedServer(t, "5350", block(".", counting("."), n), block("test.", n))
	var buf [1232]byte
	for name, want := range map[string]bool{"www.blocked.example": true, "a-much-longer-name-than-thirty-two-octets.good.example": false} {
		packet := packettest.Question(packettest.Name(name)).With(packettest.OPT(1232, packettest.DO)).Wire()
		size := 0
		allocs := testing.AllocsPerRun(1000, func() { size = f.Answer(buf[:], packet, netip.MustParseAddr("192.0.2.1")) })
		if allocs != 0 || size > 0 != want {
			t.Errorf("%s: %v allocations, %d octets", name, allocs, size)
		}
	}
}

func BenchmarkFrontAnswer(b *testing.B) {
	n := handler(b, "list builtin name frontbench\nblock blocked.example")
	f := frontedServer(b, "5360", block(".", counting("."), n))
	for _, name := range []string{"www.blocked.example", "www.good.example"} {
		b.Run(name, func(b *testing.B) {
			packet := packettest.Question(packettest.Name(name)).With(packettest.OPT(1232, 0)).Wire()
			var buf [1232]byte
			b.ReportAllocs()
			for b.Loop() {
				f.Answer(buf[:], packet, netip.MustParseAddr("192.0.2.1"))
			}
		})
	}
}
