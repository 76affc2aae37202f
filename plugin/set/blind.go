package set

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// Checker refuses rules that must not be used.
type Checker interface {
	Check(rule.Rule) error
}

// BlindBuilder collects the hashes of a blinded list and makes a Set of them.
// The zero value, with the Salt of the list, is ready to use. It is not safe
// for concurrent use.
type BlindBuilder struct {
	Salt rule.Salt
	// Check judges the names behind the hashes once they become known, which is
	// when somebody asks for one; nil: no name is refused.
	Check Checker

	chunks [][]rule.Hash // all but the last are full: nothing is copied while they grow
	n      uint64
}

// chunkHashes is the number of hashes in a chunk of a BlindBuilder, 64 KiB of
// them.
const chunkHashes = 4096

// maxHashes is the number of hashes that a BlindBuilder takes, duplicates
// included: four bytes are to index them.
const maxHashes = math.MaxUint32

// Add takes a hash over. It means a block of the name that it stands for and of
// everything below that. Duplicates and order do not matter.
func (b *BlindBuilder) Add(h rule.Hash) {
	if b.n++; b.n > maxHashes {
		return
	}
	last := len(b.chunks) - 1
	if last < 0 || len(b.chunks[last]) == chunkHashes {
		b.chunks = append(b.chunks, make([]rule.Hash, 0, chunkHashes))
		last++
	}
	b.chunks[last] = append(b.chunks[last], h)
}

// Set returns the set of the hashes added so far. The builder is empty
// afterwards. The only error is ErrFull.
func (b *BlindBuilder) Set() (*Set, error) {
	chunks, n := b.chunks, b.n
	b.chunks, b.n = nil, 0
	if n > maxHashes {
		return nil, ErrFull
	}
	hashes := make([]rule.Hash, 0, n)
	for i, c := range chunks {
		hashes = append(hashes, c...)
		chunks[i] = nil
	}
	return &Set{blind: newBlind(b.Salt, b.Check, hashes)}, nil
}

// blind is what a Set of hashes holds: a Bloom filter in front of the hashes in
// their order. It is immutable and safe for concurrent use.
type blind struct {
	salt   rule.Salt
	check  Checker
	filter *filter
	hashes []rule.Hash
}

// newBlind returns the table of hashes, which it sorts in place.
func newBlind(salt rule.Salt, check Checker, hashes []rule.Hash) *blind {
	slices.SortFunc(hashes, compareHashes) // next to no work where the publisher has done it
	hashes = slices.Compact(hashes)
	f := newFilter(len(hashes), func(yield func(uint64) bool) {
		for _, h := range hashes {
			if !yield(filterHash(h)) {
				return
			}
		}
	})
	return &blind{salt, check, f, hashes}
}

// filterHash returns the place of a hash in the filter. Whoever knows the salt
// can compute hashes, but not this: see seed.
func filterHash(h rule.Hash) uint64 { return mix(binary.LittleEndian.Uint64(h[:]) ^ seed) }

func compareHashes(a, b rule.Hash) int { return bytes.Compare(a[:], b[:]) }

// holds reports whether a hash is listed.
func (b *blind) holds(h rule.Hash) bool {
	_, found := slices.BinarySearchFunc(b.hashes, h, compareHashes)
	return found
}

// match returns the longest suffix of a query name that stands in the list and
// may be blocked. Labels beyond rule.MaxHashLabels are not looked at, so that a
// query costs at most 15 hashes, which is less than 4 µs.
func (b *blind) match(k *Key) (m Match) {
	var buf [dnsname.MaxLen]byte
	suffix := buf[:max(0, dnsname.Fold(&buf, k.qname))]
	for labels := k.labels; labels >= rule.MinHashLabels; labels-- {
		if labels <= rule.MaxHashLabels && b.decides(&m, suffix) {
			m.Action, m.Trigger, m.Labels = rule.Block, rule.Subtree, labels
			return m
		}
		_, suffix, _ = bytes.Cut(suffix, []byte("."))
	}
	return m
}

// decides reports whether a suffix is blocked, and counts in the match what the
// filter did.
func (b *blind) decides(m *Match, suffix []byte) bool {
	h := rule.HashName(b.salt, suffix)
	if b.filter.test(filterHash(h)) == 0 {
		return false
	}
	m.Proofs++
	if b.holds(h) && b.permits(suffix) {
		return true
	}
	m.Absent++
	return false
}

// permits reports whether a plain list could block a name that the list holds:
// it is a name as lists have them, and nobody protects it. It allocates the
// name. What comes of it is not kept: it takes a fraction of the answer's time.
func (b *blind) permits(suffix []byte) bool {
	name := dnsname.Name(suffix)
	if b.check != nil && b.check.Check(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block}) != nil {
		return false
	}
	parsed, err := dnsname.Parse(string(name))
	return err == nil && parsed == name
}

// len returns the number of hashes, bytes the memory that they take.
func (b *blind) len() int   { return len(b.hashes) }
func (b *blind) bytes() int { return 8*len(b.filter.words) + len(rule.Hash{})*cap(b.hashes) }
