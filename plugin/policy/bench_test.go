package policy

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// BenchmarkDecide asks policies of lists with 100,000 names each.
func BenchmarkDecide(b *testing.B) {
	client := netip.MustParseAddr("192.0.2.1")
	for _, lists := range []int{1, 8} {
		p := benchPolicy(b, lists)
		for _, tt := range []struct{ name, qname string }{
			{"miss", "www.Example.ORG."},
			{"hit", fmt.Sprintf("www.n1.l%d.example.", lists-1)}, // of the last list
		} {
			b.Run(fmt.Sprintf("%s/lists=%d", tt.name, lists), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(tt.qname, client)
				}
			})
		}
	}
}

func benchPolicy(b *testing.B, lists int) *Policy {
	c := Config{}
	for l := range lists {
		rules := make([]rule.Rule, 100_000)
		for i := range rules {
			rules[i] = rule.Rule{Name: dnsname.Name(fmt.Sprintf("n%d.l%d.example", i, l)), Trigger: rule.Subtree, Action: rule.Block}
		}
		c.Lists = append(c.Lists, List{Name: fmt.Sprint("l", l), Set: setOf(b, rules), Counter: new(Counter)})
	}
	return New(c)
}
