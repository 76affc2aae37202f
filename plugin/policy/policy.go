// Package policy decides what becomes of a query name: an ordered number of
// lists, the operator's own exceptions, and the clients that they are for.
package policy

import (
	"net/netip"
	"sync/atomic"

	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// List is one list in a policy.
type List struct {
	Name    string
	Set     *set.Set
	Reason  Reason
	Serial  uint32   // of the list, for the SOA of denials
	Counter *Counter // counts what the filter did; nil: not counted
	// Bypass is the way round the filter that the list closes; NoBypass: it lists
	// what the policy is for.
	Bypass Bypass
}

// Config says what a policy consists of.
type Config struct {
	Lists   []List     // in order: of several that block, the first is named
	Allow   []*set.Set // exceptions that beat every list, at any depth
	Clients *Clients   // whom the policy is for; nil: everybody
	Zones   *set.Set   // what the policy is for, as rules that block; nil: every name
	// Own are the addresses of this server's help page, which no list can block.
	Own []netip.Addr
	// Pending says that a list is missing that may block any name.
	Pending bool
}

// Policy is an immutable set of decisions, safe for concurrent use. The zero
// value blocks nothing.
type Policy struct {
	config    Config
	addresses []*List // of the lists, those with rules about addresses
	number    uint64  // that no other policy of this process has; 0: the zero value
}

var policies atomic.Uint64

// The names that a verdict gives for the operator's own exceptions and blocks,
// and for the ways round the filter that he closes.
const (
	AllowList  = "allow"
	BlockList  = "block"
	BypassList = "bypass"
)

// New returns the policy for a configuration, which must not be changed
// afterwards.
func New(c Config) *Policy {
	p := &Policy{config: c, number: policies.Add(1)}
	for i := range c.Lists {
		if l := &c.Lists[i]; l.Set.HasAddresses() {
			p.addresses = append(p.addresses, l)
		}
	}
	return p
}

// Decide returns the verdict on a query name in presentation form, in any
// letter case, asked by the given client (the zero Addr when it is not known).
//
// The precedence: an exception of the operator beats everything. Inside one
// list the longest match wins, and an exception beats a block of the same
// length. Any list that blocks, blocks. Decide takes no lock and does not
// allocate.
func (p *Policy) Decide(qname string, client netip.Addr) Verdict {
	var k set.Key
	k.Reset(qname)
	if p.outside(&k) {
		return Verdict{}
	}
	excepted := Verdict{}
	for i := range p.config.Lists {
		l := &p.config.Lists[i]
		m := l.Set.Match(&k)
		l.Counter.count(&k, m)
		switch m.Action {
		case rule.Block:
			return p.block(&k, l, m, client)
		case rule.Pass:
			if excepted.Action == rule.None {
				excepted = l.verdict(m)
			}
		}
	}
	if p.config.Pending {
		return p.pending(&k, client)
	}
	if excepted.Action != rule.None && !p.config.Clients.Include(client) {
		return Verdict{}
	}
	return excepted
}

// DecideBlock is Decide for those who act on blocks alone, and hand on all other
// queries to where Decide is called: it returns the zero Verdict for these, and does
// not count them. absent reports that no list knows the name even by its filter: then
// Decide would return the zero Verdict, too, and CountAbsent counts what it would.
func (p *Policy) DecideBlock(qname string, client netip.Addr) (v Verdict, absent bool) {
	var k set.Key
	k.Reset(qname)
	if p.outside(&k) {
		return Verdict{}, true
	}
	absent = !p.config.Pending
	for i := range p.config.Lists {
		m := p.config.Lists[i].Set.Match(&k)
		if m.Action == rule.Block {
			return p.countBlock(&k, i, m, client), false
		}
		absent = absent && m == set.Match{}
	}
	return Verdict{}, absent
}

// countBlock returns the verdict on a name that the list at i is the first to block. It
// counts the query if it is blocked.
func (p *Policy) countBlock(k *set.Key, i int, m set.Match, client netip.Addr) Verdict {
	l := &p.config.Lists[i]
	v := p.block(k, l, m, client)
	if !v.Blocked() {
		return Verdict{}
	}
	for before := range p.config.Lists[:i] {
		l := &p.config.Lists[before]
		l.Counter.count(k, l.Set.Match(k))
	}
	l.Counter.count(k, m)
	return v
}

// CountAbsent counts a query that DecideBlock has found to be for an absent name.
func (p *Policy) CountAbsent(qname string) {
	var k set.Key
	k.Reset(qname)
	if p.outside(&k) {
		return
	}
	for i := range p.config.Lists {
		p.config.Lists[i].Counter.count(&k, set.Match{})
	}
}

// outside reports whether a name is in none of the zones that the policy is for.
func (p *Policy) outside(k *set.Key) bool {
	return p.config.Zones != nil && p.config.Zones.Match(k).Labels == 0
}

// DecideTarget returns the verdict on a query name that is not blocked itself,
// but whose answer leads to another one, its target: Block if a list blocks the
// target, and nothing undoes that. Both names are in presentation form, in any
// letter case.
//
// Lists of signals (List.Bypass) are not asked: these names are looked up
// directly.
//
// The precedence is that of Decide. The policy must be for the client, and for
// the query name, whatever zone the target is in. An exception of the operator
// for either name beats everything; one of a list, the rule of that list. The
// verdict says nothing of names below the query name, so it is open, and no part
// of the query name is matched. DecideTarget takes no lock, does not count, and
// does not allocate.
func (p *Policy) DecideTarget(qname, target string, client netip.Addr) Verdict {
	var k set.Key
	k.Reset(target)
	for i := range p.config.Lists {
		if l := &p.config.Lists[i]; l.followed() && l.Set.Match(&k).Action == rule.Block {
			return p.blockTarget(qname, &k, p.config.Lists[i:], client)
		}
	}
	return Verdict{}
}

// blockTarget is DecideTarget for a target that the first of the lists blocks.
func (p *Policy) blockTarget(qname string, target *set.Key, lists []List, client netip.Addr) Verdict {
	var k set.Key
	k.Reset(qname)
	if !p.judges(&k, target, client) {
		return Verdict{}
	}
	for i := range lists {
		l := &lists[i]
		if m := l.Set.Match(target); l.followed() && m.Action == rule.Block && l.Set.Passes(&k).Labels == 0 {
			v := l.verdict(m)
			v.Labels, v.Open = 0, true
			return v
		}
	}
	return Verdict{}
}

// judges reports whether where an answer leads is to be judged at all: the
// policy is for the client and the query name, and no exception of the operator
// means the query name or the one that the answer leads to.
func (p *Policy) judges(qname, target *set.Key, client netip.Addr) bool {
	if !p.config.Clients.Include(client) || p.config.Zones != nil && p.config.Zones.Match(qname).Labels == 0 {
		return false
	}
	for _, allow := range p.config.Allow {
		if allow.Passes(qname).Labels > 0 || allow.Passes(target).Labels > 0 {
			return false
		}
	}
	return true
}

// Stamp returns a number that only this policy has, and only for clients of which it
// is for all or for none: whoever knows what it decided for one of them knows it for
// all, as long as the stamp is the same. The zero value has none, and 0.
func (p *Policy) Stamp(client netip.Addr) uint64 {
	if p.config.Clients.Include(client) {
		return p.number << 1
	}
	return p.number<<1 | 1
}

// Empty reports whether there is no list, so that no name is blocked.
func (p *Policy) Empty() bool { return len(p.config.Lists) == 0 }

// Listed returns why a name is blocked for those that the policy is for, and
// whether it is. A way round the filter is not listed: nobody is led anywhere
// from it. Nothing is counted: no query asks.
func (p *Policy) Listed(name string) (reason Reason, blocked bool) {
	var k set.Key
	k.Reset(name)
	if p.config.Zones != nil && p.config.Zones.Match(&k).Labels == 0 {
		return 0, false
	}
	for _, allow := range p.config.Allow {
		if allow.Passes(&k).Labels > 0 {
			return 0, false
		}
	}
	for i := range p.config.Lists {
		if l := &p.config.Lists[i]; l.Bypass == NoBypass && l.Set.Match(&k).Action == rule.Block {
			return l.Reason, true
		}
	}
	return 0, false
}

// pending is the verdict on a name that none of the lists blocks while another
// is missing: only what that one could not block either passes.
func (p *Policy) pending(k *set.Key, client netip.Addr) Verdict {
	if !p.config.Clients.Include(client) {
		return Verdict{}
	}
	for _, allow := range p.config.Allow {
		if allow.Passes(k).Labels > 0 {
			return Verdict{}
		}
	}
	return Verdict{Pending: true}
}

// Ready reports whether no list is missing.
func (p *Policy) Ready() bool { return !p.config.Pending }

// block is Decide for a name that a list blocks: clients and exceptions may
// yet undo it.
func (p *Policy) block(k *set.Key, l *List, m set.Match, client netip.Addr) Verdict {
	if !p.config.Clients.Include(client) {
		return Verdict{}
	}
	v := l.verdict(m)
	for _, allow := range p.config.Allow {
		if a := allow.Passes(k); a.Labels > 0 {
			return Verdict{Action: rule.Pass, Reason: l.Reason, Trigger: a.Trigger, Labels: a.Labels, List: AllowList, Bypass: l.Bypass}
		}
		v.Open = v.Open || allow.PassBelow(k)
	}
	return v
}

func (l *List) verdict(m set.Match) Verdict {
	return Verdict{
		Action: m.Action, Reason: l.Reason, Trigger: m.Trigger, Open: m.Open,
		Labels: m.Labels, List: l.Name, Serial: l.Serial, Bypass: l.Bypass,
	}
}

// followed reports whether names that lead to those of the list are judged by
// it.
func (l *List) followed() bool { return l.Bypass == NoBypass || l.Bypass.Followed() }
