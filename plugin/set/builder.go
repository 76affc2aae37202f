package set

import (
	"errors"
	"math"

	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrFull says that a Builder was given 2 GiB of names, the most a Set can
// index.
var ErrFull = errors.New("set is full: 2 GiB of names")

// maxBytes is the number of bytes of names, duplicates included, that a
// Builder takes. A name of seven bytes or more takes no more room in a set than
// it is long, and shorter ones are too few to fill one. Pages may be half empty
// at worst, as a block that does not fit any more begins the next one; so that
// four bytes index whatever comes of the names.
const maxBytes = math.MaxInt32

// Builder collects rules and makes a Set of them. It holds them sorted and coded
// nearly as tightly as the Set will, but for the last ones. The zero value is
// ready to use. It is not safe for concurrent use.
type Builder struct {
	block, pass runs
	room        pages
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
		to.add(r.Name, r.Trigger&rule.Subtree, &b.room)
	}
}

// Set returns the set of the rules added so far. The builder is empty
// afterwards. The only error is ErrFull.
func (b *Builder) Set() (*Set, error) {
	all := *b
	*b = Builder{}
	if all.bytes > maxBytes {
		return nil, ErrFull
	}
	return &Set{block: all.table(&all.block), pass: all.table(&all.pass)}, nil
}

// table builds the exact set of one action, and of that the filter.
func (b *Builder) table(r *runs) table {
	names, s := r.take(&b.room)
	if s.names == 0 {
		return table{}
	}
	e := newExact(names, &s, &b.room)
	b.room.drop()
	return table{
		exact:  e,
		filter: newFilter(s.names-s.deep, e.hashes()),
		depths: s.depths,
		deep:   s.deep > 0,
	}
}
