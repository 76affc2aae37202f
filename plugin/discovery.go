package nonudify

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strconv"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/doh"
	scheme "github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/discovery"
)

// discoveryZone returns what this server block tells its clients of the resolver. It
// is called when all server blocks are set up.
func (n *NoNudify) discoveryZone(c *caddy.Controller) *discovery.Zone {
	return discovery.New(discovery.Config{
		Name:      n.config.Resolver.Name,
		Info:      n.config.Resolver.Info,
		Errors:    n.errorCodes(dnsserver.GetConfig(c)),
		Listeners: n.designated(blocks(c)),
	})
}

// errorCodes returns the INFO-CODEs that queries to this server block may be
// answered with: those of the directive, and those of the acl plugin (RFC 8914
// §4.16 and 4.18). No other plugin of CoreDNS adds any. What an upstream says is
// its own: the cache takes it off.
func (n *NoNudify) errorCodes(own *dnsserver.Config) []uint16 {
	var codes []uint16
	if !n.config.Shadow { // which answers nothing, and waits for nothing
		codes = n.answerer.Codes(n.config.Reasons(), len(n.config.Bypass) > 0, n.config.Waits())
	}
	if own.Handler("acl") != nil {
		codes = append(codes, dns.ExtendedErrorCodeBlocked, dns.ExtendedErrorCodeFiltered)
	}
	return codes
}

// protocols are the encrypted transports of which clients can be told (RFC 9461
// §4.1), the most wanted first. DNS over TLS comes first because systems that ask
// all by themselves know it best.
var protocols = []struct{ transport, alpn string }{
	{scheme.TLS, "dot"}, {scheme.HTTPS, "h2"}, {scheme.HTTPS3, "h3"}, {scheme.QUIC, "doq"},
}

// designated returns the encrypted listeners at which the same filter can be had,
// too: those that serve the same zone to whoever asks, under a certificate, with
// this directive or one that blocks the same for the same clients. One behind a
// proxy that does the encryption is not known here.
func (n *NoNudify) designated(all []*dnsserver.Config) (found []discovery.Listener) {
	own := n.asked(all)
	if own == nil {
		return nil
	}
	for _, p := range protocols {
		for _, c := range all {
			if c.Transport != p.transport || c.Zone != own.Zone || !n.equals(c) || !admits(c) {
				continue
			}
			l, reachable := listenerOf(c, own, p.alpn)
			same := func(other discovery.Listener) bool { return together(other, l) }
			switch i := slices.IndexFunc(found, same); {
			case !reachable:
			case i >= 0:
				found[i].ALPN = append(found[i].ALPN, p.alpn)
			default:
				found = append(found, l)
			}
		}
	}
	return found
}

// asked returns the server block of this directive to which queries for
// resolver.arpa come, nil without one.
func (n *NoNudify) asked(all []*dnsserver.Config) (own *dnsserver.Config) {
	for _, c := range all {
		mine := c.Handler(directive.Name) == plugin.Handler(n) && dns.IsSubDomain(c.Zone, "resolver.arpa.")
		if mine && (own == nil || len(c.Zone) > len(own.Zone)) {
			own = c
		}
	}
	return own
}

// equals reports whether a server block filters as this directive does.
func (n *NoNudify) equals(c *dnsserver.Config) bool {
	other, ok := c.Handler(directive.Name).(*NoNudify)
	return ok && (other == n || other.config.BlocksLike(n.config))
}

// admits reports whether a server block answers every client, over TLS.
func admits(c *dnsserver.Config) bool {
	return c.ViewName == "" && c.TLSConfig != nil && c.TLSConfig.ClientAuth != tls.RequireAnyClientCert && c.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert
}

// together reports whether two listeners are one service: HTTP/2 and HTTP/3 at
// the same port and path.
func together(a, b discovery.Listener) bool {
	return a.Path != "" && a.Path == b.Path && a.Port == b.Port && slices.Equal(a.Addresses, b.Addresses) && !slices.Contains(a.ALPN, b.ALPN[0])
}

// listenerOf describes the listener of a server block, and reports whether the
// clients of another block can reach it: not if it is on loopback alone, and they
// are not.
func listenerOf(c, asked *dnsserver.Config, alpn string) (discovery.Listener, bool) {
	l := discovery.Listener{ALPN: []string{alpn}, Addresses: hints(addresses(c))}
	if alpn == "h2" || alpn == "h3" {
		l.Path = doh.Path + "{?dns}"
	}
	port, err := strconv.ParseUint(c.Port, 10, 16)
	l.Port = uint16(port)
	return l, err == nil && (!onLoopback(addresses(c)) || onLoopback(addresses(asked)))
}

// hints returns the addresses at which clients elsewhere reach a listener, or all
// of them if it is on loopback alone. An address of a link means nothing without
// the name of the link, which is the client's to know.
func hints(all []netip.Addr) []netip.Addr {
	local := onLoopback(all)
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsLoopback() && !local })
}

// addresses returns those that a server block is bound to, none if to all.
func addresses(c *dnsserver.Config) (found []netip.Addr) {
	for _, host := range c.ListenHosts {
		a, err := netip.ParseAddr(host)
		if err != nil || a.IsUnspecified() {
			return nil
		}
		found = append(found, a.WithZone(""))
	}
	return found
}

// onLoopback reports whether all addresses, of which there are some, are those of
// this machine alone.
func onLoopback(all []netip.Addr) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(a netip.Addr) bool { return !a.IsLoopback() })
}
