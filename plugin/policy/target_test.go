package policy

import (
	"net/netip"
	"testing"

	"github.com/nonudify/nonudify/plugin/set"
)

func TestDecideTarget(t *testing.T) {
	const bad = "block subtree badsite.example"
	const blocked = "block by l0 (filtered, serial 1): subtree of 0 labels, open"
	tests := []struct {
		name   string
		allow  string
		lists  []string
		target string // of www.good.example
		want   string
	}{
		{"miss", "", []string{bad}, "cdn.example.", "none"},
		{"no list", "", nil, "badsite.example.", "none"},
		{"the name", "", []string{bad}, "badsite.example.", blocked},
		{"below, in any letter case", "", []string{bad}, "A.BadSite.EXAMPLE.", blocked},
		{"label boundary", "", []string{bad}, "notbadsite.example.", "none"},
		{"escaped dot", "", []string{bad}, `a\.badsite.example.`, "none"},
		{"root", "", []string{bad}, ".", "none"},
		{"empty", "", []string{bad}, "", "none"},
		{"no name", "", []string{bad}, `bad\`, "none"},
		{"exact rule", "", []string{"block exact badsite.example"}, "badsite.example.",
			"block by l0 (filtered, serial 1): exact of 0 labels, open"},
		{"exact rule, below", "", []string{"block exact badsite.example"}, "www.badsite.example.", "none"},
		{"the list that lists it", "", []string{"block subtree other.example", bad}, "badsite.example.",
			"block by l1 (blocked, serial 2): subtree of 0 labels, open"},

		{"allow the query name", "pass exact www.good.example", []string{bad}, "badsite.example.", "none"},
		{"allow above the query name", "pass subtree example", []string{bad}, "badsite.test.", "none"},
		{"allow beside the query name", "pass subtree a.www.good.example", []string{bad}, "badsite.example.", blocked},
		{"allow the target", "pass exact cdn.badsite.example", []string{bad}, "cdn.badsite.example.", "none"},
		{"allow above the target", "pass subtree badsite.example", []string{bad}, "cdn.badsite.example.", "none"},
		{"allow below the target", "pass subtree cdn.badsite.example", []string{bad}, "badsite.example.", blocked},

		{"list excepts the target", "", []string{bad + ",pass subtree cdn.badsite.example"}, "cdn.badsite.example.", "none"},
		{"list excepts the query name", "", []string{bad + ",pass subtree good.example"}, "badsite.example.", "none"},
		{"list excepts another", "", []string{bad + ",pass subtree other.example"}, "badsite.example.", blocked},
		{"another list excepts the target", "", []string{bad, bad + ",pass subtree badsite.example"}, "badsite.example.", blocked},
		{"another list excepts the query name", "", []string{bad + ",pass subtree good.example", bad}, "badsite.example.",
			"block by l1 (blocked, serial 2): subtree of 0 labels, open"},
	}
	for _, tt := range tests {
		for _, qname := range []string{"www.good.example.", "WWW.Good.EXAMPLE."} {
			got := newPolicy(t, tt.allow, tt.lists...).DecideTarget(qname, tt.target, netip.Addr{})
			if show(got) != tt.want {
				t.Errorf("%s: %q to %q: %s, want %s", tt.name, qname, tt.target, show(got), tt.want)
			}
			if got.Blocked() && got.Matched(qname) != qname {
				t.Errorf("%s: Matched(%q) = %q", tt.name, qname, got.Matched(qname))
			}
		}
	}
	if v := new(Policy).DecideTarget("good.example.", "badsite.example.", netip.Addr{}); v != (Verdict{}) {
		t.Errorf("The zero Policy: %s", show(v))
	}
}

// TestDecideTargetFor: whom and what a policy is for is asked of the client and
// of the query name, never of the target.
func TestDecideTargetFor(t *testing.T) {
	clients := NewClients(false, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
	var counter Counter
	p := New(Config{
		Lists:   []List{{Name: "l", Set: setOf(t, parseRules(t, "block subtree badsite.test")), Counter: &counter}},
		Allow:   []*set.Set{{}, setOf(t, parseRules(t, "pass exact ok.example"))},
		Clients: clients,
		Zones:   setOf(t, parseRules(t, "block subtree example")),
	})
	inside, outside := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("198.51.100.9")
	for _, tt := range []struct {
		qname, target string
		client        netip.Addr
		want          bool
	}{
		{"good.example.", "badsite.test.", inside, true},
		{"good.example.", "badsite.test.", netip.Addr{}, true},
		{"good.example.", "badsite.test.", outside, false},
		{"good.test.", "badsite.test.", inside, false},
		{"ok.example.", "badsite.test.", inside, false},
	} {
		var got Verdict
		allocations := testing.AllocsPerRun(10, func() { got = p.DecideTarget(tt.qname, tt.target, tt.client) })
		if got.Blocked() != tt.want || allocations != 0 {
			t.Errorf("%s to %s for %v: %s, with %v allocations", tt.qname, tt.target, tt.client, show(got), allocations)
		}
	}
	if got := counter.Counts(); got != (Counts{}) {
		t.Errorf("Targets are counted as query names: %+v", got)
	}
	if p.Empty() || !new(Policy).Empty() {
		t.Error("Empty() is wrong")
	}
}
