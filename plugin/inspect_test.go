package nonudify

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// writer keeps all that is written to it.
type writer struct {
	addrWriter
	messages []*dns.Msg
	raw      [][]byte
	by       string
}

func newWriter() *writer {
	return &writer{addrWriter: addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}}}
}

func (w *writer) WriteMsg(m *dns.Msg) error { w.messages = append(w.messages, m); return nil }

func (w *writer) Write(b []byte) (int, error) { w.raw = append(w.raw, b); return len(b), nil }

func (w *writer) SetPlugin(name string) { w.by = name }

func (w *writer) GetPlugin() string { return w.by }

// records reads records in zone-file form, separated by semicolons. "+" in front
// of one puts it into the additional section, "-" into the authority section.
func records(t testing.TB, m *dns.Msg, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, ";") {
		line = strings.TrimSpace(line)
		section := &m.Answer
		switch line[:min(1, len(line))] {
		case "":
			continue
		case "+":
			section = &m.Extra
		case "-":
			section = &m.Ns
		}
		rr, err := dns.NewRR(strings.TrimLeft(line, "+-"))
		if err != nil {
			t.Fatal(err)
		}
		*section = append(*section, rr)
	}
}

// answering returns a plugin that answers with the messages that it is given, as
// replies to whatever is asked.
func answering(messages ...*dns.Msg) plugin.Handler {
	return plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		for _, m := range messages {
			m.Id, m.Response, m.Question = r.Id, true, r.Question
			if err := w.WriteMsg(m); err != nil {
				return dns.RcodeServerFailure, err
			}
		}
		return dns.RcodeSuccess, nil
	})
}

// inspected returns what a client gets for a query when the chain behind n
// answers with m, and whether that is m.
func inspected(t testing.TB, n *NoNudify, q, m *dns.Msg) (*dns.Msg, bool) {
	t.Helper()
	n.Next = answering(m)
	w := newWriter()
	if code, err := n.ServeDNS(t.Context(), w, q); code != dns.RcodeSuccess || err != nil {
		t.Fatalf("ServeDNS returned %d, %v", code, err)
	}
	if len(w.messages) != 1 || len(w.raw) != 0 {
		t.Fatalf("%d messages for one answer", len(w.messages))
	}
	return w.messages[0], w.messages[0] == m
}

// TestInspect: what leads to a listed name is denied, and nothing else.
func TestInspect(t *testing.T) {
	n := handler(t, "block badsite.example\nallow ok.test fine.badsite.example")
	const address = "cdn.test. 60 A 192.0.2.1"
	tests := []struct {
		name  string
		qname string
		qtype uint16
		rrs   string
		deny  bool
	}{
		{"no alias", "good.test.", dns.TypeA, "good.test. 60 A 192.0.2.1", false},
		{"nothing", "good.test.", dns.TypeA, "", false},
		{"alias to a stranger", "good.test.", dns.TypeA, "good.test. 60 CNAME cdn.test.; " + address, false},
		{"alias", "good.test.", dns.TypeA, "good.test. 60 CNAME www.badsite.example.; www.badsite.example. 60 A 192.0.2.1", true},
		{"alias to the listed name", "good.test.", dns.TypeAAAA, "good.test. 60 CNAME badsite.example.", true},
		{"letter case", "Good.Test.", dns.TypeA, "good.test. 60 CNAME WWW.BadSite.Example.", true},
		{"label boundary", "good.test.", dns.TypeA, "good.test. 60 CNAME notbadsite.example.", false},
		{"second of a chain", "good.test.", dns.TypeA, "good.test. 60 CNAME cdn.test.; cdn.test. 60 CNAME x.badsite.example.", true},
		{"chain through a listed name", "good.test.", dns.TypeA, "good.test. 60 CNAME badsite.example.; badsite.example. 60 CNAME cdn.test.; " + address, true},
		{"chain in any order", "good.test.", dns.TypeA, address + "; cdn.test. 60 CNAME badsite.example.; good.test. 60 CNAME cdn.test.", true},
		{"loop", "good.test.", dns.TypeA, "good.test. 60 CNAME a.test.; a.test. 60 CNAME good.test.", false},
		{"loop with a listed name", "good.test.", dns.TypeA, "good.test. 60 CNAME a.test.; a.test. 60 CNAME good.test.; a.test. 60 CNAME badsite.example.", true},
		{"the alias itself is asked for", "good.test.", dns.TypeCNAME, "good.test. 60 CNAME badsite.example.", true},
		{"additional section", "good.test.", dns.TypeHTTPS, "good.test. 60 HTTPS 1 cdn.test.; +cdn.test. 60 CNAME badsite.example.", true},
		{"class", "good.test.", dns.TypeA, "good.test. 60 CH CNAME badsite.example.", false},

		{"DNAME", "www.old.test.", dns.TypeA, "old.test. 60 DNAME badsite.example.; www.old.test. 60 CNAME www.badsite.example.", true},
		{"DNAME alone", "www.old.test.", dns.TypeA, "old.test. 60 DNAME badsite.example.", true},
		{"DNAME above a listed name", "badsite.old.test.", dns.TypeA, "OLD.test. 60 DNAME example.", true},
		{"DNAME above another name", "good.old.test.", dns.TypeA, "old.test. 60 DNAME example.", false},
		{"DNAME to an allowed name", "fine.old.test.", dns.TypeA, "old.test. 60 DNAME badsite.example.; fine.old.test. 60 CNAME fine.badsite.example.", false},
		{"the DNAME itself is asked for", "old.test.", dns.TypeDNAME, "old.test. 60 DNAME badsite.example.", true},
		{"DNAME of another name", "good.test.", dns.TypeA, "good.test. 60 CNAME a.old.test.; old.test. 60 DNAME badsite.example.", true},
		{"DNAME behind an escaped dot", `a\.old.test.`, dns.TypeA, "old.test. 60 DNAME example.", false},

		{"HTTPS alias", "good.test.", dns.TypeHTTPS, "good.test. 60 HTTPS 0 badsite.example.", true},
		{"HTTPS service", "good.test.", dns.TypeHTTPS, `good.test. 60 HTTPS 1 . alpn=h2; good.test. 60 HTTPS 2 x.badsite.example. alpn=h2`, true},
		{"HTTPS of itself", "good.test.", dns.TypeHTTPS, "good.test. 60 HTTPS 1 . ipv4hint=192.0.2.1", false},
		{"HTTPS elsewhere", "good.test.", dns.TypeHTTPS, "good.test. 60 HTTPS 1 cdn.test.; good.test. 60 HTTPS 2 cdn.test.", false},
		{"SVCB", "_8443._foo.good.test.", dns.TypeSVCB, "_8443._foo.good.test. 60 SVCB 1 badsite.example. port=8443", true},

		{"addresses are shared", "neighbour.test.", dns.TypeA, "neighbour.test. 60 CNAME cdn.test.; " + address, false},
		{"name servers", "good.test.", dns.TypeNS, "good.test. 60 NS ns.badsite.example.; -good.test. 60 NS badsite.example.", false},
		{"mail", "good.test.", dns.TypeMX, "good.test. 60 MX 10 badsite.example.", false},
		{"hosts", "1.2.0.192.in-addr.arpa.", dns.TypePTR, "1.2.0.192.in-addr.arpa. 60 PTR badsite.example.", false},
		{"SOA", "good.test.", dns.TypeSOA, "good.test. 60 SOA badsite.example. badsite.example. 1 2 3 4 5", false},
		{"authority section", "good.test.", dns.TypeA, "-good.test. 60 CNAME badsite.example.", false},

		{"the query name is allowed", "ok.test.", dns.TypeA, "ok.test. 60 CNAME badsite.example.", false},
		{"the query name is listed and allowed", "fine.badsite.example.", dns.TypeA, "fine.badsite.example. 60 CNAME badsite.example.", false},
		{"the target is allowed", "good.test.", dns.TypeA, "good.test. 60 CNAME a.fine.badsite.example.", false},
		{"the first target is allowed", "good.test.", dns.TypeA, "good.test. 60 CNAME ok.test.; ok.test. 60 CNAME badsite.example.", true},
		{"zone transfer", "good.test.", dns.TypeAXFR, "good.test. 60 CNAME badsite.example.", false},
		{"incremental transfer", "good.test.", dns.TypeIXFR, "good.test. 60 CNAME badsite.example.", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := new(dns.Msg).SetQuestion(tt.qname, tt.qtype)
			m := new(dns.Msg)
			records(t, m, tt.rrs)
			got, same := inspected(t, n, q, m)
			if same == tt.deny {
				t.Fatalf("Got %v", got)
			}
			if tt.deny && (got.Question[0] != q.Question[0] || got.Id != q.Id || len(got.Answer) > 0 || len(got.Ns) != 1 || strings.Contains(got.String(), "60 IN CNAME")) {
				t.Errorf("Not a denial of the query name: %v", got)
			}
		})
	}
}

// TestInspectCodes: an alias may lead to a name that does not exist. Errors lead
// nowhere, and a truncated answer is no way past.
func TestInspectCodes(t *testing.T) {
	n := handler(t, "block badsite.example")
	for rcode, want := range map[int]bool{
		dns.RcodeSuccess: true, dns.RcodeNameError: true, dns.RcodeServerFailure: false, dns.RcodeRefused: false, dns.RcodeYXDomain: false,
	} {
		for _, truncated := range []bool{false, true} {
			m := &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: rcode, Truncated: truncated}}
			records(t, m, "good.test. 60 CNAME badsite.example.")
			got, same := inspected(t, n, new(dns.Msg).SetQuestion("good.test.", dns.TypeA), m)
			if same == want || want && (got.Truncated || got.Rcode != dns.RcodeSuccess) {
				t.Errorf("%s, truncated %v: %v", dns.RcodeToString[rcode], truncated, got)
			}
		}
	}
}

// TestInspectNotJudged: what is not judged by its name is not by its answer.
func TestInspectNotJudged(t *testing.T) {
	question := func() *dns.Msg { return new(dns.Msg).SetQuestion("good.test.", dns.TypeA) }
	chaos, update := question(), question()
	chaos.Question[0].Qclass = dns.ClassCHAOS
	update.Opcode = dns.OpcodeUpdate
	on := handler(t, "block badsite.example")
	for name, tt := range map[string]struct {
		*NoNudify
		q *dns.Msg
	}{
		"class": {on, chaos}, "update": {on, update},
		"off":            {handler(t, "block badsite.example\ninspect off"), question()},
		"another client": {handler(t, "block badsite.example\nexcept 10.0.0.0/8"), question()},
	} {
		m := new(dns.Msg)
		records(t, m, "good.test. 60 CNAME badsite.example.")
		if got, same := inspected(t, tt.NoNudify, tt.q, m); !same {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestInspectReply: the denial is one of the query name alone, with the reason of
// the list that lists the target.
func TestInspectReply(t *testing.T) {
	for _, tt := range []struct {
		body   string
		qtype  uint16
		answer string
		soa    string
		ede    uint16
	}{
		{"block badsite.example", dns.TypeA, "", "WWW.Good.test.", 17},
		{"block badsite.example\naction nodata\nreason blocked", dns.TypeHTTPS, "", "WWW.Good.test.", 15},
		{"block badsite.example\naction sinkhole 192.0.2.7", dns.TypeA, "WWW.Good.test.\t30\tIN\tA\t192.0.2.7", "", 4},
		{"block badsite.example\naction sinkhole 192.0.2.7", dns.TypeHTTPS, "", "WWW.Good.test.", 17},
	} {
		q := new(dns.Msg).SetQuestion("WWW.Good.test.", tt.qtype).SetEdns0(1232, true)
		q.CheckingDisabled = true
		m := new(dns.Msg)
		records(t, m, "www.good.test. 60 CNAME badsite.example.; www.good.test. 60 HTTPS 1 badsite.example.")
		got, same := inspected(t, handler(t, tt.body), q, m)
		if same || got.Rcode != dns.RcodeSuccess || !got.CheckingDisabled || got.AuthenticatedData || !got.IsEdns0().Do() {
			t.Fatalf("%s: %v", tt.body, got)
		}
		answer, soa := "", ""
		for _, rr := range got.Answer {
			answer += rr.String()
		}
		for _, rr := range got.Ns {
			soa = rr.(*dns.SOA).Hdr.Name
		}
		if answer != tt.answer || soa != tt.soa {
			t.Errorf("%s: %v", tt.body, got)
		}
		if e, ok := got.IsEdns0().Option[0].(*dns.EDNS0_EDE); !ok || e.InfoCode != tt.ede || strings.Contains(e.ExtraText, "badsite") {
			t.Errorf("%s: option %v", tt.body, got.IsEdns0().Option)
		}
	}
}

// verdictsOf returns how many verdicts of one kind there were so far.
func verdictsOf(t *testing.T, action, reason string) float64 {
	t.Helper()
	return max(0, value(ours(t)["verdicts_total"], action, reason, "udp"))
}

// TestInspectCounts: a hit is a verdict like any other. The target stands
// nowhere.
func TestInspectCounts(t *testing.T) {
	for body, want := range map[string]string{
		"": "nodata", "action shadow": "shadow", "action sinkhole 192.0.2.7": "sinkhole",
	} {
		n := handler(t, "block badsite.example\nreason censored\ncontact tel:+15550100\n"+body)
		before := verdictsOf(t, want, "censored")
		m := new(dns.Msg)
		records(t, m, "good.test. 60 CNAME a.badsite.example.; a.badsite.example. 60 CNAME badsite.example.")
		n.Next = answering(m)
		w, ctx := newWriter(), metadata.ContextWithMetadata(t.Context())
		if _, err := n.ServeDNS(ctx, w, new(dns.Msg).SetQuestion("good.test.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if (w.messages[0] == m) != (want == "shadow") {
			t.Errorf("%s: got %v", want, w.messages[0])
		}
		if got := verdictsOf(t, want, "censored") - before; got != 1 {
			t.Errorf("%s: counted %v times", want, got)
		}
		told := map[string]string{}
		for label, f := range metadata.ValueFuncs(ctx) {
			told[label] = f()
		}
		if len(told) != 3 || told["nonudify/action"] != want || told["nonudify/list"] != "block" || told["nonudify/reason"] != "censored" {
			t.Errorf("%s: metadata %v", want, told)
		}
	}
}

// TestInspectShadow: a query whose name is counted is not counted once more for
// its answer.
func TestInspectShadow(t *testing.T) {
	n := handler(t, "block badsite.example\naction shadow\nreason blocked")
	before := verdictsOf(t, "shadow", "blocked")
	m := new(dns.Msg)
	records(t, m, "badsite.example. 60 CNAME www.badsite.example.")
	if _, same := inspected(t, n, new(dns.Msg).SetQuestion("badsite.example.", dns.TypeA), m); !same {
		t.Error("Not passed on")
	}
	if got := verdictsOf(t, "shadow", "blocked") - before; got != 1 {
		t.Errorf("Counted %v times", got)
	}
}

// TestInspectMessages: each message of several is judged by itself, written as a
// message or as bytes.
func TestInspectMessages(t *testing.T) {
	n := handler(t, "block badsite.example")
	good, bad := new(dns.Msg), new(dns.Msg)
	records(t, good, "good.test. 60 A 192.0.2.1")
	records(t, bad, "good.test. 60 CNAME badsite.example.; a.test. 60 A 192.0.2.1")
	n.Next = answering(good, bad, good)
	w := newWriter()
	q := new(dns.Msg).SetQuestion("good.test.", dns.TypeA)
	if _, err := n.ServeDNS(t.Context(), w, q); err != nil {
		t.Fatal(err)
	}
	if len(w.messages) != 3 || w.messages[0] != good || w.messages[1] == bad || w.messages[2] != good {
		t.Errorf("Got %v", w.messages)
	}

	wire, err := bad.Pack()
	if err != nil {
		t.Fatal(err)
	}
	harmless, err := good.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		bytes []byte
		deny  bool
	}{{wire, true}, {wire[:len(wire)-3], false}, {harmless, false}, {harmless[:11], false}, {nil, false}} {
		w := newWriter()
		n.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			size, err := w.Write(tt.bytes)
			if size != len(tt.bytes) {
				t.Errorf("%d bytes written of %d", size, len(tt.bytes))
			}
			return dns.RcodeSuccess, err
		})
		if _, err := n.ServeDNS(t.Context(), w, q); err != nil {
			t.Fatal(err)
		}
		if tt.deny != (len(w.messages) == 1) || tt.deny != (len(w.raw) == 0) || !tt.deny && !bytes.Equal(w.raw[0], tt.bytes) {
			t.Errorf("% x: messages %v, bytes % x", tt.bytes, w.messages, w.raw)
		}
	}
}

// TestInspectWriter: plugins behind find in the writer what they find without
// inspection, and no message at all is theirs to explain.
func TestInspectWriter(t *testing.T) {
	for _, setting := range []string{"on", "off"} {
		n := handler(t, "block badsite.example\ninspect "+setting)
		w := newWriter()
		n.Next = plugin.HandlerFunc(func(_ context.Context, inner dns.ResponseWriter, _ *dns.Msg) (int, error) {
			_, tracker := inner.(plugin.PluginTracker)
			_, stater := inner.(dns.ConnectionStater)
			if tracker || stater || inner.RemoteAddr() != w.addr || inner.LocalAddr().String() != w.LocalAddr().String() || inner.TsigStatus() != w.TsigStatus() {
				t.Errorf("%s: another writer: %#v", setting, inner)
			}
			return dns.RcodeSuccess, inner.WriteMsg(nil)
		})
		if _, err := n.ServeDNS(t.Context(), w, new(dns.Msg).SetQuestion("good.test.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if w.by != n.Next.Name() || len(w.messages) != 1 || w.messages[0] != nil {
			t.Errorf("%s: written by %q: %v", setting, w.by, w.messages)
		}
	}
	i := &inspector{ResponseWriter: newWriter()}
	i.SetPlugin("cache")
	if got, none := i.GetPlugin(), (&inspector{ResponseWriter: &test.ResponseWriter{}}).GetPlugin(); got != "cache" || none != "" {
		t.Errorf("GetPlugin() = %q, and %q where nobody keeps it", got, none)
	}
}

// TestInspectPadding: a listed name at the end of the largest message that there
// is is found.
func TestInspectPadding(t *testing.T) {
	m := &dns.Msg{Compress: true}
	for i := 0; ; i++ {
		records(t, m, fmt.Sprintf("good.test. 60 HTTPS 0 h%d.test.", i))
		if i%100 == 0 && m.Len() > dns.MaxMsgSize-4096 {
			break
		}
	}
	records(t, m, "+good.test. 60 HTTPS 0 badsite.example.")
	if _, err := m.Pack(); err != nil || len(m.Answer) < 1000 {
		t.Fatalf("%d records: %v", len(m.Answer), err)
	}
	n := handler(t, "list builtin\nblock badsite.example")
	q := new(dns.Msg).SetQuestion("good.test.", dns.TypeHTTPS)
	if got, same := inspected(t, n, q, m); same {
		t.Errorf("Not found behind %d records: %v", len(m.Answer), got.MsgHdr)
	}
	m.Extra = nil
	if _, same := inspected(t, n, q, m); !same {
		t.Error("Denied without a listed name in it")
	}
}

// TestInspectAllocations: one small writer for a query, and nothing where there
// is nothing to look for.
func TestInspectAllocations(t *testing.T) {
	m := new(dns.Msg)
	records(t, m, "good.test. 60 CNAME cdn.test.; cdn.test. 60 CNAME c.cdn.test.; c.cdn.test. 60 A 192.0.2.1; +. 60 A 192.0.2.1")
	done := plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) { return 0, w.WriteMsg(m) })
	q := new(dns.Msg).SetQuestion("good.test.", dns.TypeA)
	w := &addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}}
	ctx := t.Context()
	for body, want := range map[string]float64{
		"list builtin": 1, "list builtin\nclients 10.0.0.0/8\nallow x.test": 1, "list builtin\ninspect off": 0, "": 0,
	} {
		n := handler(t, body)
		n.Next = done
		if body == "" {
			n.policy.Store(policy.New(policy.Config{})) // as with "start open", before any list is there
		}
		if got := testing.AllocsPerRun(1000, func() { n.ServeDNS(ctx, w, q) }); got != want {
			t.Errorf("%q: %v allocations, want %v", body, got, want)
		}
	}
}

func TestSubstitute(t *testing.T) {
	for _, tt := range []struct{ qname, owner, target, want string }{
		{"www.old.test.", "old.test.", "new.example.", "www.new.example."},
		{"A.b.OLD.test.", "old.TEST.", "New.example.", "A.b.New.example."},
		{"www.old.test.", "old.test.", ".", "www."},
		{"old.test.", "old.test.", "new.example.", "new.example."},
		{"test.", "old.test.", "new.example.", "new.example."},
		{"www.cold.test.", "old.test.", "new.example.", "new.example."},
		{`a\.old.test.`, "old.test.", "new.example.", "new.example."},
		{`x.a\.b.old.test.`, "old.test.", "new.example.", `x.a\.b.new.example.`},
		{"www.test.", ".", "new.example.", "new.example."},
		{".", ".", ".", "."},
	} {
		if got := substitute(tt.qname, tt.owner, tt.target); got != tt.want {
			t.Errorf("substitute(%s, %s, %s) = %s, want %s", tt.qname, tt.owner, tt.target, got, tt.want)
		}
	}
}

// TestInspectModel holds random answers against a naive twin: an answer with a
// listed target is denied, all others are written as they came.
func TestInspectModel(t *testing.T) {
	n := handler(t, "block badsite.example\nallow fine.badsite.example")
	r := rand.New(rand.NewPCG(5, 6))
	names := []string{"good.test.", "cdn.test.", "badsite.example.", "A.BADSITE.example.", "fine.badsite.example.", "example.", ".", `x\.badsite.example.`, "b.fine.badsite.example."}
	listed := map[string]bool{"badsite.example.": true, "A.BADSITE.example.": true}
	forms := []string{"%s 60 A 192.0.2.1", "%s 60 NS %s", "%s 60 MX 1 %s", "%s 60 PTR %s", "%s 60 TXT %s", "%s 60 CNAME %s", "%s 60 HTTPS 1 %s", "%s 60 SVCB 0 %s", "%s 60 AAAA ::1"}
	sections := []string{"", "+", "-"}
	denied := 0
	for range 3000 {
		m, want := new(dns.Msg), false
		for range r.IntN(8) {
			f, section, target := r.IntN(len(forms)), sections[r.IntN(3)], names[r.IntN(len(names))]
			text := fmt.Sprintf(forms[f], names[r.IntN(len(names))], target)
			text, _, _ = strings.Cut(text, "%!")
			records(t, m, section+text)
			want = want || f >= 5 && f <= 7 && section != "-" && listed[target]
		}
		q := new(dns.Msg).SetQuestion("good.test.", dns.TypeA)
		m.Id, m.Response, m.Question = q.Id, true, q.Question
		before, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		got, same := inspected(t, n, q, m)
		after, err := m.Pack()
		if same == want || err != nil || !bytes.Equal(before, after) {
			t.Fatalf("Denied %v, want %v: %v\nfor %v", !same, want, got, m)
		}
		if want {
			denied++
		}
	}
	if denied < 300 || denied > 2000 {
		t.Errorf("%d of 3000 answers are denied: the random world tests too little", denied)
	}
}

// FuzzInspect: whatever an upstream sends is passed on byte by byte or denied,
// and only an answer with an alias is denied.
func FuzzInspect(f *testing.F) {
	for _, text := range []string{
		"good.test. 60 A 192.0.2.1", "good.test. 60 CNAME badsite.example.", "old.test. 60 DNAME badsite.example.",
		"good.test. 60 HTTPS 1 . alpn=h2; +good.test. 60 HTTPS 0 badsite.example.", "- good.test. 60 NS badsite.example.", "+. 0 CH CNAME .",
	} {
		m := new(dns.Msg).SetQuestion("www.old.test.", dns.TypeA)
		records(f, m, strings.Replace(text, "- ", "-", 1))
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	n, err := parse(caddy.NewTestController("dns", "nonudify {\nblock badsite.example\n}"))
	if err != nil {
		f.Fatal(err)
	}
	if err := n.start(&instance{}, true); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(n.stop)
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil || len(m.Question) != 1 || m.Question[0].Qclass != dns.ClassINET || m.Opcode != dns.OpcodeQuery {
			return
		}
		q := new(dns.Msg).SetQuestion(m.Question[0].Name, m.Question[0].Qtype)
		text := m.String()
		aliases := strings.Contains(text, "CNAME") || strings.Contains(text, "DNAME") || strings.Contains(text, "HTTPS") || strings.Contains(text, "SVCB")
		w := newWriter()
		n.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) { return 0, w.WriteMsg(m) })
		if _, err := n.ServeDNS(t.Context(), w, q); err != nil || len(w.messages) != 1 {
			t.Fatalf("%d messages, %v", len(w.messages), err)
		}
		own := n.policy.Load().Decide(q.Question[0].Name, address(w)).Blocked()
		if got := w.messages[0]; got != m && !aliases && !own || got == m && own {
			t.Fatalf("Got %v\nfor %v", got, m)
		}
		if m.String() != text {
			t.Fatalf("The answer has changed from\n%s\nto\n%v", text, m)
		}
	})
}

// cachedChain returns a handler in front of a cache, behind which an answer is
// made, and a writer that packs what it gets, as a server does.
func cachedChain(b *testing.B, setting, rrs string) (*NoNudify, dns.ResponseWriter) {
	n := handler(b, "list builtin\ninspect "+setting)
	m := new(dns.Msg)
	records(b, m, rrs)
	c := cache.New()
	c.Next, n.Next = answering(m), c
	return n, &packer{addrWriter{addr: &net.UDPAddr{IP: net.IPv4(10, 1, 2, 3).To4()}}}
}

type packer struct{ addrWriter }

func (p *packer) WriteMsg(m *dns.Msg) error { _, err := m.Pack(); return err }

// BenchmarkInspect is what a cached answer costs without inspection and with it:
// the plugin, the cache and packing, but no network. The two take turns, a few
// queries each, so that what else the machine does falls on both; the figures are
// medians.
func BenchmarkInspect(b *testing.B) {
	const turn = 64
	for name, rrs := range map[string]string{
		"address": "www.good.test. 60 A 192.0.2.1",
		"alias":   "www.good.test. 60 CNAME good.cdn.test.; good.cdn.test. 60 A 192.0.2.1; good.cdn.test. 60 A 192.0.2.2",
	} {
		b.Run(name, func(b *testing.B) {
			settings := []string{"off", "on"}
			q, ctx := new(dns.Msg).SetQuestion("www.good.test.", dns.TypeA), context.Background()
			took := make([][]float64, len(settings))
			handlers, writers := make([]*NoNudify, len(settings)), make([]dns.ResponseWriter, len(settings))
			for i, setting := range settings {
				handlers[i], writers[i] = cachedChain(b, setting, rrs)
			}
			for b.Loop() {
				for i := range settings {
					start := time.Now()
					for range turn {
						handlers[i].ServeDNS(ctx, writers[i], q)
					}
					took[i] = append(took[i], float64(time.Since(start))/turn)
				}
			}
			for i, setting := range settings {
				slices.Sort(took[i])
				b.ReportMetric(took[i][len(took[i])/2], setting+"-ns/query")
			}
			b.ReportMetric(0, "ns/op") // of a pair of turns, which says nothing
		})
	}
}
