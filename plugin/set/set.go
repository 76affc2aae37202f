// Package set holds the rules of one list in a form that is made to be asked: a
// Bloom filter in front of an exact set. Rules about addresses, which few lists
// have, are sorted prefixes beside it.
//
// Most query names are not listed, and the filter says so after reading one
// cache line for each suffix that could be. What the filter lets through is
// proved against the exact set, so a set never blocks by a hash: its answers
// are those of a map of names. The exact set is front-coded and Huffman-coded
// and holds no pointer for the garbage collector to follow.
//
// The set of a blinded list, made by a BlindBuilder, holds nothing but hashes:
// 128 bits of SHA-256 for each name, long enough to stand for the name. The
// names are not known to it before somebody asks for them. It hashes the
// suffixes of each query name instead, which takes about 100 ns for each.
//
// Cost of large lists: less than 8 bytes a name, filter included; figures and
// how they were measured are in docs/architecture.md.
package set

import (
	"iter"
	"math/bits"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Set is an immutable set of rules, made by a Builder or a BlindBuilder. It is
// safe for concurrent use. The zero value is the empty set.
type Set struct {
	block, pass table
	blind       *blind     // of a blinded list, whose tables are empty; else nil
	addresses   *addresses // nil: no rule is about addresses
}

// Match is the longest rule of a set that means a query name. The zero value
// says that there is none.
type Match struct {
	Action  rule.Action  // None: no rule blocks the name
	Trigger rule.Trigger // of the rule; Exact only if the name itself is not also meant by a subtree
	Labels  int          // labels of the rule's name, counted from the right
	Open    bool         // with Block: a name below the query name may pass
	Proofs  int          // suffixes that the filter let through to the exact set
	Absent  int          // of these, how many the exact set did not hold: false positives; or, blinded, that must not be blocked
}

// Match returns the longest rule that means the name, an exception before a
// block of the same length. Exceptions count only where a rule blocks: a name
// without a blocking rule gets the zero Match, but for Proofs and Absent. It
// does not allocate, except for a name that a blinded list holds, or that is asked in
// upper case letters and a list holds that was opened with a Checker.
func (s *Set) Match(k *Key) Match {
	if s.blind != nil {
		return s.blind.match(k)
	}
	maybe := s.block.candidates(k)
	if maybe == 0 && !s.block.beyond(k) {
		return Match{}
	}
	return s.settle(k, maybe)
}

// settle is Match for a name that the filter does not rule out. It stands apart
// because the frame of Match is that of nearly all queries.
//
//go:noinline
func (s *Set) settle(k *Key, maybe uint32) Match {
	m := s.block.search(k, maybe)
	if m.Labels == 0 {
		return m
	}
	m.Action = rule.Block
	if s.pass.exact == nil {
		m.Open = m.Trigger == rule.Exact
		return m
	}
	if p := s.pass.longest(k); p.Labels >= m.Labels {
		p.Action = rule.Pass
		p.Proofs, p.Absent = m.Proofs, m.Absent
		return p
	}
	m.Open = m.Trigger == rule.Exact || s.PassBelow(k)
	return m
}

// Passes returns the longest exception that means the name, with Labels 0 when
// there is none.
func (s *Set) Passes(k *Key) Match {
	m := s.pass.longest(k)
	if m.Labels > 0 {
		m.Action = rule.Pass
	}
	return m
}

// PassBelow reports whether an exception means any name below the query name:
// one that stands for such a name, or for all of them.
func (s *Set) PassBelow(k *Key) bool {
	if s.pass.exact == nil || k.labels == 0 {
		return false
	}
	var buf [dnsname.MaxLen]byte
	return s.pass.exact.passBelow(k.reversed(&buf))
}

// Holds reports whether the set has a rule of either action for a name below the
// query name. Of a blinded set nobody knows.
func (s *Set) Holds(k *Key) bool {
	var buf [dnsname.MaxLen]byte
	name := k.reversed(&buf)
	holds := func(t *table) bool { return t.exact != nil && t.exact.holdsBelow(name) }
	return len(name) > 0 && (holds(&s.block) || holds(&s.pass))
}

// Blinded reports whether the set holds hashes instead of names.
func (s *Set) Blinded() bool { return s.blind != nil }

// Len returns the number of rules: distinct names that are blocked and
// distinct names that are excepted, and prefixes of addresses likewise.
func (s *Set) Len() int {
	if s.blind != nil {
		return s.blind.len()
	}
	prefixes, _ := s.addresses.size()
	return s.block.len() + s.pass.len() + prefixes
}

// Bytes returns the memory that the set holds, in bytes.
func (s *Set) Bytes() int {
	if s.blind != nil {
		return s.blind.bytes()
	}
	_, prefixes := s.addresses.size()
	return s.block.bytes() + s.pass.bytes() + prefixes
}

// All yields every rule about names: first the blocked names, then the
// exceptions, each sorted by their reversed text. Of a blinded set it yields
// none: nobody knows the names.
func (s *Set) All() iter.Seq[rule.Rule] {
	return func(yield func(rule.Rule) bool) {
		_ = s.block.each(rule.Block, yield) && s.pass.each(rule.Pass, yield)
	}
}

// Walk yields the names of one action and their triggers in the order of a walk
// through the tree of names: each name right before those below it. A name is
// written backwards, moc.elpmaxe for example.com, and only good until the next
// one. It is the order of these texts with a dot behind each. Of a blinded set it
// yields none.
func (s *Set) Walk(a rule.Action) iter.Seq2[[]byte, rule.Trigger] {
	return func(yield func([]byte, rule.Trigger) bool) {
		switch {
		case a == rule.Block && s.block.exact != nil:
			s.block.exact.walkSafely(s.block.permitted(yield))
		case a == rule.Pass && s.pass.exact != nil:
			s.pass.exact.walkSafely(yield)
		}
	}
}

// table is the filter and the exact set of one action. The zero value is empty.
type table struct {
	filter *filter
	exact  *exact
	depths uint32 // bit d-1: a name of d labels is in the table, d up to depth
	deep   bool   // a name of more than depth labels is in the table

	check   Checker // judges rules that were not judged before; nil: all were
	excepts bool    // the names are exceptions; only known of those in a file
}

func (t *table) len() int {
	if t.exact == nil {
		return 0
	}
	return t.exact.n
}

func (t *table) bytes() int {
	if t.exact == nil {
		return 0
	}
	e := t.exact
	size := 8*len(t.filter.words) + len(e.heads) + len(e.offset) + 2*len(e.shared.table) + 2*len(e.chars.table)
	if e.mapped != nil {
		return size - len(e.heads) - len(e.offset)
	}
	for _, page := range e.data {
		size += cap(page)
	}
	return size
}

// longest returns the longest name of the table that means the key: itself, if
// its trigger has Exact, or a parent whose trigger has Below.
func (t *table) longest(k *Key) Match {
	if maybe := t.candidates(k); maybe != 0 || t.beyond(k) {
		return t.search(k, maybe)
	}
	return Match{}
}

// search is prove, for a table whose exact set may be a file.
func (t *table) search(k *Key, maybe uint32) Match {
	if t.exact.mapped != nil {
		return t.proveMapped(k, maybe)
	}
	return t.prove(k, maybe)
}

// beyond reports whether the table may hold a suffix of the name that is not
// filtered.
func (t *table) beyond(k *Key) bool { return t.deep && k.labels > depth }

// candidates returns the label counts, as bits, of the suffixes that the
// filter does not rule out.
func (t *table) candidates(k *Key) uint32 {
	maybe := uint32(0)
	for rest := t.depths & (1<<(min(k.labels, depth)&31) - 1); rest != 0; rest &= rest - 1 {
		d := bits.TrailingZeros32(rest)
		maybe |= t.filter.test(k.hash[d&(depth-1)]) << d
	}
	return maybe
}

// prove looks the candidates up, the longest first.
func (t *table) prove(k *Key, maybe uint32) Match {
	var buf [dnsname.MaxLen]byte
	p := proof{table: t, key: k, name: k.reversed(&buf)}
	for d := k.labels; t.deep && d > depth; d-- {
		if p.decides(d) {
			return p.Match
		}
	}
	for maybe != 0 {
		d := bits.Len32(maybe)
		maybe &^= 1 << (d - 1)
		if p.decides(d) {
			return p.Match
		}
	}
	return p.Match
}

// proof is a search for the longest name in the exact set that means a query
// name.
type proof struct {
	Match
	table *table
	key   *Key
	name  []byte // the key's, reversed
}

// decides looks up the suffix of d labels and reports whether it means the
// name, which it notes in the match.
func (p *proof) decides(d int) bool {
	suffix := prefix(p.name, d)
	trigger := p.table.exact.lookup(suffix)
	if trigger != 0 && p.table.check != nil && p.table.refuses(p.key.suffix(suffix), trigger) {
		trigger = 0
	}
	p.Proofs++
	if trigger == 0 {
		p.Absent++
	}
	need := rule.Below
	if d == p.key.labels {
		need = rule.Exact
	}
	if trigger&need == 0 {
		return false
	}
	p.Trigger, p.Labels = trigger, d
	return true
}

// prefix returns the first labels of a reversed name.
func prefix(reversed []byte, labels int) []byte {
	for i, c := range reversed {
		if c == '.' {
			if labels--; labels == 0 {
				return reversed[:i]
			}
		}
	}
	return reversed
}

// each yields the table's rules and reports whether to go on.
func (t *table) each(a rule.Action, yield func(rule.Rule) bool) bool {
	if t.exact == nil {
		return true
	}
	more := true
	t.exact.allSafely(func(name []byte, trigger rule.Trigger) bool {
		n := forward(name)
		more = t.check != nil && t.refuses(n, trigger) || yield(rule.Rule{Name: n, Trigger: trigger, Action: a})
		return more
	})
	return more
}
