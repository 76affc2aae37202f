package set

import (
	"iter"
	"math/bits"

	"github.com/bits-and-blooms/bloom/v3"
)

// The filter's shape. All bits of a name lie in one line of 512 bits, which is
// one cache line, so a test costs at most one miss of the cache (a blocked
// Bloom filter: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient
// Bloom Filters", 2007). The price against a plain filter of the same size is
// about twice the false positives; docs/architecture.md has the measurement.
const (
	lineWords   = 8
	lineBits    = 64 * lineWords
	bitsPerName = 14
	probes      = 6
)

// filter is a Bloom filter whose bits we place and read ourselves. It never
// says no to a name that was added. It is built once and then safe for
// concurrent use. Of the library's filter it keeps the words only: as long as
// no type of the library hangs on the handler, the linker leaves out what the
// library brings along to encode itself, half a megabyte of it.
type filter struct {
	words []uint64
	lines uint64
}

// newFilter returns the filter of n hashes.
func newFilter(n int, hashes iter.Seq[uint64]) *filter {
	f := emptyFilter(n)
	for h := range hashes {
		f.add(h)
	}
	return f
}

// emptyFilter returns a filter with room for n hashes.
func emptyFilter(n int) *filter {
	lines := max(1, (n*bitsPerName+lineBits-1)/lineBits)
	return &filter{words: bloom.New(uint(lines*lineBits), probes).BitSet().Words(), lines: uint64(lines)}
}

// add sets the bits of a hash. The library would do it, too, but looks each time
// whether it has to grow, which took half the time that a list in a file takes to
// be opened.
func (f *filter) add(h uint64) {
	i, p := f.locate(h)
	line := f.words[i : i+lineWords : i+lineWords]
	_ = line[7]
	for range probes {
		line[p>>6&7] |= 1 << (p & 63)
		p >>= 9
	}
}

// locate splits a hash into the index of a line's first word and a number of
// which each nine bits, from the lowest, give one bit of the line.
func (f *filter) locate(h uint64) (line, places uint64) {
	line, _ = bits.Mul64(h, f.lines)
	return line * lineWords, h * mulBits >> (64 - 9*probes)
}

// test returns 1 if the hash may have been added, else 0. It reads all of its bits
// before it decides: in a half-full filter a branch on each would be a coin
// toss that the processor loses half of the time.
func (f *filter) test(h uint64) uint32 {
	i, p := f.locate(h)
	line := (*[lineWords]uint64)(f.words[i:])
	hit := line[p>>6&7] >> (p & 63)
	hit &= line[p>>15&7] >> (p >> 9 & 63)
	hit &= line[p>>24&7] >> (p >> 18 & 63)
	hit &= line[p>>33&7] >> (p >> 27 & 63)
	hit &= line[p>>42&7] >> (p >> 36 & 63)
	hit &= line[p>>51&7] >> (p >> 45 & 63)
	return uint32(hit & 1)
}
