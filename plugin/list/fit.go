package list

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrException says that a list cannot be written at all: too many exceptions have no
// room in the format, which would block their names without them.
var ErrException = errors.New("the format has no room for this exception and too many others, and would block their names without them")

// errOpened says that exceptions have no room in the format whose names it would
// block, and that all over again the rules above them are left out.
var errOpened = errors.New("blocks above an exception are to be left out")

// maxOpened is the number of names above such exceptions up to which a list is
// written. They are held. It is a variable for tests.
var maxOpened = 1 << 16

// Entry is what a list says of one name.
type Entry struct {
	Name        dnsname.Name
	Block, Pass rule.Trigger // 0: nothing
	// Open says that an exception means a name below this one. It matters only
	// where the entry blocks.
	Open bool
}

// Loss counts what of a list a format cannot express. None of it makes a file
// block what the list lets pass: rather, it blocks less. Only an exception that the
// reader of the list has refused does.
type Loss struct {
	Left       int `json:"left,omitempty"`       // names whose block is left out
	Narrowed   int `json:"narrowed,omitempty"`   // names of whose block a part is left out
	Exceptions int `json:"exceptions,omitempty"` // names whose exception is left out, and so is what it would undo
	Widened    int `json:"widened,omitempty"`    // names whose exception lets more pass than the list does
	Unfit      int `json:"unfit,omitempty"`      // names for which the format has no room

	Refused       int `json:"refused,omitempty"`       // entries that were refused when the list was read
	RefusedPasses int `json:"refusedPasses,omitempty"` // of these: exceptions
}

// Any reports whether anything was lost.
func (l Loss) Any() bool { return l != Loss{} }

// node is an entry as a format expresses it.
type node struct {
	name        dnsname.Name
	block, pass rule.Trigger
	over        rule.Action // what the rules above do with the name
	open        bool        // a name below may pass

	// In a format whose exceptions win however short their names are, the block
	// and the exception get a rank, and the higher one wins.
	blockRank, passRank int

	// fill are the names between this one and the closest one above that is
	// written, from the shortest on, where the rules above do something.
	fill []dnsname.Name
}

// level is what is known of a name above the one at hand.
type level struct {
	name  dnsname.Name
	below rule.Action // what its rules and those above it do with other names below it
	rank  int         // of the rule that does
}

// maxRank is the higher of the two ranks that there are.
const maxRank = 1

// fitter makes nodes of entries, which come in the order of their reversed text.
// In that order a name stands in front of all that end with its text; so the
// names above the one at hand are on a stack, and no others are needed.
type fitter struct {
	can    ability
	room   func(Entry) bool      // whether the format has room for the name; nil: for every one
	ranked bool                  // exceptions win however short their names are, but there is one rank above both
	gaps   bool                  // names that are not written although longer ones are stop the rules above (RFC 4592 §2.2.2)
	opened map[dnsname.Name]bool // what is below these must not be blocked: an exception there has no room
	more   bool                  // some were added to opened
	idle   int                   // exceptions that undo nothing
	above  []level
	fill   []dnsname.Name
	losses Loss
}

// over returns the closest name above that has a level, the zero value when there
// is none.
func (f *fitter) over(name dnsname.Name) level {
	for len(f.above) > 0 && !strings.HasSuffix(string(name), string(f.above[len(f.above)-1].name)) {
		f.above = f.above[:len(f.above)-1]
	}
	for i := len(f.above) - 1; i >= 0; i-- {
		if name.IsBelow(f.above[i].name) { // and not such as x-a.example behind a.example
			return f.above[i]
		}
	}
	return level{}
}

// fit returns what of an entry is to be written, a node without triggers when
// that is nothing. The error wraps ErrException.
func (f *fitter) fit(e Entry) (node, error) {
	above := f.over(e.Name)
	n := node{name: e.Name, block: e.Block &^ e.Pass, pass: e.Pass, over: above.below, open: e.Open || e.Pass&rule.Below != 0}
	if f.room != nil && !f.room(e) {
		return node{}, f.unfit(&n)
	}
	f.exception(&n, e.Block&e.Pass != 0)
	if f.ranked && n.block != 0 && above.below == rule.Pass && above.rank == maxRank {
		f.losses.Left++
		n.block = 0
	}
	f.blocks(&n)
	f.push(&n, above)
	return n, nil
}

// unfit leaves out a node for which there is no room. Where a rule above would block
// what it lets pass, that one has to be left out as well, and so has every rule which
// would do the same without it.
func (f *fitter) unfit(n *node) error {
	if n.block != 0 {
		f.losses.Unfit++
	}
	if n.pass == 0 {
		return nil
	}
	f.losses.Exceptions++
	if n.over != rule.Block {
		return nil
	}
	f.more = true
	for i := len(f.above) - 1; i >= 0; i-- {
		switch l := f.above[i]; {
		case !n.name.IsBelow(l.name):
		case l.below == rule.Pass:
			return nil
		case len(f.opened) == maxOpened && !f.opened[l.name]:
			return fmt.Errorf("%s: %w", n.name, ErrException)
		default:
			f.opened[l.name] = true
		}
	}
	return nil
}

// exception makes the exception of a node one that can be written. One that
// undoes nothing is dropped: to a product with several lists it would be more than it
// is in this one, as there it may undo what the others block. One that is done when the
// block of its own name is smaller is dropped, too, and is no loss.
func (f *fitter) exception(n *node, done bool) {
	switch {
	case n.pass == 0:
	case f.can.pass == 0:
		f.losses.Exceptions++
		n.pass = 0
	case n.over != rule.Block:
		if !done {
			f.idle++
		}
		n.pass = 0
	case f.can.pass.has(n.pass):
	default:
		f.losses.Widened++
		n.pass = rule.Subtree
		if n.block != 0 {
			f.losses.Left++
			n.block = 0
		}
	}
}

// blocks makes the block of a node one that can be written, and never a greater one.
func (f *fitter) blocks(n *node) {
	safe := n.block
	if f.can.pass == 0 && n.open || f.opened[n.name] {
		safe &^= rule.Below
	}
	written := rule.Trigger(0)
	for _, t := range []rule.Trigger{rule.Subtree, rule.Below, rule.Exact} {
		if safe&t == t && f.can.block.has(t) {
			written = t
			break
		}
	}
	switch {
	case written == n.block:
	case n.over == rule.Block: // what is not written here is denied by a rule above
	case written != 0:
		f.losses.Narrowed++
	default:
		f.losses.Left++
	}
	n.block = written
}

// push notes what a node that is written means for the names below it.
func (f *fitter) push(n *node, above level) {
	if n.block|n.pass == 0 {
		return
	}
	n.blockRank, n.passRank = above.rank, above.rank
	if above.below == rule.Pass {
		n.blockRank++
	}
	if f.gaps && above.below != rule.None {
		n.fill = f.between(n.name, above)
	}
	l := level{n.name, above.below, above.rank}
	switch {
	case n.pass&rule.Below != 0:
		l.below, l.rank = rule.Pass, n.passRank
	case n.block&rule.Below != 0:
		l.below, l.rank = rule.Block, n.blockRank
	}
	f.above = append(f.above, l)
}

// between returns the names between one and a level above it, and puts them on
// the stack as well. They are valid until the next call.
func (f *fitter) between(name dnsname.Name, above level) []dnsname.Name {
	f.fill = f.fill[:0]
	for m, ok := name.Parent(); ok && m != above.name; m, ok = m.Parent() {
		f.fill = append(f.fill, m)
	}
	slices.Reverse(f.fill)
	for _, m := range f.fill {
		f.above = append(f.above, level{m, above.below, above.rank})
	}
	return f.fill
}
