package set

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
	"sort"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// blockNames is the number of names a block. A proof decodes half a block on
// average, so this weighs the time of a proof against the 12 bytes of index
// that a block costs.
const blockNames = 16

// exact is the exact set: every name with its trigger, sorted by the reversed
// text, so that names under one domain stand together and share a prefix. It
// is cut into blocks of blockNames. Within a block each name is stored as the
// number of bytes it shares with the one before and the bytes that follow, all
// of them Huffman-coded; the symbol that ends a name is its trigger. Nothing
// in it is a pointer to a name. It is immutable and safe for concurrent use.
type exact struct {
	n      int
	heads  words64  // the first packed bytes of each block's first name
	offset words32  // where each block begins: its page times pageBytes, and the place there
	data   [][]byte // pages of whole blocks, each with readSlack bytes behind them
	shared *code    // lengths of shared prefixes
	chars  *code    // bytes of names, and the triggers that end them
	mapped *mapped  // what the slices above lie in; nil: memory of our own
}

// words64 and words32 are numbers as they stand in a file, little-endian, so that a
// set in a file is the same as one in memory, on every machine.
type (
	words64 []byte
	words32 []byte
)

func (w words64) at(i int) uint64      { return binary.LittleEndian.Uint64(w[8*i:]) }
func (w words64) add(x uint64) words64 { return binary.LittleEndian.AppendUint64(w, x) }
func (w words32) at(i int) uint32      { return binary.LittleEndian.Uint32(w[4*i:]) }
func (w words32) add(x uint32) words32 { return binary.LittleEndian.AppendUint32(w, x) }

// blocks returns the number of blocks.
func (e *exact) blocks() int { return len(e.heads) / 8 }

// packed is the number of leading bytes of a reversed name that fit a head:
// a name is made of 38 different bytes, and 40^12 < 2^64.
const packed = 12

// rank maps the bytes of a name to 1..38 in the order of their values. Any
// other byte has rank 0; no stored name holds one.
var rank = rankTable()

func rankTable() (t [256]uint8) {
	n := uint8(0)
	for c := range len(t) {
		if c := byte(c); 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' {
			n++
			t[c] = n
		}
	}
	return t
}

// head packs the first bytes of a reversed name into a number of the same
// order.
func head(reversed []byte) uint64 {
	var x uint64
	for i := range packed {
		x *= 40
		if i < len(reversed) {
			x += uint64(rank[reversed[i]])
		}
	}
	return x
}

// sequence is names in order, each only once. It can be gone through several
// times.
type sequence = iter.Seq[step]

// step is one name of a sequence. The text is only good until the next one.
type step struct {
	name    []byte // reversed
	shared  int    // bytes it has in common with the name before
	trigger rule.Trigger
}

// statistics is what must be known of names before they can be encoded.
type statistics struct {
	names  int
	deep   int    // of these, how many have more than depth labels
	depths uint32 // as in a table
	shared [symbols]uint64
	chars  [symbols]uint64
}

func survey(names sequence) (s statistics) {
	for n := range names {
		if labels := 1 + bytes.Count(n.name, []byte{'.'}); labels <= depth {
			s.depths |= 1 << (labels - 1)
		} else {
			s.deep++
		}
		if s.names%blockNames == 0 {
			n.shared = 0
		}
		s.names++
		s.shared[n.shared]++
		for _, c := range n.name[n.shared:] {
			s.chars[c]++
		}
		s.chars[n.trigger]++
	}
	return s
}

// newExact encodes the names, of which s are the statistics, on pages of the
// room.
func newExact(names sequence, s *statistics, room *pages) *exact {
	blocks := (s.names + blockNames - 1) / blockNames
	e := &exact{
		heads:  make(words64, 0, 8*blocks),
		offset: make(words32, 0, 4*blocks),
		shared: newCode(&s.shared),
		chars:  newCode(&s.chars).pairs(),
	}
	var w bitWriter // of a block
	for n := range names {
		if e.n%blockNames == 0 {
			e.add(&w, room)
			e.heads = e.heads.add(head(n.name))
			n.shared = 0
		}
		e.n++
		w.put(e.shared, uint8(n.shared))
		for _, c := range n.name[n.shared:] {
			w.put(e.chars, c)
		}
		w.put(e.chars, uint8(n.trigger))
	}
	e.add(&w, room)
	if last := len(e.data) - 1; last >= 0 {
		e.data[last] = slices.Clone(e.data[last]) // few names do not need all of a page
	}
	return e
}

// add moves the block that is in w, if there is one, to the end of the data. No
// block is too large for a page: that takes 16 names of 253 bytes, coded with
// words that are all of the greatest length.
func (e *exact) add(w *bitWriter, room *pages) {
	w.align()
	if len(w.out) == 0 {
		return
	}
	last, at := len(e.data)-1, 0
	if last >= 0 {
		at = len(e.data[last]) - readSlack
	}
	if last < 0 || at+len(w.out)+readSlack > pageBytes {
		e.data = append(e.data, room.get()[:0])
		last, at = last+1, 0
	}
	e.offset = e.offset.add(uint32(last*pageBytes + at))
	e.data[last] = append(append(e.data[last][:at], w.out...), make([]byte, readSlack)...)
	w.out = w.out[:0]
}

// commonPrefix returns the number of bytes that a and b begin alike.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}

// lookup returns the trigger of a name, given reversed; 0 when it is not in
// the set.
func (e *exact) lookup(reversed []byte) rule.Trigger {
	b := e.block(reversed)
	if b < 0 {
		return 0
	}
	var c cursor
	c.open(e, b)
	for c.next(e) {
		switch order, at := c.compare(reversed); {
		case order == 0:
			return c.trigger
		case order > 0: // sorted: it would have stood here
			return 0
		default:
			c.matched = at
		}
	}
	return 0
}

// below reports whether a name of the set lies below the given reversed one.
func (e *exact) below(reversed []byte) bool {
	var buf [dnsname.MaxLen + 1]byte
	prefix := append(buf[:copy(buf[:], reversed)], '.')
	// The names with that prefix follow the place where the prefix itself would
	// stand, in its block or at the head of the next one.
	for b := max(0, e.block(prefix)); b < e.blocks(); b++ {
		var c cursor
		for c.open(e, b); c.next(e); {
			if bytes.HasPrefix(c.name(), prefix) {
				return true
			}
			if bytes.Compare(c.name(), prefix) > 0 {
				return false
			}
		}
	}
	return false
}

// block returns the only block that can hold the reversed name: the last one
// whose first name is not greater. -1: the name is before them all.
func (e *exact) block(reversed []byte) int {
	h := head(reversed)
	lo := sort.Search(e.blocks(), func(i int) bool { return e.heads.at(i) >= h })
	same := sort.Search(e.blocks()-lo, func(i int) bool { return e.heads.at(lo+i) > h })
	return lo - 1 + sort.Search(same, func(i int) bool {
		var c cursor
		c.open(e, lo+i)
		c.next(e)
		return bytes.Compare(c.name(), reversed) > 0
	})
}

// cursor decodes the names of one block in order.
type cursor struct {
	bits    bitReader
	left    int          // names not yet decoded
	size    int          // of the current name
	shared  int          // bytes it has in common with the one before
	trigger rule.Trigger // of the current name
	matched int          // bytes that compare knows to be equal
	buf     [symbols]byte
}

// open sets the cursor before the first name of a block. A cursor is too large to be returned.
func (c *cursor) open(e *exact, block int) {
	at := e.offset.at(block)
	page, from := at/pageBytes, at%pageBytes
	c.left, c.size, c.matched = 0, 0, 0
	if uint64(page) >= uint64(len(e.data)) || uint64(from) > uint64(len(e.data[page])) {
		e.changed()
		return
	}
	c.bits = bitReader{in: e.data[page][from:]}
	c.left = min(blockNames, e.n-block*blockNames)
}

// next decodes the next name.
func (c *cursor) next(e *exact) bool {
	if c.left == 0 {
		return false
	}
	c.left--
	c.shared = int(c.bits.get(e.shared))
	size, end := c.bits.text(e.chars, &c.buf, c.shared)
	if c.shared > c.size || size > dnsname.MaxLen || end == 0 {
		e.changed()
		c.left = 0
		return false
	}
	c.trigger = rule.Trigger(end)
	c.size = size
	return true
}

// name returns the current name, reversed. It is overwritten by next.
func (c *cursor) name() []byte { return c.buf[:c.size] }

// compare orders the current name against the one looked for: -1, 0, +1, and
// how many bytes they share. It relies on having been asked about every name
// of the block before.
func (c *cursor) compare(want []byte) (order, at int) {
	if c.shared > c.matched { // differs where the name before it did, and that was smaller
		return -1, c.matched
	}
	at = c.shared + commonPrefix(c.name()[c.shared:], want[min(c.shared, len(want)):])
	switch {
	case at == c.size && at == len(want):
		return 0, at
	case at == len(want), at < c.size && c.buf[at] > want[at]:
		return 1, at
	}
	return -1, at
}

// all yields the names, in the order of their reversed text.
func (e *exact) all() iter.Seq2[[]byte, rule.Trigger] {
	return func(yield func([]byte, rule.Trigger) bool) {
		var c cursor // one for all blocks: where names are handed out, it is on the heap
		for b := range e.blocks() {
			for c.open(e, b); c.next(e); {
				if !yield(c.name(), c.trigger) {
					return
				}
			}
		}
	}
}
