package set

import (
	"errors"
	"fmt"
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
	// MaxAddresses is the number of address prefixes, duplicates included, that
	// the Builder takes; 0 means DefaultMaxAddresses.
	MaxAddresses int

	block, pass runs
	room        pages
	bytes       uint64           // of the names added
	addresses   *addressesByBits // nil until the first is added
}

// Add takes a rule over. Duplicates and order do not matter. A rule without a
// name, trigger or action is ignored, and so is one of trigger Address without a
// prefix.
func (b *Builder) Add(r rule.Rule) {
	if r.Trigger == rule.Address {
		b.addAddress(r)
		return
	}
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
// afterwards. The errors are ErrFull and ErrAddresses.
func (b *Builder) Set() (*Set, error) {
	all := *b
	*b = Builder{MaxAddresses: all.MaxAddresses}
	switch {
	case all.bytes > maxBytes:
		return nil, ErrFull
	case all.tooManyAddresses():
		return nil, fmt.Errorf("%w: more than %d", ErrAddresses, all.maxAddresses())
	}
	return &Set{block: all.table(&all.block), pass: all.table(&all.pass), addresses: all.addresses.sorted()}, nil
}

// table builds the exact set of one action, and of that the filter.
func (b *Builder) table(r *runs) table {
	names, s := r.take(&b.room)
	if s.names == 0 {
		return table{}
	}
	e := newExact(names, &s, &b.room)
	b.room.drop()
	f := emptyFilter(s.names - s.deep)
	e.verify(f) // there is nothing to be found, but it reads them in parallel
	return table{
		exact:  e,
		filter: f,
		depths: s.depths,
		deep:   s.deep > 0,
	}
}
