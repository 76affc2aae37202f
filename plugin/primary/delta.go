package primary

import (
	"crypto/sha256"
	"hash"
	"iter"
)

// Limits on the history of a zone: what is beyond them is sent as a whole.
const (
	maxDeltas  = 100
	maxHistory = 4 << 20 // bytes of all deltas
)

// delta is what makes one edition of the next.
type delta struct {
	from, to   uint32 // serials
	gone, come []byte // records that were taken out and put in, each in their order
	records    int    // of both
}

func (d *delta) size() int { return len(d.gone) + len(d.come) }

// sum identifies what a zone says, its serial aside.
type sum [sha256.Size]byte

// survey is what is found out about an edition when it is gone through.
type survey struct {
	sum     sum
	records int
	leftOut int
}

// differ holds the records of an edition against those of the next.
type differ struct {
	delta
	over bool // there is more than the history can hold
	hash hash.Hash
	n    int // records of the next edition
}

// diff goes through two editions at the same time, so that no more than a record
// of each is held. The delta has no serials; it is nil when it would be beyond
// the limits, or there was nothing before.
func diff(before, after iter.Seq[record]) (*delta, survey) {
	d := differ{hash: sha256.New()}
	if before == nil {
		d.over, before = true, func(func(record) bool) {}
	}
	next, stop := iter.Pull(before)
	defer stop()
	old, more := next()
	for r := range after {
		for ; more && old.compare(r) < 0; old, more = next() {
			d.take(&d.gone, old)
		}
		same := more && old == r
		if !same {
			d.take(&d.come, r)
		}
		if more && old.compare(r) == 0 {
			if !same {
				d.take(&d.gone, old)
			}
			old, more = next()
		}
		d.n++
		r.hash(d.hash)
	}
	for ; more; old, more = next() {
		d.take(&d.gone, old)
	}
	s := survey{records: d.n}
	d.hash.Sum(s.sum[:0])
	if d.over {
		return nil, s
	}
	return &d.delta, s
}

// take notes a record in one of the two parts of the delta.
func (d *differ) take(part *[]byte, r record) {
	if d.over {
		return
	}
	*part = appendRecord(*part, r)
	if d.records++; d.size() > maxHistory {
		d.over, d.delta = true, delta{}
	}
}

// upper marks the kind of a record whose owner is *.name: it is written as a
// capital letter.
const upper = 'a' - 'A'

// appendRecord writes a record: its kind, the length of the name, the name.
func appendRecord(b []byte, r record) []byte {
	k := byte(r.kind)
	if r.below {
		k -= upper
	}
	return append(append(b, k, byte(len(r.name))), r.name...)
}

// each yields the records of a part of a delta.
func each(part []byte) iter.Seq[record] {
	return func(yield func(record) bool) {
		for len(part) > 0 {
			var r record
			var ok bool
			if r, part, ok = cutRecord(part); !ok || !yield(r) {
				return
			}
		}
	}
}

// cutRecord reads the first record of a part, and reports whether there is one.
func cutRecord(part []byte) (r record, rest []byte, ok bool) {
	if len(part) < 2 || len(part) < 2+int(part[1]) {
		return r, nil, false
	}
	k := part[0]
	r.name, rest = string(part[2:2+int(part[1])]), part[2+int(part[1]):]
	if r.below = 'A' <= k && k <= 'Z'; r.below {
		k += upper
	}
	r.kind = kind(k)
	return r, rest, targets[r.kind] != "" || r.kind == about && !r.below
}

// extend returns a history with one more delta, without those that are beyond the
// limits. The one before is not changed.
func extend(history []delta, d *delta) []delta {
	if d == nil {
		return nil
	}
	longer := append(history[:len(history):len(history)], *d)
	size := 0
	for i := len(longer) - 1; i >= 0; i-- {
		if size += longer[i].size(); size > maxHistory || len(longer)-i > maxDeltas {
			return longer[i+1:]
		}
	}
	return longer
}

// since returns the deltas that lead from a serial to the last, nil if it is not
// one of the history.
func since(history []delta, serial uint32) []delta {
	for i := range history {
		if history[i].from == serial {
			return history[i:]
		}
	}
	return nil
}
