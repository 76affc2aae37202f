package set

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

var syllables = strings.Fields("an ar ba be bi bo ca ce co da de di do el en er fa fi ga go ha he in ka ki la le li lo ma me mi mo " +
	"na ne no on or pa pe po ra re ri ro sa se so ta te ti to tra un va ve vi wa xa ya zo")

var topLevels = strings.Fields("com com com com com com com net net org io app xyz info online ru de top site co.uk com.br")

// syntheticNames returns n different names.
func syntheticNames(n int) []dnsname.Name {
	seen := make(map[dnsname.Name]bool, n)
	out := make([]dnsname.Name, 0, n)
	for name := range realistic(n) {
		if !seen[name] {
			seen[name] = true
			if out = append(out, name); len(out) == n {
				break
			}
		}
	}
	return out
}

// realistic yields names of about 16 bytes without end, the same for the same
// seed, a few of them more than once: mostly registered domains, some hosts,
// some of them many below one domain.
func realistic(seed int) iter.Seq[dnsname.Name] {
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	shared := "shared.example"
	return func(yield func(dnsname.Name) bool) {
		for {
			var b strings.Builder
			for range 2 + r.IntN(4) {
				b.WriteString(syllables[r.IntN(len(syllables))])
			}
			switch r.IntN(10) {
			case 0:
				fmt.Fprintf(&b, "%d", r.IntN(10000))
			case 1:
				b.WriteString("-" + syllables[r.IntN(len(syllables))])
			}
			name := b.String() + "." + topLevels[r.IntN(len(topLevels))]
			switch r.IntN(10) {
			case 0:
				name = "www." + name
			case 1:
				name = b.String() + "." + shared
			case 2:
				if r.IntN(50) == 0 {
					shared = name
				}
			}
			if !yield(dnsname.Name(name)) {
				return
			}
		}
	}
}

var sizes = []int{5_000, 500_000, 1_000_000, 5_000_000}

// each runs f for every size, with the set of that size built once.
func each(b *testing.B, f func(b *testing.B, s *Set, names []dnsname.Name)) {
	for _, n := range sizes {
		if testing.Short() && n > 1_000_000 {
			continue
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			names := syntheticNames(n)
			f(b, setOf(b, names), names)
		})
	}
}

func setOf(b *testing.B, names []dnsname.Name) *Set {
	var bu Builder
	for _, n := range names {
		bu.Add(rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block})
	}
	s, err := bu.Set()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// queries returns names that are not listed, of four labels, so three suffixes
// of each are probed: no list has a rule for a top-level domain.
func queries(n int) []string {
	r := rand.New(rand.NewPCG(9, uint64(n)))
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("www.%s.%s%d.%s.", syllables[r.IntN(len(syllables))], syllables[r.IntN(len(syllables))], r.IntN(1<<30), topLevels[r.IntN(9)])
	}
	return out
}

func benchmarkMiss(b *testing.B, different int) {
	each(b, func(b *testing.B, s *Set, _ []dnsname.Name) {
		qs := queries(different)
		b.ReportAllocs()
		i, found := 0, 0
		for b.Loop() {
			var k Key
			k.Reset(qs[i&(different-1)])
			found += s.Match(&k).Labels
			i++
		}
		if found != 0 {
			b.Fatalf("%d labels found", found)
		}
	})
}

// BenchmarkMissCold asks a million different names that are not listed.
func BenchmarkMissCold(b *testing.B) { benchmarkMiss(b, 1<<20) }

// BenchmarkMissHot asks the same 4,096.
func BenchmarkMissHot(b *testing.B) { benchmarkMiss(b, 1<<12) }

// BenchmarkHit asks listed names below www, in random order.
func BenchmarkHit(b *testing.B) {
	each(b, func(b *testing.B, s *Set, names []dnsname.Name) {
		r := rand.New(rand.NewPCG(1, 1))
		qs := make([]string, 1<<18)
		for i := range qs {
			qs[i] = "www." + names[r.IntN(len(names))].FQDN()
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			var k Key
			k.Reset(qs[i&(len(qs)-1)])
			if s.Match(&k).Labels == 0 {
				b.Fatal("A listed name was not found: " + qs[i&(len(qs)-1)])
			}
			i++
		}
	})
}

// BenchmarkBuild makes a set of names that are in memory.
func BenchmarkBuild(b *testing.B) {
	each(b, func(b *testing.B, _ *Set, names []dnsname.Name) {
		b.ReportAllocs()
		for b.Loop() {
			s := setOf(b, names)
			b.ReportMetric(float64(s.Bytes())/float64(s.Len()), "B/name")
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(names)), "ns/name")
		runtime.GC()
	})
}

// BenchmarkBuildMemory makes a set of names that come one by one while another
// set of the same size serves, as in a reload, and reports the peaks of the
// heap, the serving set included: what is allocated, what the collector found
// alive, and what the system gave for it. Beside it does the same a builder
// that holds all names until it is asked for the set.
func BenchmarkBuildMemory(b *testing.B) {
	for _, n := range sizes[1:] {
		if testing.Short() && n > 1_000_000 {
			continue
		}
		b.Run(fmt.Sprintf("plain/%d", n), func(b *testing.B) { benchmarkMemory(b, n, func() adder { return new(plainBuilder) }) })
		b.Run(fmt.Sprintf("runs/%d", n), func(b *testing.B) { benchmarkMemory(b, n, func() adder { return new(Builder) }) })
	}
}

func benchmarkMemory(b *testing.B, n int, builder func() adder) {
	serving := buildNames(b, builder(), n)
	var top peak
	for b.Loop() {
		debug.FreeOSMemory()
		top = top.or(watch(func() { buildNames(b, builder(), n) }))
	}
	b.ReportMetric(mb(serving.Bytes()), "set-MB")
	b.ReportMetric(mb(int(top.inUse)), "peak-MB")
	b.ReportMetric(mb(int(top.live)), "live-MB")
	b.ReportMetric(mb(int(top.sys)), "sys-MB")
	b.ReportMetric(float64(top.inUse)/float64(serving.Len()), "B/name")
}

// adder is a Builder or its naive twin.
type adder interface {
	Add(rule.Rule)
	Set() (*Set, error)
}

// buildNames builds a set of n realistic names, none of which it keeps.
func buildNames(t testing.TB, b adder, n int) *Set {
	t.Helper()
	for name := range realistic(n) {
		b.Add(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block})
		if n--; n == 0 {
			break
		}
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// peak is the most that the heap held of something, in bytes.
type peak struct {
	inUse uint64 // objects, and the room between them
	live  uint64 // objects that the garbage collector kept
	sys   uint64 // memory that the system gave and has not got back
}

// watch looks at the heap a thousand times a second while f runs.
func watch(f func()) peak {
	done, top := make(chan struct{}), make(chan peak)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		p := look()
		for {
			select {
			case <-tick.C:
				p = p.or(look())
			case <-done:
				top <- p.or(look())
				return
			}
		}
	}()
	f()
	close(done)
	return <-top
}

func look() peak {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	inUse := s[0].Value.Uint64() + s[1].Value.Uint64()
	return peak{inUse, s[2].Value.Uint64(), inUse + s[3].Value.Uint64()}
}

func (p peak) or(o peak) peak {
	return peak{max(p.inUse, o.inUse), max(p.live, o.live), max(p.sys, o.sys)}
}

func mb(bytes int) float64 { return float64(bytes) / 1e6 }
