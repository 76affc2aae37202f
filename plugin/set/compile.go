package set

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime/debug"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
)

// A compiled list is a set as it lies in memory, so that it need not be built: the file
// can be mapped. All numbers are little-endian. It is
//
//	compiledMagic, of which the digit is the version, and zeros up to byte 32
//	the size of the file in eight bytes, the number of blocked names and that of
//	  exceptions in four each
//	for each section its length in eight bytes, its CRC-32C in four, and four zeros
//	zeros up to byte compiledSum, and there the CRC-32C of all before it
//	the sections, each from the next multiple of eight bytes on, with zeros behind it
//
// The sums are there to find damage, and nothing else: who would deceive can make them
// right. What keeps a set from being deceived is that Open looks at every name.
const (
	compiledMagic  = "nonudify compiled list 1\n"
	compiledFamily = len("nonudify compiled list ") // bytes that all versions begin with
	preambleSize   = 256
)

// The sections of a compiled list. The two tables are those of the blocked names and of
// the exceptions; a table without a name has no byte in any section.
const (
	sectionText      = iota // whatever the list says of itself
	sectionBlock            // the first of those of a table
	sectionPass      = sectionBlock + tableSections
	sectionAddresses = sectionPass + tableSections // prefixes, of addressBytes each
	sections         = sectionAddresses + 1
)

// The sections of a table.
const (
	sectionCodes   = iota // the lengths of the words for shared bytes, then of those for bytes of names
	sectionHeads          // eight bytes a block: exact.heads
	sectionOffsets        // four bytes a block: exact.offset
	sectionPages          // exact.data, each page but the last one filled up with zeros
	tableSections
)

// addressBytes is what a prefix takes: its length, what it is, and its first address,
// that of IPv4 as IPv6 has it.
const (
	addressBytes = 2 + len(addressKey{})
	addressIPv6  = 1 // or IPv4
	addressPass  = 2 // or a block
)

// ErrBlindCompiled says that a set of hashes was to be compiled.
var ErrBlindCompiled = errors.New("a blinded list cannot be compiled: there is nothing in it to be made smaller")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// part is a section that is to be written.
type part [][]byte

// Compile writes the set as a compiled list, with a text that Open returns. The same
// rules and text make the same bytes. The errors are ErrBlindCompiled, those of w, and
// ErrDamaged of a set that is itself in a file.
func (s *Set) Compile(w io.Writer, text []byte) (err error) {
	if m := s.file(); m != nil {
		defer func() {
			if m.damaged.Load() {
				err = errUnreadable
			}
		}()
		defer m.caught(debug.SetPanicOnFault(true))
	}
	if s.blind != nil {
		return ErrBlindCompiled
	}
	parts := slices.Concat([]part{{text}}, s.block.parts(), s.pass.parts(), []part{s.addressPart()})
	f := fileWriter{w: w}
	f.write(s.preamble(parts))
	for _, p := range parts {
		for _, b := range p {
			f.write(b)
		}
		f.align()
	}
	return f.err
}

// preamble returns what stands before the sections.
func (s *Set) preamble(parts []part) []byte {
	b := make([]byte, preambleSize)
	copy(b, compiledMagic)
	size := uint64(preambleSize)
	at := b[compiledTable:]
	for _, p := range parts {
		n, sum := p.measure()
		binary.LittleEndian.PutUint64(at, n)
		binary.LittleEndian.PutUint32(at[8:], sum)
		size += aligned(n)
		at = at[sectionEntry:]
	}
	binary.LittleEndian.PutUint64(b[compiledSize:], size)
	binary.LittleEndian.PutUint32(b[compiledNames:], uint32(s.block.len()))
	binary.LittleEndian.PutUint32(b[compiledNames+4:], uint32(s.pass.len()))
	binary.LittleEndian.PutUint32(b[compiledSum:], crc32.Checksum(b[:compiledSum], castagnoli))
	return b
}

// Places in the preamble.
const (
	compiledSize  = 32
	compiledNames = 40
	compiledTable = 48
	sectionEntry  = 16
	compiledSum   = preambleSize - 4
)

// measure returns the length of a section and its CRC-32C.
func (p part) measure() (n uint64, sum uint32) {
	for _, b := range p {
		n += uint64(len(b))
		sum = crc32.Update(sum, castagnoli, b)
	}
	return n, sum
}

// aligned returns the next multiple of eight.
func aligned(n uint64) uint64 { return (n + 7) &^ 7 }

// parts returns the sections of a table.
func (t *table) parts() []part {
	if t.exact == nil {
		return make([]part, tableSections)
	}
	e := t.exact
	var pages part
	for i, page := range e.data {
		pages = append(pages, page)
		if i < len(e.data)-1 {
			pages = append(pages, make([]byte, pageBytes-len(page)))
		}
	}
	return []part{{e.shared.length[:], e.chars.length[:]}, {e.heads}, {e.offset}, pages}
}

// addressPart returns the section of the prefixes.
func (s *Set) addressPart() part {
	var b []byte
	for r := range s.Addresses() {
		kind := byte(0)
		if r.Prefix.Addr().Is6() {
			kind |= addressIPv6
		}
		if r.Action == rule.Pass {
			kind |= addressPass
		}
		first := r.Prefix.Addr().As16()
		b = append(append(b, byte(r.Prefix.Bits()), kind), first[:]...)
	}
	return part{b}
}

// fileWriter writes until the first error.
type fileWriter struct {
	w   io.Writer
	n   uint64
	err error
}

// write is not inlined, as none of this is in a hurry, and the resolver should be small.
//
//go:noinline
func (f *fileWriter) write(b []byte) {
	if f.err == nil {
		_, f.err = f.w.Write(b)
		f.n += uint64(len(b))
	}
}

// align writes zeros up to the next multiple of eight bytes.
func (f *fileWriter) align() { f.write(make([]byte, aligned(f.n)-f.n)) }

// IsCompiled reports whether a file that begins like this is a compiled list of any
// version. CompiledHead bytes are enough to tell.
func IsCompiled(head []byte) bool {
	return bytes.HasPrefix(head, []byte(compiledMagic[:compiledFamily]))
}

// CompiledSize returns the size in bytes that a compiled list that begins like this says
// it has: CompiledHead bytes.
func CompiledSize(head []byte) uint64 {
	return binary.LittleEndian.Uint64(head[compiledSize:])
}

// CompiledHead is the number of bytes that IsCompiled and CompiledSize need.
const CompiledHead = compiledNames
