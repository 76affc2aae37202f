package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/coredns/caddy/caddyfile"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// serverBlock is a server block of a Corefile, as far as it says which queries come
// to it. The zero value gets them all.
type serverBlock struct {
	keys   []key
	view   string        // the name of its view, "" without one
	bind   string        // where it listens
	rivals []serverBlock // all blocks of the Corefile
}

// key is one of the names that stand before a server block.
type key struct {
	text            string // as it is written
	transport, port string
	zone            string // lower case, without the trailing dot; the root is ""
}

// ports are the defaults of the transports.
var ports = map[string]string{
	"dns": "53", "tls": "853", "quic": "853", "grpc": "443", "https": "443", "https3": "443",
}

func newServerBlock(b caddyfile.ServerBlock) serverBlock {
	out := serverBlock{bind: argsOf(b, "bind"), view: argsOf(b, "view")}
	out.view, _, _ = strings.Cut(out.view, " ") // what follows are expressions
	for _, k := range b.Keys {
		out.keys = append(out.keys, parseKey(k))
	}
	return out
}

// argsOf returns the words that follow a directive on its line.
func argsOf(b caddyfile.ServerBlock, directive string) string {
	d := caddyfile.NewDispenserTokens("", b.Tokens[directive])
	var args []string
	for d.Next() {
		args = append(args, d.RemainingArgs()...)
		for d.NextBlock() { // of no concern here
		}
	}
	return strings.Join(args, " ")
}

// parseKey takes a key such as "tls://example.org:853" apart. One that is a
// prefix stands for reverse names; that it holds those of its own addresses
// only makes no difference to a list of names.
func parseKey(text string) key {
	k := key{text: text, transport: "dns"}
	rest := text
	if transport, after, ok := strings.Cut(text, "://"); ok {
		k.transport, rest = transport, after
	}
	k.port = ports[k.transport]
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && isNumber(rest[i+1:]) {
		rest, k.port = rest[:i], rest[i+1:]
	}
	if p, err := netip.ParsePrefix(rest); err == nil {
		k.zone = "ip6.arpa"
		if p.Addr().Is4() {
			k.zone = "in-addr.arpa"
		}
		return k
	}
	k.zone = strings.ToLower(strings.TrimSuffix(rest, "."))
	return k
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// holds reports whether a name is in the key's zone.
func (k key) holds(name dnsname.Name) bool {
	return k.zone == "" || string(name) == k.zone || name.IsBelow(dnsname.Name(k.zone))
}

// asked reports whether queries for a name come to the block. If they do not,
// instead is the block that gets them, as far as there is one.
func (b serverBlock) asked(name dnsname.Name) (ok bool, instead string) {
	for _, k := range b.keys {
		if !k.holds(name) {
			continue
		}
		if instead = b.rival(k, name); instead == "" {
			return true, ""
		}
	}
	return len(b.keys) == 0, instead
}

// rival returns the label of a block that listens where b does, for a longer
// zone that holds the name too. A block with a view is none: it takes some of
// the queries only.
func (b serverBlock) rival(k key, name dnsname.Name) string {
	for _, r := range b.rivals {
		if r.view != "" || r.bind != b.bind {
			continue
		}
		if slices.ContainsFunc(r.keys, func(other key) bool {
			return other.transport == k.transport && other.port == k.port &&
				len(other.zone) > len(k.zone) && other.holds(name)
		}) {
			return r.label()
		}
	}
	return ""
}
