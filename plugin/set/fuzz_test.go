package set

import (
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// FuzzMatch builds a set of arbitrary names and asks it about an arbitrary
// query name: the answer is the model's.
func FuzzMatch(f *testing.F) {
	f.Add("badsite.example\nhelp.badsite.example 6", "www.BadSite.example.")
	f.Add("a.example 1\na.example 2\nb.a.example 7", `x\.b.a.example`)
	f.Add(strings.Repeat("l.", 60)+"example\n"+strings.Repeat("l.", 20)+"example 5", strings.Repeat("l.", 80)+"example.")
	f.Fuzz(func(t *testing.T, text, qname string) {
		var rules []rule.Rule
		var b Builder
		for line := range strings.Lines(text) {
			name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := dnsname.Parse(name)
			if err != nil {
				continue
			}
			r := rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block}
			if kind != "" { // 1 to 3: the trigger of a block; 5 to 7: of an exception
				r.Trigger = rule.Trigger(kind[0]-'0') & rule.Subtree
				if (kind[0]-'0')&4 != 0 {
					r.Action = rule.Pass
				}
			}
			if r.Trigger != 0 {
				if len(rules)%3 == 2 { // so that runs are merged
					b.block.put(&b.room)
					b.pass.put(&b.room)
				}
				rules = append(rules, r)
				b.Add(r)
			}
		}
		s, err := b.Set()
		if err != nil {
			t.Fatal(err)
		}
		m := newModel(rules)
		ask := func(n dnsname.Name) {
			if got, want := match(s, n.FQDN()), m.match(n); got != want {
				t.Errorf("%q: %+v, want %+v, of %v", n, got, want, rules)
			}
		}
		for _, r := range rules {
			ask(r.Name)
		}
		if n, err := dnsname.Parse(qname); err == nil {
			ask(n)
		}
		match(s, qname) // whatever it is
	})
}
