package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nonudify/nonudify/plugin/rule"
)

func prefixes(t testing.TB, text string) []netip.Prefix {
	t.Helper()
	var ps []netip.Prefix
	for s := range strings.FieldsSeq(text) {
		p, err := ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
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
		{"mapped prefixes", false, "::ffff:192.0.2.0/120", "", "192.0.2.1 ::ffff:192.0.2.1", "192.0.3.1"},
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

func TestParsePrefix(t *testing.T) {
	tests := []struct{ in, want string }{
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.77/24", "192.0.2.0/24"},
		{"192.0.2.1", "192.0.2.1/32"},
		{"2001:DB8::1", "2001:db8::1/128"},
		{"2001:db8::1/32", "2001:db8::/32"},
		{"fe80::1%eth0", "fe80::1/128"},
		{"::ffff:192.0.2.1", "192.0.2.1/32"},
		{"::ffff:192.0.2.1/120", "192.0.2.0/24"},
		{"::ffff:0.0.0.0/96", "0.0.0.0/0"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"::/0", "::/0"},
	}
	for _, tt := range tests {
		if got, err := ParsePrefix(tt.in); err != nil || got.String() != tt.want {
			t.Errorf("ParsePrefix(%q) = %v, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{
		"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2/24", "192.0.2.0/024", "2001:db8::/129",
		"badsite.example", "192.0.2.1:53", "fe80::1%eth0/64", "192.0.2.1 ", "192.0.2.0-192.0.2.9", "010.0.0.1",
	} {
		got, err := ParsePrefix(in)
		if want := fmt.Sprintf("%q is not an address or a prefix", in); err == nil || err.Error() != want {
			t.Errorf("ParsePrefix(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	if _, err := ParsePrefix("::ffff:0:0/95"); err == nil || err.Error() != `"::ffff:0:0/95" holds more than the IPv4 addresses` {
		t.Errorf("ParsePrefix of more than the mapped addresses: %v", err)
	}
}

func TestReadPrefixes(t *testing.T) {
	blank := strings.Repeat(" ", maxPrefixLine)
	tests := []struct{ name, in, want, err string }{
		{"empty", "", "[]", ""},
		{"comments only", "# pupils\n\n  \n\t# staff", "[]", ""},
		{"all sorts", "192.0.2.0/24 # pupils\n  2001:db8::1\t\n#\n198.51.100.7#staff\n", "[192.0.2.0/24 2001:db8::1/128 198.51.100.7/32]", ""},
		{"mark and CRLF", "\ufeff192.0.2.0/24\r\n\r\n2001:db8::/32\r\n", "[192.0.2.0/24 2001:db8::/32]", ""},
		{"no newline at the end", "192.0.2.1\n192.0.2.2", "[192.0.2.1/32 192.0.2.2/32]", ""},
		{"bad line", "192.0.2.1\n# two\n192.0.2.300\n192.0.2.2\n", "[]", `p.txt:3: "192.0.2.300" is not an address or a prefix`},
		{"two on a line", "192.0.2.1 192.0.2.2\n", "[]", `p.txt:1: "192.0.2.1 192.0.2.2" is not an address or a prefix`},
		{"page instead of a file", "<!DOCTYPE html>\n", "[]", `p.txt:1: "<!DOCTYPE html>" is not an address or a prefix`},
		{"longest line", "192.0.2.1" + blank[:maxPrefixLine-10] + "\n192.0.2.2", "[192.0.2.1/32 192.0.2.2/32]", ""},
		{"longer line", "# one\n192.0.2.1" + blank[:maxPrefixLine-9] + "\n192.0.2.2", "[]", "p.txt:2: bufio.Scanner: token too long"},
	}
	for _, tt := range tests {
		got, err := ReadPrefixes(strings.NewReader(tt.in), "p.txt")
		if fmt.Sprint(got) != tt.want || tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: %v, %v, want %s, %s", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestReadPrefixesReader(t *testing.T) {
	broken := errors.New("broken")
	_, err := ReadPrefixes(io.MultiReader(strings.NewReader("192.0.2.1\n"), iotest.ErrReader(broken)), "p.txt")
	var at *rule.LineError
	if !errors.Is(err, broken) || !errors.As(err, &at) || at.Line != 2 || at.File != "p.txt" {
		t.Errorf("A reader that fails: %v", err)
	}
	got, err := ReadPrefixes(iotest.OneByteReader(strings.NewReader("192.0.2.1\r\n::1")), "p.txt")
	if fmt.Sprint(got, err) != "[192.0.2.1/32 ::1/128] <nil>" {
		t.Errorf("A slow reader: %v, %v", got, err)
	}
}

func TestReadPrefixesLimit(t *testing.T) {
	full := bytes.Repeat([]byte("192.0.2.1\n"), maxPrefixes)
	if got, err := ReadPrefixes(bytes.NewReader(full), "p.txt"); len(got) != maxPrefixes || err != nil {
		t.Errorf("%d prefixes: %v", len(got), err)
	}
	_, err := ReadPrefixes(bytes.NewReader(append(full, "192.0.2.1\n"...)), "p.txt")
	if want := "p.txt:1048577: more than 1048576 prefixes"; err == nil || err.Error() != want {
		t.Errorf("One more: %v, want %s", err, want)
	}
}
