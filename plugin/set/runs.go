package set

import (
	"bytes"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/pace"
	"github.com/nonudify/nonudify/plugin/rule"
)

// A run is full when it holds runNames names or runBytes bytes of them: less
// than 1 MB until it is coded. Larger ones make fewer to merge, but did not make
// it faster.
const (
	runNames = 1 << 14
	runBytes = 24 * runNames
)

// runs collects the names of one action for an external sort (Knuth, "The Art
// of Computer Programming", volume 3, §5.4): names gather as they come, and
// whenever there are enough of them they are sorted and put away, coded.
// The zero value is empty.
type runs struct {
	text    []byte   // reversed names as they came
	entries []entry  // where they lie in it
	spare   []entry  // room to sort the entries
	sorted  []run    // the runs put away
	seen    *tally   // what these are made of
	code    *runCode // for the next one
}

// entry is a name whose reversed text lies in that of its run.
type entry struct {
	head    uint64 // orders most entries without a look at the text
	at      uint32
	size    uint8
	trigger rule.Trigger
}

func (e entry) reversed(text []byte) []byte { return text[e.at : e.at+uint32(e.size)] }

// add takes a name over.
func (r *runs) add(name dnsname.Name, trigger rule.Trigger, room *pages) {
	if len(r.entries) == runNames || len(r.text)+len(name) > runBytes {
		r.put(room)
	}
	at := len(r.text)
	r.text = append(r.text, name...)
	slices.Reverse(r.text[at:])
	r.entries = append(r.entries, entry{head(r.text[at:]), uint32(at), uint8(len(name)), trigger})
}

// put sorts the names that have gathered and puts them away on pages of the
// room.
func (r *runs) put(room *pages) {
	names := r.gathered()
	if r.seen == nil {
		r.seen = new(tally)
		for n := range names {
			r.seen.add(n)
		}
		r.code = r.seen.code()
	}
	w := runWriter{run: run{code: r.code}, room: room}
	for n := range w.through(names) {
		r.seen.add(n)
	}
	w.end()
	r.sorted = append(r.sorted, w.run)
	// Later names may be of another kind. Codes made whenever there are twice as
	// many runs stay few, and each is of use for half of the names.
	if n := len(r.sorted); n > 1 && n&(n-1) == 0 {
		r.code = r.seen.code()
	}
	r.text, r.entries = r.text[:0], r.entries[:0]
}

// take empties r and returns its names, to be gone through once, and their
// statistics. Names that were put away are merged into one run at first, on the
// pages of those that it is made of: one merge tells what must be known before
// a name can be encoded, and leaves nothing to be merged then.
func (r *runs) take(room *pages) (sequence, statistics) {
	all := *r
	*r = runs{}
	if len(all.sorted) == 0 {
		names := all.gathered()
		return names, survey(names)
	}
	all.put(room)
	all.text, all.entries, all.spare = nil, nil, nil // a merge has no use for them
	w := runWriter{run: run{code: all.seen.code()}, room: room}
	s := survey(w.through(merge(all.sorted, room)))
	w.end()
	return w.drain(room), s
}

// sort puts the entries in order: by their heads, eight bits at a time from the
// lowest on (Knuth, §5.2.5), then by their text where the heads are the same.
// Comparing all of them takes three times as long.
func (r *runs) sort() {
	r.spare = slices.Grow(r.spare[:0], len(r.entries))[:len(r.entries)]
	from, to := r.entries, r.spare
	for shift := 0; shift < 64; shift += 8 { // eight times, so that r.entries gets the last
		distribute(to, from, shift)
		from, to = to, from
	}
	for rest := r.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].head == rest[0].head {
			n++
		}
		slices.SortFunc(rest[:n], func(a, b entry) int {
			return bytes.Compare(a.reversed(r.text), b.reversed(r.text))
		})
		rest = rest[n:]
	}
}

// distribute copies the entries in the order of eight bits of their heads, and
// of where they stand when these are the same.
func distribute(to, from []entry, shift int) {
	var at [256 + 1]int // where the next entry with these bits goes
	for i := range from {
		at[from[i].head>>shift&0xff+1]++
	}
	for bits := range 256 {
		at[bits+1] += at[bits]
	}
	for i := range from {
		bits := from[i].head >> shift & 0xff
		to[at[bits]] = from[i]
		at[bits]++
	}
}

// gathered sorts the names that are not put away and returns them.
func (r *runs) gathered() sequence {
	r.sort()
	entries, text := r.entries, r.text
	return func(yield func(step) bool) {
		var before []byte
		var p pace.Pace
		for i := 0; i < len(entries); p.Step() {
			name, trigger := entries[i].reversed(text), entries[i].trigger
			for i++; i < len(entries) && bytes.Equal(entries[i].reversed(text), name); i++ {
				trigger |= entries[i].trigger
			}
			if !yield(step{name, commonPrefix(before, name), trigger}) {
				return
			}
			before = name
		}
	}
}

// merge returns the names of all runs, in order, whose pages go into the room.
// They can be gone through only once.
func merge(runs []run, room *pages) sequence {
	return func(yield func(step) bool) {
		m := newMerger(runs, room)
		var buf [dnsname.MaxLen]byte
		for p := (pace.Pace{}); m.more(); p.Step() {
			r := m[0]
			s := step{buf[:r.size], r.shared, r.trigger}
			copy(s.name[s.shared:], r.name()[s.shared:])
			for m.next(); m.more() && m[0].repeats(); m.next() {
				s.trigger |= m[0].trigger
			}
			if !yield(s) {
				return
			}
		}
	}
}

// merger is a tree of losers (Knuth, §5.4.1): place 0 holds the reader that has
// the least name, place n the one that lost the match between the winners of
// the places 2n and 2n+1. The leaves stand behind the last place. Every reader
// knows how many bytes its name shares with the name that it last lost against,
// or with its own last one if that won. On the way of the last winner these are
// all the same name, so most matches are decided by the two numbers, and the
// merge takes a quarter less time than with container/heap.
type merger []*reader

func newMerger(runs []run, room *pages) merger {
	m := make(merger, len(runs))
	m[0] = m.play(1, runs, room)
	return m
}

// play holds the matches of a place and of all those below it, and returns the
// winner.
func (m merger) play(place int, runs []run, room *pages) *reader {
	if place >= len(m) {
		r := &reader{run: runs[place-len(m)], room: room, leaf: place}
		r.next()
		return r
	}
	a, b := m.play(2*place, runs, room), m.play(2*place+1, runs, room)
	if b.beats(a) {
		a, b = b, a
	}
	m[place] = b
	return a
}

// more reports whether there is a name left.
func (m merger) more() bool { return m[0].size > 0 }

// next moves the winner on and plays its matches again.
func (m merger) next() {
	r := m[0]
	r.next()
	for place := r.leaf / 2; place > 0; place /= 2 {
		if m[place].beats(r) {
			m[place], r = r, m[place]
		}
	}
	m[0] = r
}

// repeats reports whether the name is the one it shares bytes with.
func (r *reader) repeats() bool { return r.shared == r.size }

// beats reports whether the name of r comes before that of o, where both share
// bytes with the same name. If not, o has won.
func (r *reader) beats(o *reader) bool {
	switch {
	case r.size == 0 || o.size == 0:
		return o.size == 0
	case r.shared != o.shared:
		return r.shared > o.shared
	}
	n := r.shared + commonPrefix(r.name()[r.shared:], o.name()[r.shared:])
	if n < r.size && (n == o.size || r.buf[n] > o.buf[n]) {
		r.shared = n
		return false
	}
	o.shared = n
	return true
}
