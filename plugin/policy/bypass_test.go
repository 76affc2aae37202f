package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

func TestBypass(t *testing.T) {
	for _, b := range []Bypass{Canary, PrivateRelay, DoH} {
		var got Bypass
		if err := got.UnmarshalText([]byte(b.String())); err != nil || got != b {
			t.Errorf("%v became %v, %v", b, got, err)
		}
	}
	for _, text := range []string{"", "none", "DoH", "dot", "bypass(1)"} {
		got := DoH
		err := got.UnmarshalText([]byte(text))
		if err == nil || !strings.HasSuffix(err.Error(), ": want canary, private-relay or doh") || got != DoH {
			t.Errorf("%q became %v, %v", text, got, err)
		}
	}
	if NoBypass.String() != "none" || Bypass(9).String() != "bypass(9)" {
		t.Errorf("NoBypass is %v, 9 is %v", NoBypass, Bypass(9))
	}
}

// closing returns a policy of one list that blocks both.example and excepts
// except.example, and, behind it, of a list for each kind.
func closing(t *testing.T, allow string, pending bool) *Policy {
	c := Config{Pending: pending, Allow: []*set.Set{setOf(t, parseRules(t, allow))}, Lists: []List{
		{Name: "list", Set: setOf(t, parseRules(t, "block subtree both.example,block subtree except.example,pass exact except.example"))},
	}}
	for k, names := range map[Bypass]string{
		Canary:       "block subtree canary.example,block subtree both.example,block subtree except.example",
		PrivateRelay: "block subtree relay.example",
		DoH:          "block subtree doh.example,block exact exact.example",
	} {
		c.Lists = append(c.Lists, List{Name: BypassList, Set: setOf(t, parseRules(t, names)), Reason: Blocked, Bypass: k})
	}
	return New(c)
}

func TestDecideBypass(t *testing.T) {
	const subtree, kind = "block by bypass (blocked, serial 0): subtree of 2 labels", Canary
	for _, tt := range []struct {
		allow, qname, want string
		kind               Bypass
	}{
		{"", "canary.example.", subtree, kind},
		{"", "Sub.CANARY.Example.", subtree, kind},
		{"", "relay.example.", subtree, PrivateRelay},
		{"", "customer.doh.example.", subtree, DoH},
		{"", "exact.example.", "block by bypass (blocked, serial 0): exact of 2 labels, open", DoH},
		{"", "sub.exact.example.", "none", NoBypass},
		{"", "notcanary.example.", "none", NoBypass},
		{"", "both.example.", "block by list (filtered, serial 0): subtree of 2 labels", NoBypass}, // a listed name stays one
		{"", "except.example.", subtree, kind},                                                     // what a list excepts is excepted from that list
		{"pass subtree canary.example", "canary.example.", "pass by allow (blocked, serial 0): subtree of 2 labels", kind},
		{"pass exact ok.canary.example", "canary.example.", subtree + ", open", kind},
		{"pass exact ok.canary.example", "ok.canary.example.", "pass by allow (blocked, serial 0): exact of 3 labels", kind},
	} {
		for _, pending := range []bool{false, true} {
			v := closing(t, tt.allow, pending).Decide(tt.qname, netip.Addr{})
			if v.Pending {
				v = Verdict{} // of a list that is missing, which these are not
			}
			kind := v.Bypass
			if v.Bypass = NoBypass; show(v) != tt.want || kind != tt.kind {
				t.Errorf("%s with %q allowed, pending %v: %s, %v, want %s, %v", tt.qname, tt.allow, pending, show(v), kind, tt.want, tt.kind)
			}
		}
	}
}

// TestDecideTargetBypass: who asks for a signal asks for it by its name; a resolver
// may be reached by an alias.
func TestDecideTargetBypass(t *testing.T) {
	p := closing(t, "pass exact ok.doh.example", false)
	for target, want := range map[string]Bypass{
		"doh.example.": DoH, "a.DOH.example.": DoH, "exact.example.": DoH,
		"canary.example.": NoBypass, "relay.example.": NoBypass, "ok.doh.example.": NoBypass, "good.example.": NoBypass,
	} {
		v := p.DecideTarget("www.good.example.", target, netip.Addr{})
		if v.Bypass != want || v.Blocked() != (want != NoBypass) || v.Blocked() && (!v.Open || v.Labels != 0 || v.List != BypassList) {
			t.Errorf("%s: %+v", target, v)
		}
	}
	if v := p.DecideTarget("www.good.example.", "both.example.", netip.Addr{}); v.List != "list" || v.Bypass != NoBypass {
		t.Errorf("A target that is listed, too: %+v", v)
	}
}

// TestBypassClients: the clients and the zones of the policy are those of its ways
// round, too.
func TestBypassClients(t *testing.T) {
	c := closing(t, "", false).config
	c.Clients = NewClients(true, nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	c.Zones = setOf(t, []rule.Rule{{Name: "canary.example", Trigger: rule.Subtree, Action: rule.Block}})
	p := New(c)
	for _, tt := range []struct {
		qname, client string
		want          bool
	}{
		{"canary.example.", "198.51.100.1", true},
		{"canary.example.", "192.0.2.1", false},
		{"doh.example.", "198.51.100.1", false},
	} {
		if got := p.Decide(tt.qname, netip.MustParseAddr(tt.client)).Blocked(); got != tt.want {
			t.Errorf("%s for %s: blocked %v", tt.qname, tt.client, got)
		}
	}
}

// TestListedBypass: the help page is not for those who asked for a resolver.
func TestListedBypass(t *testing.T) {
	p := closing(t, "", false)
	for name, want := range map[string]bool{"both.example.": true, "canary.example.": false, "doh.example.": false} {
		if _, got := p.Listed(name); got != want {
			t.Errorf("%s: listed %v", name, got)
		}
	}
}

func TestDecideBypassAllocates(t *testing.T) {
	p := closing(t, "", false)
	for _, name := range []string{"www.good.example.", "customer.doh.example."} {
		if n := testing.AllocsPerRun(100, func() { p.Decide(name, netip.Addr{}) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
