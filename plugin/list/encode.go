package list

import (
	"github.com/nonudify/nonudify/plugin/rule"
)

// encoding is how a target writes text.
type encoding struct {
	sign  string                          // in front of a comment
	start []byte                          // what stands between the header and the first rule
	node  func(dst []byte, n node) []byte // appends a line for each rule
}

// encoding returns how the target writes the text of a list with that header. A
// database has none, and hashes are not written in the order of their names.
func (t Target) encoding(h Header) encoding {
	switch t {
	case ToHosts:
		return encoding{"#", nil, around("0.0.0.0 ", "")}
	case ToWildcard:
		return encoding{"#", nil, around("*.", "")}
	case ToAdblock:
		return encoding{"!", nil, adblockLines}
	case ToDnsmasq:
		return encoding{"#", nil, dnsmasqLines}
	case ToUnbound:
		return encoding{"#", []byte("server:\n"), unboundLines}
	case ToRPZ, ToKnot:
		return encoding{";", zoneStart(h), zoneLines}
	case ToPihole:
		return encoding{"#", nil, piholeLine}
	case ToDNSCrypt:
		return encoding{"#", nil, dnscryptLine}
	case ToRouterOS:
		return encoding{"#", routerStart(h), routerLine(h)}
	}
	return encoding{"#", nil, around("", "")}
}

// put appends the parts of a line.
func put(dst []byte, parts ...string) []byte {
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return append(dst, '\n')
}

// around returns the encoding of a format in which a block is a name between two
// texts.
func around(before, behind string) func([]byte, node) []byte {
	return func(dst []byte, n node) []byte {
		if n.block == 0 {
			return dst
		}
		return put(dst, before, string(n.name), behind)
	}
}

// hostsRoom reports whether a name is not one that every hosts file has for the
// machine's own use.
func hostsRoom(e Entry) bool { return !isBoilerplate([]byte(e.Name)) }

// patterns are what stands before a name in an adblock rule, by trigger.
var patterns = [...]string{rule.Exact: "|", rule.Below: "||*.", rule.Subtree: "||"}

// adblockLines writes rules as AdGuard Home and uBlock Origin read them. There an
// exception wins over a block whatever the length of the names, and a rule that
// is important over one that is not: so that a block below an exception counts,
// it is made important, and so is every exception below that.
func adblockLines(dst []byte, n node) []byte {
	for _, r := range []struct {
		sign    string
		trigger rule.Trigger
		rank    int
	}{{"", n.block, n.blockRank}, {"@@", n.pass, n.passRank}} {
		modifier := ""
		if r.rank > 0 {
			modifier = "$important"
		}
		if r.trigger != 0 {
			dst = put(dst, r.sign, patterns[r.trigger], string(n.name), "^", modifier)
		}
	}
	return dst
}

// dnsmasqLines writes options of dnsmasq, of which the one with the longest name
// counts, and one with an asterisk from version 2.86 on.
func dnsmasqLines(dst []byte, n node) []byte {
	for _, o := range []struct {
		option  string
		trigger rule.Trigger
		target  string
	}{{"local=/", n.block, "/"}, {"server=/", n.pass, "/#"}} {
		switch o.trigger {
		case rule.Subtree:
			dst = put(dst, o.option, string(n.name), o.target)
		case rule.Below:
			dst = put(dst, o.option, "*.", string(n.name), o.target)
		}
	}
	return dst
}

// unboundLines writes local zones, of which the one with the longest name counts.
// Data of a name that is in none of them makes a zone in which other names are
// let through, and other types of the name are denied.
func unboundLines(dst []byte, n node) []byte {
	switch {
	case n.pass != 0:
		return put(dst, `local-zone: "`, string(n.name), `" transparent`)
	case n.block == rule.Subtree:
		return put(dst, `local-zone: "`, string(n.name), `" always_nxdomain`)
	case n.block == rule.Exact:
		return put(dst, `local-data: "`, string(n.name), ` A 0.0.0.0"`)
	}
	return dst
}

// piholeLine writes the two forms of line that Pi-hole's lists have. There a name
// alone is only that name.
func piholeLine(dst []byte, n node) []byte {
	switch n.block {
	case rule.Subtree:
		return put(dst, "||", string(n.name), "^")
	case rule.Exact:
		return put(dst, string(n.name))
	}
	return dst
}

func dnscryptLine(dst []byte, n node) []byte {
	switch n.block {
	case rule.Subtree:
		return put(dst, string(n.name))
	case rule.Exact:
		return put(dst, "=", string(n.name))
	}
	return dst
}

// routerStart takes away what an earlier edition has added: RouterOS knows the
// entries of a list by their comment.
func routerStart(h Header) []byte {
	text := put(nil, `/ip dns static remove [find comment="`, routerMark(h), `"]`)
	return put(text, `/ip dns static`)
}

// routerLine adds an entry, whose name alone is only that name.
func routerLine(h Header) func([]byte, node) []byte {
	add := `add comment="` + routerMark(h) + `" type=NXDOMAIN name=`
	return func(dst []byte, n node) []byte {
		switch n.block {
		case rule.Subtree:
			return put(dst, add, string(n.name), " match-subdomain=yes")
		case rule.Exact:
			return put(dst, add, string(n.name))
		}
		return dst
	}
}

// routerMark returns the comment of the entries: the List-ID, if there is one.
func routerMark(h Header) string {
	if CheckID(h.ID) != nil {
		return "nonudify"
	}
	return h.ID
}
