package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// flatText returns the rules of a flat zone as a zone file would have them.
func flatText(f *Flat) (lines []string) {
	for e := range f.All() {
		owner, target := string(e.Name), "."
		if e.Trigger == rule.Below {
			owner = "*." + owner
		}
		switch {
		case e.Action == rule.Pass:
			target = "passthru"
		case e.Open:
			target = "*."
		}
		lines = append(lines, owner+" "+target)
	}
	return lines
}

func TestFlat(t *testing.T) {
	for _, tt := range []struct {
		name, allow string
		lists       []string
		want        string
	}{
		{"triggers", "", []string{"block subtree a.example,block below b.example,block exact c.example"},
			"a.example .|*.a.example .|*.b.example .|c.example *."},
		{"an exception below", "", []string{"block subtree a.example,pass subtree ok.a.example"},
			"a.example *.|*.a.example .|ok.a.example passthru|*.ok.a.example passthru"},
		{"an exception of the name alone", "", []string{"block subtree a.example,pass exact a.example"},
			"a.example passthru|*.a.example ."},
		{"an exception that undoes nothing", "", []string{"block exact a.example,pass subtree b.example"}, "a.example *."},
		{"a block in an exception", "", []string{"block subtree a.example,pass subtree ok.a.example,block exact x.ok.a.example"},
			"a.example *.|*.a.example .|ok.a.example passthru|*.ok.a.example passthru|x.ok.a.example *.|*.x.ok.a.example passthru"},
		{"a name in between has rules, too", "", []string{"block subtree a.example,block exact x.y.a.example"},
			"a.example .|*.a.example .|y.a.example .|*.y.a.example .|x.y.a.example .|*.x.y.a.example ."},
		{"another list's exception", "", []string{"block subtree a.example", "block exact a.example,pass subtree a.example"},
			"a.example *.|*.a.example ."},
		{"the operator's exception", "pass subtree www.a.example,pass subtree other.example", []string{"block subtree a.example", "block exact www.a.example"},
			"a.example *.|*.a.example .|www.a.example passthru|*.www.a.example passthru|other.example passthru|*.other.example passthru"},
		{"a name that goes on with a hyphen", "", []string{"block exact ab.example,block exact x.ab.example,block exact y-ab.example"},
			"y-ab.example *.|ab.example *.|x.ab.example *."},
		{"nothing", "", []string{""}, ""},
	} {
		p := newPolicy(t, tt.allow, tt.lists...)
		if got := strings.Join(flatText(p.Flat("")), "|"); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got, tt.want)
		}
		for range p.Flat("").All() { // may be left
			break
		}
	}
}

// TestFlatOne has one list of several, and the zones of a directive.
func TestFlatOne(t *testing.T) {
	b := set.BlindBuilder{}
	b.Add(rule.HashName(rule.Salt{}, "bad.example"))
	hidden, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	p := New(Config{
		Lists: []List{
			{Name: "one", Set: setOf(t, parseRules(t, "block subtree a.example"))}, {Name: "two", Set: setOf(t, parseRules(t, "block exact b.example"))},
			{Name: "blind", Set: hidden}, {Name: BypassList, Set: setOf(t, parseRules(t, "block exact c.example")), Bypass: DoH},
		},
		Allow: []*set.Set{setOf(t, parseRules(t, "pass exact a.example"))},
		Zones: setOf(t, parseRules(t, "block subtree a.example,block subtree sub.b.example,block subtree c.example")),
	})
	for list, want := range map[string]string{
		"one": "a.example passthru|*.a.example .", "two": "a.example passthru", BypassList: "a.example passthru|c.example *.",
		"": "a.example passthru|*.a.example .|c.example *.",
	} {
		if got := strings.Join(flatText(p.Flat(list)), "|"); got != want {
			t.Errorf("%s: %s, want %s", list, got, want)
		}
	}
	addresses := New(Config{Lists: []List{{Name: "l", Set: setOf(t, addressRules(t, "block exact a.example,block address 192.0.2.0/24,pass address 192.0.2.1/32"))}}})
	if n := addresses.Flat("").Hidden(); n != 0 {
		t.Errorf("%d rules about addresses are left out", n)
	}
	addresses.config.Zones = setOf(t, parseRules(t, "block subtree a.example"))
	if f := addresses.Flat(""); f.Hidden() != 2 || f.HasAddresses() || f.MatchPrefix(netip.MustParsePrefix("192.0.2.0/24")) != rule.None {
		t.Errorf("Of a policy for some zones %d rules about addresses are left out, want 2", f.Hidden())
	}
	if p.Flat("").Hidden() != 1 || p.Flat("one").Hidden() != 0 || p.Flat("blind").Hidden() != 1 {
		t.Error("The rules of a blinded list are not counted")
	}
}

// flatZone is a zone in the hands of a server that follows the draft to the
// letter.
type flatZone struct {
	rules map[string]string // by owner
	names map[string]bool   // those that exist, be it as the parent of others
}

func newFlatZone(lines []string) flatZone {
	z := flatZone{map[string]string{}, map[string]bool{}}
	for _, line := range lines {
		owner, target, _ := strings.Cut(line, " ")
		z.rules[owner] = target
		for n := range dnsname.Name(owner).Suffixes() {
			z.names[string(n)] = true
		}
	}
	return z
}

// nearest evaluates the zone as a tree of wildcards, in which that of the nearest
// parent counts.
func (z flatZone) nearest(name string) string {
	if target, ok := z.rules[name]; ok {
		return target
	}
	for n := range dnsname.Name(name).Suffixes() {
		if target, ok := z.rules["*."+string(n)]; ok && string(n) != name {
			return target
		}
	}
	return ""
}

// enclosed evaluates it as the DNS does (RFC 4592): the nearest parent that exists
// decides.
func (z flatZone) enclosed(name string) string {
	for n := range dnsname.Name(name).Suffixes() {
		switch {
		case string(n) == name && z.names[name]:
			return z.rules[name]
		case z.names[string(n)]:
			return z.rules["*."+string(n)]
		}
	}
	return ""
}

// TestFlatModel asks policies that are made at random, and the zones that they
// come to, the same questions.
func TestFlatModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	name := func() dnsname.Name {
		labels := make([]string, 1+r.IntN(4))
		for i := range labels {
			labels[i] = []string{"a", "b", "a-b", "b-a", "c"}[r.IntN(5)]
		}
		return dnsname.Name(strings.Join(append(labels, "example"), "."))
	}
	rules := func(most int, actions ...rule.Action) (rs []rule.Rule) {
		for range r.IntN(most) {
			rs = append(rs, rule.Rule{Name: name(), Trigger: rule.Trigger(1 + r.IntN(3)), Action: actions[r.IntN(len(actions))]})
		}
		return rs
	}
	blocked, passed, asked := 0, 0, 0
	for range 1000 {
		c := Config{Allow: []*set.Set{setOf(t, rules(3, rule.Pass))}}
		for i := range 1 + r.IntN(3) {
			c.Lists = append(c.Lists, List{Name: fmt.Sprint("l", i), Set: setOf(t, rules(12, rule.Block, rule.Block, rule.Pass))})
		}
		if r.IntN(4) == 0 {
			c.Zones = setOf(t, []rule.Rule{{Name: name(), Trigger: rule.Subtree, Action: rule.Block}, {Name: name(), Trigger: rule.Subtree, Action: rule.Block}})
		}
		p := New(c)
		f := p.Flat("")
		lines := flatText(f)
		z := newFlatZone(lines)
		if len(z.rules) != len(lines) {
			t.Fatalf("An owner comes twice: %q", lines)
		}
		for range 50 {
			q := string(name())
			v := p.Decide(q, netip.Addr{})
			near, far := z.nearest(q), z.enclosed(q)
			action, open := f.Match(q)
			asked++
			if v.Blocked() {
				blocked++
			}
			if near == "passthru" {
				passed++
			}
			if near != far || v.Blocked() != (near == "." || near == "*.") || v.Action == rule.Pass && near != "passthru" {
				t.Fatalf("%s: the policy says %v, the zone %q and %q\n%q", q, v.Action, near, far, lines)
			}
			if want := map[string]rule.Action{"": rule.None, ".": rule.Block, "*.": rule.Block, "passthru": rule.Pass}[near]; action != want || open != (near == "*.") {
				t.Fatalf("%s: Match says %v, %v, the zone %q\n%q", q, action, open, near, lines)
			}
			if near == "" && z.names[q] && !f.Holds(q) {
				t.Fatalf("%s is in the zone, but Holds denies it\n%q", q, lines)
			}
			if v.Blocked() && near == "." && (slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, "."+q+" passthru") })) {
				t.Fatalf("%s is denied with all below it, and something below passes\n%q", q, lines)
			}
		}
	}
	t.Logf("%d questions, %d blocked, %d passed", asked, blocked, passed)
	if blocked < asked/20 || passed < asked/50 {
		t.Errorf("Too few of %d questions were blocked (%d) or passed (%d) to mean anything", asked, blocked, passed)
	}
}
