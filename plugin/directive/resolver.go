package directive

import (
	"errors"
	"net/url"
	"slices"
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
	name, err := serverName(args[0])
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

// isRoad reports whether an argument of clients or except is about the way that
// a query comes.
func isRoad(arg string) bool { return strings.HasPrefix(arg, "doh:") || strings.HasPrefix(arg, "tls:") }

// maxPath bounds the path of DNS over HTTPS, in octets.
const maxPath = 128

// road reads a path of DNS over HTTPS, doh:/dns-query/pupils, or a name of the
// TLS handshake, tls:pupils.dns.school.example.
func (p *parser) road(into *Prefixes, arg string) error {
	kind, value, _ := strings.Cut(arg, ":")
	if kind == "doh" {
		if !isPath(value) {
			return p.Errf("'%s' is not a path of DNS over HTTPS: want doh:/dns-query/pupils, with letters, digits and -._~ only, of at most %d octets", show(arg), maxPath)
		}
		into.Paths = append(into.Paths, value)
	} else {
		name, err := serverName(value)
		if err != nil {
			return p.Errf("'%s' is not a name that a TLS client can ask for: %v", show(arg), err)
		}
		into.Servers = append(into.Servers, string(name))
	}
	c := p.config
	if both(c.Clients.Paths, c.Except.Paths) || both(c.Clients.Servers, c.Except.Servers) {
		return p.Errf("'%s' stands in both clients and except", show(arg))
	}
	return nil
}

// errSingle marks a name that no certificate is for.
var errSingle = errors.New("is a single label")

// serverName reads a name that a TLS certificate can be for.
func serverName(s string) (dnsname.Name, error) {
	name, err := dnsname.Parse(s)
	if err == nil && name.Labels() == 1 {
		err = errSingle
	}
	return name, err
}

// isPath reports whether s is an absolute path that every client writes alike:
// without a character that needs escaping (RFC 3986 §2.3), empty segments, and
// dots that lead elsewhere.
func isPath(s string) bool {
	if len(s) > maxPath || len(s) < 2 || s[0] != '/' {
		return false
	}
	for segment := range strings.SplitSeq(s[1:], "/") {
		odd := func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", r)
		}
		if segment == "" || strings.Trim(segment, ".") == "" || strings.ContainsFunc(segment, odd) {
			return false
		}
	}
	return true
}

// both reports whether two lists have something in common.
func both(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
