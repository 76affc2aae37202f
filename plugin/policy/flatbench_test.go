package policy

import (
	"fmt"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// BenchmarkFlat goes through a flat zone of a million names.
func BenchmarkFlat(b *testing.B) {
	var builder set.Builder
	for i := range 1_000_000 {
		builder.Add(rule.Rule{Name: dnsname.Name(fmt.Sprintf("site-%x.example", i*7919)), Trigger: rule.Subtree, Action: rule.Block})
	}
	s, err := builder.Set()
	if err != nil {
		b.Fatal(err)
	}
	f := New(Config{Lists: []List{{Name: "l", Set: s}}}).Flat("")
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range f.All() {
			n++
		}
		if n != 2_000_000 {
			b.Fatalf("%d rules", n)
		}
	}
}
