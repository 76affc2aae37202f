package nonudify

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"sync"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/front"
)

// fronted is a server as its front sees it.
type fronted struct {
	server   *dnsserver.Server
	instance *instance
	ctx      context.Context // of every query, as the server makes it
	peers    int             // sockets of the server
	zones    map[string]*frontRoute
	packets  *front.PacketCache // nil where no route repeats
	counters *front.Counters
}

// frontRoute is what becomes of queries for names of one zone. nil: the server
// answers them.
type frontRoute struct {
	handler  *NoNudify
	observer *observer // nil without the prometheus plugin
	repeats  bool      // replies of the server may be sent again
}

func (f *fronted) service() *front.Service {
	serve := func(w dns.ResponseWriter, r *dns.Msg) { f.server.ServeDNS(withKeeper(f.ctx, w, r), w, r) }
	return &front.Service{Answerer: f, Handler: dns.HandlerFunc(serve), TsigSecret: f.server.TsigSecret, Packets: f.packets}
}

// newFrontRoute returns the route to a server block. The front answers for it only
// what nothing but this plugin would have a say in.
func newFrontRoute(server string, c *dnsserver.Config) *frontRoute {
	n, ok := c.Handler(directive.Name).(*NoNudify)
	handlers := c.Handlers()
	if !ok || len(c.FilterFuncs) > 0 || len(handlers) != len(c.Plugin) { // one that has another name cannot be found
		return nil
	}
	for _, h := range handlers {
		if _, collects := h.(dnsserver.MetadataCollector); collects {
			return nil
		}
	}
	route := &frontRoute{handler: n}
	for i, h := range handlers {
		if h == plugin.Handler(n) {
			route.repeats = !n.config.Shadow && repeatable(c, handlers[:i], handlers[i+1:])
			n.repeated.Store(route.repeats)
			return route
		}
		if m, counts := h.(*metrics.Metrics); counts {
			route.observer = &observer{server: server, metrics: m, next: handlers[i+1].Name()} // this plugin, at least, is behind it
		} else if !n.bystander(h) {
			return nil
		}
	}
	return nil
}

// bystander reports whether a plugin in front of this one does nothing to a denial
// that this one makes, nor to the plain query before.
func (n *NoNudify) bystander(h plugin.Handler) bool {
	switch h.Name() {
	case "errors", "cancel", // only about what fails or takes long
		"shed",  // drops what its own writer has no room for
		"nsid",  // acts on an option that no plain query has
		"chaos": // acts on another class
		return true
	case "loadbalance": // shuffles addresses
		return n.config.Answer.Action != answer.Sinkhole
	case "tsig":
		return !requires(h)
	}
	return false
}

// requires reports whether the tsig plugin wants any query to be signed. It is not
// to be asked.
func requires(h plugin.Handler) bool {
	v := reflect.ValueOf(h)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return true
	}
	for _, name := range []string{"types", "opcodes", "allTypes", "allOpcodes"} {
		if field := v.Elem().FieldByName(name); !field.IsValid() || !field.IsZero() && (field.Kind() != reflect.Map || field.Len() > 0) {
			return true
		}
	}
	return false
}

// Answer is front.Answerer: it answers plain queries for blocked names, just as the
// server would. It does not allocate.
func (f *fronted) Answer(dst, packet []byte, client netip.Addr) int {
	q := queries.Get().(*answer.Query)
	defer queries.Put(q)
	if !q.Parse(packet) || q.Type == dns.TypeDS { // which another server block may have to answer
		return 0
	}
	r := f.route(q.Name())
	if r == nil {
		return 0
	}
	return f.answer(r, dst, q, client)
}

// queries are those that nobody reads at the moment. On the stack they cannot be: a
// name may be handed to a hash that the compiler knows nothing of.
var queries = sync.Pool{New: func() any { return new(answer.Query) }}

// route returns the route of the longest zone that a name is in, as the server looks
// for it.
func (f *fronted) route(qname string) *frontRoute {
	if len(f.zones) > 1 || f.zones["."] == nil {
		var lower [256]byte
		name := lower[:copy(lower[:], qname)]
		for i, c := range name {
			if 'A' <= c && c <= 'Z' {
				name[i] = c + 'a' - 'A'
			}
		}
		for at := 0; at < len(name); at += 1 + strings.IndexByte(qname[at:], '.') {
			if r, ok := f.zones[string(name[at:])]; ok {
				return r
			}
		}
	}
	return f.zones["."]
}

// answer answers a query if its name is blocked, or if it was answered a moment ago.
// What else there is to know of the name, the server looks after.
func (f *fronted) answer(r *frontRoute, dst []byte, q *answer.Query, client netip.Addr) int {
	n, name := r.handler, q.Name()
	p := n.policy.Load()
	if p == nil || n.config.Shadow || n.discovery.Owns(name, q.Type) || n.zoneOf(name) != nil {
		return 0
	}
	v, absent := p.DecideBlock(name, client)
	if absent && r.repeats {
		return f.repeat(r, p, dst, q, client)
	}
	if !v.Blocked() {
		return 0
	}
	size := n.answerer.Compose(dst, q, answer.Way{Reserve: n.reserve, IPv6: client.Is6()}, v)
	if size > 0 {
		action := n.action(v)
		n.verdicts.count(f.ctx, "udp", action, v)
		n.total(action, v, client)
		r.observer.observe(q, client, dst[:size])
	}
	return size
}
