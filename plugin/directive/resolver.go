package directive

import (
	"net/url"

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
	if err != nil {
		return p.Errf("resolver '%s': want the name that its certificates are for: %v", show(args[0]), err)
	}
	p.config.Resolver.Name = name
	if len(args) == 1 {
		return nil
	}
	u, err := url.Parse(args[1])
	switch {
	case err != nil || u.Scheme != "https" || u.Opaque != "" || !isHost(u.Hostname()) || u.User != nil:
		return p.Errf("resolver '%s': want an address such as https://dns.isp.example/about", show(args[1]))
	case len(u.String()) > discovery.MaxInfo:
		return p.Errf("resolver '%s': longer than the %d octets that a client can be told", show(args[1]), discovery.MaxInfo)
	}
	p.config.Resolver.Info = u.String()
	return nil
}
