package directive

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
)

// BenchmarkLoad reads lists from text the way a server does: scanned, guarded,
// built into a set.
func BenchmarkLoad(b *testing.B) {
	guard, err := Guard()
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{5_000, 500_000, 1_000_000, 5_000_000} {
		if testing.Short() && n > 1_000_000 {
			continue
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := listText(n)
			b.ReportAllocs()
			for b.Loop() {
				l, err := feed.Load(bytes.NewReader(text), time.Time{}, feed.LoadConfig{File: "bench", Check: guard})
				if err != nil || l.Stats.Rules != n {
					b.Fatalf("%d rules, %v", l.Stats.Rules, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/name")
		})
	}
}

// listText returns a plain list of n names of about 17 bytes.
func listText(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	syllables := strings.Fields("an ar ba be bi bo ca ce co da de di do el en er fa fi ga go ha he in ka la le li lo ma me mo na ne no on pa pe ra re ri ro sa se so ta te ti to tra un va ve wa xa za zo")
	tlds := strings.Fields("com com com com com net net org io app xyz info online de co.uk")
	var b bytes.Buffer
	for i := range n {
		for range 3 {
			b.WriteString(syllables[r.IntN(len(syllables))])
		}
		fmt.Fprintf(&b, "%x.%s\n", i, tlds[r.IntN(len(tlds))])
	}
	return b.Bytes()
}
