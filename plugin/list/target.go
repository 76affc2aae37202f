package list

import (
	"fmt"
	"strings"

	"github.com/nonudify/nonudify/plugin/rule"
)

// Target is what a list can be written as: a Format, or a file that one product
// alone reads. The zero value is none.
type Target uint8

// The targets. Package list's documentation says what each can express.
const (
	ToDomains  Target = 1 + iota // badsite.example
	ToHosts                      // 0.0.0.0 badsite.example
	ToWildcard                   // *.badsite.example
	ToAdblock                    // ||badsite.example^
	ToDnsmasq                    // local=/badsite.example/
	ToUnbound                    // local-zone: "badsite.example" always_nxdomain
	ToRPZ                        // badsite.example CNAME .
	ToHashes                     // 5c0177c336babfdfcefe048cc66b814f
	ToPihole                     // ||badsite.example^, for Pi-hole, which reads two forms of line only
	ToKnot                       // a policy zone for Knot Resolver 6, which has no exceptions
	ToDNSCrypt                   // the blocked-names file of dnscrypt-proxy
	ToRouterOS                   // a script of RouterOS 7
	ToCDB                        // a constant database for dnsdist
)

// targetNames are the names on a command line.
var targetNames = [...]string{
	ToDomains: "domains", ToHosts: "hosts", ToWildcard: "wildcard", ToAdblock: "adblock", ToDnsmasq: "dnsmasq",
	ToUnbound: "unbound", ToRPZ: "rpz", ToHashes: "hashes", ToPihole: "pihole", ToKnot: "knot",
	ToDNSCrypt: "dnscrypt", ToRouterOS: "routeros", ToCDB: "cdb",
}

// Targets returns all targets, those that have a Format first.
func Targets() []Target {
	all := make([]Target, 0, len(targetNames))
	for t := range targetNames[1:] {
		all = append(all, Target(t+1))
	}
	return all
}

// String returns the target's name on a command line.
func (t Target) String() string {
	if t > 0 && int(t) < len(targetNames) {
		return targetNames[t]
	}
	return fmt.Sprintf("target(%d)", uint8(t))
}

// MarshalText returns the target's name.
func (t Target) MarshalText() ([]byte, error) {
	if t == 0 {
		return nil, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText accepts the names that String returns.
func (t *Target) UnmarshalText(text []byte) error {
	for i, s := range targetNames[1:] {
		if s == string(text) {
			*t = Target(i + 1)
			return nil
		}
	}
	return fmt.Errorf("a list cannot be written as %q: want %s", text, strings.Join(targetNames[1:], ", "))
}

// Format returns the format in which a Scanner reads what was written, Auto when
// none of them does, or would take it for more than it says.
func (t Target) Format() Format {
	switch t {
	case ToDomains:
		return Domains
	case ToHosts:
		return Hosts
	case ToWildcard:
		return Wildcard
	case ToAdblock:
		return Adblock
	case ToDnsmasq:
		return Dnsmasq
	case ToUnbound:
		return Unbound
	case ToRPZ, ToKnot:
		return RPZ
	case ToHashes:
		return Hashes
	}
	return Auto
}

// triggers is a set of triggers: bit 1<<t is for trigger t.
type triggers uint8

func only(all ...rule.Trigger) (s triggers) {
	for _, t := range all {
		s |= 1 << t
	}
	return s
}

func (s triggers) has(t rule.Trigger) bool { return s&(1<<t) != 0 }

// ability is what a target can express: triggers of blocks, and of exceptions.
type ability struct {
	block, pass triggers
}

// ability returns what the target can express. exact says that whoever reads the
// file takes a line of it for the one name alone.
func (t Target) ability(exact bool) ability {
	every := only(rule.Exact, rule.Below, rule.Subtree)
	switch t {
	case ToDomains, ToHosts:
		if exact {
			return ability{block: only(rule.Exact)}
		}
	case ToAdblock, ToRPZ:
		return ability{every, every}
	case ToDnsmasq:
		return ability{only(rule.Below, rule.Subtree), only(rule.Below, rule.Subtree)}
	case ToUnbound:
		return ability{only(rule.Exact, rule.Subtree), only(rule.Subtree)}
	case ToCDB:
		return ability{only(rule.Subtree), only(rule.Subtree)}
	case ToPihole, ToKnot, ToDNSCrypt, ToRouterOS:
		return ability{block: only(rule.Exact, rule.Subtree)}
	}
	return ability{block: only(rule.Subtree)}
}
