package set

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// model is the naive twin of a Set: what a Set answers is whatever this does.
type model struct {
	block, pass map[dnsname.Name]rule.Trigger
	above       map[dnsname.Name]bool // names with an exception below
}

func newModel(rules []rule.Rule) model {
	m := model{map[dnsname.Name]rule.Trigger{}, map[dnsname.Name]rule.Trigger{}, map[dnsname.Name]bool{}}
	for _, r := range rules {
		switch r.Action {
		case rule.Block:
			m.block[r.Name] |= r.Trigger
		case rule.Pass:
			m.pass[r.Name] |= r.Trigger
			if r.Trigger&rule.Below != 0 {
				m.above[r.Name] = true
			}
			for p, ok := r.Name.Parent(); ok; p, ok = p.Parent() {
				m.above[p] = true
			}
		}
	}
	return m
}

func longest(t map[dnsname.Name]rule.Trigger, name dnsname.Name) (labels int, trigger rule.Trigger) {
	for s := range name.Suffixes() {
		need := rule.Below
		if s == name {
			need = rule.Exact
		}
		if t[s]&need != 0 {
			return s.Labels(), t[s]
		}
	}
	return 0, 0
}

func (m model) match(name dnsname.Name) Match {
	labels, trigger := longest(m.block, name)
	if labels == 0 {
		return Match{}
	}
	if pl, pt := longest(m.pass, name); pl >= labels {
		return Match{Action: rule.Pass, Trigger: pt, Labels: pl}
	}
	return Match{Action: rule.Block, Trigger: trigger, Labels: labels, Open: trigger == rule.Exact || m.above[name]}
}

func build(t testing.TB, rules []rule.Rule) *Set {
	t.Helper()
	var b Builder
	for _, r := range rules {
		b.Add(r)
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// match strips what the model does not know from a Match.
func match(s *Set, qname string) Match {
	var k Key
	k.Reset(qname)
	m := s.Match(&k)
	m.Proofs, m.Absent = 0, 0
	return m
}

// vocabulary is small, so that random names often meet each other's parents,
// children and neighbours.
var vocabulary = strings.Fields("a b ab ba a-b a_b aa bad badsite adsite badsites 0 00 x--y " +
	"twelve-chars abcdefgh abcdefghi abcdefghijklmnop " + strings.Repeat("l", 20))

func randomName(r *rand.Rand, deepest int) dnsname.Name {
	for {
		labels := make([]string, 1+r.IntN(deepest))
		for i := range labels {
			labels[i] = vocabulary[r.IntN(len(vocabulary))]
		}
		labels[len(labels)-1] = []string{"example", "test", "com"}[r.IntN(3)]
		if n, err := dnsname.Parse(strings.Join(labels, ".")); err == nil {
			return n
		}
	}
}

func randomRule(r *rand.Rand, deepest int) rule.Rule {
	a := rule.Block
	if r.IntN(8) == 0 {
		a = rule.Pass
	}
	return rule.Rule{Name: randomName(r, deepest), Trigger: rule.Trigger(1 + r.IntN(3)), Action: a}
}

// near returns names around a rule's: itself, below, above, beside.
func near(r *rand.Rand, n dnsname.Name) []dnsname.Name {
	out := []dnsname.Name{n, "www." + n, "x" + n, n[1:], n + "x", "a.b.c." + n}
	if p, ok := n.Parent(); ok {
		out = append(out, p, "other."+p)
	}
	if i := r.IntN(len(n)); n[i] == '.' {
		out = append(out, n[:i]+n[i+1:])
	} else {
		out = append(out, n[:i]+"."+n[i:])
	}
	return slices.DeleteFunc(out, func(c dnsname.Name) bool {
		p, err := dnsname.Parse(string(c))
		return err != nil || p != c
	})
}

// TestModel compares the set with its naive twin on random rules, random names
// and near misses, over sets from empty to many blocks, and beyond the depth
// that the filter knows.
func TestModel(t *testing.T) {
	asked := 0
	for round := range 160 {
		r := rand.New(rand.NewPCG(uint64(round), 1))
		deepest := []int{3, 5, 8, 3, 5, 8, 4, 40}[round%8]
		rules := make([]rule.Rule, r.IntN(1<<(round%11))+round%2)
		for i := range rules {
			rules[i] = randomRule(r, deepest)
		}
		s, m := build(t, rules), newModel(rules)
		if got, want := s.Len(), len(m.block)+len(m.pass); got != want {
			t.Fatalf("Round %d: Len() = %d, want %d", round, got, want)
		}
		check := func(n dnsname.Name) {
			asked++
			if got, want := match(s, n.FQDN()), m.match(n); got != want {
				t.Fatalf("Round %d: Match(%q) = %+v, want %+v", round, n, got, want)
			}
		}
		for _, ru := range rules {
			for _, n := range near(r, ru.Name) {
				check(n)
			}
		}
		for range 2000 {
			check(randomName(r, deepest))
		}
	}
	t.Logf("%d names compared", asked)
}

// TestLargeModel is the model test on a set of realistic size.
func TestLargeModel(t *testing.T) {
	names := syntheticNames(200_000)
	rules := make([]rule.Rule, len(names))
	in := make(map[dnsname.Name]bool, len(names))
	for i, n := range names {
		rules[i] = rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block}
		in[n] = true
	}
	s := build(t, rules)
	r := rand.New(rand.NewPCG(2, 2))
	asked := 0
	for _, n := range names {
		for _, q := range near(r, n) {
			want := 0
			for p := range q.Suffixes() {
				if in[p] {
					want = p.Labels()
					break
				}
			}
			asked++
			if m := match(s, q.FQDN()); m.Labels != want {
				t.Fatalf("Match(%q).Labels = %d, want %d", q, m.Labels, want)
			}
		}
	}
	t.Logf("%d names compared", asked)
}

func TestMatch(t *testing.T) {
	block := func(n dnsname.Name, tr rule.Trigger) rule.Rule {
		return rule.Rule{Name: n, Trigger: tr, Action: rule.Block}
	}
	pass := func(n dnsname.Name, tr rule.Trigger) rule.Rule {
		return rule.Rule{Name: n, Trigger: tr, Action: rule.Pass}
	}
	s := build(t, []rule.Rule{
		block("badsite.example", rule.Subtree),
		pass("help.badsite.example", rule.Subtree),
		block("worse.help.badsite.example", rule.Subtree),
		block("only.example", rule.Exact),
		block("under.example", rule.Below),
		block("two.example", rule.Exact), block("two.example", rule.Below),
		block("same.example", rule.Subtree), pass("same.example", rule.Exact),
		block("bare.example", rule.Subtree), pass("bare.example", rule.Below),
		block("", rule.Subtree), {Name: "none.example"}, // both ignored
	})
	tests := []struct {
		qname string
		want  Match
	}{
		{"badsite.example.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2, Open: true}},
		{"BadSite.EXAMPLE.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2, Open: true}},
		{"www.badsite.example.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2}},
		{"badsite.example", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2, Open: true}},
		{`\098adsite.example.`, Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2, Open: true}},
		{`\000.badsite.example.`, Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2}},
		{`www\.badsite.example.`, Match{}},
		{"notbadsite.example.", Match{}},
		{"badsite.example.org.", Match{}},
		{"adsite.example.", Match{}},
		{"help.badsite.example.", Match{Action: rule.Pass, Trigger: rule.Subtree, Labels: 3}},
		{"x.help.badsite.example.", Match{Action: rule.Pass, Trigger: rule.Subtree, Labels: 3}},
		{"worse.help.badsite.example.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 4}},
		{"only.example.", Match{Action: rule.Block, Trigger: rule.Exact, Labels: 2, Open: true}},
		{"www.only.example.", Match{}},
		{"under.example.", Match{}},
		{"a.b.under.example.", Match{Action: rule.Block, Trigger: rule.Below, Labels: 2}},
		{"two.example.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2}},
		{"bare.example.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2, Open: true}},
		{"www.bare.example.", Match{Action: rule.Pass, Trigger: rule.Below, Labels: 2}},
		{"same.example.", Match{Action: rule.Pass, Trigger: rule.Exact, Labels: 2}},
		{"www.same.example.", Match{Action: rule.Block, Trigger: rule.Subtree, Labels: 2}},
		{".", Match{}}, {"", Match{}}, {`bad\`, Match{}}, {"example.", Match{}},
		{strings.Repeat("a.", 200), Match{}},
	}
	for _, tt := range tests {
		if got := match(s, tt.qname); got != tt.want {
			t.Errorf("Match(%q) = %+v, want %+v", tt.qname, got, tt.want)
		}
	}
	if got := match(&Set{}, "badsite.example."); got != (Match{}) {
		t.Errorf("Empty set: %+v", got)
	}
}

// TestAll checks that a set gives back what was put in.
func TestAll(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	rules := make([]rule.Rule, 5000)
	for i := range rules {
		rules[i] = randomRule(r, 5)
	}
	m := newModel(rules)
	s := build(t, rules)
	n := 0
	for got := range s.All() {
		n++
		want := m.block[got.Name]
		if got.Action == rule.Pass {
			want = m.pass[got.Name]
		}
		if got.Trigger != want {
			t.Errorf("%v, want trigger %v", got, want)
		}
	}
	if n != s.Len() {
		t.Errorf("All() yields %d rules, Len() is %d", n, s.Len())
	}
	for range s.All() {
		break // stopping early must be possible
	}
}

// TestFalsePositives holds the filter to its promise: at most 1.5 % of the
// names that are not listed reach the exact set.
func TestFalsePositives(t *testing.T) {
	const promise = 0.015
	for _, n := range []int{100, 5_000, 200_000} {
		var b Builder
		for _, name := range syntheticNames(n) {
			b.Add(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block})
		}
		s, err := b.Set()
		if err != nil {
			t.Fatal(err)
		}
		const asked = 300_000
		proofs := 0
		var k Key
		for i := range asked {
			k.Reset(fmt.Sprintf("miss%d.example.", i))
			proofs += s.Match(&k).Proofs
		}
		rate := float64(proofs) / asked
		t.Logf("%d names: %.2f %% false positives", n, 100*rate)
		if rate > promise {
			t.Errorf("%d names: false positive rate %.4f, promised %.4f", n, rate, promise)
		}
	}
}

// TestNoAllocations covers the query path: misses, proofs of what is not there,
// hits, and the search for exceptions below.
func TestNoAllocations(t *testing.T) {
	s := build(t, []rule.Rule{
		{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "fine.badsite.example", Trigger: rule.Subtree, Action: rule.Pass},
	})
	for _, qname := range []string{"www.Example.COM.", "www.badsite.example.", "badsite.example.", "fine.badsite.example.", `a\.b.badsite.example.`} {
		if n := testing.AllocsPerRun(100, func() {
			var k Key
			k.Reset(qname)
			s.Match(&k)
			if m := s.block.prove(&k, 1<<k.labels-1); m.Proofs == 0 {
				t.Error("Nothing was looked up")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", qname, n)
		}
	}
}

func TestBuilderIsEmptyAfterSet(t *testing.T) {
	var b Builder
	b.Add(rule.Rule{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block})
	if s, err := b.Set(); err != nil || s.Len() != 1 {
		t.Fatalf("Set() = %v rules, %v", s.Len(), err)
	}
	if s, err := b.Set(); err != nil || s.Len() != 0 || s.Bytes() != 0 {
		t.Fatalf("Second Set() = %v rules, %v", s.Len(), err)
	}
}

// TestKey holds the hashing of eight bytes at a time against the plain meaning:
// the suffix of d labels has the hash of that suffix as a name of its own,
// whatever stands before it and in any letter case.
func TestKey(t *testing.T) {
	check := func(qname string) {
		var k Key
		k.Reset(qname)
		var text [dnsname.MaxLen]byte
		name := string(text[:max(0, dnsname.Fold(&text, qname))])
		if bytes.IndexByte([]byte(name), 0) >= 0 {
			return // a byte that no name holds
		}
		if strings.Contains("."+name+".", "..") && name != "" {
			return // no name: an empty label
		}
		for d := 1; name != "" && d <= k.labels; d++ {
			suffix := string(prefix(reverse(&text, []byte(name)), d))
			var own Key
			own.Reset(string(reverse(&text, []byte(suffix))))
			if own.labels != d || d <= depth && k.hash[d-1] != own.hash[d-1] {
				t.Fatalf("%q: the suffix of %d labels has %d, and the hash %x, as a name %x", qname, d, own.labels, k.hash[(d-1)%depth], own.hash[(d-1)%depth])
			}
		}
		if want := strings.Count(name, ".") + 1; k.labels != want && (name != "" || k.labels != 0) {
			t.Fatalf("%q: %d labels, want %d", qname, k.labels, want)
		}
	}
	for n := range dnsname.MaxLen + 3 {
		for _, unit := range []string{"a", "Z", "a.", "Ab-_9.", "aaaaaaa.", "bbbbbbbb.", "X.yyyyyyyyyyyyyyyy."} {
			check(strings.Repeat(unit, n)[:n])
			check(strings.Repeat(unit, n)[:n] + ".")
		}
	}
	for c := range 256 {
		for at := range 12 {
			b := []byte("abcd.efg.hij")
			b[at] = byte(c)
			check(string(b))
		}
	}
	for _, qname := range []string{"", ".", "..", `a\.b.example.`, `\065.example.`, `x\`, `\.`, strings.Repeat("a", 300)} {
		check(qname)
	}
}
