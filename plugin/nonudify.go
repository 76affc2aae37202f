// Package nonudify is the CoreDNS plugin of that name: it denies the names of
// published lists of "nudify" services and says why.
//
// A query takes one atomic load, one decision (package policy) and, if its name
// is listed, one reply (package answer). Everything slow happens elsewhere:
// lists are loaded, checked and swapped in by package feed.
package nonudify

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/plugin/transfer"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/opentracing/opentracing-go"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/discovery"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/totals"
)

// NoNudify is the handler of one directive. It is safe for concurrent use once
// its server runs.
type NoNudify struct {
	Next plugin.Handler

	config      *directive.Config
	answerer    *answer.Answerer
	reserve     int                           // octets that others will add to a reply
	certificate *tls.Config                   // of the tls plugin in the same server block; nil without
	policy      atomic.Pointer[policy.Policy] // nil before the start
	discovery   *discovery.Zone               // what this resolver tells of itself
	byEndpoint  bool                          // clients are told apart by the endpoint that they ask at, too
	verdicts    verdictCounters
	place       whereabouts         // of its server block
	totals      *totals.Share       // nil: none are kept
	helplines   directive.Helplines // of the operator, as the start has found them
	published   []publication       // policy zones
	transfer    *transfer.Transfer  // of the same server block; nil without
	// decorate is what another plugin of the block has asked the server for; nil
	// without. Asked for by openFront, the server forgets it.
	decorate func(*dnsserver.Server) dns.DecorateWriter
	repeated atomic.Bool // the front may send replies of this server block again
	ending   atomic.Bool // the server was told to end, or another instance has taken over
	crew     *crew       // of its instance; nil outside of CoreDNS

	mu       sync.Mutex // one rebuild of the policy at a time
	heldBack bool       // policy zones are not to say anything yet; guarded by mu
	sources  *sources   // what it is built of, while the server runs
}

// Name returns the directive's name, by which other plugins find this one.
func (n *NoNudify) Name() string { return directive.Name }

// ServeDNS answers queries for blocked names and hands all others on. Its
// frame is small on purpose: the rest of the chain runs on top of it, in a
// goroutine whose stack would otherwise grow once more for every query.
func (n *NoNudify) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	rest := n.intercept(ctx, w, r)
	if rest == nil {
		return dns.RcodeSuccess, nil // whatever was said has been written
	}
	if o, ok := rest.(*outgoing); ok {
		return n.handOver(ctx, o, r)
	}
	if n.Next == nil || followed(ctx, w) {
		return plugin.NextOrFailure(directive.Name, n.Next, ctx, rest, r)
	}
	return n.Next.ServeDNS(ctx, rest, r)
}

// followed reports whether somebody wants to know which plugin comes next: a
// trace, or the writer. plugin.NextOrFailure tells them, for an allocation and
// 300 bytes of stack.
//
//go:noinline
func followed(ctx context.Context, w dns.ResponseWriter) bool {
	_, tracked := w.(plugin.PluginTracker)
	return tracked || opentracing.SpanFromContext(ctx) != nil
}

// intercept answers the query if its name is blocked, and then returns nil. Else
// it returns the writer that the rest of the chain is to answer with. Judged are
// questions of class IN, and of class ANY, which resolvers answer with records of
// class IN; other classes hold no hosts. A NOTIFY is no lookup, but is forwarded
// like one, and answered by some.
//
//go:noinline
func (n *NoNudify) intercept(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) dns.ResponseWriter {
	if len(r.Question) != 1 || r.Question[0].Qclass != dns.ClassINET && r.Question[0].Qclass != dns.ClassANY {
		return w
	}
	notice := r.Opcode == dns.OpcodeNotify
	if notice && n.notify(w, r) {
		return nil
	}
	if !notice && r.Opcode != dns.OpcodeQuery {
		return w
	}
	if q := &r.Question[0]; n.discovery.Owns(q.Name, q.Qtype) {
		write(w, n.discovery.Reply(r))
		return nil
	}
	if z := n.zoneOf(r.Question[0].Name); z != nil && !notice {
		return n.serveZone(ctx, w, r, z)
	}
	who, judged := n.client(ctx, w)
	if !judged {
		return w
	}
	v := policy.Verdict{Pending: true}
	p := n.policy.Load()
	if p != nil {
		v = p.Decide(r.Question[0].Name, who)
	}
	switch {
	case v.Action != rule.None:
		if m := n.reply(ctx, w, r, v); m != nil {
			write(w, m)
			return nil
		}
		if v.Blocked() { // in the shadow: it is counted, whatever it leads to
			return w
		}
	case v.Pending && !notice: // nobody can tell yet: the client may ask again
		write(w, n.answerer.NotReady(n.request(w, r, transport(ctx, w))))
		return nil
	case !notice:
		n.keep(ctx, r, p, who)
	}
	return n.inspect(ctx, w, r, p, who)
}

// reply counts the verdict on a listed name and returns what the query is to be
// answered with, nil if it passes.
func (n *NoNudify) reply(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, v policy.Verdict) *dns.Msg {
	action := n.action(v)
	describe(ctx, action, v)
	over := transport(ctx, w)
	n.verdicts.count(ctx, over, action, v)
	n.totalOf(ctx, w, action, v)
	if !v.Blocked() || n.config.Shadow {
		return nil
	}
	return n.answerer.Reply(n.request(w, r, over), v)
}

// action names what is done with a listed name, for metrics and metadata.
func (n *NoNudify) action(v policy.Verdict) string {
	switch {
	case !v.Blocked():
		return v.Action.String()
	case n.config.Shadow:
		return "shadow"
	}
	return n.answerer.Action(v).String()
}

// describe publishes the verdict as metadata, so that an operator can have
// counts by list in a log of his own. It costs nothing without the metadata
// plugin. The matched name is left out: it would be the query name.
func describe(ctx context.Context, action string, v policy.Verdict) {
	if metadata.ValueFuncs(ctx) == nil {
		return
	}
	for label, value := range map[string]string{"action": action, "list": v.List, "reason": v.Reason.String()} {
		metadata.SetValueFunc(ctx, directive.Name+"/"+label, func() string { return value })
	}
}

// write sends a reply. A client that is gone is no error of the server, and
// returning one would have it logged with the name that was asked for.
func write(w dns.ResponseWriter, m *dns.Msg) { _ = w.WriteMsg(m) }

// tsigSize is the room that a TSIG record takes (RFC 8945 §4.2), with a key name
// of up to 57 octets and the longest MAC in use. The tsig plugin takes the
// record off a query before it comes here, so that whether it is signed is not
// to be seen: the room is kept for all.
const tsigSize = 160

// request collects what the reply depends on.
func (n *NoNudify) request(w dns.ResponseWriter, r *dns.Msg, transport string) answer.Request {
	state := request.Request{W: w, Req: r}
	plain := transport == "udp" || transport == "tcp"
	return answer.Request{Msg: r, Size: state.Size(), UDP: transport == "udp", Encrypted: !plain, Reserve: n.reserve}
}

// transport returns udp, tcp, tls, quic, https, https3 or grpc.
func transport(ctx context.Context, w dns.ResponseWriter) string {
	scheme, _, ok := strings.Cut(metrics.WithServer(ctx), "://")
	if ok && scheme != "dns" {
		return scheme
	}
	if _, udp := remote(w).(*net.UDPAddr); udp {
		return "udp"
	}
	return "tcp"
}

// address returns the address that a query came from, IPv4 as IPv4, and the zero
// Addr when there is none to be had.
func address(w dns.ResponseWriter) netip.Addr {
	switch a := remote(w).(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// remote returns the address that a query came from, as a proxy tells it where
// one that speaks the PROXY protocol stands before the server.
func remote(w dns.ResponseWriter) net.Addr {
	addr := w.RemoteAddr()
	switch addr.(type) {
	case *net.UDPAddr, *net.TCPAddr: // nearly always; to ask for a method takes longer
		return addr
	}
	if proxied, ok := addr.(interface{ Unwrap() net.Addr }); ok {
		return proxied.Unwrap()
	}
	return addr
}
