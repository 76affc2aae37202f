package main

import (
	"cmp"
	"iter"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// entry is what a list says of one name. The zero value is nothing.
type entry struct {
	Block rule.Trigger `json:"block,omitempty"` // which names it blocks
	Pass  rule.Trigger `json:"pass,omitempty"`  // which names it excepts
}

// String returns the entry in words: "block subtree, pass below".
func (e entry) String() string {
	var words []string
	if e.Block != 0 {
		words = append(words, rule.Block.String()+" "+e.Block.String())
	}
	if e.Pass != 0 {
		words = append(words, rule.Pass.String()+" "+e.Pass.String())
	}
	return strings.Join(words, ", ")
}

// entries is a sequence of names, each once, in the order of their reversed
// text.
type entries = iter.Seq2[dnsname.Name, entry]

// entriesOf returns what a set says of its names. It goes through the set once
// for each action, as the set has first the one, then the other.
func entriesOf(s *set.Set, passes bool) entries {
	if !passes {
		return only(s, rule.Block)
	}
	return func(yield func(dnsname.Name, entry) bool) {
		for name, e := range merge(only(s, rule.Block), only(s, rule.Pass)) {
			if !yield(name, entry{e[0].Block, e[1].Pass}) {
				return
			}
		}
	}
}

// only returns the names of one action.
func only(s *set.Set, a rule.Action) entries {
	return func(yield func(dnsname.Name, entry) bool) {
		for r := range s.All() {
			if r.Action > a {
				return
			}
			if r.Action < a {
				continue
			}
			e := entry{Block: r.Trigger}
			if a == rule.Pass {
				e = entry{Pass: r.Trigger}
			}
			if !yield(r.Name, e) {
				return
			}
		}
	}
}

// merge yields every name of a and b once, with what each of the two says of
// it, in the order that both have.
func merge(a, b entries) iter.Seq2[dnsname.Name, [2]entry] {
	return func(yield func(dnsname.Name, [2]entry) bool) {
		nextA, stopA := iter.Pull2(a)
		defer stopA()
		nextB, stopB := iter.Pull2(b)
		defer stopB()
		x, y := firstOf(nextA), firstOf(nextB)
		for x.ok || y.ok {
			order := x.compare(y)
			name, both := y.name, [2]entry{}
			if order <= 0 {
				name, both[0] = x.name, x.entry
				x = firstOf(nextA)
			}
			if order >= 0 {
				both[1] = y.entry
				y = firstOf(nextB)
			}
			if !yield(name, both) {
				return
			}
		}
	}
}

// head is the first name of a sequence that has not been merged; ok says
// whether there is one.
type head struct {
	name  dnsname.Name
	entry entry
	ok    bool
}

func firstOf(next func() (dnsname.Name, entry, bool)) (h head) {
	h.name, h.entry, h.ok = next()
	return h
}

// compare orders two heads by name. The end comes behind all names.
func (h head) compare(other head) int {
	switch {
	case !other.ok:
		return -1
	case !h.ok:
		return 1
	}
	return compareReversed(h.name, other.name)
}

// compareReversed orders names by their text read from its end, as a set does.
func compareReversed(a, b dnsname.Name) int {
	i, j := len(a), len(b)
	for i > 0 && j > 0 {
		i, j = i-1, j-1
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
	}
	return cmp.Compare(i, j)
}

// entriesOpen returns what a set says of its names, and where an exception lies
// below one.
func entriesOpen(s *set.Set, passes bool) iter.Seq[list.Entry] {
	return func(yield func(list.Entry) bool) {
		var k set.Key
		for name, e := range entriesOf(s, passes) {
			x := list.Entry{Name: name, Block: e.Block, Pass: e.Pass}
			if passes && e.Block != 0 {
				k.Reset(string(name))
				x.Open = s.PassBelow(&k)
			}
			if !yield(x) {
				return
			}
		}
	}
}
