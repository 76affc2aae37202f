package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

// addressRules reads rules of names and, "block address 192.0.2.0/24", of addresses.
func addressRules(t testing.TB, text string) (rules []rule.Rule) {
	t.Helper()
	for line := range strings.SplitSeq(text, ",") {
		f := strings.Fields(line)
		if len(f) != 3 || f[1] != "address" {
			rules = append(rules, parseRules(t, line)...)
			continue
		}
		r := rule.Rule{Prefix: netip.MustParsePrefix(f[2]), Trigger: rule.Address, Action: rule.Block}
		if f[0] == "pass" {
			r.Action = rule.Pass
		}
		rules = append(rules, r)
	}
	return rules
}

func TestGuardAddresses(t *testing.T) {
	for prefix, want := range map[string]error{
		"192.0.2.1/32": nil, "198.51.100.0/24": nil, "185.15.1.0/24": nil, "185.15.0.0/23": ErrShortPrefix, "8.8.8.8/32": nil, "223.255.255.0/24": nil,
		"185.14.0.0/15": ErrShortPrefix, "185.0.0.0/8": ErrShortPrefix, "64.0.0.0/6": ErrShortPrefix, "128.0.0.0/3": ErrShortPrefix,
		"2001:db8::/48": nil, "2a00::/47": ErrShortPrefix, "2001:0:1::/48": ErrSpecial, "2002:c000:201::/48": ErrSpecial, "2001::/32": ErrSpecial, "2003::/48": nil, "2001:db8::1/128": nil, "2a00::/31": ErrShortPrefix, "2a00::/12": ErrShortPrefix, "2000::/3": ErrShortPrefix,

		"0.0.0.0/32": ErrSpecial, "0.1.0.0/16": ErrSpecial, "10.1.2.3/32": ErrSpecial, "10.0.0.0/8": ErrSpecial, "100.64.0.1/32": ErrSpecial, "100.127.255.0/24": ErrSpecial,
		"100.128.0.0/24": nil, "127.0.0.1/32": ErrSpecial, "169.254.1.1/32": ErrSpecial, "172.16.0.0/16": ErrSpecial, "172.31.255.255/32": ErrSpecial, "172.32.0.0/24": nil,
		"192.168.0.0/16": ErrSpecial, "192.168.1.1/32": ErrSpecial, "192.0.0.170/32": ErrSpecial, "192.0.0.0/16": ErrSpecial, "224.0.0.1/32": ErrSpecial,
		"240.0.0.1/32": ErrSpecial, "255.255.255.255/32": ErrSpecial, "0.0.0.0/1": ErrSpecial, "192.0.0.0/2": ErrSpecial,

		"::/128": ErrSpecial, "::1/128": ErrSpecial, "::/32": ErrSpecial, "64:ff9b::c000:201/128": ErrSpecial, "fe80::1/128": ErrSpecial, "fd00::/48": ErrSpecial,
		"ff02::1/128": ErrSpecial, "4000::/32": ErrSpecial, "::/1": ErrSpecial, "8000::/1": ErrSpecial,
	} {
		r := rule.Rule{Prefix: netip.MustParsePrefix(prefix), Trigger: rule.Address, Action: rule.Block}
		if got := new(Guard).Check(r); got != want {
			t.Errorf("%s: %v, want %v", prefix, got, want)
		}
		r.Action = rule.Pass
		if got := new(Guard).Check(r); got != nil {
			t.Errorf("An exception of %s: %v", prefix, got)
		}
	}
}

func TestDecideAddress(t *testing.T) {
	const bad = "block address 192.0.2.0/24"
	const blocked = "block by l0 (filtered, serial 1): address of 0 labels, open"
	tests := []struct {
		name  string
		allow string
		lists []string
		host  string // of www.good.example
		addr  string
		want  string
	}{
		{"no list", "", nil, "www.good.example.", "192.0.2.1", "none"},
		{"no addresses", "", []string{"block subtree badsite.example"}, "www.good.example.", "192.0.2.1", "none"},
		{"miss", "", []string{bad}, "www.good.example.", "192.0.3.1", "none"},
		{"hit", "", []string{bad}, "www.good.example.", "192.0.2.1", blocked},
		{"hit at the end of an alias", "", []string{bad}, "cdn.example.", "192.0.2.1", blocked},
		{"IPv4 inside of IPv6", "", []string{bad}, "cdn.example.", "::ffff:192.0.2.1", blocked},
		{"IPv6", "", []string{"block address 2001:db8::/32"}, "cdn.example.", "2001:db8::1", blocked},
		{"the list that has it", "", []string{"block subtree other.example", bad}, "cdn.example.", "192.0.2.1",
			"block by l1 (blocked, serial 2): address of 0 labels, open"},

		{"a longer exception", "", []string{bad + ",pass address 192.0.2.128/25"}, "cdn.example.", "192.0.2.129", "none"},
		{"a longer exception elsewhere", "", []string{bad + ",pass address 192.0.2.128/25"}, "cdn.example.", "192.0.2.1", blocked},
		{"an exception of the same length", "", []string{bad + ",pass address 192.0.2.0/24"}, "cdn.example.", "192.0.2.1", "none"},
		{"a shorter exception", "", []string{bad + ",pass address 192.0.0.0/16"}, "cdn.example.", "192.0.2.1", blocked},
		{"an exception of another list", "", []string{bad, "pass address 192.0.2.1/32"}, "cdn.example.", "192.0.2.1", blocked},
		{"an exception of another list before", "", []string{"pass address 192.0.2.1/32", bad}, "cdn.example.", "192.0.2.1",
			"block by l1 (blocked, serial 2): address of 0 labels, open"},

		{"allow the query name", "pass exact www.good.example", []string{bad}, "cdn.example.", "192.0.2.1", "none"},
		{"allow above the query name", "pass subtree good.example", []string{bad}, "cdn.example.", "192.0.2.1", "none"},
		{"allow below the query name", "pass subtree a.www.good.example", []string{bad}, "cdn.example.", "192.0.2.1", blocked},
		{"allow the host", "pass exact cdn.example", []string{bad}, "CDN.example.", "192.0.2.1", "none"},
		{"list excepts the query name", "", []string{bad + ",pass subtree good.example"}, "cdn.example.", "192.0.2.1", "none"},
		{"list excepts the host", "", []string{bad + ",pass exact cdn.example"}, "cdn.example.", "192.0.2.1", "none"},
		{"another list excepts the query name", "", []string{bad + ",pass subtree good.example", bad}, "cdn.example.", "192.0.2.1",
			"block by l1 (blocked, serial 2): address of 0 labels, open"},
	}
	for _, tt := range tests {
		c := Config{Allow: []*set.Set{setOf(t, parseRules(t, tt.allow))}}
		for i, text := range tt.lists {
			c.Lists = append(c.Lists, List{Name: []string{"l0", "l1"}[i], Set: setOf(t, addressRules(t, text)), Reason: Reason(i), Serial: uint32(i + 1)})
		}
		p := New(c)
		for _, qname := range []string{"www.good.example.", "WWW.Good.EXAMPLE."} {
			got := p.DecideAddress(qname, tt.host, netip.MustParseAddr(tt.addr), netip.Addr{})
			if show(got) != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, show(got), tt.want)
			}
			if got.Blocked() && got.Matched(qname) != qname {
				t.Errorf("%s: Matched(%q) = %q", tt.name, qname, got.Matched(qname))
			}
		}
		if has := strings.Contains(strings.Join(tt.lists, ","), "address"); p.HasAddresses() != has {
			t.Errorf("%s: HasAddresses is %v", tt.name, !has)
		}
	}
	if v := new(Policy).DecideAddress("good.example.", "good.example.", netip.MustParseAddr("192.0.2.1"), netip.Addr{}); v != (Verdict{}) || new(Policy).HasAddresses() {
		t.Errorf("The zero Policy: %s", show(v))
	}
}

// TestDecideAddressFor: whom and what a policy is for is asked of the client and of
// the query name, and the addresses of its own help page are never blocked.
func TestDecideAddressFor(t *testing.T) {
	clients := NewClients(false, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	var counter Counter
	p := New(Config{
		Lists:   []List{{Name: "l", Set: setOf(t, addressRules(t, "block address 192.0.2.0/24")), Counter: &counter}},
		Clients: clients,
		Zones:   setOf(t, parseRules(t, "block subtree example")),
		Own:     []netip.Addr{netip.MustParseAddr("192.0.2.80")},
	})
	inside, outside := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("198.51.100.9")
	for _, tt := range []struct {
		qname, addr string
		client      netip.Addr
		want        bool
	}{
		{"good.example.", "192.0.2.1", inside, true},
		{"good.example.", "192.0.2.1", netip.Addr{}, true},
		{"good.example.", "192.0.2.1", outside, false},
		{"good.test.", "192.0.2.1", inside, false},
		{"good.example.", "192.0.2.80", inside, false},
		{"good.example.", "::ffff:192.0.2.80", inside, false},
		{"good.example.", "192.0.3.1", inside, false},
	} {
		var got Verdict
		addr := netip.MustParseAddr(tt.addr)
		allocations := testing.AllocsPerRun(10, func() { got = p.DecideAddress(tt.qname, "cdn.test.", addr, tt.client) })
		if got.Blocked() != tt.want || allocations != 0 {
			t.Errorf("%s at %s for %v: %s, with %v allocations", tt.qname, tt.addr, tt.client, show(got), allocations)
		}
	}
	if got := counter.Counts(); got != (Counts{}) {
		t.Errorf("Addresses are counted as query names: %+v", got)
	}
}
