package rule

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Salt is what the names of one blinded list are hashed with, so that no table
// made for another list tells what is in it. It is no secret: it stands in the
// list's header.
type Salt [16]byte

// Hash stands for a name in a blinded list. 16 bytes of SHA-256 are enough to
// tell all names of the world apart: that any of 10^12 names has the hash of
// one of 10^6 listed ones has a probability of 3·10^-21.
type Hash [16]byte

// String returns 32 lower-case hex digits, as the header of a list has them.
func (s Salt) String() string { return hex.EncodeToString(s[:]) }

// String returns 32 lower-case hex digits, as a line of a list has them.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// The labels that a name in a blinded list has. Fewer are a top-level domain,
// which is never blocked. Whoever matches a query name hashes each of its
// suffixes, and a name may have 127 labels: without a bound a query could cost
// a hundred hashes. Published lists have names of 2 to 6 labels, and a handful
// of longer ones that a name above them covers.
const (
	MinHashLabels = 2
	MaxHashLabels = 16
)

// hashContext makes the hash useless for any other purpose, and the other way
// round.
const hashContext = "nudify-list/v1\x00"

// HashName returns what a blinded list has for a name in canonical form: the
// first 16 bytes of SHA-256(hashContext ‖ salt ‖ name). Names of fewer labels
// than MinHashLabels or more than MaxHashLabels have no place in such a list.
// It does not allocate for names of up to dnsname.MaxLen bytes.
func HashName[T ~string | ~[]byte](salt Salt, name T) Hash {
	var buf [len(hashContext) + len(salt) + dnsname.MaxLen]byte
	text := append(append(append(buf[:0], hashContext...), salt[:]...), name...)
	sum := sha256.Sum256(text)
	return Hash(sum[:len(Hash{})])
}
