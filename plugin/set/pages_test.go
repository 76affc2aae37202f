package set

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// worst returns a code whose words are all of the greatest length.
func worst() *code {
	c := &code{table: new([1 << maxCode]uint16)}
	for s := range c.length {
		c.length[s] = maxCode
	}
	c.assign()
	return c
}

// TestRunPages writes names of every size, coded as badly as can be, and reads
// them back: they fill pages to the end and never go beyond, and every page is
// free once it has been read.
func TestRunPages(t *testing.T) {
	for size := 1; size <= dnsname.MaxLen; size += 7 {
		var room pages
		w := runWriter{run: run{code: &runCode{worst(), worst().pairs()}}, room: &room}
		names := randomTexts(3*pageBytes/size+1, size)
		for i, n := range names {
			w.write(step{n, 0, rule.Trigger(1 + i%3)})
		}
		w.end()
		all := len(w.pages)
		i := 0
		for n := range w.drain(&room) {
			if !bytes.Equal(n.name, names[i]) || n.trigger != rule.Trigger(1+i%3) || n.shared != 0 {
				t.Fatalf("Name %d of %d bytes: %q, %d shared, trigger %d; want %q, 0, %d", i, size, n.name, n.shared, n.trigger, names[i], 1+i%3)
			}
			i++
		}
		if i != len(names) {
			t.Errorf("%d names of %d bytes came back, want %d", i, size, len(names))
		}
		if len(room.free) != all || all < 4 {
			t.Errorf("%d pages are free after %d were read", len(room.free), all)
		}
	}
}

// randomTexts returns n texts of the given size, all of them of bytes that a
// name may hold.
func randomTexts(n, size int) [][]byte {
	r := rand.New(rand.NewPCG(uint64(size), 8))
	names := make([][]byte, n)
	for i := range names {
		names[i] = make([]byte, size)
		for j := range names[i] {
			names[i][j] = "abcxyz019._"[r.IntN(11)]
		}
	}
	return names
}

// TestRunCode asks codes that were made of other names: they have a word for
// every byte of a name, trigger and length, and the words of what was seen are
// hardly longer for it.
func TestRunCode(t *testing.T) {
	var seen tally
	seen.shared[9], seen.chars['a'] = 1<<20, 1<<20
	for _, c := range []*runCode{new(tally).code(), seen.code()} {
		for s := range symbols {
			if (rank[s] > 0 || 0 < s && s <= int(rule.Subtree)) && c.chars.length[s] == 0 {
				t.Errorf("No word for the byte %q", byte(s))
			}
			if s < dnsname.MaxLen && c.shared.length[s] == 0 {
				t.Errorf("No word for %d shared bytes", s)
			}
		}
	}
	if c := seen.code(); c.chars.length['a'] != 1 || c.shared.length[9] != 1 {
		t.Errorf("What alone was seen has words of %d and %d bits, want 1", c.chars.length['a'], c.shared.length[9])
	}
}

// TestPagesAgain takes pages, puts them back and takes them again: none is made
// while there is one, and none is handed out twice.
func TestPagesAgain(t *testing.T) {
	var room pages
	moves := 0
	room.moved = func() { moves++ }
	a, b := room.get(), room.get()
	room.put(a)
	room.put(b)
	c, d, e := room.get(), room.get(), room.get()
	if c != b || d != a || e == a || e == b {
		t.Errorf("%p and %p were put back; taken: %p, %p, %p", a, b, c, d, e)
	}
	if moves != 7 {
		t.Errorf("Told of %d moves, want 7", moves)
	}
	room.put(a)
	if room.drop(); room.get() == a {
		t.Error("A page came back after the room was emptied")
	}
}

// TestMergeOnPages merges runs: what comes of them lies on the pages that they
// leave, and no more than a few others.
func TestMergeOnPages(t *testing.T) {
	var r runs
	var room pages
	for _, name := range syntheticNames(20 * runNames) {
		r.add(name, rule.Subtree, &room)
	}
	before, runs := 0, len(r.sorted)
	for _, run := range r.sorted {
		before += len(run.pages)
	}
	names, s := r.take(&room)
	n := 0
	for range names {
		n++
	}
	if n != s.names || n != 20*runNames {
		t.Fatalf("%d names came back, %d counted, want %d", n, s.names, 20*runNames)
	}
	// Beside the pages of all runs, that of the last names among them, a page of
	// each run may be in use on both sides.
	if most := before + before/runs + 1 + runs; len(room.free) < before || len(room.free) > most {
		t.Errorf("%d pages in the end, want %d to %d", len(room.free), before, most)
	}
}
