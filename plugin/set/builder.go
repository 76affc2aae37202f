package set

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// ErrFull says that a Builder holds 4 GiB of names, the most a Set can index.
var ErrFull = errors.New("set is full: 4 GiB of names")

// Builder collects rules and makes a Set of them. The zero value is ready to
// use. It is not safe for concurrent use.
type Builder struct {
	arena []byte // reversed names
	block []entry
	pass  []entry
	full  error
}

// entry is one rule under construction: its reversed name lies in the arena.
type entry struct {
	head    uint64 // orders most entries without a look at the arena
	at      uint32
	size    uint8
	trigger rule.Trigger
}

func (e entry) reversed(arena []byte) []byte { return arena[e.at : e.at+uint32(e.size)] }

// Add takes a rule over. Duplicates and order do not matter. A rule without a
// name, trigger or action is ignored.
func (b *Builder) Add(r rule.Rule) {
	if r.Name == "" || r.Trigger&rule.Subtree == 0 {
		return
	}
	if uint64(len(b.arena)+len(r.Name)) > math.MaxUint32 {
		b.full = ErrFull
		return
	}
	at := len(b.arena)
	for i := len(r.Name) - 1; i >= 0; i-- {
		b.arena = append(b.arena, r.Name[i])
	}
	e := entry{head(b.arena[at:]), uint32(at), uint8(len(r.Name)), r.Trigger & rule.Subtree}
	switch r.Action {
	case rule.Block:
		b.block = append(b.block, e)
	case rule.Pass:
		b.pass = append(b.pass, e)
	}
}

// Set returns the set of the rules added so far. The builder is empty
// afterwards. The only error is ErrFull.
func (b *Builder) Set() (*Set, error) {
	all := *b
	*b = Builder{}
	if all.full != nil {
		return nil, all.full
	}
	return &Set{block: newTable(all.block, all.arena), pass: newTable(all.pass, all.arena)}, nil
}

// normalize sorts the entries by reversed name and merges those of one name.
// The names come back in an arena of their own, in the same order: what follows
// reads them several times, and reads memory in a row.
func normalize(entries []entry, arena []byte) ([]entry, []byte) {
	slices.SortFunc(entries, func(a, b entry) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return bytes.Compare(a.reversed(arena), b.reversed(arena))
	})
	size := 0
	for _, e := range entries {
		size += int(e.size)
	}
	unique, sorted := entries[:0], make([]byte, 0, size)
	for _, e := range entries {
		name := e.reversed(arena)
		if n := len(unique); n > 0 && bytes.Equal(unique[n-1].reversed(sorted), name) {
			unique[n-1].trigger |= e.trigger
			continue
		}
		e.at = uint32(len(sorted))
		sorted = append(sorted, name...)
		unique = append(unique, e)
	}
	return unique, sorted
}

// newTable builds the filter and the exact set of one action.
func newTable(entries []entry, arena []byte) table {
	if len(entries) == 0 {
		return table{}
	}
	entries, arena = normalize(entries, arena)
	t := table{exact: newExact(entries, arena)}
	hashes := make([]uint64, 0, len(entries))
	var k Key
	var text [dnsname.MaxLen]byte
	for _, e := range entries {
		index(&k, reverse(&text, e.reversed(arena)), int(e.size))
		if k.labels > depth {
			t.deep = true
			continue
		}
		t.depths |= 1 << (k.labels - 1)
		hashes = append(hashes, k.hash[k.labels-1])
	}
	t.filter = newFilter(hashes)
	return t
}
