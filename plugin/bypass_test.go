package nonudify

import (
	"context"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
	dto "github.com/prometheus/client_model/go"
)

// total is value, or 0 where there is none.
func total(f *dto.MetricFamily, labels ...string) float64 { return max(0, value(f, labels...)) }

// TestBypassMetrics: the ways round the filter have a counter of their own, and the
// figures of the lists know nothing of them.
func TestBypassMetrics(t *testing.T) {
	const alias = "alias.test.example."
	body := "block listed.example\nallow ok.dns.nextdns.io\nreason censored\ncontact tel:+15550100\nbypass canary private-relay doh\n"
	deny, shadow, sink := handler(t, body), handler(t, body+"action shadow"), handler(t, body+"action sinkhole 192.0.2.1")
	leads := plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		m := new(dns.Msg).SetReply(r)
		m.Answer = []dns.RR{test.CNAME(r.Question[0].Name + " 60 IN CNAME dns.google.")}
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	deny.Next, shadow.Next = leads, leads
	for _, tt := range []struct {
		handler      *NoNudify
		qname        string
		kind, action string // "": none is counted
		denied       bool
	}{
		{deny, "use-application-dns.net.", "canary", "nxdomain", true},
		{deny, "mask.icloud.com.", "private-relay", "nxdomain", true},
		{deny, "dns.google.", "doh", "nxdomain", true},
		{deny, "dns.cloudflare.com.", "doh", "nodata", true},
		{deny, "dns.nextdns.io.", "doh", "nodata", true}, // an allowed name is below
		{deny, "ok.dns.nextdns.io.", "doh", "pass", false},
		{deny, alias, "doh", "nodata", true},
		{sink, "dns.google.", "doh", "nxdomain", true},
		{shadow, "use-application-dns.net.", "canary", "shadow", false},
		{shadow, alias, "doh", "shadow", false},
		{sink, "good.example.", "", "", false},
	} {
		before := ours(t)
		reply, _ := ask(t, tt.handler, new(dns.Msg).SetQuestion(tt.qname, dns.TypeA))
		after := ours(t)
		if denied := len(reply.Answer) == 0; denied != tt.denied {
			t.Errorf("%s: denied %v:\n%v", tt.qname, denied, reply)
		}
		if got, want := total(after["bypass_total"], "udp")-total(before["bypass_total"], "udp"), map[bool]float64{true: 1}[tt.kind != ""]; got != want {
			t.Errorf("%s is counted %v times, want %v", tt.qname, got, want)
		}
		if n := total(after["bypass_total"], tt.kind, tt.action, "udp") - total(before["bypass_total"], tt.kind, tt.action, "udp"); tt.kind != "" && n != 1 {
			t.Errorf("%s is counted %v times as %s %s", tt.qname, n, tt.kind, tt.action)
		}
		if got := total(after["verdicts_total"], "udp") - total(before["verdicts_total"], "udp"); got != 0 {
			t.Errorf("%s: %v more verdicts of lists", tt.qname, got)
		}
	}
	before := ours(t)
	ask(t, deny, new(dns.Msg).SetQuestion("listed.example.", dns.TypeA))
	if after := ours(t); total(after["verdicts_total"], "udp") != total(before["verdicts_total"], "udp")+1 ||
		total(after["bypass_total"], "udp") != total(before["bypass_total"], "udp") {
		t.Error("A listed name is counted as a way round")
	}
}

func TestBypassMetadata(t *testing.T) {
	n := handler(t, "bypass doh")
	ctx := metadata.ContextWithMetadata(t.Context())
	if _, err := n.ServeDNS(ctx, &test.ResponseWriter{}, new(dns.Msg).SetQuestion("dns.google.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{"action": "nxdomain", "list": "bypass", "reason": "blocked"} {
		if f := metadata.ValueFunc(ctx, "nonudify/"+label); f == nil || f() != want {
			t.Errorf("%s is not %q", label, want)
		}
	}
}
