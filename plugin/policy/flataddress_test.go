package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// addressText returns the rules about addresses of a flat zone.
func addressText(f *Flat) string {
	var lines []string
	for r := range f.Addresses() {
		lines = append(lines, r.Action.String()+" "+r.Prefix.String())
	}
	return strings.Join(lines, ",")
}

func TestFlatAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, own string
		lists     []string
		want      string
	}{
		{"none", "192.0.2.1", []string{"block subtree a.example"}, ""},
		{"in order", "", []string{"block address 2001:db8::/48,block address 192.0.2.128/25,block address 192.0.2.1/32,block address 192.0.2.0/24"},
			"block 192.0.2.0/24,block 192.0.2.1/32,block 192.0.2.128/25,block 2001:db8::/48"},
		{"an exception inside", "", []string{"block address 192.0.2.0/24,pass address 192.0.2.1/32"}, "block 192.0.2.0/24,pass 192.0.2.1/32"},
		{"an exception of the same prefix", "", []string{"block address 192.0.2.0/24,pass address 192.0.2.0/24"}, "pass 192.0.2.0/24"},
		{"an exception that undoes nothing", "", []string{"pass address 192.0.2.0/24,block address 192.0.2.1/32"}, "block 192.0.2.1/32"},
		{"another list's exception", "", []string{"block address 192.0.2.0/24", "pass address 192.0.2.1/32"}, "block 192.0.2.0/24,block 192.0.2.1/32"},
		{"two lists with the exception", "", []string{"block address 192.0.2.0/24,pass address 192.0.2.1/32", "block address 192.0.0.0/16,pass address 192.0.2.0/28"},
			"block 192.0.0.0/16,block 192.0.2.0/24,block 192.0.2.0/28,pass 192.0.2.1/32"},
		{"the help page", "192.0.2.80 2001:db8::80 198.51.100.80", []string{"block address 192.0.2.0/24,block address 2001:db8::/48"},
			"block 192.0.2.0/24,pass 192.0.2.80/32,block 2001:db8::/48,pass 2001:db8::80/128"},
	} {
		c := Config{}
		for _, text := range tt.lists {
			c.Lists = append(c.Lists, List{Name: "l", Set: setOf(t, addressRules(t, text))})
		}
		for a := range strings.FieldsSeq(tt.own) {
			c.Own = append(c.Own, netip.MustParseAddr(a))
		}
		if got := addressText(New(c).Flat("")); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestFlatAddressModel asks policies that are made at random, and the zones that they
// come to, about the same addresses.
func TestFlatAddressModel(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	addr := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{192, 0, byte(r.IntN(2)), byte(r.IntN(8))})
		}
		return netip.AddrFrom16([16]byte{0x20, 0x01, 3: byte(r.IntN(2)), 15: byte(r.IntN(8))})
	}
	blocked, passed, asked := 0, 0, 0
	for range 1000 {
		c := Config{Allow: []*set.Set{setOf(t, parseRules(t, "pass exact fine.example"))}}
		for i := range 1 + r.IntN(3) {
			var rules []rule.Rule
			for range r.IntN(12) {
				a := addr()
				bits := a.BitLen() - r.IntN(12)
				rules = append(rules, rule.Rule{Prefix: netip.PrefixFrom(a, bits).Masked(), Trigger: rule.Address, Action: rule.Block + rule.Action(r.IntN(3)/2)})
			}
			c.Lists = append(c.Lists, List{Name: fmt.Sprint("l", i), Set: setOf(t, rules)})
		}
		if r.IntN(3) == 0 {
			c.Own = []netip.Addr{addr(), addr()}
		}
		p := New(c)
		f := p.Flat("")
		zone := map[netip.Prefix]rule.Action{}
		last := netip.Prefix{}
		for x := range f.Addresses() {
			if x.Trigger != rule.Address || last.Compare(x.Prefix) >= 0 {
				t.Fatalf("%v after %v", x, last)
			}
			last, zone[x.Prefix] = x.Prefix, x.Action
		}
		for range 40 {
			a := addr()
			want := rule.None
			for bits := range a.BitLen() + 1 {
				at := netip.PrefixFrom(a, bits).Masked()
				if action, ok := zone[at]; ok {
					want = action
				}
				if got := f.MatchPrefix(at); got != zone[at] {
					t.Fatalf("MatchPrefix of %v says %v, the zone %v: %s", at, got, zone[at], addressText(f))
				}
			}
			v := p.DecideAddress("good.example.", "host.example.", a, netip.Addr{})
			if v.Blocked() != (want == rule.Block) {
				t.Fatalf("%v: the policy says %s, the zone %v: %s", a, show(v), want, addressText(f))
			}
			asked++
			switch want {
			case rule.Block:
				blocked++
			case rule.Pass:
				passed++
			}
		}
	}
	t.Logf("%d questions, %d blocked, %d passed", asked, blocked, passed)
	if blocked < asked/20 || passed < asked/50 {
		t.Errorf("Too few of %d questions were blocked (%d) or passed (%d) to mean anything", asked, blocked, passed)
	}
}
