package list

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// someEntries yields n entries in order, and calls watch now and then.
func someEntries(n int, watch func()) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range n {
			name := fmt.Appendf(nil, "%07d", i) // read from its end, so that the order is that of the numbers
			for a, b := 0, len(name)-1; a < b; a, b = a+1, b-1 {
				name[a], name[b] = name[b], name[a]
			}
			if i%(n/4) == n/8 && watch != nil {
				watch()
			}
			if !yield(Entry{Name: dnsname.Name(name) + "-x.example", Block: rule.Subtree}) {
				return
			}
		}
	}
}

// setShare has hashes and databases written in rounds of so many.
func setShare(t *testing.T, n int) {
	before := share
	share = n
	t.Cleanup(func() { share = before })
}

// TestWriteRounds has hashes and databases written in one round and in many: the
// bytes are the same.
func TestWriteRounds(t *testing.T) {
	for _, to := range []Target{ToHashes, ToCDB} {
		var want []byte
		for _, n := range []int{1 << 20, 5000, 4999, 300} {
			setShare(t, n)
			var out bytes.Buffer
			if _, err := Write(&out, someEntries(5000, nil), WriteConfig{To: to}); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = out.Bytes()
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%v in rounds of %d: other bytes", to, n)
			}
		}
	}
}

// TestWriteMemory looks how much is alive while lists are written: no more for a
// long one than for a short one.
func TestWriteMemory(t *testing.T) {
	const promise = 1 << 20
	setShare(t, 10_000)
	for _, to := range Targets() {
		for _, n := range []int{10_000, 80_000} {
			before, top, looks := alive(), 0, 0
			watch := func() { top, looks = max(top, alive()-before), looks+1 }
			if _, err := Write(io.Discard, someEntries(n, watch), WriteConfig{To: to}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%v, %d names: at most %d KiB alive", to, n, top>>10)
			if top > promise || top < 16<<10 || looks < 8 {
				t.Errorf("%v, %d names: %d bytes alive, promised %d; looked %d times", to, n, top, promise, looks)
			}
		}
	}
}

// alive returns the bytes of the heap that are in use.
func alive() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestWriteOpenedLimit has as many exceptions without room as are held, and one more.
func TestWriteOpenedLimit(t *testing.T) {
	before := maxOpened
	maxOpened = 3
	t.Cleanup(func() { maxOpened = before })
	for n, want := range map[int]error{3: nil, 4: ErrException} {
		var all []Entry
		for i := range n {
			block := dnsname.Name(fmt.Sprintf("%d.example", i))
			long := dnsname.Name(strings.Repeat(strings.Repeat("a", 49)+".", 4)+strings.Repeat("b", 40)+".") + block
			all = append(all, Entry{Name: block, Block: rule.Subtree, Open: true}, Entry{Name: long, Pass: rule.Subtree})
		}
		done, err := Write(io.Discard, slices.Values(all), WriteConfig{To: ToRPZ})
		if !errors.Is(err, want) || err == nil && done.Loss != (Loss{Narrowed: n, Exceptions: n}) {
			t.Errorf("%d exceptions: %+v, %v", n, done, err)
		}
	}
}
