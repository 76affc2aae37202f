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
// parts of the golden ratio and of the square roots of 2 and 3.
const (
	mulWord = 0x9e3779b97f4a7c15
	mulSize = 0x6a09e667f3bcc909
	mulBits = 0xbb67ae8584caa73b
)

// Key is a query name made ready to be matched with any number of sets: each
// of its suffixes is hashed, once. The zero value is the root, which no set
// holds. A Key is about 150 bytes, meant to live on the stack.
type Key struct {
	qname  string        // as it was asked
	labels int           // of the whole name
	hash   [depth]uint64 // hash[d-1] is that of the suffix of d labels
}

// Reset makes k the key of a query name in presentation form, in any letter
// case. It does not allocate. A text that is no name matches nothing.
func (k *Key) Reset(qname string) {
	k.qname = qname
	n := len(qname)
	if n > 0 && qname[n-1] == '.' {
		n--
	}
	if n <= dnsname.MaxLen && index(k, qname, n) {
		return
	}
	// Something is escaped in it, which is rare: byte by byte, then.
	var text [dnsname.MaxLen]byte
	index(k, text[:], max(0, dnsname.Fold(&text, qname)))
}

// Spread returns a number that differs from name to name, to spread counters
// over several places.
func (k *Key) Spread() uint64 {
	if k.labels == 0 {
		return 0
	}
	return k.hash[min(k.labels, depth)-1]
}

// reversed writes the canonical name backwards into buf: there, suffixes are
// prefixes.
func (k *Key) reversed(buf *[dnsname.MaxLen]byte) []byte {
	var text [dnsname.MaxLen]byte
	return reverse(buf, text[:max(0, dnsname.Fold(&text, k.qname))])
}

// reverse writes text into buf backwards.
func reverse(buf *[dnsname.MaxLen]byte, text []byte) []byte {
	n := len(text)
	for i, c := range text {
		buf[n-1-i] = c
	}
	return buf[:n]
}

// The same byte in all eight places of a word.
const (
	ones        = 0x0101010101010101
	highBits    = 0x80 * ones
	lowBits     = 0x7f * ones
	dots        = '.' * ones
	backslashes = '\\' * ones
)

// index hashes the suffixes of the name that fills the first size bytes of
// text. It goes from the right, eight bytes at a time, so that a suffix is cut
// into words in the same way whatever stands before it, and folds letter case
// in passing. It gives up when it has met a backslash. Other bytes that no name
// in a set can hold are hashed as they are: what comes of them, the exact set
// does not prove.
//
// The steps are not functions of their own, and the label count is no field
// until the end: calls and detours through memory took half of the time.
func index[T string | []byte](k *Key, text T, size int) bool {
	h, labels := seed, 0 // h: hash of the full words so far
	escaped := uint64(0)
	last := uint64(0) // bytes before the full words
	for left := size; left > 0; left -= 8 {
		var w uint64
		if left >= 8 {
			w = lower(load(text, left-8))
		} else {
			w = lower(loadFirst(text, left, size))
		}
		escaped |= zeros(w ^ backslashes)
		for z := zeros(w ^ dots); z != 0; labels++ { // a suffix begins behind each dot
			dot := uint(63-bits.LeadingZeros64(z)) & 63 // its highest bit
			z &^= 1 << dot
			if labels < depth {
				k.hash[labels] = suffix(h, w>>1>>dot, size-left+7-int(dot/8))
			}
		}
		if left < 8 {
			last = w >> (8 * uint(8-left) & 63)
			break
		}
		h = mix(h ^ w)
	}
	if size > 0 {
		if labels < depth {
			k.hash[labels] = suffix(h, last, size)
		}
		labels++
	}
	k.labels = labels
	return escaped == 0
}

// suffix returns the hash of a suffix of the given size: of full words that have
// the hash h, and the bytes before them.
func suffix(h, before uint64, size int) uint64 { return mix((h ^ before) + uint64(size)*mulSize) }

// hashReversed returns the hash of a whole name, given reversed, as index has it, and
// how many labels it has. empty is that one of them has no bytes.
func hashReversed(name []byte) (hash uint64, labels int, empty bool) {
	h, size, rest := seed, len(name), name
	before, pairs := uint64(1), uint64(0) // before: the last byte of the word before was a dot
	for ; len(rest) >= 8; rest = rest[8:] {
		w := binary.BigEndian.Uint64(rest)
		z := zeros(w ^ dots)
		labels += bits.OnesCount64(z)
		pairs |= z & (z>>8 | before<<63)
		before = z >> 7 & 1
		h = mix(h ^ w)
	}
	w, n := uint64(0), uint(len(rest))
	switch {
	case n == 0:
	case size >= 8:
		w = binary.BigEndian.Uint64(name[size-8:]) & (1<<(8*n&63) - 1)
	default:
		for _, c := range rest {
			w = w<<8 | uint64(c)
		}
	}
	z := zeros(w ^ dots)
	labels += bits.OnesCount64(z)
	if pairs |= z & (z>>8 | before<<(8*n&63)>>1); n > 0 {
		before = z >> 7 & 1
	}
	return mix((h ^ w) + uint64(size)*mulSize), labels + 1, pairs|before != 0
}

// mix is one round of a multiply-and-fold hash.
func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x, mulWord)
	return hi ^ lo
}

// load returns the eight bytes of text from i on, the last one highest. One
// check of the bounds, by cutting them out, lets the compiler load them as one.
func load[T string | []byte](text T, i int) uint64 {
	t := text[i : i+8]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 | uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// loadFirst returns the first n bytes of text, fewer than eight, in the high
// bytes of a word, as they would stand there with more before them.
func loadFirst[T string | []byte](text T, n, size int) (w uint64) {
	if size >= 8 {
		return load(text, 0) << (8 * uint(8-n))
	}
	for i := range n {
		w = w>>8 | uint64(text[i])<<56
	}
	return w
}

// zeros returns a number with the high bit of each byte set that is 0 in w.
func zeros(w uint64) uint64 { return ^((w&lowBits + lowBits) | w | lowBits) }

// lower returns w with ASCII letters in lower case.
func lower(w uint64) uint64 {
	low := w & lowBits
	fromA := low + (0x80-'A')*ones
	afterZ := low + (0x7f-'Z')*ones
	return w | ((fromA^afterZ)&^w&highBits)>>2
}
