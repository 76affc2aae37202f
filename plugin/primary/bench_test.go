package primary

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// million returns a content of a million names, and some more.
func million(b *testing.B, more int) Content {
	b.Helper()
	var builder set.Builder
	for i := range 1_000_000 + more {
		builder.Add(rule.Rule{Name: dnsname.Name(fmt.Sprintf("site-%x.example", i*7919)), Trigger: rule.Subtree, Action: rule.Block})
	}
	s, err := builder.Set()
	if err != nil {
		b.Fatal(err)
	}
	return Content{Rules: policy.New(policy.Config{Lists: []policy.List{{Name: "l", Set: s}}}).Flat("")}
}

// BenchmarkEdition compares an edition of a million names with the next.
func BenchmarkEdition(b *testing.B) {
	p := newPublished(b, b.TempDir())
	contents := []Content{million(b, 0), million(b, 500)}
	p.say(contents[1])
	i := 0
	for b.Loop() {
		p.say(contents[i%2])
		i++
	}
}

// BenchmarkFull transfers a million names as a whole, and reports what of the heap
// is in use half-way.
func BenchmarkFull(b *testing.B) {
	p := newPublished(b, "")
	p.say(million(b, 0))
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		ch, err := p.Transfer(0)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for rrs := range ch {
			if n += len(rrs); n < 1_000_000 && n+len(rrs) >= 1_000_000 {
				runtime.GC()
				runtime.ReadMemStats(&during)
			}
		}
		if n != 2_000_003 {
			b.Fatalf("%d records", n)
		}
	}
	b.ReportMetric((float64(during.HeapAlloc)-float64(before.HeapAlloc))/1e6, "MB-more-alive")
}
