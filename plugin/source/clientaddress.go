package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"golang.org/x/net/idna"
)

// reserved are the prefixes that no public server has an address in: the
// special-purpose registries of IANA (RFC 6890) and what they say of IPv6
// beside 2000::/3. 6to4 and Teredo hide an IPv4 address and are given up.
var reserved = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
)

func prefixes(texts ...string) (ps []netip.Prefix) {
	for _, s := range texts {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// isPublic reports whether an address can be that of a server on the Internet. An
// IPv4 address that NAT64 maps is judged as what it stands for; one that is
// mapped in a program only (::ffff:0:0/96) is no address of the network.
func isPublic(a netip.Addr) bool {
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.Is4() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// publicOnly refuses a private address. It is asked about each address that is
// about to be connected to, whatever was answered for the name before.
func publicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !isPublic(ap.Addr()) {
		return ErrPrivate
	}
	return nil
}

// judge refuses a host that is a private address itself. It is asked before a
// proxy is, which would connect to anything.
func (c *Client) judge(u *url.URL) error {
	if c.named(u) {
		return nil
	}
	host := canonicalHost(u.Hostname())
	if a, err := netip.ParseAddr(host); err == nil {
		if !isPublic(a) {
			return fmt.Errorf("%w: %s", ErrPrivate, a)
		}
		return nil
	}
	if odd(host) {
		return fmt.Errorf("%w: %.80q is an address in a form that cannot be judged", ErrPrivate, host)
	}
	return nil
}

// ports are the default ports of the schemes.
var ports = map[string]string{"https": "443", "http": "80"}

// named reports whether the configuration names the host of a URL, and with its
// port, if it names one. Over TLS the host proves who it is, on whatever port.
func (c *Client) named(u *url.URL) bool {
	host := canonicalHost(u.Hostname())
	return c.hosts[host] || u.Scheme == "https" && c.hosts[net.JoinHostPort(host, anyPort)] ||
		c.hosts[net.JoinHostPort(host, cmp.Or(u.Port(), ports[u.Scheme]))]
}

// anyPort stands for the port of a host that is named with one.
const anyPort = "*"

// odd reports whether a host that is no plain address may be one all the same:
// some systems read 127.1, 017700000001 and 0x7f.0.0.1 as addresses. No name
// ends in a label of digits (RFC 3696 §2).
func odd(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	hex, isHex := strings.CutPrefix(last, "0x")
	return strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == ""
}

// canonicalHost returns the one form of a host: a name as it is looked up, an
// address as package netip writes it.
func canonicalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		return ascii
	}
	return host
}

// dial connects to a server, or to the proxy of the request whose context this
// is.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d := c.dialer
	if way := wayOf(ctx); way.proxy == nil && !way.named {
		d.ControlContext = publicOnly
	}
	if c.bootstrap != "" {
		host = absolute(host)
	}
	conn, err := d.DialContext(ctx, network, net.JoinHostPort(host, port))
	if failed, ok := errors.AsType[*net.DNSError](err); ok && c.bootstrap != "" {
		failed.Server = c.bootstrap // package net names the system's resolver, which was not asked
	}
	return conn, err
}

// absolute ends a name that goes to the bootstrap resolvers with a dot: the
// search domains of the system are none of their business.
func absolute(host string) string {
	if _, err := netip.ParseAddr(host); err == nil || strings.HasSuffix(host, ".") {
		return host
	}
	return host + "."
}
