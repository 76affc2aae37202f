package nonudify

import (
	"context"
	"net/netip"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
)

// inspect returns the writer that the rest of the chain answers a query with
// whose name is not blocked: one that looks where the answer leads, or w itself
// where there is nothing to be found. A zone transfer is passed on as it is:
// it leads nobody anywhere.
func (n *NoNudify) inspect(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, p *policy.Policy, who netip.Addr) dns.ResponseWriter {
	qtype := r.Question[0].Qtype
	if n.config.InspectOff || p.Empty() || qtype == dns.TypeAXFR || qtype == dns.TypeIXFR {
		return w
	}
	return &inspector{w, n, p, ctx, r, !who.IsValid()}
}

// inspector is the writer of one query. It judges each message by itself, by
// the policy that judged the query name, and has a denial written in the place
// of one that leads to a listed name. Other messages go on untouched.
//
// Of the interfaces that a writer may have beside dns.ResponseWriter, plugins
// behind ours could use none even without it: plugin.NextOrFailure hides them
// all, and looks for a PluginTracker only.
type inspector struct {
	dns.ResponseWriter
	handler *NoNudify
	policy  *policy.Policy
	ctx     context.Context // of the query, for its metrics and metadata
	request *dns.Msg
	// anyAddress is that the client is judged whatever its address. Its address
	// itself would take the inspector out of the size class of 64 octets.
	anyAddress bool
}

var _ plugin.PluginTracker = (*inspector)(nil)

// WriteMsg writes the message or the denial that takes its place.
func (i *inspector) WriteMsg(m *dns.Msg) error {
	if denial := i.deny(m); denial != nil {
		m = denial
	}
	return i.ResponseWriter.WriteMsg(m)
}

// Write does for a message on the wire what WriteMsg does for others. One that
// cannot be read leads nowhere.
func (i *inspector) Write(b []byte) (int, error) {
	m := new(dns.Msg)
	if m.Unpack(b) == nil {
		if denial := i.deny(m); denial != nil {
			return len(b), i.ResponseWriter.WriteMsg(denial)
		}
	}
	return i.ResponseWriter.Write(b)
}

// SetPlugin tells the writer below which plugin has answered, if it asks for
// that.
func (i *inspector) SetPlugin(name string) {
	if tracker, ok := i.ResponseWriter.(plugin.PluginTracker); ok {
		tracker.SetPlugin(name)
	}
}

// GetPlugin returns what SetPlugin was last called with, if anybody keeps it.
func (i *inspector) GetPlugin() string {
	if tracker, ok := i.ResponseWriter.(plugin.PluginTracker); ok {
		return tracker.GetPlugin()
	}
	return ""
}

// deny returns the denial of the query name that is to be written instead of m,
// nil if m may go on. Its frame is gone when the message is written, which is
// where the stack is deepest.
//
//go:noinline
func (i *inspector) deny(m *dns.Msg) *dns.Msg {
	v := i.judge(m)
	if !v.Blocked() {
		return nil
	}
	i.handler.forget(i.ctx, i.request)
	return i.handler.reply(i.ctx, i.ResponseWriter, i.request, v)
}

// judge returns the verdict on the first listed name that a message leads to,
// or else the first address that it leads to and a list with addresses has.
// Only messages that a client follows are looked at: a chain of aliases ends in
// NOERROR or NXDOMAIN. Every record is: a bound on their number would be a
// place to hide behind, and the 64 KiB that a message can have are bound
// enough.
func (i *inspector) judge(m *dns.Msg) policy.Verdict {
	if m == nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return policy.Verdict{}
	}
	if v := i.judgeSection(m.Answer); v.Blocked() {
		return v
	}
	if v := i.judgeSection(m.Extra); v.Blocked() {
		return v
	}
	return i.judgeAddresses(m)
}

// client returns the address that the policy judges by.
func (i *inspector) client() netip.Addr {
	if i.anyAddress {
		return netip.Addr{}
	}
	return addressOf(i.ctx, i.ResponseWriter)
}

func (i *inspector) judgeSection(rrs []dns.RR) policy.Verdict {
	qname := i.request.Question[0].Name
	for _, rr := range rrs {
		target := target(rr, qname)
		if target == "" {
			continue
		}
		if v := i.policy.DecideTarget(qname, target, i.client()); v.Blocked() {
			return v
		}
	}
	return policy.Verdict{}
}

// target returns the name that a record sends its reader on to, "" for a record
// that does not. Addresses are judged only where a list asks for it
// (judgeAddresses), because strangers share them; names of servers (NS, MX,
// SOA) and of hosts (PTR) never: what a client asks for next under such a name
// is judged then.
func target(rr dns.RR, qname string) string {
	name := ""
	switch rr := rr.(type) {
	case *dns.CNAME:
		name = rr.Target
	case *dns.DNAME:
		name = substitute(qname, rr.Hdr.Name, rr.Target)
	case *dns.HTTPS:
		name = rr.Target // ".", the owner itself, is in no list
	case *dns.SVCB:
		name = rr.Target
	}
	if name == "" || rr.Header().Class != dns.ClassINET {
		return ""
	}
	return name
}

// substitute returns where a DNAME record leads (RFC 6672 §2.2): the query name
// with its end replaced if it is below the owner, else the target, below which
// lies what any other name becomes.
func substitute(qname, owner, target string) string {
	labels := dns.CountLabel(owner)
	if labels == 0 || dns.CountLabel(qname) <= labels || !dns.IsSubDomain(owner, qname) {
		return target
	}
	prefix := qname[:len(qname)-len(dnsname.Suffix(qname, labels))]
	if target == "." {
		return prefix
	}
	return prefix + target
}
