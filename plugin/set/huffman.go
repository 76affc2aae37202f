package set

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
)

// maxCode is the length of the longest code word in bits: a decoding table of
// 4,096 entries stays in the first-level cache.
const maxCode = 12

// symbols is the size of an alphabet.
const symbols = 256

// code is a canonical prefix code over bytes, made from how often each occurs
// (Huffman, "A Method for the Construction of Minimum-Redundancy Codes", 1952).
type code struct {
	word   [symbols]uint16       // code words, bits reversed: the first bit is the lowest
	length [symbols]uint8        // 0: the symbol does not occur
	table  *[1 << maxCode]uint16 // next maxCode bits to symbol<<8 | length; to a pair after pairs
}

// The symbols in the names' code, by letters of six bits: a trigger, which ends a name, is
// its own letter, and those of the bytes of names follow behind them. Any other symbol has
// letter 0, which ends a name, too.
const (
	letterBits  = 6
	letters     = 1 << letterBits
	firstLetter = uint16(rule.Subtree) + 1
)

func letter(s uint16) uint16 {
	switch r := rank[s]; {
	case r > 0:
		return firstLetter - 1 + uint16(r)
	case s < firstLetter:
		return s
	}
	return 0
}

// symbolOf is the way back.
var symbolOf = symbolTable()

func symbolTable() (t [letters]uint8) {
	for s := range uint16(symbols) {
		if l := letter(s); l > 0 {
			t[l] = uint8(s)
		}
	}
	return t
}

// pairs makes the decoding table one for text: of the next bits it has the first letter,
// above it the second one if both are bytes of a name and there is room for its word, else
// 0, and above them the length of their words.
func (c *code) pairs() *code {
	for i := len(c.table) - 1; i >= 0; i-- { // from the end, as the second letter stands before
		n, l := c.table[i]&0xff, letter(c.table[i]>>8)
		next := c.table[i>>n]
		if m, k := next&0xff, letter(next>>8); l >= firstLetter && k >= firstLetter && n+m <= maxCode {
			n, l = n+m, k<<letterBits|l
		}
		c.table[i] = n<<(2*letterBits) | l
	}
	return c
}

// newCode returns the code for the given frequencies. Of symbols that never
// occur there is no code word.
func newCode(freq *[symbols]uint64) *code {
	c := &code{table: new([1 << maxCode]uint16)}
	weights := *freq
	for !c.lengths(&weights) {
		// A word grew too long: flatten the weights and try again. Nine bits
		// would do for 256 equal weights, so this ends.
		for s, w := range weights {
			if w > 0 {
				weights[s] = w/2 + 1
			}
		}
	}
	c.assign()
	return c
}

// node is a subtree under construction: its weight and the symbols in it.
type node struct {
	weight uint64
	leaves []uint8
}

// lengths sets the word lengths that minimise the coded size and reports
// whether none is over maxCode.
func (c *code) lengths(weights *[symbols]uint64) bool {
	c.length = [symbols]uint8{}
	var nodes []node
	for s, w := range weights {
		if w > 0 {
			nodes = append(nodes, node{w, []uint8{uint8(s)}})
		}
	}
	if len(nodes) == 1 {
		c.length[nodes[0].leaves[0]] = 1
	}
	for len(nodes) > 1 {
		a, b := lightest(&nodes), lightest(&nodes)
		merged := node{a.weight + b.weight, slices.Concat(a.leaves, b.leaves)}
		for _, s := range merged.leaves {
			if c.length[s]++; c.length[s] > maxCode {
				return false
			}
		}
		nodes = append(nodes, merged)
	}
	return true
}

// lightest takes the node of least weight out of nodes.
func lightest(nodes *[]node) node {
	least := 0
	for i, n := range *nodes {
		if n.weight < (*nodes)[least].weight {
			least = i
		}
	}
	n := (*nodes)[least]
	*nodes = slices.Delete(*nodes, least, least+1)
	return n
}

// assign numbers the words of each length in order and fills the decoding
// table.
func (c *code) assign() {
	next := uint16(0)
	for n := uint8(1); n <= maxCode; n++ {
		for s := range symbols {
			if c.length[s] != n {
				continue
			}
			w := bits.Reverse16(next) >> (16 - n)
			c.word[s] = w
			for i := int(w); i < len(c.table); i += 1 << n {
				c.table[i] = uint16(s)<<8 | uint16(n)
			}
			next++
		}
		next <<= 1
	}
}

// bitWriter appends bits to a byte slice, lowest bit first.
type bitWriter struct {
	out  []byte
	acc  uint64
	used uint
}

// put writes the word of one symbol.
func (w *bitWriter) put(c *code, s uint8) {
	w.acc |= uint64(c.word[s]) << w.used
	for w.used += uint(c.length[s]); w.used >= 8; w.used -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// align fills the last byte up, so that what follows starts at a byte.
func (w *bitWriter) align() {
	if w.used > 0 {
		w.out = append(w.out, byte(w.acc))
		w.acc, w.used = 0, 0
	}
}

// bitReader reads what bitWriter wrote. The input must end in readSlack bytes
// that belong to nothing.
type bitReader struct {
	in  []byte
	pos uint // in bits
}

// readSlack is how far past its last code word a bitReader may look.
const readSlack = 8

// word returns the next bits, at least 57 of them. Behind the end of the input
// there are zeros: what is in a file may not be what anybody wrote.
func (r *bitReader) word() uint64 {
	if r.over() {
		return 0
	}
	return binary.LittleEndian.Uint64(r.in[r.pos>>3:]) >> (r.pos & 7)
}

// over reports whether the reader is behind the end of the input, its slack not
// counted.
func (r *bitReader) over() bool { return r.pos>>3+readSlack > uint(len(r.in)) }

// get reads one symbol.
func (r *bitReader) get(c *code) uint8 {
	w := r.word()
	e := c.table[w%uint64(len(c.table))]
	r.pos += uint(e & 0xff)
	return uint8(e >> 8)
}

// text reads bytes of a name into dst from place n on, up to a symbol that is none, and
// returns how far dst is filled, and that symbol. It does not trust the input to end
// before dst does: all that fills the last byte but one is no name. Several symbols are
// taken from each word of input, two at a time: this is where a proof spends its time.
func (r *bitReader) text(c *code, dst *[symbols]byte, n int) (int, uint8) {
	for {
		w := r.word()
		for left := uint(64 - 7); left >= maxCode; {
			d := c.table[w%uint64(len(c.table))]
			bits := uint(d >> (2 * letterBits))
			w >>= bits
			left -= bits
			r.pos += bits
			first, second := d%letters, d>>letterBits%letters
			if first < firstLetter || n > len(dst)-2 {
				return n, symbolOf[first]
			}
			dst[n], dst[n+1] = symbolOf[first], symbolOf[second]
			n += 1 + int((second+letters-1)>>letterBits)
		}
	}
}
