package set

import (
	"encoding/binary"

	"github.com/nonudify/nonudify/plugin/pace"
	"github.com/nonudify/nonudify/plugin/rule"
)

// pageBytes is the size of a page: small beside a run, so that what a merge has
// read of a run is soon free for what it writes, and a size that the runtime
// hands out without waste.
const pageBytes = 8 << 10

type page [pageBytes]byte

// pages are pages that nobody needs any more: a merge writes on those that it
// has read. The zero value has none.
type pages struct {
	free  []*page
	moved func() // told of every page that is asked for or put back; nil but in tests
}

// get returns a page, with anything in it.
func (p *pages) get() *page {
	p.tell()
	last := len(p.free) - 1
	if last < 0 {
		return new(page)
	}
	got := p.free[last]
	p.free[last], p.free = nil, p.free[:last]
	return got
}

func (p *pages) put(done *page) {
	p.tell()
	p.free = append(p.free, done)
}

func (p *pages) tell() {
	if p.moved != nil {
		p.moved()
	}
}

// drop leaves the pages to the garbage collector.
func (p *pages) drop() { p.free = nil }

// tally counts what the front-coded names of runs are made of.
type tally struct{ shared, chars [symbols]uint64 }

func (t *tally) add(n step) {
	t.shared[n.shared]++
	for _, c := range n.name[n.shared:] {
		t.chars[c]++
	}
	t.chars[n.trigger]++
}

// code returns the code for more names like those counted. It has a word for
// all that can stand in a run. The words for what has not been seen are as long
// as words can be, so that the others are hardly longer for it.
func (t *tally) code() *runCode {
	all, total := *t, uint64(0)
	for _, n := range t.shared {
		total += n
	}
	unseen := total>>maxCode + 1
	for s := range symbols {
		all.shared[s] += unseen
		if rank[s] > 0 || rule.Trigger(s) <= rule.Subtree {
			all.chars[s] += unseen
		}
	}
	return &runCode{newCode(&all.shared), newCode(&all.chars).pairs()}
}

// runCode is what the numbers and the bytes in a run are coded with.
type runCode struct{ shared, chars *code }

// run is sorted names, put away: of each the number of bytes that it shares with
// the one before, the others, and the trigger, which is less than any byte of a
// name and so ends it. All of it is coded nearly as tightly as in a set. A page
// begins with the number of its names, in two bytes, and ends with one of them.
type run struct {
	code  *runCode
	pages []*page
}

// pageHead is the size of what a page of a run begins with.
const pageHead = 2

// runWriter writes a run. It is like a bitWriter, but takes half the time.
type runWriter struct {
	run
	room  *pages
	page  *page // the last one; nil: there is none
	names int   // on it
	at    int   // where it goes on
	acc   uint64
	used  uint // bits in acc
}

// write appends a name.
func (w *runWriter) write(n step) {
	rest := n.name[n.shared:]
	if longest := (len(rest) + 2) * maxCode / 8; w.page == nil || w.at+longest+2*readSlack > pageBytes {
		w.turn()
	}
	w.names++
	w.put(w.code.shared, uint8(n.shared))
	for _, c := range rest {
		w.put(w.code.chars, c)
	}
	w.put(w.code.chars, uint8(n.trigger))
}

// put writes the word of one symbol.
func (w *runWriter) put(c *code, s uint8) {
	w.acc |= uint64(c.word[s]) << w.used
	if w.used += uint(c.length[s]); w.used >= 32 {
		binary.LittleEndian.PutUint32(w.page[w.at:], uint32(w.acc))
		w.at, w.acc, w.used = w.at+4, w.acc>>32, w.used-32
	}
}

// turn ends the page and begins another one.
func (w *runWriter) turn() {
	w.end()
	w.page = w.room.get()
	w.pages = append(w.pages, w.page)
	w.names, w.at, w.acc, w.used = 0, pageHead, 0, 0
}

// end ends the last page.
func (w *runWriter) end() {
	if w.page != nil {
		binary.LittleEndian.PutUint64(w.page[w.at:], w.acc)
		binary.LittleEndian.PutUint16(w.page[:], uint16(w.names))
	}
}

// through writes the names as they pass.
func (w *runWriter) through(names sequence) sequence {
	return func(yield func(step) bool) {
		for n := range names {
			w.write(n)
			if !yield(n) {
				return
			}
		}
	}
}

// reader decodes the names of a run, and puts every page into the room once it
// has been read.
type reader struct {
	run     // what is left of it, the page at hand first
	room    *pages
	bits    bitReader // of the page at hand, which is there if this has any
	left    int       // names not yet decoded of it
	leaf    int       // its place below a merger
	shared  int       // bytes that the name shares with another: see merger
	size    int       // of the name; 0: the run is at its end
	trigger rule.Trigger
	buf     [symbols]byte
}

// name returns the current name, reversed. It is overwritten by next.
func (r *reader) name() []byte { return r.buf[:r.size] }

// next decodes the next name.
func (r *reader) next() {
	if r.left == 0 && !r.turn() {
		r.size = 0
		return
	}
	r.left--
	r.shared = int(r.bits.get(r.code.shared))
	size, end := r.bits.text(r.code.chars, &r.buf, r.shared)
	r.size, r.trigger = size, rule.Trigger(end)
}

// turn goes to the next page and reports whether there is one.
func (r *reader) turn() bool {
	if r.bits.in != nil {
		r.room.put(r.pages[0])
		r.pages = r.pages[1:]
	}
	r.bits = bitReader{}
	if len(r.pages) == 0 {
		return false
	}
	p := r.pages[0]
	r.left = int(binary.LittleEndian.Uint16(p[:]))
	r.bits.in = p[pageHead:]
	return true
}

// drain returns the names of the run, whose pages go into the room. They can be
// gone through only once.
func (r run) drain(room *pages) sequence {
	return func(yield func(step) bool) {
		in := reader{run: r, room: room}
		var p pace.Pace
		for in.next(); in.size > 0; in.next() {
			p.Step()
			if !yield(step{in.name(), in.shared, in.trigger}) {
				return
			}
		}
	}
}
