package set

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/pace"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Errors about a compiled list, to be tested with errors.Is. ErrDamaged is also of a set
// whose file cannot be read any more.
var (
	ErrVersion = errors.New("is a compiled list of a version that this program does not know; make it anew with 'nonudify compile'")
	ErrDamaged = errors.New("is a compiled list that is damaged")
)

// OpenConfig says what the bytes of a compiled list are.
type OpenConfig struct {
	// Check refuses rules that block, at the moment when one of them is about to: who
	// made the list is a stranger. nil: every rule is used.
	Check Checker
	// Mapped, unless it is nil, says that the bytes are those of a file and no memory of
	// our own. They are there for as long as Mapped is in use.
	Mapped any
	// MaxAddresses is that of a Builder.
	MaxAddresses int
}

// Open returns the set that a compiled list holds, and the text that came with it. Both
// lie in the data, which must not change. All of it is checked before anything of it is used:
// the sums, and every name and number. So no data whatsoever make a method of the set
// panic, run on, or read beside them. The filter is made anew. The errors are ErrVersion,
// ErrDamaged and ErrAddresses.
func Open(data []byte, c OpenConfig) (s *Set, text []byte, err error) {
	f := file{data: data}
	if c.Mapped != nil {
		f.mapped = &mapped{keep: c.Mapped, data: data}
		defer func() {
			if f.mapped.damaged.Load() {
				s, text, err = nil, nil, errUnreadable
			}
		}()
		defer f.mapped.caught(debug.SetPanicOnFault(true))
	}
	if err := f.parse(); err != nil {
		return nil, nil, err
	}
	s = new(Set)
	if s.block, err = f.table(sectionBlock, f.names[0]); err != nil {
		return nil, nil, err
	}
	if s.pass, err = f.table(sectionPass, f.names[1]); err != nil {
		return nil, nil, err
	}
	if s.addresses, err = f.addresses(c.MaxAddresses); err != nil {
		return nil, nil, err
	}
	s.block.check, s.pass.excepts = c.Check, true
	return s, bytes.Clone(f.section[sectionText]), nil
}

var errUnreadable = damaged("a part of it cannot be read")

// damaged returns an ErrDamaged with words.
//
//go:noinline
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// file is a compiled list that is being opened.
type file struct {
	data    []byte
	mapped  *mapped // nil: the data are in memory
	names   [2]uint32
	section [sections][]byte
}

// parse cuts the file into its sections and holds the sums against them: every byte counts.
func (f *file) parse() error {
	switch {
	case !IsCompiled(f.data):
		return damaged("its first line is not %q", compiledMagic[:len(compiledMagic)-1])
	case len(f.data) < preambleSize:
		return damaged("it has %d bytes, too few for any", len(f.data))
	case !bytes.HasPrefix(f.data, []byte(compiledMagic)):
		return ErrVersion
	}
	if size := binary.LittleEndian.Uint64(f.data[compiledSize:]); size != uint64(len(f.data)) {
		return damaged("it has %d bytes and should have %d", len(f.data), size)
	}
	f.names = [2]uint32{binary.LittleEndian.Uint32(f.data[compiledNames:]), binary.LittleEndian.Uint32(f.data[compiledNames+4:])}
	if crc32.Checksum(f.data[:compiledSum], castagnoli) != binary.LittleEndian.Uint32(f.data[compiledSum:]) {
		return damaged("the checksum of its beginning does not fit")
	}
	end, at := len(f.data), preambleSize
	for i := range f.section {
		n := binary.LittleEndian.Uint64(f.entry(i))
		if n > uint64(end-at) || aligned(n) > uint64(end-at) {
			return damaged("section %d does not fit into it", i)
		}
		f.section[i] = f.data[at : at+int(n) : at+int(n)]
		behind := f.data[at+int(n) : at+int(aligned(n))]
		if len(bytes.Trim(behind, "\x00")) > 0 {
			return damaged("something stands behind section %d", i)
		}
		at += int(aligned(n))
	}
	if at != end {
		return damaged("its sections end at byte %d and should end at %d", at, end)
	}
	return f.sums()
}

// entry is what the preamble says of a section.
func (f *file) entry(i int) []byte { return f.data[compiledTable+i*sectionEntry:] }

// sums checks the sums of the sections.
func (f *file) sums() error {
	for i, s := range f.section {
		if crc32.Checksum(s, castagnoli) != binary.LittleEndian.Uint32(f.entry(i)[8:]) {
			return damaged("the checksum of its section %d does not fit", i)
		}
	}
	return nil
}

// table returns a table whose first section is given.
func (f *file) table(first int, names uint32) (table, error) {
	codes, heads := f.section[first+sectionCodes], f.section[first+sectionHeads]
	offsets, pages := f.section[first+sectionOffsets], f.section[first+sectionPages]
	if names == 0 {
		if len(codes)+len(heads)+len(offsets)+len(pages) > 0 {
			return table{}, damaged("it holds no name and something of one")
		}
		return table{}, nil
	}
	blocks := (uint64(names) + blockNames - 1) / blockNames
	switch {
	case uint64(names) > math.MaxInt32, len(codes) != 2*symbols:
		return table{}, damaged("%d bytes of codes for %d names", len(codes), names)
	case uint64(len(heads)) != 8*blocks, uint64(len(offsets)) != 4*blocks:
		return table{}, damaged("its index is not that of %d names", names)
	}
	e := &exact{n: int(names), heads: heads, offset: offsets, mapped: f.mapped}
	var err error
	if e.shared, err = codeOf([symbols]uint8(codes), func(uint8) bool { return true }); err != nil {
		return table{}, err
	}
	if e.chars, err = codeOf([symbols]uint8(codes[symbols:]), isChar); err != nil {
		return table{}, err
	}
	e.chars.pairs()
	for len(pages) > 0 {
		n := min(pageBytes, len(pages))
		e.data, pages = append(e.data, pages[:n:n]), pages[n:]
	}
	return e.table()
}

// isChar reports whether a symbol can stand in a coded name.
func isChar(s uint8) bool { return rank[s] > 0 || 1 <= s && rule.Trigger(s) <= rule.Subtree }

// codeOf returns the code whose words have these lengths, of symbols that may be there.
func codeOf(lengths [symbols]uint8, may func(uint8) bool) (*code, error) {
	room := 0
	for s, n := range lengths {
		switch {
		case n == 0:
			continue
		case n > maxCode || !may(uint8(s)):
			return nil, damaged("a word of %d bits for the symbol %d", n, s)
		}
		room += 1 << (maxCode - n)
	}
	if room == 0 || room > 1<<maxCode { // Kraft's inequality: there are not so many words that begin differently
		return nil, damaged("lengths of words that make no code")
	}
	c := &code{length: lengths, table: new([1 << maxCode]uint16)}
	c.assign()
	return c, nil
}

// table checks all names of an exact set out of a file, and makes the rest of a table of
// it. Others read the names while this goroutine fills the filter.
func (e *exact) table() (table, error) {
	if err := e.checkIndex(); err != nil {
		return table{}, err
	}
	f := emptyFilter(e.n)
	all := e.verify(f)
	t := table{exact: e, filter: f}
	deep := 0
	for i, v := range all {
		switch {
		case v.err != nil:
			return table{}, v.err
		case i > 0 && bytes.Compare(all[i-1].last(), v.first) >= 0:
			return table{}, damaged("block %d: %v", v.from, errOrder)
		}
		t.depths |= v.depths
		deep += v.deep
	}
	if t.deep = deep > 0; t.deep { // fewer are in the filter: as large as a Builder makes it
		t.filter = emptyFilter(e.n - deep)
		e.verify(t.filter)
	}
	return t, nil
}

// verify reads all names, in as many goroutines as are worth while, and adds their hashes
// to the filter.
func (e *exact) verify(f *filter) []*verifier {
	n := min(maxVerifiers, runtime.GOMAXPROCS(0), 1+e.blocks()/verifierBlocks)
	h := handover{full: make(chan []uint64, n), spare: make(chan []uint64, 2*n+1)}
	for range cap(h.spare) {
		h.spare <- make([]uint64, 0, hashBatch)
	}
	all := make([]*verifier, n)
	var working sync.WaitGroup
	for i := range all {
		all[i] = &verifier{e: e, handover: h, from: i * e.blocks() / n, to: (i + 1) * e.blocks() / n}
		working.Go(all[i].run)
	}
	go func() {
		working.Wait()
		close(h.full)
	}()
	for batch := range h.full {
		for _, h := range batch {
			f.add(h)
		}
		h.spare <- batch[:0]
	}
	return all
}

// checkIndex checks that every block begins on a page, each behind the one before.
func (e *exact) checkIndex() error {
	next := uint32(0)
	for b := range e.blocks() {
		at := e.offset.at(b)
		page := int64(at / pageBytes)
		if at < next || page >= int64(len(e.data)) || int(at%pageBytes)+readSlack >= len(e.data[page]) {
			return damaged("block %d begins at %d", b, at)
		}
		next = at + 1
	}
	return nil
}

const (
	hashBatch      = 1 << 10 // hashes that are handed over at a time
	maxVerifiers   = 4       // goroutines that read the names: the filter can be filled no faster
	verifierBlocks = 1 << 10 // blocks that are worth one more of them
)

// handover is how hashes come from verifiers into the filter.
type handover struct {
	full  chan []uint64 // closed at the end
	spare chan []uint64 // batches that have been read
}

// verifier reads the names of some blocks of an exact set.
type verifier struct {
	handover
	e        *exact
	from, to int   // blocks
	err      error // what is wrong with them

	deep   int    // names of more than depth labels
	depths uint32 // as in a table
	first  []byte // name, reversed

	name, other *[symbols]byte // the current name, reversed, and room for the next one
	size        int
}

// last returns the last name, reversed.
func (v *verifier) last() []byte { return v.name[:v.size] }

// run reads the names and hands over the hashes.
func (v *verifier) run() {
	if m := v.e.mapped; m != nil {
		v.err = errUnreadable // unless it comes to its end
		defer m.caught(debug.SetPanicOnFault(true))
	}
	v.name, v.other = new([symbols]byte), new([symbols]byte)
	v.err = v.blocks()
}

func (v *verifier) blocks() error {
	batch := <-v.spare
	var c cursor
	var p pace.Pace
	for b := v.from; b < v.to; b++ {
		p.Step()
		c.open(v.e, b)
		for first := true; c.left > 0; first = false {
			c.left--
			if err := v.next(&c.bits, first); err != nil {
				return damaged("block %d: %v", b, err)
			}
			if first && head(v.last()) != v.e.heads.at(b) {
				return damaged("block %d does not begin with the name that the index says", b)
			}
			if first && b == v.from {
				v.first = bytes.Clone(v.last())
			}
			h, labels, empty := hashReversed(v.last())
			if empty || longLabel(v.last()) {
				return damaged("block %d: labels that no name has", b)
			}
			if labels > depth {
				v.deep++
				continue
			}
			v.depths |= 1 << (labels - 1)
			if batch = append(batch, h); len(batch) == cap(batch) {
				v.full <- batch
				batch = <-v.spare
			}
		}
	}
	v.full <- batch
	return nil
}

// next reads the next name and checks that it may stand where it does.
func (v *verifier) next(r *bitReader, first bool) error {
	shared := int(r.get(v.e.shared))
	if first {
		v.name, v.other = v.other, v.name // which holds the name before
	}
	if shared > 0 && (first || shared > v.size) {
		return errors.New("a name shares more bytes than there are")
	}
	differs := v.name[shared] // of the name before
	size, end := r.text(v.e.chars, v.name, shared)
	switch {
	case r.over() || end == 0 || size > dnsname.MaxLen:
		return errors.New("a name does not end")
	case size == shared,
		!first && shared < v.size && v.name[shared] <= differs,
		first && bytes.Compare(v.name[:size], v.other[:v.size]) <= 0:
		return errOrder
	}
	v.size = size
	return nil
}

var errOrder = errors.New("names are not in their order")

// maxLabel is the length of the longest label (RFC 1035 §2.3.4).
const maxLabel = 63

// longLabel reports whether a label of a reversed name is longer than that.
func longLabel(name []byte) bool {
	for len(name) > maxLabel {
		label, rest, _ := bytes.Cut(name, []byte{'.'})
		if len(label) > maxLabel {
			return true
		}
		name = rest
	}
	return false
}

// addresses returns the prefixes.
func (f *file) addresses(most int) (*addresses, error) {
	b := Builder{MaxAddresses: most}
	rest := f.section[sectionAddresses]
	if len(rest)%addressBytes != 0 {
		return nil, damaged("half a prefix of addresses")
	}
	for ; len(rest) > 0; rest = rest[addressBytes:] {
		a, action := netip.AddrFrom16([16]byte(rest[2:])), rule.Block
		if rest[1]&addressIPv6 == 0 {
			a = a.Unmap()
		}
		if rest[1]&addressPass != 0 {
			action = rule.Pass
		}
		p := netip.PrefixFrom(a, int(rest[0]))
		if !p.IsValid() || p != p.Masked() || rest[1]&addressIPv6 == 0 && !a.Is4() {
			return nil, damaged("a prefix of addresses that is none")
		}
		b.Add(rule.Rule{Prefix: p, Trigger: rule.Address, Action: action})
	}
	s, err := b.Set()
	if err != nil {
		return nil, err
	}
	return s.addresses, nil
}
