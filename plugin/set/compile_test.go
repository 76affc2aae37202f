package set

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// compiled returns the bytes of a set, with a text.
func compiled(t testing.TB, s *Set, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Compile(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// opened returns the set of a compiled list.
func opened(t testing.TB, data []byte, c OpenConfig) *Set {
	t.Helper()
	s, _, err := Open(data, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCompile compiles random sets, and opens what came of them: it has the same rules,
// answers as the model does, has the same filter, and compiles to the same bytes.
func TestCompile(t *testing.T) {
	for round := range 120 {
		r := rand.New(rand.NewPCG(uint64(round), 9))
		var rules []rule.Rule
		for range r.IntN(1 << (round % 12)) {
			rules = append(rules, randomRule(r, []int{2, 3, 5, 40}[round%4]))
		}
		if round%3 == 0 {
			rules = append(rules, about(rule.Block, "192.0.2.0/24"), about(rule.Pass, "2001:db8::/32"), about(rule.Block, "::ffff:0:0/96"))
		}
		built := build(t, rules)
		data := compiled(t, built, "# Title: a list\n")
		s, text, err := Open(data, OpenConfig{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if string(text) != "# Title: a list\n" {
			t.Errorf("text %q", text)
		}
		compareSets(t, s, built)
		if !bytes.Equal(compiled(t, s, string(text)), data) {
			t.Errorf("round %d: compiled again, it has other bytes", round)
		}
		m := newModel(slices.DeleteFunc(slices.Clone(rules), func(r rule.Rule) bool { return r.Trigger == rule.Address }))
		for range 200 {
			n := randomName(r, 4)
			if got, want := match(s, n.FQDN()), m.match(n); got != want {
				t.Fatalf("round %d, %s: %+v, want %+v", round, n, got, want)
			}
		}
	}
}

// compareSets wants the same of two sets.
func compareSets(t *testing.T, got, want *Set) {
	t.Helper()
	if !slices.Equal(slices.Collect(got.All()), slices.Collect(want.All())) || !slices.Equal(slices.Collect(got.Addresses()), slices.Collect(want.Addresses())) {
		t.Fatal("The rules are others.")
	}
	for i, x := range []*table{&got.block, &got.pass} {
		y := []*table{&want.block, &want.pass}[i]
		if !reflect.DeepEqual(x.filter, y.filter) || x.depths != y.depths || x.deep != y.deep {
			t.Fatalf("Table %d has another filter or depths.", i)
		}
	}
}

// TestCompileBlind: hashes cannot be compiled.
func TestCompileBlind(t *testing.T) {
	s := blinded(t, rule.Salt{}, nil, []dnsname.Name{"badsite.example"})
	if err := s.Compile(new(bytes.Buffer), nil); !errors.Is(err, ErrBlindCompiled) {
		t.Errorf("%v, want %v", err, ErrBlindCompiled)
	}
}

// TestOpenRefuses opens what is no compiled list, or not a whole one, or of another version.
func TestOpenRefuses(t *testing.T) {
	data := compiled(t, build(t, blocked(syntheticNames(1000))), "text")
	for size := range len(data) {
		if size > 2*preambleSize && size < len(data)-2*preambleSize && size%97 != 0 {
			continue
		}
		if _, _, err := Open(data[:size:size], OpenConfig{}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes: %v, want %v", size, err, ErrDamaged)
		}
	}
	for i := range data {
		other := bytes.Clone(data)
		other[i] ^= 1 << (i % 8)
		if _, _, err := Open(other, OpenConfig{}); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	next := bytes.Replace(data, []byte("list 1\n"), []byte("list 2\n"), 1)
	if _, _, err := Open(next, OpenConfig{}); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v, want %v", err, ErrVersion)
	}
	if _, _, err := Open(append(data, 0), OpenConfig{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("one more byte: %v, want %v", err, ErrDamaged)
	}
	at := preambleSize + 100
	broken := bytes.Clone(data)
	broken[at]++
	if _, _, err := Open(broken, OpenConfig{}); err == nil || !strings.Contains(err.Error(), "section 1 ") {
		t.Errorf("the error does not tell the section: %v", err)
	}
}

// reseal makes the sums of a compiled list right, whatever it holds.
func reseal(data []byte) {
	if len(data) < preambleSize {
		return
	}
	binary.LittleEndian.PutUint64(data[compiledSize:], uint64(len(data)))
	at, end := uint64(preambleSize), uint64(len(data))
	for i := range sections {
		e := data[compiledTable+i*sectionEntry:]
		n := binary.LittleEndian.Uint64(e)
		if n > end-at {
			break
		}
		binary.LittleEndian.PutUint32(e[8:], crc32.Checksum(data[at:at+n], castagnoli))
		at = min(at+aligned(n), end)
	}
	binary.LittleEndian.PutUint32(data[compiledSum:], crc32.Checksum(data[:compiledSum], castagnoli))
}

// use calls all methods of a set that was made of who knows what.
func use(s *Set, names []dnsname.Name) {
	for r := range s.All() {
		if len(names) < 64 {
			names = append(names, r.Name)
		}
	}
	for _, n := range names {
		for _, q := range []string{n.FQDN(), "www." + strings.ToUpper(string(n)), "-" + string(n), string(n[:len(n)-1])} {
			var k Key
			k.Reset(q)
			s.Match(&k)
			s.Passes(&k)
			s.PassBelow(&k)
			s.Holds(&k)
		}
	}
	for range s.Walk(rule.Block) {
	}
	for range s.Walk(rule.Pass) {
	}
	for range s.Addresses() {
	}
	_, _ = s.Len(), s.Bytes()
}

// TestOpenHostile changes each byte of a small list, makes the sums right again, and
// uses what is taken all the same: its names are in order and can be found.
func TestOpenHostile(t *testing.T) {
	rules := append(blocked(syntheticNames(100)), rule.Rule{Name: "a.b.c.example", Trigger: rule.Exact, Action: rule.Pass}, about(rule.Block, "192.0.2.0/24"))
	data := compiled(t, build(t, rules), "text")
	taken := 0
	for i := range data {
		for _, change := range []byte{1, 0xff} {
			other := bytes.Clone(data)
			other[i] ^= change
			reseal(other)
			if s, _, err := Open(other, OpenConfig{}); err == nil {
				taken++
				mustBeSound(t, s)
			}
		}
	}
	t.Logf("%d of %d changes leave a list that is sound", taken, 2*len(data))
}

// mustBeSound wants names that are names, in their order, each of which is found.
func mustBeSound(t *testing.T, s *Set) {
	t.Helper()
	before := map[rule.Action]dnsname.Name{}
	for r := range s.All() {
		if last := before[r.Action]; last != "" && compareReversed(last, r.Name) >= 0 {
			t.Fatalf("%q behind %q", r.Name, last)
		}
		before[r.Action] = r.Name
		if len(r.Name) > dnsname.MaxLen || r.Trigger == 0 || r.Trigger > rule.Subtree {
			t.Fatalf("%v", r)
		}
		var k Key
		k.Reset(string(r.Name))
		table := &s.block
		if r.Action == rule.Pass {
			table = &s.pass
		}
		var buf [dnsname.MaxLen]byte
		if got := table.exact.lookup(k.reversed(&buf)); got != r.Trigger {
			t.Fatalf("%v is not found: %v", r, got)
		}
	}
	use(s, nil)
}

// TestMappedChanged writes anything over a list that is in use, as who copies another one
// over its file does. Its methods come to an end.
func TestMappedChanged(t *testing.T) {
	names := syntheticNames(300)
	for round := range 60 {
		r := rand.New(rand.NewPCG(uint64(round), 11))
		rules := blocked(names)
		for i := range rules {
			rules[i].Action = rule.Action(1 + r.IntN(2))
		}
		data := compiled(t, build(t, rules), "")
		s := opened(t, data, OpenConfig{Mapped: &data})
		switch round % 3 {
		case 0:
			for i := range data {
				data[i] = byte(r.Uint32())
			}
		case 1:
			for range 1 + r.IntN(20) {
				data[preambleSize+r.IntN(len(data)-preambleSize)] = byte(r.Uint32())
			}
		case 2:
			other := compiled(t, build(t, blocked(syntheticNames(1+r.IntN(600)))), "")
			clear(data[copy(data, other):])
		}
		use(s, slices.Clone(names[:50]))
		if round%3 == 0 && !s.Damaged() {
			t.Fatal("Nobody noticed.")
		}
		for r := range s.All() {
			if len(r.Name) > dnsname.MaxLen || r.Trigger == 0 || r.Trigger > rule.Subtree {
				t.Fatalf("%v", r)
			}
		}
	}
}

// FuzzOpen opens a compiled list that is changed in several places, with sums that are
// right again. It is refused, or sound.
func FuzzOpen(f *testing.F) {
	f.Add("badsite.example\nhelp.badsite.example 6", []byte{}, false)
	f.Add(strings.Repeat("a.example\nb.a.example 1\nc.test 5\n", 3), []byte{1, 1, 7, 0, 60, 3}, true)
	f.Fuzz(func(t *testing.T, text string, changes []byte, whole bool) {
		if whole { // the changes are the file
			reseal(changes)
			if s, _, err := Open(changes, OpenConfig{}); err == nil {
				mustBeSound(t, s)
			}
			return
		}
		var b Builder
		for i, word := range strings.Fields(text) {
			if n, err := dnsname.Parse(word); err == nil {
				b.Add(rule.Rule{Name: n, Trigger: rule.Trigger(1 + i%3), Action: rule.Action(1 + i/3%2)})
			}
		}
		s, err := b.Set()
		if err != nil {
			t.Fatal(err)
		}
		data := compiled(t, s, text)
		for ; len(changes) >= 3; changes = changes[3:] {
			data[(int(changes[0])<<8|int(changes[1]))%len(data)] ^= changes[2]
		}
		reseal(data)
		if s, _, err := Open(data, OpenConfig{}); err == nil {
			mustBeSound(t, s)
		}
	})
}

// TestLabels holds what is found out about the labels of a reversed name against cutting
// it into them, and its hash against that of a query name.
func TestLabels(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for size := range 4 * maxLabel {
		for range 50 {
			name := bytes.Repeat([]byte{'a'}, size)
			for range r.IntN(1 + r.IntN(6)) {
				if size > 0 {
					name[r.IntN(size)] = '.'
				}
			}
			labels := strings.Split(string(name), ".")
			h, n, empty := hashReversed(name)
			if want := slices.Contains(labels, ""); n != len(labels) || empty != want {
				t.Fatalf("%q: %d labels, one empty: %v, want %d, %v", name, n, empty, len(labels), want)
			}
			if got, want := longLabel(name), slices.ContainsFunc(labels, func(l string) bool { return len(l) > maxLabel }); got != want {
				t.Fatalf("%q: a long label: %v, want %v", name, got, want)
			}
			if empty || n > depth {
				continue
			}
			var k Key
			k.Reset(string(forward(name)))
			if k.hash[n-1] != h {
				t.Fatalf("%q has another hash than what is asked for.", name)
			}
		}
	}
}

// TestOpenCheck opens a list of a stranger. What the checker refuses is neither matched
// nor yielded, and a shorter rule counts instead.
func TestOpenCheck(t *testing.T) {
	rules := []rule.Rule{
		{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "help.badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "helpline.example", Trigger: rule.Subtree, Action: rule.Block},
	}
	s := opened(t, compiled(t, build(t, rules), ""), OpenConfig{Check: refusals{"help.badsite.example": true, "helpline.example": true}})
	for qname, want := range map[string]Match{
		"badsite.example.":          {Action: rule.Block, Trigger: rule.Subtree, Labels: 2},
		"www.help.badsite.example.": {Action: rule.Block, Trigger: rule.Subtree, Labels: 2},
		"WWW.Help.BADSITE.example":  {Action: rule.Block, Trigger: rule.Subtree, Labels: 2},
		`www.h\101lpline.example.`:  {},
		"helpline.example.":         {},
		"www.HELPLINE.example.":     {},
		`b\097dsite.example.`:       {Action: rule.Block, Trigger: rule.Subtree, Labels: 2},
	} {
		if got := match(s, qname); got != want {
			t.Errorf("%s: %+v, want %+v", qname, got, want)
		}
	}
	if got := slices.Collect(s.All()); len(got) != 1 || got[0] != rules[0] {
		t.Errorf("All: %v", got)
	}
	walked := 0
	for range s.Walk(rule.Block) {
		walked++
	}
	if walked != 1 {
		t.Errorf("Walk: %d names, want 1", walked)
	}
	q := "www.badsite.example."
	if n := testing.AllocsPerRun(100, func() { match(s, q) }); n != 0 {
		t.Errorf("%v allocations for a hit that is judged", n)
	}
}

// TestOpenedAllocs: a set out of a file asks for no memory either.
func TestOpenedAllocs(t *testing.T) {
	names := syntheticNames(5000)
	data := compiled(t, build(t, blocked(names)), "")
	for what, s := range map[string]*Set{"memory": opened(t, data, OpenConfig{}), "mapped": opened(t, data, OpenConfig{Mapped: &data})} {
		hit, miss := "www."+names[7].FQDN(), "www.not-listed-at-all.example."
		if match(s, hit).Labels == 0 || match(s, miss).Labels != 0 {
			t.Fatal("Wrong answers.")
		}
		for _, q := range []string{hit, miss} {
			if n := testing.AllocsPerRun(100, func() { match(s, q) }); n != 0 {
				t.Errorf("%s, %s: %v allocations", what, q, n)
			}
		}
	}
}

// TestOpenDeep opens lists whose names have more labels than are hashed.
func TestOpenDeep(t *testing.T) {
	for _, labels := range []int{depth, depth + 1, 100} {
		name := dnsname.Name(strings.Repeat("a.", labels-1) + "example")
		built := build(t, blocked([]dnsname.Name{name, "badsite.example"}))
		s := opened(t, compiled(t, built, ""), OpenConfig{})
		compareSets(t, s, built)
		if got := match(s, "x."+name.FQDN()).Labels; got != labels {
			t.Errorf("%d labels: %d found", labels, got)
		}
	}
}

// TestOpenMemory opens a list of 200,000 names and asks for hardly more than its filter.
func TestOpenMemory(t *testing.T) {
	const n = 200_000
	data := compiled(t, build(t, blocked(syntheticNames(n))), "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := opened(t, data, OpenConfig{Mapped: &data})
	runtime.ReadMemStats(&after)
	drawn := int(after.TotalAlloc - before.TotalAlloc)
	t.Logf("%d names in %d bytes; %d drawn, %d held beside the file", n, len(data), drawn, s.Bytes())
	if limit := 2*n + 64<<10; drawn > limit || s.Bytes() > limit {
		t.Errorf("%d bytes drawn and %d held, want no more than %d", drawn, s.Bytes(), limit)
	}
	if s.Mapped() != len(data) {
		t.Errorf("%d bytes mapped, want %d", s.Mapped(), len(data))
	}
}

// BenchmarkOpen opens compiled lists that are in memory.
func BenchmarkOpen(b *testing.B) {
	each(b, func(b *testing.B, s *Set, names []dnsname.Name) {
		data := compiled(b, s, "")
		for b.Loop() {
			opened(b, data, OpenConfig{Mapped: &data})
		}
		b.ReportMetric(float64(len(data))/float64(len(names)), "B/name")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(names)), "ns/name")
	})
}

// BenchmarkOpenedHit asks for listed names, in a set in memory, one that is mapped, and one
// whose names are judged.
func BenchmarkOpenedHit(b *testing.B) {
	names := syntheticNames(1_000_000)
	built := setOf(b, names)
	data := compiled(b, built, "")
	r := rand.New(rand.NewPCG(1, 1))
	qs := make([]string, 1<<16)
	for i := range qs {
		qs[i] = "www." + names[r.IntN(len(names))].FQDN()
	}
	for _, x := range []struct {
		what string
		set  *Set
	}{{"built", built}, {"opened", opened(b, data, OpenConfig{})}, {"mapped", opened(b, data, OpenConfig{Mapped: &data})}} {
		b.Run(fmt.Sprint(x.what), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if match(x.set, qs[i&(len(qs)-1)]).Labels == 0 {
					b.Fatal("A listed name was not found.")
				}
				i++
			}
		})
	}
}
