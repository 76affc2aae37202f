package set

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// same builds the rules in both ways, a Builder's runs being ended before every
// rule of which cut says so, and compares all that the sets hold.
func same(t *testing.T, rules []rule.Rule, cut func(i int) bool) {
	t.Helper()
	var b Builder
	var plain plainBuilder
	for i, r := range rules {
		if cut(i) {
			b.block.put()
			b.pass.put()
		}
		b.Add(r)
		plain.Add(r)
	}
	got, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := plain.Set()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("The sets of %d rules differ: %d rules of %d bytes, want %d of %d", len(rules), got.Len(), got.Bytes(), want.Len(), want.Bytes())
	}
}

// TestRuns compares a Builder with its naive twin on random rules, which repeat
// within a run and across runs, in runs of every size from empty to full.
func TestRuns(t *testing.T) {
	for round := range 200 {
		r := rand.New(rand.NewPCG(uint64(round), 4))
		rules := make([]rule.Rule, r.IntN(1<<(round%13)))
		for i := range rules {
			rules[i] = randomRule(r, []int{2, 3, 5, 40}[round%4])
		}
		often := 1 + r.IntN(1+len(rules))
		same(t, rules, func(int) bool { return r.IntN(often) == 0 })
	}
}

// TestFullRuns does so with runs that end because they are full.
func TestFullRuns(t *testing.T) {
	never := func(int) bool { return false }
	for name, rules := range map[string][]rule.Rule{
		"names": blocked(syntheticNames(3*runNames + 5)),
		"bytes": blocked(longNames(2 * runBytes / dnsname.MaxLen)),
	} {
		t.Run(name, func(t *testing.T) { same(t, rules, never) })
	}
}

// TestRealRuns does so with published lists, where they are at hand.
func TestRealRuns(t *testing.T) {
	dir := os.Getenv("NONUDIFY_LISTS")
	if dir == "" {
		t.Skip("NONUDIFY_LISTS names no folder of published lists")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("No published lists in %s: %v", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var names []dnsname.Name
		for word := range strings.FieldsSeq(string(text)) {
			if n, err := dnsname.Parse(strings.Trim(word, "|^*")); err == nil {
				names = append(names, n)
			}
		}
		t.Logf("%s: %d names", filepath.Base(file), len(names))
		r := rand.New(rand.NewPCG(5, 5))
		same(t, blocked(names), func(int) bool { return r.IntN(10_000) == 0 })
	}
}

// TestRunLimits fills runs to their last name and their last byte, and one
// further.
func TestRunLimits(t *testing.T) {
	tests := []struct {
		what string
		name dnsname.Name
		fit  int
	}{
		{"names", "a.example", runNames},
		{"bytes", dnsname.Name(strings.Repeat("ab.", 63) + "com"), runBytes / 192},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			var r runs
			for range tt.fit {
				r.add(tt.name, rule.Subtree)
			}
			if len(r.sorted) != 0 || len(r.entries) != tt.fit {
				t.Fatalf("%d runs and %d names gathered, want 0 and %d", len(r.sorted), len(r.entries), tt.fit)
			}
			r.add(tt.name, rule.Subtree)
			if len(r.sorted) != 1 || len(r.entries) != 1 {
				t.Fatalf("One more: %d runs and %d names gathered, want 1 and 1", len(r.sorted), len(r.entries))
			}
		})
	}
}

// TestFull adds names up to the last byte that a Builder takes.
func TestFull(t *testing.T) {
	add := func(names ...dnsname.Name) (*Set, error) {
		b := Builder{bytes: maxBytes - uint64(len("a.example"))}
		for _, n := range names {
			b.Add(rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block})
		}
		return b.Set()
	}
	if s, err := add("a.example"); err != nil || s.Len() != 1 {
		t.Errorf("To the last byte: %v", err)
	}
	if s, err := add("aa.example"); !errors.Is(err, ErrFull) || s != nil {
		t.Errorf("One byte over: %v, %v, want %v", s, err, ErrFull)
	}
	if s, err := add("a.example", "b.example", "c.example"); !errors.Is(err, ErrFull) || s != nil {
		t.Errorf("Names over: %v, %v, want %v", s, err, ErrFull)
	}
}

// TestBuildMemory holds a build to its promise: the heap grows by no more than
// twice the new set and what a run needs before it is coded.
func TestBuildMemory(t *testing.T) {
	const n, run = 500_000, 8 << 20
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // little garbage in what is measured
	before := heap()
	var s *Set
	p := watch(func() { s = buildNames(t, new(Builder), n) })
	grown, promise := int(p.inUse)-before, 2*s.Bytes()+run
	t.Logf("%d names: the heap grew by %.1f MB for a set of %.1f MB", s.Len(), mb(grown), mb(s.Bytes()))
	if grown > promise {
		t.Errorf("The heap grew by %.1f MB, promised %.1f", mb(grown), mb(promise))
	}
}

// blocked returns rules that block the names.
func blocked(names []dnsname.Name) []rule.Rule {
	rules := make([]rule.Rule, len(names))
	for i, n := range names {
		rules[i] = rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block}
	}
	return rules
}

// longNames returns n names as long as a name can be.
func longNames(n int) []dnsname.Name {
	r := rand.New(rand.NewPCG(6, 6))
	names := make([]dnsname.Name, n)
	for i := range names {
		text := bytes.Repeat([]byte("a."), (dnsname.MaxLen+1)/2)[:dnsname.MaxLen]
		for j := 0; j < len(text); j += 2 {
			text[j] = "ab"[r.IntN(2)]
		}
		names[i] = dnsname.Name(text)
	}
	return names
}
