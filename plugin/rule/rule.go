// Package rule is the vocabulary that lists, sets and policies share: a rule is
// a trigger (which names) and an action (what to do with them).
package rule

import (
	"fmt"
	"net/netip"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Trigger says which names a rule means, as a set of bits, so that an exact and
// a below rule of the same name add up to a subtree rule.
type Trigger uint8

// The triggers. In a policy zone "x" is Exact and "*.x" is Below
// (draft-vixie-dnsop-dns-rpz-00 §4.1.1); a plain line of a list is Subtree.
const (
	Exact   Trigger         = 1 << iota // the name itself
	Below                               // every name below it, not the name itself
	Subtree = Exact | Below             // the name and every name below it
)

// Address is a trigger of another kind: it means no name, but the addresses of a
// prefix where they stand in an answer (draft-vixie-dnsop-dns-rpz-00 §4.3).
const Address Trigger = 1 << 2

// String returns the trigger's name, as Go's fmt and JSON show it.
func (t Trigger) String() string {
	switch t {
	case Exact:
		return "exact"
	case Below:
		return "below"
	case Subtree:
		return "subtree"
	case Address:
		return "address"
	}
	return fmt.Sprintf("trigger(%d)", uint8(t))
}

// MarshalText returns the trigger's name.
func (t Trigger) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Action says what is to be done with the names of a rule. The zero value is
// None.
type Action uint8

// The actions. Pass is what policy zones call passthru: an exception.
const (
	None  Action = iota // no rule
	Block               // deny the name
	Pass                // let the name through
)

// String returns the action's name.
func (a Action) String() string {
	switch a {
	case None:
		return "none"
	case Block:
		return "block"
	case Pass:
		return "pass"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// MarshalText returns the action's name.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Rule is one entry of a list.
type Rule struct {
	Name    dnsname.Name
	Trigger Trigger
	Action  Action
	Prefix  netip.Prefix `json:",omitzero"` // of a rule whose trigger is Address, which has no name; masked
}

// String returns the rule in the form that golden files use:
// "block subtree badsite.example", "block address 192.0.2.0/24".
func (r Rule) String() string {
	return r.Action.String() + " " + r.Trigger.String() + " " + r.Subject()
}

// Subject returns what the rule is about, without saying what of it: the name,
// or the prefix of addresses.
func (r Rule) Subject() string {
	if r.Trigger == Address {
		return r.Prefix.String()
	}
	return string(r.Name)
}
