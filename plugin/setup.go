package nonudify

import (
	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/directive"
)

func init() { plugin.Register(directive.Name, setup) }

// setup turns the directive into a handler. Nothing is read or started before
// the server starts, and the handler hangs on the instance's hooks, so a
// configuration that turns out to be wrong leaves nothing behind.
func setup(c *caddy.Controller) error {
	at := place(c)
	n, err := parse(c)
	if err != nil {
		return plugin.Error(directive.Name, err)
	}
	n.openPaths(c)
	n.openFront(c)
	if len(n.config.PolicyZones) > 0 {
		negotiating.add(c)
	}
	n.guard(c, at)
	n.follow(c)
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler {
		n.Next = next
		return n
	})
	return nil
}

// parse reads the one directive of a server block. The grammar is
// directive.Parse's.
func parse(c *caddy.Controller) (*NoNudify, error) {
	var n *NoNudify
	for c.Next() {
		if n != nil {
			return nil, plugin.ErrOnce
		}
		config, err := directive.Parse(c, dnsserver.GetConfig(c).Root)
		if err != nil {
			return nil, err
		}
		if zone := stray(config.Zones, c.ServerBlockKeys); zone != "" {
			return nil, c.Errf("zone '%s' is none of this server block's: no query for it arrives here", zone)
		}
		if path := instanceOf(c).shared(config.Copies()); path != "" {
			return nil, c.Errf("the same list is named twice with the same state directory and different options, and %s cannot be the copy of both", path)
		}
		if zone := instanceOf(c).claimed(config); zone != "" {
			return nil, c.Errf("policy zone '%s' is that of another server block, too, whose directive says something else: give it a name of its own", zone)
		}
		if name, ok := config.Page.HelpName(); ok {
			instanceOf(c).help = append(instanceOf(c).help, name)
		}
		if n, err = newHandler(config); err != nil {
			return nil, c.Err(err.Error())
		}
	}
	return n, nil
}

// stray returns a zone that no key of the server block covers, "" when there is
// none.
func stray(zones, keys []string) string {
	served := plugin.Zones(plugin.OriginsFromArgsOrServerBlock(nil, keys))
	for _, z := range zones {
		if len(keys) > 0 && served.Matches(z) == "" {
			return z
		}
	}
	return ""
}

// shared returns the path of a copy that feeds of different keys would keep, ""
// when there is none: one would serve after a restart what the other's options
// refuse.
func (i *instance) shared(paths, keys []string) string {
	for n, path := range paths {
		if other, known := i.copies[path]; known && other != keys[n] {
			return path
		}
		i.copies[path] = keys[n]
	}
	return ""
}

func newHandler(config *directive.Config) (*NoNudify, error) {
	a, err := answer.New(config.Answer)
	if err != nil {
		return nil, err
	}
	return &NoNudify{config: config, answerer: a}, nil
}
