package set

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// BenchmarkLayout compares the layout of this package with others that could
// hold the same names exactly, each behind a Bloom filter. It is what decided;
// docs/architecture.md has the figures.
func BenchmarkLayout(b *testing.B) {
	for _, n := range []int{5_000, 500_000, 5_000_000} {
		if testing.Short() && n > 500_000 {
			continue
		}
		names := syntheticNames(n)
		for _, l := range layouts {
			b.Run(fmt.Sprintf("%s/%d", l.name, n), func(b *testing.B) { benchmarkLayout(b, l, names) })
		}
	}
}

// layout is one way to hold names: build returns how a query name is looked up.
type layout struct {
	name  string
	build func([]dnsname.Name) (listed func(string) bool)
}

var layouts = []layout{
	{"library-filter+map", mapLayout},
	{"our-filter+sorted-arena", arenaLayout},
	{"our-filter+front-coding", setLayout},
}

// benchmarkLayout measures the memory of a layout, then misses and hits.
func benchmarkLayout(b *testing.B, l layout, names []dnsname.Name) {
	before := heap()
	listed := l.build(names)
	size := heap() - before
	r := rand.New(rand.NewPCG(1, 1))
	hits := make([]string, 1<<16)
	for i := range hits {
		hits[i] = "www." + names[r.IntN(len(names))].FQDN()
	}
	misses := queries(1 << 20)
	for _, way := range []struct {
		name string
		ask  []string
		want bool
	}{{"miss", misses, false}, {"hit", hits, true}} {
		b.Run(way.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if listed(way.ask[i&(len(way.ask)-1)]) != way.want {
					b.Fatal("Wrong: " + way.ask[i&(len(way.ask)-1)])
				}
				i++
			}
			b.ReportMetric(float64(size)/float64(len(names)), "B/name")
		})
	}
	runtime.KeepAlive(listed)
	runtime.KeepAlive(names)
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// eachSuffix asks about a name and its parents, in lower case.
func eachSuffix(qname string, listed func(string) bool) bool {
	name := strings.TrimSuffix(strings.ToLower(qname), ".")
	for {
		if listed(name) {
			return true
		}
		_, parent, ok := strings.Cut(name, ".")
		if !ok || !strings.Contains(parent, ".") {
			return false
		}
		name = parent
	}
}

// mapLayout is what most filters written in Go do, behind the filter library
// as it comes.
func mapLayout(names []dnsname.Name) func(string) bool {
	f := bloom.NewWithEstimates(uint(len(names)), 0.01)
	m := make(map[string]struct{}, len(names))
	for _, n := range names {
		f.AddString(string(n))
		m[strings.Clone(string(n))] = struct{}{}
	}
	return func(qname string) bool {
		return eachSuffix(qname, func(s string) bool {
			if !f.TestString(s) {
				return false
			}
			_, ok := m[s]
			return ok
		})
	}
}

// arenaLayout holds the sorted names one after the other, with an offset each.
func arenaLayout(names []dnsname.Name) func(string) bool {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	var arena []byte
	offsets := make([]uint32, 0, len(sorted)+1)
	hashes := make([]uint64, 0, len(sorted))
	for _, n := range sorted {
		offsets = append(offsets, uint32(len(arena)))
		arena = append(arena, n...)
		var k Key
		k.Reset(string(n))
		hashes = append(hashes, k.hash[k.labels-1])
	}
	offsets = append(offsets, uint32(len(arena)))
	arena = slices.Clip(arena)
	f := newFilter(len(hashes), slices.Values(hashes))
	at := func(i int) []byte { return arena[offsets[i]:offsets[i+1]] }
	return func(qname string) bool {
		var k Key
		k.Reset(qname)
		name := strings.TrimSuffix(qname, ".")
		for d := k.labels; d > 1; d-- {
			if f.test(k.hash[d-1]) != 0 {
				want := []byte(name)
				lo, hi := 0, len(offsets)-1
				for lo < hi {
					if mid := (lo + hi) / 2; bytes.Compare(at(mid), want) < 0 {
						lo = mid + 1
					} else {
						hi = mid
					}
				}
				if lo < len(offsets)-1 && bytes.Equal(at(lo), want) {
					return true
				}
			}
			_, name, _ = strings.Cut(name, ".")
		}
		return false
	}
}

// setLayout is the Set.
func setLayout(names []dnsname.Name) func(string) bool {
	var b Builder
	for _, n := range names {
		b.Add(rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block})
	}
	s, err := b.Set()
	if err != nil {
		panic(err)
	}
	return func(qname string) bool {
		var k Key
		k.Reset(qname)
		return s.Match(&k).Action == rule.Block
	}
}
