package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/miekg/dns"
)

// maxListeners bounds how many addresses are asked.
const maxListeners = 64

// listener is an address at which the resolver should answer plain DNS.
type listener struct {
	at      netip.AddrPort // where it is asked: for all addresses, on loopback
	any     bool           // it listens at all addresses
	servers []*server      // the blocks there that have the filter
}

// String returns the address as a person would write it.
func (l *listener) String() string {
	if l.any {
		return "port " + strconv.Itoa(int(l.at.Port()))
	}
	return l.at.String()
}

// lookAtListeners asks the resolver at each of its addresses.
func (x *examination) lookAtListeners(ctx context.Context) {
	x.findListeners()
	for _, l := range x.listeners {
		if x.isHere(l) && x.isOurs(l) {
			x.ours = append(x.ours, l)
			x.fine("resolver", "it answers at %s", l)
			x.lookAtFilter(ctx, l)
			x.lookAtBypass(l)
			x.lookAtDiscovery(ctx, l)
		}
	}
	x.reportSilent()
}

// reportSilent says where nobody listens, in one line.
func (x *examination) reportSilent() {
	if len(x.silent) > 0 {
		x.wrong("resolver", restart, "it is not running: nobody answers at %s, and no program listens there", strings.Join(x.silent, ", "))
	}
}

// restart is what to do about a resolver that does not run.
const restart = "Start it: 'systemctl start nonudify'; 'journalctl -u nonudify' has what it says"

// findListeners finds the addresses at which the blocks with the filter answer for all
// names.
func (x *examination) findListeners() {
	for i := range x.servers {
		s := &x.servers[i]
		for _, k := range s.keys {
			port, err := strconv.ParseUint(k.port, 10, 16)
			if err != nil || port == 0 || k.transport != "dns" || k.zone != "" {
				continue
			}
			for _, a := range x.bound(s.bind) {
				x.addListener(a, uint16(port), s)
			}
		}
	}
}

// addListener adds a block to the listener at an address.
func (x *examination) addListener(a netip.Addr, port uint16, s *server) {
	l := &listener{at: netip.AddrPortFrom(a, port), any: a.IsUnspecified()}
	if l.any {
		l.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	i := slices.IndexFunc(x.listeners, func(other *listener) bool { return other.at == l.at && other.any == l.any })
	if i < 0 && len(x.listeners) < maxListeners {
		i, x.listeners = len(x.listeners), append(x.listeners, l)
	}
	if i >= 0 {
		x.listeners[i].servers = append(x.listeners[i].servers, s)
	}
}

// bound returns the addresses that the words behind bind mean: addresses, and interfaces
// with all that they have. Without any, all addresses are meant.
func (x *examination) bound(bind string) (found []netip.Addr) {
	for word := range strings.FieldsSeq(bind) {
		if a, err := netip.ParseAddr(word); err == nil {
			found = append(found, a)
			continue
		}
		known, _ := x.machine.links() // without it, as if there were none
		i := slices.IndexFunc(known, func(l link) bool { return l.name == word })
		if i < 0 {
			x.wrong("bind", "Name an address of this machine after 'bind', or one of its interfaces", "this machine has no network interface that is called %s and up", word)
			continue
		}
		for _, p := range known[i].prefixes {
			if !p.Addr().IsLinkLocalUnicast() {
				found = append(found, p.Addr())
			}
		}
	}
	if bind == "" {
		return []netip.Addr{netip.IPv4Unspecified()}
	}
	return found
}

// isHere reports whether an address is one of this machine. Another is not asked: it
// may be anybody's.
func (x *examination) isHere(l *listener) bool {
	if l.at.Addr().IsLoopback() {
		return true
	}
	known, err := x.machine.links()
	here := slices.ContainsFunc(known, func(i link) bool {
		return slices.ContainsFunc(i.prefixes, func(p netip.Prefix) bool { return p.Addr() == l.at.Addr() })
	})
	if err == nil && !here {
		x.wrong("bind", "Give the machine this address for good, or name another after 'bind': the server does not start without it",
			"no interface of this machine has the address %v", l.at.Addr())
	}
	return here
}

// isOurs reports whether this resolver answers at an address. It is known by what it
// says of resolver.arpa, which no resolver passes on.
func (x *examination) isOurs(l *listener) bool {
	reply, err := x.ask(l.at, "resolver.arpa.", dns.TypeSOA, false)
	if err != nil {
		x.explainSilence(l, err, tryListen(l))
		return false
	}
	if marked(reply) {
		return true
	}
	who := "another program"
	if p, ok := x.machine.owner(l.at); ok {
		who = p.String()
	}
	x.wrong("port", remedyFor(who), "%s is taken by %s, which answers in the place of this resolver", l, who)
	return false
}

// marked reports whether a reply about resolver.arpa is that of this resolver.
func marked(m *dns.Msg) bool {
	if !m.Authoritative {
		return false
	}
	return slices.ContainsFunc(slices.Concat(m.Answer, m.Ns), func(rr dns.RR) bool {
		soa, ok := rr.(*dns.SOA)
		return ok && soa.Mbox == "hostmaster.invalid." && soa.Serial == 1 && soa.Minttl == 300
	})
}

// explainSilence says why nobody answers at an address, by what became of an attempt to
// listen there.
func (x *examination) explainSilence(l *listener, silence, err error) {
	switch {
	case err == nil:
		x.silent = append(x.silent, l.String())
	case errors.Is(err, syscall.EADDRINUSE):
		x.lookAtTaken(l, silence)
	case errors.Is(err, fs.ErrPermission):
		x.wrong("permission", "Start it as a service, which has the right (CAP_NET_BIND_SERVICE); 'setcap cap_net_bind_service=+ep PROGRAM' gives it to the program. Run doctor with sudo to see more",
			"nobody answers at %s, and this user may not listen there", l)
	default:
		x.wrong("resolver", restart, "nobody answers at %s (%v), and it cannot be listened at: %v", l, silence, err)
	}
}

// lookAtTaken tells who has an address and does not answer there.
func (x *examination) lookAtTaken(l *listener, silence error) {
	p, ok := x.machine.owner(l.at)
	switch {
	case !ok:
		x.wrong("port", "Run doctor with sudo to see which program it is", "a program has %s and does not answer: %v", l, silence)
	case p.resolver():
		x.wrong("resolver", "Look at what it says, with 'journalctl -u nonudify', and restart it", "%v has %s and does not answer: %v", p, l, silence)
	default:
		x.wrong("port", remedyFor(p.String()), "%s is taken by %v, which does not answer", l, p)
	}
}

// tryListen listens at an address, as the resolver would, and stops at once.
func tryListen(l *listener) error {
	at := l.at.String()
	if l.any {
		at = ":" + strconv.Itoa(int(l.at.Port()))
	}
	u, err := net.ListenPacket("udp", at)
	if err != nil {
		return err
	}
	t, err := net.Listen("tcp", at)
	if err == nil {
		err = t.Close()
	}
	return cmp.Or(err, u.Close())
}

// remedies say how to have a program that is known leave port 53.
var remedies = map[string]string{
	"systemd-resolve": "It answers at 127.0.0.53 and 127.0.0.54: name other addresses after 'bind', or put 'DNSStubListener=no' into /etc/systemd/resolved.conf and restart it",
	"dnsmasq":         "Have it give up DNS with 'port=0' in its configuration, and keep DHCP; or give this resolver another address or port, and dnsmasq that as its 'server'",
	"pihole-FTL":      "Pi-hole is a resolver itself: give this one another port, and Pi-hole that as its upstream; or give Pi-hole the list, with 'nonudify convert -to pihole'",
	"AdGuardHome":     "AdGuard Home is a resolver itself: give this one another port, and AdGuard Home that as its upstream; or give it the list, with 'nonudify convert -to adblock'",
	"named":           "BIND is a resolver itself: docs/isp.md says how it gets the list; or give this one another address or port",
	"unbound":         "Unbound is a resolver itself: give it another port, and name that behind 'forward'; or give it the list, with 'nonudify convert -to unbound'",
	"connmand":        "Start ConnMan with --nodnsproxy",
}

// remedyFor returns what to do about a program that has the port.
func remedyFor(program string) string {
	for name, remedy := range remedies {
		if strings.HasPrefix(program, name) {
			return remedy
		}
	}
	return "Stop that program, or name an address after 'bind' that it does not have, or another port"
}

// process is a program that runs.
type process struct {
	name string
	id   int
}

func (p process) String() string { return fmt.Sprintf("%s (process %d)", p.name, p.id) }

// resolver reports whether it is this resolver, as far as its name tells. The kernel
// keeps 15 letters of a name.
func (p process) resolver() bool {
	return p.name == "coredns" || p.name != "" && strings.HasPrefix("nonudify-resolver", p.name)
}

// ask asks one question over UDP, and over TCP if the answer is cut off. A question that
// must not go further is asked without recursion.
func (x *examination) ask(at netip.AddrPort, name string, qtype uint16, recursion bool) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(udpSize, false)
	m.RecursionDesired = recursion
	return x.exchange(&dns.Client{Timeout: x.patience}, m, at.String())
}

// attempts is how often a question is asked that gets no answer: a datagram may be lost.
const attempts = 2

func (x *examination) exchange(c *dns.Client, m *dns.Msg, at string) (reply *dns.Msg, err error) {
	for range attempts {
		if reply, _, err = c.Exchange(m, at); err == nil {
			break
		}
	}
	if err == nil && reply.Truncated && c.Net == "" {
		reply, _, err = (&dns.Client{Net: "tcp", Timeout: x.patience}).Exchange(m, at)
	}
	return reply, err
}
