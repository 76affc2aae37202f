package directive

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/source"
)

// schemes are those of the URLs that a list may come from, with their ports.
var schemes = map[string]string{"https": "443", "http": "80", "axfr": "53", "axfrs": "853"}

// isURL tells a URL from a path.
func isURL(s string) bool { return strings.Contains(s, "://") }

// show returns an argument as an error may show it: without what would be a
// password if it were a URL, however wrong.
func show(arg string) string {
	arg, _, _ = strings.Cut(arg, "?")
	if at := strings.LastIndexByte(arg, '@'); at >= 0 && strings.Contains(arg[:at], "/") {
		return arg[:strings.IndexByte(arg, '/')] + "/...@" + arg[at+1:]
	}
	return source.Redact(arg)
}

// isZone reports whether a URL is that of a zone transfer.
func isZone(u *url.URL) bool { return u.Scheme == "axfr" || u.Scheme == "axfrs" }

// redact returns a URL without what may be secret in it.
func redact(u *url.URL) string { return source.Redact(u.String()) }

// parseURL reads the URL of a list. Its errors do not show what may be secret
// in it.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("'%s' is not a URL that can be read", source.Redact(s))
	}
	port, known := schemes[u.Scheme]
	switch {
	case !known:
		return nil, fmt.Errorf("'%s': a list comes from https, http, axfr or axfrs, from a file, or is built in", redact(u))
	case u.Hostname() == "":
		return nil, fmt.Errorf("'%s' has no host", redact(u))
	case u.Fragment != "":
		return nil, fmt.Errorf("'%s' has a fragment, behind '#', which no server is told", redact(u))
	case !isHost(u.Hostname()):
		return nil, fmt.Errorf("'%s': '%s' is neither a name nor an address", redact(u), u.Hostname())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("'%s' has no port that exists", redact(u))
	}
	if isZone(u) {
		return u, checkZoneURL(u)
	}
	return u, nil
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := dnsname.Parse(s)
	return err == nil
}

// checkZoneURL checks what stands behind the host: the zone, and a key.
func checkZoneURL(u *url.URL) error {
	if _, err := zoneOf(u); err != nil || u.User != nil {
		return fmt.Errorf("'%s': want axfr://HOST[:PORT]/ZONE[?tsig=KEYNAME]", redact(u))
	}
	for option, values := range u.Query() {
		if !slices.Contains([]string{"tsig", "algorithm"}, option) || len(values) != 1 {
			return fmt.Errorf("'%s': unknown option '%s': want tsig and algorithm, once each", redact(u), option)
		}
	}
	if u.Query().Has("algorithm") && !u.Query().Has("tsig") {
		return fmt.Errorf("'%s': an algorithm is of no use without tsig", redact(u))
	}
	return nil
}

// zoneOf returns the zone of a transfer in canonical form.
func zoneOf(u *url.URL) (string, error) {
	name, err := dnsname.Parse(strings.TrimPrefix(u.Path, "/"))
	if err != nil {
		return "", err
	}
	return name.FQDN(), nil
}

// hostPort returns where a URL leads to.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = schemes[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
