package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// maxTried bounds how many lists of a block are tried with a name of theirs.
const maxTried = 32

// decides returns the block that gets the queries of this machine, nil if that cannot be
// told: views choose by expressions.
func (l *listener) decides() *server {
	for _, s := range l.servers {
		if s.view == "" && slices.ContainsFunc(s.keys, func(k key) bool { return k.zone == "" }) {
			return s
		}
	}
	return nil
}

// lookAtFilter asks for a name of each list. The resolver is known to be this one, and is
// asked without recursion: no name of a list goes further.
func (x *examination) lookAtFilter(ctx context.Context, l *listener) {
	s := l.decides()
	if s == nil {
		x.hint("filter", "Ask for "+blockedName+" from a machine of each group", "views decide who is filtered at %s: this machine cannot tell", l)
		return
	}
	if x.waits(l) {
		x.wrong("filter", fmt.Sprintf("'nonudify fetch -conf %s' says why it does not come; 'start open' would let queries pass meanwhile", x.conf),
			"%s waits for a list that was never there, and answers nothing that might be on it", l)
		return
	}
	names, err := x.listed(ctx, s)
	if err != nil {
		return // said of the lists
	}
	judges, err := x.env.judges(ctx, []server{*s}, names, checkFlags{client: l.at.Addr(), qtype: dns.TypeA})
	if err != nil {
		return
	}
	for _, name := range names {
		if !x.lookAtVerdict(l, judges[0].judge(name)) {
			return // it may ask others about the next one
		}
	}
	if len(names) == 0 {
		x.hint("filter", "Add 'block "+blockedName+"' to the directive, to have a name to try it with", "no name is known that %s must deny", l)
	}
}

// waits reports whether the resolver waits for a list: then it answers for no name that
// is not on another.
func (x *examination) waits(l *listener) bool {
	reply, err := x.ask(l.at, checkName+".", dns.TypeA, false)
	return err == nil && reply.Rcode == dns.RcodeServerFailure && codeOf(reply) == dns.ExtendedErrorCodeNotReady
}

// listed returns a name of each list of a block, those of its own first.
func (x *examination) listed(ctx context.Context, s *server) (names []dnsname.Name, err error) {
	for _, r := range s.own {
		if r.List == policy.BlockList {
			names = append(names, r.Rule)
			break
		}
	}
	feeds, err := s.config.Feeds()
	if err != nil {
		return nil, err
	}
	l := &loader{bar: x.env.bar, now: x.env.now, want: map[dnsname.Name]bool{}, editions: map[string]*edition{}}
	for _, f := range feeds[:min(len(feeds), maxTried)] {
		e, err := l.edition(ctx, f)
		if err != nil || e.list == nil || f.List == policy.AllowList {
			continue
		}
		for r := range e.list.Set.All() {
			if r.Action == rule.Block && r.Trigger&rule.Exact != 0 {
				names = append(names, r.Name)
				break
			}
		}
	}
	return names, nil
}

// lookAtVerdict compares what the resolver answers with what it should. The name is not
// told: only the list that it is of. It reports whether all is well.
func (x *examination) lookAtVerdict(l *listener, want judgement) bool {
	list := policy.BlockList
	if want.Match != nil {
		list = want.Match.List
	}
	switch {
	case want.Why == whyClient:
		x.hint("filter", "Ask from a machine that is filtered", "this machine is none of those that are filtered at %s", l)
		return false
	case want.Shadow:
		x.hint("filter", "Delete 'action shadow' when its figures are what you expect", "listed names are counted and not blocked: 'action shadow'")
		return false
	case want.Verdict != blocked || want.Answer == nil:
		return true // an exception, or another block gets the query
	}
	reply, err := x.ask(l.at, want.Name.FQDN(), dns.TypeA, false)
	switch {
	case err != nil:
		x.wrong("resolver", "Look at what it says, with 'journalctl -u nonudify'", "%s did not answer twice", l)
	case dns.RcodeToString[reply.Rcode] != want.Answer.Rcode || want.Answer.EDE != nil && codeOf(reply) != want.Answer.EDE.Code:
		x.wrong("filter", "Restart the resolver: it runs with another Corefile, or could not read this list; its log says which. Look also for a server block of a longer zone without nonudify",
			"a name of list %s is not denied at %s", list, l)
	default:
		x.fine("filter", "a name of list %s is denied at %s", list, l)
		return true
	}
	return false
}

// codeOf returns the INFO-CODE of a reply's extended error, a number that is none without
// one.
func codeOf(m *dns.Msg) uint16 {
	if e := edeOf(m); e != nil {
		return e.Code
	}
	return 1<<16 - 1
}

// signals are the names by which programs ask whether they may go round the resolver of a
// network.
var signals = []struct {
	kind policy.Bypass
	name string
	who  string
}{
	{policy.Canary, "use-application-dns.net.", "Firefox may turn on DNS over HTTPS by itself"},
	{policy.PrivateRelay, "mask.icloud.com.", "iPhones, iPads and Macs may use iCloud Private Relay"},
}

// lookAtBypass asks for the names by which programs find out whether they may ask others.
func (x *examination) lookAtBypass(l *listener) {
	s := l.decides()
	if s == nil {
		return
	}
	for _, signal := range signals {
		told := slices.Contains(s.config.Bypass, signal.kind)
		reply, err := x.ask(l.at, signal.name, dns.TypeA, true)
		switch {
		case err != nil: // said of the filter or of those behind
		case reply.Rcode == dns.RcodeNameError:
			x.fine("bypass", "%v is closed at %s", signal.kind, l)
		case told && !s.config.Shadow && reply.Rcode == dns.RcodeSuccess:
			x.wrong("bypass", "Restart the resolver: it runs with another Corefile", "'bypass %v' is not in force at %s", signal.kind, l)
		case !told && reply.Rcode == dns.RcodeSuccess:
			x.hint("bypass", fmt.Sprintf("In a school or a family, 'bypass %v' in the directive says no: docs/bypass.md", signal.kind), "%s, past this resolver", signal.who)
		}
	}
}

// lookAtDiscovery asks what devices are told of encrypted listeners, and tries these.
func (x *examination) lookAtDiscovery(ctx context.Context, l *listener) {
	s := l.decides()
	if s == nil || s.config.Resolver.Name == "" {
		return
	}
	name := s.config.Resolver.Name
	reply, err := x.ask(l.at, "_dns.resolver.arpa.", dns.TypeSVCB, false)
	if err != nil {
		return // said of the resolver
	}
	if len(reply.Answer) == 0 {
		x.wrong("discovery", "Add a listener such as tls://.:853 with the tls plugin and the same nonudify, or take 'resolver' out",
			"devices are told of no encrypted listener, though the resolver is called %s", name)
		return
	}
	if a, err := x.ask(l.at, name.FQDN(), dns.TypeA, true); err == nil && len(a.Answer) == 0 && !hasHints(reply.Answer) {
		x.wrong("discovery", "Enter it in the DNS of your domain: devices look for it there", "%s has no address", name)
	}
	for _, rr := range reply.Answer {
		if svcb, ok := rr.(*dns.SVCB); ok {
			x.tryEncrypted(ctx, l, svcb)
		}
	}
}

// hasHints reports whether clients are told addresses with a listener.
func hasHints(rrs []dns.RR) bool {
	return slices.ContainsFunc(rrs, func(rr dns.RR) bool {
		svcb, ok := rr.(*dns.SVCB)
		return ok && slices.ContainsFunc(svcb.Value, func(v dns.SVCBKeyValue) bool { return v.Key() == dns.SVCB_IPV4HINT || v.Key() == dns.SVCB_IPV6HINT })
	})
}

// tryEncrypted shakes hands with an encrypted listener as devices do: its certificate
// must be for its name.
func (x *examination) tryEncrypted(ctx context.Context, l *listener, svcb *dns.SVCB) {
	port, alpn := "", []string(nil)
	for _, v := range svcb.Value {
		switch v := v.(type) {
		case *dns.SVCBPort:
			port = strconv.Itoa(int(v.Port))
		case *dns.SVCBAlpn:
			alpn = v.Alpn
		}
	}
	if !slices.Contains(alpn, "dot") && !slices.Contains(alpn, "h2") {
		return // over QUIC
	}
	host := trimDot(svcb.Target)
	at := net.JoinHostPort(l.at.Addr().String(), port)
	expires, err := x.shakeHands(ctx, at, host)
	x.lookAtCertificate("discovery", at, host, expires, err)
}

// shakeHands returns when the certificate ends with which a host shows itself.
func (x *examination) shakeHands(ctx context.Context, at, host string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, x.patience)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(ctx, "tcp", at)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter, nil
}

// certificateSoon is how long before its end a certificate should be renewed.
const certificateSoon = 7 * 24 * time.Hour

// lookAtCertificate says what came of a handshake.
func (x *examination) lookAtCertificate(check, at, host string, expires time.Time, err error) {
	switch {
	case err != nil:
		x.wrong(check, "Renew the certificate that the tls plugin names, for that name, and restart the resolver", "nobody can ask %s as %s: %v", at, host, err)
	case expires.Before(x.env.now().Add(certificateSoon)):
		x.wrong(check, "Renew it, and restart the resolver", "the certificate at %s ends at %s", at, stamp(expires))
	default:
		x.fine(check, "%s is %s until %s", at, host, expires.Format(time.DateOnly))
	}
}

// trimDot takes the dot of the root off a name.
func trimDot(name string) string {
	if n := len(name); n > 0 && name[n-1] == '.' {
		return name[:n-1]
	}
	return name
}
