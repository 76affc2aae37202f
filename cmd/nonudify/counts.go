package main

import (
	"math/bits"
	"strings"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// duplicates returns the number of rules of a list that it could do without,
// because others of the same name say the same.
func duplicates(l *feed.List) int {
	needed := l.Set.Len()
	if l.Format == list.RPZ { // which has no rule for a subtree: it takes two
		needed = 0
		for r := range l.Set.All() {
			needed += bits.OnesCount8(uint8(r.Trigger))
		}
		for range l.Set.Addresses() {
			needed++
		}
	}
	return l.Stats.Rules - needed
}

// covered returns the number of blocked names that a set would block without
// their own rules: by one for a name above them.
func covered(s *set.Set) int {
	n := 0
	for r := range s.All() {
		if r.Action != rule.Block {
			break // the exceptions come last
		}
		_, parent, _ := strings.Cut(string(r.Name), ".")
		var k set.Key
		k.Reset("*." + parent) // any other name there: no rule has an asterisk
		if s.Match(&k).Action == rule.Block {
			n++
		}
	}
	return n
}
