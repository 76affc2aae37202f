package corpus

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// listing is a list of so many names, as the resolver holds it.
func listing(t *testing.T, size int) *set.Set {
	t.Helper()
	l := List{Size: size}
	if err := l.build(); err != nil {
		t.Fatal(err)
	}
	if l.names.Len() != size {
		t.Fatalf("%d of %d names differ", l.names.Len(), size)
	}
	return l.names
}

// TestVerdicts holds what the corpus says of its names against the set that the
// resolver would make of the list.
func TestVerdicts(t *testing.T) {
	const size = 50_000
	s := listing(t, size)
	seen := map[bool]int{}
	check := func(q Question) {
		var k set.Key
		k.Reset(q.Name + ".")
		if got := s.Match(&k).Action == rule.Block; got != q.Blocked {
			t.Errorf("%s is blocked: %v, want %v", q.Name, got, q.Blocked)
		}
		if _, err := dnsname.Parse(q.Name); err != nil {
			t.Error(err)
		}
		seen[q.Blocked]++
	}
	for q := range Probes(size, 5000) {
		check(q)
	}
	for q := range Draw(size, 20_000, 50) {
		check(q)
	}
	for q := range Popular() {
		check(q)
	}
	for i := range size {
		check(Question{Name: Passing(i)})
	}
	if seen[true] < 10_000 || seen[false] < 10_000 {
		t.Errorf("Asked %v", seen)
	}
}

// TestNoneBelowAnother: a list in which one name covers another would be shorter
// than it says for products that drop the second.
func TestNoneBelowAnother(t *testing.T) {
	const size = 50_000
	s := listing(t, size)
	for i := range size {
		var k set.Key
		k.Reset(Listed(i) + ".")
		if s.Holds(&k) {
			t.Fatalf("There are names below %s", Listed(i))
		}
	}
}

// TestEveryNumber: no two numbers of all that there are make one name.
func TestEveryNumber(t *testing.T) {
	seen := make([]bool, 1<<24)
	for n := range uint32(1 << 24) {
		if h := scatter(n); seen[h] {
			t.Fatalf("%d makes a name that was there before", n)
		} else {
			seen[h] = true
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(syllables)))) != 64 {
		t.Error("The syllables are not 64 different ones")
	}
	if slices.ContainsFunc(syllables, func(s string) bool { return len(s) != 2 }) {
		t.Error("Not all syllables have two letters")
	}
}

// TestReproducible: figures of two machines are about the same names.
func TestReproducible(t *testing.T) {
	got := []string{Listed(0), Listed(1), Listed(2), Listed(Most - 1), Passing(0), Passing(1)}
	for q := range Draw(1000, 2, 50) {
		got = append(got, q.Name)
	}
	want := strings.Fields("www.ananananan.xa kaludojofi.xa bufohobi9696.qn vaforororicu.nede-tool970.xa nefebune-shop.xd rinikage3502.xa " +
		"www.bainbide4999.xa dariarhiho.mico-shop1039.xc")
	if !slices.Equal(got, want) {
		t.Errorf("Got %s", strings.Join(got, " "))
	}
}

// TestList writes the list in each format that a candidate reads and reads it again.
func TestList(t *testing.T) {
	const size = 3000
	l := List{Dir: t.TempDir(), Size: size, Also: "also.example"}
	for to, format := range map[list.Target]list.Format{
		list.ToDomains: list.Domains, list.ToRPZ: list.RPZ, list.ToUnbound: list.Unbound, list.ToDnsmasq: list.Dnsmasq,
	} {
		path, err := l.Path(to)
		if err != nil {
			t.Fatal(err)
		}
		if s := read(t, path, format); s.Len() != size+1 {
			t.Errorf("%s has %d names, want %d", path, s.Len(), size+1)
		}
	}
	l.Also = "later.example"
	path, err := l.Path(list.ToDomains)
	if err == nil {
		err = l.Replace(list.ToDomains, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	replaced := read(t, path, list.Domains)
	for name, want := range map[string]rule.Action{"later.example": rule.Block, "also.example": rule.None, Listed(0): rule.Block} {
		var k set.Key
		k.Reset(name)
		if got := replaced.Match(&k).Action; got != want {
			t.Errorf("In the list that took its place, %s is %v", name, got)
		}
	}
	if left, _ := os.ReadDir(l.Dir); len(left) != 5 { // the names of the corpus are one more
		t.Errorf("There are %v", left)
	}
}

func read(t *testing.T, path string, format list.Format) *set.Set {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b set.Builder
	for s := list.NewScanner(f, list.Config{Format: format}); s.Scan(); {
		b.Add(s.Rule())
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestListFails: nothing half-written is left, and the error says what was to be made.
func TestListFails(t *testing.T) {
	l := List{Dir: t.TempDir() + "/absent", Size: 10}
	if _, err := l.Path(list.ToDomains); err == nil {
		t.Error("Written into a directory that is not there")
	}
}
