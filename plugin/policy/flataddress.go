package policy

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
)

// Addresses yields the rules about addresses of the flat zone, of trigger Address and
// in the order of netip.Prefix.Compare. Of all prefixes that hold an address the
// longest one counts, whatever list it is of, and it says what DecideAddress does of a
// name that no exception means. Addresses of this server's help page pass where a
// list blocks them.
//
// A zone cannot say more, and differs from DecideAddress in three ways. Its rules for
// names come before those for addresses, so that an exception of one list for a name
// undoes the addresses of all. Of an answer with several addresses servers take the
// longest prefix that holds any of them, so that one which may pass can let all pass.
// And it means the addresses of every name: of a policy for some zones there are none.
func (f *Flat) Addresses() iter.Seq[rule.Rule] {
	return func(yield func(rule.Rule) bool) {
		if !f.HasAddresses() {
			return
		}
		var w addressWalker
		defer w.stop()
		for i := range f.lists {
			w.flow(f.lists[i].Set.WalkAddresses(), func(l *addressLevel, r rule.Rule) { l.enter(i, r) })
		}
		w.flow(slices.Values(ownRules(f.own)), func(l *addressLevel, _ rule.Rule) { l.own = true })
		w.run(len(f.lists), yield)
	}
}

// HasAddresses reports whether the zone may have rules about addresses.
func (f *Flat) HasAddresses() bool {
	return f.zones == nil && slices.ContainsFunc(f.lists, func(l List) bool { return l.Set.HasAddresses() })
}

// MatchPrefix returns what the zone says at the owner of a prefix: Block, Pass, or None
// if no rule is about that prefix.
func (f *Flat) MatchPrefix(p netip.Prefix) rule.Action {
	if !f.HasAddresses() {
		return rule.None
	}
	l := addressLevel{own: p.IsSingleIP() && slices.Contains(f.own, p.Addr())}
	there := l.own
	for i := range f.lists {
		block, pass := f.lists[i].Set.MatchPrefix(p)
		l.lists = append(l.lists, cover{uint8(block + 1), uint8(pass + 1)})
		there = there || max(block, pass) == p.Bits()
	}
	if !there {
		return rule.None
	}
	return l.action()
}

// ownRules returns the addresses that pass as rules, in their order.
func ownRules(own []netip.Addr) (rules []rule.Rule) {
	for _, a := range own {
		a = a.Unmap()
		rules = append(rules, rule.Rule{Prefix: netip.PrefixFrom(a, a.BitLen()), Trigger: rule.Address, Action: rule.Pass})
	}
	slices.SortFunc(rules, func(a, b rule.Rule) int { return a.Prefix.Compare(b.Prefix) })
	return rules
}

// addressLevel is a prefix on the way from all addresses to the one at hand, and by
// which rules of each list it is covered: where cover has labels, here are one more
// than the bits, 0 without a rule.
type addressLevel struct {
	prefix netip.Prefix
	lists  []cover
	own    bool
}

// enter notes a rule of one of the lists about this prefix.
func (l *addressLevel) enter(i int, r rule.Rule) {
	bits := uint8(r.Prefix.Bits() + 1)
	if r.Action == rule.Pass {
		l.lists[i].pass = bits
	} else {
		l.lists[i].block = bits
	}
}

// action is what holds for the addresses of the prefix.
func (l *addressLevel) action() rule.Action {
	s := state{lists: l.lists, within: true}
	if a := s.action(); a != rule.Block || !l.own {
		return a
	}
	return rule.Pass
}

// addressFlow is the rules of one list, as they come.
type addressFlow struct {
	next func() (rule.Rule, bool)
	stop func()
	use  func(*addressLevel, rule.Rule)
	rule rule.Rule
	more bool
}

// addressWalker goes through the prefixes of all lists at once.
type addressWalker struct {
	flows  []*addressFlow
	levels []addressLevel // behind the last one those whose room can be used again
}

// flow adds rules, if there are any.
func (w *addressWalker) flow(rules iter.Seq[rule.Rule], use func(*addressLevel, rule.Rule)) {
	f := &addressFlow{use: use}
	f.next, f.stop = iter.Pull(rules)
	if f.rule, f.more = f.next(); !f.more {
		f.stop()
		return
	}
	w.flows = append(w.flows, f)
}

func (w *addressWalker) stop() {
	for _, f := range w.flows {
		f.stop()
	}
}

// run goes from prefix to prefix until nobody wants more.
func (w *addressWalker) run(lists int, yield func(rule.Rule) bool) {
	w.levels = append(w.levels, addressLevel{lists: make([]cover, lists)}) // all addresses
	for {
		p, more := w.first()
		if !more {
			return
		}
		l := w.push(p)
		for _, f := range w.flows {
			for f.more && f.rule.Prefix == p {
				f.use(l, f.rule)
				f.rule, f.more = f.next()
			}
		}
		if a := l.action(); a != rule.None && !yield(rule.Rule{Prefix: p, Trigger: rule.Address, Action: a}) {
			return
		}
	}
}

// first returns the prefix that comes next, and whether there is one.
func (w *addressWalker) first() (first netip.Prefix, more bool) {
	for _, f := range w.flows {
		if f.more && (!more || f.rule.Prefix.Compare(first) < 0) {
			first, more = f.rule.Prefix, true
		}
	}
	return first, more
}

// push adds a level for a prefix, with what the one around it says.
func (w *addressWalker) push(p netip.Prefix) *addressLevel {
	n := len(w.levels) - 1
	for n > 0 && !w.levels[n].prefix.Contains(p.Addr()) { // what comes is never around what was
		n--
	}
	w.levels = slices.Grow(w.levels[:n+1], 1)[:n+2]
	parent, l := &w.levels[n], &w.levels[n+1]
	l.prefix, l.own = p, false
	l.lists = append(l.lists[:0], parent.lists...)
	return l
}
