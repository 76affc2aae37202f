package nonudify

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/mocktracer"

	"github.com/nonudify/nonudify/plugin/discovery"
	"github.com/nonudify/nonudify/plugin/policy"
)

// handler returns a started handler for the body of a directive.
func handler(t testing.TB, body string) *NoNudify {
	t.Helper()
	n, err := parse(caddy.NewTestController("dns", "nonudify {\n"+body+"\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.start(&instance{}, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stop)
	n.Next = next
	return n
}

// passed is what the plugin behind ours answers; it marks that it was reached.
const passed = "192.0.2.53"

var next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	m := new(dns.Msg).SetReply(r)
	m.Answer = []dns.RR{test.A(r.Question[0].Name + " 60 IN A " + passed)}
	return dns.RcodeSuccess, w.WriteMsg(m)
})

// ask returns the reply of a handler, and the code that it returned.
func ask(t *testing.T, n *NoNudify, m *dns.Msg) (*dns.Msg, int) {
	t.Helper()
	rec := dnstest.NewRecorder(&test.ResponseWriter{})
	code, err := n.ServeDNS(t.Context(), rec, m)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Msg, code
}

func TestServeDNS(t *testing.T) {
	n := handler(t, "block badsite.example only.example\nallow fine.badsite.example")
	for _, tt := range []test.Case{
		{Qname: "good.example.", Qtype: dns.TypeA, Answer: []dns.RR{test.A("good.example. 60 IN A " + passed)}},
		{Qname: "fine.badsite.example.", Qtype: dns.TypeA, Answer: []dns.RR{test.A("fine.badsite.example. 60 IN A " + passed)}},
		{Qname: "www.only.example.", Qtype: dns.TypeA, Rcode: dns.RcodeNameError,
			Ns: []dns.RR{test.SOA("only.example. 60 IN SOA blocked.invalid. hostmaster.blocked.invalid. 1 3600 600 604800 60")}},
		{Qname: "badsite.example.", Qtype: dns.TypeAAAA, // an allowed name is below
			Ns: []dns.RR{test.SOA("badsite.example. 60 IN SOA blocked.invalid. hostmaster.blocked.invalid. 1 3600 600 604800 60")}},
	} {
		reply, code := ask(t, n, tt.Msg())
		if err := test.SortAndCheck(reply, tt); err != nil {
			t.Errorf("%s: %v", tt.Qname, err)
		}
		if code != dns.RcodeSuccess {
			t.Errorf("%s: ServeDNS returned %d after writing a reply", tt.Qname, code)
		}
	}
}

// TestNotJudged holds what is handed on unseen against what would be blocked.
func TestNotJudged(t *testing.T) {
	n := handler(t, "block badsite.example")
	question := func() *dns.Msg { return new(dns.Msg).SetQuestion("badsite.example.", dns.TypeA) }
	chaos, update, none, two := question(), question(), question(), question()
	chaos.Question[0].Qclass = dns.ClassCHAOS
	update.Opcode = dns.OpcodeUpdate
	none.Question = nil
	two.Question = append(two.Question, two.Question[0])
	for name, m := range map[string]*dns.Msg{"class": chaos, "opcode": update, "no question": none, "two questions": two} {
		reached := false
		n.Next = plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
			reached = true
			return dns.RcodeRefused, nil
		})
		if code, err := n.ServeDNS(t.Context(), &test.ResponseWriter{}, m); !reached || code != dns.RcodeRefused || err != nil {
			t.Errorf("%s: next plugin reached: %v; returned %d, %v", name, reached, code, err)
		}
	}
}

// TestJudgedAlike: what resolvers answer like an ordinary question is denied like
// one, and a NOTIFY does not wait for lists.
func TestJudgedAlike(t *testing.T) {
	n := handler(t, "block badsite.example")
	n.discovery = discovery.New(discovery.Config{})
	n.Next = plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) { return dns.RcodeRefused, nil })
	for _, name := range []string{"badsite.example.", "good.example.", "resolver.arpa."} {
		class, notify := new(dns.Msg).SetQuestion(name, dns.TypeA), new(dns.Msg).SetQuestion(name, dns.TypeSOA)
		class.Question[0].Qclass, notify.Opcode = dns.ClassANY, dns.OpcodeNotify
		for _, m := range []*dns.Msg{class, notify} {
			w := newWriter()
			code, err := n.ServeDNS(t.Context(), w, m)
			if passed := code == dns.RcodeRefused; err != nil || passed != (name == "good.example.") || !passed && (len(w.messages) != 1 || len(w.messages[0].Answer) > 0 && m == class) {
				t.Errorf("%v: %d, %v, %v", m, code, err, w.messages)
			}
		}
	}
	n.policy.Store(policy.New(policy.Config{Pending: true}))
	notify := new(dns.Msg).SetNotify("good.example.")
	if code, err := n.ServeDNS(t.Context(), newWriter(), notify); code != dns.RcodeRefused || err != nil {
		t.Errorf("NOTIFY while a list is missing: %d, %v", code, err)
	}
}

// TestNotReady: before the lists are loaded, nothing gets past.
func TestNotReady(t *testing.T) {
	n, err := parse(caddy.NewTestController("dns", "nonudify"))
	if err != nil {
		t.Fatal(err)
	}
	n.Next = next
	if n.Ready() {
		t.Error("Ready before any list is loaded")
	}
	reply, code := ask(t, n, new(dns.Msg).SetQuestion("good.example.", dns.TypeA).SetEdns0(1232, false))
	if reply.Rcode != dns.RcodeServerFailure || code != dns.RcodeSuccess || len(reply.Answer) > 0 {
		t.Errorf("Got %v, code %d", reply, code)
	}
	if e, ok := reply.IsEdns0().Option[0].(*dns.EDNS0_EDE); !ok || e.InfoCode != dns.ExtendedErrorCodeNotReady {
		t.Errorf("Got option %v, want Not Ready", reply.IsEdns0().Option)
	}
	if err := n.start(&instance{}, true); err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	if !n.Ready() {
		t.Error("Not ready although the list is loaded")
	}
}

func TestMetadata(t *testing.T) {
	n := handler(t, "block badsite.example\nreason blocked\nallow fine.badsite.example")
	tests := []struct{ qname, action, list, reason string }{
		{"x.badsite.example.", "nxdomain", "block", "blocked"},
		{"fine.badsite.example.", "pass", "allow", "blocked"},
		{"good.example.", "", "", ""},
	}
	for _, tt := range tests {
		ctx := metadata.ContextWithMetadata(t.Context())
		if _, err := n.ServeDNS(ctx, &test.ResponseWriter{}, new(dns.Msg).SetQuestion(tt.qname, dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		for label, want := range map[string]string{"action": tt.action, "list": tt.list, "reason": tt.reason} {
			got := ""
			if f := metadata.ValueFunc(ctx, "nonudify/"+label); f != nil {
				got = f()
			}
			if got != want {
				t.Errorf("%s: nonudify/%s is %q, want %q", tt.qname, label, got, want)
			}
		}
	}
}

// wrappedAddr is an address as the PROXY protocol hands it on.
type wrappedAddr struct{ net.Addr }

func (w wrappedAddr) Unwrap() net.Addr { return w.Addr }

// addrWriter has a client address to order.
type addrWriter struct {
	test.ResponseWriter
	addr net.Addr
}

func (w *addrWriter) RemoteAddr() net.Addr { return w.addr }

func TestClient(t *testing.T) {
	udp := func(s string) *net.UDPAddr { a, _ := net.ResolveUDPAddr("udp", s); return a }
	tests := []struct {
		addr net.Addr
		want string
	}{
		{udp("192.0.2.7:53"), "192.0.2.7"},
		{udp("[2001:db8::7]:53"), "2001:db8::7"},
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}, "192.0.2.7"},
		{wrappedAddr{udp("192.0.2.7:53")}, "192.0.2.7"},
		{&net.TCPAddr{}, "invalid IP"}, // what a cache's prefetch comes from
		{&net.UnixAddr{Name: "x"}, "invalid IP"},
	}
	for _, tt := range tests {
		w := &addrWriter{addr: tt.addr}
		if got := address(w); got.String() != tt.want {
			t.Errorf("address(%v) = %v, want %v", tt.addr, got, tt.want)
		}
		if n := testing.AllocsPerRun(10, func() { address(w) }); n != 0 {
			t.Errorf("address(%v) allocates %v times", tt.addr, n)
		}
	}
}

func TestTransport(t *testing.T) {
	for server, want := range map[string]string{
		"": "udp", "dns://:53": "udp", "tls://:853": "tls", "https://:443": "https",
		"https3://:443": "https3", "quic://:853": "quic", "grpc://:443": "grpc",
	} {
		ctx := t.Context()
		if server != "" {
			ctx = context.WithValue(ctx, dnsserver.Key{}, &dnsserver.Server{Addr: server})
		}
		if got := transport(ctx, &test.ResponseWriter{}); got != want {
			t.Errorf("transport of %q = %s, want %s", server, got, want)
		}
	}
	if got := transport(t.Context(), &test.ResponseWriter{TCP: true}); got != "tcp" {
		t.Errorf("Over TCP: %s", got)
	}
	for want, addr := range map[string]net.Addr{"udp": &net.UDPAddr{}, "tcp": &net.TCPAddr{}} {
		if got := transport(t.Context(), &addrWriter{addr: wrappedAddr{addr}}); got != want {
			t.Errorf("Over %s, behind a proxy: %s", want, got)
		}
	}
}

// TestSetup: what is wrong is said with file and line, and reading the
// configuration does not touch a file.
func TestSetup(t *testing.T) {
	for input, want := range map[string]string{
		"nonudify":                              "",
		"nonudify example.org":                  "",
		"nonudify {\n list /absent/list.txt\n}": "",
		"nonudify\nnonudify":                    "can only be used once",
		"nonudify {\n nonsense\n}":              "Testfile:2 - Error during parsing: unknown property 'nonsense'",
		"nonudify not..a..zone":                 "Testfile:1 - Error during parsing: 'not..a..zone' is not a zone",
		"nonudify {\n contact ftp://x\n}":       "Testfile:2",
	} {
		_, err := parse(caddy.NewTestController("dns", input))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", input, err, want)
		}
	}
}

func TestStrayZone(t *testing.T) {
	for _, tt := range []struct{ zones, keys, want string }{
		{"", "example.org.:53", ""},
		{"sub.example.org. example.org.", "dns://example.org.:53", ""},
		{"example.com.", "dns://.:53", ""},
		{"example.com.", "dns://example.org.:53 dns://example.com.:53", ""},
		{"example.org. example.com.", "dns://example.org.:53", "example.com."},
		{"org.", "dns://example.org.:53", "org."},
	} {
		if got := stray(strings.Fields(tt.zones), strings.Fields(tt.keys)); got != tt.want {
			t.Errorf("stray(%s, %s) = %q, want %q", tt.zones, tt.keys, got, tt.want)
		}
	}
}

// TestMissAllocations is the promise to everybody who asks for other names:
// nothing is allocated for them, whatever the letter case and the client. What
// looking at their answers takes is TestInspectAllocations'.
func TestMissAllocations(t *testing.T) {
	n := handler(t, "list builtin\nblock badsite.example\nclients 10.0.0.0/8\nallow fine.example\ninspect off")
	zoned, err := parse(caddy.NewTestController("dns", "nonudify good.example example.org {\ninspect off\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zoned.start(&instance{}, true); err != nil {
		t.Fatal(err)
	}
	defer zoned.stop()
	done := plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) { return 0, nil })
	m := new(dns.Msg).SetQuestion("wWw.Good.Example.", dns.TypeA)
	w := &addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}}
	ctx := t.Context()
	for _, h := range []*NoNudify{n, zoned} {
		if got := testing.AllocsPerRun(1000, func() { h.intercept(ctx, w, m) }); got != 0 {
			t.Errorf("%v allocations in our part of a query that passes", got)
		}
	}
	n.Next = done
	if got := testing.AllocsPerRun(1000, func() { n.ServeDNS(ctx, w, m) }); got != 0 {
		t.Errorf("%v allocations for a query that passes, going on to the next plugin included", got)
	}
}

// tracker is a writer that wants to know which plugin has answered.
type tracker struct {
	dns.ResponseWriter
	plugin string
}

func (t *tracker) SetPlugin(name string)     { t.plugin = name }
func (t *tracker) GetPlugin() string         { return t.plugin }
func (t *tracker) WriteMsg(m *dns.Msg) error { return nil }

// TestFollowed: who wants to know what comes next is told, as by any plugin.
func TestFollowed(t *testing.T) {
	n := handler(t, "list builtin\nblock badsite.example")
	n.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) { return 0, w.WriteMsg(r) })
	q := new(dns.Msg).SetQuestion("good.example.", dns.TypeA)
	w := &tracker{ResponseWriter: &addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}}}
	if n.ServeDNS(t.Context(), w, q); w.plugin != n.Next.Name() {
		t.Errorf("The writer heard of %q", w.plugin)
	}
	spans := mocktracer.New()
	span := spans.StartSpan("query")
	if n.ServeDNS(opentracing.ContextWithSpan(t.Context(), span), w.ResponseWriter, q); len(spans.FinishedSpans()) != 1 {
		t.Errorf("%d spans for the next plugin", len(spans.FinishedSpans()))
	}
	n.Next = nil
	if code, err := n.ServeDNS(t.Context(), w, q); code != dns.RcodeServerFailure || err == nil {
		t.Errorf("At the end of the chain: %d, %v", code, err)
	}
}

// TestSwapUnderLoad has many clients ask while the policy is swapped: every
// answer is that of the old or of the new policy.
func TestSwapUnderLoad(t *testing.T) {
	n := handler(t, "block always.example")
	with, err := parse(caddy.NewTestController("dns", "nonudify {\nblock always.example sometimes.example\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := with.start(&instance{}, true); err != nil {
		t.Fatal(err)
	}
	defer with.stop()
	policies := []*policy.Policy{n.policy.Load(), with.policy.Load()}
	stop := make(chan struct{})
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				n.policy.Store(policies[i%2])
			}
		}
	}()
	failures := make(chan string, 4)
	for range 4 {
		go func() {
			for range 2000 {
				for _, name := range []string{"always.example.", "never.example.", "sometimes.example."} {
					rec := dnstest.NewRecorder(&test.ResponseWriter{})
					n.ServeDNS(context.Background(), rec, new(dns.Msg).SetQuestion(name, dns.TypeA))
					blocked := rec.Msg.Rcode == dns.RcodeNameError
					if blocked != (name == "always.example.") && name != "sometimes.example." {
						failures <- fmt.Sprintf("%s: blocked %v", name, blocked)
						return
					}
				}
			}
			failures <- ""
		}()
	}
	for range 4 {
		if f := <-failures; f != "" {
			t.Error(f)
		}
	}
	close(stop)
	<-swapped
}

// TestFeedSwap: a list that changes is in force for a handler that runs.
func TestFeedSwap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(file, []byte("one.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n := handler(t, "list "+file)
	if reply, _ := ask(t, n, new(dns.Msg).SetQuestion("two.example.", dns.TypeA)); reply.Rcode != dns.RcodeSuccess {
		t.Fatal("Not listed yet, but blocked")
	}
	if err := os.WriteFile(file, []byte("one.example\ntwo.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := n.sources.lists[0].Value().Modified.Add(-1e9 * 3600)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if c, err := n.sources.lists[0].Refresh(t.Context()); err != nil || !c.New {
		t.Fatalf("Refresh: %+v, %v", c, err)
	}
	if reply, _ := ask(t, n, new(dns.Msg).SetQuestion("two.example.", dns.TypeA)); reply.Rcode != dns.RcodeNameError {
		t.Errorf("Listed, but answered with %v", reply)
	}
}

// TestShared: what two directives name is loaded once, and stays until the last
// of them has stopped.
func TestShared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(file, []byte("one.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a, b := handler(t, "list "+file), handler(t, "list "+file+" name other reason blocked")
	if a.sources.lists[0].Refresher != b.sources.lists[0].Refresher {
		t.Error("The same list was loaded twice")
	}
	first, key := a.sources.lists[0].Refresher, a.sources.feeds[0].Key
	held := func() bool {
		share := lists.Acquire(key, a.sources.feeds[0].Refresher)
		defer share.Release()
		return share.Refresher == first
	}
	a.stop()
	if !held() {
		t.Error("The list was let go while one directive still uses it")
	}
	b.stop()
	if held() {
		t.Error("The list is held although nobody uses it")
	}
}

// TestStartWhileListsChange starts handlers one after the other while another
// that shares their lists is told of new editions.
func TestStartWhileListsChange(t *testing.T) {
	dir := t.TempDir()
	var body strings.Builder
	for i := range 10 {
		file := filepath.Join(dir, fmt.Sprintf("l%d.txt", i))
		if err := os.WriteFile(file, []byte("bad.example\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&body, "list %s\n", file)
	}
	first := handler(t, body.String())
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			file := filepath.Join(dir, "l0.txt")
			os.WriteFile(file, []byte(strings.Repeat("bad.example\n", 1+i%50)), 0o644)
			os.Chtimes(file, time.Unix(int64(1e9+i), 0), time.Unix(int64(1e9+i), 0))
			first.sources.lists[0].Refresh(t.Context())
		}
	}()
	for range 100 {
		n, err := parse(caddy.NewTestController("dns", "nonudify {\n"+body.String()+"}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.start(&instance{}, true); err != nil {
			t.Fatal(err)
		}
		if !n.Ready() {
			t.Error("Started but not ready")
		}
		n.stop()
	}
	close(stop)
	<-stopped
}

// TestDirectivePlace: stock CoreDNS finds the plugin under its directive.
func TestDirectivePlace(t *testing.T) {
	if n := new(NoNudify); n.Name() != "nonudify" {
		t.Errorf("Name() is %q", n.Name())
	}
	if !slices.Contains(caddy.ListPlugins()["others"], "dns.nonudify") {
		t.Error("The plugin is not registered")
	}
}
