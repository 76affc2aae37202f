package nonudify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/plugin/transfer"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/primary"
)

// TestTransferer: the transfer plugin finds the zones, and no others.
func TestTransferer(t *testing.T) {
	n := handler(t, "block badsite.example\nzone plugin.rpz")
	var _ transfer.Transferer = n
	ch, err := n.Transfer("plugin.rpz.", 0)
	if err != nil {
		t.Fatal(err)
	}
	if rrs := <-ch; len(rrs) < 5 || rrs[0].Header().Name != "plugin.rpz." {
		t.Errorf("Got %v", rrs)
	}
	for _, zone := range []string{"x.plugin.rpz.", "rpz.", "."} {
		if _, err := n.Transfer(zone, 0); err != transfer.ErrNotAuthoritative { // the plugin compares, too
			t.Errorf("%s: %v", zone, err)
		}
	}
}

// TestZonePending: while a list is missing there is no zone, whatever becomes of
// other queries.
func TestZonePending(t *testing.T) {
	n := handler(t, "list https://127.0.0.1:1/list.txt name far\nblock badsite.example\nzone pending.rpz\nzone block.rpz block\nstart open")
	reply, _ := ask(t, n, new(dns.Msg).SetQuestion("pending.rpz.", dns.TypeSOA).SetEdns0(1232, false))
	if reply.Rcode != dns.RcodeServerFailure || len(reply.Answer) > 0 {
		t.Errorf("The zone with holes is served: %v", reply)
	}
	if e, ok := reply.IsEdns0().Option[0].(*dns.EDNS0_EDE); !ok || e.InfoCode != dns.ExtendedErrorCodeNotReady {
		t.Errorf("Got option %v, want Not Ready", reply.IsEdns0().Option)
	}
	if _, err := n.Transfer("pending.rpz.", 0); !errors.Is(err, primary.ErrNotReady) {
		t.Errorf("Transfer: %v", err)
	}
	if reply, _ := ask(t, n, new(dns.Msg).SetQuestion("block.rpz.", dns.TypeSOA)); len(reply.Answer) != 1 {
		t.Errorf("The zone that needs no other list is not served: %v", reply)
	}
	if reply, _ := ask(t, n, new(dns.Msg).SetQuestion("badsite.example.", dns.TypeA)); reply.Rcode != dns.RcodeNameError {
		t.Errorf("The filter waits: %v", reply)
	}
}

// TestZoneTransferQueries: a transfer goes to the transfer plugin if there is one
// to go to, and nowhere else.
func TestZoneTransferQueries(t *testing.T) {
	n := handler(t, "block badsite.example\nzone queries.rpz")
	for _, tt := range []struct {
		name     string
		qtype    uint16
		tcp      bool
		transfer bool
		rcode    int
		passed   bool
	}{
		{"queries.rpz.", dns.TypeAXFR, true, true, 0, true}, {"QUERIES.rpz.", dns.TypeIXFR, true, true, 0, true},
		{"queries.rpz.", dns.TypeAXFR, true, false, dns.RcodeRefused, false}, {"queries.rpz.", dns.TypeAXFR, false, true, dns.RcodeRefused, false},
		{"queries.rpz.", dns.TypeIXFR, false, true, dns.RcodeSuccess, false}, {"x.queries.rpz.", dns.TypeAXFR, true, true, dns.RcodeRefused, false},
		{"other.rpz.", dns.TypeAXFR, true, true, 0, true},
	} {
		n.published[0].sent = tt.transfer
		m := new(dns.Msg).SetQuestion(tt.name, tt.qtype)
		rec := dnstest.NewRecorder(&test.ResponseWriter{TCP: tt.tcp})
		w := n.intercept(t.Context(), rec, m)
		if (w != nil) != tt.passed || !tt.passed && (rec.Msg == nil || rec.Rcode != tt.rcode) {
			t.Errorf("%s %s: passed on %v, %v", tt.name, dns.TypeToString[tt.qtype], w != nil, rec.Msg)
		}
	}
	n.published[0].sent = true
	rec := dnstest.NewRecorder(&test.ResponseWriter{TCP: true})
	for way, want := range map[string]bool{"tls": true, "dns": true, "https": false, "https3": false, "quic": false, "grpc": false} {
		for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
			ctx := context.WithValue(t.Context(), dnsserver.Key{}, &dnsserver.Server{Addr: way + "://127.0.0.1:53"})
			rec := dnstest.NewRecorder(&test.ResponseWriter{TCP: true})
			if w := n.intercept(ctx, rec, new(dns.Msg).SetQuestion("queries.rpz.", qtype)); (w != nil) != want || !want && rec.Rcode != dns.RcodeRefused {
				t.Errorf("%s over %s: passed on %v, %v", dns.TypeToString[qtype], way, w != nil, rec.Msg)
			}
		}
	}
	m := new(dns.Msg).SetQuestion("queries.rpz.", dns.TypeIXFR)
	write(n.intercept(t.Context(), rec, m), new(dns.Msg).SetReply(m))
	if !rec.Msg.Authoritative {
		t.Error("What the transfer plugin writes lacks authority")
	}
}

// TestTransfers: what the transfer plugin of a server block has is told, and of what it
// has not, a transfer is refused.
func TestTransfers(t *testing.T) {
	for body, want := range map[string]bool{
		"transfer {\nto *\n}": true, "transfer {\nto 192.0.2.1\n}": true, "transfer covered.rpz {\nto *\n}": true, "transfer rpz other.example {\nto 192.0.2.1\n}": true,
		"transfer other.example {\nto *\n}": false, "transfer other.example {\nto 192.0.2.1\n}": false,
		"transfer other.example {\nto *\n}\ntransfer covered.rpz {\nto *\n}": true,
	} {
		c := caddy.NewTestController("dns", body)
		c.ServerBlockKeys = []string{"."}
		setup, err := caddy.DirectiveAction("dns", "transfer")
		if err != nil {
			t.Fatal(err)
		}
		if err := setup(c); err != nil {
			t.Fatal(err)
		}
		block := dnsserver.GetConfig(c)
		theirs, _ := block.Plugin[0](nil).(*transfer.Transfer)
		if got := transfers(theirs, "covered.rpz."); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
	if transfers(nil, "covered.rpz.") {
		t.Error("Without the plugin it has the zone")
	}
}

// TestZoneUnasked: a zone that no query for arrives is told of.
func TestZoneUnasked(t *testing.T) {
	n, err := parse(caddy.NewTestController("dns", "nonudify {\nzone unasked.rpz\nzone other.rpz\n}"))
	if err != nil {
		t.Fatal(err)
	}
	for keys, want := range map[string]int{".:53": 0, "example.org:53": 2, "rpz:53": 0, "tls://unasked.rpz:853 example.org:53": 1} {
		got := n.unasked(strings.Fields(keys))
		if len(got) != want || want > 0 && !strings.Contains(got[want-1], "other.rpz.") {
			t.Errorf("In %s: %q", keys, got)
		}
	}
}

// TestZoneOnTrial: until an instance has taken over, the one before says what the zone
// says, whatever changes; and one that fails has said nothing.
func TestZoneOnTrial(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	write := func(names string) {
		settled := time.Now().Add(-time.Minute)
		if err := errors.Join(os.WriteFile(file, []byte(names), 0o644), os.Chtimes(file, settled, settled)); err != nil {
			t.Fatal(err)
		}
	}
	write("one.example\n")
	body := "list " + file + " refresh 1h\nzone trial.rpz\n"
	old := handler(t, body)
	first := old.published[0].Status()
	onTrialOf := func(body string) (*NoNudify, *instance) {
		n, err := parse(caddy.NewTestController("dns", "nonudify {\n"+body+"\n}"))
		if err != nil {
			t.Fatal(err)
		}
		i := &instance{}
		if err := n.start(i, false); err != nil {
			t.Fatal(err)
		}
		onTrial.add(i, n)
		t.Cleanup(n.stop)
		return n, i
	}
	failing, _ := onTrialOf(body + "block two.example")
	failing.rebuild()
	<-old.published[0].Publish(content(t, old))
	if got := old.published[0].Status(); got.Serial != first.Serial || got.Records != first.Records {
		t.Errorf("On trial: %+v, before %+v", got, first)
	}
	write("one.example\nnew.example\n")
	if _, err := old.sources.lists[0].Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, served := range old.rebuild() {
		<-served
	}
	second := old.published[0].Status()
	if second.Records != first.Records+2 {
		t.Errorf("The list of the old instance is not published on: %+v", second)
	}
	onTrial.stopOthers(&instance{})
	failing.reveal() // too late
	<-old.published[0].Publish(content(t, old))
	if got := old.published[0].Status(); got.Serial != second.Serial {
		t.Errorf("One that has failed has published: %+v after %+v", got, second)
	}
	taking, i := onTrialOf(body + "block two.example")
	onTrial.acquit(others(i))
	if got := old.published[0].Status(); got.Serial != second.Serial {
		t.Errorf("Another one is let stay: %+v", got)
	}
	onTrial.acquit(others(&instance{}))
	<-taking.published[0].Publish(content(t, taking))
	if got := old.published[0].Status(); got.Records != second.Records+2 || got.Deltas != 2 {
		t.Errorf("It has taken over: %+v", got)
	}
}

// TestZoneClientLimit: a client that has enough transfers under way is told to come
// again, and can. What stands before the transfer plugin hears of none.
func TestZoneClientLimit(t *testing.T) {
	n := handler(t, "block badsite.example\nzone limit.rpz")
	n.published[0].sent, n.transfer = true, &transfer.Transfer{Next: n.Next}
	n.Next = plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
		t.Error("It is handed on")
		return dns.RcodeSuccess, nil
	})
	w := &test.ResponseWriter{TCP: true}
	ask := func() (int, error) {
		return n.ServeDNS(t.Context(), w, new(dns.Msg).SetAxfr("limit.rpz."))
	}
	if _, err := ask(); err != nil { // and it is over
		t.Fatal(err)
	}
	var done []func()
	for {
		d, err := n.published[0].Admit(address(w))
		if err != nil {
			break
		}
		done = append(done, d)
	}
	if code, err := ask(); code != dns.RcodeServerFailure || !errors.Is(err, primary.ErrBusy) {
		t.Errorf("With %d under way: %d, %v", len(done), code, err)
	}
	done[0]()
	if code, err := ask(); code != dns.RcodeSuccess || err != nil {
		t.Errorf("With one less: %d, %v", code, err)
	}
}

// TestZoneClaimed: a zone has one content, whichever server blocks publish it.
func TestZoneClaimed(t *testing.T) {
	i := &instance{origins: map[string]*directive.Config{}}
	for _, tt := range []struct{ body, want string }{
		{"zone claimed.rpz\nzone second.rpz\nblock a.example", ""}, {"zone claimed.rpz\nzone second.rpz\nblock a.example", ""},
		{"zone third.rpz", ""}, {"zone claimed.rpz\nblock b.example", "claimed.rpz."}, {"ttl 5s", ""},
	} {
		n, err := parse(caddy.NewTestController("dns", "nonudify {\n"+tt.body+"\n}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := i.claimed(n.config); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.body, got, tt.want)
		}
	}
	n, err := parse(caddy.NewTestController("dns", "nonudify {\nzone claimed.rpz\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := n.unsent(&dnsserver.Config{}); len(got) != 1 || !strings.Contains(got[0], "claimed.rpz.") || !strings.Contains(got[0], "right only if") {
		t.Errorf("Without the transfer plugin: %q", got)
	}
}

// TestZoneAllocations: a zone costs other queries nothing.
func TestZoneAllocations(t *testing.T) {
	n := handler(t, "block badsite.example\nzone alloc.rpz\nzone two.rpz block\ninspect off")
	m := new(dns.Msg).SetQuestion("wWw.Good.Example.", dns.TypeA)
	w, ctx := &test.ResponseWriter{}, t.Context()
	if got := testing.AllocsPerRun(1000, func() { n.intercept(ctx, w, m) }); got > allocationsOf(t, m) {
		t.Errorf("%v allocations", got)
	}
}

// allocationsOf counts those of a handler without zones.
func allocationsOf(t *testing.T, m *dns.Msg) float64 {
	n := handler(t, "block badsite.example\ninspect off")
	w, ctx := &test.ResponseWriter{}, t.Context()
	return testing.AllocsPerRun(1000, func() { n.intercept(ctx, w, m) })
}

// TestZoneHandedOver: a reload goes on with serial and history, and one that fails
// leaves the old rules, with a newer serial.
func TestZoneHandedOver(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(file, []byte("one.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	body := "list " + file + "\nstate " + dir + "\nzone handed.rpz\n"
	old := handler(t, body)
	first := old.published[0].Status()
	same := handler(t, body+"ttl 5s")
	if got := same.published[0].Status(); got.Serial != first.Serial {
		t.Errorf("The same rules have serial %d, before %d", got.Serial, first.Serial)
	}
	old.stop()
	other := handler(t, body+"block two.example")
	if got := other.published[0].Status(); got.Serial == first.Serial || got.Deltas != 1 || got.Records == first.Records {
		t.Errorf("Other rules: %+v after %+v", got, first)
	}
	second := other.published[0].Status().Serial
	other.stop() // as one that failed
	<-same.published[0].Publish(content(t, same))
	if got := same.published[0].Status(); int32(got.Serial-second) <= 0 || got.Records != first.Records {
		t.Errorf("Back to the old rules: %+v after %d", got, second)
	}
}

// content returns what the first zone of a handler is to say.
func content(t *testing.T, n *NoNudify) primary.Content {
	t.Helper()
	c, ok := n.config.ZoneContent(n.config.PolicyZones[0], n.policy.Load(), values(n.sources.lists))
	if !ok {
		t.Fatal("A list is missing")
	}
	return c
}
