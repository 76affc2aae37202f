package policy

import (
	"fmt"
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
		c := NewClients(tt.everybody, prefixes(t, tt.include), prefixes(t, tt.except))
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

// corners are where prefixes begin and end in the way of others: the ends of
// both families, and of where IPv4 is mapped into IPv6.
var corners = strings.Fields(`0.0.0.0 10.0.2.0 127.255.255.255 128.0.0.0 255.255.255.255 :: ::1 ::fffe:ffff:ffff ::1:0:0:0
	7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8:: 2001:db8:0:0:ffff:ffff:ffff:ffff 2001:db8:0:1:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff`)

// randomAddr returns an address at one of the corners, or up to three bits away
// from it.
func randomAddr(r *rand.Rand) netip.Addr {
	b := netip.MustParseAddr(corners[r.IntN(len(corners))]).AsSlice()
	for range r.IntN(4) {
		bit := r.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func randomPrefixes(r *rand.Rand) []netip.Prefix {
	ps := make([]netip.Prefix, r.IntN(20))
	for i := range ps {
		a := randomAddr(r)
		ps[i] = netip.PrefixFrom(a.Unmap(), r.IntN(a.Unmap().BitLen()+1))
	}
	return ps
}

// longest returns the bits of the longest prefix that holds an address, -1 if none does.
func longest(ps []netip.Prefix, a netip.Addr) int {
	bits := -1
	for _, p := range ps {
		if p.Contains(a.Unmap()) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

// TestClientsModel compares with the longest prefix found by looking at all.
func TestClientsModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	seen := map[bool]int{}
	for range 2000 {
		everybody, include, except := r.IntN(2) == 0, randomPrefixes(r), randomPrefixes(r)
		c := NewClients(everybody, include, except)
		for range 50 {
			a := randomAddr(r)
			in, out := longest(include, a), longest(except, a)
			want := in > out || in < 0 && out < 0 && everybody
			if seen[want]++; c.Include(a) != want {
				t.Fatalf("Include(%v) = %v with clients %v (everybody: %v) except %v", a, !want, include, everybody, except)
			}
		}
	}
	if min(seen[true], seen[false]) < 20_000 {
		t.Errorf("The random world tests too little: %v", seen)
	}
}

// TestClientsMapped: an IPv4 prefix that is mapped into IPv6 is that IPv4 prefix.
func TestClientsMapped(t *testing.T) {
	c := NewClients(false, prefixes(t, "::ffff:192.0.2.0/120"), prefixes(t, "192.0.2.128/25"))
	for text, want := range map[string]bool{
		"192.0.2.127": true, "::ffff:192.0.2.0": true, "192.0.2.128": false, "::ffff:192.0.2.255": false, "192.0.3.0": false, "::192.0.2.1": false,
	} {
		if got := c.Include(netip.MustParseAddr(text)); got != want {
			t.Errorf("Include(%s) = %v", text, got)
		}
	}
}

// TestClientsBounds: what changes nothing takes no room.
func TestClientsBounds(t *testing.T) {
	for text, want := range map[string]int{
		"":                                      0,
		"192.0.2.0/24":                          2,
		"192.0.2.0/24 192.0.2.0/24 192.0.2.1":   2,
		"192.0.2.0/25 192.0.2.128/25 192.0.3.0": 2,
		"192.0.2.0/24 198.51.100.0/24 2001:db8::": 6,
		"0.0.0.0/0 ::/0": 1,
	} {
		if got := len(NewClients(false, prefixes(t, text), nil).bounds); got != want {
			t.Errorf("%q: %d bounds, want %d", text, got, want)
		}
	}
}

func TestIncludeAllocations(t *testing.T) {
	c := NewClients(true, prefixes(t, "192.0.2.1 2001:db8::/32"), prefixes(t, "192.0.2.0/24 2001:db8:1::/48"))
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.9"), netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("fe80::1%eth0")}
	if n := testing.AllocsPerRun(100, func() {
		for _, a := range addrs {
			c.Include(a)
		}
	}); n != 0 {
		t.Errorf("Include allocates %v times", n)
	}
}

// manyPrefixes returns included and excepted prefixes of many lengths, a third of
// them IPv6.
func manyPrefixes(n int) (ps [2][]netip.Prefix) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range n {
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
	return ps
}

// TestClientsBuild builds what a large access network has: 100,000 prefixes of
// many lengths, half of them exceptions.
func TestClientsBuild(t *testing.T) {
	ps := manyPrefixes(100_000)
	start := time.Now()
	c := NewClients(false, ps[0], ps[1])
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

// BenchmarkNewClients builds the clients of prefixes of many lengths, a third of
// them IPv6, half of them exceptions.
func BenchmarkNewClients(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		ps := manyPrefixes(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewClients(false, ps[0], ps[1])
			}
		})
	}
}

// BenchmarkInclude asks for clients of which half are included.
func BenchmarkInclude(b *testing.B) {
	ps := manyPrefixes(100_000)
	c := NewClients(false, ps[0], ps[1])
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Include(ps[i%2][i/2%len(ps[0])].Addr())
	}
}
