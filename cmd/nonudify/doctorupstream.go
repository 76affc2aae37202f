package main

import (
	"crypto/rand"
	"crypto/tls"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coredns/caddy/caddyfile"
	"github.com/miekg/dns"
)

// maxResolvers bounds how many resolvers behind this one are asked.
const maxResolvers = 32

// behind is a resolver that this one asks.
type behind struct {
	zone       string // what it is asked about, as a domain name with the dot at its end
	at         netip.AddrPort
	tls        bool
	serverName string // that its certificate is for; "": its address
}

// lookAtUpstreams asks the resolvers behind this one.
func (x *examination) lookAtUpstreams() {
	all, words := x.upstreams()
	if words == 0 {
		x.hint("upstream", "Add 'forward . ADDRESS' to the server block", "no resolver is named that is asked about everything else")
	}
	for _, b := range all {
		if slices.ContainsFunc(x.listeners, func(l *listener) bool { return !b.tls && l.reachedAs(b.at) }) {
			x.wrong("upstream", "Name another resolver behind 'forward'", "%v is this resolver itself: what is not blocked is asked of it again and again", b.at)
			continue
		}
		if x.comesBack(b) {
			x.wrong("upstream", "If it is your router, take this machine out of its settings for the Internet, and leave it in those for the home network; or name another resolver behind 'forward'",
				"%v asks this resolver in turn: what is not blocked goes round in a circle, and no site is found", b.at)
			continue
		}
		x.lookAtUpstream(b)
	}
}

// reachedAs reports whether a query to an address comes to the listener.
func (l *listener) reachedAs(at netip.AddrPort) bool {
	return l.at == at || l.any && at.Addr().IsLoopback() && at.Port() == l.at.Port()
}

// comesBack reports whether a resolver that is asked about everything asks this one in turn.
// It then finds the name that no other resolver has, at the same address. One of a single
// zone, such as a domain controller, may ask this one about all others.
func (x *examination) comesBack(b behind) bool {
	if len(x.ours) == 0 || b.zone != "." {
		return false
	}
	return slices.ContainsFunc([]uint16{dns.TypeA, dns.TypeAAAA}, func(qtype uint16) bool {
		own, err := x.ask(x.ours[0].at, checkName+".", qtype, false)
		if err != nil || len(own.Answer) != 1 {
			return false
		}
		reply, err := x.askBehind(b, checkName+".", qtype)
		return err == nil && len(reply.Answer) == 1 && dns.IsDuplicate(own.Answer[0], reply.Answer[0])
	})
}

// upstreams returns the resolvers behind the server blocks, and how many words name them.
func (x *examination) upstreams() (all []behind, words int) {
	for _, b := range x.blocks {
		to, name := targets(b)
		words += len(to)
		for _, t := range to {
			for _, one := range x.resolvers(t.word, name) {
				one.zone = t.zone
				if !slices.Contains(all, one) && len(all) < maxResolvers {
					all = append(all, one)
				}
			}
		}
	}
	return all, words
}

// target is whom a forward directive names, and for which zone.
type target struct{ zone, word string }

// targets returns whom the forward directives of a block name, and whose certificate they
// want.
func targets(b caddyfile.ServerBlock) (to []target, serverName string) {
	d := caddyfile.NewDispenserTokens("", b.Tokens["forward"])
	for d.Next() {
		args := d.RemainingArgs()
		for i := 1; i < len(args); i++ {
			to = append(to, target{zoneOf(args[0]), args[i]})
		}
		for d.NextBlock() {
			if property, args := d.Val(), d.RemainingArgs(); property == "tls_servername" && len(args) == 1 {
				serverName = args[0]
			}
		}
	}
	return to, serverName
}

// zoneOf returns the zone that forward is for, of a prefix that of its reverse names, or
// the first of these zones if it ends inside of a label.
func zoneOf(text string) string {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return dns.Fqdn(parseKey(text).zone)
	}
	name, err := dns.ReverseAddr(p.Addr().String())
	if err != nil {
		return "."
	}
	bits := 4 // that a label stands for
	if p.Addr().Is4() {
		bits = 8
	}
	return strings.Join(strings.SplitAfter(name, ".")[(p.Addr().BitLen()-p.Bits())/bits:], "")
}

// resolvers returns what one word behind forward means: an address, or a file with some.
// Those that are asked over QUIC or HTTPS, or by their name, are left out.
func (x *examination) resolvers(word, serverName string) (found []behind) {
	if strings.HasPrefix(word, "/") {
		for _, a := range nameservers(filepath.Join(x.machine.root, word)) {
			found = append(found, behind{at: netip.AddrPortFrom(a, 53)})
		}
		if len(found) == 0 {
			x.wrong("upstream", "Name the addresses of resolvers behind 'forward'", "%s names no resolver", word)
		}
		return found
	}
	at, err := parseUpstream(word)
	if err != nil {
		x.fine("upstream", "%s is not tried", word)
		return nil
	}
	b := behind{at: at, tls: strings.HasPrefix(word, "tls://"), serverName: serverName}
	if _, own, ok := strings.Cut(word, "%"); ok && b.tls {
		b.serverName, _, _ = strings.Cut(own, ":")
	}
	return []behind{b}
}

// lookAtUpstream asks a resolver for what there is, and for what there is not. One that is
// asked about a zone alone, as a domain controller is, need not know anything else.
func (x *examination) lookAtUpstream(b behind) {
	const remedy = "Look at the connection of this machine and at its firewall, or name another resolver behind 'forward'"
	qtype := dns.TypeSOA
	if b.zone == "." {
		qtype = dns.TypeNS
	}
	reply, err := x.askBehind(b, b.zone, qtype)
	switch {
	case err != nil:
		x.wrong("upstream", remedy, "%v does not answer: %v", b.at, err)
	case reply.Rcode == dns.RcodeNameError && b.zone != ".":
		x.hint("upstream", "See that it is the right one for this zone", "%v knows no %s", b.at, strings.TrimSuffix(b.zone, "."))
	case reply.Rcode != dns.RcodeSuccess && b.zone != ".":
		x.wrong("upstream", remedy, "%v refuses to look up %s: %s", b.at, strings.TrimSuffix(b.zone, "."), dns.RcodeToString[reply.Rcode])
	case reply.Rcode != dns.RcodeSuccess:
		x.wrong("upstream", remedy, "%v refuses to look names up: %s", b.at, dns.RcodeToString[reply.Rcode])
	case b.zone == "." && x.invents(b):
		x.wrong("upstream", "Name another resolver behind 'forward', or have your provider turn that off: it is often called a search or navigation aid",
			"%v answers with addresses for names that do not exist", b.at)
	default:
		x.fine("upstream", "%v answers", b.at)
	}
}

// invents asks for a name that nobody can have (RFC 6761 §6.4), and that nobody has asked
// for before.
func (x *examination) invents(b behind) bool {
	reply, err := x.askBehind(b, "nonudify-"+strings.ToLower(rand.Text()[:16])+".invalid.", dns.TypeA)
	return err == nil && reply.Rcode == dns.RcodeSuccess && len(reply.Answer) > 0
}

// askBehind asks a resolver behind this one, as this one does.
func (x *examination) askBehind(b behind, name string, qtype uint16) (*dns.Msg, error) {
	c := &dns.Client{Timeout: x.patience}
	if b.tls {
		host := b.serverName
		if host == "" {
			host = b.at.Addr().String()
		}
		c.Net, c.TLSConfig = "tcp-tls", &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return x.exchange(c, new(dns.Msg).SetQuestion(name, qtype).SetEdns0(udpSize, false), b.at.String())
}
