package directive

import (
	"errors"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// The terms of clients and except that mean clients by the endpoint that they ask
// at, by how they begin.
const (
	pathTerm    = "doh:" // a path of DNS over HTTPS, doh:/dns-query/pupils
	tlsNameTerm = "tls:" // a name of the TLS handshake, tls:pupils.dns.school.example
)

// isEndpoint reports whether an argument of clients or except is such a term.
func isEndpoint(arg string) bool {
	return strings.HasPrefix(arg, pathTerm) || strings.HasPrefix(arg, tlsNameTerm)
}

// maxPath bounds the path of DNS over HTTPS, in octets.
const maxPath = 128

// endpoint reads one of these terms.
func (p *parser) endpoint(into *Group, arg string) error {
	if path, ok := strings.CutPrefix(arg, pathTerm); ok {
		if !isPath(path) {
			return p.Errf("'%s' is not a path of DNS over HTTPS: want doh:/dns-query/pupils, with letters, digits and -._~ only, of at most %d octets", show(arg), maxPath)
		}
		into.Paths = append(into.Paths, path)
	} else {
		name, err := tlsName(strings.TrimPrefix(arg, tlsNameTerm))
		if err != nil {
			return p.Errf("'%s' is not a name that a TLS client can ask for: %v", show(arg), err)
		}
		into.TLSNames = append(into.TLSNames, string(name))
	}
	c := p.config
	if intersect(c.Clients.Paths, c.Except.Paths) || intersect(c.Clients.TLSNames, c.Except.TLSNames) {
		return p.Errf("'%s' stands in both clients and except", show(arg))
	}
	return nil
}

// Paths returns the paths of DNS over HTTPS by which clients are told apart.
func (c *Config) Paths() []string { return slices.Concat(c.Clients.Paths, c.Except.Paths) }

// TLSNames returns the names of the TLS handshake by which clients are told apart.
func (c *Config) TLSNames() []string { return slices.Concat(c.Clients.TLSNames, c.Except.TLSNames) }

// errSingle marks a name of one label.
var errSingle = errors.New("no certificate is for a name without a dot")

// tlsName reads a name that a TLS certificate can be for.
func tlsName(s string) (dnsname.Name, error) {
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

// intersect reports whether two lists have something in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
