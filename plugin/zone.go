package nonudify

import (
	"context"
	"reflect"
	"strings"

	"github.com/coredns/coredns/core/dnsserver"
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
// policy is built.
func (n *NoNudify) openZones() {
	for _, z := range n.config.PolicyZones {
		share := zones.Acquire(primary.Config{Origin: z.Origin, Dir: n.config.State}, n.notifier(z.Origin))
		n.published = append(n.published, publication{z, share})
	}
	n.sources.zones = n.published
}

// notifier returns what tells the secondaries of a zone that it has changed: those
// that the transfer plugin knows, if there is one.
func (n *NoNudify) notifier(origin string) func() error {
	if n.transfer == nil {
		return nil
	}
	return func() error { return n.transfer.Notify(origin) }
}

// publish has the zones say what a policy says, and returns channels that are
// closed once they do. What is missing a list goes on as it is.
func (n *NoNudify) publish(p *policy.Policy, editions []*feed.List) (served []<-chan struct{}) {
	for _, z := range n.published {
		if content, ok := n.config.ZoneContent(z.PolicyZone, p, editions); ok {
			served = append(served, z.Publish(content))
		}
	}
	return served
}

// zoneOf returns the policy zone that a name is in, nil if none is.
func (n *NoNudify) zoneOf(qname string) *primary.Share {
	for i := range n.published {
		if n.published[i].Owns(qname) {
			return n.published[i].Share
		}
	}
	return nil
}

// serveZone answers a query for a name of a policy zone. Its names are names of
// the zone, and no verdict is asked for. A transfer is left to the transfer plugin:
// then the writer for that is returned.
func (n *NoNudify) serveZone(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, z *primary.Share) dns.ResponseWriter {
	way := transport(ctx, w)
	var m *dns.Msg
	switch q := r.Question[0]; {
	case q.Qtype == dns.TypeIXFR && way == "udp" && strings.EqualFold(q.Name, z.Config().Origin):
		m = z.Current(r)
	case q.Qtype != dns.TypeAXFR && q.Qtype != dns.TypeIXFR:
		m = z.Reply(r)
	case n.transfer != nil && way != "udp" && strings.EqualFold(q.Name, z.Config().Origin):
		return authoritative{w}
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

// authoritative marks what the transfer plugin writes as an answer with authority:
// where a secondary has the newest edition already, the plugin forgets to (RFC 1995
// §4).
type authoritative struct{ dns.ResponseWriter }

// WriteMsg is dns.ResponseWriter's.
func (a authoritative) WriteMsg(m *dns.Msg) error {
	m.Authoritative = m.Authoritative || m.Rcode == dns.RcodeSuccess
	return a.ResponseWriter.WriteMsg(m)
}

// transferOf returns the transfer plugin of a server block, nil without one.
func transferOf(c *dnsserver.Config) *transfer.Transfer {
	t, _ := c.Handler("transfer").(*transfer.Transfer)
	return t
}

// unsent returns what is to be said of policy zones that nobody can transfer.
func (n *NoNudify) unsent(c *dnsserver.Config) []string {
	if len(n.config.PolicyZones) == 0 || c.Handler("transfer") != nil {
		return nil
	}
	return []string{"Policy zone " + n.config.PolicyZones[0].Origin + " without the transfer plugin in this server block: " +
		"right only if nobody is to transfer it from here, and it is only asked for single names"}
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
	case e.Err != nil && e.Unsaved:
		log.Errorf("Policy zone %s: not kept on disk: %v", origin, e.Err)
	case e.Err != nil && e.Serial == 0:
		log.Errorf("Policy zone %s: not using its history on disk, secondaries get all of it once: %v", origin, e.Err)
	case e.Err != nil:
		log.Warningf("Policy zone %s: %v", origin, e.Err)
	case e.New:
		log.Infof("Policy zone %s: serial %d, %d records", origin, e.Serial, e.Records)
	}
	if e.New && e.LeftOut > 0 {
		log.Warningf("Policy zone %s: %d rules are left out: they are too long with its name, of a blinded list, or about addresses", origin, e.LeftOut)
	}
}
