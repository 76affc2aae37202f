package nonudify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
)

// place returns file and line of the directive that c is about to read.
func place(c *caddy.Controller) string {
	d := c.Dispenser // a copy, which may move on
	d.Next()
	return fmt.Sprintf("%s:%d", d.File(), d.Line())
}

// guard has the start fail where the plugins around the directive undo what it
// is for, and has the log tell where the configuration does less than it looks.
// Which plugins there are is known once all of them are set up. The hook is to
// stand before the one that starts things, so that a start that fails here
// leaves nothing behind.
func (n *NoNudify) guard(c *caddy.Controller, at string) {
	i := instanceOf(c)
	c.OnStartup(func() error {
		own, all := dnsserver.GetConfig(c), blocks(c)
		if err := cmp.Or(unsafe(own), n.checkEndpoints(all)); err != nil {
			return plugin.Error(directive.Name, fmt.Errorf("%s - %w", at, err))
		}
		for _, warning := range slices.Concat(n.doubts(), n.unsent(own), n.unasked(c.ServerBlockKeys)) {
			log.Warningf("%s - %s", at, warning)
		}
		if !i.surveyed {
			i.surveyed = true
			survey(all)
		}
		return nil
	})
}

// unsafe returns what is wrong with the plugins of a server block.
func unsafe(c *dnsserver.Config) error {
	if c.Handler("cache") != nil && before("cache", directive.Name) {
		return fmt.Errorf("%s stands behind cache in the order of plugins: what is cached would not be judged, denials would be cached for everybody "+
			"and lose their extended error; %s", directive.Name, remedy)
	}
	for _, name := range resolvers {
		if c.Handler(name) != nil && before(name, directive.Name) {
			return fmt.Errorf("%s stands behind %s in the order of plugins: no query that %s takes arrives here; %s", directive.Name, name, name, remedy)
		}
	}
	// minimal runs what is behind it with a writer that keeps one message, the
	// last, and writes that when the chain has returned (plugin/pkg/nonwriter). A
	// transfer is a message for each 63,000 octets of the zone.
	if c.Handler("minimal") != nil && c.Handler("transfer") != nil && before("minimal", "transfer") {
		return fmt.Errorf("minimal stands beside transfer: of a zone transfer of several messages it lets only the last through; " +
			"leave minimal out, or transfer zones from a server block of their own")
	}
	return nil
}

// remedy is for whoever has built the server.
const remedy = "build it with the line of " + directive.Name + " right above that of cache in plugin.cfg, and not through COREDNS_PLUGINS"

// resolvers are the plugins, of CoreDNS and external ones, that ask others about
// names for which nobody here is responsible. Those that only read data of their
// own, such as file or kubernetes, resolve what these data point to through the
// server's own front door, which is filtered.
var resolvers = []string{"alternate", "dnsredir", "fanout", "forward", "grpc", "proxy", "recursor", "unbound"}

// before reports whether queries reach one plugin before another. The order is
// that of the directives, whatever the Corefile's is.
func before(one, other string) bool {
	first, second := slices.Index(dnsserver.Directives, one), slices.Index(dnsserver.Directives, other)
	return 0 <= first && first < second
}

// doubts returns what is to be said about the addresses that blocked names lead
// to.
func (n *NoNudify) doubts() []string {
	var found []string
	if n.config.Shadow || n.config.Answer.Action != answer.Sinkhole {
		return nil
	}
	for _, a := range n.config.Answer.Addresses {
		a = a.Unmap()
		if d := doubt(a); d != "" {
			found = append(found, fmt.Sprintf("Sinkhole address %v %s", a, d))
		}
	}
	return found
}

// doubt tells for whom a sinkhole address works, "" if for everybody.
func doubt(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "is each client's own machine: right only if all clients run on this one"
	case a.IsLinkLocalUnicast() && a.Is6():
		return "means nothing without the name of a link, which DNS cannot tell: right for nobody"
	case a.IsLinkLocalUnicast():
		return "is known on one link only: right only if all clients are on it"
	case a.IsPrivate() || shared.Contains(a):
		return "is known in a private network only: right only if all clients are inside that network, and none takes its answers along to another"
	case slices.ContainsFunc(nobody, func(p netip.Prefix) bool { return p.Contains(a) }):
		return "is from a range for documentation, tests or no use at all: right for nobody outside of a test"
	}
	return ""
}

// shared are the addresses between a provider and the routers of its customers
// (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// nobody are the ranges in which nobody has an address: IANA's registries of
// special-purpose addresses, and RFC 2544, 3849, 5180, 5737, 9637.
var nobody = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:2::/48"),
}
