package nonudify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
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

// The labels of the endpoint that a query came to, for view expressions.
const (
	pathLabel    = directive.Name + "/doh-path"
	tlsNameLabel = directive.Name + "/tls-name"
)

// Metadata publishes the path of DNS over HTTPS, and the name that the client
// asked for in the TLS handshake, for view expressions, and for this handler
// itself: it is the only time when a plugin sees the handshake of DNS over TLS
// and over QUIC. It is metadata.Provider.
//
// A plugin such as dns64 has the server answer questions of its own, in the
// context of the client's, but with a writer that shows no handshake. So the name
// stays in the context.
func (n *NoNudify) Metadata(ctx context.Context, state request.Request) context.Context {
	if path := pathOf(ctx); path != "" {
		metadata.SetValueFunc(ctx, pathLabel, func() string { return path })
	}
	name, known := ctx.Value(tlsNameKey{}).(string)
	if s := handshake(ctx, state.W); !known && s != nil {
		name = tlsName(s)
		ctx = context.WithValue(ctx, tlsNameKey{}, name)
	}
	if name != "" {
		metadata.SetValueFunc(ctx, tlsNameLabel, func() string { return name })
	}
	return ctx
}

// tlsNameKey is where a context has the name that tlsName returns.
type tlsNameKey struct{}

// pathOf returns the path that a query over HTTPS was sent to, as it was written:
// what a proxy in front has let through. It is "" for one that came otherwise.
func pathOf(ctx context.Context) string {
	if r := httpRequest(ctx); r != nil {
		return r.URL.EscapedPath()
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

// tlsName returns the name that the client asked for (RFC 6066 §3), in lower
// case.
func tlsName(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(s.ServerName, "."))
}

// client returns the address that the policy is to judge a client by, and
// whether its queries are judged at all. The endpoint that a query came to says
// more of its sender than from where: devices that roam have an address of
// somebody else. A path of DNS over HTTPS decides first, then the name of the TLS
// handshake, then the address. A client that is judged whatever its address is
// given no address.
func (n *NoNudify) client(ctx context.Context, w dns.ResponseWriter) (addr netip.Addr, judged bool) {
	if n.byEndpoint {
		if in, out := n.endpoint(ctx); in || out {
			return netip.Addr{}, in
		}
	}
	return addressOf(ctx, w), true
}

// addressOf returns the address that a query came from. Over HTTPS, CoreDNS loses
// one with a zone, which the request still has.
func addressOf(ctx context.Context, w dns.ResponseWriter) netip.Addr {
	a := address(w)
	if r := httpRequest(ctx); !a.IsValid() && r != nil {
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			return ap.Addr().Unmap()
		}
	}
	return a
}

// endpoint reports whether the endpoint that a query came to puts its client in
// or out.
func (n *NoNudify) endpoint(ctx context.Context) (in, out bool) {
	clients, except := &n.config.Clients, &n.config.Except
	if path := pathOf(ctx); path != "" {
		in, out = slices.Contains(clients.Paths, path), slices.Contains(except.Paths, path)
	}
	if in || out {
		return in, out
	}
	name, known := ctx.Value(tlsNameKey{}).(string)
	if !known {
		name = tlsName(handshake(ctx, nil)) // of HTTPS; that of TLS and QUIC only Metadata is shown, which keeps it
	}
	return slices.Contains(clients.TLSNames, name), slices.Contains(except.TLSNames, name)
}

// openPaths opens the paths of DNS over HTTPS that the directive names, beside
// the usual one. All directives of an instance share what is open, for CoreDNS
// asks any server block of a listener. Where another plugin has its own idea of
// the paths, that is left alone, and checkEndpoints says so.
func (n *NoNudify) openPaths(c *caddy.Controller) {
	i := instanceOf(c)
	for _, path := range n.config.Paths() {
		i.paths[path] = true
	}
	n.byEndpoint = len(n.config.Paths())+len(n.config.TLSNames()) > 0
	if config := dnsserver.GetConfig(c); config.HTTPRequestValidateFunc == nil {
		config.HTTPRequestValidateFunc = func(r *http.Request) bool { return r.URL.Path == doh.Path || i.paths[r.URL.EscapedPath()] }
	}
}

// checkEndpoints returns what keeps a directive from telling its clients apart by
// the endpoint that they ask at, nil if nothing does.
func (n *NoNudify) checkEndpoints(all []*dnsserver.Config) error {
	mine := slices.DeleteFunc(slices.Clone(all), func(c *dnsserver.Config) bool { return c.Handler(directive.Name) != plugin.Handler(n) })
	if len(n.config.TLSNames()) > 0 && slices.ContainsFunc(mine, func(c *dnsserver.Config) bool { return !collects(c) }) {
		return errors.New("tls:NAME in clients or except needs the metadata plugin in this server block, for all its zones: " +
			"no other plugin is shown the name of a TLS handshake")
	}
	if err := n.checkAudience(mine); err != nil {
		return err
	}
	if len(n.config.Paths()) > 0 {
		return n.checkPaths(all)
	}
	return nil
}

// collects reports whether metadata is collected for all queries to a server
// block.
func collects(c *dnsserver.Config) bool {
	m, ok := c.Handler("metadata").(*metadata.Metadata)
	return ok && plugin.Zones(m.Zones).Matches(c.Zone) != ""
}

// checkAudience refuses a filter for nobody, which would be a failure that nobody
// notices. What files hold is found out when they are read.
func (n *NoNudify) checkAudience(mine []*dnsserver.Config) error {
	clients := n.config.Clients
	switch {
	case len(clients.Files)+len(n.config.Except.Files) > 0:
		return nil
	case !n.config.ClientsOf(nil).Nobody():
		return nil
	case len(clients.Paths) > 0 && listensOn(mine, scheme.HTTPS, scheme.HTTPS3):
		return nil
	case len(clients.TLSNames) > 0 && listensOn(mine, scheme.TLS, scheme.QUIC, scheme.HTTPS, scheme.HTTPS3):
		return nil
	case len(clients.Paths)+len(clients.TLSNames) > 0:
		return errors.New("clients are known by doh: or tls: only, and this server block listens on nothing of the kind: the filter would be for nobody")
	}
	return errors.New("except leaves nobody of clients: the filter would be for nobody")
}

// listensOn reports whether any of the server blocks is one of a transport.
func listensOn(blocks []*dnsserver.Config, transports ...string) bool {
	return slices.ContainsFunc(blocks, func(c *dnsserver.Config) bool { return slices.Contains(transports, c.Transport) })
}

// checkPaths is checkEndpoints for the paths of DNS over HTTPS.
func (n *NoNudify) checkPaths(all []*dnsserver.Config) error {
	var mine []string
	for _, block := range all {
		if block.Handler(directive.Name) == plugin.Handler(n) && (block.Transport == scheme.HTTPS || block.Transport == scheme.HTTPS3) {
			mine = append(mine, listeners(block)...)
		}
	}
	for _, block := range all {
		switch {
		case !intersect(listeners(block), mine):
		case !filters(block):
			return fmt.Errorf("doh:PATH in clients or except needs %s in each server block of the listener, and %s has none: "+
				"CoreDNS asks any one of them which paths there are", directive.Name, label(block))
		case slices.ContainsFunc(n.config.Paths(), func(path string) bool { return !answersAt(block, path) }):
			return errors.New("doh:PATH in clients or except cannot be opened: another plugin decides which paths there are")
		}
	}
	return nil
}

// answersAt reports whether a server block takes requests to a path.
func answersAt(c *dnsserver.Config, path string) bool {
	accepts := c.HTTPRequestValidateFunc
	return accepts != nil && accepts(&http.Request{Method: http.MethodPost, URL: &url.URL{Path: path}, Header: http.Header{}})
}
