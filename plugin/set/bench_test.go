package set

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

var syllables = strings.Fields("an ar ba be bi bo ca ce co da de di do el en er fa fi ga go ha he in ka ki la le li lo ma me mi mo " +
	"na ne no on or pa pe po ra re ri ro sa se so ta te ti to tra un va ve vi wa xa ya zo")

var topLevels = strings.Fields("com com com com com com com net net org io app xyz info online ru de top site co.uk com.br")

// syntheticNames returns n different names of about 16 bytes: mostly registered
// domains, some hosts, some of them many below one domain.
func syntheticNames(n int) []dnsname.Name {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	seen := make(map[string]bool, n)
	out := make([]dnsname.Name, 0, n)
	shared := "shared.example"
	for len(out) < n {
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
		if !seen[name] {
			seen[name] = true
			out = append(out, dnsname.Name(name))
		}
	}
	return out
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

// queries returns names of three labels that are not listed, so two or three
// suffixes each are probed.
func queries(n int) []string {
	r := rand.New(rand.NewPCG(9, uint64(n)))
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("www.%s%d.%s.", syllables[r.IntN(len(syllables))], r.IntN(1<<30), topLevels[r.IntN(9)])
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
