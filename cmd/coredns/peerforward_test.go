//go:build unix

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// question is one that every peer is asked.
type question struct {
	name       string
	qtype      uint16
	plain      string // what comes of it with a peer that believes; "" for what comes of it without our resolver
	validating string // and with one that checks signatures
}

func (q question) String() string { return q.name + " " + dns.TypeToString[q.qtype] }

// want is what should come of a question.
func (q question) want(validating bool) string {
	if validating {
		return q.validating
	}
	return q.plain
}

// questions are asked in this order: those for names that are not listed come
// after those that are, which must not have spoiled them.
var questions = []question{
	{"bad.unsigned.example.", dns.TypeA, "denied", "denied"},
	{"bad.unsigned.example.", dns.TypeHTTPS, "denied", "denied"},
	{"www.bad.unsigned.example.", dns.TypeA, "denied", "denied"},
	{"bad.signed.example.", dns.TypeA, "denied", "failed"},
	{"www.bad.signed.example.", dns.TypeAAAA, "denied", "failed"},
	{"bad.example.", dns.TypeA, "denied", "failed"}, // not signed, but its parent is, and the DS record is denied, too
	{"www.bad.example.", dns.TypeA, "denied", "failed"},
	{"badalias.signed.example.", dns.TypeA, "denied", "failed"},
	{"x.badtree.signed.example.", dns.TypeA, "denied", "failed"},
	{"badalias.unsigned.example.", dns.TypeA, "denied", "denied"},
	{"www.signed.example.", dns.TypeA, goodAddress, goodAddress + " validated"},
	{"alias.signed.example.", dns.TypeA, goodAddress, goodAddress + " validated"},
	{"none.signed.example.", dns.TypeA, "denied", "denied validated"},
	{"far.signed.example.", dns.TypeA, goodAddress, goodAddress},
	{"www.unsigned.example.", dns.TypeA, goodAddress, goodAddress},
	{"x.tree.signed.example.", dns.TypeA, "", ""}, // dnsmasq does not validate DNAME records
	{"svc.signed.example.", dns.TypeHTTPS, "", ""},
	{".", dns.TypeDNSKEY, "", ""},
}

// neighbour is a resolver that forwards to ours, and its twin that forwards to
// the upstream of ours.
type neighbour struct {
	name       string
	validating bool
	lenient    bool // some denials that it cannot validate it takes all the same
	*peer
	twin *peer
}

// newNeighbours starts all neighbours of a resolver.
func newNeighbours(t *testing.T, w *world, ours, above string) []neighbour {
	t.Helper()
	both := func(name string, validating bool, newPeer func(forward string) *peer) neighbour {
		return neighbour{name: name, validating: validating, peer: newPeer(ours), twin: newPeer(above)}
	}
	return []neighbour{
		both("dnsmasq", false, func(forward string) *peer { return newDnsmasq(t, forward) }),
		both("dnsmasq --dnssec", true, func(forward string) *peer {
			return newDnsmasq(t, forward, "--dnssec", "--trust-anchor=.,"+w.digest(","))
		}),
		both("Unbound", false, func(forward string) *peer { return newUnbound(t, forward, nil) }),
		both("Unbound, validating", true, func(forward string) *peer { return newUnbound(t, forward, w.anchor) }),
		both("BIND", false, func(forward string) *peer { return newForwarder(t, forward, nil) }),
		both("BIND, validating", true, func(forward string) *peer { return newForwarder(t, forward, w) }),
	}
}

// TestNeighbours has resolvers of others forward to ours. All of them deny what is
// listed; those that validate take a denial for a forgery, and deny by failing.
// What is not listed resolves, and validates, as if we were not there.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	above := newUnbound(t, w.addr(), w.anchor)
	ours := newFilter(t, above.addr(), "")
	results := &table{}
	defer results.log(t)
	neighbours := newNeighbours(t, w, ours.addr(), above.addr())
	for _, n := range neighbours {
		n.askedTwice(t, n.twin.outcomes(), results)
	}
	for _, n := range neighbours {
		n.outcome(remembered)
	}
	ours.end(syscall.SIGKILL)
	for _, n := range neighbours {
		n.remembers(t)
	}
}

// remembered is a question whose denial every neighbour keeps.
var remembered = question{"www.bad.unsigned.example.", dns.TypeA, "denied", "denied"}

// remembers checks that a denial comes from the cache of a neighbour while our
// resolver is away.
func (n neighbour) remembers(t *testing.T) {
	t.Helper()
	if got, shown := n.outcome(remembered); got != "denied" {
		t.Errorf("%s: %s while our resolver is away: %s", n.name, remembered, shown)
	}
}

// outcomes asks all questions.
func (p *peer) outcomes() map[question]string {
	all := map[question]string{}
	for _, q := range questions {
		all[q], _ = p.outcome(q)
	}
	return all
}

// askedTwice asks each question twice: the second answer may be from the peer's
// cache. For what is not listed, both must be like those that it gave without
// our resolver.
func (n neighbour) askedTwice(t *testing.T, without map[question]string, results *table) {
	t.Helper()
	for _, q := range questions {
		want := q.want(n.validating)
		switch {
		case want == "":
			want = without[q]
		case !listed(q.name) && want != without[q]:
			t.Errorf("%s: %s without our resolver: %s, want %s", n.name, q, without[q], want)
		case listed(q.name) && n.lenient:
			want = "blocked"
		}
		got, shown := n.outcome(q)
		again, shownAgain := n.outcome(q)
		if !fits(got, want) || !fits(again, want) {
			t.Errorf("%s: %s: %s, then %s, want %s", n.name, q, shown, shownAgain, want)
		}
		if shown != shownAgain {
			shown += ", then " + shownAgain
		}
		results.add(n.name, q.String(), shown)
	}
}

func fits(got, want string) bool {
	return got == want || want == "blocked" && (got == "denied" || got == "failed")
}

// listed reports whether a name of the world is listed or leads to one that is.
func listed(name string) bool {
	return strings.Contains(name, "bad") || strings.Contains(name, "later")
}

// TestNeighboursForget: a name that is taken off the list resolves once the denial
// has expired.
func TestNeighboursForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	above := newUnbound(t, w.addr(), w.anchor)
	ours := newFilter(t, above.addr(), "ttl 2s")
	neighbours := newNeighbours(t, w, ours.addr(), above.addr())
	for _, n := range neighbours {
		n.blocksForgotten(t)
	}
	ours.write("list.txt", "bad.example\n")
	for _, n := range neighbours {
		n.forgets(t)
	}
}

// forgotten are questions for names that are taken off the list.
var forgotten = []question{
	{"later.unsigned.example.", dns.TypeA, badAddress, badAddress},
	{"later.signed.example.", dns.TypeA, badAddress, badAddress + " validated"},
}

func (n neighbour) blocksForgotten(t *testing.T) {
	t.Helper()
	for _, q := range forgotten {
		if got, shown := n.outcome(q); !fits(got, "blocked") {
			t.Errorf("%s: %s while it is listed: %s", n.name, q, shown)
		}
	}
}

func (n neighbour) forgets(t *testing.T) {
	t.Helper()
	for _, q := range forgotten {
		err := poll(func() error {
			if got, shown := n.outcome(q); got != q.want(n.validating) {
				return fmt.Errorf("%s: %s: %s, want %s", n.name, q, shown, q.want(n.validating))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// newDnsmasq forwards to a server.
func newDnsmasq(t *testing.T, forward string, more ...string) *peer {
	t.Helper()
	p := newPeer(t, "dnsmasq")
	p.start(nil, append([]string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--log-facility=-",
		"--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=" + p.host, "--port=" + p.port,
		"--server=" + strings.Replace(forward, ":", "#", 1),
	}, more...)...)
	return p
}

// newForwarder has BIND forward to a server, and validate if it is given a world
// to trust.
func newForwarder(t *testing.T, forward string, trusted *world) *peer {
	t.Helper()
	p := newPeer(t, "named")
	validation, anchors := "no", ""
	if trusted != nil {
		validation, anchors = "yes", trusted.trustAnchors()
	}
	host, port, _ := strings.Cut(forward, ":")
	config := p.write("config", fmt.Sprintf(`
options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile none;
	listen-on port %[3]s { %[2]s; };
	listen-on-v6 { none; };
	recursion yes; allow-query { 127.0.0.0/8; };
	forward only; forwarders { %[4]s port %[5]s; };
	dnssec-validation %[6]s;
};
controls { };
%[7]s
`, p.dir, p.host, p.port, host, port, validation, anchors))
	p.start(nil, "-g", "-c", config)
	return p
}
