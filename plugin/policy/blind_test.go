package policy

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

var testSalt = rule.Salt{1, 2, 3}

// blinded builds the set of a blinded list whose names a guard judges when they
// become known.
func blinded(t *testing.T, g *Guard, names string) *set.Set {
	t.Helper()
	b := set.BlindBuilder{Salt: testSalt, Check: g}
	for name := range strings.FieldsSeq(names) {
		b.Add(rule.HashName(testSalt, name))
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testGuard(t *testing.T) *Guard {
	t.Helper()
	g, err := NewGuard(parseRules(t, "block subtree help.example,block exact shared.example,pass subtree a.deep.hotline.example"))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGuardBlind wants the hashes of protected names and of their parents, and of
// no name that might be blocked.
func TestGuardBlind(t *testing.T) {
	g := testGuard(t)
	refused := g.Blind(testSalt)
	want := strings.Fields("help.example shared.example a.deep.hotline.example deep.hotline.example hotline.example")
	for _, name := range want {
		if got := refused[rule.HashName(testSalt, name)]; string(got) != name {
			t.Errorf("%s: %q", name, got)
		}
	}
	if len(refused) != len(want) {
		t.Errorf("%d hashes, want %d", len(refused), len(want))
	}
	for _, name := range refused {
		if g.Check(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block}) == nil {
			t.Errorf("%s might be blocked", name)
		}
	}
	if n := len(new(Guard).Blind(testSalt)); n != 0 {
		t.Errorf("The zero Guard refuses %d hashes", n)
	}
}

// TestBlindGuarded wants a blinded list to block no more than the plain list of
// the same names, of which the guard has refused some.
func TestBlindGuarded(t *testing.T) {
	g := testGuard(t)
	listed := "badsite.example co.uk badsite.co.uk anything.ck badsite.anything.ck com github.io badsite.github.io help.example chat.help.example " +
		"shared.example badsite.shared.example hotline.example deep.hotline.example other.hotline.example b.other.hotline.example a.deep.hotline.example"
	var rules []rule.Rule
	for name := range strings.FieldsSeq(listed) {
		r := rule.Rule{Name: dnsname.Name(name), Trigger: rule.Subtree, Action: rule.Block}
		if g.Check(r) == nil {
			rules = append(rules, r)
		}
	}
	p := plainSet(t, rules)
	b := blinded(t, g, listed)
	blocked := 0
	for name := range strings.FieldsSeq(listed) {
		for _, q := range []string{name, "www." + name, "a.b." + name, "x" + name} {
			var k set.Key
			k.Reset(q)
			got, want := b.Match(&k), p.Match(&k)
			if got.Action != want.Action || got.Labels != want.Labels || got.Trigger != want.Trigger || got.Open != want.Open {
				t.Errorf("%s: %+v, the plain list says %+v", q, got, want)
			}
			if got.Action == rule.Block {
				blocked++
			}
		}
	}
	if blocked == 0 {
		t.Error("Nothing was blocked")
	}
}

// TestBlindDecide has blinded and plain lists make up a policy, and wants the
// verdicts of the same policy of plain lists only: exceptions, clients and the
// order of lists do not care.
func TestBlindDecide(t *testing.T) {
	only := NewClients(false, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
	actions := map[rule.Action]int{}
	for round := range 200 {
		r := rand.New(rand.NewPCG(uint64(round), 3))
		allow := []*set.Set{plainSet(t, randomRules(r, rule.Pass, 2))}
		config, twin := Config{Allow: allow, Clients: only}, Config{Allow: allow, Clients: only}
		for i := range 3 {
			rules := randomRules(r, rule.Block, 5)
			if i == 1 { // a plain list between the blinded ones has exceptions, too
				rules = append(rules, randomRules(r, rule.Pass, 2)...)
			}
			l := List{Name: string(rune('a' + i)), Set: plainSet(t, rules), Reason: Reason(i), Serial: uint32(i)}
			twin.Lists = append(twin.Lists, l)
			if i != 1 {
				l.Set = blindTwin(t, l.Set)
			}
			config.Lists = append(config.Lists, l)
		}
		p, m := New(config), New(twin)
		for range 100 {
			q := string(randomName(r)) + "."
			for _, client := range []string{"192.0.2.1", "198.51.100.1"} {
				c := netip.MustParseAddr(client)
				got, want := p.Decide(q, c), m.Decide(q, c)
				if got != want {
					t.Fatalf("Round %d: Decide(%s, %s) = %+v, want %+v", round, q, client, got, want)
				}
				actions[got.Action]++
			}
		}
	}
	if actions[rule.Block] == 0 || actions[rule.Pass] == 0 || actions[rule.None] == 0 {
		t.Errorf("Not every verdict was met: %v", actions)
	}
}

// randomRules returns fewer than n rules that a blinded list can hold.
func randomRules(r *rand.Rand, a rule.Action, n int) (rules []rule.Rule) {
	for range r.IntN(n) {
		name := randomName(r)
		if l := name.Labels(); l >= rule.MinHashLabels && l <= rule.MaxHashLabels {
			rules = append(rules, rule.Rule{Name: name, Trigger: rule.Subtree, Action: a})
		}
	}
	return rules
}

func plainSet(t *testing.T, rules []rule.Rule) *set.Set {
	t.Helper()
	var b set.Builder
	for _, r := range rules {
		b.Add(r)
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// blindTwin returns the blinded set of the names in a plain one.
func blindTwin(t *testing.T, s *set.Set) *set.Set {
	t.Helper()
	var names []string
	for r := range s.All() {
		names = append(names, string(r.Name))
	}
	return blinded(t, new(Guard), strings.Join(names, " "))
}
