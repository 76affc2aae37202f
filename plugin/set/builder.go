package set

import (
	"errors"
	"math"

	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrFull says that a Builder was given 4 GiB of names, the most a Set can
// index.
var ErrFull = errors.New("set is full: 4 GiB of names")

// maxBytes is the number of bytes of names, duplicates included, that a
// Builder takes. A name of seven bytes or more takes no more room in a set than
// it is long, and shorter ones are too few to fill one, so that four bytes
// index whatever comes of them.
const maxBytes = math.MaxUint32

// Builder collects rules and makes a Set of them. All but the last ones it
// holds sorted and front-coded: about one and a half times the memory of the
// set that will come of them, and both are there while Set runs. The zero value
// is ready to use. It is not safe for concurrent use.
type Builder struct {
	block, pass runs
	bytes       uint64 // of the names added
}

// Add takes a rule over. Duplicates and order do not matter. A rule without a
// name, trigger or action is ignored.
func (b *Builder) Add(r rule.Rule) {
	var to *runs
	switch r.Action {
	case rule.Block:
		to = &b.block
	case rule.Pass:
		to = &b.pass
	}
	if to == nil || r.Name == "" || r.Trigger&rule.Subtree == 0 {
		return
	}
	if b.bytes += uint64(len(r.Name)); b.bytes <= maxBytes {
		to.add(r.Name, r.Trigger&rule.Subtree)
	}
}

// Set returns the set of the rules added so far. The builder is empty
// afterwards. The only error is ErrFull.
func (b *Builder) Set() (*Set, error) {
	full := b.bytes > maxBytes
	b.bytes = 0
	block, pass := b.block.take(), b.pass.take()
	if full {
		return nil, ErrFull
	}
	return &Set{block: newTable(block), pass: newTable(pass)}, nil
}

// newTable builds the exact set of one action, and of that the filter.
func newTable(names sequence) table {
	s := survey(names)
	if s.names == 0 {
		return table{}
	}
	e := newExact(names, &s)
	return table{
		exact:  e,
		filter: newFilter(s.names-s.deep, e.hashes()),
		depths: s.depths,
		deep:   s.deep > 0,
	}
}
