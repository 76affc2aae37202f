package set

import (
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// A compiled list comes with its names as they are. To judge a million of them takes
// ten times as long as to open the list, so that is left to the moment when one of
// them is about to block something, as with blinded lists: what is refused then, the
// set does not hold. It is the same whatever the list's maker did, and whichever names
// this program protects.

// Unchecked returns the set without the Checker that it was opened with, for who judges
// every rule.
func (s *Set) Unchecked() *Set {
	all := *s
	all.block.check = nil
	return &all
}

// refuses reports whether a rule that blocks must not be used.
func (t *table) refuses(name dnsname.Name, trigger rule.Trigger) bool {
	return t.check.Check(rule.Rule{Name: name, Trigger: trigger, Action: rule.Block}) != nil
}

// permitted returns a yield that is not told of what must not be used.
func (t *table) permitted(yield func([]byte, rule.Trigger) bool) func([]byte, rule.Trigger) bool {
	if t.check == nil {
		return yield
	}
	return func(reversed []byte, trigger rule.Trigger) bool {
		return t.refuses(forward(reversed), trigger) || yield(reversed, trigger)
	}
}

// forward returns the name whose reversed text is given.
//
//go:noinline
func forward(reversed []byte) dnsname.Name {
	text := slices.Clone(reversed)
	slices.Reverse(text)
	return dnsname.Name(text)
}

// suffix returns the name whose reversed text the reversed key begins with. It is cut out
// of the name that was asked, unless that has upper case letters or escapes in it.
func (k *Key) suffix(reversed []byte) dnsname.Name {
	text := k.qname
	if n := len(text); n > 0 && text[n-1] == '.' {
		text = text[:n-1]
	}
	if len(text) < len(reversed) {
		return forward(reversed)
	}
	text = text[len(text)-len(reversed):]
	for i, c := range reversed {
		if text[len(text)-1-i] != c {
			return forward(reversed)
		}
	}
	return dnsname.Name(text)
}
