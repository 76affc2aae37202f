package nonudify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	scheme "github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/miekg/dns"

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
		if err := cmp.Or(unsafe(dnsserver.GetConfig(c)), n.checkEndpoints(dnsserver.GetConfig(c), blocks(c))); err != nil {
			return plugin.Error(directive.Name, fmt.Errorf("%s - %w", at, err))
		}
		for _, warning := range n.doubts() {
			log.Warningf("%s - %s", at, warning)
		}
		if !i.surveyed {
			i.surveyed = true
			all := blocks(c)
			warnOfGaps(gaps(all))
			warnOfSideRoads(sideRoads(all))
			warnOfHidden(hidden(all))
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
		if d := doubt(a.Unmap()); d != "" {
			found = append(found, fmt.Sprintf("Sinkhole address %v %s", a.Unmap(), d))
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

// blocks returns what the instance of c serves, one Config for each key of each
// server block. CoreDNS gives them out by number, and makes up one without a
// zone where there is none. That is harmless only once the servers are made,
// which is before the hooks of the start run.
func blocks(c *caddy.Controller) []*dnsserver.Config {
	var all []*dnsserver.Config
	at := *c
	for at.ServerBlockIndex = 0; ; at.ServerBlockIndex++ {
		for at.ServerBlockKeyIndex = 0; ; at.ServerBlockKeyIndex++ {
			config := dnsserver.GetConfig(&at)
			if config.Zone == "" {
				break
			}
			all = append(all, config)
		}
		if at.ServerBlockKeyIndex == 0 {
			return all
		}
	}
}

// gap is a server block that resolves names without the directive, though
// another one filters a zone above.
type gap struct{ open, filtered *dnsserver.Config }

// gaps finds them. Queries go to the block with the longest zone on their
// listener, and to no other. What cannot be seen: other processes, and external
// plugins that resolve names under a name that is not among the resolvers.
func gaps(all []*dnsserver.Config) []gap {
	var found []gap
	filtered := map[string][]*dnsserver.Config{} // by listener
	for _, c := range all {
		if _, ok := c.Handler(directive.Name).(*NoNudify); ok {
			for _, l := range listeners(c) {
				filtered[l] = append(filtered[l], c)
			}
		}
	}
	for _, c := range all {
		if c.Handler(directive.Name) != nil || !resolves(c) {
			continue
		}
		if f := above(c, filtered); f != nil {
			found = append(found, gap{c, f})
		}
	}
	return found
}

// above returns a block that would filter names of the block c if c were not
// there, nil without one.
func above(c *dnsserver.Config, filtered map[string][]*dnsserver.Config) *dnsserver.Config {
	for _, l := range listeners(c) {
		if i := slices.IndexFunc(filtered[l], func(f *dnsserver.Config) bool { return slips(c, f) }); i >= 0 {
			return filtered[l][i]
		}
	}
	return nil
}

// sideRoads finds the server blocks on encrypted listeners that resolve names
// without the directive, though names of their zone are filtered at an address of
// the same machine. Where any block of the listener filters, as one of several
// views, the others are meant not to.
func sideRoads(all []*dnsserver.Config) (found []gap) {
	filters := func(c *dnsserver.Config) bool { return c.Handler(directive.Name) != nil }
	for _, c := range all {
		if c.Transport == scheme.DNS || !resolves(c) || slices.ContainsFunc(all, func(f *dnsserver.Config) bool { return filters(f) && intersect(listeners(c), listeners(f)) }) {
			continue
		}
		i := slices.IndexFunc(all, func(f *dnsserver.Config) bool {
			return filters(f) && f.Zone == c.Zone && intersect(c.ListenHosts, f.ListenHosts)
		})
		if i >= 0 {
			found = append(found, gap{c, all[i]})
		}
	}
	return found
}

// hidden finds the server blocks with the directive that no query reaches, and
// what is in their way: of blocks for one zone on one listener, the first one
// without a view takes what those before it have left.
func hidden(all []*dnsserver.Config) []gap {
	var found []gap
	for i, f := range all {
		if _, ok := f.Handler(directive.Name).(*NoNudify); !ok {
			continue
		}
		first := slices.IndexFunc(all[:i], func(c *dnsserver.Config) bool {
			return c.Zone == f.Zone && len(c.FilterFuncs) == 0 && intersect(listeners(c), listeners(f))
		})
		if first >= 0 {
			found = append(found, gap{all[first], f})
		}
	}
	return found
}

// intersect reports whether two lists have something in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// resolves reports whether a server block asks others.
func resolves(c *dnsserver.Config) bool {
	return slices.ContainsFunc(resolvers, func(name string) bool { return c.Handler(name) != nil })
}

// slips reports whether names of the block c would be filtered by the block f if
// c were not there.
func slips(c, f *dnsserver.Config) bool {
	if c.Zone == f.Zone || !dns.IsSubDomain(f.Zone, c.Zone) {
		return false
	}
	n, _ := f.Handler(directive.Name).(*NoNudify)
	return len(n.config.Zones) == 0 || slices.ContainsFunc(n.config.Zones, func(zone string) bool {
		return dns.IsSubDomain(zone, c.Zone) || dns.IsSubDomain(c.Zone, zone)
	})
}

// listeners returns where a block is asked. Blocks are on the same listener when
// CoreDNS was told the same address.
func listeners(c *dnsserver.Config) []string {
	found := make([]string, len(c.ListenHosts))
	for i, host := range c.ListenHosts {
		found[i] = c.Transport + " " + c.Port + " " + host
	}
	return found
}

// warnOfGaps logs the first ones.
func warnOfGaps(found []gap) {
	for _, g := range found[:min(len(found), maxLogged)] {
		log.Warningf("Server block %s resolves names without %s, though %s filters: right only if all names below its zone are your own; "+
			"else give it the directive, too, which costs no second copy of a list", label(g.open), directive.Name, label(g.filtered))
	}
	if more := len(found) - maxLogged; more > 0 {
		log.Warningf("%d more server blocks resolve names without %s", more, directive.Name)
	}
}

// warnOfSideRoads logs the first ones.
func warnOfSideRoads(found []gap) {
	for _, g := range found[:min(len(found), maxLogged)] {
		log.Warningf("Server block %s resolves names without %s, though %s filters: right only if whoever asks encrypted is not to be filtered; "+
			"else give it the directive, too, which costs no second copy of a list", label(g.open), directive.Name, label(g.filtered))
	}
}

// warnOfHidden logs the first ones.
func warnOfHidden(found []gap) {
	for _, g := range found[:min(len(found), maxLogged)] {
		log.Warningf("No query arrives at server block %s, which filters: %s, before it and without a view, takes all of them; put it behind those with a view",
			label(g.filtered), label(g.open))
	}
	if more := len(found) - maxLogged; more > 0 {
		log.Warningf("No query arrives at %d more server blocks that filter", more)
	}
}

// label names a server block as a Corefile does, with its view.
func label(c *dnsserver.Config) string {
	name := strings.TrimPrefix(c.Transport+"://", "dns://") + c.Zone + ":" + c.Port
	if c.ViewName != "" {
		name += " (view " + c.ViewName + ")"
	}
	return name
}
