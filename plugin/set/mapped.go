package set

import (
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/nonudify/nonudify/plugin/rule"
)

// mapped is the memory of a file that a set lies in. Such memory can fail under who
// reads it: when the disk does, or when somebody cuts the file short. The system then
// sends a signal that ends the process. A reader who defers caught lives on:
//
//	defer m.caught(debug.SetPanicOnFault(true))
type mapped struct {
	keep    any // whatever the memory is there as long as
	data    []byte
	damaged atomic.Bool // some of it could not be read
}

// caught ends a panic that comes of reading the memory, and notes it. What the reader
// returns then is up to its results. It also keeps the memory there until then. The
// argument is what SetPanicOnFault returned.
func (m *mapped) caught(before bool) {
	debug.SetPanicOnFault(before)
	r := recover()
	if r == nil {
		return
	}
	fault, ok := r.(interface{ Addr() uintptr })
	first := uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
	if !ok || fault.Addr() < first || fault.Addr()-first >= uintptr(len(m.data)) {
		panic(r)
	}
	m.damaged.Store(true)
}

// changed notes that the file is not as it was when it was checked: somebody has written
// over it. That must not happen, and who reads it then goes on without a panic.
func (e *exact) changed() {
	if e.mapped != nil {
		e.mapped.damaged.Store(true)
	}
}

// What follows does with a set in a file what the methods of similar names do with one
// in memory. These are apart from them, as a function that defers is slower.

// proveMapped finds nothing where the file cannot be read, or if the names are exceptions
// the name itself: what may be one is not blocked.
func (t *table) proveMapped(k *Key, maybe uint32) (m Match) {
	defer t.exact.mapped.caught(debug.SetPanicOnFault(true))
	if t.excepts {
		m = Match{Trigger: rule.Exact, Labels: k.labels}
	}
	m = t.prove(k, maybe)
	return m
}

// passBelow reports whether a rule means any name below the given reversed one. One may
// where the file cannot be read.
func (e *exact) passBelow(reversed []byte) (passes bool) {
	if m := e.mapped; m != nil {
		defer m.caught(debug.SetPanicOnFault(true))
		passes = true
	}
	passes = e.lookup(reversed)&rule.Below != 0 || e.below(reversed)
	return passes
}

// holdsBelow is below.
func (e *exact) holdsBelow(reversed []byte) bool {
	if m := e.mapped; m != nil {
		defer m.caught(debug.SetPanicOnFault(true))
	}
	return e.below(reversed)
}

// allSafely yields the names as all does, and ends where the file cannot be read.
func (e *exact) allSafely(yield func([]byte, rule.Trigger) bool) {
	if m := e.mapped; m != nil {
		defer m.caught(debug.SetPanicOnFault(true))
	}
	e.all()(yield)
}

// walkSafely yields the names as walk does, and ends where the file cannot be read.
func (e *exact) walkSafely(yield func([]byte, rule.Trigger) bool) {
	if m := e.mapped; m != nil {
		defer m.caught(debug.SetPanicOnFault(true))
	}
	e.walk(yield)
}

// file returns the file that the set lies in, nil of a set in memory.
func (s *Set) file() *mapped {
	for _, t := range []*table{&s.block, &s.pass} {
		if t.exact != nil {
			return t.exact.mapped
		}
	}
	return nil
}

// Damaged reports whether a part of the file that the set lies in could not be read.
// From then on names that are listed may be missing from what its methods return, and
// more may pass than the exceptions say.
// A set in memory is never damaged.
func (s *Set) Damaged() bool {
	m := s.file()
	return m != nil && m.damaged.Load()
}

// Mapped returns the size in bytes of the file that the set lies in, 0 of a set in
// memory. The system has those parts of it in memory that were needed lately, for as
// long as nobody else needs the room.
func (s *Set) Mapped() int {
	if m := s.file(); m != nil {
		return len(m.data)
	}
	return 0
}
