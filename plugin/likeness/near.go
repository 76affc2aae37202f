package likeness

import (
	"hash/maphash"
	"slices"
)

// OneEdit reports whether two labels are not the same and differ by one letter: one
// more, one less, another one, or two neighbours that changed places.
func OneEdit(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	switch {
	case len(a)+len(b) == 1, len(a) == 1 && len(b) == 1:
		return true
	}
	return len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}

// near finds labels that are one edit away. Whichever edit it is, two such labels
// have a text in common that one gets of each by leaving out one letter or none.
// The zero value is ready to use.
type near struct {
	seed   maphash.Seed
	labels []string
	byHash map[uint64][]int32
}

func (n *near) add(label string) {
	if n.byHash == nil {
		n.seed, n.byHash = maphash.MakeSeed(), map[uint64][]int32{}
	}
	id := int32(len(n.labels))
	n.labels = append(n.labels, label)
	n.each(label, func(h uint64) bool {
		n.byHash[h] = append(n.byHash[h], id)
		return true
	})
}

// find returns the first label in their order that is one edit away and that ok
// takes.
func (n *near) find(label string, ok func(string) bool) (string, bool) {
	var found []string
	n.each(label, func(h uint64) bool {
		for _, id := range n.byHash[h] {
			if l := n.labels[id]; OneEdit(l, label) && ok(l) {
				found = append(found, l)
			}
		}
		return true
	})
	if len(found) == 0 {
		return "", false
	}
	return slices.Min(found), true
}

// each yields the hashes of a label and of what is left without each of its letters.
func (n *near) each(label string, yield func(uint64) bool) {
	if n.byHash == nil || !yield(maphash.String(n.seed, label)) {
		return
	}
	var h maphash.Hash
	h.SetSeed(n.seed)
	for i := range len(label) {
		if i > 0 && label[i] == label[i-1] {
			continue // the same text again
		}
		h.Reset()
		h.WriteString(label[:i])
		h.WriteString(label[i+1:])
		if !yield(h.Sum64()) {
			return
		}
	}
}
