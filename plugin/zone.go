package nonudify

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/transfer"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/primary"
)

// zones are shared by all directives of the process: a reload goes on with their
// serials and histories.
var zones = primary.Pool{Report: reportZone}

// publication is a policy zone of a handler.
type publication struct {
	directive.PolicyZone
	*primary.Share
	sent bool // the transfer plugin of the server block has it
}

// Transfer is transfer.Transferer: it hands on the records of a policy zone.
func (n *NoNudify) Transfer(zone string, serial uint32) (<-chan []dns.RR, error) {
	for _, z := range n.published {
		if z.Origin == zone {
			return z.Share.Transfer(serial)
		}
	}
	return nil, transfer.ErrNotAuthoritative
}

// openZones takes hold of the policy zones. They say nothing until the first
// policy is built, or, on trial, until that is over: what one says has come to its
// secondaries at once, and cannot be taken back when the instance fails.
func (n *NoNudify) openZones(hold bool) {
	for _, z := range n.config.PolicyZones {
		share := zones.Acquire(primary.Config{Origin: z.Origin, Dir: n.config.State}, n.notifier(z.Origin))
		n.published = append(n.published, publication{z, share, transfers(n.transfer, z.Origin)})
	}
	n.sources.zones = n.published
	n.mu.Lock()
	n.heldBack = hold
	n.mu.Unlock()
}

// reveal publishes what was held back. It does not wait until that is served.
func (n *NoNudify) reveal() {
	n.mu.Lock()
	held := n.heldBack
	n.heldBack = false
	n.mu.Unlock()
	if held {
		n.rebuild() // of the lists as they are by now
	}
}

// notifier returns what tells the secondaries of a zone that it has changed: those
// that the transfer plugin knows, if there is one.
func (n *NoNudify) notifier(origin string) func() error {
	if n.transfer == nil {
		return nil
	}
	return func() error { return n.transfer.Notify(origin) }
}

// publish has the zones and the daily totals say what a policy is, and returns channels that are
// closed once they do. What is missing a list goes on as it is, and so do all while
// what they are to say is held back: n.mu is locked.
func (n *NoNudify) publish(p *policy.Policy, editions []*feed.List) (served []<-chan struct{}) {
	if n.heldBack {
		return nil
	}
	n.tellEditions(editions)
	for _, z := range n.published {
		if content, ok := n.config.ZoneContent(z.PolicyZone, p, editions); ok {
			served = append(served, z.Publish(content))
		}
	}
	return served
}

// zoneOf returns the policy zone that a name is in, nil if none is.
func (n *NoNudify) zoneOf(qname string) *publication {
	for i := range n.published {
		if n.published[i].Owns(qname) {
			return &n.published[i]
		}
	}
	return nil
}

// serveZone answers a query for a name of a policy zone. Its names are names of
// the zone, and no verdict is asked for. A transfer over TCP or TLS (RFC 5936 §4,
// RFC 9103) is left to the transfer plugin if that has the zone: then the writer for
// that is returned. Any other is refused, and not handed on: what is behind would
// ask a stranger for it.
func (n *NoNudify) serveZone(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, z *publication) dns.ResponseWriter {
	way := transport(ctx, w)
	var m *dns.Msg
	switch q := r.Question[0]; {
	case q.Qtype == dns.TypeIXFR && way == "udp" && strings.EqualFold(q.Name, z.Config().Origin):
		m = z.Current(r)
	case q.Qtype != dns.TypeAXFR && q.Qtype != dns.TypeIXFR:
		m = z.Reply(r)
	case z.sent && (way == "tcp" || way == "tls") && strings.EqualFold(q.Name, z.Config().Origin):
		return &outgoing{w, z.Share}
	default:
		m = new(dns.Msg).SetRcode(r, dns.RcodeRefused)
		m.RecursionAvailable = true
	}
	if m == nil {
		m = n.answerer.NotReady(n.request(w, r, way))
	}
	write(w, m)
	return nil
}

// outgoing is the writer for a transfer of a zone. It marks what the transfer plugin
// writes as an answer with authority: where a secondary has the newest edition
// already, the plugin forgets to (RFC 1995 §4).
type outgoing struct {
	dns.ResponseWriter
	zone *primary.Share
}

// WriteMsg is dns.ResponseWriter's.
func (o *outgoing) WriteMsg(m *dns.Msg) error {
	m.Authoritative = m.Authoritative || m.Rcode == dns.RcodeSuccess
	return o.ResponseWriter.WriteMsg(m)
}

// handOver has the transfer plugin answer, unless the client has enough transfers
// under way. It takes as long as the transfer does. What stands between is not asked:
// cache would have all records live for 5 seconds.
//
//go:noinline
func (n *NoNudify) handOver(ctx context.Context, o *outgoing, r *dns.Msg) (int, error) {
	done, err := o.zone.Admit(address(o))
	if err != nil {
		return dns.RcodeServerFailure, err
	}
	defer done()
	return n.transfer.ServeDNS(ctx, o, r)
}

// transferOf returns the transfer plugin of a server block, nil without one.
func transferOf(c *dnsserver.Config) *transfer.Transfer {
	t, _ := c.Handler("transfer").(*transfer.Transfer)
	return t
}

// transfers reports whether the transfer plugin, nil if there is none, hands out a
// zone. It does not tell which it has, so a copy of it is asked for the zone: what is
// none of its own goes on to the next plugin, before anything else.
func transfers(t *transfer.Transfer, origin string) bool {
	if t == nil {
		return false
	}
	probe, theirs := *t, false
	probe.Transferers = []transfer.Transferer{nobodys{}}
	probe.Next = plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
		theirs = true
		return dns.RcodeSuccess, nil
	})
	_, _ = probe.ServeDNS(context.Background(), discard{}, new(dns.Msg).SetAxfr(origin)) // nobody waits for the answer
	return !theirs
}

// nobodys has a zone, of which it says nothing.
type nobodys struct{}

func (nobodys) Transfer(string, uint32) (<-chan []dns.RR, error) { return nil, errProbe }

var errProbe = errors.New("nobody has asked for the zone")

// discard is the writer for a query over TCP that nobody has sent.
type discard struct{ dns.ResponseWriter }

func (discard) RemoteAddr() net.Addr        { return &net.TCPAddr{IP: net.IPv4zero} }
func (discard) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4zero} }
func (discard) WriteMsg(*dns.Msg) error     { return nil }
func (discard) Write(b []byte) (int, error) { return len(b), nil }

// unsent returns what is to be said of policy zones that nobody can transfer.
func (n *NoNudify) unsent(c *dnsserver.Config) (found []string) {
	if len(n.config.PolicyZones) == 0 {
		return nil
	}
	t := transferOf(c)
	if t == nil {
		return []string{"Policy zone " + n.config.PolicyZones[0].Origin + " without the transfer plugin in this server block: " +
			"right only if nobody is to transfer it from here, and it is only asked for single names"}
	}
	for _, z := range n.config.PolicyZones {
		if !transfers(t, z.Origin) {
			found = append(found, "Policy zone "+z.Origin+" is none of the zones of the transfer plugin in this server block, so that transfers of it are refused: "+
				"name it there, or leave its zones out where the server block is one for the zone")
		}
	}
	return found
}

// unasked returns what is to be said of policy zones that no query for reaches the
// server block with these keys.
func (n *NoNudify) unasked(keys []string) (found []string) {
	for _, z := range n.config.PolicyZones {
		if stray([]string{z.Origin}, keys) != "" {
			found = append(found, "Policy zone "+z.Origin+" is in none of the zones of this server block: no query for it arrives here, "+
				"and no transfer; add "+z.Origin+" to the names before the brace")
		}
	}
	return found
}

// claimed returns a policy zone that another directive of the instance publishes
// with other rules, "" if there is none.
func (i *instance) claimed(c *directive.Config) string {
	for _, z := range c.PolicyZones {
		if other := i.origins[z.Origin]; other != nil && !reflect.DeepEqual(other, c) {
			return z.Origin
		}
		i.origins[z.Origin] = c
	}
	return ""
}

// reportZone logs what has happened to a policy zone.
func reportZone(origin string, e primary.Event) {
	switch {
	case errors.Is(e.Err, primary.ErrClock):
		log.Warningf("Policy zone %s: %v: its serial is made of their dates, and secondaries that have a newer one wait until the clock is right", origin, e.Err)
	case errors.Is(e.Err, primary.ErrUnread):
		log.Warningf("Policy zone %s: goes on as it is: %v", origin, e.Err)
	case e.Kept:
		log.Infof("Policy zone %s: serial %d is kept on disk now", origin, e.Serial)
	case e.Err != nil && e.Unsaved:
		log.Errorf("Policy zone %s: not kept on disk, trying again: %v", origin, e.Err)
	case e.Err != nil && e.Serial == 0:
		log.Errorf("Policy zone %s: not using its history on disk, secondaries get all of it once: %v", origin, e.Err)
	case e.Err != nil:
		log.Warningf("Policy zone %s: %s", origin, oneLine(e.Err))
	case e.New:
		log.Infof("Policy zone %s: serial %d, %d records", origin, e.Serial, e.Records)
	}
	if e.New && e.LeftOut > 0 {
		log.Warningf("Policy zone %s: %d rules are left out: they are too long with its name, of a blinded list, or about addresses while the policy is for some zones", origin, e.LeftOut)
	}
}
