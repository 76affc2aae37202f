package nonudify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
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
		n.transfer = nil
		if tt.transfer {
			n.transfer = new(transfer.Transfer)
		}
		m := new(dns.Msg).SetQuestion(tt.name, tt.qtype)
		rec := dnstest.NewRecorder(&test.ResponseWriter{TCP: tt.tcp})
		w := n.intercept(t.Context(), rec, m)
		if (w != nil) != tt.passed || !tt.passed && (rec.Msg == nil || rec.Rcode != tt.rcode) {
			t.Errorf("%s %s: passed on %v, %v", tt.name, dns.TypeToString[tt.qtype], w != nil, rec.Msg)
		}
	}
	n.transfer = new(transfer.Transfer)
	rec := dnstest.NewRecorder(&test.ResponseWriter{TCP: true})
	m := new(dns.Msg).SetQuestion("queries.rpz.", dns.TypeIXFR)
	write(n.intercept(t.Context(), rec, m), new(dns.Msg).SetReply(m))
	if !rec.Msg.Authoritative {
		t.Error("What the transfer plugin writes lacks authority")
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
