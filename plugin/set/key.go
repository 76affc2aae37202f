package set

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// depth is the number of labels up to which suffixes are hashed and filtered.
// Names with more labels are legal in a set; their suffixes beyond it are
// looked up in the exact set without asking the filter.
const depth = 16

// seed is drawn anew by each process, so that nobody can compute a name that
// passes the filter and costs every resolver a proof.
var seed = rand.Uint64()

// Multipliers of the hash: odd, half of the bits set, taken from the fractional
// part of the golden ratio and of the square roots of 2 and 3.
const (
	mulWord  = 0x9e3779b97f4a7c15
	mulLabel = 0x6a09e667f3bcc909
	mulBits  = 0xbb67ae8584caa73b
)

// Key is a query name made ready to be matched with any number of sets: folded
// once, each suffix hashed once, from the right. The zero value is the root,
// which no set holds. A Key is about 450 bytes, meant to live on the stack.
type Key struct {
	labels int           // of the whole name
	size   int           // of text
	start  [depth]uint8  // start[d-1] is where the suffix of d labels begins in text
	hash   [depth]uint64 // hash[d-1] is that suffix's hash
	text   [dnsname.MaxLen + 8]byte
}

// Reset makes k the key of a query name in presentation form, in any letter
// case. It does not allocate. A text that is no name matches nothing.
func (k *Key) Reset(qname string) {
	k.index(max(0, dnsname.Fold((*[dnsname.MaxLen]byte)(k.text[:]), qname)))
}

// set makes k the key of a canonical name.
func (k *Key) set(name []byte) { k.index(copy(k.text[:dnsname.MaxLen], name)) }

// index finds and hashes the suffixes of text[:size].
func (k *Key) index(size int) {
	k.labels, k.size = 0, size
	if size == 0 {
		return
	}
	h, end := seed, size
	for i := end - 1; i >= 0; i-- {
		if k.text[i] == '.' {
			h = k.addLabel(h, i+1, end)
			end = i
		}
	}
	k.addLabel(h, 0, end)
}

// addLabel counts the label text[i:j] and, near enough to the top, notes the
// suffix that it begins. It returns the hash of that suffix.
func (k *Key) addLabel(h uint64, i, j int) uint64 {
	if k.labels < depth {
		h = hashLabel(h, k.text[:], i, j)
		k.start[k.labels] = uint8(i)
		k.hash[k.labels] = h
	}
	k.labels++
	return h
}

// hashLabel extends h, the hash of what stands right of a label, by the label
// text[i:j]. The text must have 8 bytes to read from each of i to j.
func hashLabel(h uint64, text []byte, i, j int) uint64 {
	h += uint64(j-i) * mulLabel
	for ; j-i >= 8; i += 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(text[i:]))
	}
	rest := binary.LittleEndian.Uint64(text[i:]) & (1<<(8*uint(j-i)) - 1)
	return mix(h ^ rest)
}

// mix is one round of a multiply-and-fold hash.
func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x, mulWord)
	return hi ^ lo
}

// suffix returns the text of the suffix of d labels.
func (k *Key) suffix(d int) []byte {
	if d <= depth {
		return k.text[k.start[d-1]:k.size]
	}
	i := int(k.start[depth-1])
	for left := d - depth; left > 0; left-- {
		for i--; i > 0 && k.text[i-1] != '.'; i-- {
		}
	}
	return k.text[i:k.size]
}

// Spread returns a number that differs from name to name, to spread counters
// over several places.
func (k *Key) Spread() uint64 {
	if k.labels == 0 {
		return 0
	}
	return k.hash[min(k.labels, depth)-1]
}
