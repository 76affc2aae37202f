package rpz_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

func TestParseAddress(t *testing.T) {
	const cname = dns.TypeCNAME
	for _, tt := range []struct {
		owner  string // in the zone rpz.example.
		rrtype uint16
		target string
		want   string
		err    error
	}{
		// The two families, and the spellings of the actions.
		{"24.0.2.0.192.rpz-ip", cname, ".", "block address 192.0.2.0/24", nil},
		{"32.1.2.0.192.rpz-ip", cname, "*.", "block address 192.0.2.1/32", nil},
		{"32.1.2.0.192.RPZ-IP", cname, "rpz-passthru.", "pass address 192.0.2.1/32", nil},
		{"32.1.2.0.192.rpz-ip", cname, "RPZ-PassThru.", "pass address 192.0.2.1/32", nil},
		{"32.1.2.0.192.rpz-ip", cname, "32.1.2.0.192.rpz-ip.", "pass address 192.0.2.1/32", nil},
		{"1.0.0.0.128.rpz-ip", cname, ".", "block address 128.0.0.0/1", nil}, // not for this package to judge
		{"8.0.0.0.10.rpz-ip", cname, ".", "block address 10.0.0.0/8", nil},
		{"48.zz.1.db8.2001.rpz-ip", cname, ".", "block address 2001:db8:1::/48", nil},
		{"128.1.zz.db8.2001.rpz-ip", cname, ".", "block address 2001:db8::1/128", nil},
		{"128.1.ZZ.DB8.2001.rpz-ip", cname, ".", "block address 2001:db8::1/128", nil},
		{"128.1.2.3.4.5.6.db8.2001.rpz-ip", cname, ".", "block address 2001:db8:6:5:4:3:2:1/128", nil},
		{"128.1.0.0.0.0.0.db8.2001.rpz-ip", cname, ".", "block address 2001:db8::1/128", nil},           // without a run
		{"128.1.zz.3.4.5.6.db8.2001.rpz-ip", cname, ".", "block address 2001:db8:6:5:4:3:0:1/128", nil}, // a run of one
		{"128.1.zz.2.0.0.db8.2001.rpz-ip", cname, ".", "block address 2001:db8::2:0:0:1/128", nil},      // not the longest
		{"64.zz.0001.0db8.2001.rpz-ip", cname, ".", "block address 2001:db8:1::/64", nil},
		{"128.1.zz.rpz-ip", cname, ".", "block address ::1/128", nil},
		{"128.zz.rpz-ip", cname, ".", "block address ::/128", nil},
		{"3.zz.2000.rpz-ip", cname, ".", "block address 2000::/3", nil},

		// Lengths.
		{"0.0.0.0.0.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"0.zz.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"33.1.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"129.1.zz.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"288.1.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"024.0.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"+24.0.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"-1.0.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"x.0.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{".0.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"*.0.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"0x20.1.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},

		// Bits behind the length.
		{"24.1.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"31.1.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"127.1.zz.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"32.zz.1.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"24.192.0.2.0.rpz-ip", cname, ".", "", rpz.ErrAddress}, // the address the wrong way round

		// Addresses.
		{"32.256.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"32.01.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"32.1.2.0.192.0.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"32.2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"32..2.0.192.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{`32.1\.2.0.192.rpz-ip`, cname, ".", "", rpz.ErrAddress},
		{"128.1.zz.db8.zz.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128.zz.zz.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128.1.zz.2.3.4.5.6.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress}, // no word is missing
		{"128.1.2.3.4.5.6.7.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128.00001.zz.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128.g.zz.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128..zz.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128.1.zzz.db8.2001.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"128.201.c000.ffff.zz.rpz-ip", cname, ".", "", rpz.ErrAddress}, // 192.0.2.1 inside of IPv6
		{"rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"zz.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{"24.rpz-ip", cname, ".", "", rpz.ErrAddress},
		{strings.Repeat("1.", 2000) + "rpz-ip", cname, ".", "", rpz.ErrAddress},

		// Other triggers, other actions, other records.
		{"bad.example", cname, ".", "", rpz.ErrTrigger},
		{"24.0.2.0.192.rpz-client-ip", cname, ".", "", rpz.ErrTrigger},
		{"24.0.2.0.192.rpz-nsip", cname, ".", "", rpz.ErrTrigger},
		{"24.0.2.0.192.xrpz-ip", cname, ".", "", rpz.ErrTrigger},
		{`24.0.2.0.192\.rpz-ip`, cname, ".", "", rpz.ErrAddress},
		{"*", cname, ".", "", rpz.ErrTrigger},
		{"24.0.2.0.192.rpz-ip", cname, "rpz-drop.", "", rpz.ErrAction},
		{"24.0.2.0.192.rpz-ip", cname, "rpz-tcp-only.", "", rpz.ErrAction},
		{"24.0.2.0.192.rpz-ip", cname, "page.example.", "", rpz.ErrAction},
		{"24.0.2.0.192.rpz-ip", cname, "", "", rpz.ErrAction},
		{"24.0.2.0.192.rpz-ip", dns.TypeA, "", "", rpz.ErrAction},
		{"24.0.2.0.192.rpz-ip", dns.TypeRRSIG, "", "", rpz.ErrSkip},
	} {
		for _, origin := range []string{"", "rpz.example."} {
			got, err := rpz.ParseAddress(origin, strings.TrimSuffix(tt.owner+"."+origin, "."), tt.rrtype, tt.target)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%.80q %s %q in %q: error %v, want %v", tt.owner, dns.TypeToString[tt.rrtype], tt.target, origin, err, tt.err)
				continue
			}
			if err == nil && got.String() != tt.want || err != nil && got != (rule.Rule{}) {
				t.Errorf("%.80q %s %q in %q: %q, want %q", tt.owner, dns.TypeToString[tt.rrtype], tt.target, origin, got, tt.want)
			}
		}
	}
	for owner, want := range map[string]error{"24.0.2.0.192.rpz-ip.": rpz.ErrOutOfZone, "rpz.example.": rpz.ErrTrigger} {
		if _, err := rpz.ParseAddress("rpz.example.", owner, cname, "."); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", owner, err, want)
		}
	}
}

// ownerOf returns the owner of a prefix as the draft wants it, made of the
// library's text for the address.
func ownerOf(p netip.Prefix) string {
	text, separator := p.Addr().String(), "."
	if p.Addr().Is6() {
		// "::" is a run of zeros between two words, or a word and an end.
		text, separator = strings.Trim(strings.Replace(text, "::", ":zz:", 1), ":"), ":"
	}
	owner := "rpz-ip"
	for word := range strings.SplitSeq(text, separator) {
		owner = word + "." + owner
	}
	return fmt.Sprintf("%d.%s", p.Bits(), owner)
}

// TestParseAddressRound reads the owners of random prefixes.
func TestParseAddressRound(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20000 {
		var a [16]byte
		for i := range a {
			if r.IntN(2) == 0 { // so that there are runs of zeros
				a[i] = byte(r.IntN(256))
			}
		}
		addr := netip.AddrFrom16(a)
		if r.IntN(2) == 0 {
			addr = netip.AddrFrom4([4]byte(a[:4]))
		}
		if addr.Is4In6() {
			continue
		}
		p := netip.PrefixFrom(addr, 1+r.IntN(addr.BitLen())).Masked()
		if p.Addr().Is4In6() {
			continue
		}
		got, err := rpz.ParseAddress("", ownerOf(p), dns.TypeCNAME, ".")
		if err != nil || got.Prefix != p {
			t.Fatalf("%v as %s: %v, %v", p, ownerOf(p), got, err)
		}
	}
}

// FuzzAddress checks what ParseAddress promises of any owner: a rule has a masked
// prefix of its own family, which is the one that its owner in canonical form has,
// and a record that is a rule is none about names.
func FuzzAddress(f *testing.F) {
	for _, owner := range []string{
		"24.0.2.0.192.rpz-ip", "128.1.zz.db8.2001.rpz-ip", "128.zz.rpz-ip", "128.1.2.3.4.5.6.db8.2001.rpz-ip", "48.zz.1.db8.2001.RPZ-IP",
		"0.0.0.0.0.rpz-ip", "24.1.2.0.192.rpz-ip", "128.201.c000.ffff.zz.rpz-ip", "32.01.2.0.192.rpz-ip", "rpz-ip", ".rpz-ip", `1\.2.rpz-ip`,
		"128.1.zz.zz.rpz-ip", "24.0.2.0.192.rpz-client-ip", "bad.example",
	} {
		f.Add(owner, uint16(dns.TypeCNAME), ".")
	}
	f.Add("32.1.2.0.192.rpz-ip", uint16(dns.TypeCNAME), "rpz-passthru.")
	f.Add("32.1.2.0.192.rpz-ip", uint16(dns.TypeA), "")
	f.Fuzz(func(t *testing.T, owner string, rrtype uint16, target string) {
		r, err := rpz.ParseAddress("", owner, rrtype, target)
		if err != nil {
			if r != (rule.Rule{}) {
				t.Fatalf("a rule beside an error: %v, %v", r, err)
			}
			return
		}
		p := r.Prefix
		if !p.IsValid() || p != p.Masked() || p.Bits() == 0 || p.Addr().Is4In6() || r.Name != "" || r.Trigger != rule.Address {
			t.Fatalf("%q: %+v", owner, r)
		}
		if r.Action != rule.Block && r.Action != rule.Pass {
			t.Fatalf("action %v", r.Action)
		}
		if again, err := rpz.ParseAddress("", ownerOf(p), rrtype, "."); err != nil || again.Prefix != p {
			t.Fatalf("%q is %v, whose owner %q is %v, %v", owner, p, ownerOf(p), again, err)
		}
		if _, err := rpz.Parse("", owner, rrtype, target); err != rpz.ErrTrigger {
			t.Fatalf("%q is %v, and as a name: %v", owner, p, err)
		}
	})
}

// TestAddressOwner reads back what is written, which is spelt as others want it.
func TestAddressOwner(t *testing.T) {
	for prefix, want := range map[string]string{
		"192.0.2.0/24": "24.0.2.0.192.rpz-ip", "192.0.2.1/32": "32.1.2.0.192.rpz-ip", "2001:db8:1::/48": "48.zz.1.db8.2001.rpz-ip",
		"2001:db8::1/128": "128.1.zz.db8.2001.rpz-ip", "2001:db8:0:1:1:1:1:1/128": "128.1.1.1.1.1.0.db8.2001.rpz-ip",
		"2001:0:0:1:0:0:0:1/128": "128.1.zz.1.0.0.2001.rpz-ip", "2001:0:0:1:2:0:0:1/128": "128.1.0.0.2.1.zz.2001.rpz-ip",
		"::/1": "1.zz.rpz-ip", "::1/128": "128.1.zz.rpz-ip", "1:2:3:4:5:6:7:8/128": "128.8.7.6.5.4.3.2.1.rpz-ip",
	} {
		r := rule.Rule{Prefix: netip.MustParsePrefix(prefix), Trigger: rule.Address, Action: rule.Block}
		got := rpz.Owner(r)
		if back, err := rpz.ParseAddress("rpz.example.", got+".rpz.example.", dns.TypeCNAME, "."); got != want || err != nil || back != r {
			t.Errorf("%s: %s, want %s; read as %v, %v", prefix, got, want, back, err)
		}
	}
	random := rand.New(rand.NewPCG(31, 32))
	for range 10_000 {
		var a [16]byte
		for i := range a {
			a[i] = byte(random.IntN(3) / 2)
		}
		addr := netip.AddrFrom16(a)
		if random.IntN(3) == 0 {
			addr = netip.AddrFrom4([4]byte(a[:4]))
		}
		r := rule.Rule{Prefix: netip.PrefixFrom(addr, 1+random.IntN(addr.BitLen())).Masked(), Trigger: rule.Address, Action: rule.Pass}
		if r.Prefix.Addr().Is4In6() {
			continue
		}
		if back, err := rpz.ParseAddress(".", rpz.Owner(r), dns.TypeCNAME, "rpz-passthru."); err != nil || back != r {
			t.Fatalf("%v: %s is read as %v, %v", r, rpz.Owner(r), back, err)
		}
		if !rpz.IsAddress(rpz.Owner(r)) || !rpz.IsAddress("RPZ-ip") || rpz.IsAddress("rpz-ip.example") {
			t.Fatal("IsAddress")
		}
	}
}
