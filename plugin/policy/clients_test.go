package policy

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func prefixes(t testing.TB, text string) []netip.Prefix {
	t.Helper()
	var ps []netip.Prefix
	for s := range strings.FieldsSeq(text) {
		if !strings.Contains(s, "/") {
			a := netip.MustParseAddr(s)
			ps = append(ps, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func TestClients(t *testing.T) {
	tests := []struct {
		name            string
		everybody       bool
		include, except string
		in, out         string
	}{
		{"everybody", true, "", "", "192.0.2.1 2001:db8::1 ::ffff:192.0.2.1 0.0.0.0 ::", ""},
		{"nobody", false, "", "", "", "192.0.2.1 2001:db8::1 ::ffff:192.0.2.1 0.0.0.0 ::"},
		{"one prefix of each family", false, "192.0.2.0/24 2001:db8::/32", "",
			"192.0.2.0 192.0.2.255 ::ffff:192.0.2.7 2001:db8::1 2001:db8:ffff::", "192.0.1.255 192.0.3.0 2001:db9::"},
		{"everybody except", true, "", "192.0.2.0/24 2001:db8::/32",
			"192.0.3.0 2001:db9:: ::", "192.0.2.1 ::ffff:192.0.2.1 2001:db8::1"},
		{"except inside clients inside except", true, "10.1.0.0/16 10.1.1.7", "10.0.0.0/8 10.1.1.0/24",
			"192.0.2.1 10.1.0.1 10.1.2.1 10.1.1.7 ::1", "10.0.0.1 10.2.0.1 10.1.1.6 10.1.1.8"},
		{"clients inside except inside clients", false, "10.0.0.0/8 10.1.1.0/24", "10.1.0.0/16",
			"10.0.0.1 10.1.1.1 10.2.0.0", "10.1.0.1 10.1.2.1 192.0.2.1"},
		{"the same prefix in both", false, "192.0.2.0/24", "192.0.2.0/24", "", "192.0.2.1"},
		{"the same address in both", true, "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"},
		{"except all, include one", true, "192.0.2.1", "0.0.0.0/0 ::/0", "192.0.2.1", "192.0.2.2 ::1"},
		{"whole family", false, "0.0.0.0/0", "", "192.0.2.1 ::ffff:192.0.2.1", "2001:db8::1"},
		{"zones do not matter", false, "fe80::/10", "", "fe80::1%eth0 fe80::1", "2001:db8::1%eth0"},
	}
	for _, tt := range tests {
		c, err := NewClients(tt.everybody, prefixes(t, tt.include), prefixes(t, tt.except))
		if err != nil {
			t.Fatal(err)
		}
		for want, addrs := range map[bool]string{true: tt.in, false: tt.out} {
			for a := range strings.FieldsSeq(addrs) {
				if got := c.Include(netip.MustParseAddr(a)); got != want {
					t.Errorf("%s: Include(%s) = %v", tt.name, a, got)
				}
			}
		}
		if !c.Include(netip.Addr{}) {
			t.Errorf("%s: a client whose address is not known gets round the filter", tt.name)
		}
	}
	if c := (*Clients)(nil); !c.Include(netip.MustParseAddr("192.0.2.1")) || !c.Include(netip.Addr{}) {
		t.Error("A nil Clients is not everybody")
	}
}

// TestClientsModel compares with the longest prefix found by looking at all.
func TestClientsModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	random := func(n int) (ps []netip.Prefix) {
		for range n {
			a := netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(4)), byte(r.IntN(256))})
			ps = append(ps, netip.PrefixFrom(a, r.IntN(33)).Masked())
		}
		return ps
	}
	longest := func(ps []netip.Prefix, a netip.Addr) int {
		bits := -1
		for _, p := range ps {
			if p.Contains(a) {
				bits = max(bits, p.Bits())
			}
		}
		return bits
	}
	for range 300 {
		include, except := random(r.IntN(10)), random(r.IntN(10))
		c, err := NewClients(false, include, except)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			a := netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(4)), byte(r.IntN(256))})
			if want := longest(include, a) > longest(except, a); c.Include(a) != want {
				t.Fatalf("Include(%v) = %v with clients %v except %v", a, !want, include, except)
			}
		}
	}
}

// TestClientsBuild builds what a large access network has: 100,000 prefixes of
// many lengths, half of them exceptions.
func TestClientsBuild(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var ps [2][]netip.Prefix
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{byte(r.IntN(224)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		p := netip.PrefixFrom(a, 16+r.IntN(17))
		if i%3 == 0 {
			a16 := [16]byte{0x20, 1, 0xd, 0xb8}
			for j := 4; j < 16; j++ {
				a16[j] = byte(r.IntN(256))
			}
			p = netip.PrefixFrom(netip.AddrFrom16(a16), 40+r.IntN(89))
		}
		ps[i%2] = append(ps[i%2], p.Masked())
	}
	start := time.Now()
	c, err := NewClients(false, ps[0], ps[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("100,000 prefixes: %v", time.Since(start))
	n := 0
	for _, p := range ps[0] {
		if c.Include(p.Addr()) {
			n++
		}
	}
	if n < len(ps[0])*9/10 {
		t.Errorf("Only %d of %d included prefixes are included", n, len(ps[0]))
	}
}
