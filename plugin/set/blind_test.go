package set

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// refusals refuses the names it holds.
type refusals map[dnsname.Name]bool

var errRefused = errors.New("refused")

func (p refusals) Check(r rule.Rule) error {
	if r.Trigger != rule.Subtree || r.Action != rule.Block {
		return fmt.Errorf("asked about %v", r)
	}
	if p[r.Name] {
		return errRefused
	}
	return nil
}

func randomSalt(r *rand.Rand) (s rule.Salt) {
	for i := range s {
		s[i] = byte(r.Uint32())
	}
	return s
}

// blinded builds the set of a blinded list of the names.
func blinded(t testing.TB, salt rule.Salt, check Checker, names []dnsname.Name) *Set {
	t.Helper()
	b := BlindBuilder{Salt: salt, Check: check}
	for _, n := range names {
		b.Add(rule.HashName(salt, n))
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBlindModel compares blinded sets with the naive twin of the plain list
// that holds the same names, but for those that are refused, that are a
// top-level domain or that have too many labels.
func TestBlindModel(t *testing.T) {
	asked, hits := 0, 0
	for round := range 120 {
		r := rand.New(rand.NewPCG(uint64(round), 5))
		deepest := []int{3, 5, 8, 20}[round%4]
		refused := refusals{}
		var listed []dnsname.Name
		var rules []rule.Rule
		for range r.IntN(1<<(round%12)) + round%2 {
			n := randomName(r, deepest)
			listed = append(listed, n)
			if r.IntN(4) == 0 {
				refused[n] = true
			}
		}
		for _, n := range listed {
			if labels := n.Labels(); !refused[n] && labels >= rule.MinHashLabels && labels <= rule.MaxHashLabels {
				rules = append(rules, rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block})
			}
		}
		s, m := blinded(t, randomSalt(r), refused, listed), newModel(rules)
		slices.Sort(listed)
		if got, want := s.Len(), len(slices.Compact(slices.Clone(listed))); got != want {
			t.Fatalf("Round %d: Len() = %d, want %d", round, got, want)
		}
		check := func(n dnsname.Name) {
			asked++
			want := m.match(n)
			if got := match(s, n.FQDN()); got != want {
				t.Fatalf("Round %d: Match(%q) = %+v, want %+v", round, n, got, want)
			}
			if want.Labels > 0 {
				hits++
			}
		}
		for _, n := range listed {
			for _, q := range near(r, n) {
				check(q)
			}
		}
		for range 500 {
			check(randomName(r, deepest))
		}
	}
	t.Logf("%d names compared, %d of them blocked", asked, hits)
}

func TestBlindMatch(t *testing.T) {
	salt := rule.Salt{1, 2, 3}
	deep := strings.Repeat("d.", rule.MaxHashLabels-1) + "example"
	s := blinded(t, salt, refusals{"shared.example": true}, []dnsname.Name{
		"badsite.example", "shared.example", "badsite.shared.example", "com", dnsname.Name(deep), dnsname.Name("e." + deep),
		// What no plain list could block, whoever hashed it.
		"BadSite.org", "a\x00b.example", "odd name.example", "dot.example.", "192.0.2.1", "xn--zzzzzz-.example", ".empty.example",
		dnsname.Name(strings.Repeat("l", 64)) + ".example",
	})
	block := func(labels int) Match { return Match{Action: rule.Block, Trigger: rule.Subtree, Labels: labels} }
	tests := []struct {
		qname string
		want  Match
	}{
		{"badsite.example.", block(2)},
		{"WWW.BadSite.EXAMPLE", block(2)},
		{`\098adsite.example.`, block(2)},
		{`\000.badsite.example.`, block(2)},
		{`www\.badsite.example.`, Match{}},
		{"notbadsite.example.", Match{}},
		{"badsite.example.org.", Match{}},
		{"shared.example.", Match{}},
		{"www.shared.example.", Match{}},
		{"www.badsite.shared.example.", block(3)},
		{"com.", Match{}}, {"example.com.", Match{}},
		{deep, block(rule.MaxHashLabels)},
		{"e." + deep, block(rule.MaxHashLabels)}, // by the shorter one: the longer has too many labels
		{strings.Repeat("x.", 50) + deep, block(rule.MaxHashLabels)},
		{strings.Repeat("x.", 50) + "badsite.example.", block(2)},
		{"badsite.org.", Match{}},
		{`a\000b.example.`, Match{}},
		{`a\255b.example.`, Match{}}, // folds to the same
		{`odd\032name.example.`, Match{}},
		{"192.0.2.1.", Match{}},
		{"xn--zzzzzz-.example.", Match{}},
		{"dot.example.", Match{}}, {"dot.example..", Match{}},
		{".empty.example.", Match{}},
		{strings.Repeat("l", 64) + ".example.", Match{}},
		{".", Match{}}, {"", Match{}}, {`bad\`, Match{}}, {"example.", Match{}},
		{strings.Repeat("a.", 200), Match{}},
	}
	for _, tt := range tests {
		if got := match(s, tt.qname); got != tt.want {
			t.Errorf("Match(%q) = %+v, want %+v", tt.qname, got, tt.want)
		}
		var k Key
		k.Reset(tt.qname)
		if s.Passes(&k) != (Match{}) || s.PassBelow(&k) {
			t.Errorf("%q has an exception", tt.qname)
		}
	}
}

// TestBlindProofs: what the filter let through is counted, and of that what is
// not blocked.
func TestBlindProofs(t *testing.T) {
	s := blinded(t, rule.Salt{}, refusals{"shared.example": true}, []dnsname.Name{"badsite.example", "shared.example"})
	for qname, want := range map[string]Match{
		"badsite.example": {Proofs: 1}, "shared.example": {Proofs: 1, Absent: 1}, "example": {},
	} {
		var k Key
		k.Reset(qname)
		if got := s.Match(&k); got.Proofs != want.Proofs || got.Absent != want.Absent {
			t.Errorf("%s: %+v, want %d proofs, %d of them in vain", qname, got, want.Proofs, want.Absent)
		}
	}
	s = blinded(t, rule.Salt{}, nil, syntheticNames(20_000))
	const asked = 100_000
	proofs := 0
	for i := range asked {
		var k Key
		k.Reset(fmt.Sprintf("miss%d.example.", i))
		m := s.Match(&k)
		if m.Proofs != m.Absent {
			t.Fatalf("%s: %+v", k.qname, m)
		}
		proofs += m.Proofs
	}
	if rate := float64(proofs) / asked; rate == 0 || rate > 0.015 {
		t.Errorf("False positive rate %.4f, promised at most 0.015", rate)
	}
}

// TestBlindSet: a blinded set counts its hashes, and has no names to give.
func TestBlindSet(t *testing.T) {
	s := blinded(t, rule.Salt{}, nil, []dnsname.Name{"b.example", "a.example", "b.example"})
	if !s.Blinded() || new(Set).Blinded() {
		t.Error("Blinded() is wrong")
	}
	if s.Len() != 2 {
		t.Errorf("Len() = %d, want 2", s.Len())
	}
	for r := range s.All() {
		t.Errorf("All() yields %v", r)
	}
	if got := match(s, "a.example."); got.Labels != 2 {
		t.Errorf("Without a Checker: %+v", got)
	}
	names := syntheticNames(100_000)
	s = blinded(t, rule.Salt{}, nil, names)
	if b, want := float64(s.Bytes())/float64(s.Len()), 16+bitsPerName/8.0; b < want-0.1 || b > want+0.1 {
		t.Errorf("%.1f bytes a name, want 16 and the filter, %.1f", b, want)
	}
	var b BlindBuilder
	if s, err := b.Set(); err != nil || s.Len() != 0 || match(s, "a.example.") != (Match{}) {
		t.Errorf("The empty list: %d hashes, %v", s.Len(), err)
	}
}

// TestBlindSkewed: what stands in a list need not be a hash of anything.
func TestBlindSkewed(t *testing.T) {
	var b BlindBuilder
	var all []rule.Hash
	for i := range 70_000 {
		h := rule.Hash{12: byte(i >> 16), 13: byte(i >> 8), 14: byte(i), 15: 1}
		if i%7 == 0 {
			h[0] = 0xff
		}
		all = append(all, h)
		b.Add(h)
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if !s.blind.holds(h) {
			t.Fatalf("%v is missing", h)
		}
		h[15] = 2
		if s.blind.holds(h) {
			t.Fatalf("%v is held", h)
		}
	}
}

func TestBlindFull(t *testing.T) {
	b := BlindBuilder{n: maxHashes - 1}
	b.Add(rule.Hash{1})
	b.Add(rule.Hash{2})
	if _, err := b.Set(); !errors.Is(err, ErrFull) {
		t.Errorf("One hash too many: %v", err)
	}
	if len(b.chunks) != 0 {
		t.Error("The builder is not empty afterwards")
	}
	b.Add(rule.Hash{3})
	if s, err := b.Set(); err != nil || s.Len() != 1 {
		t.Errorf("The next set: %d hashes, %v", s.Len(), err)
	}
}

// TestBlindAllocations: misses allocate nothing, a name that is found at most
// its own text.
func TestBlindAllocations(t *testing.T) {
	s := blinded(t, rule.Salt{}, refusals{"shared.example": true}, []dnsname.Name{"badsite.example", "shared.example"})
	for qname, want := range map[string]float64{
		"www.Example.COM.": 0, `a\.b.example.`: 0, strings.Repeat("a.", 126): 0, strings.Repeat("aaaaaaaaaaaaaaa.", 15): 0,
		"www.badsite.example.": 1, "www.shared.example.": 1,
	} {
		if n := testing.AllocsPerRun(100, func() {
			var k Key
			k.Reset(qname)
			s.Match(&k)
		}); n != want {
			t.Errorf("%s: %v allocations, want %v", qname, n, want)
		}
	}
}

// FuzzBlindMatch holds a blinded set against the plain set of the same names.
func FuzzBlindMatch(f *testing.F) {
	f.Add("badsite.example\nhelp.badsite.example", "www.BadSite.example.", []byte("salt"))
	f.Add("a.example\nb.a.example\ncom", `x\.b.a.example`, []byte{})
	f.Add(strings.Repeat("l.", 60)+"example\n"+strings.Repeat("l.", 14)+"example", strings.Repeat("l.", 80)+"example.", []byte{0})
	f.Fuzz(func(t *testing.T, text, qname string, random []byte) {
		var salt rule.Salt
		copy(salt[:], random)
		blind := BlindBuilder{Salt: salt}
		var plain Builder
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\r\n")
			blind.Add(rule.HashName(salt, line)) // be it a name or not
			n, err := dnsname.Parse(line)
			if labels := n.Labels(); err == nil && string(n) == line && labels >= rule.MinHashLabels && labels <= rule.MaxHashLabels {
				plain.Add(rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block})
			}
		}
		b, err := blind.Set()
		if err != nil {
			t.Fatal(err)
		}
		p, err := plain.Set()
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range append(strings.Split(text, "\n"), qname, "x."+qname) {
			if got, want := match(b, q), match(p, q); got != want {
				t.Errorf("Match(%q) = %+v, the plain set says %+v", q, got, want)
			}
		}
	})
}

// BenchmarkBlindMiss asks a million different names of three labels that are
// not listed.
func BenchmarkBlindMiss(b *testing.B) {
	for _, n := range sizes[:3] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := blinded(b, rule.Salt{1}, nil, syntheticNames(n))
			benchmarkBlind(b, s, queries(1<<20))
			b.ReportMetric(float64(s.Bytes())/float64(s.Len()), "B/name")
		})
	}
}

// BenchmarkBlindDeep asks the most costly name that there is.
func BenchmarkBlindDeep(b *testing.B) {
	s := blinded(b, rule.Salt{1}, nil, syntheticNames(1000))
	benchmarkBlind(b, s, []string{strings.Repeat("aaaaaaaaaaaaaaa.", 15) + "example.xy."})
}

func benchmarkBlind(b *testing.B, s *Set, qs []string) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		var k Key
		k.Reset(qs[i&(len(qs)-1)])
		if s.Match(&k).Labels != 0 {
			b.Fatal("A name was found that is not listed")
		}
		i++
	}
}

// BenchmarkBlindHit asks for listed names below www, in random order.
func BenchmarkBlindHit(b *testing.B) {
	for _, n := range sizes[:3] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			names := syntheticNames(n)
			s := blinded(b, rule.Salt{1}, nil, names)
			r := rand.New(rand.NewPCG(1, 1))
			b.ReportAllocs()
			for b.Loop() {
				var k Key
				k.Reset("www." + string(names[r.IntN(n)]))
				if s.Match(&k).Labels == 0 {
					b.Fatal("A listed name was not found")
				}
			}
		})
	}
}
