package set

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
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
			b.block.put(&b.room)
			b.pass.put(&b.room)
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
			var room pages
			for range tt.fit {
				r.add(tt.name, rule.Subtree, &room)
			}
			if len(r.sorted) != 0 || len(r.entries) != tt.fit {
				t.Fatalf("%d runs and %d names gathered, want 0 and %d", len(r.sorted), len(r.entries), tt.fit)
			}
			r.add(tt.name, rule.Subtree, &room)
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

// TestBuildMemory holds a build to its promise: what is alive while it goes on
// is never more than the new set and what the names take before they are put
// away, however many they are and in whatever order they come.
func TestBuildMemory(t *testing.T) {
	names := syntheticNames(500_000)
	for _, order := range []struct {
		what  string
		names int
		by    func(a, b dnsname.Name) int
	}{
		{"mixed", 100_000, nil},
		{"mixed", 500_000, nil},
		{"sorted", 100_000, cmp.Compare[dnsname.Name]},
		{"by domain", 100_000, compareReversed},
	} {
		t.Run(fmt.Sprintf("%s/%d", order.what, order.names), func(t *testing.T) {
			names := slices.Clone(names[:order.names])
			if order.by != nil {
				slices.SortFunc(names, order.by)
			}
			testBuildMemory(t, names)
		})
	}
	runtime.KeepAlive(names)
}

func testBuildMemory(t *testing.T, names []dnsname.Name) {
	const room = 2 << 20
	before, top, moves := heap(), 0, 0
	b := &Builder{room: pages{moved: func() {
		if moves++; moves%(len(names)/20_000) == 0 {
			top = max(top, heap()-before)
		}
	}}}
	for _, name := range names {
		b.Add(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block})
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(names)
	promise := s.Bytes() + room
	t.Logf("A set of %.2f MB; at most %.2f MB alive while it was built, promised %.2f", mb(s.Bytes()), mb(top), mb(promise))
	if top > promise {
		t.Error("More was alive than was promised")
	}
	if top < s.Bytes()/2 {
		t.Error("Less was alive than what there must be: nobody looked")
	}
}

// compareReversed orders names by their reversed text.
func compareReversed(a, b dnsname.Name) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(a[len(a)-1-i], b[len(b)-1-i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
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
