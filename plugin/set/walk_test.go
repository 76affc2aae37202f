package set

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// walked returns what Walk yields, as text with a dot behind each name.
func walked(s *Set, a rule.Action) (names []string) {
	for name, trigger := range s.Walk(a) {
		names = append(names, fmt.Sprintf("%s. %v", name, trigger))
	}
	return names
}

func TestWalk(t *testing.T) {
	var b Builder
	for _, name := range []dnsname.Name{"ample.org", "www.ample.org", "x-ample.org", "y.x-ample.org", "-ample.org", "z--ample.org", "mple.org", "a.org"} {
		b.Add(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block})
	}
	b.Add(rule.Rule{Name: "b.org", Trigger: rule.Exact, Action: rule.Pass})
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("gro.a. gro.elpm. gro.elpma--z. gro.elpma-. gro.elpma-x. gro.elpma-x.y. gro.elpma. gro.elpma.www.")
	for i := range want {
		want[i] += " subtree"
	}
	if got := walked(s, rule.Block); !slices.Equal(got, want) {
		t.Errorf("Walk yields\n%q, want\n%q", got, want)
	}
	if got := walked(s, rule.Pass); !slices.Equal(got, []string{"gro.b. exact"}) {
		t.Errorf("Of the exceptions, Walk yields %q", got)
	}
	for range s.Walk(rule.Block) { // may be left
		break
	}
	if got := walked(new(Set), rule.Block); got != nil {
		t.Errorf("Of the empty set, Walk yields %q", got)
	}
}

// TestWalkModel holds the walk through sets of names that begin alike, out of few
// letters, against sorting them.
func TestWalkModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var b Builder
		want := map[string]bool{}
		for range 1 + r.IntN(200) {
			var name []byte
			for range 1 + r.IntN(12) {
				name = append(name, "ab-."[r.IntN(4)])
			}
			n, err := dnsname.Parse(string(name) + "b")
			if err != nil {
				continue
			}
			b.Add(rule.Rule{Name: n, Trigger: rule.Below, Action: rule.Block})
			text := []byte(n)
			slices.Reverse(text)
			want[string(text)+". below"] = true
		}
		s, err := b.Set()
		if err != nil {
			t.Fatal(err)
		}
		got := walked(s, rule.Block)
		if !slices.IsSorted(got) || len(got) != len(want) || slices.ContainsFunc(got, func(name string) bool { return !want[name] }) {
			t.Fatalf("Walk yields %q of %v", got, want)
		}
	}
}
