package list

import (
	"fmt"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// DefaultOrigin is the name of a policy zone unless another is given. It is
// short, because trigger and origin must fit into one name together.
const DefaultOrigin dnsname.Name = "nudify.rpz"

// What the records of a policy zone say.
var (
	zoneNXDOMAIN = " CNAME " + rpz.Target(rule.Block, false)
	zoneNODATA   = " CNAME " + rpz.Target(rule.Block, true)
	zonePass     = " CNAME " + rpz.Target(rule.Pass, false)
)

// zoneStart writes what makes the file a zone. Its name is the server's to say,
// so everything is relative to it. The serial of a list without one is 1.
func zoneStart(h Header) []byte {
	text := fmt.Appendf(nil, "$TTL 60\n@ SOA localhost. hostmaster.localhost. %d 300 120 2592000 60\n@ NS localhost.\n", max(1, h.Serial))
	if CheckID(h.ID) != nil {
		return text
	}
	text = fmt.Appendf(text, "%s TXT \"v=1 list=%s", rpz.Meta, h.ID)
	if !h.Expires.IsZero() {
		text = fmt.Appendf(text, " expires=%s", h.Expires.UTC().Format(time.RFC3339))
	}
	return append(text, "\"\n"...)
}

// zoneRoom returns whether a name fits into the zone of an origin, with an
// asterisk in front. Names that mean something else in a policy zone never do.
func zoneRoom(origin dnsname.Name) func(Entry) bool {
	if origin == "" {
		origin = DefaultOrigin
	}
	zone := origin.FQDN()
	return func(e Entry) bool {
		name := string(e.Name)
		return rpz.Fit(zone, name) == nil && rpz.Fit(zone, "*."+name) == nil
	}
}

// zoneLines writes records. In a zone the closest name that exists decides, and a
// name exists if a longer one does (RFC 4592 §2.2.2, §3.3.1). So where rules above
// do something, what they do is said again for every such name, and for what is
// below it.
func zoneLines(dst []byte, n node) []byte {
	for _, name := range n.fill {
		dst = zoneRecord(dst, "", name, n.over, zoneNODATA)
		dst = zoneRecord(dst, "*.", name, n.over, zoneNXDOMAIN)
	}
	denial := zoneNXDOMAIN
	if n.open || n.block != rule.Subtree { // NXDOMAIN would say that there is nothing below, either (RFC 8020)
		denial = zoneNODATA
	}
	dst = zoneRecord(dst, "", n.name, n.action(rule.Exact), denial)
	return zoneRecord(dst, "*.", n.name, n.action(rule.Below), zoneNXDOMAIN)
}

// action returns what the node and the rules above it do with the name itself,
// or with other names below it. It does nothing where nothing is written.
func (n *node) action(t rule.Trigger) rule.Action {
	switch {
	case n.block|n.pass == 0:
		return rule.None
	case n.pass&t != 0:
		return rule.Pass
	case n.block&t != 0:
		return rule.Block
	}
	return n.over
}

func zoneRecord(dst []byte, star string, name dnsname.Name, a rule.Action, denial string) []byte {
	switch a {
	case rule.Block:
		return put(dst, star, string(name), denial)
	case rule.Pass:
		return put(dst, star, string(name), zonePass)
	}
	return dst
}
