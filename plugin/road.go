package nonudify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/pkg/doh"
	scheme "github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/directive"
)

// The labels of how a query came, for view expressions.
const (
	pathLabel   = directive.Name + "/doh-path"
	serverLabel = directive.Name + "/tls-name"
)

// Metadata publishes the path of DNS over HTTPS, and the name that the client
// asked for in the TLS handshake, for view expressions, and for this handler
// itself: it is the only time when a plugin sees the handshake of DNS over TLS
// and over QUIC. It is metadata.Provider.
func (n *NoNudify) Metadata(ctx context.Context, state request.Request) context.Context {
	if path := pathOf(ctx); path != "" {
		metadata.SetValueFunc(ctx, pathLabel, func() string { return path })
	}
	if name := serverName(handshake(ctx, state.W)); name != "" {
		metadata.SetValueFunc(ctx, serverLabel, func() string { return name })
	}
	return ctx
}

// pathOf returns the path that a query over HTTPS was sent to, "" for one that
// came otherwise.
func pathOf(ctx context.Context) string {
	if r := httpRequest(ctx); r != nil {
		return r.URL.Path
	}
	return ""
}

func httpRequest(ctx context.Context) *http.Request {
	r, _ := ctx.Value(dnsserver.HTTPRequestKey{}).(*http.Request)
	return r
}

// handshake returns the state of the TLS connection that a query came over, nil
// without one. Of gRPC, CoreDNS does not tell it.
func handshake(ctx context.Context, w dns.ResponseWriter) *tls.ConnectionState {
	if r := httpRequest(ctx); r != nil {
		return r.TLS
	}
	if s, ok := w.(dns.ConnectionStater); ok {
		return s.ConnectionState()
	}
	return nil
}

// serverName returns the name that the client asked for (RFC 6066 §3), in lower
// case.
func serverName(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(s.ServerName, "."))
}

// client returns the address that the policy is to judge a client by, and
// whether the policy is meant for it at all. How a query came says more of its
// sender than from where: devices that roam have an address of somebody else. A
// path of DNS over HTTPS decides first, then the name of the TLS handshake, then
// the address. One that the policy is meant for whatever its address is given no
// address.
func (n *NoNudify) client(ctx context.Context, w dns.ResponseWriter) (addr netip.Addr, meant bool) {
	if n.roads {
		if in, out := n.byRoad(ctx); in || out {
			return netip.Addr{}, in
		}
	}
	return address(w), true
}

// byRoad reports whether the way that a query came puts its client in or out.
//
//go:noinline
func (n *NoNudify) byRoad(ctx context.Context) (in, out bool) {
	clients, except := &n.config.Clients, &n.config.Except
	if path := pathOf(ctx); path != "" {
		in, out = slices.Contains(clients.Paths, path), slices.Contains(except.Paths, path)
	}
	if in || out {
		return in, out
	}
	name := serverName(handshake(ctx, nil))
	if f := metadata.ValueFunc(ctx, serverLabel); f != nil {
		name = f()
	}
	return slices.Contains(clients.Servers, name), slices.Contains(except.Servers, name)
}

// pave opens the paths of DNS over HTTPS that the directive names, beside the
// usual one. All directives of an instance share what is open, for CoreDNS asks
// any server block of a listener.
func (n *NoNudify) pave(c *caddy.Controller) {
	i := instanceOf(c)
	for _, path := range slices.Concat(n.config.Clients.Paths, n.config.Except.Paths) {
		i.paths[path] = true
	}
	n.roads = slices.ContainsFunc([]directive.Prefixes{n.config.Clients, n.config.Except}, func(p directive.Prefixes) bool {
		return len(p.Paths)+len(p.Servers) > 0
	})
	config := dnsserver.GetConfig(c)
	if other := config.HTTPRequestValidateFunc; other == nil {
		config.HTTPRequestValidateFunc = func(r *http.Request) bool { return r.URL.Path == doh.Path || i.paths[r.URL.Path] }
	}
}

// blockedRoads returns what keeps a directive from telling its clients apart by
// how they come, nil if nothing does.
func (n *NoNudify) blockedRoads(c *dnsserver.Config, all []*dnsserver.Config) error {
	if len(n.config.Clients.Servers)+len(n.config.Except.Servers) > 0 && c.Handler("metadata") == nil {
		return fmt.Errorf("tls:NAME in clients or except needs the metadata plugin in this server block: without it CoreDNS shows no plugin the handshake")
	}
	if len(n.config.Clients.Paths)+len(n.config.Except.Paths) == 0 {
		return nil
	}
	var mine []string
	for _, block := range all {
		if block.Handler(directive.Name) == plugin.Handler(n) && (block.Transport == scheme.HTTPS || block.Transport == scheme.HTTPS3) {
			mine = append(mine, listeners(block)...)
		}
	}
	for _, other := range all {
		if other.Handler(directive.Name) == nil && meet(listeners(other), mine) {
			return fmt.Errorf("doh:PATH in clients or except needs %s in each server block of the listener, and %s has none: "+
				"CoreDNS asks any one of them which paths there are", directive.Name, label(other))
		}
	}
	return nil
}
