package nonudify

import (
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	scheme "github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/directive"
)

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

// filters reports whether a server block has the directive.
func filters(c *dnsserver.Config) bool {
	_, ok := c.Handler(directive.Name).(*NoNudify)
	return ok
}

// resolves reports whether a server block asks others.
func resolves(c *dnsserver.Config) bool {
	return slices.ContainsFunc(resolvers, func(name string) bool { return c.Handler(name) != nil })
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

// label names a server block as a Corefile does, with its view.
func label(c *dnsserver.Config) string {
	name := strings.TrimPrefix(c.Transport+"://", "dns://") + c.Zone + ":" + c.Port
	if c.ViewName != "" {
		name += " (view " + c.ViewName + ")"
	}
	return name
}

// finding is what is to be said of a server block, because of another one.
type finding struct{ block, because *dnsserver.Config }

// survey logs where the server blocks of an instance together do less than they
// look.
func survey(all []*dnsserver.Config) {
	const without, advice = " without " + directive.Name, "else give it the directive, too, which costs no second copy of a list"
	warnOf(gaps(all), "Server block %s resolves names"+without+", though %s filters: right only if all names below its zone are your own; "+advice,
		"%d more server blocks resolve names"+without)
	warnOf(openListeners(all), "Server block %s resolves names"+without+", though %s filters: right only if whoever asks encrypted is not to be filtered; "+advice,
		"%d more server blocks on encrypted listeners resolve names"+without)
	warnOf(hidden(all), "No query arrives at server block %s, which filters: %s, before it and without a view, takes all of them; put it behind those with a view",
		"No query arrives at %d more server blocks that filter")
}

// warnOf logs the first findings, each with the labels of its blocks, and how many
// more there are.
func warnOf(found []finding, each, more string) {
	for _, f := range found[:min(len(found), maxLogged)] {
		log.Warningf(each, label(f.block), label(f.because))
	}
	if n := len(found) - maxLogged; n > 0 {
		log.Warningf(more, n)
	}
}

// gaps finds the server blocks that resolve names without the directive, though
// another one filters a zone above. Queries go to the block with the longest zone
// on their listener, and to no other. What cannot be seen: other processes, and
// external plugins that resolve names under a name that is not among the
// resolvers.
func gaps(all []*dnsserver.Config) (found []finding) {
	filtered := map[string][]*dnsserver.Config{} // by listener
	for _, c := range all {
		if filters(c) {
			for _, l := range listeners(c) {
				filtered[l] = append(filtered[l], c)
			}
		}
	}
	for _, c := range all {
		if filters(c) || !resolves(c) {
			continue
		}
		if f := above(c, filtered); f != nil {
			found = append(found, finding{c, f})
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

// openListeners finds the server blocks on encrypted listeners that resolve names
// without the directive, though names of their zone are filtered at an address of
// the same machine. Where any block of the listener filters, as one of several
// views, the others are meant not to.
func openListeners(all []*dnsserver.Config) (found []finding) {
	for _, c := range all {
		beside := func(f *dnsserver.Config) bool { return filters(f) && intersect(listeners(c), listeners(f)) }
		if c.Transport == scheme.DNS || !resolves(c) || slices.ContainsFunc(all, beside) {
			continue
		}
		i := slices.IndexFunc(all, func(f *dnsserver.Config) bool {
			return filters(f) && f.Zone == c.Zone && near(c, f)
		})
		if i >= 0 {
			found = append(found, finding{c, all[i]})
		}
	}
	return found
}

// near reports whether two server blocks can be reached at one address.
func near(a, b *dnsserver.Config) bool {
	return len(addresses(a)) == 0 || len(addresses(b)) == 0 || intersect(a.ListenHosts, b.ListenHosts)
}

// hidden finds the server blocks with the directive that no query reaches, and
// what is in their way: of blocks for one zone on one listener, the first one
// without a view takes what those before it have left.
func hidden(all []*dnsserver.Config) (found []finding) {
	for i, f := range all {
		if !filters(f) {
			continue
		}
		first := slices.IndexFunc(all[:i], func(c *dnsserver.Config) bool {
			return c.Zone == f.Zone && len(c.FilterFuncs) == 0 && intersect(listeners(c), listeners(f))
		})
		if first >= 0 {
			found = append(found, finding{f, all[first]})
		}
	}
	return found
}

// intersect reports whether two lists have something in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
