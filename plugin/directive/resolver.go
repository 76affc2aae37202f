package directive

import (
	"errors"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/nonudify/nonudify/plugin/discovery"
	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Resolver is what a directive says of the resolver itself.
type Resolver struct {
	Name dnsname.Name // that its certificates are for; "": it has none
	Info string       // URL at which the operator explains it; "": there is none
}

// resolver reads the resolver's own name, and where the operator explains it.
func (p *parser) resolver(args []string) error {
	if len(args) > 2 {
		return p.ArgErr()
	}
	name, err := tlsName(args[0])
	if err == nil && (strings.Contains("."+string(name), "._") || name.IsBelow("arpa")) {
		err = errors.New("is not the name of a host")
	}
	if err != nil {
		return p.Errf("resolver '%s': want the name that its certificates are for: %v", show(args[0]), err)
	}
	p.config.Resolver.Name = name
	if len(args) == 1 {
		return nil
	}
	u, err := url.Parse(args[1])
	switch {
	case err != nil || u.Scheme != "https" || u.Opaque != "" || !isHost(u.Hostname()) || u.User != nil || !isPort(u.Port()) || strings.ContainsAny(u.String(), "\\\""):
		return p.Errf("resolver '%s': want an address such as https://dns.isp.example/about", show(args[1]))
	case len(u.String()) > discovery.MaxInfo:
		return p.Errf("resolver '%s': longer than the %d octets that a client can be told", show(args[1]), discovery.MaxInfo)
	}
	p.config.Resolver.Info = u.String()
	return nil
}

// isPort reports whether s is the port of a URL, which may have none.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// BlocksLike reports whether two directives block the same names for the same
// clients, so that it does not matter which of them a client asks.
func (c *Config) BlocksLike(o *Config) bool {
	return reflect.DeepEqual(c.blocking(), o.blocking())
}

// blocking returns the part of the Config that decides what is blocked.
func (c *Config) blocking() []any {
	return []any{c.Zones, c.Lists, c.Allow, c.Block, c.Clients, c.Except, c.Bypass, c.Reason, c.Shadow, c.Open, c.InspectOff, c.Answer.Action, c.Answer.Addresses}
}
