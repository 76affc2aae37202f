package set

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
)

// about returns a rule about the addresses of a prefix.
func about(a rule.Action, prefix string) rule.Rule {
	return rule.Rule{Prefix: netip.MustParsePrefix(prefix), Trigger: rule.Address, Action: a}
}

func TestMatchAddress(t *testing.T) {
	s := build(t, []rule.Rule{
		{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		about(rule.Block, "192.0.2.0/24"), about(rule.Pass, "192.0.2.128/25"), about(rule.Block, "192.0.2.200/32"),
		about(rule.Block, "198.51.100.7/32"), about(rule.Pass, "198.51.100.7/32"), // the same prefix twice
		about(rule.Block, "2001:db8::/32"), about(rule.Pass, "2001:db8:1::/48"), about(rule.Block, "2001:db8:1:2::/64"),
		about(rule.Pass, "203.0.0.0/8"), about(rule.Block, "203.0.113.0/24"), about(rule.Block, "203.0.113.0/24"),
		about(rule.Block, "::/16"), // holds the addresses of IPv4 as IPv6 has them
	})
	for text, want := range map[string]rule.Action{
		"192.0.2.0": rule.Block, "192.0.2.127": rule.Block, "192.0.2.128": rule.Pass, "192.0.2.199": rule.Pass, "192.0.2.200": rule.Block,
		"192.0.2.255": rule.Pass, "192.0.1.255": rule.None, "192.0.3.0": rule.None,
		"198.51.100.7": rule.Pass, "198.51.100.6": rule.None,
		"203.0.113.9": rule.Block, "203.0.112.9": rule.Pass, "204.0.113.9": rule.None,
		"2001:db8::1": rule.Block, "2001:db8:1::1": rule.Pass, "2001:db8:1:2::1": rule.Block, "2001:db9::": rule.None,
		"::ffff:192.0.2.1": rule.Block, "::ffff:192.0.3.1": rule.None, "::1": rule.Block, "2001:db8::1%eth0": rule.Block,
	} {
		var got rule.Action
		a := netip.MustParseAddr(text)
		allocations := testing.AllocsPerRun(10, func() { got = s.MatchAddress(a) })
		if got != want || allocations != 0 {
			t.Errorf("%s: %v with %v allocations, want %v", text, got, allocations, want)
		}
	}
	if got := s.MatchAddress(netip.Addr{}); got != rule.None {
		t.Errorf("No address: %v", got)
	}
	if s.Len() != 12 || !s.HasAddresses() || s.Bytes() < 11*16 {
		t.Errorf("%d rules of %d bytes", s.Len(), s.Bytes())
	}
	var all []string
	for r := range s.Addresses() {
		all = append(all, r.String())
	}
	want := "[block address 192.0.2.200/32 block address 198.51.100.7/32 pass address 198.51.100.7/32 pass address 192.0.2.128/25 " +
		"block address 192.0.2.0/24 block address 203.0.113.0/24 pass address 203.0.0.0/8 " +
		"block address 2001:db8:1:2::/64 pass address 2001:db8:1::/48 block address 2001:db8::/32 block address ::/16]"
	if fmt.Sprint(all) != want {
		t.Errorf("Addresses: %v", all)
	}
	for n := range len(all) { // an iterator that goes on after the break panics
		seen := 0
		for range s.Addresses() {
			if seen++; seen > n {
				break
			}
		}
	}
	for r := range s.All() {
		if r.Trigger == rule.Address {
			t.Errorf("All yields %v", r)
		}
	}
}

// TestNoAddresses: a set without rules about addresses has nothing of theirs.
func TestNoAddresses(t *testing.T) {
	for _, s := range []*Set{{}, build(t, nil), build(t, []rule.Rule{
		{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Trigger: rule.Address, Action: rule.Block},                                                // no prefix
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Trigger: rule.Address},                     // no action
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Trigger: rule.Exact, Action: rule.Block},   // no name
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Trigger: rule.Subtree, Action: rule.Block}, // no name
	})} {
		if s.HasAddresses() || s.addresses != nil || s.MatchAddress(netip.MustParseAddr("192.0.2.1")) != rule.None || s.Len() > 1 {
			t.Errorf("%d rules, %+v", s.Len(), s.addresses)
		}
		for r := range s.Addresses() {
			t.Errorf("It has %v", r)
		}
	}
}

// TestMaxAddresses builds as many as may be, and one more, of which no memory is
// held, duplicates included.
func TestMaxAddresses(t *testing.T) {
	for n, want := range map[int]error{99: nil, 100: nil, 101: ErrAddresses, 1000: ErrAddresses} {
		b := Builder{MaxAddresses: 100}
		b.Add(rule.Rule{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block})
		for i := range n {
			b.Add(rule.Rule{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 50)}), 32), Trigger: rule.Address, Action: rule.Block})
		}
		if kept := len(b.addresses.lengths[0][32].block); kept > 100 {
			t.Errorf("%d of %d are kept", kept, n)
		}
		s, err := b.Set()
		if !errors.Is(err, want) || (s == nil) != (err != nil) {
			t.Fatalf("%d: %v, want %v", n, err, want)
		}
		if s != nil && s.Len() != 1+50 {
			t.Errorf("%d: %d rules are left", n, s.Len())
		}
		if s, err := b.Set(); err != nil || s.Len() != 0 { // it is empty now
			t.Errorf("Again: %v", err)
		}
	}
}

// TestAddressesModel compares sets with a naive twin: a loop over all prefixes.
func TestAddressesModel(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	seen := map[rule.Action]int{}
	for range 300 {
		rules := make([]rule.Rule, r.IntN(40))
		for i := range rules {
			a := randomAddr(r)
			rules[i] = rule.Rule{Prefix: netip.PrefixFrom(a, r.IntN(a.BitLen()+1)).Masked(), Trigger: rule.Address, Action: rule.Block + rule.Action(r.IntN(2))}
		}
		s := build(t, rules)
		for range 100 {
			a := randomAddr(r)
			best, want := -1, rule.None
			for _, x := range rules {
				if n := x.Prefix.Bits(); x.Prefix.Contains(a) && (n > best || n == best && x.Action == rule.Pass) {
					best, want = n, x.Action
				}
			}
			if got := s.MatchAddress(a); got != want {
				t.Fatalf("%v: %v, want %v of %v", a, got, want, rules)
			}
			seen[want]++
		}
		checkAddresses(t, s, rules)
	}
	for a := rule.None; a <= rule.Pass; a++ {
		if seen[a] < 1000 {
			t.Errorf("Only %d addresses are for %v", seen[a], a)
		}
	}
}

// checkAddresses wants a set to yield its rules, each once.
func checkAddresses(t *testing.T, s *Set, rules []rule.Rule) {
	t.Helper()
	want := map[rule.Rule]bool{}
	for _, r := range rules {
		want[r] = true
	}
	got := slices.Collect(s.Addresses())
	if len(got) != len(want) || s.Len() != len(want) || slices.ContainsFunc(got, func(r rule.Rule) bool { return !want[r] }) {
		t.Fatalf("Addresses: %v, want those of %v", got, rules)
	}
	checkWalk(t, s, got)
}

// checkWalk wants a walk to have the same rules in the order of their prefixes, and
// MatchPrefix to find what is around each of them.
func checkWalk(t *testing.T, s *Set, rules []rule.Rule) {
	t.Helper()
	slices.SortFunc(rules, func(a, b rule.Rule) int { return cmp.Or(a.Prefix.Compare(b.Prefix), cmp.Compare(a.Action, b.Action)) })
	if got := slices.Collect(s.WalkAddresses()); !slices.Equal(got, rules) {
		t.Fatalf("WalkAddresses: %v, want %v", got, rules)
	}
	for range s.WalkAddresses() { // may be left
		break
	}
	for _, r := range rules {
		longest := map[rule.Action]int{rule.Block: -1, rule.Pass: -1}
		for _, x := range rules {
			if x.Prefix.Bits() <= r.Prefix.Bits() && x.Prefix.Contains(r.Prefix.Addr()) {
				longest[x.Action] = max(longest[x.Action], x.Prefix.Bits())
			}
		}
		if block, pass := s.MatchPrefix(r.Prefix); block != longest[rule.Block] || pass != longest[rule.Pass] {
			t.Fatalf("MatchPrefix of %v: %d and %d, want %v", r.Prefix, block, pass, longest)
		}
	}
}

// randomAddr draws from a small world, so that prefixes hold addresses.
func randomAddr(r *rand.Rand) netip.Addr {
	a := [16]byte{0x20, 0x01, byte(r.IntN(2)), byte(r.IntN(3) * 64), 12: byte(r.IntN(2)), 15: byte(r.IntN(4))}
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{192, byte(r.IntN(2)), byte(r.IntN(3) * 64), byte(r.IntN(4))})
	}
	return netip.AddrFrom16(a)
}
