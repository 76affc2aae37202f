package policy

import (
	"bytes"
	"iter"
	"net/netip"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/pace"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// Flat is a policy, or one list of it, as a single zone of rules says it, for
// servers that know nothing of lists: every name has the verdict of Decide for
// the clients that the policy is for; of addresses, Addresses tells how far that
// goes. It holds on to the sets of the policy and nothing else that is large, and is
// immutable.
//
// In such a zone the rule of a name itself beats one of the names below a parent,
// and of these that of the nearest parent counts. Servers differ in what happens
// where the zone has a name, but no rule for what is asked there: to some, the
// rules of parents go on (BIND's summary of a zone), to others the name ends them
// (RFC 4592 §2.2.1). Here they mean the same: below a rule, every name that the
// zone has, be it only as the parent of others, has its own two rules.
type Flat struct {
	lists []List
	allow []*set.Set
	zones *set.Set
	own   []netip.Addr // that no list can block
}

// Entry is one rule of a flat zone: of trigger Exact or Below, never Subtree.
type Entry struct {
	rule.Rule
	Open bool // with Block and Exact: a name below may pass, so the denial must not be of that, too (RFC 8020 §2)
}

// Flat returns the flat zone of the lists of a name, or of all if it is "". The
// exceptions of the operator and the zones of the policy hold in any case; its
// clients are left out: a zone knows none.
func (p *Policy) Flat(list string) *Flat {
	f := &Flat{allow: p.config.Allow, zones: p.config.Zones, own: p.config.Own}
	for _, l := range p.config.Lists {
		if list == "" || l.Name == list {
			f.lists = append(f.lists, l)
		}
	}
	return f
}

// Hidden returns the number of rules that cannot be said: those of blinded lists,
// and those about addresses where the policy is for some zones alone (see Addresses).
func (f *Flat) Hidden() (n int) {
	for _, l := range f.lists {
		if l.Set.Blinded() {
			n += l.Set.Len()
		}
		if f.zones == nil {
			continue
		}
		for range l.Set.Addresses() {
			n++
		}
	}
	return n
}

// Damaged reports whether a part of a list could not be read (see set.Set.Damaged): then
// what the other methods have returned may be without rules.
func (f *Flat) Damaged() bool {
	return slices.ContainsFunc(f.allow, (*set.Set).Damaged) || slices.ContainsFunc(f.lists, func(l List) bool { return l.Set.Damaged() })
}

// Match returns what the zone says of a name in presentation form, in any letter
// case: Block, Pass, or None. open is Entry.Open. For all names below x that the
// zone does not hold, ask for *.x.
func (f *Flat) Match(name string) (a rule.Action, open bool) {
	var k, below set.Key
	k.Reset(name)
	if a = f.match(&k); a != rule.Block {
		return a, false
	}
	below.Reset("*." + name) // a label that no list can hold
	return a, f.match(&below) != rule.Block || f.passesBelow(&k)
}

func (f *Flat) match(k *set.Key) rule.Action {
	if f.zones != nil && f.zones.Match(k).Labels == 0 {
		return rule.None
	}
	for _, s := range f.allow {
		if s.Passes(k).Labels > 0 {
			return rule.Pass
		}
	}
	action := rule.None
	for i := range f.lists {
		if l := f.lists[i].Set; !l.Blinded() {
			action = stronger(action, l.Match(k).Action)
		}
	}
	return action
}

// stronger returns the action that two lists come to: any list that blocks,
// blocks.
func stronger(a, b rule.Action) rule.Action {
	if a == rule.Block || b == rule.None {
		return a
	}
	return b
}

// passesBelow reports whether an exception means names below.
func (f *Flat) passesBelow(k *set.Key) bool {
	return slices.ContainsFunc(f.allow, func(s *set.Set) bool { return s.PassBelow(k) }) ||
		slices.ContainsFunc(f.lists, func(l List) bool { return l.Set.PassBelow(k) })
}

// Holds reports whether the zone has rules below a name, or could have: those of
// a list for names outside of the policy's zones, and exceptions that undo
// nothing, are counted, too.
func (f *Flat) Holds(name string) bool {
	var k, below set.Key
	k.Reset(name)
	below.Reset("*." + name)
	return f.match(&below) != rule.None || f.zones != nil && f.zones.Holds(&k) ||
		slices.ContainsFunc(f.allow, func(s *set.Set) bool { return s.Holds(&k) }) ||
		slices.ContainsFunc(f.lists, func(l List) bool { return l.Set.Holds(&k) })
}

// All yields the rules in the order of a walk through the tree of names (see
// set.Set.Walk), of each name first the one of trigger Exact. It holds one name
// of each list at a time, and takes a quarter of a microsecond for a rule.
func (f *Flat) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		w := f.walker(yield)
		defer w.stop()
		w.run()
	}
}

// flow is the names of one action of one set, as they come.
type flow struct {
	next    func() ([]byte, rule.Trigger, bool)
	stop    func()
	use     func(l *level, t rule.Trigger) // enters a rule at its name
	name    []byte                         // reversed; nil at the end
	trigger rule.Trigger
}

func (f *flow) advance() { f.name, f.trigger, _ = f.next() }

// cover is by which rules of one list a name is covered: the labels of the
// longest, 0 without one.
type cover struct{ block, pass uint8 }

// enter notes that a rule of a name of so many labels covers it, if its trigger
// has the bit that is needed.
func enter(labels *uint8, at int, t, need rule.Trigger) {
	if t&need != 0 {
		*labels = uint8(at)
	}
}

// state is what holds for a name, or for all names below one that have no rules
// of their own.
type state struct {
	lists           []cover
	allowed, within bool
}

// action is the verdict of the state.
func (s *state) action() rule.Action {
	switch {
	case !s.within:
		return rule.None
	case s.allowed:
		return rule.Pass
	}
	action := rule.None
	for _, c := range s.lists {
		switch {
		case c.block > c.pass:
			return rule.Block
		case c.block > 0:
			action = rule.Pass
		}
	}
	return action
}

func (s *state) inherit(from *state) {
	s.allowed, s.within = from.allowed, from.within
	s.lists = append(s.lists[:0], from.lists...)
}

// level is a name on the way from the root to the one at hand.
type level struct {
	size         int // of the reversed name
	labels       int
	itself, subs state
	open         bool // names below may pass
}

// walker goes through the names of all lists at once.
type walker struct {
	yield  func(Entry) bool
	flows  []*flow
	passes []*flow // those of exceptions
	path   [dnsname.MaxLen]byte
	levels []level // the root first; behind the last one those whose room can be used again
}

func (f *Flat) walker(yield func(Entry) bool) *walker {
	w := &walker{yield: yield}
	root := level{itself: state{lists: make([]cover, len(f.lists)), within: f.zones == nil}}
	root.subs.inherit(&root.itself)
	w.levels = append(w.levels, root)
	for i, l := range f.lists {
		w.flow(l.Set, rule.Block, func(l *level, t rule.Trigger) {
			enter(&l.itself.lists[i].block, l.labels, t, rule.Exact)
			enter(&l.subs.lists[i].block, l.labels, t, rule.Below)
		})
		w.flow(l.Set, rule.Pass, func(l *level, t rule.Trigger) {
			enter(&l.itself.lists[i].pass, l.labels, t, rule.Exact)
			enter(&l.subs.lists[i].pass, l.labels, t, rule.Below)
		})
	}
	for _, s := range f.allow {
		w.flow(s, rule.Pass, func(l *level, t rule.Trigger) {
			l.itself.allowed = l.itself.allowed || t&rule.Exact != 0
			l.subs.allowed = l.subs.allowed || t&rule.Below != 0
		})
	}
	if f.zones != nil {
		w.flow(f.zones, rule.Block, func(l *level, _ rule.Trigger) { l.itself.within, l.subs.within = true, true })
	}
	return w
}

// flow adds the names of one action of a set, if there are any.
func (w *walker) flow(s *set.Set, a rule.Action, use func(*level, rule.Trigger)) {
	f := &flow{use: use}
	f.next, f.stop = iter.Pull2(s.Walk(a))
	if f.advance(); f.name == nil {
		f.stop()
		return
	}
	w.flows = append(w.flows, f)
	if a == rule.Pass {
		f.use = func(l *level, t rule.Trigger) {
			use(l, t)
			l.open = l.open || t&rule.Below != 0
		}
		w.passes = append(w.passes, f)
	}
}

func (w *walker) stop() {
	for _, f := range w.flows {
		f.stop()
	}
}

// run goes from name to name until nobody wants more.
func (w *walker) run() {
	for p := (pace.Pace{}); ; p.Step() {
		first := w.first()
		if first == nil || !w.descend(first.name) {
			return
		}
		name := w.path[:len(first.name)]
		l := w.push(len(name))
		for _, f := range w.flows {
			if f.name != nil && bytes.Equal(f.name, name) {
				f.use(l, f.trigger)
				f.advance()
			}
		}
		for _, f := range w.passes {
			l.open = l.open || isBelow(f.name, name)
		}
		if !w.emit(l) {
			return
		}
	}
}

// first returns the flow whose name comes first, nil when all are at their end.
func (w *walker) first() (first *flow) {
	for _, f := range w.flows {
		if f.name != nil && (first == nil || precedes(f.name, first.name)) {
			first = f
		}
	}
	return first
}

// descend makes the parent of a name the last level, and yields the rules of
// parents that have none of their own but are below one. It reports whether to go
// on.
func (w *walker) descend(name []byte) bool {
	n := len(w.levels) - 1
	for n > 0 && !isBelow(name, w.path[:w.levels[n].size]) {
		n--
	}
	w.levels = w.levels[:n+1]
	at := w.levels[n].size
	copy(w.path[at:], name[at:])
	for i := at + 1; i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		l := w.push(i)
		for _, f := range w.passes {
			l.open = l.open || isBelow(f.name, name[:i])
		}
		if !w.emit(l) {
			return false
		}
	}
	return true
}

// push adds a level for the first bytes of the path, with what its parent says of
// it.
func (w *walker) push(size int) *level {
	n := len(w.levels)
	w.levels = slices.Grow(w.levels, 1)[:n+1]
	parent, l := &w.levels[n-1], &w.levels[n]
	l.size, l.labels, l.open = size, parent.labels+1, false
	l.itself.inherit(&parent.subs)
	l.subs.inherit(&parent.subs)
	return l
}

// emit yields the rules of a level and reports whether to go on.
func (w *walker) emit(l *level) bool {
	itself, subs := l.itself.action(), l.subs.action()
	if itself == rule.None && subs == rule.None {
		return true
	}
	text := slices.Clone(w.path[:l.size])
	slices.Reverse(text)
	e := Entry{Rule: rule.Rule{Name: dnsname.Name(text), Trigger: rule.Exact, Action: itself}}
	e.Open = itself == rule.Block && (subs != rule.Block || l.open)
	if itself != rule.None && !w.yield(e) {
		return false
	}
	e.Trigger, e.Action, e.Open = rule.Below, subs, false
	return subs == rule.None || w.yield(e)
}

// isBelow reports whether one reversed name is below another.
func isBelow(name, parent []byte) bool {
	n := len(parent)
	return n < len(name) && name[n] == '.' && bytes.HasPrefix(name, parent)
}

// precedes reports whether one reversed name comes before another in a walk
// through the tree: with a dot behind each, its text does.
func precedes(a, b []byte) bool {
	n := min(len(a), len(b))
	if order := bytes.Compare(a[:n], b[:n]); order != 0 {
		return order < 0
	}
	switch {
	case len(a) < len(b):
		return '.' <= b[n] // where they are the same, the shorter text comes first
	case len(a) > len(b):
		return a[n] < '.'
	}
	return false
}
