package set

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// plainBuilder is the naive twin of a Builder, and what that was at first: it
// holds all names as they come, sorts them at once and encodes them. What a
// Builder makes does not differ in a single byte.
type plainBuilder struct {
	arena       []byte
	block, pass []entry
}

func (b *plainBuilder) Add(r rule.Rule) {
	at := len(b.arena)
	b.arena = append(b.arena, r.Name...)
	slices.Reverse(b.arena[at:])
	e := entry{head(b.arena[at:]), uint32(at), uint8(len(r.Name)), r.Trigger}
	if r.Action == rule.Pass {
		b.pass = append(b.pass, e)
	} else {
		b.block = append(b.block, e)
	}
}

func (b *plainBuilder) Set() (*Set, error) {
	return &Set{block: plainTable(b.block, b.arena), pass: plainTable(b.pass, b.arena)}, nil
}

// normalize sorts the entries by reversed name and merges those of one name.
// The names come back in an arena of their own, in the same order.
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

func plainTable(entries []entry, arena []byte) table {
	if len(entries) == 0 {
		return table{}
	}
	entries, arena = normalize(entries, arena)
	t := table{exact: plainExact(entries, arena)}
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
	t.filter = newFilter(len(hashes), slices.Values(hashes))
	return t
}

func plainExact(entries []entry, arena []byte) *exact {
	e := &exact{n: len(entries)}
	var sharedFreq, charFreq [symbols]uint64
	plainSteps(entries, arena, func(_ int, shared int, rest []byte, trigger rule.Trigger) {
		sharedFreq[shared]++
		for _, c := range rest {
			charFreq[c]++
		}
		charFreq[trigger]++
	})
	e.shared, e.chars = newCode(&sharedFreq), newCode(&charFreq).pairs()
	var w bitWriter
	plainSteps(entries, arena, func(i int, shared int, rest []byte, trigger rule.Trigger) {
		if i%blockNames == 0 {
			e.add(&w, new(pages))
			e.heads = e.heads.add(head(rest))
		}
		w.put(e.shared, uint8(shared))
		for _, c := range rest {
			w.put(e.chars, c)
		}
		w.put(e.chars, uint8(trigger))
	})
	e.add(&w, new(pages))
	return e
}

// plainSteps calls f for every entry with what front coding stores of it: the
// length of the prefix shared with the entry before and the rest.
func plainSteps(entries []entry, arena []byte, f func(i, shared int, rest []byte, trigger rule.Trigger)) {
	var before []byte
	for i, e := range entries {
		name := e.reversed(arena)
		shared := 0
		if i%blockNames != 0 {
			shared = commonPrefix(before, name)
		}
		f(i, shared, name[shared:], e.trigger)
		before = name
	}
}
